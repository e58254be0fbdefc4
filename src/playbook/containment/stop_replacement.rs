//! Row C3, the part that needs no approval: the Auto Scaling group of a host neither terminates nor replaces it.
//!
//! A group terminates what fails its health check, and a host that is cut off fails it; neither termination protection nor
//! scale-in protection stops that (EC2 and Auto Scaling guides). In Standby no health check applies. So the host is spared
//! by scale-in and put into Standby, and isolation goes behind that: once AWS has accepted it or refused it in a way that
//! only a person can mend, or after [`PATIENCE`], since nobody may hold an isolation up for long.
//!
//! EnterStandby has no token, and with a decrement each one that is applied takes one from the desired capacity: it is sent
//! again only after a look that is late enough. States in which AWS takes no Standby (warm pool, pending, any that this
//! version doesn't know) are waited out and said. What is terminating can't be called back: a lifecycle hook, where the group
//! has one, is kept waiting by heartbeats.

use super::isolate::{failed, unread};
use super::node;
use crate::api::auto_scaling::HoldInGroup;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Value};
use crate::playbook::auto_scaling::{self as scaling, AutoScaling, Phase, baselines, former_group, may_send};
use crate::playbook::effect::Effect;
use crate::playbook::group_change::GroupChange;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::{Fact, OutcomeKind, Record};
use crate::playbook::seen::AutoScalingMembership;
use crate::playbook::step::{State, Step, Turn, View};

/// Condition type.
pub(super) const NAME: &str = "ReplacementStopped";

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: NAME,
    after: &[],
    wanted: |view| view.spec.level != Level::Released,
    needs: None,
    next,
    undo: super::return_to_service::undo,
    preview,
};

/// Seconds for which an isolation waits until AWS answers.
pub const PATIENCE: i64 = 60;

/// A heartbeat is repeated at the latest after so many seconds: as long as an accepted one is remembered.
const HEARTBEAT: i64 = 300;

/// What an isolation does about the stop of the replacer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is settled: accepted, given up, or nothing to do.
    No,
    /// Its calls go out first, in the same turn.
    Behind,
    /// Not known yet, for this reason; looked at again.
    Longer(Reason),
}

/// How long an isolation that is not begun yet waits for the group.
pub(super) fn wait(view: &View<'_, Quarantine>) -> Wait {
    // An intent alone says nothing: it is written before its turn to be sent comes.
    let closed = view.record.verified.iter().any(|attribute| matches!(attribute, Attribute::Groups(_)));
    let terminating = scaling::membership(view).is_some_and(|member| member.phase() == Phase::Terminating);
    let unread = view.record.opened.filter(|_| view.seen.auto_scaling.value().is_none());
    let since = view.record.stop_begun.or(unread);
    let over = since.is_some_and(|since| view.now.as_second() - since.as_second() >= PATIENCE);
    if closed || terminating || over || is_stopped(view.record) {
        return Wait::No;
    }
    let turn = next(view);
    match &turn.state {
        _ if !turn.stages.is_empty() => Wait::Behind,
        State::Working(refusal)
            if refusal.reason.is_of_the_moment()
                || matches!(refusal.reason, Reason::OutcomeUnknown | Reason::NotObserved) =>
        {
            Wait::Longer(refusal.reason)
        }
        _ => Wait::No,
    }
}

