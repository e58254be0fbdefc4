//! `make demo`: a whole case on a real API server and an AWS emulator, told step by step. What it shows after a `$` is
//! what it runs, and works as well in the shell of somebody who goes on by hand.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a demo that can't go on says why")]
#![allow(clippy::print_stdout, reason = "telling is what it is for")]

#[path = "../support/mod.rs"]
mod support;

mod custody;
mod left;
mod scene;
mod tell;
mod watch;

use serde_json::json;
use support::identities::Identity;
use support::install;
use support::stage::Stage;
use tell::{Clock, chapter, code, note, run_as};

const CASE: &str = "compromised-web-server";
const NAMESPACE: &str = "incident-response";

fn main() {
    let keep = std::env::var_os("KEEP").is_some_and(|keep| keep == "1");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("start a runtime");
    runtime.block_on(demo(keep));
}

async fn demo(keep: bool) {
    let clock = Clock::start();
    let (stage, controller) = prepare(&clock).await;

    chapter("2", "The world before anybody acts");
    let scene = scene::Scene::build(&stage).await;
    scene.describe();
    let before = scene.inventory(&stage, "before");

    chapter("3", "alice applies the case");
    scene.declare_accounts(&stage).await;
    note("examples/compromised-web-server.yaml, with this world's instance in it:");
    code(&scene.manifest());
    run_as(&stage, Identity::Alice, &scene.apply()).await.succeeded();
    let case =
        stage.until_condition("ForensicCase", CASE, "PlanReady", |found| found["reason"] == "AwaitingApproval").await;
    note("The controller publishes what it will do, to which host, and what it touches beside it:");
    for line in case["status"]["plan"]["lines"].as_array().into_iter().flatten() {
        println!("    - {}", line.as_str().unwrap_or_default());
    }
    println!("    hash {}", case["status"]["plan"]["hash"].as_str().unwrap_or_default());

    chapter("4", "Nobody waits for a signature to keep evidence");
    let seen = watch::until_evidence(&stage, &scene).await;
    note("Isolation waits for an Approval. The plan comes with a line that makes one. alice, who asked, runs it:");
    let approve = format!("kubectl get fcase {CASE} -n {NAMESPACE} -o jsonpath='{{.status.plan.approveWith}}' | sh");
    let refused = run_as(&stage, Identity::Alice, &approve).await;
    refused.refused("a second person must approve");
    note("bob runs it:");
    run_as(&stage, Identity::Bob, &approve).await.succeeded();
    watch::until_accepted(&stage).await;

    chapter("5", "Progress, as kubectl shows it");
    watch::until_ready(&stage, seen).await;
    watch::clocks(&stage).await;
    watch::survivors(&stage, &scene).await;

    chapter("6", "Before and after, read by another client from the emulator, as AWS would be read");
    let after = scene.inventory(&stage, "after");
    scene::compare(&stage, &before, &after);

    chapter("7", "The chain of custody, checked link by link");
    custody::timeline(&stage, &scene).await;

    println!("\nThe whole took {} s.", clock.seconds());
    if keep {
        left::up(&stage, &scene);
        let (_stage, _controller) = (stage, controller);
        tell::until_ended().await;
    }
}

async fn prepare(clock: &Clock) -> (Stage, support::process::Process) {
    let bed = support::bed::Bed::shared().await;
    clock.tick("a real API server and an AWS emulator answer; kinds, roles and admission policies are installed");
    let admin = bed.control_plane.client(Identity::Admin).await;
    install::apply(&admin, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await;
    let ids = ["111122223333", "444455556666", "999988887777"].map(ToOwned::to_owned);
    let names = ["workload", "forensics"].map(ToOwned::to_owned);
    let stage = Stage::set(bed, NAMESPACE.to_owned(), names, env!("CARGO_BIN_EXE_sequester"), &ids).await;
    // alice may approve in general: what stops her here is that she asked.
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "alice-approves", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sequester-approver"},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    install::apply(&admin, &binding).await;
    bed.emulator.settings(&json!({"account": "111122223333", "snapshot_seconds": 3.0})).await;
    let controller = stage.controller("demo").await;
    clock.tick("the controller holds its lease and works");
    (stage, controller)
}
