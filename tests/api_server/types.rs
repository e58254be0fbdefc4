//! The policies mean what they say: the API server's own type check of their CEL finds nothing.

use crate::support::wait;
use crate::world::{ADMIN, World};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn every_policy_is_type_checked_and_clean() {
    let world = World::new().await;
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let checked = wait::until("type check of all policies", Duration::from_mins(1), async || {
        let list = world.send(ADMIN, "GET", path, None).await?;
        let ours: Vec<Value> =
            list["items"].as_array().into_iter().flatten().filter(|policy| is_ours(policy)).cloned().collect();
        let open: Vec<&Value> =
            ours.iter().filter(|p| p["status"]["observedGeneration"] != p["metadata"]["generation"]).collect();
        if open.is_empty() { Ok(ours.clone()) } else { Err(format!("{} are not checked", open.len())) }
    })
    .await;
    assert_eq!(checked.len(), 9);
    for policy in checked {
        let warnings = &policy["status"]["typeChecking"]["expressionWarnings"];
        assert!(warnings.is_null(), "{}: {warnings}", policy["metadata"]["name"]);
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    }
}

fn is_ours(policy: &Value) -> bool {
    policy["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("sequester-"))
}

#[tokio::test]
async fn every_definition_is_structural_and_established() {
    let world = World::new().await;
    let list = world.send(ADMIN, "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None).await.unwrap();
    let ours: Vec<&Value> =
        list["items"].as_array().unwrap().iter().filter(|c| c["spec"]["group"] == "sequester.dev").collect();
    assert_eq!(ours.len(), 7);
    for definition in ours {
        for condition in definition["status"]["conditions"].as_array().unwrap() {
            assert!(matches!(condition["type"].as_str(), Some("NamesAccepted" | "Established")), "{condition}");
            assert_eq!(condition["status"], "True", "{condition}");
        }
        let names = &definition["spec"]["names"];
        assert_eq!(names["categories"][0], "forensics", "{names}");
    }
}
