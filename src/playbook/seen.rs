//! What was observed, in our own types, each part with the time at which it was asked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::credentials::MetadataOptions;
pub use super::interface::Interface;
pub use super::key_policy::{Key, KeyManager};
use crate::api::ids::{AccountId, InstanceId, KeyArn, SecurityGroupId, SnapshotId, SubnetId, VolumeId, VpcId};

/// One question to AWS and its answer. `asked_at` is the time *before* the request left: a lagging
/// answer can only be older than that, never younger.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Read<T> {
    /// Nobody asked in this turn.
    NotRead,
    /// AWS answered that there is no such thing.
    Absent {
        /// When the question was asked.
        asked_at: Time,
    },
    /// AWS answered.
    Found {
        /// When the question was asked.
        asked_at: Time,
        /// The answer.
        value: T,
    },
    /// The question could not be answered; the other parts stand nevertheless.
    Failed(ReadFailure),
}

/// Why a read gave no answer, sorted by what a person or the controller can do about it: the reason says which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadFailure {
    /// The condition reason.
    pub reason: crate::api::conditions::Reason,
    /// What to tell a person; free of request ids and times.
    pub message: String,
}

impl<T> Read<T> {
    /// The value, where one was found.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Found { value, .. } => Some(value),
            _ => None,
        }
    }

    /// When AWS was asked, where it answered.
    pub const fn asked_at(&self) -> Option<Time> {
        match self {
            Self::Found { asked_at, .. } | Self::Absent { asked_at } => Some(*asked_at),
            _ => None,
        }
    }

    /// The failure, where the read failed.
    pub const fn failure(&self) -> Option<&ReadFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// States of an instance as AWS names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone; its volumes may be gone with it.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Stopped.
    Stopped,
}

/// What an instance does when its own operating system shuts it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShutdownBehavior {
    /// It stops, and its volumes stay.
    Stop,
    /// It is terminated.
    Terminate,
}

/// A volume as it is attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachedVolume {
    /// The volume.
    pub volume: VolumeId,
    /// The device name of the attachment, as AWS has it.
    pub device: String,
    /// Whether it is the root volume: `CreateSnapshots` excludes that one in another way.
    pub root: bool,
    /// Whether terminating the instance deletes the volume.
    pub delete_on_termination: bool,
}

/// An instance: row D7 of the playbook, as far as one describe call tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The instance.
    pub id: InstanceId,
    /// The account that owns it.
    pub owner: AccountId,
    /// Its state.
    pub state: InstanceState,
    /// For example `m5.large`.
    pub instance_type: String,
    /// The AMI it was launched from.
    pub image: String,
    /// Launch time, RFC 3339.
    pub launched: String,
    /// Availability Zone.
    pub zone: String,
    /// VPC of the primary interface.
    pub vpc: Option<VpcId>,
    /// Subnet of the primary interface.
    pub subnet: Option<SubnetId>,
    /// Whether it is a Spot instance: protection from termination is not available.
    pub spot: bool,
    /// Root device type, `ebs` or `instance-store`.
    pub root_device_type: String,
    /// ARN of the instance profile.
    pub profile: Option<String>,
    /// How its metadata service answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataOptions>,
    /// Name of the key pair.
    pub key_name: Option<String>,
    /// Tags. Whoever controls the host may control these: never trusted, never interpreted.
    pub tags: BTreeMap<String, String>,
    /// Attached volumes.
    pub volumes: Vec<AttachedVolume>,
}

/// Attributes that describe-instances does not show.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protections {
    /// `disableApiTermination`.
    pub termination: bool,
    /// `disableApiStop`.
    pub stop: bool,
    /// `instanceInitiatedShutdownBehavior`.
    pub shutdown: ShutdownBehavior,
}

/// Who is at the other end of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Peer {
    /// IPv4 range.
    Ipv4(String),
    /// IPv6 range.
    Ipv6(String),
    /// Another group, with the account that owns it where that is not ours.
    Group {
        /// Group id.
        id: String,
        /// Owner.
        owner: Option<String>,
    },
    /// A managed prefix list.
    PrefixList(String),
}

