//! How it is done: the only port to AWS, its implementation, and an in-memory AWS for tests.

mod ask;
#[cfg(feature = "aws")]
pub mod aws;
pub mod blocks;
pub mod error;
pub mod iam;
pub mod sim;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use crate::api::aws_account::Partition;
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::{
    AccountId, AllocationId, Digest, InstanceId, InterfaceId, KeyArn, LoadBalancerName, RegionName, RoleArn, RoleName,
    SecurityGroupId, SnapshotId, TargetGroupArn,
};
use crate::playbook::Time;
use crate::playbook::copies::{CopiesSeen, Destination};
pub use crate::playbook::effect::operation_tag;
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::image::{Digests, ImageDigest, Part};
use crate::playbook::record::OperationId;
use crate::playbook::role_policy::InlinePolicy;
use crate::playbook::{EvidenceSeen, Identity, QuarantineSeen};
use blocks::{ReadError, Reading, Tell};
use error::CloudError;

/// Who we are to be, and where AWS is: from an `AwsAccount` and from nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Name of the `AwsAccount`.
    pub account_ref: String,
    /// The account that is declared.
    pub account: AccountId,
    /// Partition of its ARNs.
    pub partition: Partition,
    /// The role to assume; none for the controller's own identity.
    pub role: Option<RoleArn>,
    /// External id of the role's trust policy.
    pub external_id: Option<String>,
    /// Endpoint of an emulator; none for AWS.
    pub endpoint: Option<String>,
}

/// An account and a Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The account.
    pub access: Access,
    /// The Region.
    pub region: RegionName,
}

/// What to look at for a Quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskQuarantine {
    /// The instance.
    pub instance: InstanceId,
    /// Names of our groups: looked for in every VPC of the account and Region.
    pub group_names: Vec<String>,
    /// Prefix of the tag that carries the operation id: by it our groups are told from others of the same name.
    pub tag_prefix: String,
    /// The Auto Scaling group that the host was in, to be looked at beside the one that it is in.
    pub auto_scaling_group: Option<String>,
    /// Whether to read what is around the host too, which takes more calls.
    pub surroundings: bool,
    /// Whether to read what protects the host: a call for each attribute.
    pub protections: bool,
    /// Groups whose rules to read.
    pub former_groups: BTreeSet<SecurityGroupId>,
    /// Interfaces to look for wherever they are attached: those that are to be given back.
    pub held: BTreeSet<InterfaceId>,
    /// Load balancers to look at; none where nothing about them is wanted.
    pub balancers: Option<AskBalancers>,
    /// Its role to look at; none where nothing about it is wanted.
    pub credentials: Option<AskCredentials>,
    /// Elastic addresses to look for: those that are to be given back.
    pub addresses: BTreeSet<AllocationId>,
    /// What may carry its traffic though it is closed: seconds after which an answer is asked for anew, beside the look; none
    /// where nothing about it is wanted.
    pub ways: Option<u32>,
}

/// What to look at of the credentials of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskCredentials {
    /// Name of our policy, on a role that is not known.
    pub policy: String,
    /// Policies of roles that are known to name the host.
    pub known: BTreeSet<InlinePolicy>,
    /// Whether to look for the association with its instance profile.
    pub association: bool,
    /// Whether to look for other instances of that.
    pub siblings: bool,
}

impl AskCredentials {
    /// Our policy of a role: the one that names the host already, whatever it was called then.
    #[must_use]
    pub fn policy_of(&self, role: &RoleName) -> InlinePolicy {
        let known = self.known.iter().find(|policy| policy.role == *role).cloned();
        known.unwrap_or_else(|| InlinePolicy { role: role.clone(), name: self.policy.clone() })
    }
}

/// Which load balancers to look at for a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskBalancers {
    /// Target groups that are known to have or to have had it.
    pub groups: BTreeSet<TargetGroupArn>,
    /// Classic load balancers that are known to have or to have had it.
    pub classic: BTreeSet<LoadBalancerName>,
    /// Whether, and how freshly, to look for others that have it.
    pub survey: Option<Survey>,
}

/// A look at every load balancer of an account and Region. It takes many calls, so that those who ask share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Seconds for which one may be used again.
    pub keep_seconds: u32,
    /// It must not be from before this time.
    pub not_before: Option<Time>,
}

/// What to look at for an `EvidenceSnapshot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskEvidence {
    /// The instance, until the set is taken.
    pub instance: Option<InstanceId>,
    /// Snapshots that are to be adopted, whoever owns them.
    pub adopts: BTreeSet<SnapshotId>,
    /// Operations whose snapshots to look for, by the tag that they were born with: by the prefix of its key, which is
    /// the one that the call was made with and not the one that the account has now.
    pub operations: BTreeMap<String, BTreeSet<OperationId>>,
    /// Snapshots that are known already, and whose locks to read. Tags can be changed by others, so these are looked for
    /// by id as well.
    pub locks: BTreeSet<SnapshotId>,
    /// Snapshots whose permissions to read.
    pub permissions: BTreeSet<SnapshotId>,
    /// Snapshots whose tier to read.
    pub tiers: BTreeSet<SnapshotId>,
    /// Whether to ask if the account lets snapshots be shared with the public.
    pub public_sharing: bool,
    /// How others get to use the keys of the snapshots that are found: with grants or policy these are described. None where
    /// keys are not asked for.
    pub keys: Option<KeyAccess>,
    /// Keys to describe whatever is found under them: others were let use them, and are to lose that again.
    pub owed: BTreeSet<KeyArn>,
}

