//! Where the model plays: one account, one host, what is declared of it, and what others may do to it.

use std::collections::{BTreeMap, BTreeSet};

use sequester::api::approval::Action;
use sequester::api::aws_account::LockMode;
use sequester::api::evidence_snapshot::{EvidenceSnapshotSpec, InstanceSource, KeyAccess, Moment, ShareWith, Source};
use sequester::api::ids::{
    AccountId, InstanceId, InterfaceId, KeyArn, RegionName, SecurityGroupId, VolumeId, VpcId,
};
use sequester::api::quarantine::{Isolation, Level, Pulse, QuarantineSpec, Target};
use sequester::cloud::sim::World;
use sequester::playbook::chain::ObjectRef;
use sequester::playbook::record::Record;
use sequester::playbook::seen::{
    AttachedVolume, Direction, Instance, InstanceState, Interface, Key, KeyManager, Peer, Protections, Rule,
    SecurityGroup, ShutdownBehavior,
};
use sequester::playbook::step::{Account, Limits, Subject};

use super::state::{Budget, TICK, W, time};

/// A change by somebody else, or by AWS itself.
#[derive(Clone, Copy)]
pub struct Deed {
    /// In words.
    pub words: &'static str,
    /// What it does; where that is nothing it can't be done.
    pub act: fn(&mut World),
}

/// What one model is about.
#[derive(Clone)]
pub struct Scene<S> {
    pub name: &'static str,
    pub world: World,
    /// What is declared, one after another.
    pub specs: Vec<S>,
    pub account: Account,
    pub limits: Limits,
    pub budget: Budget,
    /// What others may do.
    pub foreign: Vec<Deed>,
    /// What AWS does by itself, in its own time.
    pub aws: Vec<Deed>,
    /// Whether the object may be deleted.
    pub deletable: bool,
    /// What the chain says when the scene is over: a fair run goes on from there, and the search does not.
    pub over: fn(&Record) -> bool,
}

pub fn instance() -> InstanceId {
    InstanceId::parse("i-00000001").unwrap()
}

pub fn interface(n: u8) -> InterfaceId {
    InterfaceId::parse(&format!("eni-{n:08x}")).unwrap()
}

pub fn vpc() -> VpcId {
    VpcId::parse("vpc-00000001").unwrap()
}

/// The groups that are not ours: `web` and one of the attacker's.
pub fn group(n: u8) -> SecurityGroupId {
    SecurityGroupId::parse(&format!("sg-{:08x}", u32::from(n) + 0xf00)).unwrap()
}

pub fn volume(n: u8) -> VolumeId {
    VolumeId::parse(&format!("vol-{n:08x}")).unwrap()
}

pub fn key() -> KeyArn {
    KeyArn::parse("arn:aws:kms:eu-west-1:111122223333:key/one").unwrap()
}

pub fn prod() -> AccountId {
    AccountId::parse("111122223333").unwrap()
}

pub fn forensics() -> AccountId {
    AccountId::parse("444455556666").unwrap()
}

pub fn stranger() -> AccountId {
    AccountId::parse("999999999999").unwrap()
}

fn region() -> RegionName {
    RegionName::parse("eu-west-1").unwrap()
}

pub fn https() -> Rule {
    Rule {
        direction: Direction::Ingress,
        protocol: "tcp".to_owned(),
        from: Some(443),
        to: Some(443),
        peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
    }
}

/// A host with so many interfaces and volumes; of what is protected only the volumes are not yet, if `bare`.
pub fn world(interfaces: u8, volumes: u8, bare: bool) -> World {
    let attached = |n: u8| AttachedVolume {
        volume: volume(n),
        device: format!("/dev/xvd{n}"),
        root: n == 1,
        delete_on_termination: bare,
    };
    let host = Instance {
        id: instance(),
        owner: prod(),
        state: InstanceState::Running,
        instance_type: "m5.large".to_owned(),
        image: "ami-1".to_owned(),
        launched: "2026-11-01T00:00:00Z".to_owned(),
        zone: "eu-west-1a".to_owned(),
        vpc: Some(vpc()),
        subnet: None,
        spot: false,
        root_device_type: "ebs".to_owned(),
        profile: None,
        key_name: None,
        tags: BTreeMap::new(),
        volumes: (0..volumes).map(attached).collect(),
    };
    let protections = Protections { termination: true, stop: true, shutdown: ShutdownBehavior::Stop };
    let named = |n: u8, name: &str| SecurityGroup {
        id: group(n),
        name: name.to_owned(),
        vpc: vpc(),
        rules: BTreeSet::from([https()]),
    };
    let port = |n: u8| Interface {
        id: interface(n),
        vpc: vpc(),
        subnet: None,
        device_index: i32::from(n),
        groups: BTreeSet::from([group(0)]),
        private_ips: vec![format!("10.0.0.{n}")],
        ipv6: Vec::new(),
        public_ips: Vec::new(),
    };
    let world = World::new(prod())
        .with_instance(host, protections)
        .with_group(named(0, "web"))
        .with_group(named(1, "theirs"));
    (0..interfaces).fold(world, |world, n| world.with_interface(&instance(), port(n)))
}

