//! The tiers of EBS snapshots, and how far a move between them is.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{SnapshotTierStatus, StorageTier, TieringOperationStatus};

use super::calls::Question;
use super::ec2_snapshots::{AT_ONCE, VALUES, filter};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read, side_by_side, some_text, time};
use crate::api::ids::SnapshotId;
use crate::clock::now;
use crate::playbook::seen::Read;
use crate::playbook::tiers::{Tier, Tiering};

const TIERS: Question = ("DescribeSnapshotTierStatus", "ec2:DescribeSnapshotTierStatus");

/// The tier of each of these snapshots. Without any nobody is asked.
pub(super) async fn tiers(session: &Session, snapshots: &BTreeSet<SnapshotId>) -> BTreeMap<SnapshotId, Read<Tier>> {
    let asked_at = now();
    let all: Vec<&str> = snapshots.iter().map(SnapshotId::as_str).collect();
    let questions = all.chunks(VALUES).map(|some| found(session, some)).collect();
    let answers = side_by_side(AT_ONCE, questions).await;
    let answer = answers.into_iter().try_fold(BTreeMap::new(), |mut all, some| {
        all.extend(some?);
        Ok(all)
    });
    let told = match read(asked_at, answer) {
        Read::Found { value, .. } => value,
        Read::Failed(failure) => {
            return snapshots.iter().map(|id| (id.clone(), Read::Failed(failure.clone()))).collect();
        }
        Read::Absent { .. } | Read::NotRead => BTreeMap::new(),
    };
    let of = |id: &SnapshotId| {
        told.get(id).cloned().map_or(Read::Absent { asked_at }, |value| Read::Found { asked_at, value })
    };
    snapshots.iter().map(|id| (id.clone(), of(id))).collect()
}

/// EC2 `DescribeSnapshotTierStatus`, by a filter: it takes no ids, and one that is gone is then no error.
async fn found(session: &Session, some: &[&str]) -> Result<BTreeMap<SnapshotId, Tier>, Fault> {
    let request = session.ec2.describe_snapshot_tier_status().filters(filter("snapshot-id", some));
    let all: Vec<_> = session.ask(TIERS, request.into_paginator().items().send().try_collect()).await?;
    let all: Option<BTreeMap<_, _>> = all.iter().map(|found| Some((id(found.snapshot_id())?, tier(found)))).collect();
    all.ok_or_else(|| session.puzzled(TIERS, "a tier of no snapshot").into())
}

fn tier(found: &SnapshotTierStatus) -> Tier {
    Tier {
        archived: found.storage_tier() == Some(&StorageTier::Archive),
        tiering: match found.last_tiering_operation_status() {
            Some(TieringOperationStatus::ArchivalInProgress) => Tiering::Archiving,
            Some(TieringOperationStatus::ArchivalFailed) => Tiering::ArchivalFailed,
            _ => Tiering::Other,
        },
        began: time(found.last_tiering_start_time()),
        progress: found.last_tiering_progress().and_then(|percent| u8::try_from(percent).ok()).unwrap_or_default(),
        detail: some_text(found.last_tiering_operation_status_detail(), 512),
    }
}
