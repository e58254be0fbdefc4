//! Row C7 for an Auto Scaling group: what was held there is given back, in an order that costs nobody the host.
//!
//! First the host returns to service, which raises the desired capacity by one. Where another instance took its place the
//! capacity is then set back, and the group terminates one of its instances: not this host, which scale-in spares until the
//! group has shrunk. Last, scale-in protection gets its former value.

use super::isolate::{given_back, is_ripe, settling, unread};
use crate::api::conditions::Reason;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::auto_scaling::{self as scaling, AutoScalingGroup, Phase, former_group, may_send};
use crate::playbook::effect::Effect;
use crate::playbook::group_change::GroupChange;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::AutoScalingMembership;
use crate::playbook::step::{State, Turn, View};

/// Gives the place in the group back, a thing after another.
pub(super) fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let holds = view.record.applied.keys().any(Attribute::is_of_auto_scaling);
    if !holds || view.record.released {
        return Turn::new(given_back("nothing was changed in an Auto Scaling group"));
    }
    if view.seen.auto_scaling.value().is_none() && !view.seen.is_gone() {
        return unread(&view.seen.auto_scaling);
    }
    let mut facts = Vec::new();
    let mut turn = [state, capacity_back, protection]
        .iter()
        .find_map(|part| match part(view) {
            Part::Over(more) => {
                facts.extend(more);
                None
            }
            Part::Takes(turn) => Some(*turn),
        })
        .unwrap_or_else(|| Turn::new(given_back("its place in the Auto Scaling group given back")));
    turn.facts.splice(0..0, facts);
    let phase = scaling::membership(view).map(AutoScalingMembership::phase);
    let back = matches!(phase, Some(Phase::InService | Phase::Pending));
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::exits_standby, back, !back));
    let stood = phase == Some(Phase::Standby);
    turn.outcomes.extend(scaling::outcomes(view, GroupChange::enters_standby, stood, false));
    turn
}

/// One thing that is given back.
enum Part {
    /// It is, or was left; what there is to say of it.
    Over(Vec<Fact>),
    /// It takes a turn.
    Takes(Box<Turn<Quarantine>>),
}

fn takes(turn: Turn<Quarantine>) -> Part {
    Part::Takes(Box::new(turn))
}

fn working(view: &View<'_, Quarantine>, reason: Reason, told: &str) -> Turn<Quarantine> {
    Turn::new(State::working(reason, told)).again_in(view.limits.poll_seconds)
}

fn ripe(view: &View<'_, Quarantine>) -> bool {
    is_ripe(view, &view.seen.auto_scaling) || view.seen.is_gone() && is_ripe(view, &view.seen.instance)
}

/// From Standby back into service.
fn state(view: &View<'_, Quarantine>) -> Part {
    if !view.record.applied.contains_key(&Attribute::LifecycleState) {
        return Part::Over(Vec::new());
    }
    let member = scaling::membership(view).filter(|_| !view.seen.is_gone());
    let current = match member.map(|member| (member.phase(), &member.lifecycle_state)) {
        None => None,
        Some((Phase::EnteringStandby, _)) => {
            return takes(working(view, Reason::Waiting, "waits until it is in Standby, before it leaves it"));
        }
        Some((Phase::Pending, _)) => {
            return takes(working(view, Reason::InProgress, "comes back into service"));
        }
        Some((_, state)) => Some(Value::Text(state.clone())),
    };
    match attribute::release(view.record, &Attribute::LifecycleState, current.as_ref(), ripe(view)) {
        Release::Done(facts) => Part::Over(facts),
        Release::Wait => takes(settling(view)),
        Release::Restore(_) => takes(member.map_or_else(|| settling(view), |member| exit(view, member))),
    }
}

fn exit(view: &View<'_, Quarantine>, member: &AutoScalingMembership) -> Turn<Quarantine> {
    let group = scaling::group(view).filter(|group| group.name == member.group);
    if let Some(state) = group.and_then(no_room) {
        return Turn::new(state).again_in(view.account.recheck_seconds);
    }
    if !may_send(view, GroupChange::exits_standby) {
        return working(view, Reason::OutcomeUnknown, "ExitStandby was sent and AWS does not show it yet");
    }
    let (group, instance) = (member.group.clone(), view.spec.target.instance_id.clone());
    working(view, Reason::InProgress, "leaves Standby")
        .then(vec![Effect::AutoScaling(GroupChange::ExitStandby { group, instance })])
}

/// AWS takes nothing into a group beyond its maximum size (Auto Scaling reference, `ExitStandby`, `AttachInstances`).
pub(super) fn no_room(group: &AutoScalingGroup) -> Option<State> {
    (group.desired >= group.maximum).then(|| {
        State::blocked(
            Reason::AtMaximumSize,
            format!(
                "Auto Scaling group {} has a desired capacity of {} and a maximum size of {}, so that it can't take the host \
                 back; raise MaxSize of {} by one until the release is over, or lower its desired capacity",
                group.name, group.desired, group.maximum, group.name
            ),
        )
    })
}

