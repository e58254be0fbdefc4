//! ForensicCase: one incident, its hosts, and what is to become of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::approval::Action;
use super::auto_scaling::AutoScaling;
use super::conditions::{self, Condition};
use super::copies::CopyTo;
use super::evidence_snapshot::{KeyAccess, LockDenied, LockSpec, Moment, ShareWith, default_true};
use super::exhibits::Verify;
use super::ids::Digest;
use super::quarantine::{Isolation, Level, RecordStatus, Target};
use super::rules;

/// One incident: its hosts, how far they are contained, and what evidence is kept.
///
/// Makes one Quarantine and one EvidenceSnapshot a moment for each target, at once; they outlive the case. Its plan
/// gathers theirs, so that one Approval covers all.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "ForensicCase",
    namespaced,
    shortname = "fcase",
    category = "forensics",
    status = "ForensicCaseStatus",
    derive = "PartialEq",
    doc = "One incident: its hosts, how far they are contained, and what evidence is kept. Makes one Quarantine and one EvidenceSnapshot a moment for each target, at once; they outlive the case.",
    selectable = ".spec.severity",
    validation = rules::name_at_most(40),
    printcolumn(name = "TITLE", type_ = "string", json_path = ".spec.title"),
    printcolumn(name = "SEVERITY", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "TARGETS", type_ = "string", json_path = ".status.summary.targets"),
    printcolumn(name = "CONTAINED", type_ = "string", json_path = ".status.summary.contained"),
    printcolumn(name = "EVIDENCE", type_ = "string", json_path = ".status.summary.evidence"),
    printcolumn(name = "WAITING-FOR", type_ = "string", json_path = ".status.summary.waitingFor"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.summary.ready"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ForensicCaseSpec {
    /// Who asks for it: the user name by which the API server knows you (`kubectl auth whoami`). Required of people, on
    /// create and on every change of the spec; must be left out by service accounts (GitOps), and each approval then
    /// needs two people. Refused unless it is the authenticated user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_by: Option<String>,

    /// What the case is about, in one line of 1 to 128 characters.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S([^\x00-\x1f]*\S)?$"))]
    pub title: String,

    /// How grave it is: `Low`, `Medium`, `High` or `Critical`. For people and reports; nothing depends on it. Default:
    /// `High`.
    #[serde(default)]
    pub severity: Severity,

    /// The hosts, 1 to 128, none twice. Can be added, never removed: a host that is no longer suspect is released.
    #[schemars(
        length(min = 1, max = 128),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef", "region", "instanceId"])
    )]
    #[x_kube(validation = rules::targets_only_added(), validation = rules::instances_once())]
    pub targets: Vec<Target>,

    /// How far the hosts are contained. Default: `{level: Isolated}`.
    #[serde(default)]
    pub containment: ContainmentSpec,

    /// What evidence is kept. Default: two sets a host, at once and after isolation, locked as the AwsAccount says,
    /// under legal hold, shared with nobody.
    #[serde(default)]
    pub evidence: EvidenceSpec,
}

/// How grave a case is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Severity {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    #[default]
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// The severity as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

/// How far the hosts of a case are contained.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainmentSpec {
    /// The level of every host: `Protected`, `Detached`, `Isolated`, or, to give all of them back, `Released`. Levels only
    /// rise, until released. Default: `Isolated`.
    #[schemars(extend("x-kubernetes-validations" = rules::all(&[rules::level_order("spec.containment.level")])))]
    pub level: Level,
    /// What becomes of their Auto Scaling groups. Default: `{hold: Standby, replace: true, lowerMinimum: false}`.
    pub auto_scaling: AutoScaling,
    /// How they are cut from the network and from their credentials. Default: `{pulse: Auto, metadataService: Disable,
    /// credentials: {sessions: RevokeInstance, profile: Leave}}`.
    pub isolation: Isolation,
}

impl Default for ContainmentSpec {
    fn default() -> Self {
        Self { level: Level::Isolated, auto_scaling: AutoScaling::default(), isolation: Isolation::default() }
    }
}

