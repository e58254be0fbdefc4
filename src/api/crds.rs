//! The CustomResourceDefinitions as they are applied: what the derive makes, finished.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt;

use super::{Approval, AwsAccount, CustodyRecord, EvidenceSnapshot, ForensicCase, InstanceHold, Quarantine};

/// All CustomResourceDefinitions, in the order in which a reader meets them.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        AwsAccount::crd(),
        ForensicCase::crd(),
        Quarantine::crd(),
        EvidenceSnapshot::crd(),
        Approval::crd(),
        CustodyRecord::crd(),
        InstanceHold::crd(),
    ];
    for crd in &mut crds {
        for version in &mut crd.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
                finish(schema);
            }
        }
    }
    crds
}

fn finish(root: &mut JSONSchemaProps) {
    plain(root);
    let Some(status) = root.properties.as_mut().and_then(|p| p.get_mut("status")) else { return };
    // A status says what is; the API server must not make up parts of it. One exception: without observedGeneration
    // kstatus (Flux, Argo CD, `kubectl wait`) would call an object done that nobody has looked at.
    no_defaults(status);
    status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
}

/// Takes out what the derive says and Kubernetes does not want: `nullable`, which would make the API server keep nulls
/// and CEL see them, and formats of integers that it does not know (ranges say the same better). Line ends inside a
/// paragraph go as well, since `kubectl explain` keeps them.
fn plain(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(text) = &mut schema.description {
        *text = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
    }
    if let Some(format) = &schema.format
        && (format.starts_with("uint") || matches!(format.as_str(), "int8" | "int16"))
    {
        schema.format = Some("int64".into());
    }
    for_each_child(schema, plain);
}

fn no_defaults(schema: &mut JSONSchemaProps) {
    schema.default = None;
    for_each_child(schema, no_defaults);
}

fn for_each_child(schema: &mut JSONSchemaProps, act: fn(&mut JSONSchemaProps)) {
    if let Some(properties) = &mut schema.properties {
        properties.values_mut().for_each(act);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => act(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(act),
        None => {}
    }
}

#[cfg(test)]
#[path = "crds_tests.rs"]
mod tests;
