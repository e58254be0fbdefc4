//! What must hold of each link when it is written, of each change when it is sent, and of the world after it.

use std::collections::BTreeSet;

use sequester::api::approval::Action as Approved;
use sequester::api::aws_account::LockMode;
use sequester::api::ids::SnapshotId;
use sequester::api::quarantine::Level;
use sequester::cloud::sim::{Exhibit, World};
use sequester::playbook::attribute::{Attribute, Value};
use sequester::playbook::chain::Link;
use sequester::playbook::copy_change::CopyChange;
use sequester::playbook::credential_change::CredentialChange;
use sequester::playbook::effect::Effect;
use sequester::playbook::group_change::GroupChange;
use sequester::playbook::key_policy::{KeyPolicy, Ours};
use sequester::playbook::record::{Entry, OperationId, OutcomeKind, Record};
use sequester::playbook::seen::ShutdownBehavior;

use super::deeds::BACKUP_OPERATION;
use super::kind::{Broken, Kind, name};
use super::stage;
use super::state::{Node, State, W, ago, hash_of};

/// What is checked of a change beside the state: what the account allows and what is declared.
pub struct Rules<'a> {
    pub destinations: &'a BTreeSet<String>,
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
        Effect::Copying(CopyChange::LockCopy { destination, snapshot, mode, until }) => {
            let copy = world.copies.get(destination).and_then(|copies| copies.get(snapshot));
            copy.and_then(|exhibit| exhibit.lock.as_ref()).is_some_and(|lock| {
                lock.until.is_some_and(|ends| *until < ends)
                    || lock.mode == LockMode::Compliance && *mode == LockMode::Governance
            })
        }
        // Unreadable until somebody restores it: no scene declares that.
        Effect::ArchiveSnapshot { .. } | Effect::Copying(CopyChange::ArchiveCopy { .. }) => true,
        // What others have in a policy may be what they read evidence by.
        Effect::Copying(CopyChange::PutKeyPolicy { key, sid, accounts }) => {
            let theirs = |policy: &KeyPolicy| {
                let whole: serde_json::Value = serde_json::from_str(&policy.0).unwrap_or_default();
                let all = whole["Statement"].as_array().cloned().unwrap_or_default();
                all.into_iter().filter(|statement| statement.get("Sid").is_none()).collect::<Vec<_>>()
            };
            let before = world.keys.get(key).and_then(|key| key.policy.as_ref());
            before.is_some_and(|before| {
                before.with(Ours { key, sid }, accounts).as_ref().map(theirs) != Some(theirs(before))
            })
        }
        Effect::Copying(CopyChange::CopySnapshot { .. } | CopyChange::RevokeGrant { .. })
        | Effect::CreateSecurityGroup { .. }
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
        | Effect::CreateGrant { .. }
        | Effect::DeregisterTargets { .. }
        | Effect::RegisterTargets { .. }
        | Effect::DeregisterInstance { .. }
        | Effect::RegisterInstance { .. }
        | Effect::AutoScaling(_)
        | Effect::Credentials(_)
        | Effect::Network(_) => false,
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
        // Its group may terminate it again.
        Effect::AutoScaling(change) => match change {
            GroupChange::SetInstanceProtection { enabled, .. } => !enabled,
            GroupChange::ExitStandby { .. } | GroupChange::AttachInstances { .. } => true,
            _ => false,
        },
        Effect::Credentials(change) => match change {
            CredentialChange::PutRolePolicy { policy, instance, denied, .. } => {
                world.denied(instance, policy).is_some_and(|stands| *denied < stands)
            }
            CredentialChange::DeleteRolePolicy { .. } | CredentialChange::AssociateIamInstanceProfile { .. } => true,
            CredentialChange::ModifyInstanceMetadataOptions { enabled, .. } => *enabled,
            CredentialChange::DisassociateIamInstanceProfile { .. } => false,
        },
        _ => false,
    }
}

