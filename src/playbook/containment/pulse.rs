//! Row C5, the guarded pulse: open, then closed again, so that tracked flows become untracked and break.
//!
//! A change of groups alone leaves tracked flows alive until they idle out; a flow is untracked only while
//! its group lets everything through both ways (EC2 guide, connection tracking). So an interface that is
//! closed is opened for the length of one call and closed again. Only where it can help, never while the
//! interface has a public address, after every host of the incident is closed, and once: an interface found
//! with the open group is closed before anything else.

use std::collections::BTreeSet;

use super::isolate::create;
use crate::api::quarantine::Pulse;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::effect::{Effect, GroupRole};
use crate::playbook::quarantine::{made_but_unseen, our_group};
use crate::playbook::seen::{Direction, Interface, Peer, Rule, SecurityGroup};
use crate::playbook::step::{State, Turn, View};

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

/// Adds the pulse to a turn that found every interface closed.
pub(super) fn after_closing(
    view: &View<'_, Quarantine>,
    interfaces: &[Interface],
    mut turn: Turn<Quarantine>,
) -> Turn<Quarantine> {
    if let Some(wait) = unanswered(view) {
        turn.again_in = Some(wait);
    }
    if view.spec.isolation.pulse == Pulse::Never || view.record.contained_at.is_none() || view.seen.siblings_open > 0 {
        return turn;
    }
    let Some(former) = view.seen.former_groups.value() else { return turn };
    let due: Vec<&Interface> = interfaces
        .iter()
        .filter(|interface| !view.record.pulsed.contains(&interface.id))
        .filter(|interface| !interface.has_public_address() && helps(view, interface, former))
        .collect();
    let Some(first) = due.first() else { return turn };
    let vpc = &first.vpc;
    let Some(open) = our_group(view, vpc, GroupRole::Open) else {
        if made_but_unseen(view, vpc, GroupRole::Open) {
            return turn.again_in(1);
        }
        return turn.then(vec![create(view, vpc, GroupRole::Open)]);
    };
    let lacking: BTreeSet<Rule> = everything().difference(&open.rules).cloned().collect();
    if !lacking.is_empty() {
        return turn.then(vec![Effect::AuthorizeRules { group: open.id.clone(), rules: lacking }]);
    }
    let Some(closed) = our_group(view, vpc, GroupRole::Closed) else { return turn };
    let here: Vec<&Interface> = due.into_iter().filter(|interface| interface.vpc == *vpc).collect();
    let opening = here
        .iter()
        .map(|interface| Effect::OpenForPulse { interface: interface.id.clone(), open: open.id.clone() })
        .collect();
    let closing = here
        .iter()
        .map(|interface| Effect::ReplaceSecurityGroups {
            interface: interface.id.clone(),
            groups: BTreeSet::from([closed.id.clone()]),
        })
        .collect();
    turn.then(opening).then(closing)
}

/// Tracked flows can exist on an interface whose former groups did not let everything through both ways.
fn helps(view: &View<'_, Quarantine>, interface: &Interface, former: &[SecurityGroup]) -> bool {
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

/// What survives is said, not hidden.
pub fn survivors(state: &State) -> &'static str {
    match state {
        State::Done(_) => "unknown",
        _ => "open",
    }
}

#[cfg(test)]
#[path = "pulse_tests.rs"]
mod tests;
