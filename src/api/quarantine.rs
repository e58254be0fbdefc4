//! Quarantine: one EC2 instance held at a level, enforced for as long as it is declared.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approval::Action;
use super::auto_scaling::AutoScaling;
use super::conditions::{self, Condition};
use super::credentials::{Credentials, MetadataService};
use super::ids::{Digest, InstanceId, RegionName};
use super::rules;

/// Holds one EC2 instance at a level, and keeps it there.
///
/// Deleting a Quarantine never reopens the instance: deletion is refused until `spec.level: Released` was approved by a
/// second person and carried out. An instance has one holder; a second Quarantine on it says `HeldElsewhere`.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "Quarantine",
    namespaced,
    shortname = "quar",
    category = "forensics",
    status = "QuarantineStatus",
    derive = "PartialEq",
    doc = "Holds one EC2 instance at a level, and keeps it there. Deleting it never reopens the instance: deletion is refused until spec.level Released was approved by a second person and carried out.",
    selectable = ".spec.target.accountRef",
    selectable = ".spec.target.region",
    selectable = ".spec.target.instanceId",
    selectable = ".spec.level",
    printcolumn(name = "INSTANCE", type_ = "string", json_path = ".spec.target.instanceId"),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".spec.target.accountRef"),
    printcolumn(name = "REGION", type_ = "string", json_path = ".spec.target.region"),
    printcolumn(name = "LEVEL", type_ = "string", json_path = ".spec.level"),
    printcolumn(name = "ISOLATED", type_ = "string", json_path = ".status.summary.isolated"),
    printcolumn(name = "FLOWS", type_ = "string", json_path = ".status.summary.flows"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.summary.ready"),
    printcolumn(name = "AUTO-SCALING", type_ = "string", json_path = ".status.summary.autoScaling", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = rules::optional_immutable("spec.caseRef", "caseRef", ".name", "a Quarantine belongs to one case"))]
#[x_kube(validation = rules::isolation_until_released("spec.isolation"))]
#[x_kube(validation = rules::auto_scaling_until_released("spec.autoScaling"))]
#[serde(rename_all = "camelCase")]
pub struct QuarantineSpec {
    /// Who asks for it: the user name by which the API server knows you (`kubectl auth whoami`). Required of people, on
    /// create and on every change of the spec; must be left out by service accounts (GitOps), and each approval then
    /// needs two people. Refused unless it is the authenticated user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_by: Option<String>,

    /// The instance. Immutable: for another instance make another Quarantine.
    #[x_kube(validation = rules::immutable_target("spec.target"))]
    pub target: Target,

    /// How far it is held. `Protected`: it cannot be terminated or stopped by accident, and its volumes outlive it.
    /// `Detached`: taken out of its Auto Scaling group and its load balancers as well. `Isolated`: cut from the network as
    /// well. `Released`: given back, after an Approval by a second person; final. Levels only rise, until released.
    #[x_kube(validation = rules::level_order("spec.level"))]
    pub level: Level,

    /// What becomes of its Auto Scaling group. Immutable once `spec.level` is `Released`. Default: `{hold: Standby,
    /// replace: true, lowerMinimum: false}`.
    #[serde(default)]
    pub auto_scaling: AutoScaling,

    /// How it is cut from the network and from its credentials. Immutable once `spec.level` is `Released`. Where the account
    /// asks for an Approval of `Isolate`, what is asked for once the host is closed waits for another one. Default:
    /// `{pulse: Auto, publicAddress: Remove, metadataService: Disable, credentials: {sessions: RevokeInstance, profile: Leave}}`.
    #[serde(default)]
    pub isolation: Isolation,

    /// The case it belongs to, in the same namespace. Cannot be changed once set. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<CaseRef>,
}

/// One EC2 instance, by the AwsAccount that knows how to reach it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Name of the AwsAccount (its `metadata.name`, not the 12 digits). The account must list this namespace, or nothing
    /// is touched and the reason is `NamespaceNotAllowed`.
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
    /// The AWS Region, such as `eu-west-1`. The AwsAccount must list it, or the reason is `RegionNotAllowed`.
    pub region: RegionName,
    /// The instance, such as `i-0123456789abcdef0`. If there is none, the reason is `InstanceNotFound`.
    pub instance_id: InstanceId,
}

/// How far an instance is held. The order of the variants is the order in which levels rise; `Released` is no higher
/// level but the end, so ask [`Level::asks_for`] and do not compare.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Level {
    /// Cannot be terminated or stopped by accident; its volumes outlive it.
    Protected,
    /// Also out of its Auto Scaling group and its load balancers.
    Detached,
    /// Also cut from the network.
    Isolated,
    /// Given back, after an Approval by a second person. Final.
    Released,
}

impl Level {
    /// Whether this level asks for what `step` asks for. `Released` asks for nothing.
    #[must_use]
    pub fn asks_for(self, step: Self) -> bool {
        self != Self::Released && step != Self::Released && self >= step
    }

    /// The level as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "Protected",
            Self::Detached => "Detached",
            Self::Isolated => "Isolated",
            Self::Released => "Released",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an instance is cut from the network and from its credentials.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// Whether, once closed, the groups may for a moment be swapped to an open one and back, which makes AWS forget
    /// connections that were tracked. `Auto`: only where it can help, and never on an interface with a public address.
    /// `Never`: connections that were open may survive. Where no pulse took place that could have helped, the message of the
    /// condition Ready says so and why; the column FLOWS never says more than `Unknown`. Default: `Auto`.
    #[serde(default)]
    pub pulse: Pulse,

