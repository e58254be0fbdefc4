//! Row D4: evidence is never modified: each snapshot is locked as soon as it is born, while still pending.
//!
//! The lock has a date and not a duration, so that a repeat is identical. It is never shortened. A lock on a
//! snapshot whose creation fails vanishes with it (EBS guide, snapshot lock).

use jiff::ToSpan;

use crate::api::aws_account::LockMode;
use crate::api::conditions::Reason;
use crate::api::ids::SnapshotId;
use crate::playbook::containment::isolate::unread;
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::preservation::snapshot_volumes::is_gone;
use crate::playbook::record::Fact;
use crate::playbook::seen::Lock;
use crate::playbook::step::{Part, State, Step, Turn, View};
use crate::playbook::{EvidenceSnapshot, Time};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Locked",
    after: &[],
    wanted: |_| true,
    needs: None,
    next,
    undo: |_| Turn::new(State::done("a lock ends on its date")),
    preview: |_| vec![PlanLine::about("lock each snapshot against deletion while it is still pending")],
};

/// The mode and the date that this object's locks must have at least.
pub fn wish(view: &View<'_, EvidenceSnapshot>) -> (LockMode, Time) {
    let days = i64::from(view.account.lock_days);
    let default = view.subject.created.checked_add((days * 24).hours()).unwrap_or(Time::MAX);
    let declared = view.spec.lock.as_ref().map(|lock| (lock.mode, lock.until.0));
    let (mode, until) = declared.unwrap_or((view.account.lock_mode, default));
    let retain = view.spec.retain_until.as_ref().map(|time| time.0);
    // Whole seconds: AWS keeps no others, and a repeat must be identical.
    let until = retain.map_or(until, |retain| retain.max(until));
    (mode, Time::from_second(until.as_second()).unwrap_or(until))
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    let (mode, until) = wish(view);
    let failed = |id: &SnapshotId| view.record.settled.get(id).is_some_and(|state| state.starts_with("error"));
    let kept: Vec<&SnapshotId> = set.values().chain(&view.record.surplus).filter(|id| !failed(id)).collect();
    if kept.is_empty() {
        return Turn::new(State::skipped(Reason::SnapshotFailed, "no snapshot of the set is left to lock"));
    }
    let locks = match &view.seen.locks {
        crate::playbook::seen::Read::Found { value, .. } => value,
        read => return unread(read),
    };
    let (mut facts, mut stage, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut open, mut gone) = (0, Vec::new());
    for id in kept {
        if is_gone(view, id) {
            // One that never completed is said to have failed, where its progress is told.
            if view.record.settled.contains_key(id) || view.record.surplus.contains(id) {
                gone.push(id.to_string());
            }
            continue;
        }
        let lock = locks.get(id);
        let good = lock.is_some_and(|lock| suffices(lock, mode, until));
        if good {
            if view.record.locked.get(id) != Some(&Some(until)) {
                facts.push(Fact::Locked { snapshot: id.clone(), until: Some(until) });
            }
        } else {
            open += 1;
            stage.push(Effect::LockSnapshot { snapshot: id.clone(), mode, until });
        }
        parts.push(Part {
            kind: "lock",
            name: id.to_string(),
            state: if good { "Locked" } else { "Open" }.to_owned(),
            message: format!("{} until {until}", mode.as_str()),
        });
    }
    let state = if !gone.is_empty() {
        State::blocked(
            Reason::SnapshotFailed,
            format!(
                "{} was deleted by somebody; the others are locked. Look for it in the Recycle Bin",
                gone.join(", ")
            ),
        )
    } else if open == 0 {
        State::done(format!("{} until {until}", mode.as_str()))
    } else {
        State::working(Reason::InProgress, format!("{open} snapshots still to lock"))
    };
    Turn::new(state).then(stage).noting(facts).with_parts(parts)
}

/// A compliance lock is at least as strong as a governance one; a later date as an earlier one. A pending
/// snapshot's lock shows no date when it was given a duration.
fn suffices(lock: &Lock, mode: LockMode, until: Time) -> bool {
    let strong = lock.mode == mode || lock.mode == LockMode::Compliance;
    strong && lock.until.is_none_or(|ends| ends.as_second() >= until.as_second())
}

#[cfg(test)]
#[path = "lock_snapshots_tests.rs"]
mod tests;
