//! The guarded pulse: open for the length of one call, only where it can help, and closed whatever happens.

use crate::chain::Chain;
use crate::scene::{CLOSED, OPEN, Scene, quarantine};
use crate::support::aws::{ok, tag};
use crate::support::identities::Identity;
use crate::support::proxy::{Call, CrashMode, When};
use crate::support::stage::{LIMIT, uid};
use serde_json::json;

const SET_GROUPS: &str = "ModifyNetworkInterfaceAttribute";

async fn chain(scene: &Scene) -> Chain {
    Chain::read(scene, &uid(&scene.get("Quarantine", "web").await)).await
}

/// What was set on an interface, in order, as ids of groups.
fn sets(scene: &Scene, interface: &str) -> Vec<String> {
    let of = |call: &Call| call.operation == SET_GROUPS && call.parameter("NetworkInterfaceId") == Some(interface);
    let calls = scene.changes().into_iter().filter(of);
    calls.filter_map(|call| call.parameter("SecurityGroupId.1").map(ToOwned::to_owned)).collect()
}

async fn group(scene: &Scene, name: &str) -> String {
    let filter = [("Filter.1.Name", "group-name"), ("Filter.1.Value.1", name)];
    tag(&ok(scene.aws().ec2("DescribeSecurityGroups", &filter).await), "groupId").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_once_after_the_closing_and_ends_closed() {
    let (scene, controller) = Scene::held("pulse", "Isolated").await;
    let (closed, open) = (group(&scene, CLOSED).await, group(&scene, OPEN).await);
    for interface in &scene.host.interfaces {
        assert_eq!(sets(&scene, interface), [&*closed, &*open, &*closed]);
    }
    scene.until_groups(CLOSED).await;
    // Neither a look nor another process brings it again.
    controller.kill();
    let _next = scene.controller("one").await;
    let looks = scene.looks();
    scene.until_looked(looks + 3).await;
    let pulses = chain(&scene).await.pulses().len();
    assert_eq!(pulses, 2);
    for interface in &scene.host.interfaces {
        assert_eq!(sets(&scene, interface).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_comes_to_an_interface_with_a_public_address() {
    let scene = Scene::new("public").await;
    let [public, private] = [&scene.host.interfaces[0], &scene.host.interfaces[1]];
    let allocated = ok(scene.aws().ec2("AllocateAddress", &[("Domain", "vpc")]).await);
    let associate = [("AllocationId", tag(&allocated, "allocationId")), ("NetworkInterfaceId", public)];
    ok(scene.aws().ec2("AssociateAddress", &associate).await);
    let _controller = scene.controller("one").await;
    let mut spec = quarantine(&scene, &scene.host.instance, "Isolated");
    spec["isolation"] = json!({"publicAddress": "Leave"});
    let declared = scene.declare_as(Identity::Alice, "web", spec).await;
    scene.until_pulsed(&uid(&declared), 1).await;
    scene.until_outcomes(&[uid(&declared)]).await;
    let looks = scene.looks();
    scene.until_looked(looks + 3).await;
    assert_eq!(chain(&scene).await.pulses(), [private]);
    let closed = group(&scene, CLOSED).await;
    assert_eq!(sets(&scene, public), [closed]);
    scene.until_groups(CLOSED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_never_comes_where_it_was_not_asked_for() {
    let scene = Scene::new("calm").await;
    let _controller = scene.controller("one").await;
    let mut spec = quarantine(&scene, &scene.host.instance, "Isolated");
    spec["isolation"] = json!({"pulse": "Never"});
    scene.declare_as(Identity::Alice, "web", spec).await;
    scene.until_settled("web").await;
    let looks = scene.looks();
    scene.until_looked(looks + 3).await;
    assert_eq!(chain(&scene).await.pulses(), Vec::<&str>::new());
    for interface in &scene.host.interfaces {
        assert_eq!(sets(&scene, interface).len(), 1);
    }
}

/// Kills the process where `when` says, finds a host open, and has the next process close it before all else.
async fn killed_while_open(prefix: &str, when: When, mode: CrashMode) {
    let scene = Scene::new(prefix).await;
    let crash = scene.proxy.crash_when(when, mode);
    let first = scene.controller("one").await;
    let declared = scene.declare("web", "Isolated").await;
    tokio::time::timeout(LIMIT, crash.reached()).await.expect("the crash point is reached");
    first.kill();
    crash.killed();
    assert!(scene.groups().await.concat().contains(&OPEN.to_owned()), "{:?}", scene.groups().await);

    let before = scene.changes().len();
    let _next = scene.controller("one").await;
    scene.until_groups(CLOSED).await;
    let closed = group(&scene, CLOSED).await;
    let first = scene.changes()[before].clone();
    assert_eq!((first.operation.as_str(), first.parameter("SecurityGroupId.1")), (SET_GROUPS, Some(closed.as_str())));
    scene.until_outcomes(&[uid(&declared)]).await;
    let chain = chain(&scene).await;
    let mut pulses = chain.pulses();
    pulses.sort_unstable();
    pulses.dedup();
    assert_eq!(pulses.len(), chain.pulses().len(), "an interface was opened twice");
    assert_eq!(chain.facts("drift").len(), 0, "our own half is nobody's foreign change");
    scene.until_groups(CLOSED).await;
}

/// Closing each interface comes first, then the idle timeouts of each, then opening each; the next is the first half of closing
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_its_halves() {
    killed_while_open("halves", When::operation(SET_GROUPS).nth(7), CrashMode::BeforeApplied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_reply_to_the_opening() {
    killed_while_open("opening", When::operation(SET_GROUPS).nth(5), CrashMode::AfterApplied).await;
}