/// The desired capacity as it was, where another instance took the host's place and nobody changed it since.
fn capacity_back(view: &View<'_, Quarantine>) -> Part {
    let over = || Part::Over(Vec::new());
    let Some(name) = former_group(view.record).filter(|_| view.record.replaced == Some(true)) else { return over() };
    let attribute = Attribute::DesiredCapacity(name.to_owned());
    let Some(before) = scaling::size_before(view.record, &attribute) else { return over() };
    if view.record.given_back.contains_key(&attribute) {
        return over();
    }
    let Some(group) = scaling::group(view).filter(|group| group.name == name) else {
        let left = || Part::Over(vec![Fact::LeftAsFound { attribute, value: None }]);
        return if ripe(view) { left() } else { takes(settling(view)) };
    };
    // Whoever took it out of Standby or back into the group raised the capacity by one; else nobody did.
    let back =
        scaling::membership(view).is_some_and(|member| member.group == name && member.phase() == Phase::InService);
    if back && group.desired == before + 1 {
        let change = GroupChange::SetDesiredCapacity { group: name.to_owned(), desired: before };
        let told = "sets the desired capacity of its Auto Scaling group back";
        return takes(working(view, Reason::InProgress, told).then(vec![Effect::AutoScaling(change)]));
    }
    let set = scaling::is_accepted(view.record, |change| matches!(change, GroupChange::SetDesiredCapacity { .. }));
    // Old news may show it as it was before the host came back.
    let told = set && group.desired == before || may_send(view, |change| change.exits_standby() || change.attaches());
    if !told {
        return takes(working(view, Reason::Waiting, "waits until AWS shows the capacity of its Auto Scaling group"));
    }
    Part::Over(vec![if group.desired == before {
        Fact::Restored { attribute }
    } else {
        Fact::LeftAsFound { attribute, value: Some(scaling::size_value(group.desired)) }
    }])
}

/// Seconds within which a group that has one instance too many should have ended one. Longer than that nobody waits for it:
/// it may be told to keep what it has.
const SHRINKING: i64 = 600;

/// Scale-in protection, once the group is no larger than it wants to be.
fn protection(view: &View<'_, Quarantine>) -> Part {
    if !view.record.applied.contains_key(&Attribute::ScaleInProtection) {
        return Part::Over(Vec::new());
    }
    let member = scaling::membership(view).filter(|_| !view.seen.is_gone());
    let group = scaling::group(view).filter(|group| member.is_some_and(|member| member.group == group.name));
    let shrinks = group.is_some_and(|group| group.in_service > group.desired);
    let asked = view.record.operations.values().filter(
        |operation| matches!(&operation.effect, Effect::AutoScaling(change) if change.exits_standby() || change.attaches() || matches!(change, GroupChange::SetDesiredCapacity { .. })),
    );
    let since = asked.map(|operation| operation.at).max();
    let young = since.is_some_and(|since| view.now.as_second() - since.as_second() < SHRINKING);
    if shrinks && (young || !ripe(view)) {
        return takes(working(
            view,
            Reason::Waiting,
            "scale-in spares the host until its Auto Scaling group has shrunk",
        ));
    }
    let current = member.map(|member| Value::Flag(member.protected_from_scale_in));
    match attribute::release(view.record, &Attribute::ScaleInProtection, current.as_ref(), ripe(view)) {
        Release::Done(facts) => Part::Over(facts),
        Release::Restore(Value::Flag(enabled)) => match member {
            Some(member) => {
                let (group, instance) = (member.group.clone(), view.spec.target.instance_id.clone());
                let change = GroupChange::SetInstanceProtection { group, instance, enabled };
                takes(
                    working(view, Reason::InProgress, "gives its scale-in protection back")
                        .then(vec![Effect::AutoScaling(change)]),
                )
            }
            None => takes(settling(view)),
        },
        Release::Wait | Release::Restore(_) => takes(settling(view)),
    }
}

/// What a release does to the group.
pub(super) fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    let Some(group) = former_group(view.record) else { return Vec::new() };
    let mut lines = Vec::new();
    if view.record.applied.contains_key(&Attribute::LifecycleState)
        && !view.record.applied.contains_key(&Attribute::AutoScalingGroup)
    {
        lines.push(format!(
            "bring it back into service in Auto Scaling group {group}, whose desired capacity rises by one"
        ));
    }
    let before = scaling::size_before(view.record, &Attribute::DesiredCapacity(group.to_owned()));
    if let Some(before) = before.filter(|_| view.record.replaced == Some(true)) {
        lines.push(format!(
            "set the desired capacity of {group} back to {before}: it terminates one of its instances then, and scale-in spares \
             this host until it has, for ten minutes at most"
        ));
    }
    if let Some(Value::Flag(flag)) = view.record.baseline.get(&Attribute::ScaleInProtection)
        && view.record.applied.contains_key(&Attribute::ScaleInProtection)
    {
        lines.push(format!("set protectedFromScaleIn back to {flag}, if our value still stands"));
    }
    lines.into_iter().map(PlanLine::about).collect()
}

/// The capacity of the group before and after the host leaves it, in numbers: shown, and not a part of what is signed.
pub(super) fn capacity(view: &View<'_, Quarantine>, name: &str) -> Option<String> {
    let before = scaling::size_before(view.record, &Attribute::DesiredCapacity(name.to_owned()));
    let group = scaling::group(view).filter(|group| group.name == name)?;
    let before = before.unwrap_or(group.desired);
    let replaced = view.record.replaced.unwrap_or(view.spec.auto_scaling.replace);
    let after = if replaced { before } else { before - 1 };
    let place = if replaced { "another instance takes its place" } else { "nothing takes its place" };
    Some(format!(
        "Auto Scaling group {name}: desired capacity {before} before and {after} after, minimum {}, maximum {}, {} in service now; \
         {place}",
        group.minimum, group.maximum, group.in_service
    ))
}
