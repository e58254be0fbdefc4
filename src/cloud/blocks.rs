//! Reading a snapshot's blocks: how fast, and what can be wrong with them.

use std::io;
use std::time::Duration;

use super::error::CloudError;
use crate::api::ids::SnapshotId;
use crate::playbook::image::{BlockFault, DigestFault, ImageDigest};

/// How blocks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Calls a second, at most. AWS allows 1,000 `GetSnapshotBlock` to an account and to a snapshot (EBS quotas), which
    /// backup software may need too. It is slower while AWS throttles.
    pub per_second: u32,
    /// Blocks under way at the same time, each of 512 KiB: the memory that reading takes.
    pub at_once: usize,
    /// How often a call is made before its failure is told, 1 for once.
    pub tries: u32,
    /// How long one call may take, its block included.
    pub patience: Duration,
}

impl Default for Reading {
    fn default() -> Self {
        Self { per_second: 500, at_once: 48, tries: 8, patience: Duration::from_secs(30) }
    }
}

/// One step of a digest.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// How far it is.
    pub digest: &'a ImageDigest,
    /// The line of the manifest that came with this step.
    pub line: Option<&'a str>,
}

/// Who is told of each step.
pub type Tell<'a> = &'a mut (dyn FnMut(Advance<'_>) -> io::Result<()> + Send);

/// What came of comparing two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Bytes of the image.
    pub image: u64,
    /// Bytes in blocks that differ.
    pub bytes: u64,
}

/// Why blocks can't be read, or not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// EBS direct knows no such snapshot.
    #[error(
        "{snapshot} can't be read: to EBS direct it does not exist. Check its id and Region; it must be completed, not \
         archived, and the account's own or shared with it"
    )]
    Absent {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// A block is not what the service says it is.
    #[error("{snapshot}: {fault}")]
    Block {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Which block, and both values.
        fault: BlockFault,
    },
    /// The list of blocks can't be one.
    #[error("{snapshot}: {operation} answered what can't be: {what}")]
    List {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The operation.
        operation: &'static str,
        /// What it is.
        what: String,
    },
    /// Tokens that AWS had just given were refused, again and again.
    #[error(
        "{snapshot}: AWS refuses its own tokens from block {block} on, {times} times in a row. Another reader of the same \
         snapshot may make them void; try again when it has ended"
    )]
    Tokens {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The block that was due.
        block: u64,
        /// How often.
        times: u32,
    },
    /// They can't be compared.
    #[error("{first} and {second} can't be compared: AWS says they are not of the same volume and lineage")]
    Unrelated {
        /// The earlier one.
        first: SnapshotId,
        /// The later one.
        second: SnapshotId,
    },
    /// A call failed, as often as it was tried.
    #[error("{snapshot}: {error}")]
    Call {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The failure.
        error: Box<CloudError>,
    },
    /// Nothing can be digested in this order.
    #[error("{snapshot}: {fault}")]
    Order {
        /// The snapshot.
        snapshot: SnapshotId,
        /// What came.
        fault: DigestFault,
    },
    /// What was read could not be told on.
    #[error(transparent)]
    Told(#[from] io::Error),
}
