//! A host that is closed: what can still carry its traffic is told, with what closes it, and nothing is called cut.

use crate::chain::Chain;
use crate::scene::{CLOSED, Scene, quarantine};
use crate::support::aws::{ok, tag};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
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
    let nat = tag(&nat, "natGatewayId");
    let main = [
        ("Filter.1.Name", "vpc-id"),
        ("Filter.1.Value.1", scene.network.vpc.as_str()),
        ("Filter.2.Name", "association.main"),
        ("Filter.2.Value.1", "true"),
    ];
    let table = ok(scene.aws().ec2("DescribeRouteTables", &main).await);
    let table = tag(&table, "routeTableId");
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

/// An elastic address on an interface: its allocation.
pub async fn elastic(scene: &Scene, interface: &str) -> String {
    let allocated = ok(scene.aws().ec2("AllocateAddress", &[("Domain", "vpc")]).await);
    let allocation = tag(&allocated, "allocationId").to_owned();
    let associate = [("AllocationId", allocation.as_str()), ("NetworkInterfaceId", interface)];
    ok(scene.aws().ec2("AssociateAddress", &associate).await);
    allocation
}

/// What an interface is reached by, and after how many seconds AWS forgets what it tracks of TCP.
async fn kept(scene: &Scene, interface: &str) -> (Option<String>, Option<String>) {
    let xml = ok(scene.aws().ec2("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", interface)]).await);
    let found = |name: &str| xml.contains(&format!("<{name}>")).then(|| tag(&xml, name).to_owned());
    (found("allocationId"), found("tcpEstablishedTimeout"))
}

#[tokio::test(flavor = "multi_thread")]
async fn public_addresses_and_idle_timeouts_are_taken_once_closed_and_given_back() {
    let scene = Scene::with("addresses", |account| account["spec"]["recheck"] = json!("1s")).await;
    let [first, second] = [scene.host.interfaces[0].as_str(), scene.host.interfaces[1].as_str()];
    let (kept_by_us, lost) = (elastic(&scene, first).await, elastic(&scene, second).await);
    let _controller = scene.controller("one").await;
    declare(&scene, "Isolated", "Disable").await;
    let short = Some("60".to_owned());
    for interface in [first, second] {
        wait::until("no address, and a minute", LIMIT, async || match kept(&scene, interface).await {
            (None, tcp) if tcp == short => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    let ready = scene.until_settled("web").await;
    assert_eq!(condition_of(&ready, "FlowsCut").unwrap()["status"], "Unknown", "{ready}");
    // What was public is pulsed once it is not any more.
    let chain = Chain::read(&scene, &uid(&ready)).await;
    assert_eq!(chain.pulses().len(), 2);
    let changes: Vec<(String, bool)> = scene
        .changes()
        .into_iter()
        .map(|call| (call.operation.clone(), call.parameter("SecurityGroupId.1").is_some()))
        .collect();
    let closed = changes.iter().position(|(_, groups)| *groups).unwrap();
    let taken = changes.iter().position(|(operation, _)| operation == "DisassociateAddress").unwrap();
    assert!(closed < taken, "nothing of it delays the closing: {changes:?}");
    scene.until_groups(CLOSED).await;

    // Somebody needs one of the addresses elsewhere meanwhile.
    let other = [("SubnetId", scene.network.subnet.as_str())];
    let other = ok(scene.aws().ec2("CreateNetworkInterface", &other).await);
    let associate = [("AllocationId", lost.as_str()), ("NetworkInterfaceId", tag(&other, "networkInterfaceId"))];
    ok(scene.aws().ec2("AssociateAddress", &associate).await);
    declare(&scene, "Released", "Disable").await;
    let asked = scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    assert!(asked["status"]["plan"]["lines"].to_string().contains(&format!("associate {kept_by_us} with")), "{asked}");
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let released = scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    let message = condition_of(&released, "Ready").unwrap()["message"].to_string();
    assert!(
        message.contains(&format!(
            "left as found, since our value did not stand there or AWS can't give it back: elasticAddress/{second}/"
        )),
        "{message}"
    );
    assert_eq!(kept(&scene, first).await, (Some(kept_by_us), Some("432000".to_owned())));
    assert_eq!(kept(&scene, second).await.0, None);
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    let chain = Chain::read(&scene, &uid(&released)).await;
    chain.assert_sound();
    assert_eq!(chain.facts("drift"), Vec::<&Value>::new());
    crate::chain::assert_witnessed(&scene.proxy.calls(), &[chain], None);
}
