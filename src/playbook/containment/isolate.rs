//! Row C5: a security group without ingress and egress on every interface at once.
//!
//! One group a VPC, made empty, its rules looked at on every pass, IPv4 and IPv6. The groups that stood on an
//! interface are recorded in the same record as the intent to replace them. A group changed by somebody else
//! is put back. A tracked flow survives a change of groups (EC2 guide, connection tracking): `pulse` is for that.
//!
//! Trusted as closed is a group of our name that bears our tag, or that this chain made or closed an interface with.
//! Another one of that name is somebody else's: it is neither emptied nor put on anything, and a person is told; other
//! networks go on.

use std::collections::{BTreeMap, BTreeSet};

use super::beginning::{begins_nothing, plan_waits};
use super::stop_replacement::{self, Wait};
use super::{node, pulse};
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::effect::{Effect, operation_tag};
use crate::playbook::own_groups::GroupRole;
use crate::playbook::plan::PlanLine;
use crate::playbook::quarantine::{
    adoptions, bears_our_name, foreign_hold, group_name, made_but_unseen, our_group, stranger,
};
use crate::playbook::record::Fact;
use crate::playbook::seen::{Interface, Read, ReadFailure, SecurityGroup};
use crate::playbook::step::{Part, Procedure, State, Step, Turn, View};

/// Rules that are taken from a group at a time.
const RULES: usize = 64;

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "Isolated",
    after: &[],
    wanted: |view| view.spec.level == Level::Isolated,
    needs: Some(Action::Isolate),
    next,
    undo,
    preview,
};

/// A turn that can't go on because a part was not, or could not be, observed.
pub fn unread<P: Procedure, T>(read: &Read<T>) -> Turn<P> {
    match read.failure() {
        Some(failure) => failed(failure),
        None => Turn::new(State::working(Reason::NotObserved, "AWS was not asked yet")).again_in(1),
    }
}

/// A turn that can't go on because AWS did not answer.
pub fn failed<P: Procedure>(failure: &ReadFailure) -> Turn<P> {
    let state = if failure.reason == Reason::PermissionMissing {
        State::blocked(failure.reason, failure.message.clone())
    } else {
        State::working(failure.reason, failure.message.clone())
    };
    Turn::new(state)
}

pub(super) fn as_value<'a>(groups: impl IntoIterator<Item = &'a crate::api::ids::SecurityGroupId>) -> Value {
    Value::Set(groups.into_iter().map(ToString::to_string).collect())
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    if let Some(refused) = begins_nothing(view, view.record.in_force.contains(&Action::Isolate)) {
        return refused;
    }
    if let Some(waits) = node::refused(view).or_else(|| plan_waits(view)) {
        return waits;
    }
    let Some(interfaces) = view.seen.interfaces.value() else { return unread(&view.seen.interfaces) };
    if view.seen.groups.value().is_none() {
        return unread(&view.seen.groups);
    }
    if interfaces.is_empty() {
        return Turn::new(State::working(Reason::Waiting, "the instance has no interface yet")).again_in(1);
    }
    if let Err(refusal) = foreign_hold(view) {
        return Turn::new(State::Blocked(refusal));
    }
    let mut turn = behind_the_replacer(view, closing(view, interfaces));
    turn.outcomes.extend(adoptions(view));
    let vpcs: BTreeSet<_> = interfaces.iter().map(|interface| &interface.vpc).collect();
    if let Some(other) = vpcs.into_iter().find_map(|vpc| stranger(view, vpc, GroupRole::Closed)) {
        let told = format!("{}. Interfaces in that VPC stay open", not_ours(view, other));
        turn.state = State::blocked(Reason::Conflict, told);
    }
    turn
}

/// A host that is cut off fails its health checks: its group is stopped first. What only prepares goes on meanwhile.
fn behind_the_replacer(view: &View<'_, Quarantine>, mut turn: Turn<Quarantine>) -> Turn<Quarantine> {
    match stop_replacement::wait(view) {
        Wait::No => turn,
        Wait::Behind => turn.behind(stop_replacement::NAME),
        Wait::Longer(reason) => {
            for stage in &mut turn.stages {
                stage.retain(|effect| matches!(effect, Effect::CreateSecurityGroup { .. }));
            }
            turn.stages.retain(|stage| !stage.is_empty());
            turn.facts.retain(|fact| !matches!(fact, Fact::Baseline { .. }));
            let told = "waits for ReplacementStopped, for a minute at most";
            if reason.is_of_the_moment() {
                turn.state = State::working(reason, told);
                return turn;
            }
            turn.state = State::working(Reason::Waiting, told);
            turn.again_in(1)
        }
    }
}

