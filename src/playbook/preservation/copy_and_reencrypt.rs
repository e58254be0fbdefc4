//! Rows D11 and D12: a copy of each snapshot in the declared accounts and Regions, under a key of that place, locked there.
//!
//! The copy is asked for by the account that will own it, once the snapshot is complete, locked and shared with it, and it
//! may use the key of the source. CopySnapshot has no client token (see `copy_requests.rs`) and fails late: then the copy
//! ends in `error`, and the rest goes on. What is under the default aws/ebs key can't be used by another account: it is
//! copied in its own account first, under the transfer key, and that copy is shared and copied like the others.
//!
//! Waits for no step as a whole: copies that stand are watched, and their locks renewed, whatever becomes of the source.

use std::collections::{BTreeMap, BTreeSet};

use super::copy_requests::{Requests, is_gone};
use super::copy_sources::{Held, Wish, copy, source, tag_prefix_at, target};
use super::keys_given_back;
use super::lock_ends::{Of, alarmed, untagged};
use super::lock_snapshots::{Due, at_least, due, ended_on, suffices, wish};
use crate::api::conditions::Reason;
use crate::api::ids::{SnapshotId, VolumeId};
use crate::playbook::containment::isolate::failed;
use crate::playbook::copies::{
    self, AT_ONCE, CopiesSeen, Destination, destinations, is_failed, lock_over, transfer_to, transfers,
};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::{Entry, Fact};
use crate::playbook::seen::{Read, ReadFailure, SnapshotState};
use crate::playbook::step::{Part, Refusal, State, Step, Turn, View};
use crate::playbook::{EvidenceSnapshot, Time};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Copied",
    after: &[],
    wanted: |view| !view.spec.copies.is_empty() || !view.record.copies.is_empty() || !transfers(view).is_empty(),
    needs: None,
    next,
    undo: |_| Turn::new(State::done("copies stay")),
    preview: |_| vec![PlanLine::about("copy each snapshot to the declared accounts and Regions, under their own keys")],
};

/// What one look makes of all copies.
#[derive(Default)]
struct Copying {
    facts: Vec<Fact>,
    outcomes: Vec<Entry>,
    stage: Vec<Effect>,
    parts: Vec<Part>,
    /// Copies that are declared, and those of them that stand.
    wanted: usize,
    done: usize,
    /// What others wait for, the first of which is told.
    waits: Vec<Refusal>,
    /// What a person must mend.
    blocked: Vec<Refusal>,
    /// What AWS did not answer.
    unread: Vec<State>,
    /// Copies that have lost their tags, and what to do about it.
    untagged: Vec<String>,
    /// When the last lock ended of those whose day has come.
    over: Option<Time>,
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    let mut all = Copying::default();
    for copy in &view.spec.copies {
        all.blocked.extend(copies::destination(view.spec, view.account, copy).err());
    }
    let declared = destinations(view);
    let mut places: BTreeMap<Destination, Option<Wish<'_>>> =
        view.record.copies.keys().cloned().map(|at| (at, None)).collect();
    for (at, copy) in declared {
        let wish = Wish { key: &copy.kms_key_arn, attempts: usize::from(copy.attempts.unwrap_or(1)), transfer: false };
        places.insert(at, Some(wish));
    }
    if let (Some(at), Some(key)) = (transfer_to(view), &view.account.transfer_key) {
        places.insert(at, Some(Wish { key, attempts: 1, transfer: true }));
    }
    for (at, wish) in &places {
        all.look_at(view, set, at, *wish);
    }
    // Who has copies of its own of all that is under a key needs the key no more.
    let (changes, facts) = keys_given_back::ended(view);
    all.stage.extend(changes);
    all.facts.extend(facts);
    all.into_turn(view)
}

impl Copying {
    fn look_at(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        set: &BTreeMap<VolumeId, SnapshotId>,
        at: &Destination,
        wish: Option<Wish<'_>>,
    ) {
        let nothing = CopiesSeen::nothing();
        let seen = view.seen.copies.get(at).unwrap_or(&nothing);
        if let Some(ReadFailure { reason, message }) = &seen.refused {
            let refusal = Refusal::new(*reason, message.clone());
            let passes = *reason == Reason::NotObserved || reason.is_of_the_moment();
            if passes { self.waits.push(refusal) } else { self.blocked.push(refusal) }
        } else if let Some(failure) = seen.snapshots.failure() {
            self.unread.push(failed::<EvidenceSnapshot>(failure).state);
        }
        let requests_here = Requests::of(view, at, seen);
        let mut room =
            AT_ONCE.saturating_sub(seen.others + copies::in_flight(view.record).get(at).map_or(0, BTreeSet::len));
        for (volume, of) in set {
            let wanted = match wish {
                Some(wish) if wish.transfer => transfers(view).contains(of),
                Some(_) => true,
                None => false,
            };
            let copy = view.record.copies.get(at).and_then(|kept| kept.made.get(of));
            if is_failed(view.record, of) || copy.is_none() && !wanted {
                continue;
            }
            self.wanted += usize::from(wanted);
            let failures = view.record.copies.get(at).and_then(|kept| kept.failed.get(of)).map_or(0, BTreeSet::len);
            match (copy, wish) {
                (Some(copy), Some(wish)) if is_failed(view.record, copy) && failures + 1 < wish.attempts => {
                    self.begin(view, at, seen, wish, of, &requests_here, &mut room);
                }
                (Some(copy), _) => self.watch(view, at, seen, volume, copy),
                (None, Some(wish)) => self.begin(view, at, seen, wish, of, &requests_here, &mut room),
                (None, None) => {}
            }
        }
        let kept = view.record.copies.get(at);
        for copy in kept.iter().flat_map(|kept| &kept.surplus) {
            self.lock(view, at, seen, copy);
        }
        let known = |id: &SnapshotId| kept.is_some_and(|kept| kept.all().any(|known| known == id));
        let shown = seen.snapshots.value().into_iter().flatten();
        self.untagged.extend(untagged(tag_prefix_at(view, at), shown, known));
        self.outcomes.extend(requests_here.outcomes);
        self.facts.extend(requests_here.found);
        self.stage.extend(requests_here.again);
    }

