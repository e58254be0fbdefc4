//! Evidence in the forensic account: each snapshot copied under a key of that account, locked there, and the key of the
//! source given back.

use crate::chain::{Chain, assert_witnessed};
use crate::evidence_kept::by_key;
use crate::scene::Scene;
use crate::support::aws::{REGION, ok, tag, tags};
use crate::support::identities::Identity;
use crate::support::image::Image;
use crate::support::stage::{condition_of, uid};
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

/// A key of the forensic account; the workload account may use it where it is for transfers.
pub async fn forensic_key(scene: &Scene, transfers: bool) -> String {
    let own = format!("arn:aws:iam::{}:root", scene.forensics.id);
    let all = json!({"Effect": "Allow", "Principal": {"AWS": own}, "Action": "kms:*", "Resource": "*"});
    let workload = format!("arn:aws:iam::{}:root", scene.workload.id);
    let actions: Vec<String> = ["DescribeKey", "CreateGrant", "Decrypt", "ReEncrypt*", "GenerateDataKey*"]
        .map(|action| format!("kms:{action}"))
        .into();
    let shared = json!({"Effect": "Allow", "Principal": {"AWS": workload}, "Action": actions, "Resource": "*"});
    let statements = if transfers { vec![all, shared] } else { vec![all] };
    let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let made =
        scene.forensics.admin.json("kms", "TrentService.CreateKey", &json!({"Policy": policy}).to_string()).await;
    let made: Value = serde_json::from_str(&ok(made)).unwrap();
    made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

pub async fn ask(scene: &Scene, name: &str, copies: Value) {
    let instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let spec = json!({"requestedBy": "alice", "source": {"instance": instance}, "copies": copies});
    scene.apply(Identity::Alice, KIND, name, spec).await.unwrap();
}

/// What the forensic account has of a snapshot, and its lock.
async fn there(scene: &Scene, snapshot: &str) -> (String, String) {
    let aws = &scene.forensics.admin;
    let described = ok(aws.ec2("DescribeSnapshots", &[("SnapshotId.1", snapshot), ("Owner.1", "self")]).await);
    let locks = ok(aws.ec2("DescribeLockedSnapshots", &[("SnapshotId.1", snapshot)]).await);
    (described, locks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_is_copied_and_reencrypted_and_locked_where_it_goes() {
    let scene = Scene::new("copies").await;
    let (key, transfer) = (forensic_key(&scene, false).await, forensic_key(&scene, true).await);
    let evidence = json!({
        "destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}], "transferKeyArn": transfer,
    });
    scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
    // Grants take their time, and so do copies.
    let slow = json!({"account": scene.workload.id, "grant_seconds": 3.0});
    scene.bed.emulator.settings(&slow).await;
    scene.bed.emulator.settings(&json!({"account": scene.forensics.id, "copy_seconds": 2.0})).await;
    let [_, keyed, _] = by_key(&scene).await;
    let image = Image::new(1);
    image.write([0, 2047], 5);
    scene.bed.emulator.bed_post(&format!("/bed/volumes/{keyed}"), &json!({"image": image.path})).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}])).await;
    let object = scene.until_true(KIND, "disks", "Preserved").await;
    let status = &object["status"];
    assert_eq!(status["summary"]["copied"], "3/3", "{status:#}");
    assert!(status["evidenceSafeAt"].is_string());
    let rows = status["copies"].as_array().unwrap();
    let (own, copies): (Vec<&Value>, Vec<&Value>) =
        rows.iter().partition(|row| row["accountId"] == json!(scene.workload.id));
    assert_eq!((own.len(), copies.len()), (1, 3), "and one on its way out of the default key: {rows:#?}");
    assert_eq!(own[0]["kmsKeyArn"], json!(transfer));
    for row in copies {
        let (described, locks) = there(&scene, row["snapshotId"].as_str().unwrap()).await;
        assert_eq!((tag(&described, "kmsKeyId"), tag(&described, "status")), (key.as_str(), "completed"));
        let of = row["sourceSnapshotId"].as_str().unwrap();
        assert!(tags(&described, "value").contains(&of) && described.contains("ops:source-snapshot"), "{described}");
        assert_eq!(tags(&locks, "lockState").first(), Some(&"governance"));
    }
    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(condition_of(&object, "Copied").unwrap()["status"], "True");
    assert_eq!(object["status"]["summary"]["verified"], "7/7", "the set, its copies, and the one on its way");
    let digest_of = |snapshot: &Value| {
        let rows = object["status"]["snapshots"].as_array().unwrap();
        rows.iter().find(|row| row["snapshotId"] == *snapshot).unwrap()["digest"]["image"].clone()
    };
    let rows = object["status"]["copies"].as_array().unwrap();
    for row in rows {
        assert_eq!(row["digest"]["image"], digest_of(&row["sourceSnapshotId"]), "{row:#}");
    }
    let written = format!("sha256:{}", image.sha256sum());
    assert_eq!(rows.iter().filter(|row| row["digest"]["image"] == written).count(), 1);
    scene.until_outcomes(&[uid(&object)]).await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
    let sent = |operation: &str| scene.changes().iter().filter(|call| call.operation == operation).count();
    assert_eq!((sent("CopySnapshot"), sent("CreateGrant"), sent("RevokeGrant")), (4, 1, 1));
    let body = json!({"KeyId": scene.host.customer_key}).to_string();
    let grants = ok(scene.aws().json("kms", "TrentService.ListGrants", &body).await);
    assert_eq!(serde_json::from_str::<Value>(&grants).unwrap()["Grants"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_evidence_may_not_go_no_copy_goes() {
    let scene = Scene::new("jurisdiction").await;
    let key = forensic_key(&scene, false).await;
    let _controller = scene.controller("one").await;
    let elsewhere = key.replace(REGION, "eu-central-1");
    let to =
        |region: &str, key: &str| json!({"accountRef": scene.forensics_name(), "region": region, "kmsKeyArn": key});
    ask(&scene, "disks", json!([to("eu-central-1", &elsewhere)])).await;
    let object = scene.until_reason(KIND, "disks", "Copied", "DestinationNotAllowed").await;
    let said = condition_of(&object, "Copied").unwrap()["message"].as_str().unwrap().to_owned();
    for word in [&scene.forensics_name(), "eu-central-1", "spec.evidence.destinations"] {
        assert!(said.contains(word), "{said}");
    }
    scene.until_true(KIND, "disks", "Locked").await;
    // A key of another account is named, too.
    ask(&scene, "disks", json!([to(REGION, &scene.host.customer_key)])).await;
    let object = scene.until_reason(KIND, "disks", "Copied", "KeyUnusable").await;
    assert!(condition_of(&object, "Copied").unwrap()["message"].as_str().unwrap().contains(&scene.host.customer_key));
    assert_eq!(object["status"]["evidenceSafeAt"], Value::Null);
    assert!(scene.changes().iter().all(|call| call.operation != "CopySnapshot"));
}
