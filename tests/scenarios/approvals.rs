//! Who may say yes, to what, and what it is worth where nobody vouches for names.

use crate::chain::Chain;
use crate::scene::{CLOSED, Scene, quarantine};
use crate::support::bed::Bed;
use crate::support::control_plane::Options;
use crate::support::identities::Identity;
use crate::support::install;
use crate::support::stage::{LIMIT, approval_of, condition_of, uid};
use crate::support::wait;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::path::Path;

/// A host protected, and its isolation waiting for somebody.
async fn awaited(prefix: &str, who: Identity) -> Scene {
    let scene = Scene::guarded(prefix).await;
    let mut spec = quarantine(&scene, &scene.host.instance, "Isolated");
    if who == Identity::Argo {
        // No person signs for a service account.
        spec.as_object_mut().unwrap().remove("requestedBy");
    }
    scene.declare_as(who, "web", spec).await;
    scene
}

async fn until_awaiting(scene: &Scene) -> Value {
    scene
        .until("Quarantine", "web", "a plan", |found| {
            found["status"]["plan"]["action"] == "Isolate"
                && condition_of(found, "Ready").is_some_and(|ready| ready["reason"] == "AwaitingApproval")
        })
        .await
}

async fn judged(scene: &Scene, approval: &DynamicObject, state: &str) -> Value {
    let name = approval.metadata.name.clone().unwrap();
    scene.until("Approval", &name, state, |found| found["status"]["state"] == state).await
}

/// The decision that opened the gate, as the chain has it.
async fn decision(scene: &Scene) -> Value {
    let chain = Chain::read(scene, &uid(&scene.get("Quarantine", "web").await)).await;
    let decisions: Vec<Value> =
        chain.entries().map(|(_, entry)| entry).filter(|entry| entry["entry"] == "decision").cloned().collect();
    assert_eq!(decisions.len(), 1, "{decisions:#?}");
    decisions[0].clone()
}

