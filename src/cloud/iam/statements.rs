//! Who may do what, on what, and on which condition. A new permission is one more entry here.

use super::Role::{Forensics, Responder};
use super::{GRANT_OPERATIONS, Statement};

const EC2: &str = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html";
const AUTO_SCALING: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html";
const BALANCERS: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancing.html";
const BALANCERS_V2: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html";
const KMS: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html";
const IAM: &str =
    "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html";
const PASSING: &str = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html";
const TAGGING: &str = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html";

pub(super) const INSTANCES: &str = "arn:{partition}:ec2:*:{account}:instance/*";
const VOLUMES: &str = "arn:{partition}:ec2:*:{account}:volume/*";
const INTERFACES: &str = "arn:{partition}:ec2:*:{account}:network-interface/*";
const ELASTIC_ADDRESSES: &str = "arn:{partition}:ec2:*:{account}:elastic-ip/*";
const GROUPS: &str = "arn:{partition}:ec2:*:{account}:security-group/*";
/// No account: that is how AWS writes them.
pub(super) const SNAPSHOTS: &str = "arn:{partition}:ec2:*::snapshot/*";
/// Of any account: a shared VPC and its subnets belong to another one.
const VPCS: &str = "arn:{partition}:ec2:*:*:vpc/*";
const SUBNETS: &str = "arn:{partition}:ec2:*:*:subnet/*";
pub(super) const ROLES: &str = "arn:{partition}:iam::{account}:role/*";
/// Of any account: where it is another one's, its own policy must allow it, too.
pub(super) const KEYS: &str = "arn:{partition}:kms:*:*:key/*";

/// Of the accounts that evidence goes to.
const DESTINATIONS_KEYS: &str = "arn:{partition}:kms:*:{destination}:key/*";
const ARCHIVING: &str = "https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archiving-iam.html";
const SHARING: &str = "https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html";

const VIA_EC2: super::Condition = ("StringLike", "kms:ViaService", &["ec2.*.amazonaws.com*"]);
const FOR_AWS: super::Condition = ("Bool", "kms:GrantIsForAWSResource", &["true"]);
const BORN_OURS: super::Condition = ("Null", "aws:RequestTag/{operation}", &["false"]);
pub(super) const OURS: super::Condition = ("Null", "aws:ResourceTag/{operation}", &["false"]);
const NOBODY_ADDED: super::Condition = ("Null", "ec2:Add/userId", &["true"]);
const NOT_PUBLIC: super::Condition = ("Null", "ec2:Add/group", &["true"]);

/// Gives something away though it names nobody: for those who share alone.
pub const POLICIES_OF_KEYS: &str = "WritePoliciesOfKeys";

