//! Row C3, the part that is gated like isolation: the host leaves its Auto Scaling group, and the group's desired capacity
//! stays (another instance takes its place) or falls by one.
//!
//! From Standby the capacity is settled already: then the call lowers nothing. From InService it lowers what is declared,
//! within the minimum size. AWS shows `Detaching` for as long as load balancers drain; nothing waits for that.

use super::isolate::{failed, given_back, is_ripe, settling, unread};
use super::stop_replacement::{at_minimum, decrements};
use super::{node, stop_replacement};
use crate::api::approval::Action;
use crate::api::auto_scaling::HoldInGroup;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::auto_scaling::{self as scaling, Phase, baselines, former_group, may_send, membership_value};
use crate::playbook::covered::GROUP;
use crate::playbook::effect::Effect;
use crate::playbook::group_change::GroupChange;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::{AutoScalingMembership, InstanceState};
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "Detached",
    after: &[],
    wanted: |view| view.spec.level.asks_for(Level::Detached),
    needs: Some(Action::Isolate),
    next,
    undo,
    preview,
};

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let Some(seen) = view.seen.auto_scaling.value() else {
        return match view.seen.auto_scaling.failure() {
            Some(failure) => failed(failure).again_in(view.account.recheck_seconds),
            None => unread(&view.seen.auto_scaling),
        };
    };
    let ours = view.record.applied.contains_key(&Attribute::AutoScalingGroup);
    // Where there is no group to leave, nothing would be begun.
    if let Some(refused) = super::beginning::begins_nothing(view, ours || seen.membership.is_none()) {
        return refused;
    }
    if let Some(waits) = super::beginning::plan_waits(view) {
        return waits;
    }
    let phase = seen.membership.as_ref().map(AutoScalingMembership::phase);
    let mut turn = match &seen.membership {
        None => outside(view, ours),
        Some(member) => detach(view, member),
    };
    let shown = matches!(phase, None | Some(Phase::Detaching));
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::detaches, shown, !shown));
    turn
}

fn outside(view: &View<'_, Quarantine>, ours: bool) -> Turn<Quarantine> {
    let none = membership_value(None);
    match former_group(view.record) {
        Some(group) if ours => {
            let facts = attribute::hold(view.record, &Attribute::AutoScalingGroup, &none, &none).facts;
            Turn::new(State::done(format!("out of Auto Scaling group {group}"))).noting(facts)
        }
        _ => Turn::new(State::skipped(Reason::NothingToDo, "in no Auto Scaling group")),
    }
}

fn detach(view: &View<'_, Quarantine>, member: &AutoScalingMembership) -> Turn<Quarantine> {
    let group = &member.group;
    let wait = |reason, told: String| Turn::new(State::working(reason, told)).again_in(view.limits.poll_seconds);
    let standing = stop_replacement::STEP.next;
    match member.phase() {
        Phase::Detaching => {
            let told = format!(
                "AWS has accepted it; out of Auto Scaling group {group} when its load balancers have drained it"
            );
            return wait(Reason::InProgress, told);
        }
        Phase::EnteringStandby => {
            return wait(Reason::Waiting, format!("waits until it is in Standby in Auto Scaling group {group}"));
        }
        // It enters Standby first, unless that is refused: without a place in the group there is nothing to stop.
        Phase::InService if stop_replacement::hold(view) == HoldInGroup::Standby => match standing(view).state {
            State::Blocked(refusal) if refusal.reason == Reason::AtMinimumSize => {}
            _ => return wait(Reason::Waiting, "waits for ReplacementStopped".to_owned()),
        },
        Phase::InService | Phase::Standby => {}
        Phase::Terminating => {
            let told = format!("Auto Scaling group {group} is terminating it already; AWS detaches nothing any more");
            return Turn::new(State::blocked(Reason::TerminatingInGroup, told));
        }
        Phase::Pending | Phase::Warm | Phase::Unknown => {
            let told = format!(
                "{} in Auto Scaling group {group}: AWS detaches what is InService or in Standby; looked at until it is",
                member.lifecycle_state
            );
            return Turn::new(State::working(Reason::Waiting, told)).again_in(view.account.recheck_seconds);
        }
    }
    if !may_send(view, GroupChange::detaches) {
        let told = if scaling::is_accepted(view.record, GroupChange::detaches) {
            "AWS has accepted it and does not show it yet"
        } else {
            "DetachInstances got no answer; looked at until it is certain that it was not applied, then sent again"
        };
        return wait(Reason::OutcomeUnknown, told.to_owned());
    }
    let decrement = member.phase() == Phase::InService && decrements(view, member);
    if let Some(state) = decrement.then(|| at_minimum(view, member)).flatten() {
        return Turn::new(state);
    }
    let current = membership_value(Some(group));
    let held = attribute::hold(view.record, &Attribute::AutoScalingGroup, &membership_value(None), &current);
    let drift = held.facts.into_iter().filter(|fact| !matches!(fact, Fact::Baseline { .. }));
    let instance = view.spec.target.instance_id.clone();
    let change = GroupChange::DetachInstances { group: group.clone(), instance, decrement };
    Turn::new(State::working(Reason::InProgress, format!("leaves Auto Scaling group {group}")))
        .then(vec![Effect::AutoScaling(change)])
        .noting(baselines(view, true))
        .noting(drift)
        .again_in(view.limits.poll_seconds)
}

