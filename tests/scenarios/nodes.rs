//! A controller does not cut off the host that it runs on itself.

use crate::scene::Scene;
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, Stage};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

/// A ready node, as the cloud provider of AWS would register it.
async fn node(stage: &Stage, name: &str, instance: &str) -> String {
    let name = format!("{}-{name}", stage.namespace);
    let nodes: Api<Node> = Api::all(stage.client(Identity::Admin).await);
    let node = json!({"metadata": {"name": name}, "spec": {"providerID": format!("aws:///eu-west-1a/{instance}")}});
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.expect("create a node");
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    nodes.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await.expect("make it ready");
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controllers_own_host_is_kept_and_cut_off_when_it_has_moved() {
    let scene = Scene::new("node").await;
    let own = node(&scene, "own", &scene.host.instance).await;
    let other = node(&scene, "other", "i-0ffffffffffffffff").await;
    let (first, ready) = scene.start_controller("one", &["--node-name", &own]).await;
    first.wait_ready(&ready, LIMIT).await;
    scene.declare("web", "Isolated").await;
    scene.until_true("Quarantine", "web", "Protected").await;
    let refused = scene.until_reason("Quarantine", "web", "Isolated", "RunsController").await;
    let conditions = refused["status"]["conditions"].to_string();
    assert!(conditions.contains(&format!("kubectl cordon {own}")), "{conditions}");
    let swaps =
        || scene.proxy.calls().iter().filter(|call| call.operation == "ModifyNetworkInterfaceAttribute").count();
    assert_eq!(swaps(), 0);

    drop(first);
    let (second, ready) = scene.start_controller("one", &["--node-name", &other]).await;
    second.wait_ready(&ready, LIMIT).await;
    scene.until_settled("web").await;
    assert!(swaps() > 0);
}
