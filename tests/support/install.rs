//! Applies the project's manifests to the bed's API server and waits until they are in force.

use super::wait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Applies every YAML file of a folder server-side, definitions of resources first, and returns when the new resources
/// are served and the policies are enforced.
pub async fn install(client: &Client, folder: &Path) {
    let documents = read(folder);
    let (definitions, rest): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| document["kind"] == "CustomResourceDefinition");
    for definition in &definitions {
        apply(client, definition).await;
    }
    for definition in &definitions {
        served(client, definition).await;
    }
    for document in &rest {
        apply(client, document).await;
    }
    if rest.iter().any(|document| document["kind"] == "ValidatingAdmissionPolicyBinding") {
        policies_enforced(client).await;
    }
}

/// The documents of every YAML file of a folder, by file name.
pub fn read(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("read {}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry of the folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
    files.sort();
    files.iter().flat_map(|file| documents(file)).collect()
}

/// The documents of one YAML file; empty ones are left out.
pub fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Applies one object server-side, as `kubectl apply --server-side --force-conflicts` does.
pub async fn apply(client: &Client, document: &Value) -> DynamicObject {
    let object: DynamicObject = serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("no Kubernetes object: {error}: {document}"));
    let name = object.name_any();
    let api = api_of(client, &object).await;
    let parameters = PatchParams::apply("bed").force();
    let applied = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
    applied.unwrap_or_else(|error| panic!("apply {} {name}: {error}", document["kind"]))
}

async fn api_of(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.clone().expect("apiVersion and kind");
    let kind = GroupVersionKind::try_from(types).expect("a group, a version and a kind");
    let (resource, capabilities) = discovery::pinned_kind(client, &kind)
        .await
        .unwrap_or_else(|error| panic!("the API server does not serve {}: {error}", kind.kind));
    match (&capabilities.scope, &object.metadata.namespace) {
        (Scope::Namespaced, Some(namespace)) => Api::namespaced_with(client.clone(), namespace, &resource),
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    }
}

/// Waits until every version of a defined resource can be listed: `Established` comes a little before that.
async fn served(client: &Client, definition: &Value) {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().expect("a definition names its parts").to_owned();
    let (group, plural, kind) = (text(&spec["group"]), text(&spec["names"]["plural"]), text(&spec["names"]["kind"]));
    let definitions = definitions(client);
    let name = format!("{plural}.{group}");
    wait::until(&format!("established {name}"), LIMIT, async || {
        let found = definitions.get(&name).await.map_err(|error| error.to_string())?;
        let conditions = found.data["status"]["conditions"].clone();
        let is_established = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
        let established = conditions.as_array().is_some_and(|all| all.iter().any(is_established));
        if established { Ok(()) } else { Err(conditions.to_string()) }
    })
    .await;
    for version in spec["versions"].as_array().expect("a definition has versions") {
        let version = text(&version["name"]);
        let resource = ApiResource {
            api_version: format!("{group}/{version}"),
            group: group.clone(),
            version,
            kind: kind.clone(),
            plural: plural.clone(),
        };
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        wait::until(&format!("{name} to list"), LIMIT, async || {
            // From the watch cache, which comes last.
            let some = kube::api::ListParams::default().limit(1).match_any();
            all.list(&some).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
}

fn definitions(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

/// Waits until all policies applied so far are enforced. The API server takes them up in the order in which they were
/// written, so a policy of our own comes after them, and is probed in dry-run until it refuses.
pub async fn policies_enforced(client: &Client) {
    let name = format!("bed-probe-{:08x}", fastrand::u32(..));
    let (api, refusal) = ("admissionregistration.k8s.io/v1", format!("{name} is enforced"));
    apply(
        client,
        &json!({"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}]},
            "validations": [{"expression": format!("object.metadata.name != '{name}'"), "message": refusal}]}}),
    )
    .await;
    apply(
        client,
        &json!({"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]}}),
    )
    .await;
    let probe = ConfigMap {
        metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    wait::until("enforced policies", LIMIT, async || match maps.create(&dry_run, &probe).await {
        Ok(_) => Err("the probe was accepted".into()),
        Err(error) if error.to_string().contains(&refusal) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .await;
    for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let policies: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let deleted = policies.delete(&name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("delete the probe {name}: {error}"));
    }
}