    /// A copy that was made: how far it is, and its lock.
    fn watch(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        at: &Destination,
        seen: &CopiesSeen,
        volume: &VolumeId,
        copy: &SnapshotId,
    ) {
        let shown = seen.snapshots.value().and_then(|all| all.iter().find(|snapshot| snapshot.id == *copy));
        let settled = view.record.settled.get(copy);
        let gone = is_gone(view, at, seen, copy);
        let (state, message) = match (shown, settled) {
            (_, Some(settled)) if settled.starts_with("error") => ("error", settled.clone()),
            (None, _) if gone => ("error", "error: somebody deleted it".to_owned()),
            (Some(s), _) if s.state == SnapshotState::Error => {
                ("error", format!("error: {}", s.state_message.as_deref().unwrap_or("AWS gave no reason")))
            }
            (Some(s), _) if s.state == SnapshotState::Completed => ("completed", "completed".to_owned()),
            (_, Some(_)) => ("completed", "completed".to_owned()),
            (Some(s), None) => ("pending", format!("{}%", s.progress)),
            (None, None) => ("pending", "not shown by AWS yet".to_owned()),
        };
        self.parts.push(Part {
            kind: "copy",
            name: format!("{at}/{copy}"),
            state: state.to_owned(),
            message: message.clone(),
        });
        if state == "error" {
            if settled.is_none() {
                self.facts.push(Fact::SnapshotSettled { snapshot: copy.clone(), state: message.clone() });
            }
            let remedy = if gone {
                "look for it in the Recycle Bin"
            } else {
                "mend what AWS names, then raise spec.copies.attempts: each attempt is a new, separate copy"
            };
            let what = format!("the copy {copy} of {volume} in {at} failed ({message}): {remedy}");
            self.blocked.push(Refusal::new(Reason::SnapshotFailed, what));
            return;
        }
        if state == "completed" && settled.is_none() {
            self.facts.push(Fact::SnapshotSettled { snapshot: copy.clone(), state: message });
        } else if state == "pending" {
            self.waits.push(Refusal::new(Reason::SnapshotPending, format!("AWS copies to {at}")));
        }
        let locked = self.lock(view, at, seen, copy);
        self.done += usize::from(locked && state == "completed");
    }

    /// Locks a copy as its source is locked, and renews that; whether it is locked.
    fn lock(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        at: &Destination,
        seen: &CopiesSeen,
        copy: &SnapshotId,
    ) -> bool {
        let locks = match &seen.locks {
            Read::Found { value, .. } => value,
            Read::Failed(failure) => {
                self.unread.push(failed::<EvidenceSnapshot>(failure).state);
                return false;
            }
            _ => {
                self.over = self.over.max(lock_over(view.record, copy, view.now));
                return view.record.locked.contains_key(copy);
            }
        };
        let shown = seen.snapshots.value().is_some_and(|all| all.iter().any(|snapshot| snapshot.id == *copy));
        if !shown && view.record.locked.contains_key(copy) {
            self.over = self.over.max(lock_over(view.record, copy, view.now));
            return true;
        }
        let (mode, wish) = wish(view);
        let lock = locks.get(copy);
        match due(view, copy, lock, wish) {
            Due::Past => {
                let what = format!(
                    "spec.lock.until is {wish}, which is in the past: set it to a later date, so that {copy} is locked"
                );
                self.blocked.push(Refusal::new(Reason::InvalidRequest, what));
                false
            }
            Due::Over(ended) => {
                self.over = self.over.max(Some(ended));
                true
            }
            Due::Until(until) => {
                let Some(lock) = lock.filter(|lock| suffices(lock, mode, until)) else {
                    let (mode, until) = at_least(lock, mode, until);
                    self.waits.push(Refusal::new(Reason::InProgress, format!("locks copies in {at}")));
                    let (destination, snapshot) = (at.clone(), copy.clone());
                    self.stage.push(Effect::Copying(CopyChange::LockCopy { destination, snapshot, mode, until }));
                    return false;
                };
                let ends = lock.until.unwrap_or(until);
                if view.record.locked.get(copy) != Some(&Some(ends)) {
                    self.facts.push(Fact::Locked { snapshot: copy.clone(), until: Some(ends) });
                }
                true
            }
        }
    }

