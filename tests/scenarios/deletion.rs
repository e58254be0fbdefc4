//! Deleting is no way to open a host, whatever is deleted.

use crate::inventory::protections;
use crate::scene::{CLOSED, Scene};
use crate::support::aws::REGION;
use crate::support::bed::Bed;
use crate::support::control_plane::Options;
use crate::support::identities::Identity;
use crate::support::install;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use crate::support::world::aws_account;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};

/// The API server's own words.
fn refusal<T: std::fmt::Debug>(answer: kube::Result<T>) -> String {
    match answer.expect_err("it is refused") {
        kube::Error::Api(status) => status.message,
        other => panic!("{other}"),
    }
}

async fn cluster_wide(scene: &Scene, group: &str, kind: &str) -> Api<DynamicObject> {
    cluster_wide_as(scene, Identity::Admin, group, kind).await
}

async fn cluster_wide_as(scene: &Scene, who: Identity, group: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
    Api::all_with(scene.client(who).await, &resource)
}

/// Somebody opens an interface, and finds it closed again.
async fn assert_enforced(scene: &Scene) {
    scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
    // Nothing that the controller ever set was anything but a group of its own.
    let opened = scene.changes().into_iter().any(|call| call.parameters.values().any(|v| *v == scene.network.web));
    assert!(!opened, "the controller itself opened the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_a_host_is_not_deleted_by_anybody() {
    let (scene, _controller) = Scene::held("undeletable", "Isolated").await;
    let now = DeleteParams::default();
    for who in [Identity::Alice, Identity::Admin] {
        let said = refusal(scene.api(who, "Quarantine").await.delete("web", &now).await);
        assert!(said.contains("cannot be deleted while something is held"), "{said}");
    }
    let all = scene.api(Identity::Admin, "Quarantine").await.delete_collection(&now, &ListParams::default()).await;
    assert!(refusal(all).contains("cannot be deleted while something is held"));
    let account = scene.api(Identity::Admin, "AwsAccount").await.delete(&scene.account_name(), &now).await;
    assert!(refusal(account).contains("cannot be deleted while something is held"));
    let hold = format!("{}-{REGION}-{}", scene.workload.id, scene.host.instance);
    let said = refusal(scene.api(Identity::Admin, "InstanceHold").await.delete(&hold, &now).await);
    assert!(said.contains("written by the controller alone"), "{said}");
    let namespace = cluster_wide(&scene, "", "Namespace").await.delete(&scene.namespace, &now).await;
    let said = refusal(namespace);
    assert!(said.contains(&scene.namespace) && said.contains("allowedNamespaces"), "{said}");
    // In dry-run, which the policies see too: the other tests have their objects there.
    let dry_run = DeleteParams { dry_run: true, ..DeleteParams::default() };
    let definitions = cluster_wide(&scene, "apiextensions.k8s.io", "CustomResourceDefinition").await;
    let said = refusal(definitions.delete("quarantines.sequester.dev", &dry_run).await);
    assert!(said.contains("cannot be deleted"), "{said}");

    let quarantine = scene.get("Quarantine", "web").await;
    assert!(quarantine["metadata"]["deletionTimestamp"].is_null());
    assert_enforced(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_and_its_children_stay_and_hold() {
    let scene = Scene::new("case-gone").await;
    let _controller = scene.controller("one").await;
    let host = &scene.host.instance;
    let target = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": host});
    let spec = json!({"requestedBy": "alice", "title": "gone", "severity": "Low", "targets": [target]});
    scene.apply(Identity::Alice, "ForensicCase", "case", spec).await.unwrap();
    scene.until_true("ForensicCase", "case", "Ready").await;
    let (quarantine, evidence) = (format!("case-{host}"), format!("case-{host}-at-once"));
    scene.until_settled(&quarantine).await;

    let cases = scene.api(Identity::Alice, "ForensicCase").await;
    cases.delete("case", &DeleteParams::default()).await.unwrap();
    scene.until_gone("ForensicCase", "case").await;
    for (kind, name) in [("Quarantine", &quarantine), ("EvidenceSnapshot", &evidence)] {
        let child = scene.get(kind, name).await;
        assert!(child["metadata"]["deletionTimestamp"].is_null());
        assert!(child["metadata"]["ownerReferences"].is_null(), "it would go with its owner");
        let said = refusal(scene.api(Identity::Alice, kind).await.delete(name, &DeleteParams::default()).await);
        assert!(said.contains("cannot be deleted"), "{said}");
    }
    assert_enforced(&scene).await;
    let settled = scene.until_true("Quarantine", &quarantine, "Ready").await;
    assert_eq!(condition_of(&settled, "Isolated").unwrap()["status"], "True");
    // Its release is asked for by itself.
    let mut spec = settled["spec"].clone();
    spec["level"] = json!("Released");
    scene.declare_as(Identity::Alice, &quarantine, spec).await;
    scene.until_reason("Quarantine", &quarantine, "Ready", "AwaitingApproval").await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
}

/// The account's owner withdraws the namespace: nothing new is begun, what is held stays held, and may be given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_no_longer_allowed_stays_held_and_can_release() {
    let (scene, _controller) = Scene::held("withdrawn", "Isolated").await;
    scene.declare_accounts(|account| account["spec"]["allowedNamespaces"] = json!(["somewhere-else"])).await;
    let said = protections(scene.aws(), &scene.host.instance).await;
    assert_enforced(&scene).await;
    assert_eq!(protections(scene.aws(), &scene.host.instance).await, said);
    scene.declare("web", "Released").await;
    scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_reason("Quarantine", "web", "Ready", "Released").await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn escalation_from_a_namespace_that_is_no_longer_allowed_is_refused() {
    let (scene, _controller) = Scene::held("escalation", "Protected").await;
    scene.declare_accounts(|account| account["spec"]["allowedNamespaces"] = json!(["somewhere-else"])).await;
    let account = scene.get("AwsAccount", &scene.account_name()).await;
    assert_eq!(account["spec"]["allowedNamespaces"], json!(["somewhere-else"]));
    let raised = scene.declare("web", "Isolated").await;
    scene
        .until("Quarantine", "web", "a refusal", |found| {
            found["status"]["observedGeneration"] == raised["metadata"]["generation"]
                && condition_of(found, "Isolated").is_some_and(|isolated| isolated["reason"] == "NamespaceNotAllowed")
        })
        .await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    assert_eq!(crate::chain::Chain::read(&scene, &uid(&raised)).await.facts("contained"), Vec::<&Value>::new());
}

/// An administrator withdraws the namespace and breaks the glass to delete it: what holds something stays in it, for ever terminating. No
/// record can be made there any more, and the host stays closed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_all_the_same_does_not_open_its_hosts() {
    let bed: &'static Bed = Box::leak(Box::new(Bed::start(Options { controller_manager: true }).await));
    let scene = Scene::on(bed, "terminating", |account| account["spec"]["recheck"] = json!("1s")).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let held = scene.until_settled("web").await;
    let admin = scene.client(Identity::Admin).await;
    for (name, account) in [(scene.account_name(), &scene.workload), (scene.forensics_name(), &scene.forensics)] {
        install::apply(&admin, &aws_account(&name, account, &scene.proxy.url(), "somewhere-else")).await;
    }
    let namespaces = cluster_wide(&scene, "", "Namespace").await;
    wait::until("a refusal that names what is held", LIMIT, async || {
        match namespaces.delete(&scene.namespace, &DeleteParams { dry_run: true, ..DeleteParams::default() }).await {
            Err(error) if error.to_string().contains("are held in it") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let namespaces = cluster_wide_as(&scene, Identity::Breaker, "", "Namespace").await;
    namespaces.delete(&scene.namespace, &DeleteParams::default()).await.expect("break glass");
    wait::until("a namespace that can't end", LIMIT, async || {
        let found = namespaces.get(&scene.namespace).await.map_err(|error| error.to_string())?;
        let text = found.data["status"].to_string();
        // Kubernetes tried to delete everything in it, and says what it could not.
        if text.contains("NamespaceDeletionContentFailure") { Ok(()) } else { Err(text) }
    })
    .await;
    assert_enforced(&scene).await;
    let found = scene.get("Quarantine", "web").await;
    assert_eq!(found["metadata"]["uid"], held["metadata"]["uid"]);
    crate::chain::Chain::read(&scene, &uid(&held)).await.assert_sound();
}

/// The definitions are deleted under break glass: those of what holds something can't end, that of Approvals is gone. A
/// replica that starts then can create nothing, and keeps the host closed while it waits for an Approval that nobody can
/// write any more.
#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_deleted_all_the_same_do_not_open_a_host() {
    let bed: &'static Bed = Box::leak(Box::new(Bed::start(Options::default()).await));
    let scene = Scene::on(bed, "undefined", |account| account["spec"]["recheck"] = json!("1s")).await;
    let controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let held = scene.until_settled("web").await;
    scene.declare("web", "Released").await;
    scene.until_reason("Quarantine", "web", "Ready", "AwaitingApproval").await;
    let definitions =
        cluster_wide_as(&scene, Identity::Breaker, "apiextensions.k8s.io", "CustomResourceDefinition").await;
    for plural in ["approvals", "instanceholds", "custodyrecords", "quarantines"] {
        let name = format!("{plural}.sequester.dev");
        definitions.delete(&name, &DeleteParams::default()).await.expect("break glass");
        wait::until(&format!("{name} on its way out"), LIMIT, async || match definitions.get_opt(&name).await {
            Ok(None) => Ok(()),
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }
    assert_enforced(&scene).await;
    drop(controller);
    let _again = scene.controller("two").await;
    assert_enforced(&scene).await;
    let found = scene.get("Quarantine", "web").await;
    assert_eq!(found["metadata"]["uid"], held["metadata"]["uid"]);
}
