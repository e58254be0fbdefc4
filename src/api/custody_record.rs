//! CustodyRecord: one link of an object's chain of custody.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Digest;
use super::rules;

/// One link of an object's chain of custody: what was seen, decided, about to be done, and what came of it.
///
/// Written by the controller alone, before the effects it speaks of; never changed, never deleted. The name is
/// `<short kind>-<uid of the subject>-<index, 6 digits>`, so that the API server itself decides who wrote link n.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "CustodyRecord",
    namespaced,
    shortname = "custody",
    category = "forensics",
    derive = "PartialEq",
    doc = "One link of an object's chain of custody: what was seen, decided, about to be done, and what came of it. Written by the controller alone; never changed, never deleted.",
    selectable = ".spec.subject.uid",
    selectable = ".spec.subject.kind",
    validation = rules::custody_name(),
    printcolumn(name = "KIND", type_ = "string", json_path = ".spec.subject.kind"),
    printcolumn(name = "SUBJECT", type_ = "string", json_path = ".spec.subject.name"),
    printcolumn(name = "INDEX", type_ = "integer", json_path = ".spec.index"),
    printcolumn(name = "PREVIOUS", type_ = "string", json_path = ".spec.previous", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = rules::immutable("spec", "a record is never changed"))]
#[serde(rename_all = "camelCase")]
pub struct CustodyRecordSpec {
    /// Position in the chain of the subject, as in the name. 0 to 999999.
    #[schemars(range(max = 999_999))]
    pub index: u64,
    /// Digest of the previous record's body. Absent in the first record only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The object whose chain this is.
    pub subject: ObjectRef,
    /// The record: canonical JSON (RFC 8785), kept byte by byte, since its SHA-256 is what the next record links to.
    /// At most 65536 characters.
    #[schemars(length(min = 2, max = 65_536))]
    pub body: String,
}

/// An object of this group, named so that it cannot be mistaken for a later one of the same name.
#[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Its kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
    /// Its namespace; absent for a cluster-scoped kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME_PATTERN))]
    pub name: String,
    /// Its uid.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub uid: String,
}
