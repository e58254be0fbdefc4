//! Where the model plays: one account, one host, what is declared of it, and what others may do to it.

use std::collections::{BTreeMap, BTreeSet};

use sequester::api::approval::Action;
use sequester::api::auto_scaling::AutoScaling;
use sequester::api::aws_account::LockMode;
use sequester::api::conditions::Reason;
use sequester::api::copies::CopyTo;
use sequester::api::evidence_snapshot::{EvidenceSnapshotSpec, InstanceSource, KeyAccess, Moment, ShareWith, Source};
use sequester::api::exhibits::Verify;
use sequester::api::ids::{
    AccountId, InstanceId, InterfaceId, KeyArn, LoadBalancerName, RegionName, SecurityGroupId, TargetGroupArn,
    VolumeId, VpcId,
};
use sequester::api::quarantine::{Isolation, Level, Pulse, QuarantineSpec, Target};
use sequester::cloud::sim::{Registrations, World};
use sequester::playbook::balancers;
use sequester::playbook::chain::ObjectRef;
use sequester::playbook::copies::Destination;
use sequester::playbook::key_policy::KeyPolicy;
use sequester::playbook::record::Record;
use sequester::playbook::seen::{
    AttachedVolume, Direction, Instance, InstanceState, Interface, Key, KeyManager, Peer, Protections, Rule,
    SecurityGroup, ShutdownBehavior,
};
use sequester::playbook::step::{Account, Jurisdiction, Limits, Subject};

use super::budget::Budget;
use super::deeds::Deed;
use super::state::{COALESCE, W, ago};

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
    /// For what a fair run may stall.
    pub stalls: &'static [Reason],
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

/// Whether the pulse's open group stands on an interface.
pub fn is_open_for_pulse(world: &World) -> bool {
    let open = world.group_named(&vpc(), "baseline-b");
    open.is_some_and(|open| world.interfaces.values().any(|port| port.interface.groups.contains(&open.id)))
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
        metadata: None,
        key_name: None,
        tags: BTreeMap::new(),
        volumes: (0..volumes).map(attached).collect(),
    };
    let protections = Protections { termination: true, stop: true, shutdown: ShutdownBehavior::Stop };
    let named = |n: u8, name: &str| SecurityGroup {
        id: group(n),
        name: name.to_owned(),
        vpc: vpc(),
        operation: None,
        rules: BTreeSet::from([https()]),
    };
    let port = |n: u8| Interface {
        id: interface(n),
        vpc: vpc(),
        subnet: None,
        trunk: None,
        device_index: i32::from(n),
        groups: BTreeSet::from([group(0)]),
        private_ips: vec![format!("10.0.0.{n}")],
        ipv6: Vec::new(),
        public_ips: Vec::new(),
        elastic: BTreeMap::new(),
        automatic: None,
        idle_timeouts: None,
    };
    let world =
        World::new(prod()).with_instance(host, protections).with_group(named(0, "web")).with_group(named(1, "theirs"));
    (0..interfaces).fold(world, |world, n| world.with_interface(&instance(), port(n)))
}

pub fn target() -> balancers::Target {
    "i-00000001 80".parse().unwrap()
}

/// The same host behind a target group and a classic load balancer.
pub fn balanced(mut world: World) -> World {
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/0123456789abcdef";
    let group = Registrations { registered: BTreeMap::from([(target(), true)]), draining: BTreeSet::new() };
    world.target_groups.insert(TargetGroupArn::parse(arn).unwrap(), group);
    world.classic_load_balancers.insert(LoadBalancerName::parse("old").unwrap(), BTreeSet::from([instance()]));
    world
}

/// The same host with its first volume under a customer's key.
pub fn encrypted(world: World) -> World {
    let key_of = Key { manager: KeyManager::Customer, enabled: true, grants: BTreeMap::new(), policy: None };
    world.with_key(key(), key_of).with_encryption(volume(0), key())
}

/// The same, where the key is lent by its policy.
pub fn with_policy(world: World) -> World {
    let theirs = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
    let mut world = encrypted(world);
    world.keys.values_mut().for_each(|key| key.policy = Some(KeyPolicy(theirs.to_owned())));
    world
}

/// The forensic account's key, for its copies.
pub fn forensic_key() -> KeyArn {
    KeyArn::parse("arn:aws:kms:eu-west-1:444455556666:key/key-f").unwrap()
}

fn jurisdiction() -> Jurisdiction {
    Jurisdiction { account: forensics(), regions: vec![region()], tag_prefix: "ops".to_owned() }
}

pub fn vault() -> Destination {
    Destination { account: forensics(), region: region() }
}

/// The same host, and the forensic account with a key.
pub fn with_vault(world: World) -> World {
    world.with_key(
        forensic_key(),
        Key { manager: KeyManager::Customer, enabled: true, grants: BTreeMap::new(), policy: None },
    )
}

/// Evidence that is copied to the forensic account.
pub fn copied() -> EvidenceSnapshotSpec {
    let copy =
        CopyTo { account_ref: "forensics".to_owned(), region: region(), kms_key_arn: forensic_key(), attempts: None };
    EvidenceSnapshotSpec { copies: vec![copy], ..evidence(false) }
}

/// The same, by the policy of the key.
pub fn lent() -> EvidenceSnapshotSpec {
    EvidenceSnapshotSpec { key_access: KeyAccess::KeyPolicy, ..copied() }
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
        allowed: BTreeMap::from([("forensics".to_owned(), jurisdiction())]),
        transfer_key: None,
        recheck_seconds: 60,
    }
}

/// The same, where isolation waits for a person.
pub fn careful() -> Account {
    Account { required: BTreeMap::from([(Action::Isolate, 1)]), ..account() }
}

pub fn limits() -> Limits {
    Limits { settle_seconds: W, coalesce_seconds: COALESCE, poll_seconds: 5 }
}

pub fn subject(kind: &str) -> Subject {
    Subject {
        kind: kind.to_owned(),
        namespace: Some("ir".to_owned()),
        name: "one".to_owned(),
        uid: "uid-1".to_owned(),
        requested_by: Some("alice".to_owned()),
        created: ago(0),
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
        auto_scaling: AutoScaling::default(),
        isolation: Isolation { pulse, ..Isolation::default() },
        case_ref: None,
    }
}

pub fn evidence(shared: bool) -> EvidenceSnapshotSpec {
    EvidenceSnapshotSpec {
        requested_by: Some("alice".to_owned()),
        source: Source {
            instance: Some(InstanceSource {
                account_ref: "prod".to_owned(),
                region: region(),
                instance_id: instance(),
                exclude_volume_ids: Vec::new(),
            }),
            snapshots: None,
        },
        moment: Moment::AtOnce,
        lock: None,
        key_access: KeyAccess::Grant,
        share: if shared { vec![ShareWith { account_ref: "forensics".to_owned() }] } else { Vec::new() },
        verify: if shared { Verify::Digest } else { Verify::None },
        copies: Vec::new(),
        archive_after_days: None,
        retain_until: None,
        legal_hold: true,
        case_ref: None,
    }
}
