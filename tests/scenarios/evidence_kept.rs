//! What of a host is kept, who may use it, and what is said of the rest.

use crate::chain::Chain;
use crate::scene::Scene;
use crate::support::aws::{REGION, ok, tags};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

/// alice asks for a moment of the scene's host; `more` is merged into the spec.
async fn ask(scene: &Scene, name: &str, exclude: &[&str], more: Value) {
    let mut instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    if !exclude.is_empty() {
        instance["excludeVolumeIds"] = json!(exclude);
    }
    let mut spec = json!({"requestedBy": "alice", "source": {"instance": instance}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    scene.apply(Identity::Alice, KIND, name, spec).await.unwrap();
}

/// The row of the status that speaks of a volume.
pub fn row<'a>(object: &'a Value, volume: &str) -> &'a Value {
    let rows = object["status"]["snapshots"].as_array().unwrap();
    rows.iter().find(|row| row["volumeId"] == volume).unwrap_or_else(|| panic!("no {volume} in {rows:#?}"))
}

fn message<'a>(object: &'a Value, condition: &str) -> &'a str {
    condition_of(object, condition).and_then(|found| found["message"].as_str()).unwrap_or_default()
}

/// The volumes: the plain one, the one under the customer's key, the one under the default key.
pub async fn by_key(scene: &Scene) -> [String; 3] {
    let mut all = [const { String::new() }; 3];
    for volume in &scene.host.volumes {
        let xml = ok(scene.aws().ec2("DescribeVolumes", &[("VolumeId.1", volume)]).await);
        let place = match tags(&xml, "kmsKeyId").first() {
            None => 0,
            Some(key) if *key == scene.host.customer_key => 1,
            Some(_) => 2,
        };
        all[place].clone_from(volume);
    }
    all
}

/// Who may create volumes from a snapshot, as AWS has it.
async fn users(scene: &Scene, snapshot: &str) -> Vec<String> {
    let asked = [("SnapshotId", snapshot), ("Attribute", "createVolumePermission")];
    let xml = ok(scene.aws().ec2("DescribeSnapshotAttribute", &asked).await);
    let mut all: Vec<String> =
        tags(&xml, "userId").into_iter().chain(tags(&xml, "group")).map(ToOwned::to_owned).collect();
    all.sort();
    all
}

async fn until_users(scene: &Scene, snapshot: &str, expected: &[&str]) {
    wait::until(&format!("{snapshot} for {expected:?} alone"), LIMIT, async || {
        let users = users(scene, snapshot).await;
        if users == expected { Ok(()) } else { Err(format!("{users:?}")) }
    })
    .await;
}

