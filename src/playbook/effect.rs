//! Every change that we can ever ask AWS for, as data.
//!
//! From this one definition come the call, the IAM actions that it needs, the custody entry and the
//! generated documents. What is not here can't be done: there is no effect that deletes, unlocks or
//! shortens evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::attribute::{Attribute, Value};
use super::balancers::{self, Target};
use super::copies::Destination;
use super::copy_change::{Copy, CopyChange};
use super::credential_change::CredentialChange;
use super::group_change::GroupChange;
use super::key_policy::Written;
use super::network_change::NetworkChange;
use super::own_groups::GroupRole;
use super::record::Record;
use super::seen::{Rule, ShutdownBehavior};
use crate::api::aws_account::LockMode;
use crate::api::ids::{
    AccountId, InstanceId, InterfaceId, KeyArn, LoadBalancerName, SecurityGroupId, SnapshotId, TargetGroupArn,
    VolumeId, VpcId,
};

/// Key of the tag that carries the operation id of what was created.
pub fn operation_tag(prefix: &str) -> String {
    format!("{prefix}:operation")
}

/// One change in AWS. Named as AWS names the call, or the attribute that the call sets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "camelCase")]
pub enum Effect {
    /// EC2 `CreateSecurityGroup`. The name is unique in a VPC and so makes a resend safe.
    CreateSecurityGroup {
        /// Where.
        vpc: VpcId,
        /// Neutral: it can be read from inside the instance.
        name: String,
        /// Which of the two.
        role: GroupRole,
        /// Prefix of the keys of its tags.
        tag_prefix: String,
    },
    /// EC2 `AuthorizeSecurityGroupIngress` and `-Egress`, on the open group alone.
    AuthorizeRules {
        /// The open group.
        group: SecurityGroupId,
        /// What to let through.
        rules: BTreeSet<Rule>,
    },
    /// EC2 `RevokeSecurityGroupIngress` and `-Egress`.
    RevokeRules {
        /// The group.
        group: SecurityGroupId,
        /// What no longer to let through.
        rules: BTreeSet<Rule>,
    },
    /// EC2 `ModifyNetworkInterfaceAttribute`: an absolute set, so that the last write wins.
    ReplaceSecurityGroups {
        /// The interface.
        interface: InterfaceId,
        /// All of its groups from then on.
        groups: BTreeSet<SecurityGroupId>,
    },
    /// EC2 `ModifyNetworkInterfaceAttribute` with the open group: first half of the pulse, never repeated. The
    /// second half is an ordinary replacement by the closed group.
    OpenForPulse {
        /// The interface.
        interface: InterfaceId,
        /// The open group.
        open: SecurityGroupId,
    },
    /// EC2 `ModifyInstanceAttribute`, `disableApiTermination`.
    SetTerminationProtection {
        /// The instance.
        instance: InstanceId,
        /// Whether terminating through the API is refused.
        enabled: bool,
    },
    /// EC2 `ModifyInstanceAttribute`, `disableApiStop`.
    SetStopProtection {
        /// The instance.
        instance: InstanceId,
        /// Whether stopping through the API is refused.
        enabled: bool,
    },
    /// EC2 `ModifyInstanceAttribute`, `instanceInitiatedShutdownBehavior`.
    SetShutdownBehavior {
        /// The instance.
        instance: InstanceId,
        /// What a shutdown from inside does.
        behavior: ShutdownBehavior,
    },
    /// EC2 `ModifyInstanceAttribute`, `blockDeviceMapping.ebs.deleteOnTermination`.
    SetDeleteOnTermination {
        /// The instance.
        instance: InstanceId,
        /// The volume.
        volume: VolumeId,
        /// Device name of its attachment.
        device: String,
        /// Whether the volume goes with the instance.
        enabled: bool,
    },
    /// Elastic Load Balancing `DeregisterTargets`. What is not registered is no error, so that a resend is harmless.
    DeregisterTargets {
        /// The target group.
        target_group: TargetGroupArn,
        /// Registrations of the host.
        targets: BTreeSet<Target>,
    },
    /// Elastic Load Balancing `RegisterTargets`: a registration that stands is the same registration.
    RegisterTargets {
        /// The target group.
        target_group: TargetGroupArn,
        /// Registrations of the host.
        targets: BTreeSet<Target>,
    },
    /// Elastic Load Balancing `DeregisterInstancesFromLoadBalancer`, of a classic load balancer.
    DeregisterInstance {
        /// The load balancer.
        load_balancer: LoadBalancerName,
        /// The instance.
        instance: InstanceId,
    },
    /// Elastic Load Balancing `RegisterInstancesWithLoadBalancer`, of a classic load balancer.
    RegisterInstance {
        /// The load balancer.
        load_balancer: LoadBalancerName,
        /// The instance.
        instance: InstanceId,
    },
    /// EC2 `CreateSnapshots`: one crash-consistent set. It has no client token.
    CreateSnapshots {
        /// The instance.
        instance: InstanceId,
        /// The volumes that the set must have: fewer is not the set.
        volumes: BTreeSet<VolumeId>,
        /// Data volumes to leave out.
        exclude: BTreeSet<VolumeId>,
        /// Whether to leave the root volume out.
        exclude_root: bool,
        /// Description of each snapshot.
        description: String,
        /// Tags at birth, the operation id excepted, which is added when it is known.
        tags: BTreeMap<String, String>,
        /// Prefix of the key of the operation id's tag.
        tag_prefix: String,
    },
    /// EC2 `LockSnapshot`, with a date and not a duration, so that a repeat is identical.
    LockSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The mode.
        mode: LockMode,
        /// When it ends.
        until: Time,
    },
    /// EC2 `ModifySnapshotTier`, to the archive tier. One that is there, or on its way, is refused, and stays.
    ArchiveSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
    },
    /// EC2 `ModifySnapshotAttribute`, add. A group can't be named: public can't be said.
    ShareSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Accounts that may create volumes from it.
        accounts: BTreeSet<AccountId>,
    },
    /// EC2 `ModifySnapshotAttribute`, remove: strangers lose what they should not have.
    UnshareSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Accounts that may no longer create volumes from it.
        accounts: BTreeSet<AccountId>,
        /// Whether the public may no longer, too.
        public: bool,
    },
    /// KMS `CreateGrant`, named: the same name with the same parameters is the same grant.
    CreateGrant {
        /// The key.
        key: KeyArn,
        /// Name of the grant.
        name: String,
        /// The account that may use the key for copying.
        grantee: AccountId,
    },
    /// A change of an Auto Scaling group, or of the place in one, named as AWS names the call.
    #[serde(untagged)]
    AutoScaling(GroupChange),
    /// What makes, locks or finishes a copy.
    #[serde(untagged)]
    Copying(CopyChange),
    /// A change of the credentials that the host has, named as AWS names the call.
    #[serde(untagged)]
    Credentials(CredentialChange),
    /// A change of an interface beside its groups.
    #[serde(untagged)]
    Network(NetworkChange),
}

