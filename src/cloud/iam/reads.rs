//! Who may look at what, and on what each look can be bound.

use super::Role::{Forensics, Responder};
use super::statements::{INSTANCES, KEYS, OURS, ROLES, SNAPSHOTS};
use super::{Narrow, Role};

/// Whose role makes which reads of [`READ_ACTIONS`](crate::cloud::READ_ACTIONS). What changed between two snapshots is read
/// by an examiner, under an identity of their own.
pub const READERS: &[(&str, &[Role])] = &[
    ("identity", &[Responder, Forensics]),
    ("quarantine", &[Responder]),
    ("surroundings", &[Responder]),
    ("balancers", &[Responder]),
    ("credentials", &[Responder]),
    ("addresses", &[Responder]),
    ("ways", &[Responder]),
    ("evidence", &[Responder]),
    ("blocks", &[Responder, Forensics]),
    ("changed blocks", &[]),
    ("copies", &[Forensics]),
];

/// The other reads know no resource: AWS takes `*` for them alone.
pub const NARROW: &[Narrow] = &[
    Narrow {
        sid: "LookAtHosts",
        actions: &["ec2:DescribeInstanceAttribute", "ec2:GetConsoleOutput", "ec2:GetConsoleScreenshot"],
        on: &[INSTANCES],
        when: &[],
    },
    Narrow { sid: "LookAtSnapshots", actions: &["ec2:DescribeSnapshotAttribute"], on: &[SNAPSHOTS], when: &[] },
    Narrow {
        sid: "LookAtKeys",
        actions: &["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"],
        on: &[KEYS],
        when: &[],
    },
    Narrow { sid: "AskForKeys", actions: &["kms:GenerateDataKeyWithoutPlaintext"], on: &[KEYS], when: &[] },
    // Who takes over the role reads what is evidence, and no other snapshot of the account.
    Narrow {
        sid: "LookAtRoles",
        actions: &["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies"],
        on: &[ROLES],
        when: &[],
    },
    Narrow {
        sid: "LookAtProfiles",
        actions: &["iam:GetInstanceProfile"],
        on: &["arn:{partition}:iam::{account}:instance-profile/*"],
        when: &[],
    },
    Narrow {
        sid: "ReadOurBlocks",
        actions: &["ebs:GetSnapshotBlock", "ebs:ListSnapshotBlocks"],
        on: &[SNAPSHOTS],
        when: &[OURS],
    },
    // AWS checks it behind the reading of an encrypted snapshot. The context is that of EBS (KMS guide, how EBS uses KMS): what
    // other services encrypted under the same key stays closed.
    Narrow {
        sid: "DecryptBlocks",
        actions: &["kms:Decrypt"],
        on: &[KEYS],
        when: &[("Null", "kms:EncryptionContext:aws:ebs:id", &["false"])],
    },
];
