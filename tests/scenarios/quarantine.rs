//! A Quarantine by itself.

use crate::support::aws::REGION;
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::stage::{Stage, condition_of, uid};
use crate::support::world::{Host, Network, groups_of, run_instance};
use serde_json::{Value, json};

pub const BINARY: &str = env!("CARGO_BIN_EXE_sequester");

pub fn quarantine(stage: &Stage, instance: &str, level: &str) -> Value {
    json!({
        "requestedBy": "alice", "level": level,
        "target": {"accountRef": stage.account_name(), "region": REGION, "instanceId": instance},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_isolated_on_every_interface_and_protected() {
    let stage = Stage::new(Bed::shared().await, "isolate", BINARY).await;
    let network = Network::new(&stage.workload.admin).await;
    let instance = run_instance(&stage.workload.admin, &network).await;
    let host = Host::furnish(&stage.workload.admin, &network, &instance).await;
    stage.declare_accounts(|_| {}).await;
    let _controller = stage.controller("one").await;

    stage.apply(Identity::Alice, "Quarantine", "web", quarantine(&stage, &instance, "Isolated")).await.unwrap();
    let done = stage.until_true("Quarantine", "web", "Ready").await;

    for interface in &host.interfaces {
        let groups = groups_of(&stage.workload.admin, interface).await;
        assert_eq!(groups.len(), 1, "{interface}: {groups:?}");
        assert_ne!(groups[0], network.web);
    }
    assert_eq!(condition_of(&done, "Protected").unwrap()["status"], "True");
    let chain = stage.chain(&uid(&done)).await;
    assert!(!chain.is_empty());
}
