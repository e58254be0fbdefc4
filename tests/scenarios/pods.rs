//! Pods with security groups of their own sit on branch interfaces, which are not listed with the instance.

use crate::scene::{CLOSED, Scene};
use crate::support::aws::{Aws, ok, tag, tags};
use crate::support::identities::Identity;
use crate::support::stage::LIMIT;
use crate::support::wait;
use crate::support::world::groups_of;

async fn interface(scene: &Scene, kind: &str) -> String {
    let network = &scene.network;
    let parameters =
        [("SubnetId", network.subnet.as_str()), ("SecurityGroupId.1", &network.web), ("InterfaceType", kind)];
    tag(&ok(scene.aws().ec2("CreateNetworkInterface", &parameters).await), "networkInterfaceId").to_owned()
}

pub async fn branch(scene: &Scene, trunk: &str) -> String {
    let branch = interface(scene, "branch").await;
    let pair = [("BranchInterfaceId", branch.as_str()), ("TrunkInterfaceId", trunk)];
    ok(scene.aws().ec2("AssociateTrunkInterface", &pair).await);
    branch
}

pub async fn trunk(scene: &Scene, instance: &str, index: &str) -> String {
    let trunk = interface(scene, "trunk").await;
    let attach = [("NetworkInterfaceId", trunk.as_str()), ("InstanceId", instance), ("DeviceIndex", index)];
    ok(scene.aws().ec2("AttachNetworkInterface", &attach).await);
    trunk
}

async fn until_group(aws: &Aws, interface: &str, name: &str) {
    wait::until(&format!("{name} on {interface}"), LIMIT, async || {
        let mut names = Vec::new();
        for group in groups_of(aws, interface).await {
            let xml = ok(aws.ec2("DescribeSecurityGroups", &[("GroupId.1", &group)]).await);
            names.extend(tags(&xml, "groupName").first().map(|name| (*name).to_owned()));
        }
        if names == [name] { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interfaces_of_pods_are_closed_with_those_of_their_node_and_given_back() {
    let scene = Scene::new("pods").await;
    let neighbour = crate::support::world::run_instance(scene.aws(), &scene.network).await;
    let theirs = branch(&scene, &trunk(&scene, &neighbour, "1").await).await;
    let trunk = trunk(&scene, &scene.host.instance, "2").await;
    let first = branch(&scene, &trunk).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let settled = scene.until_settled("web").await;
    assert_eq!(settled["status"]["summary"]["isolated"], "4/4");
    for interface in [&first, &trunk] {
        until_group(scene.aws(), interface, CLOSED).await;
    }
    // A pod that comes later is closed at the next look.
    let second = branch(&scene, &trunk).await;
    until_group(scene.aws(), &second, CLOSED).await;
    until_group(scene.aws(), &theirs, "web").await;

    scene.declare("web", "Released").await;
    scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    for interface in [&first, &second, &trunk] {
        until_group(scene.aws(), interface, "web").await;
    }
}