/// Whether AWS accepted that the host leaves service.
fn is_stopped(record: &Record) -> bool {
    scaling::is_accepted(record, |change| change.enters_standby() || change.detaches())
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let Some(seen) = view.seen.auto_scaling.value() else {
        return match view.seen.auto_scaling.failure() {
            // What may pass is asked again more slowly each time, which is the shell's to say.
            Some(failure) if failure.reason.is_of_the_moment() => failed(failure),
            Some(failure) => failed(failure).again_in(view.account.recheck_seconds),
            None => unread(&view.seen.auto_scaling),
        };
    };
    let Some(member) = &seen.membership else { return outside(view) };
    let hold = hold(view);
    let turn = match member.phase() {
        Phase::Terminating => terminating(view, seen, member),
        _ if hold == HoldInGroup::Leave => Turn::new(State::skipped(
            Reason::NotDeclared,
            format!(
                "stays as it is in Auto Scaling group {}, as spec.autoScaling.hold: Leave asks; the group may terminate it",
                member.group
            ),
        )),
        Phase::InService | Phase::EnteringStandby | Phase::Standby => held(view, member, hold),
        Phase::Detaching => Turn::new(State::working(
            Reason::InProgress,
            format!("on its way out of Auto Scaling group {}", member.group),
        ))
        .again_in(view.limits.poll_seconds),
        phase @ (Phase::Pending | Phase::Warm | Phase::Unknown) => waits(view, member, phase),
    };
    let shown = matches!(member.phase(), Phase::EnteringStandby | Phase::Standby);
    let wanted = hold == HoldInGroup::Standby && member.phase() == Phase::InService;
    let sends = turn.stages.iter().flatten().any(is_entering);
    let mut turn = turn.noting(baselines(view, sends)).remarking(node::risk(view).or_else(|| suspended(member, hold)));
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::enters_standby, shown, wanted));
    turn
}

/// How it is held in its group. What was begun is not weakened by an edit: only a release gives it back.
pub(super) fn hold(view: &View<'_, Quarantine>) -> HoldInGroup {
    let declared = view.spec.auto_scaling.hold;
    let applied = &view.record.applied;
    if applied.contains_key(&Attribute::LifecycleState) {
        HoldInGroup::Standby
    } else if applied.contains_key(&Attribute::ScaleInProtection) && declared == HoldInGroup::Leave {
        HoldInGroup::ScaleInProtection
    } else {
        declared
    }
}

fn is_entering(effect: &Effect) -> bool {
    matches!(effect, Effect::AutoScaling(change) if change.enters_standby())
}

/// What a person should know of a hold that stops less than it could.
fn suspended(member: &AutoScalingMembership, hold: HoldInGroup) -> Option<String> {
    (hold == HoldInGroup::ScaleInProtection).then(|| {
        format!(
            "Auto Scaling group {} still terminates it if a health check fails, as one does once it is cut off",
            member.group
        )
    })
}

/// In no group, or in none any more.
fn outside(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let state = match former_group(view.record) {
        Some(group) if view.record.applied.contains_key(&Attribute::AutoScalingGroup) => {
            State::done(format!("taken out of Auto Scaling group {group}, which can neither terminate nor replace it"))
        }
        Some(group) => State::skipped(
            Reason::NothingToDo,
            format!("not in Auto Scaling group {group} any more; somebody else took it out"),
        ),
        None => State::skipped(Reason::NothingToDo, "in no Auto Scaling group"),
    };
    let mut turn = Turn::new(state).remarking(node::risk(view));
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::enters_standby, false, false));
    turn
}

/// AWS takes neither Standby nor protection in these states.
fn waits(view: &View<'_, Quarantine>, member: &AutoScalingMembership, phase: Phase) -> Turn<Quarantine> {
    let (group, state) = (&member.group, &member.lifecycle_state);
    let why = match phase {
        Phase::Warm => "in the warm pool of its group, where AWS allows neither Standby nor scale-in protection",
        Phase::Pending => "not in service yet, so that AWS takes no Standby",
        _ => "in a lifecycle state that this version doesn't know, and nothing is done on a guess",
    };
    Turn::new(State::working(
        Reason::Waiting,
        format!("{state} in Auto Scaling group {group}: {why}; looked at until it is InService or out of the group"),
    ))
    .again_in(view.account.recheck_seconds)
}

