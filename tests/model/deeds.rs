//! What others do: the attacker, the colleague, and AWS itself.

use std::collections::{BTreeMap, BTreeSet};

use sequester::api::ids::SecurityGroupId;
use sequester::cloud::sim::World;
use sequester::playbook::effect::Effect;
use sequester::playbook::group_change::GroupChange;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::SnapshotState;

use super::stage::{forensics, group, https, instance, interface, key, stranger, target, vpc};

/// A change by somebody else, or by AWS itself.
#[derive(Clone, Copy)]
pub struct Deed {
    /// In words.
    pub words: &'static str,
    /// What it does; where that is nothing it can't be done.
    pub act: fn(&mut World),
}

/// The operation in the tags of what others made.
pub const BACKUP_OPERATION: &str = "backup";

fn put(world: &mut World, n: u8, groups: &[SecurityGroupId]) {
    if let Some(port) = world.interfaces.get_mut(&interface(n)) {
        port.interface.groups = groups.iter().cloned().collect();
    }
}

/// The attacker puts back what was there.
pub const REOPEN: Deed = Deed { words: "the attacker puts the old group back", act: |w| put(w, 0, &[group(0)]) };
/// The attacker puts another group there.
pub const FOREIGN_GROUP: Deed =
    Deed { words: "the attacker puts a group of their own there", act: |w| put(w, 0, &[group(1)]) };
/// Somebody lets HTTPS into the closed group.
pub const FOREIGN_RULE: Deed = Deed {
    words: "somebody adds a rule to the closed group",
    act: |world| {
        if let Some(closed) = world.groups.values_mut().find(|group| group.name == "baseline-a") {
            closed.rules.insert(https());
        }
    },
};
/// The attacker reopens the host and deletes the closed group.
pub const DELETE_GROUP: Deed = Deed {
    words: "the attacker puts the old group back and deletes the closed one",
    act: |world| {
        if world.group_named(&vpc(), "baseline-a").is_some() {
            for n in 0..2 {
                put(world, n, &[group(0)]);
            }
            world.groups.retain(|_, group| group.name != "baseline-a");
        }
    },
};
/// Somebody registers the host with both of its load balancers.
pub const REGISTER: Deed = Deed {
    words: "somebody registers the host with its load balancers",
    act: |world| {
        for group in world.target_groups.values_mut() {
            group.registered.insert(target(), true);
        }
        for instances in world.classic_load_balancers.values_mut() {
            instances.insert(instance());
        }
    },
};
/// The host gets a public address.
pub const PUBLIC_ADDRESS: Deed = Deed {
    words: "somebody gives the interface a public address",
    act: |world| {
        if let Some(port) = world.interfaces.get_mut(&interface(0)) {
            port.interface.public_ips = vec!["203.0.113.7".to_owned()];
        }
    },
};
/// A colleague puts the host back into service.
pub const BACK_IN_SERVICE: Deed = Deed {
    words: "a colleague takes the host out of Standby",
    act: |world| {
        let effect = GroupChange::ExitStandby { group: "fleet".to_owned(), instance: instance() };
        let _ = world.apply(&Effect::AutoScaling(effect), &OperationId("colleague".to_owned()));
    },
};
/// The attacker takes the tag of the operation off what is locked: in the chain, that is. Before that the tag is all
/// there is to find a set by.
pub const UNTAG: Deed = Deed {
    words: "somebody takes the tags off the locked snapshots",
    act: |world| {
        for exhibit in world.snapshots.values_mut().filter(|exhibit| exhibit.lock.is_some()) {
            exhibit.snapshot.operation = None;
        }
    },
};
/// The attacker shares a snapshot with a stranger and everybody.
pub const SHARE_WIDELY: Deed = Deed {
    words: "somebody shares a snapshot with a stranger and the public",
    act: |world| {
        if let Some(exhibit) = world.snapshots.values_mut().next() {
            exhibit.permissions.extend([stranger().to_string(), "all".to_owned()]);
        }
    },
};
/// Somebody with the right to it lifts a governance lock.
pub const UNLOCK: Deed = Deed {
    words: "somebody unlocks a snapshot",
    act: |world| {
        if let Some(exhibit) = world.snapshots.values_mut().next() {
            exhibit.lock = None;
        }
    },
};
/// The attacker deletes a snapshot that is not locked yet.
pub const DELETE_SNAPSHOT: Deed = Deed {
    words: "the attacker deletes a snapshot that is not locked",
    act: |world| {
        let unlocked = world.snapshots.iter().find(|(_, exhibit)| exhibit.lock.is_none()).map(|(id, _)| id.clone());
        if let Some(id) = unlocked {
            world.snapshots.remove(&id);
        }
    },
};
/// A backup of somebody else's, over the same volumes, at the same time.
pub const BACKUP: Deed = Deed {
    words: "a backup of somebody else's takes the same volumes",
    act: |world| {
        if world.snapshots.values().any(|exhibit| exhibit.snapshot.operation.as_deref() == Some(BACKUP_OPERATION)) {
            return;
        }
        let effect = Effect::CreateSnapshots {
            instance: instance(),
            volumes: BTreeSet::new(),
            exclude: BTreeSet::new(),
            exclude_root: false,
            description: "nightly".to_owned(),
            tags: BTreeMap::new(),
            tag_prefix: "ops".to_owned(),
        };
        let _ = world.apply(&effect, &OperationId(BACKUP_OPERATION.to_owned()));
    },
};
/// Somebody writes the policy of the key anew: without ours, and with one more of theirs.
pub const TAKE_STATEMENT: Deed = Deed {
    words: "somebody writes the policy of the key anew",
    act: |world| {
        if let Some(policy) = world.keys.get_mut(&key()).and_then(|key| key.policy.as_mut())
            && policy.0.contains(forensics().as_str())
        {
            let theirs = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
            policy.0 = format!(r#"{{"Statement":[{theirs},{theirs}]}}"#);
        }
    },
};
/// A snapshot fails.
pub const FAIL_SNAPSHOT: Deed = Deed {
    words: "AWS can't complete a snapshot",
    act: |world| {
        let pending = SnapshotState::Pending;
        let first = world.snapshots.values().find(|e| e.snapshot.state == pending).map(|e| e.snapshot.id.clone());
        if let Some(id) = first {
            world.fail_snapshot(&id, "Client.InvalidKey");
        }
    },
};
/// Snapshots complete.
pub const COMPLETE: Deed = Deed { words: "AWS completes the snapshots", act: World::complete_snapshots };