/// Which way a rule lets traffic through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Into the interface.
    Ingress,
    /// Out of the interface.
    Egress,
}

/// One rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Which way.
    pub direction: Direction,
    /// `-1` for all, or a protocol name or number.
    pub protocol: String,
    /// First port, or ICMP type.
    pub from: Option<i32>,
    /// Last port, or ICMP code.
    pub to: Option<i32>,
    /// The other end.
    pub peer: Peer,
}

/// A security group, looked up by a name of ours or by its id. A name says nothing of who made it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityGroup {
    /// The group.
    pub id: SecurityGroupId,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc: VpcId,
    /// Operation id of the call that made it, from the tag it was born with; none on what is not ours.
    pub operation: Option<String>,
    /// All rules, both ways, IPv4 and IPv6.
    pub rules: BTreeSet<Rule>,
}

/// The rest of row D7: what only other calls tell. Large or private parts are kept as a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Surroundings {
    /// Auto Scaling group, lifecycle state and scale-in protection, where the instance is in one.
    pub auto_scaling: Option<AutoScalingMembership>,
    /// Classic load balancers that have the instance registered.
    pub classic_load_balancers: Vec<String>,
    /// Target groups that have the instance or one of its addresses registered.
    pub target_groups: Vec<TargetRegistration>,
    /// User data, console output and screenshot: name, and digest with size, or why it could not be read.
    pub blobs: BTreeMap<String, Blob>,
}

/// Membership of an Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoScalingMembership {
    /// Name of the group.
    pub group: String,
    /// Lifecycle state, as AWS spells it.
    pub lifecycle_state: String,
    /// Scale-in protection.
    pub protected_from_scale_in: bool,
}

/// One registration in a target group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetRegistration {
    /// ARN of the target group.
    pub target_group: String,
    /// What is registered: the instance id or an address.
    pub target: String,
    /// Port.
    pub port: Option<i32>,
    /// Availability Zone.
    pub zone: Option<String>,
}

/// A large or private fact: user data may hold secrets, console output may be long.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blob {
    /// AWS has none.
    Empty,
    /// Read; the bytes are not kept where no evidence bucket is configured.
    Digested {
        /// SHA-256.
        digest: String,
        /// Size in bytes.
        bytes: u64,
        /// Where the bytes went, or why they went nowhere.
        kept: String,
    },
    /// AWS refused or the type of instance has none.
    Unreadable {
        /// The reason.
        reason: String,
    },
}

/// A snapshot's life, as AWS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// Blocks are still being uploaded.
    Pending,
    /// Complete.
    Completed,
    /// Failed; it will never complete.
    Error,
    /// In the Recycle Bin, or on its way back from it.
    Recoverable,
}

/// A lock as observed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// The mode.
    pub mode: crate::api::aws_account::LockMode,
    /// When it ends; unknown while the snapshot is pending under a duration.
    pub until: Option<Time>,
}

/// A snapshot as observed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The snapshot.
    pub id: SnapshotId,
    /// The volume it was made from.
    pub volume: VolumeId,
    /// Operation id of the call that made it, from the tag it was born with.
    pub operation: Option<String>,
    /// Its state.
    pub state: SnapshotState,
    /// AWS's message where it failed.
    pub state_message: Option<String>,
    /// Progress in percent.
    pub progress: u8,
    /// Size in GiB.
    pub size_gib: i32,
    /// The key, where it is encrypted.
    pub key: Option<KeyArn>,
    /// Whether it is in the archive tier: then nobody can read, copy or share it.
    #[serde(default)]
    pub archived: bool,
}

/// What a host is to the controller: cut off from what it runs on, it could neither hold nor give back anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NodeRole {
    /// No node of its cluster, or one of several.
    None,
    /// The node of this name, on which it runs.
    RunsController(String),
    /// The node of this name, and no other could run it.
    LastThatCould(String),
}
