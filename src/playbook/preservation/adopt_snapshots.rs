//! Row D9 where the snapshots exist already: a notice from outside names them, or a backup was made before the incident.
//!
//! Nothing is taken. Who owns them is verified, that all are there, that their volumes are those of the instance which they are
//! said to be of, and that each carries the tag by which the role is bound to evidence, for this object: who may tag snapshots
//! says with it who is to keep this one, so that two objects never share and unshare the same one. What AWS says of where they
//! come from goes into the chain. They are a set from then on, locked, shared, copied, verified and archived like any other, and
//! never called one that we made.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::SnapshotsSource;
use crate::api::ids::VolumeId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::adopted::{Adopted, Existing, Lineage};
use crate::playbook::containment::isolate::unread;
use crate::playbook::effect::operation_tag;
use crate::playbook::record::Fact;
use crate::playbook::seen::{InstanceState, Read, SnapshotState};
use crate::playbook::step::{Refusal, State, Turn, View};

/// The most snapshots that a message names a command for.
const NAMED: usize = 20;

/// Why the snapshots are not adopted; nothing is done then, to none of them.
pub fn admit(view: &View<'_, EvidenceSnapshot>, source: &SnapshotsSource) -> Result<(), Refusal> {
    let all = match &view.seen.adoptable {
        Read::Found { value, .. } => value,
        Read::Failed(failure) => return Err(Refusal::new(failure.reason, failure.message.clone())),
        Read::NotRead | Read::Absent { .. } => {
            return Err(Refusal::new(Reason::NotObserved, "AWS was not asked yet"));
        }
    };
    let attached = volumes_of(view, source)?;
    let mut of: BTreeMap<&VolumeId, &Existing> = BTreeMap::new();
    for id in &source.snapshot_ids {
        let Some(found) = all.iter().find(|found| found.snapshot.id == *id) else {
            let (account, region) = (&view.account.id, &source.region);
            let what =
                format!("account {account} has no snapshot {id} in {region}, and none of that id is shared with it");
            return refuse(Reason::SnapshotNotFound, &what);
        };
        usable(view, found)?;
        if let Some(other) = of.insert(&found.snapshot.volume, found) {
            let (other, volume) = (&other.snapshot.id, &found.snapshot.volume);
            let what = format!(
                "{other} and {id} both show the volume {volume}: they are two moments of it, or copies, of which AWS names no \
                 volume; adopt each by an EvidenceSnapshot of its own"
            );
            return refuse(Reason::InvalidRequest, &what);
        }
        if let (Some(volumes), Some(instance)) = (&attached, &source.instance_id)
            && !volumes.contains(&found.snapshot.volume)
        {
            let what = format!(
                "{id} shows the volume {}, which is not attached to {instance}: check both ids; where the volume was detached, or \
                 {id} is a copy, of which AWS names no volume, make another EvidenceSnapshot without instanceId",
                found.snapshot.volume
            );
            return refuse(Reason::WrongInstance, &what);
        }
    }
    tagged(view, of.into_values())
}

fn refuse<T>(reason: Reason, message: &str) -> Result<T, Refusal> {
    Err(Refusal::new(reason, format!("{message}. Nothing is done")))
}

/// It is the account's, and has bytes.
fn usable(view: &View<'_, EvidenceSnapshot>, found: &Existing) -> Result<(), Refusal> {
    let (id, owner, own) = (&found.snapshot.id, &found.owner, &view.account.id);
    if owner != own {
        let what = format!(
            "{id} belongs to account {owner}, not to {own}: name the AwsAccount of {owner}, or copy it into {own} first"
        );
        return refuse(Reason::WrongAccount, &what);
    }
    match found.snapshot.state {
        SnapshotState::Error => {
            let why = found.snapshot.state_message.as_deref().unwrap_or("AWS gave no reason");
            refuse(
                Reason::SnapshotFailed,
                &format!("{id} failed ({why}): it has no bytes that could be kept; leave it out"),
            )
        }
        SnapshotState::Recoverable => {
            let what =
                format!("{id} is in the Recycle Bin: restore it first (aws ec2 restore-snapshot-from-recycle-bin)");
            refuse(Reason::SnapshotFailed, &what)
        }
        SnapshotState::Pending | SnapshotState::Completed => Ok(()),
    }
}

