//! Row D9: snapshot each volume, as one crash-consistent set, with description and tags.
//!
//! CreateSnapshots has no client token: a resend after a lost reply would make a second set. So the intent is
//! written first, its operation id is in the tags that the snapshots are born with, and a resend needs three
//! things at once: a wait W after the intent, a look at AWS asked *after* that wait, and nothing found.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::Moment;
use crate::api::ids::{SnapshotId, VolumeId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::containment::isolate::unread;
use crate::playbook::effect::{Created, Effect};
use crate::playbook::ledger::adopted;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::{Fact, Operation, OperationId, OutcomeKind};
use crate::playbook::seen::{AttachedVolume, Read, Snapshot, SnapshotState};
use crate::playbook::step::{Part, State, Step, Turn, View};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "VolumesSnapshotted",
    after: &[],
    wanted: |_| true,
    needs: None,
    next,
    undo: |_| Turn::new(State::done("evidence stays")),
    preview: |_| vec![PlanLine::about("take one crash-consistent snapshot set of all volumes")],
};

/// A complete, locked set stands: what "evidence is safe" means.
pub const PRESERVED: Step<EvidenceSnapshot> = Step {
    name: "Preserved",
    after: &["VolumesSnapshotted", "Locked"],
    wanted: |_| true,
    needs: None,
    next: preserved,
    undo: |_| Turn::new(State::done("evidence stays")),
    preview: |_| Vec::new(),
};

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    if view.record.set.is_some() {
        return progress(view);
    }
    let pending = view
        .record
        .operations
        .iter()
        .filter(|(_, operation)| matches!(operation.effect, Effect::CreateSnapshots { .. }))
        .find(|(_, operation)| operation.outcome.is_none());
    if let Some((id, operation)) = pending {
        return look_up(view, id, operation);
    }
    if let Some(found) = late(view) {
        return found;
    }
    begin(view)
}

/// The first send, or one after AWS refused the last for certain.
fn begin(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    if view.spec.moment == Moment::AfterIsolation && view.seen.isolated_at.is_none() {
        return Turn::new(State::working(Reason::Waiting, "waits until the Quarantine of this host has isolated it"));
    }
    if let Read::Absent { .. } = view.seen.instance {
        return Turn::new(State::blocked(
            Reason::InstanceNotFound,
            "the instance is gone, and its volumes with it or detached: no set can be taken of it any more",
        ));
    }
    let Some(effect) = create(view) else { return unread(&view.seen.instance) };
    if let Effect::CreateSnapshots { volumes, .. } = &effect
        && volumes.is_empty()
    {
        return Turn::new(State::blocked(
            Reason::NotCovered,
            "the instance has no EBS volume left to snapshot: instance store can't be snapshotted, and excluded volumes are left out",
        ));
    }
    Turn::new(State::working(Reason::InProgress, "takes the snapshot set")).then(vec![effect])
}

fn create(view: &View<'_, EvidenceSnapshot>) -> Option<Effect> {
    let instance = view.seen.instance.value()?;
    let source = &view.spec.source.instance;
    let left_out = |volume: &&AttachedVolume| source.exclude_volume_ids.contains(&volume.volume);
    let ids = |volumes: Vec<&AttachedVolume>| volumes.into_iter().map(|volume| volume.volume.clone()).collect();
    let volumes: BTreeSet<VolumeId> = ids(instance.volumes.iter().filter(|volume| !left_out(volume)).collect());
    // ExcludeDataVolumeIds takes no root volume, ExcludeBootVolume nothing else (CreateSnapshots reference).
    let exclude = ids(instance.volumes.iter().filter(left_out).filter(|volume| !volume.root).collect());
    let exclude_root = instance.volumes.iter().filter(left_out).any(|volume| volume.root);
    let prefix = &view.account.tag_prefix;
    let tags = BTreeMap::from([
        (format!("{prefix}:source-account"), view.account.id.to_string()),
        (format!("{prefix}:source-instance"), source.instance_id.to_string()),
        (format!("{prefix}:source-region"), source.region.to_string()),
        (format!("{prefix}:object"), view.subject.uid.clone()),
    ]);
    Some(Effect::CreateSnapshots {
        instance: instance.id.clone(),
        volumes,
        exclude,
        exclude_root,
        description: format!("{} of {}", view.subject.uid, source.instance_id),
        tags,
        tag_prefix: prefix.clone(),
    })
}