/// Gives alice a role in the namespace.
async fn bind_alice(scene: &Scene, role: &str) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("alice-{role}"), "namespace": scene.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io"}],
    });
    install::apply(&scene.client(Identity::Admin).await, &binding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_by_itself_has_a_plan_and_takes_an_approval() {
    let scene = awaited("alone", Identity::Alice).await;
    let _controller = scene.controller("one").await;
    // Evidence and protection wait for nobody.
    scene.until_true("Quarantine", "web", "Protected").await;
    let waiting = until_awaiting(&scene).await;
    let plan = &waiting["status"]["plan"];
    let lines = plan["lines"].to_string();
    assert!(scene.host.interfaces.iter().all(|interface| lines.contains(interface)), "{lines}");
    assert!(condition_of(&waiting, "Stalled").is_none() && condition_of(&waiting, "Reconciling").is_none());
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    let approval = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let settled = scene.until_settled("web").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    judged(&scene, &approval, "Accepted").await;
    let decision = decision(&scene).await;
    assert_eq!(decision["approvals"], json!({"bob": approval.metadata.uid}));
    assert_eq!((&decision["planHash"], &decision["breakGlass"]), (&plan["hash"], &json!(false)));
    assert!(settled["status"]["plan"].is_null(), "{}", settled["status"]["plan"]);
    // The repair of drift needs no signature.
    scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_does_not_approve_nor_under_another_name() {
    let scene = awaited("myself", Identity::Alice).await;
    bind_alice(&scene, "sequester-approver").await;
    let _controller = scene.controller("one").await;
    let waiting = until_awaiting(&scene).await;
    let refused = scene.approve(Identity::Alice, "Quarantine", "web").await.expect_err("alice asked for it");
    assert!(refused.to_string().contains("spec.approver must differ from spec.requester"), "{refused}");
    // She says that somebody else asked: the policy can't know, the controller does.
    let mut lie = approval_of(Identity::Alice, "Quarantine", &waiting);
    lie["requester"] = json!("carol");
    let lie = scene.approve_with(Identity::Alice, &lie).await.unwrap();
    let judged = judged(&scene, &lie, "Rejected").await;
    assert!(judged["status"]["message"].as_str().unwrap().contains("alice"), "{}", judged["status"]);
    until_awaiting(&scene).await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_alone_may_break_the_glass_loudly() {
    let scene = awaited("glass", Identity::Alice).await;
    bind_alice(&scene, "sequester-break-glass").await;
    let _controller = scene.controller("one").await;
    let waiting = until_awaiting(&scene).await;
    let mut alone = approval_of(Identity::Alice, "Quarantine", &waiting);
    alone["breakGlass"] = json!(true);
    let approval = scene.approve_with(Identity::Alice, &alone).await.unwrap();
    scene.until_settled("web").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    judged(&scene, &approval, "Accepted").await;
    let decision = decision(&scene).await;
    assert_eq!(
        (&decision["breakGlass"], &decision["approvals"]["alice"]),
        (&json!(true), &json!(approval.metadata.uid))
    );
}

/// A request that no person signed needs two who did.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_account_asks_for_needs_two_people() {
    let scene = awaited("gitops", Identity::Argo).await;
    let _controller = scene.controller("one").await;
    until_awaiting(&scene).await;
    let first = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    judged(&scene, &first, "Accepted").await;
    // The same person twice is one person.
    let second = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    judged(&scene, &second, "Accepted").await;
    until_awaiting(&scene).await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    scene.approve(Identity::Carol, "Quarantine", "web").await.unwrap();
    scene.until_settled("web").await;
    let approvals = decision(&scene).await["approvals"].clone();
    let who: Vec<&String> = approvals.as_object().unwrap().keys().collect();
    assert_eq!(who, ["bob", "carol"]);
}

/// All of our policies with their bindings.
async fn remove_policies(scene: &Scene) {
    for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind));
        let api: Api<DynamicObject> = Api::all_with(scene.client(Identity::Admin).await, &resource);
        api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("delete the policies");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_policies_no_approval_counts() {
    // Others would miss the policies: a control plane of one's own, which ends with the test's process.
    let bed: &'static Bed = Box::leak(Box::new(Bed::start(Options::default()).await));
    let guarded = |account: &mut Value| account["spec"]["approval"] = json!({"required": ["Isolate"]});
    let scene = Scene::on(bed, "lawless", guarded).await;
    let _controller = scene.controller("one").await;
    scene.until_true("AwsAccount", &scene.account_name(), "PoliciesEnforced").await;
    scene.declare("web", "Isolated").await;
    let waiting = until_awaiting(&scene).await;

    // One that is weakened is as bad as none, and named.
    let admin = scene.client(Identity::Admin).await;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicyBinding",
    ));
    let bindings: Api<DynamicObject> = Api::all_with(admin, &resource);
    let weaker = json!({"spec": {"validationActions": ["Audit"]}});
    bindings.patch("sequester-marks", &PatchParams::default(), &Patch::Merge(&weaker)).await.expect("weaken a policy");
    let signed = scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    let told = judged(&scene, &signed, "Rejected").await;
    assert_eq!(told["status"]["reason"], "PoliciesNotEnforced");
    let account =
        scene.until_reason("AwsAccount", &scene.account_name(), "PoliciesEnforced", "PoliciesNotEnforced").await;
    let message = condition_of(&account, "PoliciesEnforced").unwrap()["message"].to_string();
    assert!(message.contains("ValidatingAdmissionPolicyBinding sequester-marks is not the one"), "{message}");

    remove_policies(&scene).await;
    // Now anybody can write anybody's name, as soon as the API server has taken it up.
    let forged = approval_of(Identity::Bob, "Quarantine", &waiting);
    let forged = wait::until("a forged Approval", LIMIT, async || {
        scene.approve_with(Identity::Admin, &forged).await.map_err(|error| error.to_string())
    })
    .await;
    let told = judged(&scene, &forged, "Rejected").await;
    assert_eq!(told["status"]["reason"], "PoliciesNotEnforced");
    scene.until_reason("AwsAccount", &scene.account_name(), "PoliciesEnforced", "PoliciesNotEnforced").await;
    until_awaiting(&scene).await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    // When they are back, what was written without them counts no more than before; what is written now does.
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    install::install(&scene.client(Identity::Admin).await, &manifests).await;
    scene.until_true("AwsAccount", &scene.account_name(), "PoliciesEnforced").await;
    let looks = scene.looks();
    scene.until_looked(looks + 2).await;
    assert_eq!(scene.groups().await, [["web"], ["web"]], "a forged Approval was honoured");
    judged(&scene, &forged, "Rejected").await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_settled("web").await;
    assert_eq!(decision(&scene).await["approvals"].as_object().unwrap().len(), 1);
}
