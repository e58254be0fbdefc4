//! Conditions: their types for each kind, and the closed list of reasons.
//!
//! A condition says one thing about one object, for people, for `kubectl wait` and for GitOps health checks. The order
//! in a status is Ready first, then the steps in the order of the table that runs them. `Reconciling` and `Stalled` are
//! present only while they are True, and never both.

use std::fmt;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The object is what its spec declares; `kubectl wait --for=condition=Ready` waits for this one.
pub const READY: &str = "Ready";
/// The controller is at work, or waits for AWS; nobody needs to act.
pub const RECONCILING: &str = "Reconciling";
/// Nothing will happen until a person acts; the reason says what is wrong.
pub const STALLED: &str = "Stalled";

/// Condition types of a Quarantine, one a step, in the order of its table.
pub const QUARANTINE: &[&str] = &[
    READY,
    "MetadataCaptured",
    "MinimumLowered",
    "ReplacementStopped",
    "Protected",
    "MemoryCaptured",
    "Detached",
    "Deregistered",
    "Isolated",
    "CredentialsCut",
    "FlowsCut",
];

/// Condition types of an EvidenceSnapshot. `Preserved` is True when a locked set and every declared, locked
/// copy exist, which `Ready` needs.
pub const EVIDENCE_SNAPSHOT: &[&str] =
    &[READY, "VolumesSnapshotted", "Locked", "Shared", "Copied", "Verified", "Preserved", "Archived", "HoldLifted"];

/// Condition types of a ForensicCase.
pub const FORENSIC_CASE: &[&str] =
    &[READY, "PlanReady", "Contained", "EvidencePreserved", "EvidenceVerified", "Analyzed", "Reported", "Closed"];

/// Condition types of an AwsAccount.
pub const AWS_ACCOUNT: &[&str] = &[
    READY,
    "IdentityVerified",
    "PermissionsReady",
    "PoliciesEnforced",
    "LoggingReady",
    "LogIntegrityReady",
    "ContactReady",
    "ImagesApproved",
];

