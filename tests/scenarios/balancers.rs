//! A held host leaves its load balancers, is kept out of them, and returns to them at release.

use crate::chain::{Chain, assert_witnessed};
use crate::scene::{CLOSED, Scene};
use crate::support::balancers::{
    addresses, classic_load_balancer, elb, in_front_of, instances_of, register, register_with_classic, target_group,
    targets,
};
use crate::support::identities::Identity;
use crate::support::proxy::Call;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use crate::support::world::run_instance;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two target groups and a classic load balancer that have the host and a neighbour.
struct Behind {
    neighbour: String,
    by_id: String,
    by_address: String,
}

impl Behind {
    async fn new(scene: &Scene) -> Self {
        let (aws, vpc) = (scene.aws(), scene.network.vpc.as_str());
        let neighbour = run_instance(aws, &scene.network).await;
        let by_id = target_group(aws, vpc, "by-id", "instance").await;
        in_front_of(aws, &scene.network, "front", &by_id).await;
        for target in
            [format!("{} 80", scene.host.instance), format!("{} 81", scene.host.instance), format!("{neighbour} 80")]
        {
            register(aws, &by_id, &target).await;
        }
        let by_address = target_group(aws, vpc, "by-address", "ip").await;
        for address in addresses(aws, &scene.host.instance).await {
            register(aws, &by_address, &format!("{address} 443")).await;
        }
        classic_load_balancer(aws, &scene.network, "old", &[&scene.host.instance, &neighbour]).await;
        Self { neighbour, by_id, by_address }
    }

    /// All that is registered, anywhere.
    async fn registered(&self, scene: &Scene) -> [BTreeSet<String>; 3] {
        let aws = scene.aws();
        [targets(aws, &self.by_id).await, targets(aws, &self.by_address).await, instances_of(aws, "old").await]
    }

    /// The neighbour alone.
    fn without_the_host(&self) -> [BTreeSet<String>; 3] {
        [[format!("{} 80", self.neighbour)].into(), BTreeSet::new(), [self.neighbour.clone()].into()]
    }

    async fn until(&self, scene: &Scene, expected: &[BTreeSet<String>; 3]) {
        wait::until("the registrations", LIMIT, async || match self.registered(scene).await {
            found if found == *expected => Ok(()),
            found => Err(format!("{found:?}")),
        })
        .await;
    }
}

/// Looked at each second.
async fn scene(prefix: &str, required: bool) -> Scene {
    Scene::with(prefix, |account| {
        account["spec"]["recheck"] = json!("1s");
        if required {
            account["spec"]["approval"] = json!({"required": ["Isolate"]});
        }
    })
    .await
}

fn of_balancers(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.service == "elasticloadbalancing").count()
}

fn states(object: &Value, kind: &str) -> Vec<String> {
    let parts = object["status"]["parts"].as_array().into_iter().flatten();
    parts.filter(|part| part["kind"] == kind).map(|part| part["state"].as_str().unwrap().to_owned()).collect()
}

async fn chain(scene: &Scene) -> Chain {
    Chain::read(scene, &uid(&scene.get("Quarantine", "web").await)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_leaves_its_load_balancers_and_is_kept_out_of_them() {
    let scene = scene("behind", false).await;
    let behind = Behind::new(&scene).await;
    scene.bed.emulator.settings(&json!({"account": scene.workload.id, "draining_scale": 1.0})).await;
    for group in [&behind.by_id, &behind.by_address] {
        let delay = [
            ("TargetGroupArn", group.as_str()),
            ("Attributes.member.1.Key", "deregistration_delay.timeout_seconds"),
            ("Attributes.member.1.Value", "20"),
        ];
        elb(scene.aws(), "ModifyTargetGroupAttributes", &delay).await;
    }
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    // Ready while it drains, and the draining is said.
    let ready = scene.until_true("Quarantine", "web", "Ready").await;
    assert_eq!(condition_of(&ready, "Deregistered").unwrap()["status"], "True");
    assert_eq!(behind.registered(&scene).await, behind.without_the_host());
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    assert_eq!(states(&ready, "targetGroup"), ["Draining", "Draining"], "{:#}", ready["status"]);
    let message = condition_of(&ready, "Ready").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("4 registrations drain"), "{message}");
    let drained = scene
        .until("Quarantine", "web", "drained", |found| states(found, "targetGroup") == ["Deregistered", "Deregistered"])
        .await;
    assert!(!condition_of(&drained, "Ready").unwrap()["message"].as_str().unwrap().contains("drain"));

    // Somebody registers it again, and with a group that did not have it.
    let stranger = target_group(scene.aws(), &scene.network.vpc, "stranger", "instance").await;
    register(scene.aws(), &behind.by_id, &format!("{} 8080", scene.host.instance)).await;
    register_with_classic(scene.aws(), "old", &scene.host.instance).await;
    register(scene.aws(), &stranger, &format!("{} 80", scene.host.instance)).await;
    behind.until(&scene, &behind.without_the_host()).await;
    wait::until("three foreign registrations in the chain", LIMIT, async || {
        let said = chain(&scene).await.facts("drift").len();
        if said == 3 && targets(scene.aws(), &stranger).await.is_empty() { Ok(()) } else { Err(format!("{said}")) }
    })
    .await;
    let chain = chain(&scene).await;
    let foreign: BTreeSet<String> = chain.facts("drift").iter().map(|fact| fact["foreign"].to_string()).collect();
    let host = &scene.host.instance;
    assert_eq!(foreign, [format!("[\"{host} 8080\"]"), format!("[\"{host} 80\"]"), "true".to_owned()].into());
    let baseline = chain.facts("baseline");
    let of = |group: &str| {
        baseline.iter().find(|fact| fact["attribute"] == format!("targets/{group}")).unwrap()["value"].clone()
    };
    assert_eq!(of(&behind.by_id), json!([format!("{host} 80"), format!("{host} 81")]));
    assert_eq!(of(&stranger), json!([]));
    scene.until_outcomes(std::slice::from_ref(&chain.uid)).await;
    let chain = self::chain(&scene).await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_what_is_left_and_a_release_registers_again_what_was_registered() {
    let scene = scene("behind-plan", true).await;
    let behind = Behind::new(&scene).await;
    let before = behind.registered(&scene).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let asked = scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    let lines = asked["status"]["plan"]["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let lines: Vec<&str> = lines.collect();
    let says = |words: &[&str]| lines.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(says(&["by-id/", "app/front", "1 healthy targets are left, of 3 registered now"]), "{lines:#?}");
    assert!(says(&["by-address/", "0 healthy targets are left, of 2"]), "{lines:#?}");
    assert!(says(&["classic load balancer old", "1 healthy instances are left, of 2"]), "{lines:#?}");
    assert_eq!(of_balancers(&scene.changes()), 0, "nothing before a person says so");
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_settled("web").await;
    assert_eq!(behind.registered(&scene).await, behind.without_the_host());

    scene.declare("web", "Released").await;
    scene
        .until("Quarantine", "web", "plan of the release", |found| found["status"]["plan"]["action"] == "Release")
        .await;
    // Who asks for a release has not got it: the host is kept out.
    register(scene.aws(), &behind.by_id, &format!("{} 80", scene.host.instance)).await;
    behind.until(&scene, &behind.without_the_host()).await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    assert_eq!(behind.registered(&scene).await, before);
    let chain = chain(&scene).await;
    chain.assert_sound();
    assert_eq!(chain.left(), Vec::<&Value>::new());
}
