//! A set whose request was on its way longer than anybody waits.

use crate::chain::{Chain, assert_witnessed};
use crate::scene::Scene;
use crate::support::aws::{REGION, ok, tags};
use crate::support::identities::Identity;
use crate::support::proxy::{Fault, When};
use crate::support::stage::LIMIT;
use crate::support::wait;
use crate::support::world::snapshots_of;
use serde_json::{Value, json};

async fn all_snapshots(scene: &Scene) -> Vec<String> {
    let mut all = Vec::new();
    for volume in &scene.host.volumes {
        all.extend(snapshots_of(scene.aws(), volume).await);
    }
    all.sort();
    all
}

async fn locked(scene: &Scene, snapshot: &str) -> bool {
    let xml = ok(scene.aws().ec2("DescribeLockedSnapshots", &[("SnapshotId.1", snapshot)]).await);
    tags(&xml, "lockState").first() == Some(&"governance")
}

/// The first request comes after the second was answered: its snapshots are written down as surplus and locked, and
/// never taken for the set, never deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_comes_too_late_is_surplus() {
    let scene = Scene::new("surplus").await;
    let held = scene.proxy.rule(When::operation("CreateSnapshots").once(), Fault::HoldRequest);
    let _controller = scene.controller("one").await;
    let instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let spec = json!({"requestedBy": "alice", "source": {"instance": instance}, "verify": "None"});
    let applied = scene.apply(Identity::Alice, "EvidenceSnapshot", "disks", spec).await.unwrap();
    let uid = applied.metadata.uid.unwrap();
    held.wait_held(1, LIMIT).await;
    // After the wait W it is asked for again, and that is the set.
    scene.until_true("EvidenceSnapshot", "disks", "Preserved").await;
    let canonical = all_snapshots(&scene).await;
    assert_eq!(canonical.len(), scene.host.volumes.len());
    let status = scene.get("EvidenceSnapshot", "disks").await["status"]["snapshots"].clone();

    held.release();
    let chain = wait::until("what came late, in the chain", LIMIT, async || {
        let chain = Chain::read(&scene, &uid).await;
        if chain.facts("surplusSet").is_empty() { Err("nothing of it".to_owned()) } else { Ok(chain) }
    })
    .await;
    let all = all_snapshots(&scene).await;
    assert_eq!(all.len(), 2 * canonical.len());
    let surplus: Vec<&String> = all.iter().filter(|id| !canonical.contains(id)).collect();
    let mut said: Vec<&Value> = chain.facts("surplusSet")[0]["snapshots"].as_array().unwrap().iter().collect();
    said.sort_by_key(|id| id.as_str());
    assert_eq!(json!(said), json!(surplus));
    for snapshot in &all {
        wait::until("a lock on each", LIMIT, async || {
            if locked(&scene, snapshot).await { Ok(()) } else { Err(snapshot.clone()) }
        })
        .await;
    }
    scene.until_outcomes(std::slice::from_ref(&uid)).await;
    let chain = Chain::read(&scene, &uid).await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
    let object = scene.get("EvidenceSnapshot", "disks").await;
    assert_eq!(object["status"]["snapshots"], status, "the set is what it was");
}
