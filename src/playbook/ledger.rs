//! Between deciding and doing: what must be written first, under which operation ids the changes then go
//! out, and how a reply becomes an outcome. The controller and the model run these same functions.

use std::collections::BTreeMap;

use super::chain::{digest_of, operation_id};
use super::containment::pulse::{NO_REPLY, may_still_open};
use super::decide::{Plan, Track};
use super::effect::{Effect, Receipt};
use super::record::{Entry, Fact, Operation, OperationId, OutcomeKind, Record};
use super::room;
use super::step::{Change, Procedure, State, View};
use crate::api::approval::Action;
use crate::api::ids::SecurityGroupId;
use crate::cloud::error::{CloudError, ErrorClass};

/// What to write before anything is sent, and what to send after.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft<E> {
    /// Entries of the next custody record; none where there is nothing to say.
    pub entries: Vec<Entry>,
    /// The changes, each with the operation id under which it is known.
    pub tracks: Vec<Track<Order<E>>>,
    /// Foreign values that were seen again and are not worth a record yet.
    pub repeats: Vec<super::attribute::Attribute>,
}

/// One change with the intent it goes out under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order<E> {
    /// The intent; none where the change needs none.
    pub id: Option<OperationId>,
    /// Whether the intent was written for this very send: then nothing was sent under it before.
    pub first: bool,
    /// The change.
    pub change: E,
}

/// Turns a decision into entries and orders. `owed` are outcomes of the turn before; `repeats` counts
/// foreign values since they were last written. What one record can't say is left for the next turn.
pub fn draft<P: Procedure>(
    view: &View<'_, P>,
    plan: &Plan<P>,
    owed: &[Entry],
    repeats: &BTreeMap<super::attribute::Attribute, u64>,
) -> Draft<P::Effect> {
    let all = draft_of(view, plan, &plan.tracks, owed.to_vec(), repeats);
    if room::holds(&all.entries) {
        return all;
    }
    let said = draft_of(view, plan, &[], owed.to_vec(), repeats);
    if !room::holds(&said.entries) {
        return Draft { entries: room::first_of(said.entries), ..said };
    }
    let mut tracks = room::tracks_beside(&said.entries, &plan.tracks, view.record);
    loop {
        let draft = draft_of(view, plan, &tracks, owed.to_vec(), repeats);
        if room::holds(&draft.entries) || tracks.pop().is_none() {
            return draft;
        }
    }
}

fn draft_of<P: Procedure>(
    view: &View<'_, P>,
    plan: &Plan<P>,
    wanted: &[Track<P::Effect>],
    owed: Vec<Entry>,
    repeats: &BTreeMap<super::attribute::Attribute, u64>,
) -> Draft<P::Effect> {
    let mut entries = Vec::new();
    let refused = refused(view, plan, &owed);
    let owed = owed.into_iter().filter(|entry| !refused.iter().any(|id| is_outcome_of(entry, id)));
    if view.record.opened.is_none() && (!plan.facts.is_empty() || plan.tracks.iter().any(journalled)) {
        entries.push(Entry::Opened {
            about: format!("{} {}", view.subject.kind, view.subject.name),
            requested_by: view.subject.requested_by.clone(),
        });
    }
    entries.extend(owed);
    entries.extend(plan.outcomes.iter().cloned());
    let mut again = Vec::new();
    // What a decision lets be said is said behind it.
    let (behind, facts): (Vec<&Fact>, Vec<&Fact>) = plan.facts.iter().partition(|fact| **fact == Fact::HoldLifted);
    for fact in facts {
        match fact {
            Fact::Drift { attribute, foreign } if is_recent(view, attribute, foreign) => again.push(attribute.clone()),
            Fact::Drift { attribute, .. } => {
                if let Some(count) = repeats.get(attribute).filter(|count| **count > 0) {
                    entries.push(Entry::Fact(Fact::DriftRepeated { attribute: attribute.clone(), count: *count }));
                }
                entries.push(Entry::Fact(fact.clone()));
            }
            _ => entries.push(Entry::Fact(fact.clone())),
        }
    }
    entries.extend(refused.iter().filter_map(|id| sent_again(view, id)).map(Entry::Fact));
    entries.extend(plan.decisions.iter().cloned().map(Entry::Decision));
    entries.extend(behind.into_iter().cloned().map(Entry::Fact));
    let close = stale_intents(view, plan);
    entries.extend(close);
    let mut entries = room::sayable(entries, view.record);

    let mut tracks = Vec::new();
    for track in wanted {
        // Both halves of the pulse are said, though the second sets what stands already.
        let pulses =
            track.stages.iter().flatten().any(|change| matches!(change.intent(), Some(Effect::OpenForPulse { .. })));
        let mut stages = Vec::new();
        for stage in &track.stages {
            let mut orders = Vec::new();
            for change in stage {
                let mut first = false;
                let id = change.intent().map(|effect| {
                    let again_of =
                        |id: &&OperationId| view.record.operations.get(*id).is_some_and(|o| o.effect == *effect);
                    let repeated = (!pulses).then(|| standing(view, effect, plan, &again)).flatten();
                    repeated.or_else(|| refused.iter().find(again_of).cloned()).unwrap_or_else(|| {
                        first = true;
                        let id = operation_id(&view.subject.uid, view.next_index, entries.len());
                        entries.push(intent(view.record, plan, &id, track.step, effect));
                        id
                    })
                });
                orders.push(Order { id, first, change: change.clone() });
            }
            stages.push(orders);
        }
        tracks.push(Track { step: track.step, stages, behind: track.behind });
    }
    Draft { entries, tracks, repeats: again }
}

