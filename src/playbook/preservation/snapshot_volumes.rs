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
use crate::playbook::copies::{destinations, lock_over, standing};
use crate::playbook::effect::{Created, Effect};
use crate::playbook::ledger::ended;
use crate::playbook::plan::PlanLine;
use crate::playbook::preservation::adopt_snapshots::{adopt, lineage};
use crate::playbook::preservation::lock_snapshots::{ended_on, is_held, wish};
use crate::playbook::record::{Entry, Fact, Operation, OperationId, OutcomeKind, Record};
use crate::playbook::seen::{AttachedVolume, Instance, Read, Snapshot, SnapshotState};
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

/// A complete, locked set stands, and every declared copy: what "evidence is safe" means.
pub const PRESERVED: Step<EvidenceSnapshot> = Step {
    name: "Preserved",
    after: &["VolumesSnapshotted", "Locked", "Copied"],
    wanted: |_| true,
    needs: None,
    next: preserved,
    undo: |_| Turn::new(State::done("evidence stays")),
    preview: |_| Vec::new(),
};

/// Why a volume that was asked for is not in the set.
pub const MISSING: &str = "no snapshot of it came with the set";

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    if view.record.set.is_some() {
        return progress(view);
    }
    if let Some(source) = &view.spec.source.snapshots {
        return adopt(view, source);
    }
    if let Some(found) = late(view) {
        return found;
    }
    match open(view).next() {
        Some((id, operation)) => look_up(view, id, operation),
        None => begin(view),
    }
}

/// Requests for a set that have no outcome.
fn open<'a>(view: &View<'a, EvidenceSnapshot>) -> impl Iterator<Item = (&'a OperationId, &'a Operation)> {
    view.record.open(STEP.name).filter(|(_, operation)| matches!(operation.effect, Effect::CreateSnapshots { .. }))
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
    let left_out = view.seen.instance.value().map(|instance| not_covered(view, instance)).unwrap_or_default();
    let said = (left_out != view.record.not_covered).then_some(Fact::NotCovered { parts: left_out });
    Turn::new(State::working(Reason::InProgress, "takes the snapshot set")).then(vec![effect]).noting(said)
}

/// What of the host is in no set, and why.
fn not_covered(view: &View<'_, EvidenceSnapshot>, instance: &Instance) -> BTreeMap<String, String> {
    let excluded = view.spec.source.instance.iter().flat_map(|source| &source.exclude_volume_ids).map(|volume| {
        let attached = instance.volumes.iter().any(|attached| attached.volume == *volume);
        let why = if attached {
            "left out, as spec.source.instance.excludeVolumeIds asks"
        } else {
            "named in spec.source.instance.excludeVolumeIds, and not attached to the instance; check the id"
        };
        (volume.to_string(), why.to_owned())
    });
    let store = (instance.root_device_type == "instance-store")
        .then(|| ("the root device".to_owned(), "instance store, which can't be snapshotted".to_owned()));
    excluded.chain(store).collect()
}

/// Volumes that were asked for and of which no snapshot came.
pub fn missing(record: &Record) -> Vec<&VolumeId> {
    let Some((canonical, set)) = &record.set else { return Vec::new() };
    match record.operations.get(canonical).map(|operation| &operation.effect) {
        Some(Effect::CreateSnapshots { volumes, .. }) => volumes.iter().filter(|v| !set.contains_key(*v)).collect(),
        _ => Vec::new(),
    }
}

fn create(view: &View<'_, EvidenceSnapshot>) -> Option<Effect> {
    let instance = view.seen.instance.value()?;
    let source = view.spec.source.instance.as_ref()?;
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
    let complete = is_complete(volumes, &found);
    if !found.is_empty() && (complete || is_ripe(view, operation)) {
        return Turn::new(State::working(Reason::InProgress, "found the set whose reply was lost"))
            .adopting(ended(id, OutcomeKind::Adopted, created(&found)))
            .again_in(0);
    }
    if is_ripe(view, operation) && view.now.as_second() >= operation.at.as_second() + view.limits.settle_seconds {
        let again = Effect::clone(&operation.effect);
        return Turn::new(State::working(Reason::InProgress, "takes the set again: the first request left no trace"))
            .then(vec![again]);
    }
    Turn::new(waiting()).again_in(view.limits.poll_seconds)
}

fn waiting() -> State {
    State::working(Reason::OutcomeUnknown, "the reply was lost; looks for the set before asking again")
}

