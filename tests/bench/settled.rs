//! An idle controller: what it writes while nothing changes.

use super::quarantine;
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::stage::Stage;
use crate::support::wait::until;
use crate::support::world::{Network, run_instance};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const OBJECTS: usize = 200;
/// How often each host is looked at while nothing is written.
const LOOKS: usize = 4;

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
    let watched = Instant::now();
    until("re-check of every host", Duration::from_secs(300), || async {
        let calls = stage.proxy.calls();
        let mut looks: BTreeMap<&str, usize> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.operation == "DescribeInstances") {
            *looks.entry(call.parameters.get("InstanceId.1").map_or("", String::as_str)).or_default() += 1;
        }
        let done = hosts.iter().filter(|host| looks.get(host.as_str()).is_some_and(|looks| *looks >= LOOKS)).count();
        if done == OBJECTS { Ok(()) } else { Err(format!("{done} of {OBJECTS} were looked at {LOOKS} times")) }
    })
    .await;
    let (kubernetes, aws) = (writes() - before, stage.proxy.mutations().len());
    println!(
        "  over {LOOKS} re-checks of each, in {} s: {kubernetes} writes to Kubernetes, {aws} to AWS, {} reads of AWS (goal 0 and 0: {})",
        watched.elapsed().as_secs(),
        stage.proxy.calls().len(),
        if kubernetes == 0 && aws == 0 { "reached" } else { "MISSED" }
    );
}
