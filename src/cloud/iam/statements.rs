//! Who may do what, on what, and on which condition. A new permission is one more entry here.

use super::Role::{Forensics, Responder};
use super::{GRANT_OPERATIONS, Narrow, Role, Statement};

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

const INSTANCES: &str = "arn:{partition}:ec2:*:{account}:instance/*";
const VOLUMES: &str = "arn:{partition}:ec2:*:{account}:volume/*";
const INTERFACES: &str = "arn:{partition}:ec2:*:{account}:network-interface/*";
const GROUPS: &str = "arn:{partition}:ec2:*:{account}:security-group/*";
/// No account: that is how AWS writes them.
const SNAPSHOTS: &str = "arn:{partition}:ec2:*::snapshot/*";
/// Of any account: a shared VPC and its subnets belong to another one.
const VPCS: &str = "arn:{partition}:ec2:*:*:vpc/*";
const SUBNETS: &str = "arn:{partition}:ec2:*:*:subnet/*";
const ROLES: &str = "arn:{partition}:iam::{account}:role/*";
/// Of any account: where it is another one's, its own policy must allow it, too.
const KEYS: &str = "arn:{partition}:kms:*:*:key/*";

const BORN_OURS: super::Condition = ("Null", "aws:RequestTag/{operation}", &["false"]);
const OURS: super::Condition = ("Null", "aws:ResourceTag/{operation}", &["false"]);
const NOBODY_ADDED: super::Condition = ("Null", "ec2:Add/userId", &["true"]);
const NOT_PUBLIC: super::Condition = ("Null", "ec2:Add/group", &["true"]);

/// Whose role makes which reads of [`READ_ACTIONS`](crate::cloud::READ_ACTIONS). Blocks are read by an examiner, under an
/// identity of their own.
pub const READERS: &[(&str, &[Role])] = &[
    ("identity", &[Responder, Forensics]),
    ("quarantine", &[Responder]),
    ("surroundings", &[Responder]),
    ("balancers", &[Responder]),
    ("credentials", &[Responder]),
    ("evidence", &[Responder]),
    ("blocks", &[]),
];

/// The other reads know no resource: AWS takes `*` for them alone.
pub const NARROW: &[Narrow] = &[
    Narrow {
        sid: "LookAtHosts",
        actions: &["ec2:DescribeInstanceAttribute", "ec2:GetConsoleOutput", "ec2:GetConsoleScreenshot"],
        on: &[INSTANCES],
    },
    Narrow { sid: "LookAtSnapshots", actions: &["ec2:DescribeSnapshotAttribute"], on: &[SNAPSHOTS] },
    Narrow { sid: "LookAtKeys", actions: &["kms:DescribeKey", "kms:ListGrants"], on: &[KEYS] },
    Narrow { sid: "LookAtRoles", actions: &["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies"], on: &[ROLES] },
    Narrow {
        sid: "LookAtProfiles",
        actions: &["iam:GetInstanceProfile"],
        on: &["arn:{partition}:iam::{account}:instance-profile/*"],
    },
    Narrow {
        sid: "ReadBlocks",
        actions: &["ebs:GetSnapshotBlock", "ebs:ListChangedBlocks", "ebs:ListSnapshotBlocks"],
        on: &[SNAPSHOTS],
    },
];

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
        when: &[("StringEquals", "ec2:CreateAction", &["CreateSecurityGroup", "CreateSnapshots"]), BORN_OURS],
        why: "AWS checks it where something is made with tags; what is there already can't be tagged",
        page: TAGGING,
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
        why: "closes an interface, and gives its own groups back at release. AWS may check the instance and the subnet of the \
              interface as well",
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
        roles: &[Responder],
        actions: &["ec2:LockSnapshot"],
        on: &[SNAPSHOTS],
        when: &[OURS],
        why: "locks evidence while it is still pending; a snapshot of others can't be locked",
        page: EC2,
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
        why: "denies the sessions of a host, by one inline policy of its role. IAM binds this to neither name nor content of a               policy: who holds this role can give any role named here any permission. Name the roles of your hosts instead,               where they have a path of their own",
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
