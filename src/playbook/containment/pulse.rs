//! Row C5, the guarded pulse: open, then closed again, so that tracked flows become untracked and break.
//!
//! A change of groups alone leaves tracked flows alive until they idle out; a flow is untracked only while
//! its group lets everything through both ways (EC2 guide, connection tracking). So an interface that is
//! closed is opened for the length of one call and closed again. Only where it can help, never while the
//! interface has a public address, after every host of the incident is closed, and once: an interface found
//! with the open group is closed before anything else.

use std::collections::BTreeSet;

use super::isolate::{create, not_ours};
use super::public_addresses;
use crate::api::ids::VpcId;
use crate::api::quarantine::Pulse;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::effect::Effect;
use crate::playbook::own_groups::GroupRole;
use crate::playbook::quarantine::{made_but_unseen, may_open, our_group, stranger};
use crate::playbook::seen::{Direction, Interface, Peer, Rule, SecurityGroup};
use crate::playbook::step::{Turn, View};

/// Everything, both ways, IPv4 and IPv6.
pub fn everything() -> BTreeSet<Rule> {
    [Direction::Ingress, Direction::Egress]
        .into_iter()
        .flat_map(|direction| {
            [Peer::Ipv4("0.0.0.0/0".to_owned()), Peer::Ipv6("::/0".to_owned())].map(|peer| Rule {
                direction,
                protocol: "-1".to_owned(),
                from: None,
                to: None,
                peer,
            })
        })
        .collect()
}

/// Adds the pulse to a turn that found every interface closed. What keeps it from coming is said, since flows survive then.
pub(super) fn after_closing(
    view: &View<'_, Quarantine>,
    interfaces: &[Interface],
    mut turn: Turn<Quarantine>,
) -> Turn<Quarantine> {
    let mut said: Vec<String> = interfaces.iter().filter_map(|interface| refused(view, interface)).collect();
    if let Some(wait) = unanswered(view) {
        turn.again_in = Some(wait);
        said.push("no pulse that is known of yet: AWS has not answered".to_owned());
    }
    if view.record.contained_at.is_none() {
        return turn.remarking(remark(&said));
    }
    if view.spec.isolation.pulse == Pulse::Never {
        let closed = |interface: &&Interface| {
            let groups = Attribute::Groups(interface.id.clone());
            view.record.applied.contains_key(&groups) && !view.record.pulsed.contains(&interface.id)
        };
        if interfaces.iter().any(|interface| closed(&interface)) {
            said.push("no pulse: spec.isolation.pulse is Never".to_owned());
        }
        return turn.remarking(remark(&said));
    }
    if let Some(failure) = view.seen.former_groups.failure() {
        said.push(format!("no pulse yet: {}", failure.message));
    }
    let former = view.seen.former_groups.value().map(Vec::as_slice).unwrap_or_default();
    let unread = view.seen.former_groups.value().is_none();
    let (public, due): (Vec<&Interface>, Vec<&Interface>) = interfaces
        .iter()
        .filter(|interface| !unread && !view.record.pulsed.contains(&interface.id) && helps(view, interface, former))
        .partition(|interface| interface.has_public_address());
    let (later, due): (Vec<&Interface>, Vec<&Interface>) =
        due.into_iter().partition(|interface| postponed(view, interface).is_some());
    for interface in later {
        turn.again_in = turn.again_in.into_iter().chain(postponed(view, interface)).min();
        said.push(format!("no pulse yet on {}: AWS had too much to do, and is asked again", interface.id));
    }
    said.extend(public.into_iter().map(|interface| {
        let addresses = [&interface.public_ips[..], &interface.ipv6[..]].concat().join(", ");
        let yet = if public_addresses::takes(view, interface) { " yet" } else { "" };
        format!("no pulse{yet} on {}: it has the public address {addresses}", interface.id)
    }));
    let follows = |interface: &Interface| public_addresses::may_follow(view, interface, interfaces);
    let (followed, due): (Vec<&Interface>, Vec<&Interface>) =
        due.into_iter().partition(|interface| follows(interface).is_some());
    for interface in followed {
        turn.again_in = turn.again_in.into_iter().chain(follows(interface)).min();
        said.push(format!(
            "no pulse yet on {}: AWS may assign a public address in place of the elastic one",
            interface.id
        ));
    }
    if due.is_empty() {
        return turn.remarking(remark(&said));
    }
    if view.seen.siblings_open > 0 {
        said.push(format!("no pulse yet: {} other hosts of the case are not closed", view.seen.siblings_open));
        return turn.remarking(remark(&said));
    }
    let networks: BTreeSet<&VpcId> = due.iter().map(|interface| &interface.vpc).collect();
    for vpc in networks {
        let here: Vec<&Interface> = due.iter().filter(|interface| interface.vpc == *vpc).copied().collect();
        match ready(view, vpc) {
            Open::Lacks(effect) => {
                said.push("no pulse yet".to_owned());
                return turn.then(vec![effect]).remarking(remark(&said));
            }
            // The lease is renewed long before its end: nothing is opened that might not be closed within it.
            Open::Ready(..) if !view.seen.pulse_fits => turn.again_in = Some(1),
            Open::Ready(open, closed) => {
                said.push("no pulse yet".to_owned());
                return swap(turn, &here, open, closed).remarking(remark(&said));
            }
            Open::Unseen => turn.again_in = Some(1),
            Open::Hindered(why) => said.push(format!("no pulse: {why}")),
            Open::Another(why) => {
                said.push(format!("no pulse yet: {why}"));
                // Whoever made it is about to open it; if not, that is seen as often as anything else.
                let young = view
                    .record
                    .contained_at
                    .is_some_and(|at| view.now.as_second() - at.as_second() < view.limits.settle_seconds);
                if young {
                    turn.again_in = Some(1);
                }
            }
        }
    }
    turn.remarking(remark(&said))
}