/// What is attached to the instance that they are said to be of; none where none is named, and where it is not there any more.
fn volumes_of(
    view: &View<'_, EvidenceSnapshot>,
    source: &SnapshotsSource,
) -> Result<Option<BTreeSet<VolumeId>>, Refusal> {
    if source.instance_id.is_none() {
        return Ok(None);
    }
    match &view.seen.instance {
        Read::Failed(failure) => Err(Refusal::new(failure.reason, failure.message.clone())),
        Read::NotRead => Err(Refusal::new(Reason::NotObserved, "AWS was not asked yet")),
        Read::Found { value, .. } if value.state != InstanceState::Terminated => {
            Ok(Some(value.volumes.iter().map(|attached| attached.volume.clone()).collect()))
        }
        Read::Found { .. } | Read::Absent { .. } => Ok(None),
    }
}

/// Each carries the tag that says that this object is to keep it.
fn tagged<'a>(view: &View<'_, EvidenceSnapshot>, all: impl Iterator<Item = &'a Existing>) -> Result<(), Refusal> {
    let tag = operation_tag(&view.account.tag_prefix);
    let object = format!("{}/{}", view.subject.namespace.as_deref().unwrap_or_default(), view.subject.name);
    let mut lacking = Vec::new();
    for found in all {
        match found.tags.get(&tag) {
            Some(value) if *value == object => {}
            // Whose it is may be nobody's business in this namespace.
            Some(_) => {
                let what = format!(
                    "the tag {tag} of {} says that another object keeps it already: who may tag it decides whether this one \
                     shall, by the value {object}",
                    found.snapshot.id
                );
                return refuse(Reason::HeldElsewhere, &what);
            }
            None => lacking.push(found.snapshot.id.as_str()),
        }
    }
    if lacking.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} of them lack the tag {tag}, without which the role of the AwsAccount may touch no snapshot: have them tagged by somebody \
         who may: aws ec2 create-tags --tags Key={tag},Value={object} --resources {}",
        lacking.len(),
        lacking[..lacking.len().min(NAMED)].join(" ")
    );
    refuse(Reason::PermissionMissing, &what)
}

/// They are the set from now on.
pub(super) fn adopt(view: &View<'_, EvidenceSnapshot>, source: &SnapshotsSource) -> Turn<EvidenceSnapshot> {
    if view.seen.adoptable.value().is_none() {
        return unread(&view.seen.adoptable);
    }
    if source.instance_id.is_some() && view.seen.instance.failure().is_some() {
        return unread(&view.seen.instance);
    }
    if let Err(refusal) = admit(view, source) {
        return Turn::new(State::Blocked(refusal));
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
        instance: source.instance_id.clone(),
        attached: volumes_of(view, source).is_ok_and(|volumes| volumes.is_some()),
        snapshots: all.map(|found| (found.snapshot.id.clone(), lineage(found))).collect(),
    };
    Turn::new(State::working(Reason::InProgress, "adopts the snapshots"))
        .noting([Fact::Adopted(Box::new(adopted))])
        .again_in(0)
}

/// What they are, and what they are not known to be.
pub(super) fn lineage(adopted: &Adopted) -> String {
    let all = adopted.snapshots.len();
    let of = match &adopted.instance {
        Some(instance) if adopted.attached => format!(", of volumes of {instance}"),
        Some(instance) => format!(", said to be of {instance}, which was not there any more"),
        None => String::new(),
    };
    let what = format!("{all} of {all} snapshots, adopted and not taken by us{of}");
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