/// Intents of what may not be sent twice that AWS refused for certain in this process's last turn, and whose change is
/// wanted still. Nothing of them can be under way, so they go out again as they are, and their outcome is not written yet:
/// who is refused for a day does not fill the chain. Who takes over knows nothing of it and waits as for a lost reply.
fn refused<P: Procedure>(view: &View<'_, P>, plan: &Plan<P>, owed: &[Entry]) -> Vec<OperationId> {
    let wanted = |id: &OperationId| {
        view.record.operations.get(id).is_some_and(|operation| {
            let same = |change: &P::Effect| change.intent() == Some(&operation.effect);
            !operation.effect.is_idempotent()
                && plan.tracks.iter().flat_map(|track| track.stages.iter().flatten()).any(same)
        })
    };
    owed.iter()
        .filter_map(|entry| match entry {
            Entry::Outcome { id, result: OutcomeKind::Failed, .. } if wanted(id) => Some(id.clone()),
            _ => None,
        })
        .collect()
}

/// Until when a refused intent may go out again without another word: the longer it lasted, the longer, since that is
/// how much longer somebody may wait who finds the intent and knows nothing of the refusals.
fn sent_again<P: Procedure>(view: &View<'_, P>, id: &OperationId) -> Option<Fact> {
    let operation = view.record.operations.get(id).filter(|operation| view.now > operation.at)?;
    let lasted = view.now.as_second() - view.record.opened.unwrap_or(operation.at).as_second();
    let more = (lasted / 2).clamp(0, view.limits.coalesce_seconds / 4);
    let until = super::Time::from_second(view.now.as_second() + more).unwrap_or(view.now).max(view.now);
    Some(Fact::SentAgain { operation: id.clone(), until })
}

fn is_outcome_of(entry: &Entry, of: &OperationId) -> bool {
    matches!(entry, Entry::Outcome { id, .. } if id == of)
}

fn journalled<E: Change>(track: &Track<E>) -> bool {
    track.stages.iter().flatten().any(|change| change.intent().is_some())
}

fn is_recent<P: Procedure>(
    view: &View<'_, P>,
    attribute: &super::attribute::Attribute,
    foreign: &super::attribute::Value,
) -> bool {
    let drift = view.record.drift.get(attribute);
    // What was given back and is held again is written down always: from then on it has to be given back once more.
    !view.record.given_back.contains_key(attribute)
        && drift.is_some_and(|drift| drift.is_recent(foreign, view.now, view.limits.coalesce_seconds))
}

