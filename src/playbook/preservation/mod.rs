//! Evidence that stays what it was.

pub mod adopt_snapshots;
pub mod archive_snapshots;
pub mod copy_and_reencrypt;
mod copy_requests;
mod copy_sources;
mod key_statements;
mod keys_given_back;
pub mod lift_hold;
pub mod lock_ends;
pub mod lock_snapshots;
mod public_sharing;
pub mod share_snapshots;
pub mod snapshot_volumes;
pub mod verify_blocks;
pub mod waive_lock;
