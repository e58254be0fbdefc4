//! What evidence is taken from, or is.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{InstanceId, RegionName, SnapshotId, VolumeId};
use super::rules;

/// What a set is taken from, or the snapshots that are one already: exactly one of the two.
#[derive(Clone, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("spec.source", "instance", "snapshots"))]
pub struct Source {
    /// All volumes of one instance, of which a set is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceSource>,
    /// Snapshots that exist, such as a backup from before the incident: nothing is taken, and they are kept from now on as a
    /// set would be. Which account they belong to is checked, that all of them are there, and what AWS says of where they
    /// come from goes into the custody chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<Box<SnapshotsSource>>,
}

/// All volumes of one instance, but those left out.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSource {
    /// Name of the AwsAccount (its `metadata.name`, not the 12 digits). The account must list this namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
    /// The AWS Region, such as `eu-west-1`. The AwsAccount must list it.
    pub region: RegionName,
    /// The instance, such as `i-0123456789abcdef0`.
    pub instance_id: InstanceId,
    /// Volumes to leave out, at most 40, none twice; the root volume may be one of them. What is left out, and an id that
    /// is not attached to the instance, is named in the status as `NotCovered`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40), extend("x-kubernetes-list-type" = "set"))]
    pub exclude_volume_ids: Vec<VolumeId>,
}

/// Snapshots that exist, all of one account and Region.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotsSource {
    /// Name of the AwsAccount that owns them (its `metadata.name`, not the 12 digits). The account must list this namespace.
    /// Somebody else's are refused with `WrongAccount`, and their owner is named.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
    /// The AWS Region, such as `eu-west-1`. The AwsAccount must list it.
    pub region: RegionName,
    /// The snapshots, 1 to 40, none twice, and of a volume one alone: two of the same volume are two moments. Each must carry
    /// the tag `<tagPrefix>:operation` with the value `<namespace>/<name>` of this object: the role of the AwsAccount may
    /// touch no snapshot without that tag, and who may tag says with its value who is to keep this one. Accounts that may use
    /// one of them and are in neither `spec.share` nor `spec.copies` lose it.
    #[schemars(length(min = 1, max = 40), extend("x-kubernetes-list-type" = "set"))]
    pub snapshot_ids: Vec<SnapshotId>,
    /// The instance that they are said to be of, such as `i-0123456789abcdef0`. While it is there, the volume of each must be
    /// attached to it (`WrongInstance`); once it is terminated it is written down as told, and not verified. Leave it out for
    /// copies of snapshots, of which AWS names no volume. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
}

impl Source {
    /// Name of the AwsAccount. Empty where neither is there, which the API server refuses.
    #[must_use]
    pub fn account_ref(&self) -> &str {
        let adopted = || self.snapshots.as_ref().map(|source| source.account_ref.as_str());
        self.instance.as_ref().map(|source| source.account_ref.as_str()).or_else(adopted).unwrap_or_default()
    }

    /// The Region.
    #[must_use]
    pub fn region(&self) -> Option<&RegionName> {
        self.instance.as_ref().map(|source| &source.region).or_else(|| self.snapshots.as_ref().map(|s| &s.region))
    }

    /// The instance, as declared or told.
    #[must_use]
    pub fn instance_id(&self) -> Option<&InstanceId> {
        let told = || self.snapshots.as_ref().and_then(|source| source.instance_id.as_ref());
        self.instance.as_ref().map(|source| &source.instance_id).or_else(told)
    }
}
