//! InstanceHold: who holds an instance.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::custody_record::ObjectRef;
use super::ids::{AccountId, InstanceId, RegionName};
use super::rules;

/// Who holds an instance. Named `<account>-<region>-<instance id>` and create-only, so that there is one holder.
///
/// Written by the controller alone. Removed when the Quarantine that holds the instance is released.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, Hash, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "sequester.dev",
    version = "v1alpha1",
    kind = "InstanceHold",
    shortname = "hold",
    shortname = "holds",
    category = "forensics",
    derive = "PartialEq",
    doc = "Who holds an instance: one holder for each. Written by the controller alone, removed when the Quarantine is released.",
    selectable = ".spec.accountId",
    selectable = ".spec.region",
    selectable = ".spec.instanceId",
    validation = rules::hold_name(),
    printcolumn(name = "INSTANCE", type_ = "string", json_path = ".spec.instanceId"),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".spec.accountId"),
    printcolumn(name = "REGION", type_ = "string", json_path = ".spec.region"),
    printcolumn(name = "NAMESPACE", type_ = "string", json_path = ".spec.holder.namespace"),
    printcolumn(name = "HOLDER", type_ = "string", json_path = ".spec.holder.name"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = rules::immutable("spec", "a hold is made and removed, never changed"))]
#[serde(rename_all = "camelCase")]
pub struct InstanceHoldSpec {
    /// The 12 digits of the AWS account.
    pub account_id: AccountId,
    /// The Region.
    pub region: RegionName,
    /// The instance.
    pub instance_id: InstanceId,
    /// The Quarantine that holds it.
    pub holder: ObjectRef,
}