/// Spared by scale-in, and in Standby where that is asked for.
fn held(view: &View<'_, Quarantine>, member: &AutoScalingMembership, hold: HoldInGroup) -> Turn<Quarantine> {
    let (mut facts, mut stage) = (Vec::new(), Vec::new());
    let instance = view.spec.target.instance_id.clone();
    let current = Value::Flag(member.protected_from_scale_in);
    let spared = attribute::hold(view.record, &Attribute::ScaleInProtection, &Value::Flag(true), &current);
    facts.extend(spared.facts);
    if !spared.in_place {
        let (group, instance) = (member.group.clone(), instance.clone());
        stage.push(Effect::AutoScaling(GroupChange::SetInstanceProtection { group, instance, enabled: true }));
    }
    let state = match (hold, member.phase()) {
        (HoldInGroup::Standby, Phase::InService) => {
            let standing = Value::Text("InService".to_owned());
            let wish = Value::Text("Standby".to_owned());
            match enter(view, member) {
                Ok(effect) => {
                    facts.extend(attribute::hold(view.record, &Attribute::LifecycleState, &wish, &standing).facts);
                    stage.push(effect);
                    State::working(Reason::InProgress, format!("enters Standby in Auto Scaling group {}", member.group))
                }
                Err(state) => state,
            }
        }
        (HoldInGroup::Standby, Phase::Standby) => {
            let standby = Value::Text("Standby".to_owned());
            facts.extend(attribute::hold(view.record, &Attribute::LifecycleState, &standby, &standby).facts);
            State::done(format!(
                "in Standby in Auto Scaling group {}: no health check applies, and scale-in spares it",
                member.group
            ))
        }
        (HoldInGroup::Standby, _) => State::working(
            Reason::InProgress,
            format!(
                "AWS has accepted Standby in Auto Scaling group {}; it is there when its load balancers have drained it",
                member.group
            ),
        ),
        _ => State::done(format!("scale-in of Auto Scaling group {} spares it", member.group)),
    };
    let state = match state {
        State::Done(_) if !spared.in_place => State::working(Reason::InProgress, "sets scale-in protection"),
        other => other,
    };
    let poll = (!state.is_settled()).then_some(view.limits.poll_seconds);
    // The pre-state of the whole place is stated at once.
    facts.retain(|fact| !matches!(fact, Fact::Baseline { .. }));
    let leads = !stage.is_empty();
    let turn = Turn { again_in: poll, ..Turn::new(state).then(stage).noting(facts) };
    if leads { turn.leading() } else { turn }
}

/// The call, or why it is not made now.
fn enter(view: &View<'_, Quarantine>, member: &AutoScalingMembership) -> Result<Effect, State> {
    if !may_send(view, GroupChange::enters_standby) {
        return Err(if scaling::is_accepted(view.record, GroupChange::enters_standby) {
            State::working(Reason::InProgress, "AWS has accepted Standby and does not show it yet")
        } else {
            State::working(
                Reason::OutcomeUnknown,
                "EnterStandby got no answer; looked at until it is certain that it was not applied, then sent again",
            )
        });
    }
    let decrement = decrements(view, member);
    let blocked = decrement.then(|| at_minimum(view, member)).flatten();
    match blocked {
        Some(state) => Err(state),
        None => Ok(Effect::AutoScaling(GroupChange::EnterStandby {
            group: member.group.clone(),
            instance: view.spec.target.instance_id.clone(),
            decrement,
        })),
    }
}

/// Whether the desired capacity falls with the host. The first time that is what is declared. When somebody put it back
/// into service, which raised the capacity by one, that one is taken away again: nobody inflates a group by flipping a host.
pub(super) fn decrements(view: &View<'_, Quarantine>, member: &AutoScalingMembership) -> bool {
    if view.record.replaced.is_none() {
        return !view.spec.auto_scaling.replace;
    }
    let group = scaling::group(view).filter(|group| group.name == member.group);
    let before = scaling::size_before(view.record, &Attribute::DesiredCapacity(member.group.clone()));
    // Where nobody took its place, the capacity fell with it.
    let fell = i32::from(view.record.replaced == Some(false));
    group
        .is_some_and(|group| group.desired > group.minimum && before.is_none_or(|before| group.desired > before - fell))
}