/// Somebody gives a snapshot to a stranger and to the public.
pub async fn give_away(scene: &Scene, snapshot: &str) {
    let added = [
        ("SnapshotId", snapshot),
        ("Attribute", "createVolumePermission"),
        ("OperationType", "add"),
        ("UserId.1", "999999999999"),
        ("UserGroup.1", "all"),
    ];
    ok(scene.aws().ec2("ModifySnapshotAttribute", &added).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_named() {
    let scene = Scene::new("exclusion").await;
    let [plain, customer, _] = by_key(&scene).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &[&plain, &customer, "vol-0123456789abcdef0"], json!({})).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(object["status"]["summary"]["volumes"], "1/1");
    assert_eq!(object["status"]["summary"]["shared"], "nobody");
    for volume in [plain.as_str(), &customer, "vol-0123456789abcdef0"] {
        assert_eq!(row(&object, volume)["state"], "NotCovered");
        assert!(message(&object, "Ready").contains(volume), "{}", message(&object, "Ready"));
    }
    assert!(row(&object, "vol-0123456789abcdef0")["message"].as_str().unwrap().contains("not attached"));
    let chain = Chain::read(&scene, &uid(&object)).await;
    assert_eq!(chain.facts("notCovered").len(), 1);
    assert_eq!(chain.facts("legalHold").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_fails_is_named_and_the_rest_is_kept() {
    let scene = Scene::new("partial").await;
    let [plain, customer, default] = by_key(&scene).await;
    let door = format!("/bed/volumes/{default}");
    scene.bed.emulator.bed_post(&door, &json!({"snapshots_fail": "Client.InternalError"})).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &[], json!({"share": [{"accountRef": scene.forensics_name()}]})).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(row(&object, &default)["state"], "error");
    for condition in ["VolumesSnapshotted", "Preserved"] {
        let found = condition_of(&object, condition).unwrap();
        assert_eq!((&found["status"], &found["reason"]), (&json!("False"), &json!("PartialFailure")), "{found}");
        assert!(message(&object, condition).contains(&default), "{found}");
    }
    for volume in [&plain, &customer] {
        let row = row(&object, volume);
        assert!(row["lockedUntil"].is_string(), "{row}");
        assert_eq!(users(&scene, row["snapshotId"].as_str().unwrap()).await, [scene.forensics.id.as_str()]);
    }
    assert_eq!(object["status"]["evidenceSafeAt"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_the_default_key_is_not_shared_and_says_so() {
    let scene = Scene::new("default-key").await;
    let [_, customer, default] = by_key(&scene).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &[], json!({"share": [{"accountRef": scene.forensics_name()}]})).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let shared = condition_of(&object, "Shared").unwrap();
    assert_eq!((&shared["status"], &shared["reason"]), (&json!("False"), &json!("DefaultKey")), "{shared}");
    assert_eq!(object["status"]["summary"]["shared"], "2/3");
    let row_of = row(&object, &default);
    assert!(row_of["message"].as_str().unwrap().contains("default aws/ebs key"), "{row_of}");
    assert!(users(&scene, row_of["snapshotId"].as_str().unwrap()).await.is_empty());
    assert_eq!(row(&object, &customer)["sharedWith"], json!([scene.forensics.id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_the_public_lose_what_they_were_given() {
    let scene = Scene::new("strangers").await;
    let [plain, ..] = by_key(&scene).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "private", &[], json!({})).await;
    ask(&scene, "shared", &[], json!({"share": [{"accountRef": scene.forensics_name()}]})).await;
    for (name, expected) in [("private", Vec::new()), ("shared", vec![scene.forensics.id.as_str()])] {
        let object = scene.until_true(KIND, name, "Ready").await;
        let snapshot = row(&object, &plain)["snapshotId"].as_str().unwrap().to_owned();
        give_away(&scene, &snapshot).await;
        until_users(&scene, &snapshot, &expected).await;
        let chain = Chain::read(&scene, &uid(&object)).await;
        let found = chain.facts("strangersFound");
        assert_eq!(found[0]["strangers"], json!(["999999999999", "all"]), "{name}");
        scene.until_true(KIND, name, "Ready").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_not_allowed_costs_no_evidence() {
    let scene = Scene::new("elsewhere").await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &[], json!({"share": [{"accountRef": "elsewhere"}]})).await;
    let object = scene.until_reason(KIND, "disks", "Ready", "DestinationNotAllowed").await;
    assert!(message(&object, "Ready").contains("elsewhere"), "{}", message(&object, "Ready"));
    assert_eq!(condition_of(&object, "Stalled").unwrap()["status"], "True");
    let object = scene.until_true(KIND, "disks", "Preserved").await;
    assert_eq!(object["status"]["summary"]["locked"], "3/3");
    for row in object["status"]["snapshots"].as_array().unwrap() {
        assert!(users(&scene, row["snapshotId"].as_str().unwrap()).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_whose_tag_was_taken_off_stays_known() {
    let scene = Scene::new("untagged").await;
    let [plain, ..] = by_key(&scene).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &[], json!({})).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let snapshot = row(&object, &plain)["snapshotId"].as_str().unwrap().to_owned();
    ok(scene.aws().ec2("DeleteTags", &[("ResourceId.1", snapshot.as_str()), ("Tag.1.Key", "ops:operation")]).await);
    // Long enough for its absence to mean something, were it absent; and what was given away is seen all the same.
    let looks = || scene.proxy.calls().iter().filter(|call| call.operation == "DescribeLockedSnapshots").count();
    let begun = looks();
    wait::until("looks after the wait", LIMIT, async || match looks() {
        now if now >= begun + 8 => Ok(()),
        now => Err(format!("{} so far", now - begun)),
    })
    .await;
    give_away(&scene, &snapshot).await;
    until_users(&scene, &snapshot, &[]).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(row(&object, &plain)["state"], "completed");
    assert_eq!(object["status"]["summary"]["volumes"], "3/3");
    let asked = scene.proxy.mutations().iter().filter(|call| call.operation == "CreateSnapshots").count();
    assert_eq!(asked, 1);
}

/// AWS takes no second snapshot of a volume within 15 seconds; here within five.
#[tokio::test(flavor = "multi_thread")]
async fn the_interval_of_a_volume_is_waited_for_under_one_intent() {
    let scene = Scene::new("interval").await;
    let [plain, ..] = by_key(&scene).await;
    let slow = json!({"account": scene.workload.id, "snapshot_seconds": 6.0, "snapshot_interval_seconds": 5.0});
    scene.bed.emulator.settings(&slow).await;
    let _controller = scene.controller("one").await;
    ok(scene.aws().ec2("CreateSnapshot", &[("VolumeId", plain.as_str())]).await);
    ask(&scene, "disks", &[], json!({})).await;
    let object = scene.until_reason(KIND, "disks", "VolumesSnapshotted", "Throttled").await;
    let said = message(&object, "VolumesSnapshotted");
    assert!(said.contains("SnapshotCreationPerVolumeRateExceeded") && said.contains("a few seconds ago"), "{said}");
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    let intents = chain.intents().into_iter().filter(|intent| intent["effect"]["operation"] == "CreateSnapshots");
    assert_eq!(intents.count(), 1, "what AWS refuses for certain is asked for again under the same intent");
    chain.assert_sound();
}
