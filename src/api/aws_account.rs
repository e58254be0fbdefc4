//! AwsAccount: which AWS account, by which role, for which namespaces.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::approval::{ApprovalRules, ApproverCounts};
use super::conditions::{self, Condition};
use super::ids::{AccountId, KeyArn, RegionName, RoleArn};
use super::rules;

/// An AWS account: which role reaches it, in which Regions, and which namespaces may have work done in it.
///
/// Cluster-scoped, so that no tenant can name a role, a key, an endpoint or a credential: a namespaced object names an
/// AwsAccount, and the AwsAccount lists the namespaces. Deletion is refused while something of it is held.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "AwsAccount",
    shortname = "awsacct",
    category = "forensics",
    status = "AwsAccountStatus",
    derive = "PartialEq",
    doc = "An AWS account: which role reaches it, in which Regions, and which namespaces may have work done in it. Cluster-scoped, so that no tenant can name a role, a key, an endpoint or a credential.",
    selectable = ".spec.accountId",
    validation = rules::name_at_most(63),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".spec.accountId"),
    printcolumn(name = "REGIONS", type_ = "string", json_path = ".status.summary.regions"),
    printcolumn(name = "NAMESPACES", type_ = "string", json_path = ".status.summary.namespaces", priority = 1),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.summary.ready"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = rules::regions_in_partition(),
    validation = rules::role_in_account(),
    validation = rules::optional_immutable("spec.endpointUrl", "endpointUrl", "", "where requests go is part of what the account is")
)]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountSpec {
    /// The account: 12 digits in quotes. Immutable. Must equal what STS GetCallerIdentity says, or nothing is done and
    /// the reason is `IdentityMismatch`.
    #[x_kube(validation = rules::immutable_string("spec.accountId", "make another AwsAccount for another account"))]
    pub account_id: AccountId,

    /// The AWS partition: `aws`, `aws-cn` or `aws-us-gov`. Immutable. Default: `aws`.
    #[serde(default)]
    #[x_kube(validation = rules::immutable_string("spec.partition", "make another AwsAccount for another partition"))]
    pub partition: Partition,

    /// The Regions in which something may be done, 1 to 64, no Region twice. A target elsewhere is refused with
    /// `RegionNotAllowed`.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub regions: Vec<RegionName>,

    /// The role that the controller assumes. Default: none, the controller's own identity is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<AssumedRole>,

    /// Where to send AWS requests instead of AWS, `http://` or `https://`: for emulators only. Cannot be changed once
    /// set. Default: none, AWS's own endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?$"))]
    pub endpoint_url: Option<String>,

    /// The namespaces whose objects may name this account, at most 256. Gates new work and escalation, never enforcement
    /// or release. A listed namespace cannot be deleted, and one that is taken off the list only once it holds nothing
    /// of this account. Default: none, nobody may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub allowed_namespaces: Vec<String>,

    /// Where evidence may go, and how long it is locked.
    #[serde(default)]
    pub evidence: EvidenceRules,

    /// Which actions wait for a person, and for how many.
    #[serde(default)]
    pub approval: ApprovalRules,

    /// How what we create in the account is called. Keep it neutral: names of security groups can be read from inside
    /// the instance.
    #[serde(default)]
    pub naming: Naming,

    /// How much of the account's API request rate may be used.
    #[serde(default)]
    pub budget: Budget,

    /// How often what is held is looked at again: a number and `s`, `m` or `h`, such as `60s`. Default: `60s`.
    #[serde(default = "default_recheck")]
    #[schemars(length(max = 6), regex(pattern = r"^[1-9][0-9]{0,4}[smh]$"))]
    pub recheck: String,
}

impl AwsAccountSpec {
    /// [`recheck`](Self::recheck) in seconds; the default where it cannot be read, which the schema does not let happen.
    #[must_use]
    pub fn recheck_seconds(&self) -> u64 {
        let Some(unit) = self.recheck.chars().last() else { return DEFAULT_RECHECK_SECONDS };
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return DEFAULT_RECHECK_SECONDS,
        };
        let number = self.recheck.strip_suffix(unit).and_then(|n| n.parse::<u64>().ok());
        number.map_or(DEFAULT_RECHECK_SECONDS, |n| n.saturating_mul(factor))
    }

    /// Whether objects of this namespace may name the account.
    #[must_use]
    pub fn allows_namespace(&self, namespace: &str) -> bool {
        self.allowed_namespaces.iter().any(|allowed| allowed == namespace)
    }

    /// Whether something may be done in this Region.
    #[must_use]
    pub fn allows_region(&self, region: &RegionName) -> bool {
        self.regions.contains(region)
    }
}

const DEFAULT_RECHECK_SECONDS: u64 = 60;

