//! How much may go wrong, and how much others may do.

use std::fmt;

/// What is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Crashes, pauses, lost and late calls, stale looks, throttles.
    pub faults: u8,
    /// Moves of the lease.
    pub moves: u8,
    /// Edits, approvals, the deletion.
    pub operator: u8,
    /// Changes by somebody else.
    pub foreign: u8,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.faults, "faults"),
            (self.moves, "moves of the lease"),
            (self.operator, "deeds of operators"),
            (self.foreign, "deeds of others"),
        ];
        let some: Vec<String> = all.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{what} {n}")).collect();
        f.write_str(&some.join(", "))
    }
}