/// All changes.
pub const STATEMENTS: &[Statement] = &[
    Statement {
        sid: "MakeGroups",
        roles: &[Responder],
        actions: &["ec2:CreateSecurityGroup"],
        on: &[GROUPS],
        when: &[BORN_OURS],
        why: "makes the closed group, and the open one of the pulse, each with our tag from birth",
        page: EC2,
    },
    Statement {
        sid: "MakeGroupsInNetworks",
        roles: &[Responder],
        actions: &["ec2:CreateSecurityGroup"],
        on: &[VPCS],
        when: &[],
        why: "the network that the group is made in; of any account, since a shared VPC is its owner's. Tags of the request \
              are not known of a network, so that it stands by itself",
        page: EC2,
    },
    Statement {
        sid: "TagAtBirth",
        roles: &[Responder],
        actions: &["ec2:CreateTags"],
        on: &[GROUPS, SNAPSHOTS],
        when: &[
            ("StringEquals", "ec2:CreateAction", &["CreateSecurityGroup", "CreateSnapshots", "CopySnapshot"]),
            BORN_OURS,
        ],
        why: "AWS checks it where something is made with tags; what is there already can't be tagged",
        page: TAGGING,
    },
    Statement {
        sid: "TagCopiesAtBirth",
        roles: &[Forensics],
        actions: &["ec2:CreateTags"],
        on: &[SNAPSHOTS],
        when: &[("StringEquals", "ec2:CreateAction", &["CopySnapshot"]), BORN_OURS],
        why: "AWS checks it where a copy is made with tags; what is there already can't be tagged",
        page: TAGGING,
    },
    Statement {
        sid: "CopySnapshots",
        roles: &[Responder, Forensics],
        actions: &["ec2:CopySnapshot"],
        on: &[SNAPSHOTS],
        when: &[],
        why: "copies evidence into the account: the forensic account's copies, and in the account of the hosts those of what is \
              under the default aws/ebs key. AWS checks what is copied and the copy under the same kind of ARN, and knows no \
              tags of the request for the first: bound to no tag",
        page: EC2,
    },
    Statement {
        sid: "UseKeysForCopies",
        roles: &[Forensics],
        actions: &["kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
        on: &[KEYS],
        when: &[VIA_EC2],
        why: "EBS reads the source under its key, by the grant of that account, and writes the copy under ours",
        page: SHARING,
    },
    Statement {
        sid: "LetEbsUseKeysForCopies",
        roles: &[Forensics],
        actions: &["kms:CreateGrant"],
        on: &[KEYS],
        when: &[FOR_AWS],
        why: "EBS keeps the key of a copy for as long as it makes it, by a grant that it makes for itself alone",
        page: SHARING,
    },
    Statement {
        sid: "UseTransferKey",
        roles: &[Responder],
        actions: &["kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
        on: &[DESTINATIONS_KEYS],
        when: &[VIA_EC2],
        why: "copies what is under the default aws/ebs key under `evidence.transferKeyArn`, whose own policy must allow it, too",
        page: SHARING,
    },
    Statement {
        sid: "LetEbsUseTransferKey",
        roles: &[Responder],
        actions: &["kms:CreateGrant"],
        on: &[DESTINATIONS_KEYS],
        when: &[FOR_AWS],
        why: "EBS keeps the transfer key for as long as it makes the copy, by a grant that it makes for itself alone",
        page: SHARING,
    },
    Statement {
        sid: "RevokeGrants",
        roles: &[Responder],
        actions: &["kms:RevokeGrant"],
        on: &[KEYS],
        when: &[],
        why: "takes the key of the source back from who has a copy of its own. AWS knows no key that tells a grant from another: \
              bound to none",
        page: KMS,
    },
    Statement {
        sid: POLICIES_OF_KEYS,
        roles: &[Responder],
        actions: &["kms:PutKeyPolicy"],
        on: &["arn:{partition}:kms:*:{account}:key/*"],
        when: &[("Null", "kms:BypassPolicyLockoutSafetyCheck", &["true"])],
        why: "adds the two statements of `keyAccess: KeyPolicy` to the policy of a key, and takes them away. KMS binds this to no \
              content of a policy: who holds this role can give anybody the use of any key named here. Leave it out where nobody \
              declares KeyPolicy, or name the keys",
        page: KMS,
    },
    Statement {
        sid: "OpenOurGroup",
        roles: &[Responder],
        actions: &["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"],
        on: &[GROUPS],
        when: &[OURS],
        why: "gives the open group of the pulse its rules; no group of others can be opened",
        page: EC2,
    },
    Statement {
        sid: "TakeRulesAway",
        roles: &[Responder],
        actions: &["ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
        on: &[GROUPS],
        when: &[],
        why: "takes every rule from the closed group. Not bound to our tag: who takes the tag off and adds a rule must not be \
              able to keep a host open",
        page: EC2,
    },
    Statement {
        sid: "SwapGroups",
        roles: &[Responder],
        actions: &["ec2:ModifyNetworkInterfaceAttribute"],
        on: &[INTERFACES, GROUPS, INSTANCES, SUBNETS],
        when: &[],
        why: "closes an interface, takes its automatic public address and shortens its idle timeouts, and gives its own back at \
              release. AWS may check the instance and the subnet of the interface as well",
        page: EC2,
    },
    Statement {
        sid: "TakeElasticAddresses",
        roles: &[Responder],
        actions: &["ec2:AssociateAddress", "ec2:DisassociateAddress"],
        on: &[INTERFACES, ELASTIC_ADDRESSES, INSTANCES],
        when: &[],
        why: "takes elastic addresses from a host that is closed, and gives them back at release. AWS may check the instance as well",
        page: EC2,
    },
    Statement {
        sid: "ProtectHosts",
        roles: &[Responder],
        actions: &["ec2:ModifyInstanceAttribute"],
        on: &[INSTANCES, VOLUMES],
        when: &[],
        why: "termination and stop protection, what a shutdown does, volumes that outlive the instance. AWS knows a key \
              ec2:Attribute, and names no values of it for this action: nothing is bound to it",
        page: EC2,
    },
    Statement {
        sid: "SnapshotHosts",
        roles: &[Responder],
        actions: &["ec2:CreateSnapshots"],
        on: &[INSTANCES, VOLUMES],
        when: &[],
        why: "what a set is taken of. AWS documents no permission of KMS for it, also where volumes are encrypted",
        page: EC2,
    },
    Statement {
        sid: "MakeSnapshots",
        roles: &[Responder],
        actions: &["ec2:CreateSnapshots"],
        on: &[SNAPSHOTS],
        when: &[BORN_OURS],
        why: "each snapshot of a set has our tag from birth",
        page: EC2,
    },
    Statement {
        sid: "LockOurSnapshots",
        roles: &[Responder, Forensics],
        actions: &["ec2:LockSnapshot"],
        on: &[SNAPSHOTS],
        when: &[OURS],
        why: "locks evidence while it is still pending; a snapshot of others can't be locked",
        page: EC2,
    },
    Statement {
        sid: "ArchiveOurSnapshots",
        roles: &[Responder, Forensics],
        actions: &["ec2:ModifySnapshotTier"],
        on: &[SNAPSHOTS],
        when: &[OURS],
        why: "moves evidence to the archive tier where `archiveAfterDays` is declared. Who takes over the role can do so, too: what is \
              archived stays whole and locked, and can't be read until somebody else restores it, since no role here may",
        page: EC2,
    },
    Statement {
        sid: "UseKeysToArchive",
        roles: &[Responder],
        actions: &["kms:Decrypt"],
        on: &[KEYS],
        when: &[VIA_EC2],
        why: "EBS reads an encrypted snapshot to archive it. What the forensic account uses for its copies serves it for this, too",
        page: ARCHIVING,
    },
    Statement {
        sid: "LetEbsUseKeysToArchive",
        roles: &[Responder],
        actions: &["kms:CreateGrant"],
        on: &[KEYS],
        when: &[FOR_AWS],
        why: "EBS keeps the key of a snapshot for as long as it archives it, by a grant that it makes for itself alone",
        page: ARCHIVING,
    },
    Statement {
        sid: "ShareOurSnapshots",
        roles: &[Responder],
        actions: &["ec2:ModifySnapshotAttribute"],
        on: &[SNAPSHOTS],
        when: &[
            OURS,
            ("ForAllValues:StringEquals", "ec2:Add/userId", &["{destination}"]),
            ("Null", "ec2:Add/userId", &["false"]),
            NOT_PUBLIC,
        ],
        why: "shares evidence with the destinations of the AwsAccount, and with nobody else; never with the public",
        page: EC2,
    },
    Statement {
        sid: "UnshareSnapshots",
        roles: &[Responder],
        actions: &["ec2:ModifySnapshotAttribute"],
        on: &[SNAPSHOTS],
        when: &[NOBODY_ADDED, NOT_PUBLIC],
        why: "takes strangers and the public off, and adds nobody. Not bound to our tag: who takes the tag off must not be able \
              to give evidence away",
        page: EC2,
    },
    Statement {
        sid: "GrantKeyToDestinations",
        roles: &[Responder],
        actions: &["kms:CreateGrant"],
        on: &[KEYS],
        when: &[
            ("ForAllValues:StringEquals", "kms:GrantOperations", GRANT_OPERATIONS),
            ("StringEquals", "kms:GranteePrincipal", &["arn:{partition}:iam::{destination}:root"]),
        ],
        why: "lets a destination read snapshots under a customer key, for copying alone. The key's policy must allow it, too: \
              one that asks for kms:GrantIsForAWSResource refuses it",
        page: KMS,
    },
    Statement {
        sid: "HoldInGroups",
        roles: &[Responder],
        actions: &[
            "autoscaling:AttachInstances",
            "autoscaling:DetachInstances",
            "autoscaling:EnterStandby",
            "autoscaling:ExitStandby",
            "autoscaling:RecordLifecycleActionHeartbeat",
            "autoscaling:SetDesiredCapacity",
            "autoscaling:SetInstanceProtection",
        ],
        on: &["arn:{partition}:autoscaling:*:{account}:autoScalingGroup:*:autoScalingGroupName/*"],
        when: &[],
        why: "keeps the host's group from replacing or terminating it, takes it out, and back in at release",
        page: AUTO_SCALING,
    },
    Statement {
        sid: "LowerMinimum",
        roles: &[Responder],
        actions: &["autoscaling:UpdateAutoScalingGroup"],
        on: &["arn:{partition}:autoscaling:*:{account}:autoScalingGroup:*:autoScalingGroupName/*"],
        when: &[
            ("Null", "autoscaling:MinSize", &["false"]),
            ("Null", "autoscaling:MaxSize", &["true"]),
            ("Null", "autoscaling:LaunchConfigurationName", &["true"]),
            ("Null", "autoscaling:VPCZoneIdentifiers", &["true"]),
        ],
        why: "sets the minimum size, after an Approval of LowerMinimum, and what it was at release. iam:PassRole, which AWS lists \
              beside it, is for calls that name a service-linked role: ours don't",
        page: AUTO_SCALING,
    },
    Statement {
        sid: "LeaveTargetGroups",
        roles: &[Responder],
        actions: &["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"],
        on: &["arn:{partition}:elasticloadbalancing:*:{account}:targetgroup/*"],
        when: &[],
        why: "takes the host out of target groups, and registers it again at release",
        page: BALANCERS_V2,
    },
    Statement {
        sid: "LeaveClassicLoadBalancers",
        roles: &[Responder],
        actions: &[
            "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
            "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
        ],
        on: &["arn:{partition}:elasticloadbalancing:*:{account}:loadbalancer/*"],
        when: &[],
        why: "the same with classic load balancers",
        page: BALANCERS,
    },
    Statement {
        sid: "DenySessions",
        roles: &[Responder],
        actions: &["iam:DeleteRolePolicy", "iam:PutRolePolicy"],
        on: &[ROLES],
        when: &[],
        why: "denies the sessions of a host, by one inline policy of its role. IAM binds this to neither name nor content of a \
              policy: who holds this role can give any role named here any permission. Name the roles of your hosts instead, \
              where they have a path of their own",
        page: IAM,
    },
    Statement {
        sid: "SwitchMetadataService",
        roles: &[Responder],
        actions: &["ec2:ModifyInstanceMetadataOptions"],
        on: &[INSTANCES],
        when: &[],
        why: "switches the metadata service off, and on again at release",
        page: EC2,
    },
    Statement {
        sid: "TakeProfiles",
        roles: &[Responder],
        actions: &["ec2:AssociateIamInstanceProfile", "ec2:DisassociateIamInstanceProfile"],
        on: &[INSTANCES],
        when: &[],
        why: "takes the instance profile from the host where that is declared, and gives it back at release",
        page: EC2,
    },
    Statement {
        sid: "PassRolesBack",
        roles: &[Responder],
        actions: &["iam:PassRole"],
        on: &[ROLES],
        when: &[("StringEquals", "iam:PassedToService", &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])],
        why: "AWS checks it where an instance gets its instance profile back",
        page: PASSING,
    },
];
