//! Row D4: evidence is never modified: each snapshot is locked as soon as it is born, while still pending.
//!
//! The lock has a date and not a duration, so that a repeat is identical. It is never shortened. A lock on a
//! snapshot whose creation fails vanishes with it (EBS guide, snapshot lock).
//!
//! A lock ends on its date, a hold does not: while a legal hold or a retention stands, a lock that is about to end is
//! renewed. A date in the past is never sent: AWS takes it for no lock.

use jiff::ToSpan;

use crate::api::aws_account::LockMode;
use crate::api::conditions::Reason;
use crate::api::ids::SnapshotId;
use crate::playbook::containment::isolate::unread;
use crate::playbook::copies::lock_over;
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::preservation::lock_ends::{Of, alarmed, untagged};
use crate::playbook::preservation::share_snapshots::tag_prefix;
use crate::playbook::preservation::snapshot_volumes::is_gone;
use crate::playbook::preservation::waive_lock;
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

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A lock is renewed when less than a tenth of its length is left of it, or this where that is less.
const RENEWED: i64 = 7 * DAY;

/// What one snapshot's lock must be.
pub(super) enum Due {
    /// Locked until then, or longer.
    Until(Time),
    /// The declared date is over, and the snapshot was never locked.
    Past,
    /// It was locked until then; no hold and no retention asks for more.
    Over(Time),
}

/// The date that is due for one snapshot, given what AWS shows.
pub(super) fn due(view: &View<'_, EvidenceSnapshot>, id: &SnapshotId, lock: Option<&Lock>, wish: Time) -> Due {
    let (now, period) = (view.now.as_second(), i64::from(view.account.lock_days) * DAY);
    let stands = lock.map(|lock| lock.until.unwrap_or(wish));
    let ends = stands.map_or(wish, |stands| stands.max(wish));
    // Whole days: a date that moves with the clock would be another change at each try.
    let renewed = || Time::from_second((now + period).div_euclid(DAY) * DAY + DAY).unwrap_or(wish);
    // A hold asks for a lock whatever date is declared.
    if is_ending(view, ends) {
        return Due::Until(renewed());
    }
    if ends > view.now {
        return Due::Until(wish);
    }
    match view.record.locked.get(id) {
        // It was renewed while something held it, and somebody took it off since.
        Some(Some(promised)) if *promised > view.now => Due::Until(*promised),
        None if stands.is_none() && view.spec.lock.is_some() => Due::Past,
        None if stands.is_none() => Due::Until(renewed()),
        _ => Due::Over(lock_over(view.record, id, view.now).map_or(ends, |ended| ended.max(ends))),
    }
}

/// Whether something asks for a lock whenever the last one ends: a hold, or a retention.
pub(super) fn is_held(view: &View<'_, EvidenceSnapshot>) -> bool {
    let retained = view.spec.retain_until.as_ref().is_some_and(|until| until.0 > view.now);
    view.spec.legal_hold || view.record.keeping.legal_hold.is_some() || retained
}

/// Whether a lock that ends then has to be renewed now: something holds the set, and little is left of the lock.
pub(super) fn is_ending(view: &View<'_, EvidenceSnapshot>, ends: Time) -> bool {
    let length = ends.as_second() - view.subject.created.as_second();
    let left = ends.as_second() - view.now.as_second();
    is_held(view) && (left <= 0 || left < RENEWED.min(length / 10))
}

