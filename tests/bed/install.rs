//! What `install` has applied is in force when it returns: nobody has to wait or try again.

use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::install::{apply, install};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, ObjectMeta, PostParams};
use serde_json::json;

/// About a kind that is there already: the first write to a new one takes two seconds, and most policies less.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-lemons}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE]}
  validations:
    - {expression: object.metadata.name != 'lemon', message: no lemons here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-lemons}
spec: {policyName: no-lemons, validationActions: [Deny]}
---
"#;

const KIND: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fruits.bed.sequester.dev}
spec:
  group: bed.sequester.dev
  scope: Cluster
  names: {kind: Fruit, plural: fruits}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {name: {type: string}}}
";

#[tokio::test]
async fn what_is_installed_is_in_force_at_once() {
    let bed = Bed::shared().await;
    let client = bed.control_plane.client(Identity::Admin).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &bed.namespace("install").await);
    let folder = tempfile::tempdir().expect("make a folder");
    std::fs::write(folder.path().join("a-policy.yaml"), POLICY).expect("write the policy");
    std::fs::write(folder.path().join("b-kind.yaml"), KIND).expect("write the kind");
    std::fs::write(folder.path().join("README.md"), "not YAML: {").expect("write what is no manifest");

    install(&client, folder.path()).await;

    let metadata = ObjectMeta { name: Some("lemon".into()), ..ObjectMeta::default() };
    let lemon = ConfigMap { metadata, ..ConfigMap::default() };
    let error = maps.create(&PostParams::default(), &lemon).await.expect_err("the policy is enforced");
    assert!(error.to_string().contains("no lemons here"), "{error}");
    let fruits: Api<DynamicObject> = Api::all_with(client.clone(), &fruit());
    let made = fruits.create(&PostParams::default(), &pear()).await;
    made.expect("the kind is served");

    // Again, as a second run on a bed that was left up would.
    install(&client, folder.path()).await;
    let changed = json!({"apiVersion": "bed.sequester.dev/v1", "kind": "Fruit", "metadata": {"name": "pear"},
        "spec": {"name": "quince"}});
    assert_eq!(apply(&client, &changed).await.data["spec"]["name"], "quince");
}

fn fruit() -> ApiResource {
    ApiResource {
        group: "bed.sequester.dev".into(),
        version: "v1".into(),
        api_version: "bed.sequester.dev/v1".into(),
        kind: "Fruit".into(),
        plural: "fruits".into(),
    }
}

fn pear() -> DynamicObject {
    DynamicObject::new("pear", &fruit()).data(json!({"spec": {"name": "pear"}}))
}