/// What evidence a case keeps of each host.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    rules::never_removed("spec.evidence.retainUntil", "retainUntil", "retention may be extended, never shortened"),
    rules::never_removed("spec.evidence.lock", "lock", "a lock may be strengthened, never weakened"),
])))]
pub struct EvidenceSpec {
    /// When sets are taken: `AtOnce`, `AfterIsolation`, or both, so that what happened in between can be seen; none
    /// twice. Moments can be added, never removed. Default: both.
    #[schemars(
        length(max = 2),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = rules::all(&[rules::moments_only_added()]))
    )]
    pub moments: Vec<Moment>,

    /// The lock of each snapshot. Can be strengthened, never weakened. Default: the lock of the AwsAccount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSpec>,
    /// What follows where AWS denies a lock: `Block`, or `Waive` once an Approval of `WaiveLock` of the set allows it. Default:
    /// `Block`.
    #[serde(default)]
    pub lock_denied: LockDenied,

    /// How another account gets to use the key of an encrypted snapshot: `Grant`, or `KeyPolicy`. Immutable. Default: `Grant`.
    #[schemars(extend("x-kubernetes-validations" = rules::all(&[
        rules::immutable_string("spec.evidence.keyAccess", "access that was given is not given a second way"),
    ])))]
    pub key_access: KeyAccess,

    /// Accounts that may read the snapshots, at most 16, no account twice. Each must be a destination of the AwsAccount.
    /// Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef"])
    )]
    pub share: Vec<ShareWith>,

    /// What is made sure of the bytes that are kept: `Digest` or `None`. The case is Ready without it; the condition
    /// EvidenceVerified says how far it is. Default: `Digest`.
    pub verify: Verify,
    /// Where a copy of each snapshot is to lie, at most 16, no account and Region twice. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef", "region"])
    )]
    pub copies: Vec<CopyTo>,

    /// After how many days the snapshots and their copies go to the archive tier of EBS, 0 to 36500, as in an
    /// EvidenceSnapshot; there at least 90 days are billed, and nobody can read them until a person restores them, which
    /// takes up to 72 hours. Default: none, nothing is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 36_500))]
    pub archive_after_days: Option<u32>,

    /// Until when the evidence must be kept, RFC 3339, in the future. May be moved later, never earlier. Default: none, the
    /// hold alone keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::retain_until")]
    pub retain_until: Option<Time>,

    /// Whether the evidence is under legal hold. True acts at once. False is a wish once a set is taken: its hold stands
    /// until an Approval of `LiftHold` lifts it; one of the case covers all of its sets. Default: true.
    #[serde(default = "default_true")]
    pub legal_hold: bool,
}

impl Default for EvidenceSpec {
    fn default() -> Self {
        Self {
            moments: vec![Moment::AtOnce, Moment::AfterIsolation],
            lock: None,
            lock_denied: LockDenied::Block,
            key_access: KeyAccess::Grant,
            share: Vec::new(),
            verify: Verify::Digest,
            copies: Vec::new(),
            archive_after_days: None,
            retain_until: None,
            legal_hold: true,
        }
    }
}

/// How the case stands. Written by the controller alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForensicCaseStatus {
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
    pub summary: CaseSummary,

    /// The plan that waits for an Approval, gathered from the children's. Absent when none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<CasePlanStatus>,

    /// What the case made. At most 512, in the order of targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub children: Vec<ChildStatus>,

    /// Since when a host of the case is known to be compromised and not contained. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub exposed_since: Option<Time>,

    /// When the last host was contained. RFC 3339. Absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub contained_at: Option<Time>,

    /// When the last evidence set was complete and locked. RFC 3339. Absent until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub evidence_safe_at: Option<Time>,

    /// Where the custody chain stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordStatus>,
}

/// Short words for the columns of `kubectl get fcase`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaseSummary {
    /// The title.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub title: String,
    /// The severity.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub severity: String,
    /// Number of targets.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub targets: String,
    /// Hosts contained of all, such as `2/3`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub contained: String,
    /// Evidence sets preserved of all, such as `2/6`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub evidence: String,
    /// Whom or what the case waits for, such as `approval of Isolate`, `a person: <reason>` or `the controller`; `-` where nothing is awaited.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub waiting_for: String,
    /// `True`, or the reason of Ready=False.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub ready: String,
}

/// The plan of a case: the hash over the plans of its children, and what they say.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CasePlanStatus {
    /// What an Approval is bound to: the hash over the sorted leaves.
    pub hash: Digest,
    /// The action that needs approval.
    pub action: Action,
    /// The plan in words. At most 256 lines; the children's own plans say all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 512)))]
    pub lines: Vec<String>,
    /// The plans it gathers, at most 512, sorted by uid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub leaves: Vec<PlanLeaf>,
    /// One line for the approver to copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub approve_with: String,
}

/// The plan of one child.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanLeaf {
    /// The child's uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The child's name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The hash of the child's plan.
    pub hash: Digest,
}

/// One object that the case made.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChildStatus {
    /// `Quarantine` or `EvidenceSnapshot`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// `True`, or the reason of Ready=False.
    #[schemars(length(max = 64))]
    pub ready: String,
    /// The same in words. Empty where `ready` says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub message: String,
}
