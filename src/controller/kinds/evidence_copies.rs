//! What the status of an `EvidenceSnapshot` says of its copies.

use super::super::cluster::meta_time;
use super::super::kind::Told;
use super::evidence_bytes::{Bytes, bytes};
use crate::api::copies::CopyStatus;
use crate::api::evidence_snapshot::SnapshotStatus;
use crate::api::ids::{SnapshotId, VolumeId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::copies::Destination;
use crate::playbook::seen::SnapshotState;

/// As many copies as a status takes.
const COPIES: usize = 256;

/// The copies, by where they lie and in the order of volumes.
pub(super) fn copies(told: &Told<'_, EvidenceSnapshot>) -> Vec<CopyStatus> {
    let set = || told.record.set.iter().flat_map(|(_, set)| set);
    let all = told.record.copies.iter().flat_map(|(at, kept)| {
        set().filter_map(move |(volume, of)| Some(copy(told, at, volume, of, kept.made.get(of)?)))
    });
    all.take(COPIES).collect()
}

/// Complete and locked of those that are declared.
pub(super) fn counted(told: &Told<'_, EvidenceSnapshot>, copies: &[CopyStatus]) -> String {
    let declared = told.spec.copies.len();
    let set = told.record.set.as_ref().map_or(0, |(_, set)| set.len());
    let own = |copy: &&CopyStatus| copy.account_id != told.account.id;
    let stand =
        copies.iter().filter(own).filter(|copy| copy.state == "completed" && copy.locked_until.is_some()).count();
    match declared * set {
        0 => String::new(),
        all => format!("{stand}/{all}"),
    }
}

/// In the archive tier, of the set and its copies, once that is declared.
pub(super) fn archived(
    told: &Told<'_, EvidenceSnapshot>,
    snapshots: &[SnapshotStatus],
    copies: &[CopyStatus],
) -> String {
    if told.spec.archive_after_days.is_none() && told.record.keeping.archived.is_empty() {
        return String::new();
    }
    let taken = snapshots.iter().filter(|snapshot| snapshot.snapshot_id.is_some()).map(|snapshot| snapshot.archived);
    let all: Vec<bool> = taken.chain(copies.iter().map(|copy| copy.archived)).collect();
    format!("{}/{}", all.iter().filter(|archived| **archived).count(), all.len())
}

fn copy(
    told: &Told<'_, EvidenceSnapshot>,
    at: &Destination,
    volume: &VolumeId,
    of: &SnapshotId,
    id: &SnapshotId,
) -> CopyStatus {
    let seen = told.seen.copies.get(at).and_then(|seen| seen.snapshots.value());
    let seen = seen.and_then(|all| all.iter().find(|snapshot| snapshot.id == *id));
    let settled = told.record.settled.get(id);
    let state = match (settled.map(String::as_str), seen.map(|s| s.state)) {
        (Some("completed"), _) | (None, Some(SnapshotState::Completed)) => "completed",
        (Some(_), _) | (None, Some(SnapshotState::Error)) => "error",
        _ => "pending",
    };
    let progress = match (state, seen) {
        ("completed", _) => Some(100),
        (_, Some(snapshot)) => Some(snapshot.progress / 25 * 25),
        _ => None,
    };
    let Bytes { digest_percent, digest, contradicted } = bytes(told, id);
    CopyStatus {
        account_id: at.account.clone(),
        region: at.region.clone(),
        volume_id: volume.clone(),
        source_snapshot_id: of.clone(),
        snapshot_id: id.clone(),
        state: state.to_owned(),
        progress_percent: progress,
        kms_key_arn: seen.and_then(|snapshot| snapshot.key.clone()),
        locked_until: told.record.locked.get(id).copied().flatten().map(meta_time),
        archived: told.record.keeping.archived.contains(id),
        digest_percent,
        digest,
        message: contradicted
            .as_ref()
            .or(settled.filter(|s| s.as_str() != "completed"))
            .map(|s| super::clip(s, 512))
            .unwrap_or_default(),
    }
}
