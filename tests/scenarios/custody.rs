//! A chain or a status that somebody edited by hand.
//!
//! The policies do not let anybody; so this is a control plane whose administrator has taken them away.

use crate::chain::Chain;
use crate::scene::{CLOSED, Scene};
use crate::support::bed::Bed;
use crate::support::control_plane::Options;
use crate::support::identities::Identity;
use crate::support::install;
use crate::support::process::Process;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A bed without our policies, shared by the tests here.
async fn lawless() -> &'static Bed {
    static LAWLESS: OnceCell<Bed> = OnceCell::const_new();
    LAWLESS
        .get_or_init(async || {
            let bed = Bed::start(Options::default()).await;
            for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
                let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
                let client = bed.control_plane.client(Identity::Admin).await;
                let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
                api.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("delete them");
            }
            bed
        })
        .await
}

/// A host held there.
async fn held(prefix: &str) -> (Scene, Process, Chain) {
    let scene = Scene::on(lawless().await, prefix, |account| account["spec"]["recheck"] = json!("1s")).await;
    let controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let settled = scene.until_settled("web").await;
    let chain = Chain::read(&scene, &uid(&settled)).await;
    (scene, controller, chain)
}

/// Takes a record away, finalizer and all, as soon as the API server no longer asks the policies.
async fn remove(scene: &Scene, name: &str) -> DynamicObject {
    let records = scene.api(Identity::Admin, "CustodyRecord").await;
    let record = records.get(name).await.expect("the record");
    wait::until("a record without its finalizer", LIMIT, async || {
        let bare = Patch::Merge(json!({"metadata": {"finalizers": []}}));
        records.patch(name, &PatchParams::default(), &bare).await.map_err(|error| error.to_string())?;
        records.delete(name, &DeleteParams::default()).await.map_err(|error| error.to_string())
    })
    .await;
    scene.until_gone("CustodyRecord", name).await;
    record
}

/// Puts other bytes in its place.
async fn rewrite(scene: &Scene, name: &str, change: impl FnOnce(&mut Value)) {
    let record = remove(scene, name).await;
    let mut spec = record.data["spec"].clone();
    let mut body: Value = serde_json::from_str(spec["body"].as_str().unwrap()).unwrap();
    change(&mut body);
    spec["body"] = json!(body.to_string());
    let forged = json!({
        "apiVersion": "sequester.dev/v1alpha1", "kind": "CustodyRecord", "spec": spec,
        "metadata": {"name": name, "namespace": scene.namespace, "labels": record.metadata.labels},
    });
    install::apply(&scene.client(Identity::Admin).await, &forged).await;
}

/// After a restart the break is told, what was set stays enforced, and nothing else is done.
async fn assert_broken(scene: &Scene, uid: &str, before: usize) {
    let controller = scene.controller("one").await;
    let told = scene.until_reason("Quarantine", "web", "Ready", "CustodyChainBroken").await;
    assert_eq!(condition_of(&told, "Stalled").unwrap()["reason"], "CustodyChainBroken");
    scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
    // A broken chain is neither continued nor a reason to let go.
    scene.declare("web", "Released").await;
    let looks = scene.looks();
    scene.until_looked(looks + 3).await;
    scene.until_groups(CLOSED).await;
    let found = scene.get("Quarantine", "web").await;
    assert_eq!(condition_of(&found, "Ready").unwrap()["reason"], "CustodyChainBroken");
    assert_eq!(records(scene, uid).await, before);

    // Another process finds the same: what was said of the break has not hidden it.
    controller.kill();
    let _next = scene.controller("one").await;
    scene.set_groups(&scene.host.interfaces[1], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
    let looks = scene.looks();
    scene.until_looked(looks + 3).await;
    assert_eq!(records(scene, uid).await, before);
}

async fn records(scene: &Scene, uid: &str) -> usize {
    let selector = ListParams::default().labels(&format!("sequester.dev/subject={uid}"));
    scene.api(Identity::Admin, "CustodyRecord").await.list(&selector).await.expect("list records").items.len()
}

fn baseline_of<'a>(chain: &'a Chain, attribute: &str) -> &'a str {
    let holds = |entry: &Value| entry["fact"] == "baseline" && entry["attribute"].as_str() == Some(attribute);
    let (index, _) = chain.entries().find(|(_, entry)| holds(entry)).expect("the baseline");
    &chain.links[index].name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_other_bytes_breaks_the_chain() {
    let (scene, controller, chain) = held("forged").await;
    controller.kill();
    // What would be given back one day: the intruder's wish.
    let attribute = format!("groups/{}", scene.host.interfaces[0]);
    let foreign = scene.default_group().await;
    rewrite(&scene, baseline_of(&chain, &attribute), |body| {
        for entry in body["entries"].as_array_mut().unwrap() {
            if entry["attribute"].as_str() == Some(&attribute) && entry["fact"] == "baseline" {
                entry["value"] = json!([foreign]);
            }
        }
    })
    .await;
    assert_broken(&scene, &chain.uid, chain.links.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_gone_breaks_the_chain() {
    let (scene, controller, chain) = held("gap").await;
    controller.kill();
    remove(&scene, &chain.links[chain.links.len() - 2].name).await;
    assert_broken(&scene, &chain.uid, chain.links.len() - 1).await;
}

/// A chain without its last links is whole in itself; that there were more is known from elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_cut_is_broken_too() {
    let (scene, controller, chain) = held("cut").await;
    controller.kill();
    remove(&scene, &chain.links.last().unwrap().name).await;
    assert_broken(&scene, &chain.uid, chain.links.len() - 1).await;
}

/// Written anew from some link on, a chain is whole in itself as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_whose_end_was_written_anew_is_broken_too() {
    let (scene, controller, chain) = held("anew").await;
    controller.kill();
    rewrite(&scene, &chain.links.last().unwrap().name, |body| body["writer"]["identity"] = json!("somebody")).await;
    Chain::read(&scene, &chain.uid).await.assert_sound();
    assert_broken(&scene, &chain.uid, chain.links.len()).await;
}

