//! Copies of evidence in other accounts and Regions: what is declared of them, and what the status says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exhibits::DigestStatus;
use super::ids::{AccountId, KeyArn, RegionName, SnapshotId, VolumeId};
use super::rules;

/// A place where a copy of each snapshot is to lie, under a key of that place.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::key_in_region("copies"))]
pub struct CopyTo {
    /// Name of the AwsAccount that owns the copies (its `metadata.name`, not the 12 digits). They are made and locked by
    /// the role of that AwsAccount.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
    /// The AWS Region in which they lie, such as `eu-west-1`.
    pub region: RegionName,
    /// The key under which they are encrypted, of that account and Region, enabled. A copy that was made stays under the
    /// key that it was made with.
    pub kms_key_arn: KeyArn,
    /// How many copies may be made of one snapshot, 1 to 9, where AWS reports that one failed: each is a new, separate
    /// copy, with the failed one in its tags. Default: 1, a person decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub attempts: Option<u8>,
}

/// One copy of a snapshot of the set.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyStatus {
    /// The account in which it lies.
    pub account_id: AccountId,
    /// The Region in which it lies.
    pub region: RegionName,
    /// The volume that it shows. What AWS says of a copy's volume means nothing.
    pub volume_id: VolumeId,
    /// The snapshot of the set that it is a copy of.
    pub source_snapshot_id: SnapshotId,
    /// The copy.
    pub snapshot_id: SnapshotId,
    /// `pending`, `completed`, `error`, as AWS says it.
    #[schemars(length(max = 64))]
    pub state: String,
    /// How far AWS is, 0 to 100, in steps of 25.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub progress_percent: Option<u8>,
    /// The key it is encrypted under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<KeyArn>,
    /// Until when it is locked. RFC 3339. Absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub locked_until: Option<Time>,
    /// How much of its bytes is read, 0 to 100, in steps of 5. Absent while nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub digest_percent: Option<u8>,
    /// Whether it was moved to the archive tier, where nobody can read it until a person restores it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// What its bytes were found to be. Absent until all of them were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestStatus>,
    /// What is not as wished, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}