/// Rules that are not worth a record go under the intent by which the group is closed, or was emptied, whichever rules
/// they are.
fn keeps_empty(record: &Record, effect: &Effect, id: &OperationId) -> bool {
    let Effect::RevokeRules { group, .. } = effect else { return false };
    let emptied = record
        .operations
        .get(id)
        .is_some_and(|operation| matches!(&operation.effect, Effect::RevokeRules { group: of, .. } if of == group));
    let stands = emptied || record.made(group) == Some(id) || record.closed_with(group) == Some(id);
    stands && record.foreign_rules.contains_key(group)
}

/// A change at the moment it leaves.
pub fn sent<P: Kind>(state: &State<P>, rules: &Rules<'_>, effect: &Effect, id: &OperationId) -> Broken {
    let (world, record) = (&*state.world, &state.chain.record);
    if state.chain.intents.get(id) != Some(&hash_of(effect)) && !keeps_empty(record, effect, id) {
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
        // By the world: nobody takes a lock off where copies are modelled.
        Effect::Copying(CopyChange::CopySnapshot { of, .. })
            if world.snapshots.get(of).is_none_or(|source| source.lock.is_none()) =>
        {
            Some(name::S5)
        }
        Effect::Copying(CopyChange::CopySnapshot { destination, .. }) => {
            (!rules.destinations.contains(destination.account.as_str())).then_some(name::S6)
        }
        Effect::Copying(CopyChange::PutKeyPolicy { accounts, .. }) => {
            accounts.iter().any(|account| !rules.destinations.contains(account.as_str())).then_some(name::S6)
        }
        Effect::CreateGrant { grantee, .. } => (!rules.destinations.contains(grantee.as_str())).then_some(name::S6),
        _ => None,
    }
}

/// The world after a change of anybody's: what of its snapshots is ours, by its tags, is one set, and of each snapshot one
/// copy is in a place.
pub fn stands(world: &World) -> Broken {
    let ours =
        |exhibit: &&Exhibit| exhibit.tags.get("ops:operation").is_some_and(|operation| operation != BACKUP_OPERATION);
    let calls: BTreeSet<u32> = world.snapshots.values().filter(ours).map(|exhibit| exhibit.call).collect();
    let sources = world.copies.values().flat_map(|copies| {
        let of: Vec<_> = copies.values().filter_map(|exhibit| exhibit.tags.get("ops:source-snapshot")).collect();
        let different: BTreeSet<_> = of.iter().collect();
        [of.len() - different.len()]
    });
    (calls.len() > 1 || sources.sum::<usize>() > 0).then_some(name::S4)
}

/// The world after a change of ours: every snapshot that was there is there, and as well kept as it was.
pub fn evidence_is_safe(before: &World, after: &World) -> Broken {
    let as_kept = |exhibit: &Exhibit, now: &Exhibit| {
        let held = match (&exhibit.lock, &now.lock) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(was), Some(is)) => {
                let as_strong = was.mode == LockMode::Governance || is.mode == LockMode::Compliance;
                as_strong && is.until >= was.until
            }
        };
        held && now.tags == exhibit.tags && now.snapshot.operation == exhibit.snapshot.operation
    };
    let kept =
        |(id, exhibit): (&SnapshotId, &Exhibit)| after.snapshots.get(id).is_some_and(|now| as_kept(exhibit, now));
    let usable =
        before.keys.iter().all(|(arn, key)| after.keys.get(arn).is_some_and(|now| now.enabled || !key.enabled));
    let copies = before.copies.iter().flat_map(|(at, copies)| copies.iter().map(move |copy| (at, copy)));
    let copies = copies.into_iter().all(|(at, (id, exhibit))| {
        after.copies.get(at).and_then(|now| now.get(id)).is_some_and(|now| as_kept(exhibit, now))
    });
    (!before.snapshots.iter().all(kept) || !copies || !usable).then_some(name::S1)
}