/// What AWS answered to an effect that it accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// `x-amzn-requestid` of the reply.
    pub request_id: Option<String>,
    /// `Date` header of the reply.
    pub server_date: Option<String>,
    /// What came into being.
    pub created: Vec<Created>,
}

/// Something that came into being by an effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Created {
    /// A security group.
    SecurityGroup {
        /// Its id.
        id: SecurityGroupId,
        /// Its VPC.
        vpc: VpcId,
        /// Which of the two.
        role: GroupRole,
    },
    /// A snapshot of a set.
    Snapshot {
        /// Its id.
        id: SnapshotId,
        /// The volume it was made from.
        volume: VolumeId,
    },
    /// A copy of a snapshot of the set.
    Copy(Copy),
    /// A grant.
    Grant {
        /// Its id.
        id: String,
        /// The key it is on.
        key: KeyArn,
        /// The account that it serves.
        grantee: AccountId,
    },
    /// A key policy with our statements.
    KeyPolicy(Written),
}

impl Effect {
    /// The API operation, as CloudTrail names it.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::CreateSecurityGroup { .. } => "CreateSecurityGroup",
            Self::AuthorizeRules { .. } => "AuthorizeSecurityGroup",
            Self::RevokeRules { .. } => "RevokeSecurityGroup",
            Self::ReplaceSecurityGroups { .. } | Self::OpenForPulse { .. } => "ModifyNetworkInterfaceAttribute",
            Self::SetTerminationProtection { .. }
            | Self::SetStopProtection { .. }
            | Self::SetShutdownBehavior { .. }
            | Self::SetDeleteOnTermination { .. } => "ModifyInstanceAttribute",
            Self::DeregisterTargets { .. } => "DeregisterTargets",
            Self::RegisterTargets { .. } => "RegisterTargets",
            Self::DeregisterInstance { .. } => "DeregisterInstancesFromLoadBalancer",
            Self::RegisterInstance { .. } => "RegisterInstancesWithLoadBalancer",
            Self::CreateSnapshots { .. } => "CreateSnapshots",
            Self::LockSnapshot { .. } => "LockSnapshot",
            Self::ArchiveSnapshot { .. } => "ModifySnapshotTier",
            Self::ShareSnapshot { .. } | Self::UnshareSnapshot { .. } => "ModifySnapshotAttribute",
            Self::CreateGrant { .. } => "CreateGrant",
            Self::AutoScaling(change) => change.operation(),
            Self::Copying(change) => change.operation(),
            Self::Credentials(change) => change.operation(),
            Self::Network(change) => change.operation(),
        }
    }

    /// The IAM actions that AWS checks: the call's own, and the dependent ones that no call shows
    /// (Service Authorization Reference, actions of EC2, Elastic Load Balancing and KMS).
    pub const fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::CreateSecurityGroup { .. } => &["ec2:CreateSecurityGroup", "ec2:CreateTags"],
            Self::AuthorizeRules { .. } => &["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"],
            Self::RevokeRules { .. } => &["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
            Self::ReplaceSecurityGroups { .. } | Self::OpenForPulse { .. } => &["ec2:ModifyNetworkInterfaceAttribute"],
            Self::SetTerminationProtection { .. }
            | Self::SetStopProtection { .. }
            | Self::SetShutdownBehavior { .. }
            | Self::SetDeleteOnTermination { .. } => &["ec2:ModifyInstanceAttribute"],
            Self::DeregisterTargets { .. } => &["elasticloadbalancing:DeregisterTargets"],
            Self::RegisterTargets { .. } => &["elasticloadbalancing:RegisterTargets"],
            Self::DeregisterInstance { .. } => &["elasticloadbalancing:DeregisterInstancesFromLoadBalancer"],
            Self::RegisterInstance { .. } => &["elasticloadbalancing:RegisterInstancesWithLoadBalancer"],
            Self::CreateSnapshots { .. } => &["ec2:CreateSnapshots", "ec2:CreateTags"],
            Self::LockSnapshot { .. } => &["ec2:LockSnapshot"],
            Self::ArchiveSnapshot { .. } => {
                &["ec2:ModifySnapshotTier", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey"]
            }
            Self::ShareSnapshot { .. } | Self::UnshareSnapshot { .. } => &["ec2:ModifySnapshotAttribute"],
            Self::CreateGrant { .. } => &["kms:CreateGrant"],
            Self::AutoScaling(change) => change.iam_actions(),
            Self::Copying(change) => change.iam_actions(),
            Self::Credentials(change) => change.iam_actions(),
            Self::Network(change) => change.iam_actions(),
        }
    }

    /// Whether sending it again, under the same intent, can do no harm: it sets something absolutely,
    /// or has a natural key. What has neither must be looked up before it is sent again.
    pub const fn is_idempotent(&self) -> bool {
        match self {
            Self::CreateSnapshots { .. } => false,
            Self::AutoScaling(change) => change.is_idempotent(),
            Self::Copying(change) => change.is_idempotent(),
            _ => true,
        }
    }

    /// Where it is made; none for where the object works.
    pub const fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Copying(change) => change.destination(),
            _ => None,
        }
    }

    /// Whether it opens something for a moment: then what comes after it closes that again, whatever became of this.
    pub const fn opens(&self) -> bool {
        matches!(self, Self::OpenForPulse { .. })
    }

    /// Whether it touches more than the host, beyond what the chain says was done already.
    pub fn reaches_others(&self, record: &Record) -> bool {
        matches!(self, Self::Credentials(change) if change.reaches_others(record))
    }

    /// Whether it keeps something waiting for a while: a repeat is another one, and no resend.
    pub const fn beats(&self) -> bool {
        matches!(self, Self::AutoScaling(GroupChange::RecordLifecycleActionHeartbeat { .. }))
    }

    /// Opening and closing.
    pub const REQUESTS_OF_A_PULSE: u32 = 2;

    /// How many requests must fit into what is left of the lease: what can't be repeated has to end within it, and
    /// what is opened has to be closed again.
    pub const fn requests(&self) -> u32 {
        match self {
            Self::OpenForPulse { .. } => Self::REQUESTS_OF_A_PULSE,
            _ if self.is_idempotent() => 0,
            _ => 1,
        }
    }

    /// The attribute that it sets, and to which value, where it sets one that has a baseline.
    pub fn sets(&self) -> Option<(Attribute, Value)> {
        match self {
            Self::ReplaceSecurityGroups { interface, groups } => Some((
                Attribute::Groups(interface.clone()),
                Value::Set(groups.iter().map(ToString::to_string).collect()),
            )),
            Self::SetTerminationProtection { enabled, .. } => {
                Some((Attribute::TerminationProtection, Value::Flag(*enabled)))
            }
            Self::SetStopProtection { enabled, .. } => Some((Attribute::StopProtection, Value::Flag(*enabled))),
            Self::SetShutdownBehavior { behavior, .. } => {
                Some((Attribute::ShutdownBehavior, Value::shutdown(*behavior)))
            }
            Self::SetDeleteOnTermination { volume, enabled, .. } => {
                Some((Attribute::DeleteOnTermination(volume.clone()), Value::Flag(*enabled)))
            }
            Self::DeregisterTargets { target_group, .. } => {
                Some((Attribute::Targets(target_group.clone()), balancers::as_value([])))
            }
            Self::RegisterTargets { target_group, targets } => {
                Some((Attribute::Targets(target_group.clone()), balancers::as_value(targets)))
            }
            Self::DeregisterInstance { load_balancer, .. } => {
                Some((Attribute::ClassicRegistration(load_balancer.clone()), Value::Flag(false)))
            }
            Self::RegisterInstance { load_balancer, .. } => {
                Some((Attribute::ClassicRegistration(load_balancer.clone()), Value::Flag(true)))
            }
            Self::AutoScaling(change) => change.sets(),
            Self::Copying(change) => change.sets(),
            Self::Credentials(change) => Some(change.sets()),
            Self::Network(change) => Some(change.sets()),
            _ => None,
        }
    }
}
