//! EvidenceSnapshot: one moment of one instance, all volumes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::aws_account::LockMode;
use super::conditions::{self, Condition};
use super::copies::{CopyStatus, CopyTo};
pub use super::evidence_source::{InstanceSource, SnapshotsSource, Source};
use super::exhibits::{DigestStatus, Verify};
use super::ids::{KeyArn, SnapshotId, VolumeId};
use super::quarantine::{CaseRef, PlanStatus, RecordStatus};
use super::rules;

/// One moment of one instance: a crash-consistent snapshot of all its volumes, locked, and shared with those declared.
///
/// Deleting it never deletes evidence. Deletion is refused while the evidence is under hold or retention.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "EvidenceSnapshot",
    namespaced,
    shortname = "evsnap",
    category = "forensics",
    status = "EvidenceSnapshotStatus",
    derive = "PartialEq",
    doc = "One moment of one instance: a crash-consistent snapshot of all its volumes, locked, and shared with those declared. Deleting it never deletes evidence, and is refused while a hold or a retention stands.",
    selectable = ".spec.source.instance.accountRef",
    selectable = ".spec.source.instance.region",
    selectable = ".spec.source.instance.instanceId",
    selectable = ".spec.moment",
    validation = rules::adopted_name_at_most(128),
    printcolumn(name = "INSTANCE", type_ = "string", json_path = ".status.summary.instance"),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".status.summary.accountRef"),
    printcolumn(name = "MOMENT", type_ = "string", json_path = ".spec.moment"),
    printcolumn(name = "VOLUMES", type_ = "string", json_path = ".status.summary.volumes"),
    printcolumn(name = "LOCKED", type_ = "string", json_path = ".status.summary.locked"),
    printcolumn(name = "SHARED", type_ = "string", json_path = ".status.summary.shared"),
    printcolumn(name = "VERIFIED", type_ = "string", json_path = ".status.summary.verified"),
    printcolumn(name = "COPIED", type_ = "string", json_path = ".status.summary.copied"),
    printcolumn(name = "ARCHIVED", type_ = "string", json_path = ".status.summary.archived", priority = 1),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.summary.ready"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = rules::adopted_at_once(),
    validation = rules::optional_immutable("spec.caseRef", "caseRef", ".name", "evidence belongs to one case"),
    validation = rules::never_removed("spec.retainUntil", "retainUntil", "retention may be extended, never shortened"),
    validation = rules::never_removed("spec.lock", "lock", "a lock may be strengthened, never weakened")
)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceSnapshotSpec {
    /// Who asks for it: the user name by which the API server knows you (`kubectl auth whoami`). Required of people, on
    /// create and on every change of the spec; must be left out by service accounts (GitOps), and each approval then
    /// needs two people. Refused unless it is the authenticated user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_by: Option<String>,

    /// What is taken, or what is adopted. Immutable: for another set make another EvidenceSnapshot.
    #[x_kube(validation = rules::immutable("spec.source", "make another EvidenceSnapshot for another set"))]
    pub source: Source,

    /// When it is taken. `AtOnce`: now. `AfterIsolation`: as soon as the Quarantine of the same instance in the same
    /// namespace is isolated. Immutable. Default: `AtOnce`.
    #[serde(default)]
    #[x_kube(validation = rules::immutable_string("spec.moment", "the moment of evidence is part of what it is"))]
    pub moment: Moment,

    /// The lock of each snapshot. Can be strengthened, never weakened. Default: the lock of the AwsAccount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSpec>,

    /// How another account gets to use the key of an encrypted snapshot. `Grant`: by a named grant on that one key.
    /// `KeyPolicy`: by two statements in the key's policy, beside what stands there, of a key of the account of the instance.
    /// Each is taken back when the copies of that account stand. KMS knows no conditional write of a policy: who edits the same
    /// policy at the same moment may lose the edit, so `Grant` is the better choice where nothing forbids it. Immutable.
    /// Default: `Grant`.
    #[serde(default)]
    #[x_kube(
        validation = rules::immutable_string("spec.keyAccess", "access that was given is not given a second way")
    )]
    pub key_access: KeyAccess,

    /// Accounts that may read the snapshots, at most 16, no account twice, and nobody else: who was given access by others
    /// loses it. Each must be a destination of the AwsAccount, or the reason is `DestinationNotAllowed`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef"])
    )]
    pub share: Vec<ShareWith>,

    /// What is made sure of the bytes that are kept. `Digest`: once the set is complete and locked, each snapshot is read
    /// block by block, the service's checksum of each block is checked, and the SHA-256 of the whole image goes into the
    /// custody chain; Ready waits for it, which may take hours. `None`: nothing is read. Default: `Digest`.
    #[serde(default)]
    pub verify: Verify,
    /// Where a copy of each snapshot is to lie, at most 16, no account and Region twice. The AwsAccount must list the
    /// account among its destinations, with that Region and with the one of the source, where it is given access for the
    /// copying; or the reason is `DestinationNotAllowed`. What was made stays, whatever becomes of the list. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["accountRef", "region"])
    )]
    pub copies: Vec<CopyTo>,

    /// After how many days the snapshots and their copies go to the archive tier of EBS, 0 to 36500, counted from when the
    /// set was taken; 0 for as soon as may be. Nothing goes there before all copies that are declared stand and all digests
    /// that are declared are in the chain. In the archive tier a snapshot is stored whole, and at least 90 days of it are
    /// billed. Nobody can read, copy or share it, and who it was shared with loses access, until a person restores it, which
    /// takes up to 72 hours. Locks stay. May be changed for as long as nothing is archived: nothing is brought back. Default:
    /// none, nothing is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 36_500))]
    pub archive_after_days: Option<u32>,

    /// Until when it must be kept, RFC 3339, such as `2027-11-24T00:00:00Z`, in the future. May be moved later, never
    /// earlier, by nobody. Default: none, the hold alone keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::retain_until")]
    pub retain_until: Option<Time>,

    /// Whether it is under legal hold. True acts at once. False is a wish once the set is taken: the hold stands, and
    /// `status.legalHold` stays true, until an Approval of `LiftHold` lifts it. Default: true.
    #[serde(default = "default_true")]
    pub legal_hold: bool,

    /// The case it belongs to, in the same namespace. Cannot be changed once set. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<CaseRef>,
}

