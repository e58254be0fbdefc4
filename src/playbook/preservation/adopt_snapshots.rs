//! Row D9 where the snapshots exist already: a notice from outside names them, or a backup was made before the incident.
//!
//! Nothing is taken. Who owns them is verified, that all are there, and that each carries the tag by which the role is bound to
//! evidence: who may tag snapshots says with it that this one may be touched. What AWS says of where they come from goes into
//! the chain. They are a set from then on, locked, shared, copied, verified and archived like any other, and never called one
//! that we made.

use std::collections::BTreeMap;

use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::SnapshotsSource;
use crate::api::ids::VolumeId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::adopted::{Adopted, Existing, Lineage};
use crate::playbook::containment::isolate::unread;
use crate::playbook::effect::operation_tag;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Read, SnapshotState};
use crate::playbook::step::{Refusal, State, Turn, View};

/// Why the snapshots are not adopted; nothing is done then, to none of them.
pub fn admit(view: &View<'_, EvidenceSnapshot>, source: &SnapshotsSource) -> Result<(), Refusal> {
    let refuse = |reason: Reason, message: String| Err(Refusal::new(reason, format!("{message}. Nothing is done")));
    let all = match &view.seen.adoptable {
        Read::Found { value, .. } => value,
        Read::Failed(failure) => return Err(Refusal::new(failure.reason, failure.message.clone())),
        Read::NotRead | Read::Absent { .. } => {
            return Err(Refusal::new(Reason::NotObserved, "AWS was not asked yet"));
        }
    };
    let mut of: BTreeMap<&VolumeId, &Existing> = BTreeMap::new();
    for id in &source.snapshot_ids {
        let Some(found) = all.iter().find(|found| found.snapshot.id == *id) else {
            let (account, region) = (&view.account.id, &source.region);
            let what =
                format!("account {account} has no snapshot {id} in {region}, and none of that id is shared with it");
            return refuse(Reason::SnapshotNotFound, what);
        };
        if found.owner != view.account.id {
            let (owner, own) = (&found.owner, &view.account.id);
            let what = format!(
                "{id} belongs to account {owner}, not to {own}: name the AwsAccount of {owner}, or copy it into {own} first"
            );
            return refuse(Reason::WrongAccount, what);
        }
        if matches!(found.snapshot.state, SnapshotState::Error | SnapshotState::Recoverable) {
            let what = format!("{id} is in error, or in the Recycle Bin: it has no bytes that could be kept");
            return refuse(Reason::SnapshotFailed, what);
        }
        if let Some(other) = of.insert(&found.snapshot.volume, found) {
            let (other, volume) = (&other.snapshot.id, &found.snapshot.volume);
            let what = format!(
                "{other} and {id} both show the volume {volume}: they are two moments of it, or copies, of which AWS names no \
                 volume; adopt each by an EvidenceSnapshot of its own"
            );
            return refuse(Reason::InvalidRequest, what);
        }
        let tag = operation_tag(&view.account.tag_prefix);
        if !found.tags.contains(&tag) {
            let what = format!(
                "{id} does not carry the tag {tag}, without which the role of the AwsAccount may touch no snapshot: have it tagged \
                 by somebody who may: aws ec2 create-tags --resources {id} --tags Key={tag},Value=adopted"
            );
            return refuse(Reason::PermissionMissing, what);
        }
    }
    Ok(())
}

/// They are the set from now on.
pub(super) fn adopt(view: &View<'_, EvidenceSnapshot>, source: &SnapshotsSource) -> Turn<EvidenceSnapshot> {
    if let Err(refusal) = admit(view, source) {
        let turn: Turn<EvidenceSnapshot> = unread(&view.seen.adoptable);
        return if view.seen.adoptable.value().is_some() { Turn::new(State::Blocked(refusal)) } else { turn };
    }
    let all = view.seen.adoptable.value().into_iter().flatten();
    let all = all.filter(|found| source.snapshot_ids.contains(&found.snapshot.id));
    let lineage = |found: &Existing| Lineage {
        volume: found.snapshot.volume.clone(),
        started: found.started.clone(),
        size_gib: found.snapshot.size_gib,
        key: found.snapshot.key.clone(),
    };
    let adopted = Adopted {
        account: view.account.id.clone(),
        region: source.region.clone(),
        told_instance: source.instance_id.clone(),
        snapshots: all.map(|found| (found.snapshot.id.clone(), lineage(found))).collect(),
    };
    Turn::new(State::working(Reason::InProgress, "adopts the snapshots"))
        .noting([Fact::Adopted(Box::new(adopted))])
        .again_in(0)
}

/// What they are, and what they are not known to be.
pub(super) fn lineage(adopted: &Adopted) -> String {
    let all = adopted.snapshots.len();
    let what = format!("{all} of {all} snapshots, adopted and not taken by us");
    let times = adopted.started();
    let moment = match (times.first(), times.last()) {
        _ if all == 1 => return what,
        (Some(Some(first)), Some(Some(last))) if first == last => {
            format!("all were begun at {first}; whether they are one crash-consistent moment AWS does not say")
        }
        (Some(Some(first)), Some(Some(last))) => {
            format!("not one crash-consistent moment: they were begun between {first} and {last}")
        }
        _ => "not one crash-consistent moment: AWS does not say of each when it was begun".to_owned(),
    };
    format!("{what}; {moment}")
}

#[cfg(test)]
#[path = "adopt_snapshots_tests.rs"]
mod tests;
