//! A host that is closed: what can still carry its traffic is told, with what closes it, and nothing is called cut.

use crate::scene::{Scene, quarantine};
use crate::support::aws::ok;
use crate::support::identities::Identity;
use crate::support::stage::condition_of;
use serde_json::{Value, json};

fn survivors(object: &Value) -> Vec<&str> {
    object["status"]["survivors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

async fn declare(scene: &Scene, level: &str, metadata_service: &str) {
    let mut spec = quarantine(scene, &scene.host.instance, level);
    spec["isolation"] = json!({"metadataService": metadata_service});
    scene.declare_as(Identity::Alice, "web", spec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_still_carry_traffic_is_told_with_what_closes_it() {
    let scene = Scene::with("flows", |account| account["spec"]["recheck"] = json!("1s")).await;
    let of = [("SubnetId", scene.network.subnet.as_str()), ("ConnectivityType", "private")];
    let nat = ok(scene.aws().ec2("CreateNatGateway", &of).await);
    let nat = crate::support::aws::tag(&nat, "natGatewayId");
    let main = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", scene.network.vpc.as_str()),
        ("Filter.2.Name", "association.main"),
        ("Filter.2.Value.1", "true"),
    ];
    let table = ok(scene.aws().ec2("DescribeRouteTables", &main).await);
    let table = crate::support::aws::tag(&table, "routeTableId");
    let route = [("RouteTableId", table), ("DestinationCidrBlock", "0.0.0.0/0"), ("NatGatewayId", nat)];
    ok(scene.aws().ec2("CreateRoute", &route).await);
    ok(scene.aws().ec2("EnableSerialConsoleAccess", &[]).await);

    let _controller = scene.controller("one").await;
    declare(&scene, "Isolated", "Leave").await;
    let all = ["ICMP: ", "DNS: ", "metadata service: ", "serial console: ", &format!("{nat}: ")];
    let told = scene
        .until("Quarantine", "web", "each path", |found| {
            let lines = survivors(found);
            let has = |path: &&str| lines.iter().any(|line| line.starts_with(path));
            // The pulse ends what was tracked.
            all.iter().all(has) && !scene.host.interfaces.iter().any(|id| has(&id.as_str()))
        })
        .await;
    let condition = condition_of(&told, "FlowsCut").unwrap();
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("Unknown"), &json!("FlowLogsNotRead")));
    assert!(condition["message"].as_str().unwrap().starts_with("5 paths"), "{condition}");
    assert_eq!(told["status"]["summary"]["flows"], "Unknown");
    let line = survivors(&told).into_iter().find(|line| line.starts_with("metadata service")).unwrap();
    assert!(line.ends_with("closed by spec.isolation.metadataService: Disable"), "{line}");

    declare(&scene, "Isolated", "Disable").await;
    ok(scene.aws().ec2("DisableSerialConsoleAccess", &[]).await);
    scene
        .until("Quarantine", "web", "what was switched off is gone", |found| {
            let lines = survivors(found);
            lines.len() == 3 && !lines.iter().any(|line| line.starts_with("metadata") || line.starts_with("serial"))
        })
        .await;
    scene.until_true("Quarantine", "web", "Ready").await;

    declare(&scene, "Released", "Disable").await;
    scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let released = scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    assert!(survivors(&released).is_empty(), "{released}");
}
