//! What may be declared: the custom resources, as data.
//!
//! One file a kind. Nothing here decides, waits or calls: the playbook reads these types, the shell writes the statuses.
//! Every public field's comment becomes the schema's description, and so `kubectl explain` is the manual.
//!
//! What a schema cannot say stands in two other places: CEL rules beside the fields (what may change into what), and
//! [`policies`] (who may do it).

#![allow(unreachable_pub, reason = "KubeSchema repeats public structs inside functions")]
#![allow(clippy::duplicated_attributes, reason = "each printer column says its type")]

pub mod approval;
pub mod auto_scaling;
pub mod aws_account;
pub mod conditions;
pub mod copies;
pub mod crds;
pub mod credentials;
pub mod custody_record;
pub mod evidence_snapshot;
pub mod evidence_source;
pub mod exhibits;
pub mod forensic_case;
pub mod ids;
pub mod instance_hold;
pub mod manifests;
pub mod policies;
pub mod quarantine;
pub mod roles;
pub mod rules;

pub use approval::{Action, Approval, Decision};
pub use aws_account::AwsAccount;
pub use custody_record::CustodyRecord;
pub use evidence_snapshot::EvidenceSnapshot;
pub use forensic_case::ForensicCase;
pub use instance_hold::InstanceHold;
pub use quarantine::Quarantine;

/// The API group of all kinds.
pub const GROUP: &str = "sequester.dev";
/// The version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// The finalizer of an object that holds something: a host, evidence, a link of the chain, an account in use.
/// While it is there the object cannot be deleted, and only the controller removes it.
pub const FINALIZER: &str = "sequester.dev/held";
/// Label of what a case made: the name of the case.
pub const CASE_LABEL: &str = "sequester.dev/case";
/// Label of what a case made: the uid of the case, since a name can be used again.
pub const CASE_UID_LABEL: &str = "sequester.dev/case-uid";
