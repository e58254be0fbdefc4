//! What the status of an `EvidenceSnapshot` says of the bytes that are kept.

use std::collections::BTreeMap;

use super::super::kind::Told;
use crate::api::copies::CopyStatus;
use crate::api::evidence_snapshot::SnapshotStatus;
use crate::api::exhibits::DigestStatus;
use crate::api::ids::SnapshotId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::exhibit::{Contradiction, Digesting};
use crate::playbook::preservation::verify_blocks::percent;
use crate::playbook::seen::Read;
use crate::playbook::step::State;

/// Of one snapshot or copy.
pub(super) struct Bytes {
    pub(super) digest_percent: Option<u8>,
    pub(super) digest: Option<DigestStatus>,
    /// What they contradict, in words.
    pub(super) contradicted: Option<String>,
}

pub(super) fn bytes(told: &Told<'_, EvidenceSnapshot>, id: &SnapshotId) -> Bytes {
    let exhibits = &told.record.exhibits;
    let digest = exhibits.digested.get(id).map(|exhibit| DigestStatus {
        image: exhibit.digest.clone(),
        manifest: exhibit.manifest.clone(),
        bytes: exhibit.size,
        blocks_written: exhibit.blocks_written,
    });
    let digest_percent = match told.seen.digests.get(id).and_then(Read::value) {
        _ if digest.is_some() => Some(100),
        Some(Digesting::Going { part, .. }) => Some(percent(part)),
        _ => exhibits.parts.get(id).map(|noted| percent(&noted.part)),
    };
    Bytes { digest_percent, digest, contradicted: exhibits.contradicted.get(id).map(Contradiction::told) }
}

/// For a column: how many of all, and while they are read how much of all their bytes.
pub(super) fn verified(
    told: &Told<'_, EvidenceSnapshot>,
    snapshots: &[SnapshotStatus],
    copies: &[CopyStatus],
) -> String {
    let Some(state) = told.step("Verified").and_then(|step| step.state.as_ref()) else { return "None".to_owned() };
    let taken = || snapshots.iter().filter(|snapshot| snapshot.snapshot_id.is_some());
    let sizes: BTreeMap<_, u64> =
        taken().map(|snapshot| (&snapshot.volume_id, u64::from(snapshot.size_gib.unwrap_or_default()))).collect();
    let of_set = taken().map(|s| (&s.volume_id, &s.digest, s.digest_percent));
    let all: Vec<_> = of_set.chain(copies.iter().map(|c| (&c.volume_id, &c.digest, c.digest_percent))).collect();
    let weight = |volume| sizes.get(volume).copied().unwrap_or_default();
    let gib: u64 = all.iter().map(|(volume, ..)| weight(*volume)).sum();
    let read: u64 =
        all.iter().map(|(volume, _, percent)| weight(*volume) * u64::from(percent.unwrap_or_default())).sum();
    // In steps of 5: a status is written for each of them.
    let read = read / gib.max(1) / 5 * 5;
    let count = format!("{}/{}", all.iter().filter(|(_, digest, _)| digest.is_some()).count(), all.len());
    match state {
        State::Blocked(refusal) => refusal.reason.as_str().to_owned(),
        State::Working(_) if all.is_empty() => "Waiting".to_owned(),
        State::Working(_) if read > 0 => format!("{count} {read}%"),
        _ => count,
    }
}
