//! What must hold of each link when it is written, of each change when it is sent, and of the world after it.

use std::collections::BTreeSet;

use sequester::api::approval::Action as Approved;
use sequester::api::aws_account::LockMode;
use sequester::api::quarantine::Level;
use sequester::cloud::sim::World;
use sequester::playbook::attribute::{Attribute, Value};
use sequester::playbook::chain::Link;
use sequester::playbook::effect::Effect;
use sequester::playbook::record::{Entry, OperationId, OutcomeKind, Record};
use sequester::playbook::seen::ShutdownBehavior;

use super::kind::{Broken, Kind, name};
use super::stage;
use super::state::{Node, State, W};

/// What is checked of a change beside the state: what the account allows and what is declared.
pub struct Rules<'a> {
    pub destinations: BTreeSet<String>,
    pub isolation_waits: bool,
    pub level: Option<Level>,
    /// Who was asked and said yes, by the operator's doing.
    pub approved: &'a dyn Fn(Approved) -> bool,
}

/// A change that destroys evidence, shortens its keeping or makes it unreadable. There is no arm for everything else: a
/// new effect does not compile before it was thought of here.
fn destroys(effect: &Effect, world: &World) -> bool {
    match effect {
        Effect::LockSnapshot { snapshot, mode, until } => {
            world.snapshots.get(snapshot).and_then(|exhibit| exhibit.lock.as_ref()).is_some_and(|lock| {
                lock.until.is_some_and(|ends| *until < ends)
                    || lock.mode == LockMode::Compliance && *mode == LockMode::Governance
            })
        }
        Effect::CreateSecurityGroup { .. }
        | Effect::AuthorizeRules { .. }
        | Effect::RevokeRules { .. }
        | Effect::ReplaceSecurityGroups { .. }
        | Effect::OpenForPulse { .. }
        | Effect::SetTerminationProtection { .. }
        | Effect::SetStopProtection { .. }
        | Effect::SetShutdownBehavior { .. }
        | Effect::SetDeleteOnTermination { .. }
        | Effect::CreateSnapshots { .. }
        | Effect::ShareSnapshot { .. }
        | Effect::UnshareSnapshot { .. }
        | Effect::CreateGrant { .. } => false,
    }
}

/// Whether a change holds less than before: opens the network, or takes a protection away.
fn lets_go(effect: &Effect, world: &World) -> bool {
    // A group that is not there any more can't be set.
    let is_open = |id: &_| world.groups.get(id).is_some_and(|group| group.name != "baseline-a");
    match effect {
        Effect::ReplaceSecurityGroups { groups, .. } => groups.iter().any(is_open),
        Effect::AuthorizeRules { group, .. } => world.groups.get(group).is_none_or(|group| group.name != "baseline-b"),
        Effect::SetTerminationProtection { enabled, .. } | Effect::SetStopProtection { enabled, .. } => !enabled,
        Effect::SetShutdownBehavior { behavior, .. } => *behavior != ShutdownBehavior::Stop,
        Effect::SetDeleteOnTermination { enabled, .. } => *enabled,
        _ => false,
    }
}

/// A change at the moment it leaves.
pub fn sent<P: Kind>(state: &State<P>, rules: &Rules<'_>, effect: &Effect, id: &OperationId) -> Broken {
    let world = &*state.world;
    let record = state.record();
    let written = state.chain.as_ref().is_some_and(|node| node.intents.get(id) == Some(effect));
    if !written {
        return Some(name::S8);
    }
    if destroys(effect, world) {
        return Some(name::S1);
    }
    let by_decision = |action| record.decisions.contains_key(&action) && (rules.approved)(action);
    let released = rules.level == Some(Level::Released) && by_decision(Approved::Release);
    if lets_go(effect, world) && !released {
        return Some(name::S13);
    }
    let isolates = matches!(effect, Effect::ReplaceSecurityGroups { .. } | Effect::CreateSecurityGroup { .. });
    if isolates && !released && rules.isolation_waits && !by_decision(Approved::Isolate) {
        return Some(name::GATE);
    }
    match effect {
        Effect::OpenForPulse { open, .. } => {
            let is_open = world.groups.get(open).is_none_or(|group| group.name == "baseline-b");
            (!is_open || record.contained_at.is_none()).then_some(name::S13)
        }
        Effect::ShareSnapshot { snapshot, .. } if !record.locked.contains_key(snapshot) => Some(name::S5),
        Effect::ShareSnapshot { accounts, .. } => {
            accounts.iter().any(|account| !rules.destinations.contains(account.as_str())).then_some(name::S6)
        }
        Effect::CreateGrant { grantee, .. } => (!rules.destinations.contains(grantee.as_str())).then_some(name::S6),
        _ => None,
    }
}