    /// Whether public IPv4 addresses are taken from its interfaces once they are closed. `Remove`: an elastic one, which a release
    /// associates again if nobody took it meanwhile, and the one that AWS assigned by itself: that one can't be given back, a
    /// release gets another one. What was taken stays taken until the release. `Leave`: left. Default: `Remove`.
    #[serde(default)]
    pub public_address: PublicAddress,

    /// Whether the metadata service, from which the instance gets new credentials, is switched off. Security groups don't
    /// filter it. `Disable`: off once memory is captured or given up, and on again at release where it was on. `Leave`: left.
    /// Default: `Disable`.
    #[serde(default)]
    pub metadata_service: MetadataService,

    /// What becomes of the credentials of its role. Default: `{sessions: RevokeInstance, profile: Leave}`.
    #[serde(default)]
    pub credentials: Credentials,
}

/// Whether tracked connections are cut by a brief swap of groups.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Pulse {
    /// Only where it can help, and never on an interface with a public address.
    #[default]
    Auto,
    /// Not at all.
    Never,
}

/// Whether public addresses are taken from a host that is closed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum PublicAddress {
    /// Taken; elastic ones are given back at release.
    #[default]
    Remove,
    /// Left.
    Leave,
}

/// A ForensicCase in the same namespace.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CaseRef {
    /// Name of the case, at most 40 characters.
    #[schemars(length(min = 1, max = 40), regex(pattern = rules::NAME_PATTERN))]
    pub name: String,
}

/// What was seen and done. Written by the controller alone; a projection of the custody chain, which is the truth.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the controller has looked at the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,

    /// Ready, then one condition a step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,

    /// Short words for the columns of `kubectl get`.
    #[serde(default)]
    pub summary: QuarantineSummary,

    /// The plan that waits for an Approval. Absent when none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,

    /// State of each network interface, volume, target group, classic load balancer and role. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub parts: Vec<PartStatus>,

    /// Paths that can still carry traffic of the instance once it is isolated: one line each, with why, and the field of the
    /// spec or the AWS call that closes it. From what was seen of it; whether anything flows there is not known. At most 48.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 48), inner(length(max = 512)))]
    pub survivors: Vec<String>,

    /// Since when the instance was known to be compromised and not contained: when this object was created. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub exposed_since: Option<Time>,

    /// When the last interface was seen closed for the first time. RFC 3339. Absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub contained_at: Option<Time>,

    /// Where the custody chain stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordStatus>,
}

/// Short words for the columns of `kubectl get quar`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuarantineSummary {
    /// The instance id.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub instance: String,
    /// The 12 digits of the account.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub account: String,
    /// The Region.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub region: String,
    /// The level reached, which may lag behind the level declared.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub level: String,
    /// Where the instance stands in its Auto Scaling group: the lifecycle state as AWS spells it, such as `Standby`;
    /// `Detached` where it was taken out; `-` where it is in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub auto_scaling: String,
    /// Interfaces closed of all, such as `2/2`; or the reason why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub isolated: String,
    /// Connections that were open before: `Open` while an interface is seen open, `Unknown` once all are seen closed (a
    /// tracked connection may outlive that, and AWS shows none), `-` where nothing was seen.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub flows: String,
    /// `True`, or the reason of Ready=False.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub ready: String,
}

/// A plan that waits for a person. It stays as it is until the spec or a named neighbour changes.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// The action that needs approval.
    pub action: Action,
    /// What an Approval is bound to, as its `spec.planHash`.
    pub hash: Digest,
    /// The plan in words: what will be done, to what, and what is touched beside it. At most 256 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 512)))]
    pub lines: Vec<String>,
    /// Index of the custody record that publishes the plan; part of the hash, so that no approval can be used twice.
    #[schemars(range(max = 999_999))]
    pub published_at_index: u64,
    /// One line for the approver to copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub approve_with: String,
}

/// One interface, one volume, one target group, or another part that has a state of its own.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartStatus {
    /// Its id in AWS.
    #[schemars(length(max = 128))]
    pub name: String,
    /// What it is: `interface`, `volume`, `targetGroup`, `classicLoadBalancer`, `role`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// One word: `Closed`, `Open`, `Protected`, `Registered`, `Draining`, `Deregistered`, `Denied`, or a reason.
    #[schemars(length(max = 64))]
    pub state: String,
    /// The same in words. Empty where the state says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// Where a custody chain stands, as the controller last saw it: to find the head, not to replace reading the chain.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordStatus {
    /// Index of the newest record.
    #[schemars(range(max = 999_999))]
    pub index: u64,
    /// Digest of the newest record's body.
    pub hash: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_asks_for_nothing() {
        assert!(Level::Isolated.asks_for(Level::Protected));
        assert!(Level::Isolated.asks_for(Level::Isolated));
        assert!(!Level::Protected.asks_for(Level::Isolated));
        for level in [Level::Protected, Level::Detached, Level::Isolated, Level::Released] {
            assert!(!Level::Released.asks_for(level));
            assert!(!level.asks_for(Level::Released));
        }
    }
}