/// The break may hide that the host was given back: who holds it is asked elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_chain_of_a_host_that_was_given_back_closes_nothing() {
    let (scene, controller, chain) = held("given").await;
    controller.kill();
    remove(&scene, &chain.links.last().unwrap().name).await;
    // What a release leaves: the level, no marks, and the groups as they were. (No Approval counts without policies.)
    scene.declare("web", "Released").await;
    let (none, params) = (Patch::Merge(json!({"metadata": {"finalizers": []}})), PatchParams::default());
    scene.api(Identity::Admin, "Quarantine").await.patch("web", &params, &none).await.unwrap();
    let holds = scene.api(Identity::Admin, "InstanceHold").await;
    let hold = format!("{}-{}-{}", scene.workload.id, scene.aws().region, scene.host.instance);
    holds.patch(&hold, &params, &none).await.unwrap();
    holds.delete(&hold, &DeleteParams::default()).await.unwrap();
    for interface in &scene.host.interfaces {
        scene.set_groups(interface, &[&scene.network.web]).await;
    }

    let _next = scene.controller("one").await;
    scene.until_reason("Quarantine", "web", "Ready", "CustodyChainBroken").await;
    let (looks, changes) = (scene.looks(), scene.changes().len());
    scene.until_looked(looks + 3).await;
    assert_eq!(scene.changes().len(), changes, "{:?}", &scene.changes()[changes..]);
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_somebody_wrote_is_not_believed() {
    let (scene, _controller, chain) = held("status").await;
    let quarantines = scene.api(Identity::Admin, "Quarantine").await;
    let lie = json!({"status": {
        "containedAt": null,
        "record": {"index": 0, "hash": format!("sha256:{}", "0".repeat(64))},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Released", "message": "nothing is held any more",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }});
    wait::until("a forged status", LIMIT, async || {
        let patched = quarantines.patch_status("web", &PatchParams::default(), &Patch::Merge(&lie)).await;
        patched.map_err(|error| error.to_string())
    })
    .await;
    scene
        .until("Quarantine", "web", "the truth", |found| {
            condition_of(found, "Isolated").is_some_and(|isolated| isolated["status"] == "True")
                && found["status"]["record"]["index"] == chain.links.len() - 1
                && !found["status"]["containedAt"].is_null()
        })
        .await;
    assert_eq!(Chain::read(&scene, &chain.uid).await.links.len(), chain.links.len());
    scene.until_groups(CLOSED).await;

    // Without policies it can be deleted; the finalizer keeps it, and it goes on.
    quarantines.delete("web", &DeleteParams::default()).await.unwrap();
    scene.set_groups(&scene.host.interfaces[1], &[&scene.network.web]).await;
    scene.until_groups(CLOSED).await;
    assert!(!scene.get("Quarantine", "web").await["metadata"]["deletionTimestamp"].is_null());
}

/// With the policies, as everywhere else.
#[tokio::test(flavor = "multi_thread")]
async fn records_and_status_are_for_the_controller_alone() {
    let (scene, _controller) = Scene::held("immutable", "Protected").await;
    let chain = Chain::read(&scene, &uid(&scene.get("Quarantine", "web").await)).await;
    let records = scene.api(Identity::Admin, "CustodyRecord").await;
    let name = &chain.links[0].name;
    let (params, now) = (PatchParams::default(), DeleteParams::default());
    let other = Patch::Merge(json!({"spec": {"body": "{}"}}));
    for refused in [
        records.patch(name, &params, &other).await.map(drop),
        records.delete(name, &now).await.map(drop),
        records.delete_collection(&now, &ListParams::default()).await.map(drop),
        scene
            .api(Identity::Admin, "Quarantine")
            .await
            .patch_status("web", &params, &Patch::Merge(json!({"status": {"containedAt": null}})))
            .await
            .map(drop),
    ] {
        match refused.expect_err("it is refused") {
            kube::Error::Api(status) => assert!([403, 422].contains(&status.code), "{}", status.message),
            other => panic!("{other}"),
        }
    }
    assert_eq!(Chain::read(&scene, &chain.uid).await.links.len(), chain.links.len());
}
