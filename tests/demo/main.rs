//! `make demo`: a whole case on a real API server and an AWS emulator, told step by step.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a demo that can't go on says why")]
#![allow(clippy::print_stdout, reason = "telling is what it is for")]

#[path = "../support/mod.rs"]
mod support;

mod custody;
mod scene;
mod tell;
mod watch;

use serde_json::json;
use support::identities::Identity;
use support::install;
use support::stage::Stage;
use tell::{Clock, chapter, code, note};

const CASE: &str = "compromised-web-server";
const NAMESPACE: &str = "incident-response";

fn main() {
    let keep = std::env::var_os("KEEP").is_some_and(|keep| keep == "1");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("start a runtime");
    runtime.block_on(run(keep));
}

async fn run(keep: bool) {
    let clock = Clock::start();
    chapter("1", "Prepare");
    let (stage, controller) = prepare(&clock).await;

    chapter("2", "The world before the incident");
    let scene = scene::Scene::build(&stage).await;
    scene.describe();
    let before = scene.inventory(&stage, "before").await;

    chapter("3", "alice applies the case");
    scene.declare_accounts(&stage).await;
    let manifest = scene.manifest();
    code(&manifest);
    let applied = stage.kubectl_stdin(Identity::Alice, &["apply", "-f", "-"], &manifest).await;
    tell::output("alice", "kubectl apply -f examples/compromised-web-server.yaml", &applied);
    let case =
        stage.until_condition("ForensicCase", CASE, "PlanReady", |found| found["reason"] == "AwaitingApproval").await;
    note("The controller publishes what it will do, to which host, and what it touches beside it:");
    for line in case["status"]["plan"]["lines"].as_array().into_iter().flatten() {
        println!("    - {}", line.as_str().unwrap_or_default());
    }
    println!("    hash {}", case["status"]["plan"]["hash"].as_str().unwrap_or_default());

    chapter("4", "Nobody waits for a signature to keep evidence");
    watch::until_evidence(&stage, &scene).await;
    note("Isolation waits. alice can't approve her own request:");
    let refused = stage.approve(Identity::Alice, "ForensicCase", CASE).await;
    println!("    refused: {}", refused.err().map_or_else(|| "no, accepted!".to_owned(), tell::api_message));
    note("bob approves the plan by its hash:");
    let accepted = stage.approve(Identity::Bob, "ForensicCase", CASE).await;
    println!(
        "    {}",
        accepted.map_or_else(tell::api_message, |made| format!("created: {}", made.metadata.name.unwrap_or_default()))
    );

    chapter("5", "Progress, as kubectl shows it");
    watch::until_ready(&stage).await;
    watch::clocks(&stage).await;

    chapter("6", "Before and after, read from AWS by another client");
    let after = scene.inventory(&stage, "after").await;
    scene.compare(&stage, &before, &after).await;

    chapter("7", "The chain of custody, checked link by link");
    custody::timeline(&stage, &scene).await;

    println!("\nThe whole took {} s.", clock.seconds());
    if keep {
        scene.left_up(&stage);
        let (_stage, _controller) = (stage, controller);
        tell::until_ended().await;
    }
}

async fn prepare(clock: &Clock) -> (Stage, support::process::Process) {
    note("control plane (kube-apiserver, etcd) and AWS emulator: built and started; the first time takes minutes");
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
