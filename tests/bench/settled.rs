//! An idle controller: what it writes while nothing changes.

use super::quarantine;
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::stage::Stage;
use crate::support::world::{Network, run_instance};
use serde_json::json;
use std::time::{Duration, Instant};

const OBJECTS: usize = 200;
const WATCHED: Duration = Duration::from_secs(20);

/// Settles many hosts, then counts every write to AWS and Kubernetes for a while, the lease apart.
pub async fn measure(bed: &'static Bed) {
    let stage = Stage::new(bed, "bench-idle", env!("CARGO_BIN_EXE_sequester")).await;
    let network = Network::new(&stage.workload.admin).await;
    let mut hosts = Vec::new();
    for _ in 0..OBJECTS {
        hosts.push(run_instance(&stage.workload.admin, &network).await);
    }
    stage.declare_accounts(|account| account["spec"]["recheck"] = json!("5s")).await;
    let _controller = stage.controller("bench").await;
    let began = Instant::now();
    for (n, host) in hosts.iter().enumerate() {
        stage
            .apply(Identity::Alice, "Quarantine", &format!("host-{n}"), quarantine(&stage, host))
            .await
            .expect("apply");
    }
    for n in 0..OBJECTS {
        stage.until_true("Quarantine", &format!("host-{n}"), "Ready").await;
    }
    println!("idle: {OBJECTS} hosts settled in {} s", began.elapsed().as_secs());
    let controller = "system:serviceaccount:sequester-system:sequester";
    let writes = || {
        bed.control_plane
            .audit()
            .iter()
            .filter(|event| event["user"]["username"] == controller && event["objectRef"]["resource"] != "leases")
            .filter(|event| !matches!(event["verb"].as_str(), Some("get" | "list" | "watch")))
            .filter(|event| event["objectRef"]["name"] != "policy-probe")
            .count()
    };
    stage.proxy.clear();
    let before = writes();
    // A while in which nothing is to happen has no fact to wait for but its end.
    tokio::time::sleep(WATCHED).await;
    let (kubernetes, aws) = (writes() - before, stage.proxy.mutations().len());
    println!(
        "  in {} s with a re-check every 5 s: {kubernetes} writes to Kubernetes, {aws} to AWS, {} reads of AWS (goal 0 and 0: {})",
        WATCHED.as_secs(),
        stage.proxy.calls().len(),
        if kubernetes == 0 && aws == 0 { "reached" } else { "MISSED" }
    );
}
