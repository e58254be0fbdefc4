//! The tiers of EBS: where a snapshot is, and how far a move of it is.

use super::Time;

/// What became of the last move of a snapshot between the tiers of EBS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tiering {
    /// It is on its way to the archive tier.
    Archiving,
    /// AWS could not archive it.
    ArchivalFailed,
    /// Another move, or none: the tier says where it is.
    Other,
}

/// The tier of a snapshot, and how far a move of it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tier {
    /// Whether it is in the archive tier.
    pub archived: bool,
    /// Its last move.
    pub tiering: Tiering,
    /// When that began.
    pub began: Option<Time>,
    /// How far that is, in percent.
    pub progress: u8,
    /// What AWS says of it, in words.
    pub detail: Option<String>,
}