/// For a person: somebody else's group stands in the way. AWS lets nobody change the name of a group.
pub(super) fn not_ours(view: &View<'_, Quarantine>, other: &SecurityGroup) -> String {
    format!(
        "{} in {} has the name {} that our group would get, and neither the tag {} nor a record says that it is ours; it is \
         left alone. Delete it, or set another spec.naming.groupPrefix in the AwsAccount",
        other.id,
        other.vpc,
        other.name,
        operation_tag(&view.account.tag_prefix),
    )
}

/// Makes the closed groups that are missing, and closes what can be closed.
fn closing(view: &View<'_, Quarantine>, interfaces: &[Interface]) -> Turn<Quarantine> {
    let vpcs: BTreeSet<_> = interfaces
        .iter()
        .map(|interface| &interface.vpc)
        .filter(|vpc| stranger(view, vpc, GroupRole::Closed).is_none())
        .collect();
    let missing: Vec<Effect> = vpcs
        .iter()
        .filter(|vpc| our_group(view, vpc, GroupRole::Closed).is_none())
        .filter(|vpc| !made_but_unseen(view, vpc, GroupRole::Closed))
        .map(|vpc| create(view, vpc, GroupRole::Closed))
        .collect();
    let mut turn = close(view, interfaces);
    if !missing.is_empty() {
        // Other steps are held back for it once, not for as long as AWS refuses it; and interfaces in other networks
        // wait for it at no time.
        let tried = missing.iter().any(|effect| view.record.open("Isolated").any(|(_, open)| open.effect == *effect));
        let prepares = turn.stages.is_empty() && !tried;
        let stage = missing.into_iter().chain(turn.stages.drain(..).flatten()).collect();
        turn.state = State::working(Reason::InProgress, "makes the closed group");
        let turn = turn.then(stage);
        return if prepares { turn.preparing() } else { turn };
    }
    if let Some(vpc) = vpcs.iter().find(|vpc| made_but_unseen(view, vpc, GroupRole::Closed)) {
        // Just made: AWS may need a moment to show it (EC2 guide, eventual consistency).
        turn.state = State::working(Reason::InProgress, format!("waits until AWS shows the closed group of {vpc}"));
        return turn.again_in(1);
    }
    if turn.state.is_settled() { pulse::after_closing(view, interfaces, turn) } else { turn }
}

pub(super) fn create(view: &View<'_, Quarantine>, vpc: &crate::api::ids::VpcId, role: GroupRole) -> Effect {
    Effect::CreateSecurityGroup {
        vpc: vpc.clone(),
        name: group_name(&view.account.group_prefix, role),
        role,
        tag_prefix: view.account.tag_prefix.clone(),
    }
}

