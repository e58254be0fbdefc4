//! From a decision to what people read: one function derives every condition, nobody assigns one.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

use super::Time;
use super::attribute::Attribute;
use super::decide::Plan;
use super::step::{Procedure, Refusal, State, StepResult};
use crate::api::conditions::{Condition, READY, RECONCILING, Reason, STALLED};
use crate::cloud::error::CloudError;

/// Longest message of a condition, in bytes.
const MESSAGE: usize = 1024;

/// The values of a condition's status.
const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// What a decision is projected onto.
#[derive(Debug)]
pub struct Before<'a> {
    /// Conditions as they stand.
    pub conditions: &'a [Condition],
    /// Generation of the spec that was decided on.
    pub generation: i64,
    /// Time of the decision.
    pub now: Time,
}

/// The verdict on an object as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Everything declared is settled.
    pub ready: bool,
    /// A person must act.
    pub stalled: bool,
    /// Why it is not ready, or that it is.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

/// Judges the whole.
pub fn verdict<P: Procedure>(plan: &Plan<P>, errors: &BTreeMap<&'static str, CloudError>) -> Verdict {
    let no = |refusal: &Refusal, stalled| Verdict {
        ready: false,
        stalled,
        reason: refusal.reason,
        message: refusal.message.clone(),
    };
    if let Some(refusal) = &plan.refused {
        let passing = refusal.reason == Reason::NotObserved || refusal.reason.is_of_the_moment();
        return no(refusal, !passing);
    }
    let stuck = plan.steps.iter().find_map(|step| match told(step, errors) {
        Some(State::Blocked(refusal)) => Some(refusal),
        _ => None,
    });
    if let Some(refusal) = stuck {
        return no(&refusal, true);
    }
    if let Some(action) = plan.awaiting {
        return match &plan.denied_by {
            Some(who) => no(&denied(action, who), true),
            None => no(&awaits(action), false),
        };
    }
    let mut skipped = Vec::new();
    // Going back, what the last steps of the table wait for is what all of them wait for.
    let order: Vec<&StepResult> =
        if plan.backwards { plan.steps.iter().rev().collect() } else { plan.steps.iter().collect() };
    for step in order {
        match told(step, errors) {
            Some(State::Working(refusal)) => {
                let message = format!("{}: {}", step.name, refusal.message);
                if P::UNAWAITED.contains(&step.name) {
                    skipped.push(message);
                    continue;
                }
                return no(&Refusal::new(refusal.reason, message), false);
            }
            Some(State::Awaiting(action)) => return no(&awaits(action), false),
            // Where there is nothing to act on, or no field declares it, nothing falls short.
            Some(State::Skipped(refusal)) if matches!(refusal.reason, Reason::NothingToDo | Reason::NotBuilt) => {
                skipped.extend(step.remark.iter().map(|remark| format!("{}: {remark}", step.name)));
            }
            Some(State::Skipped(refusal)) => skipped.push(format!("{}: {}", step.name, refusal.message)),
            Some(State::Done(_)) => {
                // Done as far as it is declared; what else it tried for is refused, and nobody would see that.
                let refused = errors.get(step.name).map(CloudError::advice);
                let said: Vec<String> = step.remark.iter().cloned().chain(refused).collect();
                skipped.extend((!said.is_empty()).then(|| format!("{}: {}", step.name, said.join(": "))));
            }
            // Nothing that is declared is left undone; the step's own condition says what can't be known.
            Some(State::Blocked(_) | State::Unknown(_)) | None => {}
        }
    }
    if plan.released {
        return Verdict { ready: true, stalled: false, reason: Reason::Released, message: released(&plan.left) };
    }
    if skipped.is_empty() {
        return Verdict { ready: true, stalled: false, reason: Reason::Succeeded, message: "as declared".to_owned() };
    }
    Verdict { ready: true, stalled: false, reason: Reason::Settled, message: skipped.join("; ") }
}

/// Nothing is held any more, and what of it is not as it was.
fn released(left: &[Attribute]) -> String {
    const NAMED: usize = 5;
    if left.is_empty() {
        return "nothing is held any more; all that was changed is given back".to_owned();
    }
    let names: Vec<String> = left.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match left.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "nothing is held any more; left as found, since our value did not stand there or AWS can't give it back: {}{more}. The chain says what was found",
        names.join(", ")
    )
}

