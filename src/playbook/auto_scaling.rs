//! What is seen of a host's Auto Scaling group, and what its lifecycle states mean to us.

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Value};
use super::effect::Effect;
use super::group_change::GroupChange;
use super::ledger::ended;
use super::record::{Entry, Fact, Operation, OperationId, OutcomeKind, Record};
use super::seen::AutoScalingMembership;
use super::step::View;
use super::{Quarantine, Time};

/// The group of a host, where it is in one, and the group that the chain knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoScaling {
    /// Where the host stands in it; none where it is in no group.
    pub membership: Option<AutoScalingMembership>,
    /// The sizes of that group, or else of the one that it was in; none where that is gone.
    pub group: Option<AutoScalingGroup>,
    /// Lifecycle hooks of the group that apply when it terminates an instance; asked for only where it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<LifecycleHook>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoScalingGroup {
    /// Its name.
    pub name: String,
    /// Minimum size.
    pub minimum: i32,
    /// Maximum size.
    pub maximum: i32,
    /// Desired capacity.
    pub desired: i32,
    /// Instances of it that are in service.
    pub in_service: i32,
    /// What it launches instances from: a launch template or a launch configuration.
    pub launch_source: String,
}

/// A lifecycle hook: it makes the group wait before it goes on with an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleHook {
    /// Its name.
    pub name: String,
    /// Seconds that it waits from the last heartbeat on.
    pub timeout: i32,
}

/// What a lifecycle state allows (Auto Scaling guide, lifecycle of instances).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not in service yet: `Pending` and its waits.
    Pending,
    /// Counted, health-checked, and sent traffic.
    InService,
    /// On its way to Standby.
    EnteringStandby,
    /// Neither counted nor health-checked.
    Standby,
    /// On its way out of the group.
    Detaching,
    /// Being terminated.
    Terminating,
    /// In the warm pool, where neither Standby nor scale-in protection can be had.
    Warm,
    /// A state that this version doesn't know: nothing is done on a guess.
    Unknown,
}

impl Phase {
    /// The phase of a lifecycle state as AWS spells it.
    pub fn of(state: &str) -> Self {
        match state {
            "InService" => Self::InService,
            "EnteringStandby" => Self::EnteringStandby,
            "Standby" => Self::Standby,
            "Detaching" | "Detached" => Self::Detaching,
            "Terminated" => Self::Terminating,
            _ if state.starts_with("Warmed:") => Self::Warm,
            _ if state == "Pending" || state.starts_with("Pending:") => Self::Pending,
            _ if matches!(state, "Terminating" | "Terminating:Wait" | "Terminating:Proceed") => Self::Terminating,
            _ => Self::Unknown,
        }
    }
}

impl AutoScalingMembership {
    /// What its lifecycle state allows.
    pub fn phase(&self) -> Phase {
        Phase::of(&self.lifecycle_state)
    }
}

/// The host in its group, as far as AWS showed it.
pub(super) fn membership<'a>(view: &View<'a, Quarantine>) -> Option<&'a AutoScalingMembership> {
    view.seen.auto_scaling.value()?.membership.as_ref()
}

/// The group as AWS showed it.
pub(super) fn group<'a>(view: &View<'a, Quarantine>) -> Option<&'a AutoScalingGroup> {
    view.seen.auto_scaling.value()?.group.as_ref()
}

/// The groups that a host is in, as the value of an attribute: one or none.
pub fn membership_value(group: Option<&str>) -> Value {
    Value::Set(group.into_iter().map(ToOwned::to_owned).collect())
}

/// A number as the value of an attribute.
pub fn size_value(size: i32) -> Value {
    Value::Text(size.to_string())
}