/// The intent under which this change may go out without a new entry: one that is still open, one that was
/// accepted a short time ago and is not shown yet, or the repair of the same attribute against a foreign value
/// that was written down already.
fn standing<P: Procedure>(
    view: &View<'_, P>,
    effect: &Effect,
    plan: &Plan<P>,
    again: &[super::attribute::Attribute],
) -> Option<OperationId> {
    if !effect.is_idempotent() {
        return None;
    }
    let sets = effect.sets();
    let drifted = sets.as_ref().is_some_and(|(attribute, _)| {
        plan.facts.iter().any(|fact| matches!(fact, Fact::Drift { attribute: a, .. } if a == attribute))
            && !again.contains(attribute)
    });
    if let Effect::RevokeRules { group, .. } = effect
        && view.record.foreign_rules.contains_key(group)
        && !plan.facts.iter().any(|fact| matches!(fact, Fact::ForeignRules { group: of, .. } if of == group))
    {
        return standing_of(view.record, group, effect);
    }
    // What came into being once and is gone comes into being anew: that is another operation.
    // So is each heartbeat.
    let gone = |key, grantee| !view.record.grants.get(key).is_some_and(|of: &BTreeMap<_, _>| of.contains_key(grantee));
    let makes = matches!(effect, Effect::CreateSecurityGroup { .. })
        || matches!(effect, Effect::CreateGrant { key, grantee, .. } if gone(key, grantee))
        || effect.beats();
    let same = view
        .record
        .operations
        .iter()
        .filter(|(_, operation)| operation.effect == *effect && (operation.outcome.is_none() || !drifted && !makes))
        .max_by_key(|(_, operation)| (operation.outcome.is_none(), operation.at));
    if let Some((id, _)) = same {
        return Some(id.clone());
    }
    let (attribute, value) = sets?;
    let applied = view.record.applied.get(&attribute)?;
    (applied.value == value && again.contains(&attribute)).then(|| applied.operation.clone())
}

/// The intent under which rules go that are not worth a record, whichever they are: who flaps them must not fill the
/// chain. The newest one that emptied the group, or that by which the group is ours.
fn standing_of(record: &Record, group: &SecurityGroupId, effect: &Effect) -> Option<OperationId> {
    let empties = |operation: &Operation| match &operation.effect {
        // One that is open speaks of these rules, or its outcome would be said of others.
        Effect::RevokeRules { group: of, .. } => {
            of == group && (operation.outcome.is_some() || operation.effect == *effect)
        }
        _ => false,
    };
    let newest = record.operations.iter().filter(|(_, operation)| empties(operation));
    let newest = newest.max_by_key(|(_, operation)| (operation.effect == *effect, operation.at)).map(|(id, _)| id);
    newest.or_else(|| record.made(group)).or_else(|| record.closed_with(group)).cloned()
}

fn intent<P: Procedure>(record: &Record, plan: &Plan<P>, id: &OperationId, step: &str, effect: &Effect) -> Entry {
    let before = effect.sets().and_then(|(attribute, _)| {
        let seen_now = plan.facts.iter().find_map(|fact| match fact {
            Fact::Drift { attribute: a, foreign: value } | Fact::Baseline { attribute: a, value }
                if *a == attribute =>
            {
                Some(value.clone())
            }
            _ => None,
        });
        seen_now
            .or_else(|| record.applied.get(&attribute).map(|applied| applied.value.clone()))
            .or_else(|| record.baseline.get(&attribute).cloned())
    });
    let retry_of = record
        .operations
        .iter()
        .filter(|(_, operation)| operation.outcome.is_none() || !operation.effect.is_idempotent())
        .filter(|(_, operation)| operation.effect == *effect)
        .max_by_key(|(_, operation)| operation.at)
        .map(|(earlier, _)| earlier.clone());
    Entry::Intent {
        id: id.clone(),
        step: step.to_owned(),
        effect: effect.clone(),
        digest: digest_of(effect),
        before,
        retry_of,
    }
}

/// Open intents that nobody wants any more, and tokenless ones that are about to be repeated, get their
/// outcome: the reply was lost, or they never left, and which of the two nobody can say.
fn stale_intents<P: Procedure>(view: &View<'_, P>, plan: &Plan<P>) -> Vec<Entry> {
    let record = view.record;
    let wanted: Vec<&Effect> =
        plan.tracks.iter().flat_map(|track| track.stages.iter().flatten()).filter_map(Change::intent).collect();
    record
        .operations
        .iter()
        .filter(|(id, operation)| operation.outcome.is_none() && !plan.outcomes.iter().any(|said| said.ends(id)))
        .filter(|(_, operation)| {
            if operation.effect.is_idempotent() {
                let settled = plan.steps.iter().any(|step| {
                    let over = |state: &State| state.is_settled() || matches!(state, State::Blocked(_));
                    step.name == operation.step && step.state.as_ref().is_none_or(over)
                });
                let age = view.now.as_second() - operation.at.as_second();
                settled
                    && !wanted.contains(&&operation.effect)
                    && !may_still_open(&operation.effect, age, view.limits.settle_seconds)
            } else {
                wanted.contains(&&operation.effect)
            }
        })
        .flat_map(|(id, operation)| {
            // What is not idempotent ends here only when it is wanted again, after a look that was late enough.
            let shown = operation.effect.is_idempotent()
                && operation.effect.sets().is_some_and(|(attribute, value)| {
                    if P::releasing(view) && plan.awaiting != Some(Action::Release) {
                        record.baseline.get(&attribute) == Some(&value)
                            && plan.facts.contains(&Fact::Restored { attribute })
                    } else {
                        record.applied.get(&attribute).is_some_and(|applied| applied.value == value)
                            && (record.verified.contains(&attribute)
                                || plan.facts.contains(&Fact::Verified { attribute }))
                    }
                });
            let given_up = match &operation.effect {
                Effect::OpenForPulse { interface, .. } => Some(Entry::Fact(Fact::GaveUp {
                    step: operation.step.clone(),
                    part: interface.to_string(),
                    reason: NO_REPLY.to_owned(),
                })),
                _ => None,
            };
            let end = outcome(id, if shown { OutcomeKind::Adopted } else { OutcomeKind::Unknown }, None, None);
            given_up.into_iter().chain([end])
        })
        .collect()
}

