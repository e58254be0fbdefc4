//! Snapshots that existed before anybody asked: kept like a set, and refused where they are somebody else's.

use crate::chain::{Chain, assert_witnessed};
use crate::copies::forensic_key;
use crate::scene::Scene;
use crate::support::aws::{Aws, REGION, ok, tag, tags};
use crate::support::identities::Identity;
use crate::support::stage::{condition_of, uid};
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

/// A backup of a volume, as somebody made it.
async fn backup(aws: &Aws, volume: &str) -> String {
    let made = ok(aws.ec2("CreateSnapshot", &[("VolumeId", volume), ("Description", "nightly")]).await);
    tag(&made, "snapshotId").to_owned()
}

/// Who may tag says which object is to keep it.
async fn mark(scene: &Scene, snapshot: &str, name: &str) {
    let value = format!("{}/{name}", scene.namespace);
    let tag = [("ResourceId.1", snapshot), ("Tag.1.Key", "ops:operation"), ("Tag.1.Value", value.as_str())];
    ok(scene.aws().ec2("CreateTags", &tag).await);
}

async fn adopt(scene: &Scene, name: &str, snapshots: &[&str], more: Value) {
    let source = json!({
        "accountRef": scene.account_name(), "region": REGION, "snapshotIds": snapshots,
        "instanceId": scene.host.instance,
    });
    let mut spec = json!({"requestedBy": "alice", "source": {"snapshots": source}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    scene.apply(Identity::Alice, KIND, name, spec).await.unwrap();
}

fn message(object: &Value, condition: &str) -> String {
    condition_of(object, condition).unwrap()["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_locked_copied_digested_and_archived_like_a_set() {
    let scene = Scene::new("adopted").await;
    let key = forensic_key(&scene, false).await;
    let evidence = json!({"destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}]});
    scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
    let [plain, keyed, _] = crate::evidence_kept::by_key(&scene).await;
    let (first, second) = (backup(scene.aws(), &plain).await, backup(scene.aws(), &keyed).await);
    let _controller = scene.controller("one").await;
    let copies = json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}]);
    let more = json!({"copies": copies, "archiveAfterDays": 0});
    adopt(&scene, "backup", &[&first, &second], more).await;
    // Nobody has said yet that the role may touch it.
    let object = scene.until_reason(KIND, "backup", "Ready", "PermissionMissing").await;
    let command = format!("Key=ops:operation,Value={}/backup", scene.namespace);
    assert!(message(&object, "Ready").contains(&command), "{}", message(&object, "Ready"));
    mark(&scene, &first, "backup").await;
    mark(&scene, &second, "another").await;
    let object = scene.until_reason(KIND, "backup", "Ready", "HeldElsewhere").await;
    assert!(!message(&object, "Ready").contains("another\""), "{}", message(&object, "Ready"));
    assert!(scene.changes().is_empty() && scene.chain(&uid(&object)).await.is_empty(), "nothing is done");
    mark(&scene, &second, "backup").await;
    let object = scene.until_true(KIND, "backup", "Archived").await;
    assert_eq!(object["status"]["summary"]["copied"], "2/2", "{:#}", object["status"]["summary"]);
    assert_eq!(object["status"]["summary"]["verified"], "4/4");
    let said = message(&object, "VolumesSnapshotted");
    assert!(said.contains("adopted and not taken by us") && said.contains("crash-consistent moment"), "{said}");
    for snapshot in [&first, &second] {
        let locks = ok(scene.aws().ec2("DescribeLockedSnapshots", &[("SnapshotId.1", snapshot)]).await);
        assert_eq!(tags(&locks, "lockState").first(), Some(&"governance"));
        let shown = ok(scene.aws().ec2("DescribeSnapshots", &[("SnapshotId.1", snapshot)]).await);
        assert_eq!(tag(&shown, "storageTier"), "archive");
    }
    scene.until_outcomes(&[uid(&object)]).await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    chain.assert_sound();
    let adopted = &chain.facts("adopted")[0];
    assert_eq!(
        (&adopted["instance"], &adopted["attached"]),
        (&json!(scene.host.instance), &json!(true)),
        "{adopted:#}"
    );
    let adopted = &adopted["snapshots"];
    assert_eq!(
        (&adopted[&first]["volume"], &adopted[&second]["volume"]),
        (&json!(plain), &json!(keyed)),
        "{adopted:#}"
    );
    assert_eq!(adopted[&second]["key"], json!(scene.host.customer_key));
    assert!(adopted[&first]["started"].is_string());
    let taken = |operation: &str| operation.starts_with("CreateSnapshot") || operation == "CreateTags";
    assert!(scene.changes().iter().all(|call| !taken(&call.operation)), "nothing is taken, and nothing tagged");
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_no_volume_of_the_host_is_named_and_left_alone() {
    let scene = Scene::new("astray").await;
    let zone = format!("{REGION}a");
    let volume = ok(scene.aws().ec2("CreateVolume", &[("Size", "8"), ("AvailabilityZone", zone.as_str())]).await);
    let volume = tag(&volume, "volumeId").to_owned();
    let snapshot = backup(scene.aws(), &volume).await;
    mark(&scene, &snapshot, "astray").await;
    let _controller = scene.controller("one").await;
    adopt(&scene, "astray", &[&snapshot], json!({})).await;
    let object = scene.until_reason(KIND, "astray", "Ready", "WrongInstance").await;
    let said = message(&object, "Ready");
    for words in [snapshot.as_str(), volume.as_str(), &scene.host.instance, "without instanceId"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(scene.changes().is_empty() && scene.chain(&uid(&object)).await.is_empty(), "nothing is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_somebody_else_s_is_named_with_its_owner_and_left_alone() {
    let scene = Scene::new("theirs").await;
    let theirs = &scene.forensics.admin;
    let zone = format!("{REGION}a");
    let volume = ok(theirs.ec2("CreateVolume", &[("Size", "8"), ("AvailabilityZone", zone.as_str())]).await);
    let snapshot = backup(theirs, tag(&volume, "volumeId")).await;
    let _controller = scene.controller("one").await;
    adopt(&scene, "hidden", &[&snapshot], json!({})).await;
    let object = scene.until_reason(KIND, "hidden", "Ready", "SnapshotNotFound").await;
    assert!(message(&object, "Ready").contains(&snapshot));
    let add = [
        ("SnapshotId", snapshot.as_str()),
        ("Attribute", "createVolumePermission"),
        ("OperationType", "add"),
        ("UserId.1", &scene.workload.id),
    ];
    ok(theirs.ec2("ModifySnapshotAttribute", &add).await);
    let object = scene.until_reason(KIND, "hidden", "Ready", "WrongAccount").await;
    let said = message(&object, "Ready");
    assert!(said.contains(&format!("belongs to account {}", scene.forensics.id)), "{said}");
    assert!(scene.changes().is_empty() && scene.chain(&uid(&object)).await.is_empty(), "nothing is done");
}
