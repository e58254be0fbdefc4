//! What unit tests start from: one account, one host, and an object that holds it or keeps its evidence.

mod bench;

use std::collections::{BTreeMap, BTreeSet};

use super::Time;
use super::approval::Candidate;
use super::chain::{ObjectRef, sha256};
use super::effect::Effect;
use super::key_policy::KeyPolicy;
use super::record::Record;
use super::role_policy::InlinePolicy;
use super::seen::{
    AttachedVolume, Direction, Instance, InstanceState, Interface, Key, KeyManager, Peer, Rule, SecurityGroup,
};
use super::step::{Account, Jurisdiction, Limits, Subject};
use crate::api::approval::{Action, Decision};
use crate::api::auto_scaling::AutoScaling;
use crate::api::aws_account::{LockMode, Partition};
use crate::api::evidence_snapshot::{EvidenceSnapshotSpec, InstanceSource, KeyAccess, Moment, ShareWith, Source};
use crate::api::exhibits::Verify;
use crate::api::ids::{
    AccountId, InstanceId, InterfaceId, KeyArn, RegionName, RoleName, SecurityGroupId, SnapshotId, VolumeId, VpcId,
};
use crate::api::quarantine::{Isolation, Level, Pulse, QuarantineSpec, Target};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::sim::{UNPROTECTED, World};
use crate::cloud::{Access, AskQuarantine, Place, Witness};

pub use bench::Bench;

