//! Given a decision and what AWS refused, expect one verdict and conditions that contradict nobody.

use proptest::prelude::*;

use super::*;
use crate::api::approval::Action;
use crate::api::quarantine::Level;
use crate::cloud::error::ErrorClass;
use crate::playbook::Quarantine;
use crate::playbook::sample::{self, Bench, at};
use crate::playbook::step::StepResult;

const STEPS: [&str; 3] = ["MetadataCaptured", "Protected", "Isolated"];

fn plan(states: [Option<State>; 3]) -> Plan<Quarantine> {
    let mut plan = Plan::refused(Refusal::new(Reason::Succeeded, ""));
    plan.refused = None;
    plan.awaiting = states.iter().find_map(|state| match state {
        Some(State::Awaiting(action)) => Some(*action),
        _ => None,
    });
    plan.steps = STEPS
        .into_iter()
        .zip(states)
        .map(|(name, state)| StepResult { name, state, parts: Vec::new(), remark: None })
        .collect();
    plan
}

fn done() -> Option<State> {
    Some(State::done("d"))
}

fn working() -> Option<State> {
    Some(State::working(Reason::InProgress, "w"))
}

fn errors(step: &'static str, class: ErrorClass) -> BTreeMap<&'static str, CloudError> {
    let effect = crate::playbook::effect::Effect::SetStopProtection { instance: sample::instance_id(), enabled: true };
    BTreeMap::from([(step, sample::error(&effect, class))])
}

fn said(plan: &Plan<Quarantine>, errors: &BTreeMap<&'static str, CloudError>, before: &[Condition]) -> Vec<Condition> {
    conditions(plan, errors, &Before { conditions: before, generation: 7, now: at(5) })
}

fn short(conditions: &[Condition]) -> Vec<(String, bool, String)> {
    conditions.iter().map(|c| (c.type_.clone(), c.status == "True", c.reason.clone())).collect()
}

#[test]
fn verdicts() {
    let blocked = || Some(State::blocked(Reason::NotCovered, "b"));
    let skipped = || Some(State::skipped(Reason::NotCovered, "s"));
    let awaiting = || Some(State::Awaiting(Action::Isolate));
    // Ready, stalled, reconciling, reason.
    let table = [
        ([done(), done(), None], (true, false, false, Reason::Succeeded)),
        ([done(), skipped(), done()], (true, false, false, Reason::Settled)),
        ([done(), working(), done()], (false, false, true, Reason::InProgress)),
        ([done(), blocked(), working()], (false, true, false, Reason::NotCovered)),
        ([done(), working(), awaiting()], (false, false, false, Reason::AwaitingApproval)),
        ([blocked(), done(), awaiting()], (false, true, false, Reason::NotCovered)),
    ];
    for (states, expected) in table {
        let plan = plan(states.clone());
        let conditions = said(&plan, &BTreeMap::new(), &[]);
        let has = |name: &str| conditions.iter().any(|c| c.type_ == name && c.status == "True");
        let whole = verdict(&plan, &BTreeMap::new());
        assert_eq!((has(READY), has(STALLED), has(RECONCILING), whole.reason), expected, "{states:?}");
        assert_eq!(conditions[0].type_, READY);
        assert!(conditions.iter().all(|c| c.observed_generation == Some(7)));
    }
}

#[test]
fn what_aws_refused_is_said_where_it_is_not_settled() {
    // Class of the refusal, state of the step; reason of its condition, stalled.
    let table = [
        (ErrorClass::Denied, working(), "PermissionMissing", true),
        (ErrorClass::Invalid, working(), "InvalidRequest", true),
        (ErrorClass::Throttled, working(), "Throttled", false),
        (ErrorClass::Ambiguous, working(), "AwsUnavailable", false),
        (ErrorClass::Conflict, working(), "Conflict", false),
        (ErrorClass::Denied, done(), "Succeeded", false),
    ];
    for (class, state, reason, stalled) in table {
        let conditions = said(&plan([done(), state, None]), &errors("Protected", class), &[]);
        let step = conditions.iter().find(|c| c.type_ == "Protected").unwrap();
        assert_eq!(step.reason, reason, "{class}");
        assert_eq!(conditions.iter().any(|c| c.type_ == STALLED), stalled, "{class}");
    }
}

#[test]
fn steps_stand_in_the_order_of_the_table_and_undeclared_ones_not_at_all() {
    let conditions = said(&plan([done(), working(), None]), &BTreeMap::new(), &[]);
    let names: Vec<&str> = conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(names, [READY, "MetadataCaptured", "Protected", RECONCILING]);
}

#[test]
fn a_refusal_keeps_what_was_said_of_the_steps_before() {
    let before = said(&plan([done(), done(), done()]), &BTreeMap::new(), &[]);
    for (reason, kind) in
        [(Reason::AccountNotFound, STALLED), (Reason::Throttled, RECONCILING), (Reason::NotObserved, RECONCILING)]
    {
        let refused = Plan::refused(Refusal::new(reason, "m"));
        let after = said(&refused, &BTreeMap::new(), &before);
        assert_eq!(after[1..4], before[1..4], "{reason}");
        assert_eq!(short(&after[..1]), [(READY.to_owned(), false, reason.to_string())]);
        assert_eq!(after[4].type_, kind, "{reason}");
    }
}

#[test]
fn the_time_moves_when_the_status_does_and_not_before() {
    let mut first = said(&plan([done(), working(), None]), &BTreeMap::new(), &[]);
    for condition in &mut first {
        condition.last_transition_time = MetaTime(at(1));
    }
    let second =
        said(&plan([done(), Some(State::working(Reason::Waiting, "other words")), None]), &BTreeMap::new(), &first);
    assert!(second.iter().all(|c| c.last_transition_time == MetaTime(at(1))), "other words are no transition");
    let third = said(&plan([done(), done(), None]), &BTreeMap::new(), &first);
    let time = |name: &str| third.iter().find(|c| c.type_ == name).unwrap().last_transition_time.0;
    assert_eq!((time(READY), time("MetadataCaptured"), time("Protected")), (at(5), at(1), at(5)));
}

#[test]
fn what_a_release_did_not_give_back_is_named() {
    let mut plan = plan([None, None, None]);
    plan.released = true;
    assert!(verdict(&plan, &BTreeMap::new()).message.ends_with("all that was changed is given back"));
    plan.left = (0..7).map(|n| Attribute::Groups(sample::interface(n))).collect();
    let told = verdict(&plan, &BTreeMap::new());
    assert!(told.ready && told.reason == Reason::Released);
    for word in ["groups/eni-00000000, ", "groups/eni-00000004 and 2 more"] {
        assert!(told.message.contains(word), "{}", told.message);
    }
}

#[test]
fn times_are_whole_seconds() {
    let fine = Time::from_nanosecond(1_800_000_005_123_456_789).unwrap();
    assert_eq!(whole_seconds(fine), at(5));
}

#[test]
fn a_message_fits_whatever_is_in_it() {
    for unit in ["x", "é", "語", "🦀"] {
        let long = unit.repeat(3000);
        let conditions = said(&plan([Some(State::done(long)), None, None]), &BTreeMap::new(), &[]);
        let message = &conditions.iter().find(|c| c.type_ == "MetadataCaptured").unwrap().message;
        assert!(message.len() <= MESSAGE && message.ends_with('…'), "{} bytes", message.len());
    }
}

#[test]
fn an_object_that_rests_says_the_same_every_time() {
    let mut bench: Bench<Quarantine> = Bench::quarantine(Level::Isolated, sample::world(2, 2));
    bench.settle();
    let first = said(&bench.plan(), bench.executor.errors(), &[]);
    bench.now = sample::later(bench.now, 600);
    assert_eq!(said(&bench.plan(), bench.executor.errors(), &first), first);
}

fn any_state() -> impl Strategy<Value = Option<State>> {
    let reason = (0..Reason::ALL.len()).prop_map(|n| Reason::ALL[n]);
    (0_u8..6, reason).prop_map(|(kind, reason)| match kind {
        0 => None,
        1 => Some(State::done("d")),
        2 => Some(State::skipped(reason, "s")),
        3 => Some(State::working(reason, "w")),
        4 => Some(State::blocked(reason, "b")),
        _ => Some(State::Awaiting(Action::Isolate)),
    })
}

proptest! {
    #[test]
    fn conditions_never_contradict_each_other(
        states in [any_state(), any_state(), any_state()],
        earlier in [any_state(), any_state(), any_state()],
        refused: Option<bool>,
        error: Option<(u8, u8)>,
    ) {
        let before = said(&plan(earlier), &BTreeMap::new(), &[]);
        let mut plan = plan(states);
        if let Some(passing) = refused {
            plan = Plan::refused(Refusal::new(if passing { Reason::Throttled } else { Reason::HeldElsewhere }, "m"));
        }
        let classes = [ErrorClass::Throttled, ErrorClass::Denied, ErrorClass::Conflict, ErrorClass::Ambiguous];
        let errors = error.map(|(step, class)| {
            errors(STEPS[usize::from(step) % 3], classes[usize::from(class) % 4])
        }).unwrap_or_default();
        let after = said(&plan, &errors, &before);
        let count = |name: &str| after.iter().filter(|c| c.type_ == name).count();
        prop_assert!(count(STALLED) + count(RECONCILING) <= 1);
        let ready = after[0].status == "True";
        prop_assert!(after[0].type_ == READY && !(ready && count(STALLED) + count(RECONCILING) > 0));
        let mut names: Vec<&str> = after.iter().map(|c| c.type_.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), after.len());
        prop_assert_eq!(said(&plan, &errors, &after), after.clone(), "saying it again changes nothing");
    }
}