/// What a link says by itself, behind the chain that it was decided on.
pub fn follows(before: &Node, after: &Node, link: &Link) -> Broken {
    opens_and_closes(before, link).or_else(|| baselines(&before.record, &after.record))
}

/// Each intent is new, and each outcome the first of an intent.
fn opens_and_closes(before: &Node, link: &Link) -> Broken {
    let mut intents: BTreeSet<&OperationId> = before.intents.keys().collect();
    let mut closed: BTreeSet<&OperationId> = before.closed.iter().collect();
    let wrong = link.body.entries.iter().any(|entry| match entry {
        Entry::Intent { id, .. } => !intents.insert(id),
        Entry::Outcome { id, .. } => !intents.contains(id) || !closed.insert(id),
        _ => false,
    });
    wrong.then_some(name::S9)
}

fn baselines(before: &Record, after: &Record) -> Broken {
    let wrong = after.baseline.iter().any(|(attribute, baseline)| {
        let moved = before.holds(attribute) && before.baseline.get(attribute) != Some(baseline);
        // A quarantined state is never taken for a baseline.
        let ours = |group: &String| after.groups.values().any(|id| id.as_str() == group);
        moved || matches!((attribute, baseline), (Attribute::Groups(_), Value::Set(groups)) if groups.iter().any(ours))
    });
    let unread = after.applied.keys().any(|attribute| !after.baseline.contains_key(attribute));
    let lost = before.baseline.keys().any(|attribute| !after.baseline.contains_key(attribute));
    (wrong || unread || lost).then_some(name::S16)
}

/// A link at the moment it is written.
pub fn linked<P: Kind>(state: &State<P>, node: &Node) -> Broken {
    let before = &state.chain;
    if node.index != before.index.map_or(Some(0), |index| index.checked_add(1)) {
        return Some(name::S10);
    }
    let untrue = node.outcomes.iter().any(|(id, result)| {
        let done = state.carried_out.contains(id);
        let flies = state.flights.iter().any(|flight| flight.order.order.id.as_ref() == Some(id));
        match result {
            OutcomeKind::Done => !done,
            OutcomeKind::Failed | OutcomeKind::NotSent => done || flies,
            OutcomeKind::Adopted | OutcomeKind::Surplus | OutcomeKind::Unknown => false,
        }
    });
    if untrue {
        return Some(name::S9);
    }
    // What is called released stays as it was given back: nothing that would hold it or open it may still arrive. A late
    // repeat of what gave it back sets what stands there already.
    let moves = |effect: &Effect| match effect.sets() {
        Some((attribute, value)) => node.record.baseline.get(&attribute) != Some(&value),
        None => matches!(effect, Effect::OpenForPulse { .. }),
    };
    let released = node.record.released && !before.record.released;
    if released && state.flights.iter().any(|flight| moves(&flight.order.order.change)) {
        return Some(name::S15);
    }
    set(&state.world, before, node)
}

/// The canonical set is one call's, its own operation's, all of it, and stays.
fn set(world: &World, before: &Node, node: &Node) -> Broken {
    let Some((operation, set)) = &node.record.set else { return None };
    if let Some(earlier) = &before.record.set {
        return (earlier != &(operation.clone(), set.clone())).then_some(name::S4);
    }
    let exhibits: Vec<_> = set.values().filter_map(|id| world.snapshots.get(id)).collect();
    if exhibits.iter().any(|exhibit| exhibit.tags.get("ops:operation") != Some(&operation.0)) {
        return Some(name::S4);
    }
    if exhibits.iter().any(|exhibit| exhibit.call != exhibits[0].call) {
        return Some(name::S3);
    }
    if !node.intents.contains_key(operation) {
        return Some(name::S4);
    }
    let whole = world.instances[&stage::instance()].instance.volumes.iter().all(|v| set.contains_key(&v.volume));
    let begun = before.record.operations.get(operation).map_or(i64::MIN, |o| o.at.as_second());
    let waited = ago(0).as_second() >= begun + W;
    (!whole && !waited).then_some(name::S3)
}