/// The number that an attribute had before our first change.
pub(super) fn size_before(record: &Record, attribute: &Attribute) -> Option<i32> {
    match record.baseline.get(attribute)? {
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The group that the host was in before our first change, as the chain says.
pub fn former_group(record: &Record) -> Option<&str> {
    match record.baseline.get(&Attribute::AutoScalingGroup)? {
        Value::Set(groups) => groups.first().map(String::as_str),
        _ => None,
    }
}

/// What stood before our first change: group, lifecycle state, scale-in protection, sizes. Stated with the first look at
/// the group, and again with our first call that moves the host: what is given back is what stood last, and a group that
/// scales all day fills no chain.
pub(super) fn baselines(view: &View<'_, Quarantine>, moves: bool) -> Vec<Fact> {
    let Some(seen) = view.seen.auto_scaling.value() else { return Vec::new() };
    let Some(member) = &seen.membership else { return Vec::new() };
    let moved = [Attribute::AutoScalingGroup, Attribute::LifecycleState].iter().any(|of| view.record.holds(of));
    let mut now = vec![
        (Attribute::AutoScalingGroup, membership_value(Some(&member.group))),
        (Attribute::LifecycleState, Value::Text(member.lifecycle_state.clone())),
        (Attribute::ScaleInProtection, Value::Flag(member.protected_from_scale_in)),
    ];
    if let Some(group) = seen.group.as_ref().filter(|group| group.name == member.group) {
        now.push((Attribute::MinSize(group.name.clone()), size_value(group.minimum)));
        now.push((Attribute::DesiredCapacity(group.name.clone()), size_value(group.desired)));
        now.push((Attribute::LaunchSource(group.name.clone()), Value::Text(group.launch_source.clone())));
    }
    let lacks = |(attribute, value): &(Attribute, Value)| match view.record.baseline.get(attribute) {
        None => !moved && !view.record.holds(attribute),
        Some(before) => moves && !moved && !view.record.holds(attribute) && before != value,
    };
    now.into_iter().filter(lacks).map(|(attribute, value)| Fact::Baseline { attribute, value }).collect()
}

/// The newest call of this kind, and what is known of it.
fn last(record: &Record, is: fn(&GroupChange) -> bool) -> Option<(&OperationId, &Operation)> {
    let of_kind = |operation: &Operation| matches!(&operation.effect, Effect::AutoScaling(change) if is(change));
    record.operations.iter().filter(|(_, operation)| of_kind(operation)).max_by_key(|(_, operation)| operation.at)
}

/// Whether AWS accepted the newest call of this kind.
pub(super) fn is_accepted(record: &Record, is: fn(&GroupChange) -> bool) -> bool {
    let accepted = |outcome| matches!(outcome, Some(OutcomeKind::Done | OutcomeKind::Adopted));
    last(record, is).is_some_and(|(_, operation)| accepted(operation.outcome))
}

/// Whether a call without a token may be sent: never before, or refused, or so long ago that a look which was asked after
/// that tells. Sent blindly it could lower the desired capacity twice.
pub(super) fn may_send(view: &View<'_, Quarantine>, is: fn(&GroupChange) -> bool) -> bool {
    last(view.record, is).is_none_or(|(_, operation)| {
        let refused = matches!(operation.outcome, Some(OutcomeKind::Failed | OutcomeKind::NotSent));
        refused || is_late_enough(view, operation.at)
    })
}

fn is_late_enough(view: &View<'_, Quarantine>, since: Time) -> bool {
    let after = since.as_second() + view.limits.settle_seconds;
    view.seen.auto_scaling.asked_at().is_some_and(|asked| asked.as_second() >= after)
}

/// Outcomes of calls whose reply was lost: adopted where AWS shows what they ask for, unknown where a look that is late
/// enough does not and nobody wants them any more.
pub(super) fn outcomes(
    view: &View<'_, Quarantine>,
    is: fn(&GroupChange) -> bool,
    shown: bool,
    wanted: bool,
) -> Vec<Entry> {
    let open = view.record.operations.iter().filter(|(_, operation)| {
        operation.outcome.is_none() && matches!(&operation.effect, Effect::AutoScaling(change) if is(change))
    });
    open.filter_map(|(id, operation)| {
        let over = !wanted && is_late_enough(view, operation.at);
        let result = if shown { OutcomeKind::Adopted } else { OutcomeKind::Unknown };
        (shown || over).then(|| ended(id, result, Vec::new()))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_aws_may_add_are_no_guess() {
        let table = [
            ("InService", Phase::InService),
            ("EnteringStandby", Phase::EnteringStandby),
            ("Standby", Phase::Standby),
            ("Pending:Wait", Phase::Pending),
            ("Terminating:Wait", Phase::Terminating),
            ("Terminating:Retained", Phase::Unknown),
            ("Warmed:Pending:Wait", Phase::Warm),
            ("Warmed:Stopped", Phase::Warm),
            ("Detaching", Phase::Detaching),
            ("ReplacingRootVolume", Phase::Unknown),
            ("", Phase::Unknown),
        ];
        for (state, phase) in table {
            assert_eq!(Phase::of(state), phase, "{state}");
        }
    }
}