/// Snapshots to digest, each with the part of a digest from which it goes on. It takes hours, so that no look waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskDigests {
    /// Those of the object's own account and Region.
    pub own: BTreeMap<SnapshotId, Option<Part>>,
    /// Copies, by where they lie: read there, by the role of the account that owns them.
    pub copies: BTreeMap<Destination, BTreeMap<SnapshotId, Option<Part>>>,
}

/// What to look at where copies lie, or are to lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskCopies {
    /// Operations whose copies to look for, by the prefix of the key of the tag that they were born with.
    pub operations: BTreeMap<String, BTreeSet<OperationId>>,
    /// Copies that are known already, and whose locks to read.
    pub known: BTreeSet<SnapshotId>,
    /// Copies whose tier to read.
    pub tiers: BTreeSet<SnapshotId>,
    /// Keys of that place to describe.
    pub keys: BTreeSet<KeyArn>,
    /// Keys of the source, of which to ask whether that account may use them.
    pub usable: BTreeSet<KeyArn>,
}

/// The link of a chain of custody that a change goes out under: it travels in the User-Agent, which CloudTrail keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Uid of the object.
    pub uid: String,
    /// Index of the head.
    pub index: u64,
    /// Hash of the head.
    pub hash: Digest,
}

/// The port. Reads say for each part when it was asked, or why there is no answer; there is one write.
pub trait Cloud: Send + Sync + 'static {
    /// Who the credentials are (STS `GetCallerIdentity`).
    fn identify(&self, access: &Access) -> impl Future<Output = Result<Identity, CloudError>> + Send;

    /// Looks at a host. All questions go out side by side.
    fn observe_quarantine(&self, place: &Place, ask: &AskQuarantine) -> impl Future<Output = QuarantineSeen> + Send;

    /// Looks at a moment's snapshots.
    fn observe_evidence(&self, place: &Place, ask: &AskEvidence) -> impl Future<Output = EvidenceSeen> + Send;

    /// Reads a snapshot's blocks and digests them, from its first block or from where another digest of it stopped: hours
    /// for a large one. What was told until it failed holds, and can be gone on from.
    fn digest(
        &self,
        place: &Place,
        snapshot: &SnapshotId,
        reading: Reading,
        from: Option<ImageDigest>,
        tell: Tell<'_>,
    ) -> impl Future<Output = Result<Digests, ReadError>> + Send;

    /// Looks at copies where they lie; `source` is the Region of the keys that the account is to use as another's.
    fn observe_copies(
        &self,
        place: &Place,
        ask: &AskCopies,
        source: Option<&RegionName>,
    ) -> impl Future<Output = CopiesSeen> + Send;

    /// Makes one change. Sent exactly once: nothing below resends it.
    fn perform(
        &self,
        place: &Place,
        operation: &OperationId,
        effect: &Effect,
        witness: &Witness,
    ) -> impl Future<Output = Result<Receipt, CloudError>> + Send;
}

/// The IAM actions of the reads, by what asks for them.
pub const READ_ACTIONS: &[(&str, &[&str])] = &[
    ("identity", &["sts:GetCallerIdentity"]),
    (
        "quarantine",
        &[
            "ec2:DescribeInstances",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeTrunkInterfaceAssociations",
            "ec2:DescribeInstanceAttribute",
            "ec2:DescribeSecurityGroups",
            "autoscaling:DescribeAutoScalingInstances",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeLifecycleHooks",
        ],
    ),
    ("surroundings", &["autoscaling:DescribeAutoScalingInstances", "ec2:GetConsoleOutput", "ec2:GetConsoleScreenshot"]),
    (
        "balancers",
        &[
            "elasticloadbalancing:DescribeInstanceHealth",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetHealth",
        ],
    ),
    (
        "credentials",
        &[
            "ec2:DescribeIamInstanceProfileAssociations",
            "iam:GetInstanceProfile",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:ListRolePolicies",
        ],
    ),
    ("addresses", &["ec2:DescribeAddresses"]),
    (
        "ways",
        &[
            "ec2:DescribeRouteTables",
            "ec2:DescribeVolumes",
            "ec2:DescribeVpcEndpoints",
            "ec2:GetSerialConsoleAccessStatus",
        ],
    ),
    (
        "evidence",
        &[
            "ec2:DescribeSnapshots",
            "ec2:DescribeSnapshotAttribute",
            "ec2:DescribeSnapshotTierStatus",
            "ec2:DescribeLockedSnapshots",
            "ec2:GetSnapshotBlockPublicAccessState",
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "kms:ListGrants",
        ],
    ),
    ("blocks", &["ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock", "kms:Decrypt"]),
    ("changed blocks", &["ebs:ListChangedBlocks"]),
    (
        "copies",
        &[
            "ec2:DescribeSnapshots",
            "ec2:DescribeSnapshotTierStatus",
            "ec2:DescribeLockedSnapshots",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
        ],
    ),
];
