//! A host in an Auto Scaling group: its group stopped, left, and taken back into, on the real API server.

use crate::chain::{Chain, assert_witnessed};
use crate::scene::{Scene, quarantine};
use crate::support::fleet::{Fleet, Sizes, autoscaling, place};
use crate::support::identities::Identity;
use crate::support::proxy::{Fault, When};
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use serde_json::{Value, json};

/// A host of a group, and no Quarantine of it yet.
struct Grouped {
    scene: Scene,
    fleet: Fleet,
    host: String,
}

impl Grouped {
    /// Sizes: minimum, desired, maximum.
    async fn on(scene: Scene, sizes: (i32, i32, i32)) -> Self {
        let (fleet, instances) = Fleet::new(scene.aws(), &scene.network, "fleet", sizes).await;
        Self { host: instances[0].clone(), scene, fleet }
    }

    async fn declare(&self, level: &str, auto_scaling: Value) {
        let mut spec = quarantine(&self.scene, &self.host, level);
        spec["autoScaling"] = auto_scaling;
        self.scene.declare_as(Identity::Alice, "web", spec).await;
    }

    async fn sizes(&self) -> (i32, i32, usize) {
        let Sizes { minimum, desired, in_service, .. } = self.fleet.sizes(self.scene.aws()).await;
        (minimum, desired, in_service)
    }

    async fn place(&self) -> Option<(String, bool)> {
        place(self.scene.aws(), &self.host).await
    }

    async fn until_place(&self, state: Option<&str>) {
        wait::until(&format!("the host {state:?}"), LIMIT, async || match self.place().await {
            found if found.as_ref().map(|(state, _)| state.as_str()) == state => Ok(()),
            found => {
                Err(format!("{found:?}, {:?}", crate::scene::conditions(&self.scene.get("Quarantine", "web").await)))
            }
        })
        .await;
    }

    async fn chain(&self) -> Chain {
        Chain::read(&self.scene, &uid(&self.scene.get("Quarantine", "web").await)).await
    }

    /// Asks for the release, has it approved, and waits for its end.
    async fn release(&self, auto_scaling: Value) -> Chain {
        self.declare("Released", auto_scaling).await;
        self.scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
        self.scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
        self.scene.until_reason("Quarantine", "web", "Ready", "Released").await;
        let chain = self.chain().await;
        chain.assert_sound();
        assert_witnessed(&self.scene.proxy.calls(), std::slice::from_ref(&chain), None);
        chain
    }

    /// Calls that changed the group, in order.
    fn calls(&self) -> Vec<String> {
        let of_group = self.scene.changes().into_iter().filter(|call| call.service == "autoscaling");
        of_group.map(|call| call.operation).collect()
    }
}

fn lines(quarantine: &Value) -> String {
    let lines = quarantine["status"]["plan"]["lines"].as_array().into_iter().flatten();
    lines.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}

fn said(quarantine: &Value, condition: &str) -> String {
    let found = condition_of(quarantine, condition).unwrap_or_else(|| panic!("no {condition} in {quarantine:#}"));
    format!("{}: {}", found["reason"].as_str().unwrap(), found["message"].as_str().unwrap())
}