    /// Asks for a copy, once it can be made.
    #[allow(clippy::too_many_arguments, reason = "all of it is what one copy depends on")]
    fn begin(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        at: &Destination,
        seen: &CopiesSeen,
        wish: Wish<'_>,
        of: &SnapshotId,
        open: &Requests,
        room: &mut usize,
    ) {
        if open.busy.contains(of) {
            return self.waits.push(Refusal::new(Reason::InProgress, format!("asks for copies in {at}")));
        }
        let source = match source(view, at, seen, wish, of).and_then(|source| target(seen, wish).map(|()| source)) {
            Ok(source) => source,
            Err(Held::Waits(refusal)) => return self.waits.push(refusal),
            Err(Held::Blocked(refusal)) => return self.blocked.push(refusal),
            Err(Held::Unread(state)) => return self.unread.push(state),
        };
        if seen.refused.is_some() {
            return;
        }
        let Some(left) = room.checked_sub(1) else {
            let full = format!("AWS makes {AT_ONCE} copies to {at} at a time; the others follow");
            return self.waits.push(Refusal::new(Reason::Waiting, full));
        };
        *room = left;
        self.waits.push(Refusal::new(Reason::InProgress, format!("asks for copies in {at}")));
        self.stage.push(copy(view, at, wish, of, source));
    }

    fn into_turn(mut self, view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
        let safe = copies::safe(view.record, view.now).unwrap_or_else(|| "no copy stands".to_owned());
        let state = if !self.blocked.is_empty() {
            let reason = self.blocked[0].reason;
            let mut told: Vec<&str> = self.blocked.iter().map(|refusal| refusal.message.as_str()).collect();
            told.dedup();
            State::blocked(reason, format!("{}. {safe}", told.join("; ")))
        } else if let Some(stuck) = self.unread.iter().position(|state| matches!(state, State::Blocked(_))) {
            listing(self.unread.swap_remove(stuck), &safe)
        } else if let Some(state) = self.unread.pop() {
            listing(state, &safe)
        } else if self.done < self.wanted || !self.waits.is_empty() {
            let first = self.waits.iter().min_by_key(|refusal| rank(refusal.reason));
            let first = first.cloned().unwrap_or_else(|| Refusal::new(Reason::InProgress, "writes down what stands"));
            State::working(first.reason, format!("{} of {} copies stand: {}", self.done, self.wanted, first.message))
        } else if let Some(ended) = self.over {
            State::skipped(Reason::DeadlinePassed, format!("{safe}: {}", ended_on(ended)))
        } else {
            State::done(safe)
        };
        let state = alarmed(view, Of::Copies, state);
        let waits = !state.is_settled();
        let untagged = (!self.untagged.is_empty()).then(|| self.untagged.join("; "));
        let turn = Turn::new(state).then(self.stage).noting(self.facts).with_parts(self.parts).remarking(untagged);
        let turn = self.outcomes.into_iter().fold(turn, Turn::adopting);
        if waits { turn.again_in(view.limits.poll_seconds) } else { turn }
    }
}

/// What is kept up of copies that were made where the account of the source can't be used at all: they lie elsewhere, and are
/// watched and locked as before.
pub fn keep(view: &View<'_, EvidenceSnapshot>) -> Option<Turn<EvidenceSnapshot>> {
    let (_, set) = view.record.set.as_ref()?;
    let mut all = Copying::default();
    for (at, kept) in &view.record.copies {
        let Some(seen) = view.seen.copies.get(at) else { continue };
        for (volume, of) in set {
            if let Some(copy) = kept.made.get(of).filter(|copy| !is_failed(view.record, copy)) {
                all.watch(view, at, seen, volume, copy);
            }
        }
        for copy in &kept.surplus {
            all.lock(view, at, seen, copy);
        }
    }
    if all.stage.is_empty() && all.facts.is_empty() {
        return None;
    }
    let state = State::working(Reason::InProgress, "keeps up what stands elsewhere");
    Some(Turn::new(state).then(all.stage).noting(all.facts).again_in(view.limits.poll_seconds))
}

/// The same state, with what is safe whatever AWS does not answer.
fn listing(state: State, safe: &str) -> State {
    let more = |refusal: Refusal| Refusal { message: format!("{}. {safe}", refusal.message), ..refusal };
    match state {
        State::Blocked(refusal) => State::Blocked(more(refusal)),
        State::Working(refusal) => State::Working(more(refusal)),
        other => other,
    }
}

/// What is told first of several things that are waited for.
fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::KeyAccessPending => 0,
        Reason::Waiting => 1,
        Reason::InProgress => 2,
        _ => 3,
    }
}

#[cfg(test)]
#[path = "copy_and_reencrypt_tests.rs"]
pub(super) mod tests;

#[cfg(test)]
#[path = "copy_locks_tests.rs"]
mod locks_tests;
