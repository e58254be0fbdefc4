//! Changes that make, lock and finish copies. Each says where it is made: most of them not where the object works.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::attribute::{Attribute, Value};
use super::copies::Destination;
use super::key_policy::Ours;
use crate::api::aws_account::LockMode;
use crate::api::ids::{AccountId, KeyArn, RegionName, SnapshotId};

/// One change for a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all_fields = "camelCase")]
pub enum CopyChange {
    /// EC2 `CopySnapshot`, asked for at the destination, by the account that will own the copy. It has no client token.
    CopySnapshot {
        /// Where the copy is to lie.
        destination: Destination,
        /// The Region of what is copied.
        source_region: RegionName,
        /// What is copied.
        source: SnapshotId,
        /// The snapshot of the set whose bytes these are.
        of: SnapshotId,
        /// The key of the copy.
        key: KeyArn,
        /// Whether what is copied is encrypted: from another Region a signed URL comes with it then.
        encrypted: bool,
        /// Description of the copy.
        description: String,
        /// Tags at birth, the operation id excepted, which is added when it is known.
        tags: BTreeMap<String, String>,
        /// Prefix of the key of the operation id's tag.
        tag_prefix: String,
    },
    /// EC2 `LockSnapshot`, on a copy.
    LockCopy {
        /// Where it lies.
        destination: Destination,
        /// The copy.
        snapshot: SnapshotId,
        /// The mode.
        mode: LockMode,
        /// When it ends.
        until: Time,
    },
    /// EC2 `ModifySnapshotTier`, of a copy.
    ArchiveCopy {
        /// Where it lies.
        destination: Destination,
        /// The copy.
        snapshot: SnapshotId,
    },
    /// KMS `RevokeGrant`: who has a copy of its own needs the key of the source no more.
    RevokeGrant {
        /// The key.
        key: KeyArn,
        /// Id of the grant.
        grant: String,
        /// The account that it served.
        grantee: AccountId,
    },
    /// KMS `PutKeyPolicy`: of the statements of one object, those of these accounts stand in the policy, and no others. It is
    /// read first, and what others have in it stays.
    PutKeyPolicy {
        /// The key.
        key: KeyArn,
        /// What the `Sid`s of the object begin with.
        sid: String,
        /// The accounts that may use the key from then on.
        accounts: BTreeSet<AccountId>,
    },
}

/// A copy that came into being.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    /// Its id.
    pub id: SnapshotId,
    /// Where it lies.
    pub destination: Destination,
    /// The snapshot of the set whose bytes these are.
    pub of: SnapshotId,
}

impl CopyChange {
    /// The API operation.
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::CopySnapshot { .. } => "CopySnapshot",
            Self::LockCopy { .. } => "LockSnapshot",
            Self::ArchiveCopy { .. } => "ModifySnapshotTier",
            Self::RevokeGrant { .. } => "RevokeGrant",
            Self::PutKeyPolicy { .. } => "PutKeyPolicy",
        }
    }

    /// The IAM actions that AWS checks (Service Authorization Reference, EC2 and KMS). EBS uses both keys in the name of who
    /// copies (EBS guide, sharing the KMS key), and that of what is archived (EBS guide, required IAM permissions for archiving).
    pub const fn iam_actions(&self) -> &'static [&'static str] {
        match self {
            Self::CopySnapshot { .. } => &[
                "ec2:CopySnapshot",
                "ec2:CreateTags",
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            Self::LockCopy { .. } => &["ec2:LockSnapshot"],
            Self::ArchiveCopy { .. } => {
                &["ec2:ModifySnapshotTier", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey"]
            }
            Self::RevokeGrant { .. } => &["kms:RevokeGrant"],
            Self::PutKeyPolicy { .. } => &["kms:GetKeyPolicy", "kms:PutKeyPolicy"],
        }
    }

    /// Whether sending it again, under the same intent, can do no harm.
    pub const fn is_idempotent(&self) -> bool {
        !matches!(self, Self::CopySnapshot { .. })
    }

    /// Where it is made; none for where the object works.
    pub const fn destination(&self) -> Option<&Destination> {
        match self {
            Self::CopySnapshot { destination, .. }
            | Self::LockCopy { destination, .. }
            | Self::ArchiveCopy { destination, .. } => Some(destination),
            Self::RevokeGrant { .. } | Self::PutKeyPolicy { .. } => None,
        }
    }

    /// The attribute that it sets, and to which value, where it sets one.
    pub fn sets(&self) -> Option<(Attribute, Value)> {
        match self {
            Self::PutKeyPolicy { key, sid, accounts } => {
                Some((Attribute::KeyPolicy(key.clone()), Ours { key, sid }.value(accounts)))
            }
            _ => None,
        }
    }
}