/// The same host with its first volume under a customer's key.
pub fn encrypted(world: World) -> World {
    let key_of = Key { manager: KeyManager::Customer, enabled: true, grants: BTreeSet::new() };
    world.with_key(key(), key_of).with_encryption(volume(0), key())
}

pub fn account() -> Account {
    Account {
        id: prod(),
        ready: Ok(()),
        regions: vec![region()],
        namespace_allowed: true,
        required: BTreeMap::new(),
        group_prefix: "baseline".to_owned(),
        tag_prefix: "ops".to_owned(),
        lock_mode: LockMode::Governance,
        lock_days: 365,
        destinations: BTreeMap::from([("forensics".to_owned(), forensics())]),
        transfer_key: None,
        recheck_seconds: 60,
    }
}

/// The same, where isolation waits for a person.
pub fn careful() -> Account {
    Account { required: BTreeMap::from([(Action::Isolate, 1)]), ..account() }
}

pub fn limits() -> Limits {
    Limits { settle_seconds: W, coalesce_seconds: 5 * TICK, poll_seconds: 5 }
}

pub fn subject(kind: &str) -> Subject {
    Subject {
        kind: kind.to_owned(),
        namespace: Some("ir".to_owned()),
        name: "one".to_owned(),
        uid: "uid-1".to_owned(),
        requested_by: Some("alice".to_owned()),
        created: time(0),
        case: None,
    }
}

pub fn object(kind: &str) -> ObjectRef {
    ObjectRef {
        kind: kind.to_owned(),
        namespace: Some("ir".to_owned()),
        name: "one".to_owned(),
        uid: "uid-1".to_owned(),
    }
}

pub fn quarantine(level: Level, pulse: Pulse) -> QuarantineSpec {
    QuarantineSpec {
        requested_by: Some("alice".to_owned()),
        target: Target { account_ref: "prod".to_owned(), region: region(), instance_id: instance() },
        level,
        isolation: Isolation { pulse },
        case_ref: None,
    }
}

pub fn evidence(shared: bool) -> EvidenceSnapshotSpec {
    EvidenceSnapshotSpec {
        requested_by: Some("alice".to_owned()),
        source: Source {
            instance: InstanceSource {
                account_ref: "prod".to_owned(),
                region: region(),
                instance_id: instance(),
                exclude_volume_ids: Vec::new(),
            },
        },
        moment: Moment::AtOnce,
        lock: None,
        key_access: KeyAccess::Grant,
        share: if shared { vec![ShareWith { account_ref: "forensics".to_owned() }] } else { Vec::new() },
        retain_until: None,
        legal_hold: true,
        case_ref: None,
    }
}

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
/// The host gets a public address.
pub const PUBLIC_ADDRESS: Deed = Deed {
    words: "somebody gives the interface a public address",
    act: |world| {
        if let Some(port) = world.interfaces.get_mut(&interface(0)) {
            port.interface.public_ips = vec!["203.0.113.7".to_owned()];
        }
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
        if world.snapshots.values().any(|exhibit| exhibit.snapshot.operation.as_deref() == Some("backup")) {
            return;
        }
        let effect = sequester::playbook::effect::Effect::CreateSnapshots {
            instance: instance(),
            volumes: BTreeSet::new(),
            exclude: BTreeSet::new(),
            exclude_root: false,
            description: "nightly".to_owned(),
            tags: BTreeMap::new(),
            tag_prefix: "ops".to_owned(),
        };
        let _ = world.apply(&effect, &sequester::playbook::record::OperationId("backup".to_owned()));
    },
};
/// A snapshot fails.
pub const FAIL_SNAPSHOT: Deed = Deed {
    words: "AWS can't complete a snapshot",
    act: |world| {
        let pending = sequester::playbook::seen::SnapshotState::Pending;
        let first = world.snapshots.values().find(|e| e.snapshot.state == pending).map(|e| e.snapshot.id.clone());
        if let Some(id) = first {
            world.fail_snapshot(&id, "Client.InvalidKey");
        }
    },
};
/// Snapshots complete.
pub const COMPLETE: Deed = Deed { words: "AWS completes the snapshots", act: World::complete_snapshots };
