//! What the bytes of snapshots are: how far the reading of them is, what they were found to be, and what contradicts it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Time;
use super::copies::Destination;
use super::entry::Fact;
use super::image::{BlockFault, Digests, Part};
use crate::api::ids::{AccountId, Digest, RegionName, SnapshotId};

/// How the digests of exhibits are made.
pub const ALGORITHM: &str = "SHA-256";

/// How far the reading of a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Digesting {
    /// It waits for others to end: only so many are read at the same time.
    Waiting,
    /// Its blocks are being read.
    Going {
        /// When this process began with it.
        since: Time,
        /// The block with which it began.
        from: u64,
        /// From where another one could go on.
        part: Box<Part>,
    },
    /// It was read to its end.
    Done(Digests),
    /// A block is not what the service says it is.
    Contradicted(BlockFault),
}

/// The bytes of a snapshot, as they were read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exhibit {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The account that owns it.
    pub account: AccountId,
    /// The Region in which it was read.
    pub region: RegionName,
    /// How both digests are made.
    pub algorithm: String,
    /// Of the whole image: what `sha256sum` prints.
    pub digest: Digest,
    /// Bytes of the image.
    pub size: u64,
    /// Of the manifest of its blocks.
    pub manifest: Digest,
    /// Blocks that the service has; the others are zeros.
    pub blocks_written: u64,
    /// Those of them that are not all zero: the lines of the manifest.
    pub blocks_not_zero: u64,
}

impl Exhibit {
    /// What was read.
    pub fn new(snapshot: &SnapshotId, at: &Destination, digests: &Digests) -> Self {
        Self {
            snapshot: snapshot.clone(),
            account: at.account.clone(),
            region: at.region.clone(),
            algorithm: ALGORITHM.to_owned(),
            digest: digests.image.clone(),
            size: digests.bytes,
            manifest: digests.manifest.clone(),
            blocks_written: digests.written,
            blocks_not_zero: digests.not_zero,
        }
    }
}

/// How far the reading of a snapshot was when it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartOfDigest {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// From where it goes on.
    pub part: Part,
}

/// Two values that should be one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contradiction {
    /// The snapshot whose bytes are not as they should be.
    pub snapshot: SnapshotId,
    /// What of it: a block, or the whole as a copy of another.
    pub what: String,
    /// What it should be, as the service or the other one says.
    pub told: String,
    /// What it is.
    pub found: String,
}

impl Contradiction {
    /// A block that is not what the service says.
    pub fn of_block(snapshot: &SnapshotId, fault: &BlockFault) -> Self {
        let (block, told, found) = match fault {
            BlockFault::Checksum { block, told, computed } => (block, told.clone(), computed.clone()),
            BlockFault::Algorithm { block, algorithm } => (block, algorithm.clone(), "SHA256".to_owned()),
            BlockFault::Length { block, got, wanted } => (block, format!("{wanted} bytes"), format!("{got} bytes")),
            BlockFault::Outside { block, image } => (block, "a block".to_owned(), format!("an image of {image} bytes")),
        };
        Self { snapshot: snapshot.clone(), what: format!("block {block}"), told, found }
    }

    /// For a person.
    pub fn told(&self) -> String {
        format!("{}, {}: should be {}, and is {}", self.snapshot, self.what, self.told, self.found)
    }
}

/// A part of a digest and when it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Noted {
    /// When.
    pub at: Time,
    /// The part.
    pub part: Part,
}

/// What a chain says of the bytes of snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Exhibits {
    /// Parts of digests that are not complete.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<SnapshotId, Noted>,
    /// What was read to its end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub digested: BTreeMap<SnapshotId, Exhibit>,
    /// What is not as it should be. It stays so, whatever is read later.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contradicted: BTreeMap<SnapshotId, Contradiction>,
}

impl Exhibits {
    /// Whether both were read to their ends, and have the same bytes.
    pub fn agree(&self, one: &SnapshotId, other: &SnapshotId) -> bool {
        let digest = |id: &SnapshotId| Some(&self.digested.get(id)?.digest);
        digest(one).is_some() && digest(one) == digest(other)
    }

    /// Whether nothing more is read of a snapshot.
    pub fn has_ended(&self, snapshot: &SnapshotId) -> bool {
        self.digested.contains_key(snapshot) || self.contradicted.contains_key(snapshot)
    }

    pub(super) fn fold(&mut self, fact: &Fact, at: Time) {
        match fact {
            Fact::DigestPart(noted) => {
                self.parts.insert(noted.snapshot.clone(), Noted { at, part: noted.part.clone() });
            }
            Fact::Digested(exhibit) => {
                self.parts.remove(&exhibit.snapshot);
                self.digested.entry(exhibit.snapshot.clone()).or_insert_with(|| exhibit.clone());
            }
            Fact::Contradicted(contradiction) => {
                self.parts.remove(&contradiction.snapshot);
                let snapshot = contradiction.snapshot.clone();
                self.contradicted.entry(snapshot).or_insert_with(|| contradiction.clone());
            }
            _ => {}
        }
    }
}
