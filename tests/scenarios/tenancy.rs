//! One host, one holder; and nobody is told about what is not theirs.

use crate::inventory::protections;
use crate::scene::{CLOSED, Scene, quarantine};
use crate::support::aws::{REGION, ok, tag};
use crate::support::identities::Identity;
use crate::support::install;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};

/// A second tenant of the same account, in a namespace of its own. It is played by the administrator, who may do so.
struct Neighbour {
    namespace: String,
    quarantines: Api<DynamicObject>,
}

impl Neighbour {
    async fn new(scene: &Scene) -> Self {
        let namespace = scene.bed.namespace("neighbour").await;
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("sequester.dev", "v1alpha1", "Quarantine"));
        let client = scene.client(Identity::Admin).await;
        Self { quarantines: Api::namespaced_with(client, &namespace, &kind), namespace }
    }

    async fn declare(&self, scene: &Scene, level: &str) {
        let mut spec = quarantine(scene, &scene.host.instance, level);
        spec["requestedBy"] = json!("admin");
        let object = json!({
            "apiVersion": "sequester.dev/v1alpha1", "kind": "Quarantine",
            "metadata": {"name": "theirs", "namespace": self.namespace}, "spec": spec,
        });
        install::apply(&scene.client(Identity::Admin).await, &object).await;
    }

    async fn until(&self, what: &str, meets: impl Fn(&Value) -> bool) -> Value {
        wait::until(&format!("{what} for the neighbour"), LIMIT, async || {
            let object = self.quarantines.get("theirs").await.map_err(|error| error.to_string())?;
            let object = serde_json::to_value(object).unwrap();
            if condition_of(&object, "Ready").is_some_and(&meets) { Ok(object) } else { Err(format!("{object:#}")) }
        })
        .await
    }
}

/// Events in a namespace, as text.
async fn events(scene: &Scene, namespace: &str) -> String {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("events.k8s.io", "v1", "Event"));
    let events: Api<DynamicObject> = Api::namespaced_with(scene.client(Identity::Admin).await, namespace, &kind);
    let listed = events.list(&ListParams::default()).await.expect("list events");
    serde_json::to_string(&listed.items).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_waits_and_is_told_nothing_of_the_first() {
    let scene = Scene::new("first-tenant").await;
    let neighbour = Neighbour::new(&scene).await;
    let both = [scene.namespace.clone(), neighbour.namespace.clone()];
    scene.declare_accounts(|account| account["spec"]["allowedNamespaces"] = json!(both)).await;
    let (controller, url) = scene.start_controller("one", &["--namespaces", &neighbour.namespace]).await;
    controller.wait_ready(&url, LIMIT).await;
    scene.declare("suspicious", "Protected").await;
    scene.until_settled("suspicious").await;

    let changes = scene.changes().len();
    neighbour.declare(&scene, "Isolated").await;
    let refused = neighbour.until("HeldElsewhere", |ready| ready["reason"] == "HeldElsewhere").await;
    assert_eq!(condition_of(&refused, "Stalled").unwrap()["status"], "True");
    let told = format!("{} {}", refused["status"], events(&scene, &neighbour.namespace).await);
    for secret in [&scene.namespace, "suspicious", "alice", "Protected\""] {
        assert!(!told.contains(secret), "{secret} is none of their business: {told}");
    }
    assert_eq!(scene.changes().len(), changes);
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    // When the first gives it back, the second may have it.
    scene.declare("suspicious", "Released").await;
    scene.until_reason("Quarantine", "suspicious", "Ready", "AwaitingApproval").await;
    scene.approve(Identity::Bob, "Quarantine", "suspicious").await.unwrap();
    scene.until_reason("Quarantine", "suspicious", "Ready", "Released").await;
    neighbour.until("the host", |ready| ready["status"] == "True").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_in_one_namespace_are_no_different() {
    let (scene, _controller) = Scene::held("twice", "Protected").await;
    scene.declare("again", "Isolated").await;
    let refused = scene.until_reason("Quarantine", "again", "Ready", "HeldElsewhere").await;
    assert_eq!(scene.chain(&uid(&refused)).await, Vec::<Value>::new());
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    // What never held anything is let go at once.
    scene.api(Identity::Alice, "Quarantine").await.delete("again", &kube::api::DeleteParams::default()).await.unwrap();
    scene.until_gone("Quarantine", "again").await;
    scene.until_true("Quarantine", "web", "Ready").await;
}

/// A quarantine that another installation made, or whose records were lost: its state is no baseline.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_others_hold_is_left_alone() {
    let scene = Scene::new("foreign-hold").await;
    let made = [("GroupName", CLOSED), ("GroupDescription", "internal"), ("VpcId", &*scene.network.vpc)];
    let group = tag(&ok(scene.aws().ec2("CreateSecurityGroup", &made).await), "groupId").to_owned();
    scene.set_groups(&scene.host.interfaces[1], &[&group]).await;
    let before = protections(scene.aws(), &scene.host.instance).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let refused = scene.until_reason("Quarantine", "web", "Ready", "ForeignHold").await;
    let message = condition_of(&refused, "Ready").unwrap()["message"].to_string();
    assert!(message.contains(&scene.host.interfaces[1]), "{message}");
    let looks = scene.looks();
    scene.until_looked(looks + 2).await;
    assert!(scene.changes().is_empty(), "{:?}", scene.changes());
    assert_eq!(scene.chain(&uid(&refused)).await, Vec::<Value>::new());
    assert_eq!(protections(scene.aws(), &scene.host.instance).await, before);
    assert_eq!(scene.groups().await, [["web"], [CLOSED]]);
}

/// A Quarantine was deleted under break glass, and its hold stayed: nobody else could ever have the host.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_holder_is_gone_is_taken_over() {
    let scene = Scene::new("orphan-hold").await;
    let (account, instance) = (&scene.workload.id, &scene.host.instance);
    let hold = json!({
        "apiVersion": "sequester.dev/v1alpha1", "kind": "InstanceHold",
        "metadata": {"name": format!("{account}-{REGION}-{instance}"), "finalizers": ["sequester.dev/held"]},
        "spec": {"accountId": account, "region": REGION, "instanceId": instance, "holder": {
            "kind": "Quarantine", "namespace": scene.namespace, "name": "web",
            "uid": "3f0a7d7e-7b2e-4a77-9d6b-1d0a3f1d2c3b",
        }},
    });
    let token = scene.bed.control_plane.service_account_token("sequester-system", "sequester").await;
    install::apply(&scene.bed.control_plane.client_with_token(&token).await, &hold).await;
    let _controller = scene.controller("one").await;
    // Of the same name, and another object.
    let declared = scene.declare("web", "Isolated").await;
    scene.until_settled("web").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("sequester.dev", "v1alpha1", "InstanceHold"));
    let holds: Api<DynamicObject> = Api::all_with(scene.client(Identity::Admin).await, &kind);
    let taken = holds.get(hold["metadata"]["name"].as_str().unwrap()).await.expect("a hold");
    assert_eq!(taken.data["spec"]["holder"]["uid"], declared["metadata"]["uid"]);
}