fn remark(said: &[String]) -> Option<String> {
    (!said.is_empty()).then(|| format!("{}; flows that were tracked may survive", said.join("; ")))
}

/// Stands for AWS's code where an opening ended without an answer.
pub const NO_REPLY: &str = "NoReply";

/// An opening that AWS refused is not tried again, and neither is one of which nobody knows.
fn refused(view: &View<'_, Quarantine>, interface: &Interface) -> Option<String> {
    let code = view.record.given_up.get(&format!("Isolated/{}", interface.id))?;
    Some(match code.as_str() {
        NO_REPLY => format!("no pulse on {} that is known of: AWS never answered whether it was opened", interface.id),
        code => format!("no pulse on {}: AWS refused it ({code})", interface.id),
    })
}

/// Seconds until an opening that AWS turned away for want of time is tried again: longer each time, since each try is
/// written down, and closes what stands closed.
fn postponed(view: &View<'_, Quarantine>, interface: &Interface) -> Option<u32> {
    let (times, last) = view.record.throttled.get(&interface.id)?;
    let wait = view.limits.settle_seconds.saturating_mul(1 << (times.saturating_sub(1)).min(8));
    let left = last.as_second() + wait.min(view.limits.coalesce_seconds) - view.now.as_second();
    u32::try_from(left).ok().filter(|left| *left > 0)
}

/// The open group of a network, as far as it is there.
enum Open<'a> {
    /// It lets everything through; the closed one is the second.
    Ready(&'a SecurityGroup, &'a SecurityGroup),
    /// This is to be done first.
    Lacks(Effect),
    /// Just made, and not shown yet.
    Unseen,
    /// Another object's chain made it and has not opened it.
    Another(String),
    /// A person must act.
    Hindered(String),
}

/// Trusted to be put on an interface of ours for a moment is a group of our name and tag that lets everything through
/// already: that harms nobody else, whoever made it. Rules are added only to one that this chain made; a tag can be
/// forged, and bystanders could be in the group.
fn ready<'a>(view: &View<'a, Quarantine>, vpc: &VpcId) -> Open<'a> {
    if let Some(other) = stranger(view, vpc, GroupRole::Open) {
        return Open::Hindered(not_ours(view, other));
    }
    let Some(open) = our_group(view, vpc, GroupRole::Open) else {
        let unseen = made_but_unseen(view, vpc, GroupRole::Open);
        return if unseen { Open::Unseen } else { Open::Lacks(create(view, vpc, GroupRole::Open)) };
    };
    let lacking: BTreeSet<Rule> = everything().difference(&open.rules).cloned().collect();
    if !lacking.is_empty() && may_open(view, open) {
        return Open::Lacks(Effect::AuthorizeRules { group: open.id.clone(), rules: lacking });
    }
    if !lacking.is_empty() {
        return Open::Another(format!(
            "{} in {} was not made by this Quarantine and does not let everything through",
            open.id, open.vpc
        ));
    }
    our_group(view, vpc, GroupRole::Closed).map_or(Open::Unseen, |closed| Open::Ready(open, closed))
}

/// Open, and closed again.
fn swap(
    turn: Turn<Quarantine>,
    interfaces: &[&Interface],
    open: &SecurityGroup,
    closed: &SecurityGroup,
) -> Turn<Quarantine> {
    let opening = interfaces
        .iter()
        .map(|interface| Effect::OpenForPulse { interface: interface.id.clone(), open: open.id.clone() })
        .collect();
    let closing = interfaces
        .iter()
        .map(|interface| Effect::ReplaceSecurityGroups {
            interface: interface.id.clone(),
            groups: BTreeSet::from([closed.id.clone()]),
        })
        .collect();
    turn.then(opening).then(closing)
}

/// Tracked flows can exist on an interface whose former groups did not let everything through both ways.
pub(super) fn helps(view: &View<'_, Quarantine>, interface: &Interface, former: &[SecurityGroup]) -> bool {
    let Some(Value::Set(ids)) = view.record.baseline.get(&Attribute::Groups(interface.id.clone())) else {
        return false;
    };
    let rules: BTreeSet<&Rule> =
        former.iter().filter(|group| ids.contains(group.id.as_str())).flat_map(|group| &group.rules).collect();
    !everything().iter().all(|rule| rules.contains(rule))
}

/// While it is not known whether an opening was applied, or may still be, AWS is looked at every second.
fn unanswered(view: &View<'_, Quarantine>) -> Option<u32> {
    view.record
        .operations
        .values()
        .any(|operation| operation.outcome.is_none() && matches!(operation.effect, Effect::OpenForPulse { .. }))
        .then_some(1)
}

/// Whether an opening whose reply was lost may still be applied late.
pub fn may_still_open(effect: &Effect, age_seconds: i64, settle_seconds: i64) -> bool {
    matches!(effect, Effect::OpenForPulse { .. }) && age_seconds < settle_seconds
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
