//! An account that denies locks: nothing leaves it, until a second person approves that evidence is kept without one.

use crate::chain::Chain;
use crate::copies::forensic_key;
use crate::scene::Scene;
use crate::support::aws::{REGION, ok, tags};
use crate::support::identities::Identity;
use crate::support::stage::{condition_of, strike, uid};
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

async fn ask(scene: &Scene, key: &str, denied: &str) {
    let [_, keyed, default] = crate::evidence_kept::by_key(scene).await;
    let source = json!({
        "accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance,
        "excludeVolumeIds": [keyed, default],
    });
    let copies = json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}]);
    let spec = json!({
        "requestedBy": "alice", "source": {"instance": source}, "copies": copies, "lockDenied": denied, "verify": "None",
    });
    scene.apply(Identity::Alice, KIND, "disks", spec).await.unwrap();
}

fn message(object: &Value, condition: &str) -> String {
    condition_of(object, condition).unwrap()["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_denied_is_waived_by_a_second_person_and_by_nobody_else() {
    let scene = Scene::new("waived").await;
    let key = forensic_key(&scene, false).await;
    let evidence = json!({"destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}]});
    scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
    scene.permit(|policy| strike(policy, "ec2:LockSnapshot"));
    let _controller = scene.controller("one").await;
    ask(&scene, &key, "Block").await;
    let object = scene.until_reason(KIND, "disks", "Locked", "PermissionMissing").await;
    assert!(message(&object, "Locked").contains("grant ec2:LockSnapshot to"), "{}", message(&object, "Locked"));
    ask(&scene, &key, "Waive").await;
    let object = scene.until_reason(KIND, "disks", "Ready", "AwaitingApproval").await;
    let plan = &object["status"]["plan"];
    assert_eq!(plan["action"], "WaiveLock", "{plan:#}");
    let snapshot = object["status"]["snapshots"][0]["snapshotId"].as_str().unwrap().to_owned();
    assert!(plan.to_string().contains(&snapshot), "{plan:#}");
    assert!(scene.changes().iter().all(|call| call.operation != "CopySnapshot"), "nothing leaves before");
    assert!(scene.approve(Identity::Alice, KIND, "disks").await.is_err(), "nobody approves their own wish");
    scene.approve(Identity::Bob, KIND, "disks").await.unwrap();
    scene.until_true(KIND, "disks", "LockWaived").await;
    scene.permit(|_| {});
    scene.until_true(KIND, "disks", "Copied").await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    for condition in ["Locked", "Preserved"] {
        assert_eq!(condition_of(&object, condition).unwrap()["reason"], "LockWaived", "{object:#}");
    }
    let locks = ok(scene.aws().ec2("DescribeLockedSnapshots", &[("SnapshotId.1", &snapshot)]).await);
    assert!(tags(&locks, "lockState").is_empty(), "{locks}");
    scene.until_outcomes(&[uid(&object)]).await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    assert_eq!(chain.facts("lockWaived")[0]["snapshots"], json!([snapshot]));
    chain.assert_sound();
    ask(&scene, &key, "Block").await;
    scene.until_true(KIND, "disks", "Preserved").await;
    let locks = ok(scene.aws().ec2("DescribeLockedSnapshots", &[("SnapshotId.1", &snapshot)]).await);
    assert_eq!(tags(&locks, "lockState"), ["governance"], "granted, it is locked after all");
}