/// Back into the group that it was in, where nobody put it into another one.
fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    if !view.record.applied.contains_key(&Attribute::AutoScalingGroup) {
        return Turn::new(given_back("was not taken out of a group"));
    }
    let gone = view.seen.is_gone();
    if view.seen.auto_scaling.value().is_none() && !gone && !view.record.released {
        return unread(&view.seen.auto_scaling);
    }
    let member = scaling::membership(view);
    let attached = member.is_some_and(|member| member.phase() != Phase::Detaching);
    let current = (!gone).then(|| membership_value(member.map(|member| member.group.as_str())));
    let mut turn = if member.map(AutoScalingMembership::phase) == Some(Phase::Detaching) {
        let told = "waits until it is out of its Auto Scaling group, before it goes back";
        Turn::new(State::working(Reason::Waiting, told)).again_in(view.limits.poll_seconds)
    } else {
        let ripe = is_ripe(view, &view.seen.auto_scaling) || gone && is_ripe(view, &view.seen.instance);
        match attribute::release(view.record, &Attribute::AutoScalingGroup, current.as_ref(), ripe) {
            Release::Done(facts) => {
                Turn::new(given_back("back in its Auto Scaling group, if we took it out")).noting(facts)
            }
            Release::Restore(Value::Set(groups)) => attach(view, groups.first().map_or("", String::as_str)),
            Release::Wait | Release::Restore(_) => settling(view),
        }
    };
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::attaches, attached, !attached));
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::detaches, !attached, false));
    turn
}

fn attach(view: &View<'_, Quarantine>, name: &str) -> Turn<Quarantine> {
    let Some(group) = scaling::group(view).filter(|group| group.name == name) else {
        if !is_ripe(view, &view.seen.auto_scaling) {
            return settling(view);
        }
        let left = Fact::LeftAsFound { attribute: Attribute::AutoScalingGroup, value: Some(membership_value(None)) };
        let told = format!("Auto Scaling group {name} is gone, so that the host stays outside");
        return Turn::new(given_back(&told)).noting([left]);
    };
    let instance = &view.spec.target.instance_id;
    if view.seen.instance.value().is_none_or(|instance| instance.state != InstanceState::Running) {
        return Turn::new(State::blocked(
            Reason::Conflict,
            format!("AWS takes only a running instance into a group: start {instance}, and it goes back into {name}"),
        ));
    }
    if let Some(state) = super::return_to_service::no_room(group) {
        return Turn::new(state);
    }
    if !may_send(view, GroupChange::attaches) {
        let told = "AttachInstances was sent and AWS does not show it yet";
        return Turn::new(State::working(Reason::OutcomeUnknown, told)).again_in(view.limits.poll_seconds);
    }
    let change = GroupChange::AttachInstances { group: name.to_owned(), instance: instance.clone() };
    Turn::new(State::working(Reason::InProgress, format!("goes back into Auto Scaling group {name}")))
        .then(vec![Effect::AutoScaling(change)])
        .again_in(view.limits.poll_seconds)
}

/// Lines of a plan that must not change from look to look are told from what the chain says, once it does.
fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    let Some(group) =
        former_group(view.record).or_else(|| scaling::membership(view).map(|member| member.group.as_str()))
    else {
        return Vec::new();
    };
    let about = |text: String| PlanLine { text, neighbour: Some(format!("{GROUP}{group}")) };
    if view.spec.level == Level::Released {
        let back = view.record.applied.contains_key(&Attribute::AutoScalingGroup);
        let told = format!("put it back into Auto Scaling group {group}, whose desired capacity rises by one");
        return back.then(|| PlanLine::about(told)).into_iter().collect();
    }
    let instance = &view.spec.target.instance_id;
    let mut lines = vec![about(format!("take {instance} out of Auto Scaling group {group}"))];
    lines.extend(super::return_to_service::capacity(view, group).map(PlanLine::about));
    lines.extend(node::risk(view).map(PlanLine::about));
    lines
}

#[cfg(test)]
#[path = "detach_from_asg_tests.rs"]
mod tests;