pub(super) const fn default_true() -> bool {
    true
}

/// When evidence is taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Moment {
    /// Now, before anything else happens to the host.
    #[default]
    AtOnce,
    /// As soon as the Quarantine of the same instance in the same namespace is isolated.
    AfterIsolation,
}

impl Moment {
    /// The moment as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "AtOnce",
            Self::AfterIsolation => "AfterIsolation",
        }
    }
}

/// A lock until a date.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockSpec {
    /// `Governance`: who has the permission can unlock. `Compliance`: nobody can, not even AWS. May become Compliance,
    /// never Governance again. Default: `Governance`.
    #[serde(default)]
    #[x_kube(validation = rules::mode_never_weaker("lock.mode"))]
    pub mode: LockMode,
    /// Until when, RFC 3339, such as `2027-11-24T00:00:00Z`, in the future. May be moved later, never earlier. While a
    /// legal hold or a retention stands, the lock is renewed before it ends, by the lock days of the AwsAccount.
    #[schemars(schema_with = "rules::lock_until")]
    pub until: Time,
}

/// How another account gets to use the key of an encrypted snapshot.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum KeyAccess {
    /// By a named grant on that one key.
    #[default]
    Grant,
    /// By two statements in the key's policy.
    KeyPolicy,
}

/// An account that may read the snapshots.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareWith {
    /// Name of the AwsAccount. There is no way to write "everybody".
    #[schemars(length(min = 1, max = 63), regex(pattern = rules::NAME_PATTERN))]
    pub account_ref: String,
}

/// What was taken. Written by the controller alone; a projection of the custody chain, which is the truth.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EvidenceSnapshotStatus {
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
    pub summary: EvidenceSnapshotSummary,

    /// The plan that waits for an Approval. Absent when none is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,

    /// The canonical set: one snapshot a volume; and the volumes that it does not cover. At most 128.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub snapshots: Vec<SnapshotStatus>,

    /// The copies, at most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub copies: Vec<CopyStatus>,

    /// When the last snapshot of the set, and the last copy that is declared, was complete and locked. RFC 3339. Absent
    /// until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub evidence_safe_at: Option<Time>,

    /// Whether the legal hold stands, whatever the spec wishes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_hold: Option<bool>,

    /// Where the custody chain stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordStatus>,
}

/// Short words for the columns of `kubectl get evsnap`.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EvidenceSnapshotSummary {
    /// The instance id; for snapshots that were adopted without one, `adopted`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub instance: String,
    /// Name of the AwsAccount.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub account_ref: String,
    /// The 12 digits of the account.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub account: String,
    /// Snapshots complete of all volumes, such as `3/3`.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub volumes: String,
    /// Snapshots locked of all, such as `3/3`; or the reason why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub locked: String,
    /// Snapshots shared of those to be shared, such as `2/3`; `nobody` where they are shared with nobody, as declared; or
    /// the reason why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub shared: String,
    /// Snapshots and copies whose bytes are verified of all, and how much of them all is read, such as `1/3 45%`; `None` where that is
    /// declared; or the reason why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub verified: String,
    /// Copies complete and locked of those that are declared, such as `3/6`; absent where none is.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub copied: String,
    /// Snapshots and copies in the archive tier of all, such as `2/6`; absent where that is not declared.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub archived: String,
    /// `True`, or the reason of Ready=False.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub ready: String,
}

/// One snapshot of the set.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// The volume it was taken of.
    pub volume_id: VolumeId,
    /// The snapshot. Absent until AWS has named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<SnapshotId>,
    /// Name of the device by which the volume is attached, such as `/dev/xvda`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub device: Option<String>,
    /// Size of the volume, in GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_048_576))]
    pub size_gib: Option<u32>,
    /// `pending`, `completed`, `error`, as AWS says it; or a reason.
    #[schemars(length(max = 64))]
    pub state: String,
    /// How far AWS is, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub progress_percent: Option<u8>,
    /// Whether it is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// The key it is encrypted under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<KeyArn>,
    /// Until when it is locked. RFC 3339. Absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "rules::time")]
    pub locked_until: Option<Time>,
    /// The accounts that may read it, 12 digits each, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub shared_with: Vec<super::ids::AccountId>,
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