fn default_recheck() -> String {
    format!("{DEFAULT_RECHECK_SECONDS}s")
}

/// A partition of AWS: a world of its own accounts, Regions and ARNs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Partition {
    /// Commercial Regions.
    #[default]
    #[serde(rename = "aws")]
    Aws,
    /// China.
    #[serde(rename = "aws-cn")]
    AwsCn,
    /// AWS GovCloud (US).
    #[serde(rename = "aws-us-gov")]
    AwsUsGov,
}

impl Partition {
    /// The partition as ARNs write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }
}

/// A role to assume.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssumedRole {
    /// The role, in the account of `spec.accountId`.
    pub arn: RoleArn,
    /// The external id that the role's trust policy asks for, 2 to 256 characters. No secret. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^[A-Za-z0-9_+=,.@:/-]+$"))]
    pub external_id: Option<String>,
}

/// Where evidence may go, and how long it is locked.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EvidenceRules {
    /// Accounts and Regions to which evidence may be shared or copied, at most 16, no account twice. Nowhere else:
    /// `DestinationNotAllowed`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef"])
    )]
    pub destinations: Vec<Destination>,

    /// Key of the evidence account that this account's role may use, for the re-encrypting copy of snapshots under the
    /// default aws/ebs key, which cannot be shared. Without it such snapshots stay where they are, with the reason
    /// `DefaultKey`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer_key_arn: Option<KeyArn>,

    /// The lock of evidence that declares none itself. Default: `{mode: Governance, days: 365}`.
    pub lock: LockDefault,
}

/// An account to which evidence may go.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Name of the AwsAccount.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
    /// The Regions in which it may be shared with it, or lie there as a copy, 1 to 64, no Region twice.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub regions: Vec<RegionName>,
}

/// A lock that counts from the snapshot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockDefault {
    /// `Governance`: who has the permission can unlock. `Compliance`: nobody can, not even AWS. Default: `Governance`.
    pub mode: LockMode,
    /// Days from the snapshot, 1 to 36500. Default: 365.
    #[schemars(range(min = 1, max = 36_500))]
    pub days: u32,
}

impl Default for LockDefault {
    fn default() -> Self {
        Self { mode: LockMode::Governance, days: 365 }
    }
}

/// How firmly a snapshot is locked. The order of the variants is from weak to strong.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum LockMode {
    /// Who has the permission can unlock.
    #[default]
    Governance,
    /// Nobody can unlock before the date.
    Compliance,
}

impl LockMode {
    /// The mode as AWS writes it, capitalised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "Governance",
            Self::Compliance => "Compliance",
        }
    }
}

/// How what we create in the account is called.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Naming {
    /// Beginning of the names of security groups: a small letter, then small letters, digits and hyphens, at most 32; not
    /// `sg-`, which AWS refuses. Default: `baseline`.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z][a-z0-9-]*$"),
        extend("x-kubernetes-validations" = rules::all(&[rules::not_starting("spec.naming.groupPrefix", "sg-")]))
    )]
    pub group_prefix: String,
    /// Beginning of the keys of tags, same letters; not `aws`, which AWS keeps for itself. Default: `ops`.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[a-z][a-z0-9-]*$"),
        extend("x-kubernetes-validations" = rules::all(&[rules::not_starting("spec.naming.tagPrefix", "aws")]))
    )]
    pub tag_prefix: String,
}

impl Default for Naming {
    fn default() -> Self {
        Self { group_prefix: "baseline".into(), tag_prefix: "ops".into() }
    }
}

/// How much of the account's API request rate may be used.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// Share of the account's request rate that the controller takes at most, 0.1 to 1.0; the rest is left to the people
    /// who work in the account meanwhile. Default: 0.8.
    #[schemars(
        range(min = 0.1, max = 1.0),
        extend("x-kubernetes-validations" = rules::all(&[rules::share("spec.budget.share")]))
    )]
    pub share: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { share: 0.8 }
    }
}

/// What was found in the account. Written by the controller alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AwsAccountStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the controller has looked at the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// Ready, then one condition a check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,

    /// Who the controller is in this account, as STS GetCallerIdentity says; without the session's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 640))]
    pub caller_arn: Option<String>,

    /// Namespaces with something that is held or kept in this account, at most 256. None of them can be deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces_in_use: Vec<String>,

    /// Short words for the columns of `kubectl get`.
    #[serde(default)]
    pub summary: AwsAccountSummary,
}

/// Short words for the columns of `kubectl get awsacct`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsAccountSummary {
    /// `True`, or the reason of Ready=False.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub ready: String,
    /// The allowed namespaces, with commas, cut where they are many.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub namespaces: String,
    /// The Regions, with commas, cut where they are many.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub regions: String,
}

#[cfg(test)]
#[path = "aws_account_tests.rs"]
mod tests;