/// A set of an operation that was given up as unknown, and came after all, before another one did: it is the set, and
/// nothing more is asked for. Its operation has its outcome already, so it is a fact.
fn late(view: &View<'_, EvidenceSnapshot>) -> Option<Turn<EvidenceSnapshot>> {
    let (id, operation, found) = view
        .record
        .operations
        .iter()
        .filter(|(_, operation)| operation.outcome == Some(OutcomeKind::Unknown))
        .filter_map(|(id, operation)| Some((id, operation, born_of(view, id)?)))
        .find(|(.., found)| !found.is_empty())?;
    let Effect::CreateSnapshots { volumes, .. } = &operation.effect else { return None };
    // A part of it may be shown before the rest.
    let waited = open(view).all(|(_, later)| is_ripe(view, later));
    if !waited && !is_complete(volumes, &found) {
        return Some(Turn::new(waiting()).again_in(view.limits.poll_seconds));
    }
    let snapshots = found.iter().map(|snapshot| (snapshot.volume.clone(), snapshot.id.clone())).collect();
    let state = State::working(Reason::InProgress, "found the set of a request that was given up");
    Some(Turn::new(state).noting([Fact::SetFound { operation: id.clone(), snapshots }]).again_in(0))
}

fn is_complete(volumes: &BTreeSet<VolumeId>, found: &[&Snapshot]) -> bool {
    volumes.iter().all(|volume| found.iter().any(|snapshot| snapshot.volume == *volume))
}

/// Whether AWS was asked so long after an operation that what it made is shown.
fn is_ripe(view: &View<'_, EvidenceSnapshot>, operation: &Operation) -> bool {
    let asked = view.seen.snapshots.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    asked >= operation.at.as_second() + view.limits.settle_seconds
}

fn created(found: &[&Snapshot]) -> Vec<Created> {
    found.iter().map(|s| Created::Snapshot { id: s.id.clone(), volume: s.volume.clone() }).collect()
}

/// A set stands already, and another request is open: what became of it, once that is certain.
fn overtaken(view: &View<'_, EvidenceSnapshot>) -> Vec<Entry> {
    open(view)
        .filter_map(|(id, operation)| {
            let found = born_of(view, id)?;
            let result = if found.is_empty() { OutcomeKind::Unknown } else { OutcomeKind::Surplus };
            is_ripe(view, operation).then(|| ended(id, result, created(&found)))
        })
        .collect()
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
    // What was adopted was there before.
    let made = made.or(view.record.opened.map(jiff::Timestamp::as_second));
    !value.iter().any(|snapshot| snapshot.id == *id)
        && made.is_some_and(|made| asked_at.as_second() >= made + view.limits.settle_seconds)
}