fn awaits(action: crate::api::approval::Action) -> Refusal {
    Refusal::new(
        Reason::AwaitingApproval,
        format!(
            "{action} waits for an Approval of the plan in status.plan; status.plan.approveWith has the line to copy"
        ),
    )
}

fn denied(action: crate::api::approval::Action, who: &str) -> Refusal {
    Refusal::new(
        Reason::Denied,
        format!(
            "{who} denied the plan of {action}, and nothing of it is done. A change of the spec publishes a new plan; only {who} \
             can delete the Deny"
        ),
    )
}

/// A step's state, with what AWS said to its last change where it is not settled.
fn told(step: &StepResult, errors: &BTreeMap<&'static str, CloudError>) -> Option<State> {
    let state = step.state.clone()?;
    match (&state, errors.get(step.name)) {
        // What is at stake is said before why AWS refuses it.
        (State::Working(Refusal { reason: Reason::LockEnding, message }), Some(error)) => {
            let refusal = Refusal::new(Reason::LockEnding, format!("{message}: {}", error.advice()));
            Some(if error.needs_a_person() { State::Blocked(refusal) } else { State::Working(refusal) })
        }
        (State::Working(_), Some(error)) if error.needs_a_person() => {
            Some(State::blocked(error.reason(), error.advice()))
        }
        (State::Working(_), Some(error)) => Some(State::working(error.reason(), error.advice())),
        _ => Some(state),
    }
}

/// All conditions of an object: Ready, the steps in table order, then what is only present when true.
pub fn conditions<P: Procedure>(
    plan: &Plan<P>,
    errors: &BTreeMap<&'static str, CloudError>,
    before: &Before<'_>,
) -> Vec<Condition> {
    let whole = verdict(plan, errors);
    let mut all = vec![set(before, READY, if whole.ready { TRUE } else { FALSE }, whole.reason, &whole.message)];
    if let Some(refusal) = &plan.refused {
        // Nothing was looked at: what was said about the steps before still stands.
        all.extend(before.conditions.iter().filter(|c| P::TABLE.iter().any(|step| step.name == c.type_)).cloned());
        let _ = refusal;
    }
    for step in &plan.steps {
        let (status, reason, message) = match told(step, errors) {
            None => continue,
            Some(State::Done(message)) => (TRUE, Reason::Succeeded, message),
            Some(State::Awaiting(action)) => {
                (FALSE, Reason::AwaitingApproval, format!("waits for approval of {action}"))
            }
            Some(State::Skipped(r) | State::Working(r) | State::Blocked(r)) => (FALSE, r.reason, r.message),
            Some(State::Unknown(r)) => (UNKNOWN, r.reason, r.message),
        };
        all.push(set(before, step.name, status, reason, &message));
    }
    let awaiting = whole.reason == Reason::AwaitingApproval;
    if whole.stalled {
        all.push(set(before, STALLED, TRUE, whole.reason, &whole.message));
    } else if !whole.ready && !awaiting {
        all.push(set(before, RECONCILING, TRUE, whole.reason, &whole.message));
    }
    all
}

/// One condition. The time of transition moves only when the status does.
fn set(before: &Before<'_>, name: &str, status: &str, reason: Reason, message: &str) -> Condition {
    let since = before
        .conditions
        .iter()
        .find(|condition| condition.type_ == name && condition.status == status)
        .map(|condition| condition.last_transition_time.clone());
    Condition {
        type_: name.to_owned(),
        status: status.to_owned(),
        reason: reason.as_str().to_owned(),
        message: shorten(message),
        observed_generation: Some(before.generation),
        last_transition_time: since.unwrap_or_else(|| MetaTime(whole_seconds(before.now))),
    }
}

/// The API server keeps whole seconds: anything finer would differ from what is read back.
pub fn whole_seconds(time: Time) -> Time {
    Time::from_second(time.as_second()).unwrap_or(time)
}

fn shorten(message: &str) -> String {
    if message.len() <= MESSAGE {
        return message.to_owned();
    }
    let mut end = MESSAGE - 4;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} …", &message[..end].trim_end())
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