/// The world after a change.
pub fn stands<P: Kind>(state: &State<P>) -> Broken {
    let ours = |operation: &str| {
        state.chain.as_ref().is_some_and(|node| node.intents.contains_key(&OperationId(operation.to_owned())))
    };
    let calls: BTreeSet<u32> = state
        .world
        .snapshots
        .values()
        .filter(|exhibit| exhibit.tags.get("ops:operation").is_some_and(|operation| ours(operation)))
        .map(|exhibit| exhibit.call)
        .collect();
    (calls.len() > 1).then_some(name::S4)
}

/// A link at the moment it is written.
pub fn linked<P: Kind>(state: &State<P>, link: &Link) -> Broken {
    let before = state.chain.as_deref();
    if link.head.index != before.map_or(0, |node| node.head.index + 1) {
        return Some(name::S10);
    }
    outcomes(state, before, link).or_else(|| baselines(before, link)).or_else(|| set(state, before, link))
}

fn outcomes<P: Kind>(state: &State<P>, before: Option<&Node>, link: &Link) -> Broken {
    let mut intents: BTreeSet<&OperationId> = before.map(|node| node.intents.keys().collect()).unwrap_or_default();
    let mut closed: BTreeSet<&OperationId> = before.map(|node| node.closed.iter().collect()).unwrap_or_default();
    for entry in &link.body.entries {
        match entry {
            Entry::Intent { id, .. } if !intents.insert(id) => return Some(name::S9),
            Entry::Outcome { id, result, .. } => {
                if !intents.contains(id) || !closed.insert(id) {
                    return Some(name::S9);
                }
                let done = state.carried_out.contains(id);
                let flies = state.flights.iter().any(|flight| flight.id == *id);
                let untrue = match result {
                    OutcomeKind::Done => !done,
                    OutcomeKind::Failed | OutcomeKind::NotSent => done || flies,
                    OutcomeKind::Adopted | OutcomeKind::Surplus | OutcomeKind::Unknown => false,
                };
                if untrue {
                    return Some(name::S9);
                }
            }
            _ => {}
        }
    }
    None
}

fn baselines(before: Option<&Node>, link: &Link) -> Broken {
    let nothing = Record::default();
    let earlier = before.map_or(&nothing, |node| &node.record);
    for (attribute, baseline) in &link.record.baseline {
        if earlier.holds(attribute) && earlier.baseline.get(attribute) != Some(baseline) {
            return Some(name::S16);
        }
        // A quarantined state is never taken for a baseline.
        let ours = |group: &String| link.record.groups.values().any(|id| id.as_str() == group);
        if matches!((attribute, baseline), (Attribute::Groups(_), Value::Set(groups)) if groups.iter().any(ours)) {
            return Some(name::S16);
        }
    }
    let unread = link.record.applied.keys().any(|attribute| !link.record.baseline.contains_key(attribute));
    let lost = earlier.baseline.keys().any(|attribute| !link.record.baseline.contains_key(attribute));
    (unread || lost).then_some(name::S16)
}

/// The canonical set is one call's, its own operation's, all of it, and stays.
fn set<P: Kind>(state: &State<P>, before: Option<&Node>, link: &Link) -> Broken {
    let Some((operation, set)) = &link.record.set else { return None };
    if let Some(earlier) = before.and_then(|node| node.record.set.as_ref()) {
        return (earlier != &(operation.clone(), set.clone())).then_some(name::S4);
    }
    let world = &*state.world;
    let exhibits: Vec<_> = set.values().filter_map(|id| world.snapshots.get(id)).collect();
    if exhibits.iter().any(|exhibit| exhibit.tags.get("ops:operation") != Some(&operation.0)) {
        return Some(name::S4);
    }
    if exhibits.iter().any(|exhibit| exhibit.call != exhibits[0].call) {
        return Some(name::S3);
    }
    let node = before?;
    let Some(Effect::CreateSnapshots { .. }) = node.intents.get(operation) else { return Some(name::S4) };
    let whole = (0..2).all(|n| set.contains_key(&stage::volume(n)));
    let begun = node.record.operations.get(operation).map_or(i64::MIN, |o| o.at.as_second());
    let waited = link.body.time.as_second() >= begun + W;
    (!whole && !waited).then_some(name::S3)
}