/// Closes every interface in whose VPC the closed group is seen, and empties those groups, all side by side:
/// a group with a rule left on it is still better than none.
fn close(view: &View<'_, Quarantine>, interfaces: &[Interface]) -> Turn<Quarantine> {
    let (mut facts, mut stage, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let (mut open, mut left_open) = (0, false);
    let mut emptied: BTreeMap<_, &SecurityGroup> = BTreeMap::new();
    for interface in interfaces {
        let part = |state: &str| Part {
            kind: "interface",
            name: interface.id.to_string(),
            state: state.to_owned(),
            message: interface.private_ips.first().cloned().unwrap_or_default(),
        };
        let Some(closed) = our_group(view, &interface.vpc, GroupRole::Closed) else {
            open += 1;
            parts.push(part("Open"));
            continue;
        };
        if !closed.rules.is_empty() {
            emptied.insert(&closed.id, closed);
        }
        let wish = as_value([&closed.id]);
        let attribute = Attribute::Groups(interface.id.clone());
        let (current, extra) = own(view, interface, &attribute);
        let mut held = attribute::hold(view.record, &attribute, &wish, &current);
        facts.extend(extra);
        if is_pulse(view, interface) {
            // The open half of our own pulse is nobody's foreign change, and closing it waits for no back-off.
            left_open = true;
            held.facts.retain(|fact| !matches!(fact, Fact::Drift { .. }));
        }
        facts.extend(held.facts);
        let shut = held.in_place && closed.rules.is_empty();
        if !held.in_place {
            stage.push(Effect::ReplaceSecurityGroups {
                interface: interface.id.clone(),
                groups: BTreeSet::from([closed.id.clone()]),
            });
        }
        open += usize::from(!shut);
        parts.push(part(if shut { "Closed" } else { "Open" }));
    }
    for group in emptied.into_values() {
        // Who may add a thousand rules must not make a record that can't be written: the rest goes in the next turn.
        let some: BTreeSet<_> = group.rules.iter().take(RULES).cloned().collect();
        let rules: Vec<String> = some.iter().map(|rule| format!("{rule:?}")).collect();
        let written = view.record.foreign_rules.get(&group.id).is_some_and(|drift| {
            let these = Value::Set(rules.iter().cloned().collect());
            drift.is_recent(&these, view.now, view.limits.coalesce_seconds)
        });
        if !written && view.record.verified.iter().any(|attribute| matches!(attribute, Attribute::Groups(_))) {
            facts.push(Fact::ForeignRules { group: group.id.clone(), rules });
        }
        stage.push(Effect::RevokeRules { group: group.id.clone(), rules: some });
    }
    let state = if open == 0 {
        State::done(closed_message(interfaces))
    } else {
        State::working(Reason::InProgress, format!("{open} of {} interfaces still open", interfaces.len()))
    };
    let turn = Turn::new(state).then(stage).noting(facts).with_parts(parts);
    if left_open { turn.again_in(1) } else { turn }
}

/// The groups of an interface. Until it is held, one of our name among others is somebody's doing: it is recorded as what it
/// is, and is no part of what is given back.
fn own(view: &View<'_, Quarantine>, interface: &Interface, attribute: &Attribute) -> (Value, Option<Fact>) {
    let all = as_value(&interface.groups);
    let others = as_value(interface.groups.iter().filter(|group| !bears_our_name(view, group)));
    if view.record.holds(attribute) || others == all || others == Value::Set(BTreeSet::new()) {
        return (all, None);
    }
    let drift = Fact::Drift { attribute: attribute.clone(), foreign: all };
    (others, Some(drift))
}

fn is_pulse(view: &View<'_, Quarantine>, interface: &Interface) -> bool {
    view.record.pulsed.contains(&interface.id)
        && our_group(view, &interface.vpc, GroupRole::Open)
            .is_some_and(|open| interface.groups == BTreeSet::from([open.id.clone()]))
}

fn closed_message(interfaces: &[Interface]) -> String {
    format!("{} of {} interfaces closed, both ways, IPv4 and IPv6", interfaces.len(), interfaces.len())
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let gone = view.seen.is_gone();
    let interfaces = match view.seen.interfaces.value() {
        Some(interfaces) => interfaces.as_slice(),
        None if gone => &[],
        None if view.record.released || view.record.applied.is_empty() => &[],
        None => return unread(&view.seen.interfaces),
    };
    let pending = |of: &Attribute| matches!(of, Attribute::Groups(_)) && !view.record.given_back.contains_key(of);
    let held = match view.seen.held.value() {
        Some(held) => held.as_slice(),
        None if view.record.released || !view.record.applied.keys().any(pending) => &[],
        None => return unread(&view.seen.held),
    };
    let ripe = is_ripe(view, &view.seen.interfaces) && is_ripe(view, &view.seen.held);
    let (mut facts, mut stage, mut waits) = (Vec::new(), Vec::new(), 0);
    for attribute in view.record.applied.keys() {
        let Attribute::Groups(id) = attribute else { continue };
        // One that was detached keeps our group, and whoever attaches it anew would wonder.
        let interface = interfaces.iter().chain(held).find(|interface| interface.id == *id);
        // Left open by the pulse, it is ours all the same.
        let pulsed = interface.is_some_and(|interface| is_pulse(view, interface));
        let ours = view.record.applied.get(attribute).map(|applied| applied.value.clone()).filter(|_| pulsed);
        let current = ours.or_else(|| interface.map(|interface| as_value(&interface.groups)));
        match attribute::release(view.record, attribute, current.as_ref(), ripe) {
            Release::Done(more) => facts.extend(more),
            Release::Wait => waits += 1,
            Release::Restore(Value::Set(groups)) => stage.push(Effect::ReplaceSecurityGroups {
                interface: id.clone(),
                groups: groups.iter().filter_map(|group| crate::api::ids::SecurityGroupId::parse(group).ok()).collect(),
            }),
            Release::Restore(_) => {}
        }
    }
    let turn = match (stage.is_empty(), waits) {
        (false, _) => Turn::new(State::working(Reason::InProgress, "gives the groups back")),
        (true, 0) => Turn::new(given_back("groups given back where ours still stood")),
        (true, _) => settling(view),
    };
    turn.then(stage).noting(facts)
}

/// Whether a look was asked so long after the release was approved that nothing which was sent before can arrive after
/// it. A request that was late would otherwise close a host that was called released.
pub(super) fn is_ripe<T>(view: &View<'_, Quarantine>, read: &Read<T>) -> bool {
    let decided = view.record.decided_at.get(&Action::Release);
    let asked = read.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    decided.is_some_and(|at| asked >= at.as_second() + view.limits.settle_seconds)
}

/// Settled, and not held any more.
pub(super) fn given_back(message: &str) -> State {
    State::skipped(Reason::Released, message)
}

/// Given back as far as can be seen.
pub(super) fn settling(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    Turn::new(State::working(
        Reason::Waiting,
        "given back; looks on until nothing that was sent before can arrive any more",
    ))
    .again_in(view.limits.poll_seconds)
}

/// What an isolation touches beside the host and what others have of it, which the steps before it name.
const BESIDE: &str =
    "touches beside the host: a closed group (and for the pulse an open one) is made in the VPC if none is there";

/// Whether a release gives groups back.
pub(super) fn reopens(view: &View<'_, Quarantine>) -> bool {
    view.record.applied.keys().any(|attribute| matches!(attribute, Attribute::Groups(_)))
}

/// The host, for the person who approves.
pub(super) fn host(view: &View<'_, Quarantine>) -> String {
    let target = &view.spec.target;
    format!("{} in account {}, Region {}", target.instance_id, view.account.id, target.region)
}

fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    if view.spec.level == Level::Released {
        let back = view.record.applied.keys().filter_map(|attribute| match attribute {
            Attribute::Groups(_) => {
                let value = view.record.baseline.get(attribute)?;
                Some(format!("set {attribute} back to {value}, if our group still stands"))
            }
            _ => None,
        });
        let reopened = reopens(view).then(|| {
            format!("give {} back: its interfaces get their former groups and it can be reached again", host(view))
        });
        return reopened.into_iter().chain(back).map(PlanLine::about).collect();
    }
    let cut_off = view.record.contained_at.is_some();
    let mut lines = vec![PlanLine::about(if cut_off {
        format!("{} is cut off the network already, and stays so: this is what comes beside it", host(view))
    } else {
        format!("cut {} off the network: every interface gets one closed group, both ways, IPv4 and IPv6", host(view))
    })];
    for interface in view.seen.interfaces.value().into_iter().flatten().filter(|_| !cut_off) {
        let public = if interface.has_public_address() {
            format!(
                "; reachable from outside by {}",
                [&interface.public_ips[..], &interface.ipv6[..]].concat().join(", ")
            )
        } else {
            String::new()
        };
        lines.push(PlanLine::about(format!(
            "{} {} ({}): groups {} are replaced{public}",
            if interface.trunk.is_some() { "a pod's branch interface" } else { "interface" },
            interface.id,
            interface.private_ips.first().map_or("no address", String::as_str),
            as_value(&interface.groups)
        )));
    }
    lines.push(PlanLine::about(match view.spec.isolation.pulse {
        crate::api::quarantine::Pulse::Never => "flows that are tracked already survive until they end".to_owned(),
        crate::api::quarantine::Pulse::Auto => {
            "then, where no public address is and it can help, a short open-closed pulse ends tracked flows".to_owned()
        }
    }));
    // Where it leaves a group, those lines say it.
    lines.extend(node::risk(view).filter(|_| stop_replacement::group_of(view).is_none()).map(PlanLine::about));
    lines.extend(node::lockout(view).map(PlanLine::about));
    lines.push(PlanLine::about(BESIDE));
    lines
}

#[cfg(test)]
#[path = "isolate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "isolate_back_tests.rs"]
mod back_tests;
