//! Two controllers, one lease: one works at a time, and who was away too long does nothing more.

use crate::chain::Chain;
use crate::scene::{CLOSED, Scene};
use crate::support::process::Process;
use crate::support::proxy::{Call, Fault, When};
use crate::support::stage::{LIMIT, uid};
use std::collections::BTreeSet;

async fn writers(scene: &Scene) -> Vec<String> {
    let chain = Chain::read(scene, &uid(&scene.get("Quarantine", "web").await)).await;
    chain.links.iter().map(|link| link.body["writer"]["identity"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The second of two, which waits.
async fn waiting(scene: &Scene, identity: &str) -> (Process, String) {
    let (process, url) = scene.start_controller(identity, &[]).await;
    process.wait_for_log("waits for the lease", LIMIT).await;
    (process, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_works_and_the_other_takes_over_when_it_dies() {
    let scene = Scene::new("replicas").await;
    let one = scene.controller("one").await;
    let (two, url) = waiting(&scene, "two").await;
    scene.declare("web", "Isolated").await;
    scene.until_settled("web").await;
    assert!(writers(&scene).await.iter().all(|writer| writer == "one"));
    assert!(two.exited().is_none() && !two.log().contains("works"), "{}", two.log());

    one.kill();
    scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
    two.wait_ready(&url, LIMIT).await;
    scene.until_groups(CLOSED).await;
    scene.until_outcomes(&[uid(&scene.get("Quarantine", "web").await)]).await;
    assert_eq!(writers(&scene).await.last().map(String::as_str), Some("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_asked_to_end_hands_over_at_once() {
    let scene = Scene::new("handover").await;
    let one = scene.controller("one").await;
    let (two, url) = waiting(&scene, "two").await;
    one.terminate();
    assert!(one.wait_exit(LIMIT).await.success(), "{}", one.log());
    two.wait_ready(&url, LIMIT).await;
}

fn keys(calls: &[Call]) -> BTreeSet<String> {
    calls.iter().filter(|call| call.service != "sts").map(|call| call.principal.access_key.clone()).collect()
}

/// The one is stopped while a change of its own is on the wire, and comes back when the other has done all.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_stopped_past_its_lease_does_nothing_more() {
    let scene = Scene::new("zombie").await;
    // Each replica has a session, and so an access key, of its own.
    let held = scene.proxy.rule(When::operation("CreateSecurityGroup").once(), Fault::HoldRequest);
    let kubernetes = scene.bed.kubernetes_proxy().await;
    let token = scene.bed.control_plane.service_account_token("sequester-system", "sequester").await;
    let kubeconfig = scene.bed.control_plane.kubeconfig_through(&kubernetes.url(), &scene.namespace, &token);
    let (one, url) = scene.start_with("one", &kubeconfig, &[]);
    one.wait_ready(&url, LIMIT).await;
    scene.declare("web", "Isolated").await;
    held.wait_held(1, LIMIT).await;
    one.pause().await;
    let of_one = keys(&scene.proxy.calls());

    let (two, url) = waiting(&scene, "two").await;
    two.wait_ready(&url, LIMIT).await;
    scene.until_settled("web").await;
    let of_two: BTreeSet<String> = keys(&scene.proxy.calls()).difference(&of_one).cloned().collect();
    assert!(!of_two.is_empty());
    let (calls, writes) = (scene.proxy.calls().len(), kubernetes.mutations().len());

    held.release();
    one.unpause();
    let ended = one.wait_exit(LIMIT).await;
    assert!(!ended.success(), "{}", one.log());
    assert!(one.log().contains("the lease was lost"), "{}", one.log());
    let after: Vec<Call> = scene.proxy.calls().split_off(calls);
    let strangers: Vec<&Call> =
        after.iter().filter(|call| call.mutates && !of_two.contains(&call.principal.access_key)).collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
    let writes: Vec<String> = kubernetes.mutations().split_off(writes).into_iter().map(|call| call.operation).collect();
    assert!(writes.iter().all(|operation| operation.contains("lease")), "{writes:?}");
    scene.until_groups(CLOSED).await;
    assert!(two.exited().is_none());
}