/// The set is taken: how far it is, volume by volume.
fn progress(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((canonical, set)) = &view.record.set else { return Turn::new(waiting()) };
    let Some(seen) = view.seen.snapshots.value() else {
        let all = set.values().all(|id| view.record.settled.contains_key(id));
        return if all && view.seen.snapshots.failure().is_none() {
            all_ended(view)
        } else {
            unread(&view.seen.snapshots)
        };
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
    parts.extend(absent(view));
    let over = overtaken(view);
    let waits = open(view).count() > over.len();
    let told = |turn: Turn<EvidenceSnapshot>| over.into_iter().fold(turn, Turn::adopting);
    if pending == 0 && !facts.iter().any(|fact| matches!(fact, Fact::SnapshotSettled { .. })) {
        let turn = told(all_ended(view).with_parts(parts).noting(facts));
        return if waits { turn.again_in(view.limits.poll_seconds) } else { turn };
    }
    let message = format!("{} of {} snapshots completed", set.len() - pending, set.len());
    let again = if pending == 0 { 0 } else { view.limits.poll_seconds };
    let state = State::working(Reason::SnapshotPending, message);
    told(Turn::new(state).noting(facts).with_parts(parts).again_in(again))
}

/// What no snapshot is of.
fn absent(view: &View<'_, EvidenceSnapshot>) -> Vec<Part> {
    let part = |name: String, reason: Reason, message: &str| Part {
        kind: "snapshot",
        name,
        state: reason.as_str().to_owned(),
        message: message.to_owned(),
    };
    let missing = missing(view.record).into_iter();
    let missing = missing.map(|volume| part(volume.to_string(), Reason::PartialFailure, MISSING));
    let left_out = view.record.not_covered.iter();
    missing.chain(left_out.map(|(name, why)| part(name.clone(), Reason::NotCovered, why))).collect()
}

/// Every snapshot reached its end.
fn all_ended(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else { return Turn::new(waiting()) };
    let left_out: Vec<String> = view.record.not_covered.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    let left_out = (!left_out.is_empty()).then(|| format!("not covered: {}", left_out.join(", ")));
    let lost = lost(view);
    if lost.is_empty() {
        if let Some(adopted) = &view.record.adopted {
            return Turn::new(State::done(lineage(adopted)));
        }
        return Turn::new(State::done(format!("{0} of {0} volumes in one set", set.len()))).remarking(left_out);
    }
    let more = left_out.map(|more| format!("; {more}")).unwrap_or_default();
    Turn::new(State::skipped(
        Reason::PartialFailure,
        format!(
            "failed for {}; the others are kept. A new EvidenceSnapshot takes a new, separate set{more}",
            lost.join(", ")
        ),
    ))
}

/// Volumes that the set should have and has not, each with the reason.
fn lost(view: &View<'_, EvidenceSnapshot>) -> Vec<String> {
    let set = view.record.set.iter().flat_map(|(_, set)| set);
    let failed = set.filter_map(|(volume, id)| {
        view.record.settled.get(id).filter(|state| state.starts_with("error")).map(|s| format!("{volume} ({s})"))
    });
    failed.chain(missing(view.record).into_iter().map(|volume| format!("{volume} ({MISSING})"))).collect()
}

/// Sets beyond the canonical one, and what of its own call came after it was written down: said once, locked like it,
/// never adopted, never deleted.
fn surplus(view: &View<'_, EvidenceSnapshot>, canonical: &OperationId, seen: &[Snapshot]) -> Vec<Fact> {
    let set: Vec<&SnapshotId> = view.record.set.iter().flat_map(|(_, set)| set.values()).collect();
    view.record
        .operations
        .keys()
        .filter_map(|id| {
            let snapshots: Vec<_> = seen
                .iter()
                .filter(|snapshot| snapshot.operation.as_deref() == Some(&id.0))
                .filter(|snapshot| id != canonical || !set.contains(&&snapshot.id))
                .map(|snapshot| snapshot.id.clone())
                .filter(|snapshot| !view.record.surplus.contains(snapshot))
                .collect();
            (!snapshots.is_empty()).then(|| Fact::SurplusSet { operation: id.clone(), snapshots })
        })
        .collect()
}

/// What is lost of a set can't be added to it, whatever a person does: the step is settled then and not stuck, it is
/// never true, and Ready names the volumes.
fn preserved(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else { return Turn::new(waiting()) };
    let complete: Vec<_> =
        set.values().filter(|id| view.record.settled.get(*id).is_some_and(|state| state == "completed")).collect();
    let good = complete.iter().filter(|id| view.record.locked.contains_key(**id)).count();
    let waived = complete.iter().filter(|id| view.record.keeping.lock_waived.contains(**id)).count();
    if good + waived < complete.len() {
        // Seen locked in this very look, and not written down yet.
        return Turn::new(State::working(Reason::InProgress, "writes down that the set is locked")).again_in(0);
    }
    let copies = || destinations(view).into_keys().flat_map(|at| complete.iter().map(move |of| (at.clone(), *of)));
    let stand: Vec<_> = copies().filter_map(|(at, of)| standing(view.record, &at, of)).collect();
    if stand.len() < copies().count() {
        return Turn::new(State::working(Reason::InProgress, "writes down that every copy is complete and locked"))
            .again_in(0);
    }
    let over = complete.iter().copied().chain(stand).filter_map(|id| lock_over(view.record, id, view.now)).max();
    if let Some(ended) = over {
        return if is_held(view) || wish(view).1 > view.now {
            Turn::new(State::working(Reason::InProgress, "writes down how long the locks are")).again_in(0)
        } else {
            let told = format!("{good} snapshots are complete; {}", ended_on(ended));
            Turn::new(State::skipped(Reason::DeadlinePassed, told))
        };
    }
    let all = set.len() + missing(view.record).len();
    Turn::new(if waived > 0 {
        let what =
            format!("{good} of {all} snapshots complete and locked; {waived} complete and not locked, as was approved");
        State::skipped(Reason::LockWaived, what)
    } else if good == all {
        State::done(format!("{good} of {good} snapshots complete and locked"))
    } else if good == 0 {
        State::blocked(
            Reason::SnapshotFailed,
            "no snapshot of the set is complete and locked; take a new EvidenceSnapshot",
        )
    } else {
        let lost = lost(view).join(", ");
        State::skipped(Reason::PartialFailure, format!("{good} of {all} snapshots complete and locked; without {lost}"))
    })
}

#[cfg(test)]
#[path = "snapshot_volumes_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "snapshot_volumes_whole_tests.rs"]
mod whole_tests;
