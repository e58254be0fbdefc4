//! Evidence that stays what it was.

pub mod lock_snapshots;
pub mod share_snapshots;
pub mod snapshot_volumes;
pub mod verify_blocks;
