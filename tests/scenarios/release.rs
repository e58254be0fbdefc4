//! Giving a host back: never without a second person, exactly as it was, and once.

use crate::chain::Chain;
use crate::inventory::protections;
use crate::scene::{CLOSED, OPEN, Scene, conditions};
use crate::support::identities::Identity;
use crate::support::process::Process;
use crate::support::stage::{approval_of, condition_of, uid};
use crate::support::world::groups_of;
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// A host as it was, held at Isolated.
struct Held {
    scene: Scene,
    controller: Process,
    before: Before,
}

#[derive(Debug, PartialEq, Eq)]
struct Before {
    groups: Vec<Vec<String>>,
    protections: std::collections::BTreeMap<&'static str, String>,
}

async fn look(scene: &Scene) -> Before {
    let mut groups = Vec::new();
    for interface in &scene.host.interfaces {
        groups.push(groups_of(scene.aws(), interface).await);
    }
    Before { groups, protections: protections(scene.aws(), &scene.host.instance).await }
}

impl Held {
    async fn new(prefix: &str) -> Self {
        let scene = Scene::new(prefix).await;
        let before = look(&scene).await;
        let controller = scene.controller("one").await;
        scene.declare("web", "Isolated").await;
        scene.until_settled("web").await;
        assert_ne!(look(&scene).await, before);
        Self { scene, controller, before }
    }

    /// alice asks for the release, and the plan waits for somebody.
    async fn asked(prefix: &str) -> Self {
        let held = Self::new(prefix).await;
        held.scene.declare("web", "Released").await;
        held.scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
        held
    }

    async fn chain(&self) -> Chain {
        Chain::read(&self.scene, &uid(&self.scene.get("Quarantine", "web").await)).await
    }
}