/// A retention that was over on the day that it was declared asks for nothing, and whoever declared it meant something.
/// One that a chain does not know, and that lay ahead when the object was made, has run out.
fn past_retention(view: &View<'_, EvidenceSnapshot>) -> Option<Time> {
    let until = view.spec.retain_until.as_ref()?.0;
    let late = view.record.keeping.retained.map_or(until <= view.subject.created, |known| known < until);
    (late && until <= view.now).then_some(until)
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    let (mode, wish) = wish(view);
    let failed = |id: &SnapshotId| view.record.settled.get(id).is_some_and(|state| state.starts_with("error"));
    let kept: Vec<&SnapshotId> = set.values().chain(&view.record.surplus).filter(|id| !failed(id)).collect();
    if kept.is_empty() {
        return Turn::new(State::skipped(Reason::SnapshotFailed, "no snapshot of the set is left to lock"));
    }
    let locks = match &view.seen.locks {
        crate::playbook::seen::Read::Found { value, .. } => value,
        read => {
            let turn = unread(read);
            return Turn { state: alarmed(view, Of::Set, turn.state), ..turn };
        }
    };
    let (mut facts, mut stage, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gone, mut past, mut over) = (Vec::new(), false, None);
    let mut until = wish;
    for id in kept {
        if is_gone(view, id) {
            // One that never completed is said to have failed, where its progress is told.
            if view.record.settled.contains_key(id) || view.record.surplus.contains(id) {
                gone.push(id.to_string());
            }
            continue;
        }
        let lock = locks.get(id);
        let (state, ends) = match due(view, id, lock, wish) {
            Due::Past => {
                past = true;
                ("Open", wish)
            }
            Due::Over(ended) => {
                over = over.max(Some(ended));
                ("Ended", ended)
            }
            Due::Until(due) => {
                if let Some(lock) = lock.filter(|lock| suffices(lock, mode, due)) {
                    let ends = lock.until.unwrap_or(due);
                    if view.record.locked.get(id) != Some(&Some(ends)) {
                        facts.push(Fact::Locked { snapshot: id.clone(), until: Some(ends) });
                    }
                    ("Locked", ends)
                } else {
                    let (mode, until) = at_least(lock, mode, due);
                    stage.push(Effect::LockSnapshot { snapshot: id.clone(), mode, until });
                    ("Open", due)
                }
            }
        };
        until = until.max(ends);
        parts.push(Part {
            kind: "lock",
            name: id.to_string(),
            state: state.to_owned(),
            message: format!("{} until {ends}", mode.as_str()),
        });
    }
    let shown = view.seen.snapshots.value().into_iter().flatten();
    let untagged = untagged(tag_prefix(view), shown, |id| set.values().any(|known| known == id));
    let open = stage.len();
    let denied = waive_lock::denied(view, &mut stage);
    let state = if !gone.is_empty() {
        State::blocked(
            Reason::SnapshotFailed,
            format!(
                "{} was deleted by somebody; the others are locked. Look for it in the Recycle Bin",
                gone.join(", ")
            ),
        )
    } else if past {
        State::blocked(
            Reason::InvalidRequest,
            format!(
                "spec.lock.until is {wish}, which is in the past, and a lock must end in the future: set spec.lock.until to a later \
                 date. The snapshots are taken, and not locked"
            ),
        )
    } else if let Some(state) = denied.filter(|_| !past) {
        state
    } else if open > 0 {
        let more = untagged.as_ref().map(|untagged| format!("; {untagged}")).unwrap_or_default();
        State::working(Reason::InProgress, format!("{open} snapshots still to lock{more}"))
    } else if let Some(until) = past_retention(view) {
        State::blocked(
            Reason::InvalidRequest,
            format!(
                "spec.retainUntil is {until}, which is in the past, and a retention must end in the future: set spec.retainUntil to a \
                 later date. The snapshots are locked until {wish} all the same"
            ),
        )
    } else if let Some(ended) = over {
        State::skipped(Reason::DeadlinePassed, ended_on(ended))
    } else {
        State::done(format!("{} until {until}", mode.as_str()))
    };
    let remark =
        [untagged, over_when_declared(view)].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
    Turn::new(alarmed(view, Of::Set, state)).then(stage).noting(facts).with_parts(parts).remarking(remark)
}

/// What is said of a lock that a hold asks for, and whose own date asks for none.
fn over_when_declared(view: &View<'_, EvidenceSnapshot>) -> Option<String> {
    let until = view.spec.lock.as_ref()?.until.0;
    (until <= view.subject.created && is_held(view)).then(|| {
        format!("spec.lock.until is {until}, which was in the past when it was declared; the hold asks for a lock")
    })
}

/// What is said of a lock whose date has come.
pub(super) fn ended_on(ended: Time) -> String {
    format!("the lock ended on {ended}; no legal hold and no retention asks for a longer one")
}

/// A compliance lock is at least as strong as a governance one; a later date as an earlier one. A pending
/// snapshot's lock shows no date when it was given a duration.
pub(super) fn suffices(lock: &Lock, mode: LockMode, until: Time) -> bool {
    let strong = lock.mode == mode || lock.mode == LockMode::Compliance;
    strong && lock.until.is_none_or(|ends| ends.as_second() >= until.as_second())
}

/// What is sent for a lock that does not suffice: AWS refuses a weaker mode and an earlier date than it has.
pub(super) fn at_least(lock: Option<&Lock>, mode: LockMode, until: Time) -> (LockMode, Time) {
    let stands = lock.and_then(|lock| lock.until);
    (lock.map_or(mode, |lock| mode.max(lock.mode)), stands.map_or(until, |stands| stands.max(until)))
}

#[cfg(test)]
#[path = "lock_snapshots_tests.rs"]
mod tests;