/// So many seconds after the beginning.
pub fn at(seconds: i64) -> Time {
    Time::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn account_id() -> AccountId {
    AccountId::parse("111122223333").unwrap()
}

pub fn forensics_id() -> AccountId {
    AccountId::parse("444455556666").unwrap()
}

pub fn region() -> RegionName {
    RegionName::parse("eu-west-1").unwrap()
}

pub fn instance_id() -> InstanceId {
    InstanceId::parse("i-00000001").unwrap()
}

pub fn interface(n: usize) -> InterfaceId {
    InterfaceId::parse(&format!("eni-{n:08x}")).unwrap()
}

pub fn vpc(n: usize) -> VpcId {
    VpcId::parse(&format!("vpc-{n:08x}")).unwrap()
}

/// Apart from the ids that the in-memory AWS gives.
pub fn group(n: usize) -> SecurityGroupId {
    SecurityGroupId::parse(&format!("sg-{:08x}", n + 0xf00)).unwrap()
}

pub fn volume(n: usize) -> VolumeId {
    VolumeId::parse(&format!("vol-{n:08x}")).unwrap()
}

pub fn snapshot(n: usize) -> SnapshotId {
    SnapshotId::parse(&format!("snap-{:08x}", n + 0xf00)).unwrap()
}

pub fn key(n: usize) -> KeyArn {
    KeyArn::parse(&format!("arn:aws:kms:eu-west-1:111122223333:key/key-{n}")).unwrap()
}

pub fn key_of(manager: KeyManager) -> Key {
    Key { manager, enabled: true, grants: BTreeMap::new(), policy: Some(KeyPolicy(POLICY.to_owned())) }
}

/// As KMS shows the policy of a key that only its own account uses.
pub const POLICY: &str = r#"{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : { "AWS" : "arn:aws:iam::111122223333:root" },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}"#;

/// The id of [`role`].
pub const ROLE_ID: &str = "AROAEXAMPLE0123456789";

pub fn role() -> RoleName {
    RoleName::parse("web").unwrap()
}

/// The policy by which sessions of [`role`] are denied.
pub fn inline_policy() -> InlinePolicy {
    InlinePolicy { role: role(), name: "baseline-c".to_owned() }
}

pub fn place() -> Place {
    let access = Access {
        account_ref: "prod".to_owned(),
        account: account_id(),
        partition: Partition::Aws,
        role: None,
        external_id: None,
        endpoint: None,
    };
    Place { access, region: region() }
}

pub fn witness() -> Witness {
    Witness { uid: "uid-1".to_owned(), index: 0, hash: sha256(b"") }
}

pub fn ask_quarantine() -> AskQuarantine {
    AskQuarantine::about(&quarantine_spec(Level::Isolated), &account(), &Record::default())
}

pub fn account() -> Account {
    Account {
        id: account_id(),
        ready: Ok(()),
        regions: vec![region()],
        namespace_allowed: true,
        required: BTreeMap::new(),
        group_prefix: "baseline".to_owned(),
        tag_prefix: "ops".to_owned(),
        lock_mode: LockMode::Governance,
        lock_days: 365,
        destinations: BTreeMap::from([("forensics".to_owned(), forensics_id())]),
        allowed: BTreeMap::from([("forensics".to_owned(), forensics())]),
        transfer_key: None,
        recheck_seconds: 60,
    }
}

pub fn forensics() -> Jurisdiction {
    Jurisdiction { account: forensics_id(), regions: vec![region()], tag_prefix: "vault".to_owned() }
}

pub fn limits() -> Limits {
    Limits { settle_seconds: 91, coalesce_seconds: 3600, poll_seconds: 5 }
}

/// The groups that the host had: HTTPS in, nothing out.
pub fn former_group() -> SecurityGroup {
    let rule = Rule {
        direction: Direction::Ingress,
        protocol: "tcp".to_owned(),
        from: Some(443),
        to: Some(443),
        peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
    };
    SecurityGroup { id: group(0), name: "web".to_owned(), vpc: vpc(0), operation: None, rules: BTreeSet::from([rule]) }
}

pub fn instance(volumes: usize) -> Instance {
    Instance {
        id: instance_id(),
        owner: account_id(),
        state: InstanceState::Running,
        instance_type: "m5.large".to_owned(),
        image: "ami-1".to_owned(),
        launched: "2026-11-01T00:00:00Z".to_owned(),
        zone: "eu-west-1a".to_owned(),
        vpc: Some(vpc(0)),
        subnet: None,
        spot: false,
        root_device_type: "ebs".to_owned(),
        profile: None,
        metadata: None,
        key_name: None,
        tags: BTreeMap::new(),
        volumes: (0..volumes)
            .map(|n| AttachedVolume {
                volume: volume(n),
                device: format!("/dev/xvd{n}"),
                root: n == 1,
                delete_on_termination: true,
            })
            .collect(),
    }
}

pub fn port(n: usize) -> Interface {
    Interface {
        id: interface(n),
        vpc: vpc(0),
        subnet: None,
        trunk: None,
        device_index: i32::try_from(n).unwrap(),
        groups: BTreeSet::from([group(0)]),
        private_ips: vec![format!("10.0.0.{n}")],
        ipv6: Vec::new(),
        public_ips: Vec::new(),
        elastic: BTreeMap::new(),
        automatic: None,
        idle_timeouts: None,
    }
}

/// A host with so many interfaces in one network and so many volumes, nothing protected.
pub fn world(interfaces: usize, volumes: usize) -> World {
    let world = World::new(account_id()).with_instance(instance(volumes), UNPROTECTED).with_group(former_group());
    (0..interfaces).fold(world, |world, n| world.with_interface(&instance_id(), port(n)))
}

pub fn quarantine_spec(level: Level) -> QuarantineSpec {
    QuarantineSpec {
        requested_by: Some("alice".to_owned()),
        target: Target { account_ref: "prod".to_owned(), region: region(), instance_id: instance_id() },
        level,
        auto_scaling: AutoScaling::default(),
        isolation: Isolation { pulse: Pulse::Never, ..Isolation::default() },
        case_ref: None,
    }
}

pub fn evidence_spec() -> EvidenceSnapshotSpec {
    EvidenceSnapshotSpec {
        requested_by: Some("alice".to_owned()),
        source: Source {
            instance: Some(InstanceSource {
                account_ref: "prod".to_owned(),
                region: region(),
                instance_id: instance_id(),
                exclude_volume_ids: Vec::new(),
            }),
            snapshots: None,
        },
        moment: Moment::AtOnce,
        lock: None,
        key_access: KeyAccess::Grant,
        share: Vec::new(),
        verify: Verify::Digest,
        copies: Vec::new(),
        archive_after_days: None,
        retain_until: None,
        legal_hold: true,
        case_ref: None,
    }
}

pub fn shared_with_forensics() -> Vec<ShareWith> {
    vec![ShareWith { account_ref: "forensics".to_owned() }]
}

pub fn subject(kind: &str) -> Subject {
    Subject {
        kind: kind.to_owned(),
        namespace: Some("ir".to_owned()),
        name: "one".to_owned(),
        uid: "uid-1".to_owned(),
        requested_by: Some("alice".to_owned()),
        created: at(0),
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

/// A yes of bob's to the plan that stands published for an action.
pub fn yes(record: &Record, action: Action) -> Candidate {
    Candidate {
        name: "yes".to_owned(),
        uid: format!("approval-{action}"),
        subject_uid: "uid-1".to_owned(),
        action,
        plan_hash: record.plans[&action].hash.clone(),
        requester: Some("alice".to_owned()),
        approver: "bob".to_owned(),
        verdict: Decision::Approve,
        break_glass: false,
        leaves: BTreeMap::new(),
    }
}

pub fn later(time: Time, seconds: i64) -> Time {
    Time::from_second(time.as_second() + seconds).unwrap()
}

pub fn error(effect: &Effect, class: ErrorClass) -> CloudError {
    CloudError {
        class,
        operation: effect.operation().to_owned(),
        code: "Code".to_owned(),
        message: String::new(),
        action: None,
    }
}
