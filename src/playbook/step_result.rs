//! What a step said, for people: its state, its parts, a remark.

use super::step::State;

/// One volume, interface or copy within a step, for status.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// For example `interface`.
    pub kind: &'static str,
    /// Its id.
    pub name: String,
    /// One word.
    pub state: String,
    /// More, where there is more to say.
    pub message: String,
}

/// A step's name and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    /// Condition type.
    pub name: &'static str,
    /// Where it stands; none where the declaration does not ask for it.
    pub state: Option<State>,
    /// For status.
    pub parts: Vec<Part>,
    /// What a person should know of a step that is done all the same.
    pub remark: Option<String>,
}
