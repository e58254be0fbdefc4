//! RBAC: what the controller needs, and the roles to bind people to.
//!
//! RBAC says who may speak; [`policies`](super::policies) says what they may say. People are bound by the cluster's
//! owner, in the namespaces that an AwsAccount allows; only the controller's own binding is made here.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::GROUP;
use super::approval::Action;
use super::policies::PolicyConfig;

const READ: &[&str] = &["get", "list", "watch"];

/// All RBAC objects, as JSON in the order in which they are applied.
///
/// # Errors
/// None that can occur with these types: serializing them does not fail.
pub fn all(config: &PolicyConfig) -> Result<Vec<Value>, serde_json::Error> {
    let mut objects = Vec::new();
    if let Some((namespace, name)) = config.service_account() {
        let metadata = ObjectMeta { name: Some(namespace.into()), ..ObjectMeta::default() };
        objects.push(serde_json::to_value(Namespace { metadata, ..Namespace::default() })?);
        let metadata = named_in(namespace, name);
        objects.push(serde_json::to_value(ServiceAccount { metadata, ..ServiceAccount::default() })?);
        objects.push(serde_json::to_value(Role {
            metadata: named_in(namespace, "sequester-controller"),
            rules: Some(vec![rule("coordination.k8s.io", &["leases"], &["get", "create", "update", "patch"])]),
        })?);
        objects.push(serde_json::to_value(RoleBinding {
            metadata: named_in(namespace, "sequester-controller"),
            role_ref: role_ref("Role"),
            subjects: Some(vec![subject(config)]),
        })?);
    }
    for role in [controller(), requester(), approver(), break_glass(), directory(), viewer()] {
        objects.push(serde_json::to_value(role)?);
    }
    objects.push(serde_json::to_value(ClusterRoleBinding {
        metadata: ObjectMeta { name: Some("sequester-controller".into()), ..ObjectMeta::default() },
        role_ref: role_ref("ClusterRole"),
        subjects: Some(vec![subject(config)]),
    })?);
    Ok(objects)
}

/// What the controller does in Kubernetes, and no more: no pods, no secrets, no wildcard.
fn controller() -> ClusterRole {
    let held = ["awsaccounts", "forensiccases", "quarantines", "evidencesnapshots"];
    cluster_role(
        "sequester-controller",
        "The controller.",
        vec![
            rule(GROUP, &held, READ),
            // Finalizers.
            rule(GROUP, &held, &["update", "patch"]),
            // The children of a case.
            rule(GROUP, &["quarantines", "evidencesnapshots"], &["create"]),
            rule(
                GROUP,
                &[
                    "awsaccounts/status",
                    "forensiccases/status",
                    "quarantines/status",
                    "evidencesnapshots/status",
                    "approvals/status",
                ],
                &["get", "update", "patch"],
            ),
            // To create: only the forged Approval, in dry-run, that must be refused.
            rule(GROUP, &["approvals"], &["get", "list", "watch", "create"]),
            rule(GROUP, &["custodyrecords"], &["get", "list", "create"]),
            rule(GROUP, &["instanceholds"], &["get", "list", "watch", "create", "update", "patch", "delete"]),
            rule("events.k8s.io", &["events"], &["create", "patch"]),
            // Which host it runs on itself: that one it does not cut off.
            rule("", &["nodes"], &["list", "watch"]),
            // Whether the admission policies are those that are shipped.
            rule(
                "admissionregistration.k8s.io",
                &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
                &["list"],
            ),
        ],
    )
}

fn requester() -> ClusterRole {
    cluster_role(
        "sequester-requester",
        "Opens cases, contains hosts, keeps evidence. Bind it in a namespace.",
        vec![
            rule(GROUP, &["forensiccases", "quarantines", "evidencesnapshots"], READ),
            // What of them is held cannot be deleted, whatever this role says.
            rule(
                GROUP,
                &["forensiccases", "quarantines", "evidencesnapshots"],
                &["create", "update", "patch", "delete"],
            ),
            rule(GROUP, &["approvals", "custodyrecords"], READ),
        ],
    )
}

fn approver() -> ClusterRole {
    cluster_role(
        "sequester-approver",
        "Approves or denies plans. Bind it in a namespace.",
        vec![
            rule(GROUP, &["forensiccases", "quarantines", "evidencesnapshots", "custodyrecords"], READ),
            rule(GROUP, &["approvals"], &["get", "list", "watch", "create", "delete"]),
            actions("approve"),
        ],
    )
}

fn break_glass() -> ClusterRole {
    cluster_role(
        "sequester-break-glass",
        "Approves alone, loudly. Bind it in a namespace, to few.",
        vec![
            rule(GROUP, &["forensiccases", "quarantines", "evidencesnapshots", "custodyrecords"], READ),
            rule(GROUP, &["approvals"], &["get", "list", "watch", "create", "delete"]),
            actions("breakglass"),
        ],
    )
}

/// Requester and approver are bound in a namespace, where nothing cluster-scoped can be granted.
fn directory() -> ClusterRole {
    cluster_role(
        "sequester-directory",
        "Reads which accounts there are and which hosts are held. Bind it in the whole cluster, to requesters and approvers.",
        vec![rule(GROUP, &["awsaccounts", "instanceholds"], READ)],
    )
}

fn viewer() -> ClusterRole {
    cluster_role(
        "sequester-viewer",
        "Reads everything, chains of custody included: for auditors.",
        vec![rule(
            GROUP,
            &[
                "awsaccounts",
                "forensiccases",
                "quarantines",
                "evidencesnapshots",
                "approvals",
                "custodyrecords",
                "instanceholds",
            ],
            READ,
        )],
    )
}

/// A verb on the resource that exists for RBAC alone: `actions/isolate`, `actions/release` and so on.
fn actions(verb: &str) -> PolicyRule {
    let resources: Vec<String> =
        Action::ALL.iter().map(|action| format!("actions/{}", action.as_str().to_lowercase())).collect();
    rule(GROUP, &resources.iter().map(String::as_str).collect::<Vec<_>>(), &[verb])
}

fn cluster_role(name: &str, what: &str, rules: Vec<PolicyRule>) -> ClusterRole {
    ClusterRole {
        metadata: ObjectMeta {
            name: Some(name.into()),
            annotations: Some([(format!("{GROUP}/description"), what.to_owned())].into()),
            ..ObjectMeta::default()
        },
        rules: Some(rules),
        aggregation_rule: None,
    }
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: "sequester-controller".into() }
}

fn subject(config: &PolicyConfig) -> Subject {
    match config.service_account() {
        Some((namespace, name)) => Subject {
            kind: "ServiceAccount".into(),
            name: name.into(),
            namespace: Some(namespace.into()),
            api_group: None,
        },
        None => Subject {
            kind: "User".into(),
            name: config.controller.clone(),
            namespace: None,
            api_group: Some("rbac.authorization.k8s.io".into()),
        },
    }
}

fn named_in(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), namespace: Some(namespace.into()), ..ObjectMeta::default() }
}