/// The reply was lost, or we crashed: find what came of it before anything is sent again.
fn look_up(view: &View<'_, EvidenceSnapshot>, id: &OperationId, operation: &Operation) -> Turn<EvidenceSnapshot> {
    let Effect::CreateSnapshots { volumes, .. } = &operation.effect else { return Turn::new(waiting()) };
    let Some(found) = born_of(view, id) else {
        return unread(&view.seen.snapshots);
    };
    let ripe = operation.at.as_second() + view.limits.settle_seconds;
    let asked = view.seen.snapshots.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    let covered: BTreeSet<&VolumeId> = found.iter().map(|snapshot| &snapshot.volume).collect();
    let complete = volumes.iter().all(|volume| covered.contains(volume));
    if complete && !found.is_empty() || !found.is_empty() && asked >= ripe {
        let created = found.iter().map(|s| Created::Snapshot { id: s.id.clone(), volume: s.volume.clone() }).collect();
        return Turn::new(State::working(Reason::InProgress, "found the set whose reply was lost"))
            .adopting(adopted(id, created))
            .again_in(0);
    }
    if asked >= ripe && view.now.as_second() >= ripe {
        let again = Effect::clone(&operation.effect);
        return Turn::new(State::working(Reason::InProgress, "takes the set again: the first request left no trace"))
            .then(vec![again]);
    }
    Turn::new(waiting()).again_in(view.limits.poll_seconds)
}

fn waiting() -> State {
    State::working(Reason::OutcomeUnknown, "the reply was lost; looks for the set before asking again")
}

/// A set of an operation that was given up as unknown, and came after all, before another one did.
fn late(view: &View<'_, EvidenceSnapshot>) -> Option<Turn<EvidenceSnapshot>> {
    let (id, found) = view
        .record
        .operations
        .iter()
        .filter(|(_, operation)| operation.outcome == Some(OutcomeKind::Unknown))
        .find_map(|(id, _)| born_of(view, id).filter(|found| !found.is_empty()).map(|found| (id, found)))?;
    let created = found.iter().map(|s| Created::Snapshot { id: s.id.clone(), volume: s.volume.clone() }).collect();
    Some(Turn::new(waiting()).adopting(adopted(id, created)).again_in(0))
}

fn born_of<'a>(view: &View<'a, EvidenceSnapshot>, id: &OperationId) -> Option<Vec<&'a Snapshot>> {
    match &view.seen.snapshots {
        Read::Absent { .. } => Some(Vec::new()),
        read => {
            read.value().map(|all| all.iter().filter(|snapshot| snapshot.operation.as_deref() == Some(&id.0)).collect())
        }
    }
}

/// Whether a snapshot is gone: it is not shown when asked so long after the last call that could have made it that
/// it would be shown if it stood.
pub(super) fn is_gone(view: &View<'_, EvidenceSnapshot>, id: &SnapshotId) -> bool {
    let Read::Found { asked_at, value } = &view.seen.snapshots else { return false };
    let made = view.record.operations.values().filter(|o| !o.effect.is_idempotent()).map(|o| o.at.as_second()).max();
    !value.iter().any(|snapshot| snapshot.id == *id)
        && made.is_some_and(|made| asked_at.as_second() >= made + view.limits.settle_seconds)
}