fn before(chain: &Chain, attribute: &str) -> Value {
    let facts = chain.facts("baseline");
    let last = facts.iter().rev().find(|fact| fact["attribute"] == attribute);
    last.unwrap_or_else(|| panic!("no baseline of {attribute}"))["value"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_waits_for_nobody_and_detaching_for_its_approval() {
    let grouped = Grouped::on(Scene::guarded("asg-gate").await, (1, 2, 4)).await;
    let scene = &grouped.scene;
    // States that take time, as they do on AWS.
    let slow = json!({"account": scene.workload.id, "transition_seconds": 1.5});
    scene.bed.emulator.settings(&slow).await;
    let _controller = scene.controller("one").await;
    grouped.declare("Detached", json!({})).await;
    let waiting = scene
        .until("Quarantine", "web", "Standby, and a plan", |found| {
            found["status"]["plan"]["action"] == "Isolate"
                && condition_of(found, "ReplacementStopped").is_some_and(|stopped| stopped["status"] == "True")
        })
        .await;
    assert_eq!(grouped.place().await, Some(("Standby".to_owned(), true)), "without an Approval");
    assert_eq!(waiting["status"]["summary"]["autoScaling"], "Standby");
    assert_eq!(grouped.calls().iter().filter(|call| *call == "EnterStandby").count(), 1);
    let plan = lines(&waiting);
    for word in ["out of Auto Scaling group fleet", "desired capacity 2 before and 2 after", "minimum 1, maximum 4"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }
    assert!(!grouped.calls().contains(&"DetachInstances".to_owned()));
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let held = scene.until_true("Quarantine", "web", "Detached").await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (None, (1, 2, 2)), "another one has taken its place");
    assert_eq!(held["status"]["summary"]["level"], "Detached");
    let chain = grouped.chain().await;
    assert_eq!(before(&chain, "autoScalingGroup"), json!(["fleet"]));
    assert_eq!(before(&chain, "lifecycleState"), "InService");
    assert_eq!(before(&chain, "desiredCapacity/fleet"), "2");
    assert_eq!(before(&chain, "launchSource/fleet"), "fleet-launch");

    let chain = grouped.release(json!({})).await;
    assert_eq!(grouped.place().await, Some(("InService".to_owned(), false)));
    grouped.until_place(Some("InService")).await;
    assert_eq!(grouped.sizes().await.1, 2);
    assert_eq!(chain.left(), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_capacity_is_given_back() {
    let grouped = Grouped::on(Scene::new("asg-lower").await, (1, 2, 3)).await;
    let lower = json!({"replace": false});
    let _controller = grouped.scene.controller("one").await;
    grouped.declare("Detached", lower.clone()).await;
    grouped.scene.until_true("Quarantine", "web", "Ready").await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (None, (1, 1, 1)));
    grouped.release(lower).await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (Some(("InService".to_owned(), false)), (1, 2, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_gives_back_state_protection_and_capacity() {
    let grouped = Grouped::on(Scene::new("asg-standby").await, (1, 2, 3)).await;
    let _controller = grouped.scene.controller("one").await;
    grouped.declare("Protected", json!({})).await;
    grouped.scene.until_true("Quarantine", "web", "Ready").await;
    assert_eq!(grouped.place().await, Some(("Standby".to_owned(), true)));
    assert_eq!(grouped.sizes().await, (1, 2, 2), "another one has taken its place");
    // Somebody puts it back into service: it is taken out again, and the group does not grow by it.
    let exit = [("AutoScalingGroupName", "fleet"), ("InstanceIds.member.1", grouped.host.as_str())];
    autoscaling(grouped.scene.aws(), "ExitStandby", &exit).await;
    grouped.until_place(Some("Standby")).await;
    assert_eq!(grouped.sizes().await.1, 2);
    let chain = grouped.release(json!({})).await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (Some(("InService".to_owned(), false)), (1, 2, 2)));
    assert!(chain.facts("drift").iter().any(|fact| fact["attribute"] == "lifecycleState"));
    let calls = grouped.calls();
    let at = |name: &str| calls.iter().rposition(|call| call == name);
    assert!(at("ExitStandby") < at("SetDesiredCapacity"), "{calls:?}");
    assert!(at("SetDesiredCapacity") < at("SetInstanceProtection"), "scale-in spares the host: {calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minimum_is_named_and_lowered_only_by_approval() {
    let grouped = Grouped::on(Scene::new("asg-minimum").await, (2, 2, 3)).await;
    let scene = &grouped.scene;
    let _controller = scene.controller("one").await;
    grouped.declare("Detached", json!({"replace": false})).await;
    let blocked = scene.until_reason("Quarantine", "web", "Detached", "AtMinimumSize").await;
    let message = said(&blocked, "Detached");
    for word in
        ["Auto Scaling group fleet", "minimum size of 2", "spec.autoScaling.lowerMinimum: true", "MinSize of fleet"]
    {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(
        condition_of(&blocked, "Stalled").map(|stalled| stalled["reason"].clone()),
        Some(json!("AtMinimumSize"))
    );
    assert_eq!(grouped.place().await, Some(("InService".to_owned(), true)));

    let lower = json!({"replace": false, "lowerMinimum": true});
    grouped.declare("Detached", lower.clone()).await;
    let asked =
        scene.until("Quarantine", "web", "a plan", |found| found["status"]["plan"]["action"] == "LowerMinimum").await;
    assert!(lines(&asked).contains("minimum size of Auto Scaling group fleet from 2 to 1"), "{}", lines(&asked));
    assert_eq!(grouped.sizes().await, (2, 2, 2), "nothing before somebody says so");
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_true("Quarantine", "web", "Detached").await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (None, (1, 1, 1)));
    assert_eq!(before(&grouped.chain().await, "minSize/fleet"), "2");
    grouped.release(lower).await;
    assert_eq!((grouped.place().await, grouped.sizes().await), (Some(("InService".to_owned(), false)), (2, 2, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn isolation_goes_behind_the_stop_of_the_group() {
    let grouped = Grouped::on(Scene::new("asg-isolated").await, (1, 2, 3)).await;
    let scene = &grouped.scene;
    let _controller = scene.controller("one").await;
    grouped.declare("Isolated", json!({})).await;
    scene.until_true("Quarantine", "web", "Ready").await;
    let changes: Vec<String> = scene.changes().into_iter().map(|call| call.operation).collect();
    let at = |name: &str| changes.iter().position(|operation| operation == name);
    assert!(at("EnterStandby").is_some() && at("EnterStandby") < at("ModifyNetworkInterfaceAttribute"), "{changes:?}");
    assert_eq!(grouped.place().await, None, "at Isolated it is detached, too");
    let chain = grouped.release(json!({})).await;
    assert_eq!(chain.left(), Vec::<&Value>::new());
    assert_eq!((grouped.place().await, grouped.sizes().await.1), (Some(("InService".to_owned(), false)), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_in_no_group_has_nothing_to_stop() {
    let (scene, _controller) = Scene::held("asg-none", "Detached").await;
    let quarantine = scene.get("Quarantine", "web").await;
    for condition in ["ReplacementStopped", "Detached"] {
        assert_eq!(said(&quarantine, condition), "NothingToDo: in no Auto Scaling group");
    }
    assert_eq!(said(&quarantine, "Ready"), "Succeeded: as declared");
    assert_eq!(quarantine["status"]["summary"]["autoScaling"], "-");
    assert!(scene.changes().iter().all(|call| call.service != "autoscaling"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_takes_no_standby_is_waited_out_and_holds_nothing_up() {
    let grouped = Grouped::on(Scene::new("asg-states").await, (1, 2, 3)).await;
    let scene = &grouped.scene;
    // A state that this version has never heard of, as AWS may add one.
    let strange = scene.proxy.rule(
        When::operation("DescribeAutoScalingInstances"),
        Fault::rewrite(|_, reply| reply.replace("InService", "Hibernating:Soon")),
    );
    let _controller = scene.controller("one").await;
    grouped.declare("Isolated", json!({})).await;
    let held = scene.until_true("Quarantine", "web", "Isolated").await;
    let message = said(&held, "ReplacementStopped");
    assert!(message.starts_with("Waiting: Hibernating:Soon in Auto Scaling group fleet"), "{message}");
    assert_eq!(grouped.calls(), Vec::<String>::new(), "nothing on a guess");
    strange.remove();
    grouped.until_place(None).await;
    scene.until_true("Quarantine", "web", "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_that_began_is_held_up_by_its_hook() {
    let grouped = Grouped::on(Scene::new("asg-ends").await, (1, 2, 3)).await;
    let scene = &grouped.scene;
    let hook = [
        ("AutoScalingGroupName", "fleet"),
        ("LifecycleHookName", "drain"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_TERMINATING"),
        ("HeartbeatTimeout", "30"),
    ];
    autoscaling(scene.aws(), "PutLifecycleHook", &hook).await;
    let end = [("InstanceId", grouped.host.as_str()), ("ShouldDecrementDesiredCapacity", "false")];
    autoscaling(scene.aws(), "TerminateInstanceInAutoScalingGroup", &end).await;
    grouped.until_place(Some("Terminating:Wait")).await;
    let _controller = scene.controller("one").await;
    grouped.declare("Isolated", json!({})).await;
    let held = scene.until_reason("Quarantine", "web", "ReplacementStopped", "TerminatingInGroup").await;
    let message = said(&held, "ReplacementStopped");
    assert!(message.contains("terminating it already") && message.contains("hook drain"), "{message}");
    scene.until_true("Quarantine", "web", "Isolated").await;
    scene.until_true("Quarantine", "web", "Protected").await;
    wait::until("a second heartbeat", LIMIT, async || {
        let beats = grouped.calls().iter().filter(|call| *call == "RecordLifecycleActionHeartbeat").count();
        if beats >= 2 { Ok(()) } else { Err(format!("{beats}")) }
    })
    .await;
    assert_eq!(grouped.place().await.map(|(state, _)| state).as_deref(), Some("Terminating:Wait"));
    assert!(grouped.calls().iter().all(|call| call == "RecordLifecycleActionHeartbeat"), "{:?}", grouped.calls());
}
