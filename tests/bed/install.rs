//! What `install` has applied is in force when it returns: nobody has to wait or try again.

use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::install::{apply, install};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::json;

/// The policy comes before the kind that it is about, and in the same file as its binding.
const POLICY: &str = r"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-lemons}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [bed.sequester.dev], apiVersions: [v1], resources: [fruits], operations: [CREATE]}
  validations:
    - {expression: object.spec.name != 'lemon', message: no lemons here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-lemons}
spec: {policyName: no-lemons, validationActions: [Deny]}
---
";

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
    let folder = tempfile::tempdir().expect("make a folder");
    std::fs::write(folder.path().join("a-policy.yaml"), POLICY).expect("write the policy");
    std::fs::write(folder.path().join("b-kind.yaml"), KIND).expect("write the kind");
    std::fs::write(folder.path().join("README.md"), "not YAML: {").expect("write what is no manifest");

    install(&client, folder.path()).await;

    let fruits: Api<DynamicObject> = Api::all_with(client.clone(), &fruit());
    let made = fruits.create(&PostParams::default(), &object("pear")).await;
    made.expect("the kind is served");
    let error = fruits.create(&PostParams::default(), &object("lemon")).await.expect_err("the policy is enforced");
    assert!(error.to_string().contains("no lemons here"), "{error}");

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

fn object(name: &str) -> DynamicObject {
    DynamicObject::new(name, &fruit()).data(json!({"spec": {"name": name}}))
}