/// The set is taken: how far it is, volume by volume.
fn progress(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((canonical, set)) = &view.record.set else { return Turn::new(waiting()) };
    let Some(seen) = view.seen.snapshots.value() else {
        let all = set.values().all(|id| view.record.settled.contains_key(id));
        return if all && view.seen.snapshots.failure().is_none() { ended(view) } else { unread(&view.seen.snapshots) };
    };
    let (mut facts, mut parts) = (Vec::new(), Vec::new());
    let mut pending = 0;
    for (volume, id) in set {
        let found = seen.iter().find(|snapshot| snapshot.id == *id);
        let (state, message) = match found {
            None if is_gone(view, id) => ("error".to_owned(), "somebody deleted it".to_owned()),
            None => ("pending".to_owned(), "not shown by AWS yet".to_owned()),
            Some(s) if s.state == SnapshotState::Error => {
                ("error".to_owned(), s.state_message.clone().unwrap_or_else(|| "AWS gave no reason".to_owned()))
            }
            Some(s) if s.state == SnapshotState::Completed => ("completed".to_owned(), String::new()),
            Some(s) => ("pending".to_owned(), format!("{}%", s.progress)),
        };
        if state == "pending" && !view.record.settled.contains_key(id) {
            pending += 1;
        } else if !view.record.settled.contains_key(id) {
            let state = if message.is_empty() { state.clone() } else { format!("{state}: {message}") };
            facts.push(Fact::SnapshotSettled { snapshot: id.clone(), state });
        }
        parts.push(Part { kind: "snapshot", name: volume.to_string(), state, message });
    }
    facts.extend(surplus(view, canonical, seen));
    if pending == 0 && !facts.iter().any(|fact| matches!(fact, Fact::SnapshotSettled { .. })) {
        return ended(view).with_parts(parts).noting(facts);
    }
    let message = format!("{} of {} snapshots completed", set.len() - pending, set.len());
    let again = if pending == 0 { 0 } else { view.limits.poll_seconds };
    Turn::new(State::working(Reason::SnapshotPending, message)).noting(facts).with_parts(parts).again_in(again)
}

/// Every snapshot reached its end.
fn ended(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else { return Turn::new(waiting()) };
    let failed: Vec<String> = set
        .iter()
        .filter_map(|(volume, id)| {
            view.record.settled.get(id).filter(|state| state.starts_with("error")).map(|s| format!("{volume} ({s})"))
        })
        .collect();
    Turn::new(if failed.is_empty() {
        State::done(format!("{0} of {0} volumes in one set", set.len()))
    } else {
        State::skipped(
            Reason::PartialFailure,
            format!(
                "failed for {}; the others are kept. A new EvidenceSnapshot takes a new, separate set",
                failed.join(", ")
            ),
        )
    })
}

/// Sets beyond the canonical one: said once, locked like it, never adopted, never deleted.
fn surplus(view: &View<'_, EvidenceSnapshot>, canonical: &OperationId, seen: &[Snapshot]) -> Vec<Fact> {
    view.record
        .operations
        .keys()
        .filter(|id| *id != canonical)
        .filter_map(|id| {
            let snapshots: Vec<_> = seen
                .iter()
                .filter(|snapshot| snapshot.operation.as_deref() == Some(&id.0))
                .map(|snapshot| snapshot.id.clone())
                .filter(|snapshot| !view.record.surplus.contains(snapshot))
                .collect();
            (!snapshots.is_empty()).then(|| Fact::SurplusSet { operation: id.clone(), snapshots })
        })
        .collect()
}

fn preserved(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else { return Turn::new(waiting()) };
    let complete: Vec<_> =
        set.values().filter(|id| view.record.settled.get(*id).is_some_and(|state| state == "completed")).collect();
    let good = complete.iter().filter(|id| view.record.locked.contains_key(**id)).count();
    if good < complete.len() {
        // Seen locked in this very look, and not written down yet.
        return Turn::new(State::working(Reason::InProgress, "writes down that the set is locked")).again_in(0);
    }
    Turn::new(if good == set.len() {
        State::done(format!("{good} of {good} snapshots complete and locked"))
    } else if good == 0 {
        State::blocked(
            Reason::SnapshotFailed,
            "no snapshot of the set is complete and locked; take a new EvidenceSnapshot",
        )
    } else {
        State::skipped(Reason::PartialFailure, format!("{good} of {} snapshots complete and locked", set.len()))
    })
}

#[cfg(test)]
#[path = "snapshot_volumes_tests.rs"]
mod tests;
