//! Approval: one person's decision on one plan of one object.

use std::fmt;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Digest;
use super::rules;

/// One person's decision on one plan of one object.
///
/// Create-only: whoever changes their mind makes another. Whether it counts is answered in its status.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "Approval",
    namespaced,
    category = "forensics",
    status = "ApprovalStatus",
    derive = "PartialEq",
    doc = "One person's decision on one plan of one object. Create-only: whoever changes their mind makes another. Whether it counts is answered in its status.",
    selectable = ".spec.subject.uid",
    selectable = ".spec.action",
    validation = rules::name_at_most(63),
    printcolumn(name = "SUBJECT", type_ = "string", json_path = ".spec.subject.name"),
    printcolumn(name = "ACTION", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "DECISION", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "APPROVER", type_ = "string", json_path = ".spec.approver"),
    printcolumn(name = "STATE", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "REASON", type_ = "string", json_path = ".status.reason", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = rules::immutable("spec", "an Approval is create-only; make another one"))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The object whose plan is decided on, in the same namespace.
    pub subject: Subject,

    /// The action that the plan awaits, as in its `status.plan.action`.
    pub action: Action,

    /// The plan's hash, as in `status.plan.hash` of the subject. An Approval of an older plan is `Stale`.
    pub plan_hash: Digest,

    /// The subject's `spec.requestedBy`; left out where that is absent. Must differ from `approver` unless `breakGlass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requester: Option<String>,

    /// You: the user name by which the API server knows you (`kubectl auth whoami`). Refused unless it is the
    /// authenticated user, and a person: no service account can approve.
    #[schemars(length(min = 1, max = 256))]
    pub approver: String,

    /// `Approve` or `Deny`.
    pub decision: Decision,

    /// One person alone, in an emergency: needs the verb `breakglass` instead of `approve`, is recorded loudly, and a
    /// review is demanded afterwards. Default: false.
    #[serde(default)]
    pub break_glass: bool,

    /// Why, in words that will still be understood in court. 1 to 1024 characters, not only blanks.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"\S"))]
    pub reason: String,
}

/// The object whose plan is decided on.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// `Quarantine`, `ForensicCase` or `EvidenceSnapshot`. An Approval of a case covers its children.
    pub kind: SubjectKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME_PATTERN))]
    pub name: String,
    /// Its uid, since a name can be used again.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub uid: String,
}

/// Kinds that have plans.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum SubjectKind {
    /// One held instance.
    Quarantine,
    /// A case, and with it its children.
    ForensicCase,
    /// One evidence set.
    EvidenceSnapshot,
}

impl SubjectKind {
    /// The kind as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantine => "Quarantine",
            Self::ForensicCase => "ForensicCase",
            Self::EvidenceSnapshot => "EvidenceSnapshot",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What can need a person's approval. RBAC knows each as `actions/<name in lower case>` of the group.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Action {
    /// Cut the instance from the network; also gates detaching, deregistering and cutting credentials.
    Isolate,
    /// Give the instance back.
    Release,
    /// Remove what a closed case left behind.
    CloseOut,
    /// Lift a legal hold.
    LiftHold,
    /// Change a network ACL, which touches neighbours.
    NetworkAcl,
    /// Lower the minimum size of an Auto Scaling group.
    LowerMinimum,
    /// Share evidence that is not locked.
    WaiveLock,
    /// Terminate instances.
    Terminate,
}

impl Action {
    /// All actions.
    pub const ALL: &'static [Self] = &[
        Self::Isolate,
        Self::Release,
        Self::CloseOut,
        Self::LiftHold,
        Self::NetworkAcl,
        Self::LowerMinimum,
        Self::WaiveLock,
        Self::Terminate,
    ];

    /// The action as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Isolate => "Isolate",
            Self::Release => "Release",
            Self::CloseOut => "CloseOut",
            Self::LiftHold => "LiftHold",
            Self::NetworkAcl => "NetworkAcl",
            Self::LowerMinimum => "LowerMinimum",
            Self::WaiveLock => "WaiveLock",
            Self::Terminate => "Terminate",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Decision {
    /// Go on.
    Approve,
    /// Do not; a later Approve of the same plan by another person does not undo it.
    Deny,
}

/// Whether the Approval counts. Written by the controller alone.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// `Accepted`: it counts. `Rejected`: it does not, and never will. `Stale`: the plan it speaks of is no longer the
    /// plan. Absent until the controller has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ApprovalState>,
    /// Why, as one word in CamelCase.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The `metadata.generation` that this status speaks of; -1 until the controller has looked at the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
}

/// Whether an Approval counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ApprovalState {
    /// It counts.
    Accepted,
    /// It does not, and never will.
    Rejected,
    /// The plan it speaks of is no longer the plan.
    Stale,
}

/// Which actions wait for a person, and for how many.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalRules {
    /// Actions that wait for an approval although they need not: only `Isolate` can be listed, since all others always
    /// wait. Default: none, isolation waits for nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1), extend("x-kubernetes-validations" = rules::all(&[rules::only_isolate()])))]
    pub required: Vec<Action>,

    /// How many people must approve, by action. Default: one each; two where a service account asked.
    pub approvers: ApproverCounts,
}

impl ApprovalRules {
    /// Whether this action waits for a person in this account.
    #[must_use]
    pub fn requires(&self, action: Action) -> bool {
        action != Action::Isolate || self.required.contains(&action)
    }
}

/// How many people must approve, by action. 1 to 5 each.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ApproverCounts {
    /// People who must approve isolation, where it waits at all. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub isolate: u8,
    /// People who must approve a release. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub release: u8,
    /// People who must approve the close-out of a case. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub close_out: u8,
    /// People who must approve the lifting of a legal hold. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub lift_hold: u8,
    /// People who must approve a change of a network ACL. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub network_acl: u8,
    /// People who must approve a lower minimum of an Auto Scaling group. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub lower_minimum: u8,
    /// People who must approve going on without a lock. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub waive_lock: u8,
    /// People who must approve a termination. 1 to 5. Default: 1.
    #[schemars(range(min = 1, max = 5))]
    pub terminate: u8,
}

impl Default for ApproverCounts {
    fn default() -> Self {
        Self {
            isolate: 1,
            release: 1,
            close_out: 1,
            lift_hold: 1,
            network_acl: 1,
            lower_minimum: 1,
            waive_lock: 1,
            terminate: 1,
        }
    }
}

impl ApproverCounts {
    /// How many people must approve this action, where a person asked for it.
    #[must_use]
    pub const fn of(&self, action: Action) -> u8 {
        match action {
            Action::Isolate => self.isolate,
            Action::Release => self.release,
            Action::CloseOut => self.close_out,
            Action::LiftHold => self.lift_hold,
            Action::NetworkAcl => self.network_acl,
            Action::LowerMinimum => self.lower_minimum,
            Action::WaiveLock => self.waive_lock,
            Action::Terminate => self.terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_written_as_serde_writes_them() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        for kind in [SubjectKind::Quarantine, SubjectKind::ForensicCase, SubjectKind::EvidenceSnapshot] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
