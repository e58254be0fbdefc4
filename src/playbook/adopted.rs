//! Snapshots that existed before anybody asked for evidence: what AWS says of them, and what was told.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::{OperationId, Record};
use super::seen::Snapshot;
use crate::api::ids::{AccountId, InstanceId, KeyArn, RegionName, SnapshotId, VolumeId};

/// A snapshot as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Existing {
    /// As any other.
    pub snapshot: Snapshot,
    /// The account that owns it.
    pub owner: AccountId,
    /// When it was begun, as AWS says it, RFC 3339.
    pub started: Option<String>,
    /// Its tags. Those of somebody else's are not shown.
    pub tags: BTreeMap<String, String>,
}

/// What the chain says of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The volume that AWS shows for it; of a copy it means nothing.
    pub volume: VolumeId,
    /// When it was begun.
    pub started: Option<String>,
    /// Size in GiB.
    pub size_gib: i32,
    /// The key, where it is encrypted.
    pub key: Option<KeyArn>,
}

/// A set that was not made by us.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adopted {
    /// The account that owns it.
    pub account: AccountId,
    /// The Region.
    pub region: RegionName,
    /// The instance that it is said to be of.
    pub instance: Option<InstanceId>,
    /// Whether AWS showed every volume of it attached to that instance. Otherwise the instance is as it was told: it is
    /// terminated, or not there any more.
    pub attached: bool,
    /// Its snapshots.
    pub snapshots: BTreeMap<SnapshotId, Lineage>,
}

impl Adopted {
    /// As a set: made by no operation of ours, and called so.
    pub fn set(&self) -> (OperationId, BTreeMap<VolumeId, SnapshotId>) {
        let of = |(id, lineage): (&SnapshotId, &Lineage)| (lineage.volume.clone(), id.clone());
        (OperationId("adopted".to_owned()), self.snapshots.iter().map(of).collect())
    }

    /// When they were begun: each time once, and nothing for what is not known.
    pub fn started(&self) -> BTreeSet<Option<&str>> {
        self.snapshots.values().map(|lineage| lineage.started.as_deref()).collect()
    }
}

impl Record {
    /// They are the set from then on.
    pub(super) fn adopt(&mut self, adopted: &Adopted) {
        self.set.get_or_insert_with(|| adopted.set());
        self.adopted.get_or_insert_with(|| adopted.clone());
    }
}