fn outcome(id: &OperationId, result: OutcomeKind, receipt: Option<&Receipt>, error: Option<String>) -> Entry {
    Entry::Outcome {
        id: id.clone(),
        result,
        created: receipt.map(|receipt| receipt.created.clone()).unwrap_or_default(),
        request_id: receipt.and_then(|receipt| receipt.request_id.clone()),
        server_date: receipt.and_then(|receipt| receipt.server_date.clone()),
        error,
    }
}

/// Whether it is the lock of a snapshot that never had one, and of which it is not known that it can't be locked.
fn is_first_lock(record: &Record, effect: &Effect) -> bool {
    let Effect::LockSnapshot { snapshot, .. } = effect else { return false };
    !record.locked.contains_key(snapshot) && !record.keeping.lock_denied.contains(snapshot)
}

/// What a reply says about an intent that is open in `record`; none where it stays open (lost replies, and
/// refusals of what may simply be sent again). `first` says that nothing was sent under it before: a conflict may be
/// with what an earlier send under the same intent did.
pub fn settle(record: &Record, id: &OperationId, first: bool, reply: &Result<Receipt, CloudError>) -> Option<Entry> {
    let operation = record.operations.get(id)?;
    if operation.outcome.is_some() {
        return None;
    }
    match reply {
        Ok(receipt) => Some(outcome(id, OutcomeKind::Done, Some(receipt), None)),
        Err(error) => match error.class {
            ErrorClass::Ambiguous => None,
            // The name was taken before we came: the group is there, and nothing is left to send. Who made it is not known:
            // a replica that lost the lease and has not noticed may have sent this very intent.
            ErrorClass::Conflict if first && matches!(operation.effect, Effect::CreateSecurityGroup { .. }) => {
                Some(outcome(id, OutcomeKind::Unknown, None, Some(error.code.clone())))
            }
            // Turned away without a look at it: it may come later.
            ErrorClass::Throttled if operation.effect.opens() => {
                Some(outcome(id, OutcomeKind::NotSent, None, Some(error.code.clone())))
            }
            // Never sent a second time, so that its end is said. Where AWS could not answer it may still be applied.
            _ if operation.effect.opens() && error.class != ErrorClass::Unavailable => {
                Some(outcome(id, OutcomeKind::Failed, None, Some(error.code.clone())))
            }
            // Said once of each: a person may be asked whether it is kept without.
            ErrorClass::Denied if is_first_lock(record, &operation.effect) => {
                Some(outcome(id, OutcomeKind::Failed, None, Some(error.code.clone())))
            }
            // Not applied for certain. What is idempotent keeps its intent and is sent again under it: who tries for
            // hours does not fill the chain.
            _ if operation.effect.is_idempotent() => None,
            _ => Some(outcome(id, OutcomeKind::Failed, None, Some(error.code.clone()))),
        },
    }
}

/// Outcome of an intent whose reply never came, with what AWS shows of it.
pub fn ended(id: &OperationId, result: OutcomeKind, created: Vec<super::effect::Created>) -> Entry {
    let receipt = Receipt { created, ..Receipt::default() };
    outcome(id, result, Some(&receipt), None)
}

/// An intent of a turn whose send was refused by the lease: it never left. Not to be said of one that other sends
/// went out under.
pub fn not_sent(id: &OperationId) -> Entry {
    outcome(id, OutcomeKind::NotSent, None, None)
}

/// Whether an entry is the outcome of an intent that has one already, or none: another replica was quicker.
pub fn is_settled(record: &Record, entry: &Entry) -> bool {
    match entry {
        Entry::Outcome { id, .. } => record.operations.get(id).is_none_or(|operation| operation.outcome.is_some()),
        _ => false,
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