/// Defines the reasons once: the enum, their spelling and the list of all of them.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// Why a condition is as it is. The list is closed: a reason that is not here does not exist.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        pub enum Reason { $($(#[$doc])+ $name,)+ }

        impl Reason {
            /// All reasons, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The reason as a condition carries it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

reasons! {
    // Good endings.
    /// The step is done and was seen to be done.
    Succeeded,
    /// The step needs nothing more; also an object whose every step is settled.
    Settled,
    /// The level was given up by an approved release, and what still had our value was restored.
    Released,
    /// The declared level does not ask for this step.
    NotDeclared,
    /// The step has nothing to act on: no load balancer, no other interface, no volume.
    NothingToDo,
    /// A later version brings this step; nothing waits for it.
    NotBuilt,

    // On the way.
    /// A call was sent, or several; the outcome is awaited.
    InProgress,
    /// Another step or another object has to be settled first, or a day has to come; the message names it.
    Waiting,
    /// AWS reported that it could not move a snapshot to the archive tier; it is where it was, and asked for again each day.
    ArchivalFailed,
    /// The plan is published and waits for a person's Approval.
    AwaitingApproval,
    /// AWS is still making the snapshot.
    SnapshotPending,
    /// The grant or key policy that the other account needs does not stand yet.
    KeyAccessPending,
    /// AWS asked to slow down; retried with a growing delay.
    Throttled,
    /// AWS did not answer, or answered with an error of its own; retried with a growing delay.
    AwsUnavailable,
    /// The request may have been applied, and no answer came; looked up before it is sent again.
    OutcomeUnknown,
    /// The object is newer than the last look at it.
    NotObserved,

    // A person has to act.
    /// No instance of this id is in the account and Region.
    InstanceNotFound,
    /// No snapshot of this id is in the account and Region, or shared with it.
    SnapshotNotFound,
    /// The instance is terminated, or was terminated while it was held.
    InstanceTerminated,
    /// The instance, or the credentials, belong to another account than the one declared.
    WrongAccount,
    /// A snapshot shows a volume that is not attached to the instance which it is said to be of; the message names both.
    WrongInstance,
    /// The AwsAccount does not list the Region.
    RegionNotAllowed,
    /// The AwsAccount does not list the namespace; new work and escalation are refused, enforcement and release go on.
    NamespaceNotAllowed,
    /// No AwsAccount has the name in `accountRef`.
    AccountNotFound,
    /// STS refused to let the controller assume the role.
    RoleNotAssumable,
    /// STS says that the credentials are those of another account or role than declared.
    IdentityMismatch,
    /// An IAM action is missing, or the tag without which a role may touch no snapshot; the message names it.
    PermissionMissing,
    /// Another Quarantine holds the instance, or another object keeps the snapshot.
    HeldElsewhere,
    /// AWS shows our groups on the instance, and no chain of this installation knows about it.
    ForeignHold,
    /// The custody chain has a gap, a link that does not fit, or a body that cannot be read.
    CustodyChainBroken,
    /// A forged Approval was not refused: the admission policies are missing or not enforced, so no Approval counts.
    PoliciesNotEnforced,
    /// The request cannot be carried out as it stands; the message names the field.
    InvalidRequest,
    /// AWS refuses because something else exists or is under way; the message names it.
    Conflict,
    /// A person answered the plan with Deny.
    Denied,
    /// A limit of the AWS account is reached; the message names it.
    QuotaExceeded,
    /// The Auto Scaling group is at its minimum size, so that its desired capacity can't be lowered; the message names
    /// group, size and the field to change.
    AtMinimumSize,
    /// The Auto Scaling group has no room under its maximum size to take the instance back; the message names both.
    AtMaximumSize,
    /// The controller runs on this host, or no other node of its cluster could run it: it must be moved before the host is
    /// cut off.
    RunsController,
    /// The Auto Scaling group is terminating the instance already, and no call takes that back.
    TerminatingInGroup,

    /// A lock ends soon that a hold or a retention needs, and it is not renewed; the message names the snapshot, the day and
    /// why.
    LockEnding,
    /// A snapshot is in the archive tier, and what is declared needs it in the standard tier; the message names it.
    Archived,
    /// A key can't be used for a copy: it is of another account or Region than the copy, disabled, or gone; the message
    /// names it.
    KeyUnusable,

    // Settled, with less than was wished for.
    /// Encrypted under the default aws/ebs key, which cannot be shared; a re-encrypting copy is needed.
    DefaultKey,
    /// Some parts succeeded and some did not; the message and the parts in the status name them.
    PartialFailure,
    /// Bytes of a snapshot are not those that they are said to be: the service's checksum of a block, or the digest of the
    /// source, is another one. The message and the chain have both values. Nothing is deleted.
    Contradicted,
    /// A snapshot's bytes can't be read, so that they can't be verified; the message says why.
    Unreadable,
    /// AWS reported that the snapshot failed; the message names the volume.
    SnapshotFailed,
    /// Not covered by what was done: an instance store, a volume that was excluded, a flow that survives.
    NotCovered,
    /// The evidence account, or its Region, is not among the AwsAccount's destinations.
    DestinationNotAllowed,
    /// A deadline passed and the work went on without it.
    DeadlinePassed,
    /// Only flow logs show whether traffic still flows, and this version does not read them: what may carry it is listed.
    FlowLogsNotRead,
}

impl Reason {
    /// Whether AWS is to blame and nobody needs to act: the same question may be answered the next time.
    #[must_use]
    pub const fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Throttled | Self::AwsUnavailable)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for Reason {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// The schema of a list of conditions: a map by type, bounded, since an unbounded status grows until etcd refuses it.
#[must_use]
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "What is so now, by type: Ready first, then one condition a step. Reconciling and Stalled are present only while True, never both.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "One aspect of the state of this object.",
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": {
                    "description": "Name of the aspect, in CamelCase.",
                    "type": "string", "maxLength": 64, "pattern": "^[A-Z][A-Za-z0-9]*$",
                },
                "status": {
                    "description": "True, False or Unknown.",
                    "type": "string", "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "description": "Why, as one word in CamelCase from a closed list.",
                    "type": "string", "maxLength": 64, "pattern": "^[A-Z][A-Za-z0-9]*$",
                },
                "message": {
                    "description": "Why, in words. Carries no request id, time or session name.",
                    "type": "string", "maxLength": 1024,
                },
                "lastTransitionTime": {
                    "description": "When the status last changed, RFC 3339, in whole seconds.",
                    "type": "string", "maxLength": 40, "pattern": super::rules::TIME_PATTERN,
                },
                "observedGeneration": {
                    "description": "The metadata.generation that this was said about.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_camel_case_and_distinct() {
        let mut seen = std::collections::BTreeSet::new();
        for reason in Reason::ALL {
            assert!(reason.as_str().starts_with(|c: char| c.is_ascii_uppercase()));
            assert!(seen.insert(reason.as_str()), "{reason} twice");
        }
        assert_eq!(Reason::AwaitingApproval.to_string(), "AwaitingApproval");
        assert_eq!(serde_json::to_value(Reason::AwaitingApproval).unwrap(), "AwaitingApproval");
    }

    #[test]
    fn no_kind_has_more_conditions_than_fit() {
        for types in [QUARANTINE, EVIDENCE_SNAPSHOT, FORENSIC_CASE, AWS_ACCOUNT] {
            // Two more for Reconciling and Stalled.
            assert!(types.len() + 2 <= 16);
            assert_eq!(types[0], READY);
        }
    }
}