/// Waits for what the controller says about an Approval.
async fn judged(scene: &Scene, approval: &DynamicObject, state: &str) -> Value {
    let name = approval.metadata.name.clone().unwrap();
    scene.until("Approval", &name, &format!("state {state}"), |found| found["status"]["state"] == state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_back_before_a_second_person_says_so() {
    let held = Held::asked("unapproved").await;
    let scene = &held.scene;
    let changes = scene.changes().len();
    // It is looked at again and again, and enforced all the time.
    scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
    let refused = scene.approve(Identity::Alice, "Quarantine", "web").await.expect_err("alice asked for it");
    assert!(refused.to_string().contains("alice"), "{refused}");
    let quarantine = scene.get("Quarantine", "web").await;
    assert_eq!(quarantine["status"]["plan"]["action"], "Release");
    assert_eq!(condition_of(&quarantine, "Ready").unwrap()["reason"], "AwaitingApproval");
    assert!(scene.changes()[changes..].iter().all(|call| call.parameters.values().all(|v| *v != scene.network.web)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_release_restores_all_and_is_done_once() {
    let held = Held::asked("release").await;
    let scene = &held.scene;
    let approval = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let released = scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    assert_eq!(look(scene).await, held.before);
    judged(scene, &approval, "Accepted").await;
    let hold = format!("{}-{}-{}", scene.workload.id, scene.aws().region, scene.host.instance);
    scene.until_gone("InstanceHold", &hold).await;

    let chain = held.chain().await;
    chain.assert_sound();
    assert_eq!(chain.facts("released").len(), 1);
    assert_eq!(chain.left(), Vec::<&Value>::new());
    let message = condition_of(&released, "Ready").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("AWS can't give it back: idleTimeouts/"), "{message}");

    // Somebody touches the spec: the release is looked at again, and nothing is left to do.
    let changes = scene.changes().len();
    let mut spec = released["spec"].clone();
    spec["caseRef"] = json!({"name": "later"});
    scene.declare_as(Identity::Alice, "web", spec).await;
    let generation = scene.get("Quarantine", "web").await["metadata"]["generation"].clone();
    assert_ne!(generation, released["metadata"]["generation"]);
    scene
        .until("Quarantine", "web", "look at the new spec", |found| found["status"]["observedGeneration"] == generation)
        .await;
    assert_eq!(scene.changes().len(), changes, "a second release changes something");
    assert_eq!(held.chain().await.links.len(), chain.links.len());
    assert_eq!(look(scene).await, held.before);

    // Now nothing is held, and it may go.
    scene.api(Identity::Alice, "Quarantine").await.delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    scene.until_gone("Quarantine", "web").await;
    assert_eq!(look(scene).await, held.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_any_more_is_left_and_reported() {
    let held = Held::asked("foreign").await;
    let scene = &held.scene;
    // Nothing enforces while the controller is away; it finds the foreign values when it comes to give back.
    held.controller.kill();
    let interface = &scene.host.interfaces[1];
    let default = scene.default_group().await;
    scene.set_groups(interface, &[&default]).await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let _controller = scene.controller("one").await;
    scene.until_reason("Quarantine", "web", "Ready", "Released").await;

    let after = look(scene).await;
    assert_eq!(after.groups, [held.before.groups[0].clone(), vec![default.clone()]]);
    assert_eq!(after.protections, held.before.protections);
    let chain = held.chain().await;
    let left = chain.left();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["attribute"], format!("groups/{interface}"));
    assert_eq!(left[0]["value"], json!([default]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_used_up_by_the_release_that_it_allowed() {
    let held = Held::asked("replay").await;
    let scene = &held.scene;
    let old = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    scene.api(Identity::Alice, "Quarantine").await.delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    scene.until_gone("Quarantine", "web").await;

    // The same name, the same host, the same people; another object.
    scene.declare("web", "Isolated").await;
    scene.until_settled("web").await;
    scene.declare("web", "Released").await;
    let asked = scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    // bob's old words, once as they were and once about the new object.
    let again = scene.approve_with(Identity::Bob, &old.data["spec"]).await.unwrap();
    let mut forged = old.data["spec"].clone();
    forged["subject"]["uid"] = asked["metadata"]["uid"].clone();
    let forged = scene.approve_with(Identity::Bob, &forged).await.unwrap();
    judged(scene, &forged, "Stale").await;
    let quarantine = scene.get("Quarantine", "web").await;
    assert_eq!(condition_of(&quarantine, "Ready").unwrap()["reason"], "AwaitingApproval");
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    let again = scene.get("Approval", &again.metadata.name.unwrap()).await;
    assert_ne!(again["status"]["state"], "Accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_an_older_plan_is_stale() {
    let scene = Scene::guarded("stale").await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let old = scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    // The plan changes under the approver's eyes: what is asked for is part of its hash.
    let mut spec = old["spec"].clone();
    spec["isolation"] = json!({"pulse": "Never"});
    scene.declare_as(Identity::Alice, "web", spec).await;
    let plan = old["status"]["plan"]["hash"].clone();
    scene.until("Quarantine", "web", "another plan", |found| found["status"]["plan"]["hash"] != plan).await;
    let approval = scene.approve_with(Identity::Bob, &approval_of(Identity::Bob, "Quarantine", &old)).await.unwrap();
    judged(&scene, &approval, "Stale").await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    let approval = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    judged(&scene, &approval, "Accepted").await;
    scene.until_settled("web").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_keeps_it_closed_whoever_approves() {
    let held = Held::asked("deny").await;
    let scene = &held.scene;
    let object = scene.get("Quarantine", "web").await;
    let mut denial = approval_of(Identity::Carol, "Quarantine", &object);
    denial["decision"] = json!("Deny");
    let denial = scene.approve_with(Identity::Carol, &denial).await.unwrap();
    judged(scene, &denial, "Accepted").await;
    let approval = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    judged(scene, &approval, "Rejected").await;
    let quarantine = scene.until_reason("Quarantine", "web", "Ready", "Denied").await;
    assert!(condition_of(&quarantine, "Stalled").is_some(), "{:?}", conditions(&quarantine));
    let chain = held.chain().await;
    assert_eq!(chain.facts("denied").len(), 1);
    assert_eq!(chain.facts("denied")[0]["approver"], "carol");
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    assert!(!scene.groups().await.concat().contains(&OPEN.to_owned()));
}