/// AWS refuses to lower the desired capacity below the minimum size (Auto Scaling reference, `EnterStandby`).
pub(super) fn at_minimum(view: &View<'_, Quarantine>, member: &AutoScalingMembership) -> Option<State> {
    let group = scaling::group(view).filter(|group| group.name == member.group && group.desired <= group.minimum)?;
    let (name, minimum) = (&group.name, group.minimum);
    let lowered = view.record.applied.contains_key(&Attribute::MinSize(name.clone()));
    let (field, of) = match &view.subject.case {
        Some(case) => ("spec.containment.autoScaling", format!(" of ForensicCase {case}")),
        None => ("spec.autoScaling", String::new()),
    };
    Some(if view.spec.auto_scaling.lower_minimum && !lowered {
        let told = format!("waits until the minimum size of Auto Scaling group {name}, {minimum}, is lowered");
        State::working(Reason::Waiting, told)
    } else {
        State::blocked(
            Reason::AtMinimumSize,
            format!(
                "Auto Scaling group {name} has a desired capacity of {} and a minimum size of {minimum}, so that none can be taken \
                 from it; set {field}.replace: true, or {field}.lowerMinimum: true{of}, or lower MinSize of {name}",
                group.desired
            ),
        )
    })
}

/// Nothing takes a termination back. A hook can be kept waiting, for 48 hours or a hundred times its time-out, whichever is
/// less (Auto Scaling guide, lifecycle hooks).
fn terminating(view: &View<'_, Quarantine>, seen: &AutoScaling, member: &AutoScalingMembership) -> Turn<Quarantine> {
    let waiting = member.lifecycle_state == "Terminating:Wait";
    let hooks = if waiting { seen.hooks.as_slice() } else { &[] };
    let beats = hooks.iter().map(|hook| {
        let change = GroupChange::RecordLifecycleActionHeartbeat {
            group: member.group.clone(),
            instance: view.spec.target.instance_id.clone(),
            hook: hook.name.clone(),
        };
        (Effect::AutoScaling(change), (i64::from(hook.timeout) / 2).min(HEARTBEAT))
    });
    let due = |(effect, every): &(Effect, i64)| {
        !view.record.operations.values().any(|sent| {
            let young = view.now.as_second() - sent.at.as_second() < *every;
            sent.effect == *effect && sent.outcome == Some(OutcomeKind::Done) && young
        })
    };
    let soonest = beats.clone().map(|(_, every)| u32::try_from(every).unwrap_or_default().max(1)).min();
    let stage = beats.filter(due).map(|(effect, _)| effect).collect();
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    let held_up = if names.is_empty() {
        "no lifecycle hook holds that up".to_owned()
    } else {
        format!(
            "lifecycle hook {} is kept waiting by heartbeats, for 48 hours at most: take what you need until then",
            names.join(", ")
        )
    };
    let told = format!(
        "Auto Scaling group {} is terminating it already ({}), and no call takes that back; {held_up}. Volumes stay where \
         Protected keeps them",
        member.group, member.lifecycle_state
    );
    let poll = soonest.unwrap_or(view.account.recheck_seconds).min(view.account.recheck_seconds);
    Turn::new(State::blocked(Reason::TerminatingInGroup, told)).then(stage).again_in(poll)
}

fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    if view.spec.level == Level::Released { super::return_to_service::preview(view) } else { Vec::new() }
}

/// The group of the host, as the chain says or AWS shows.
pub(super) fn group_of<'a>(view: &View<'a, Quarantine>) -> Option<&'a str> {
    former_group(view.record).or_else(|| scaling::membership(view).map(|member| member.group.as_str()))
}

#[cfg(test)]
#[path = "stop_replacement_tests.rs"]
pub(super) mod tests;
