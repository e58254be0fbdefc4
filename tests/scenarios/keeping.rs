//! How long evidence is kept, and where: the archive tier, a hold that is lifted, and locks of copies whose source is gone.

use crate::chain::{Chain, assert_witnessed};
use crate::copies::forensic_key;
use crate::scene::Scene;
use crate::support::aws::{Aws, REGION, ok, tag};
use crate::support::identities::Identity;
use crate::support::proxy::{Fault, When};
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use kube::api::DeleteParams;
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

/// alice asks for a moment of the scene's host; `more` is merged into the spec.
pub async fn ask(scene: &Scene, name: &str, more: Value) {
    let instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let mut spec = json!({"requestedBy": "alice", "source": {"instance": instance}});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    scene.apply(Identity::Alice, KIND, name, spec).await.unwrap();
}

/// The scene, with copies allowed, and what of it is declared.
async fn copying(prefix: &str) -> (Scene, Value) {
    let scene = Scene::new(prefix).await;
    let (key, transfer) = (forensic_key(&scene, false).await, forensic_key(&scene, true).await);
    let evidence = json!({
        "destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}], "transferKeyArn": transfer,
    });
    scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
    let copies = json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}]);
    (scene, copies)
}

/// The tier of a snapshot, and when its lock ends.
async fn there(aws: &Aws, snapshot: &str) -> (String, String) {
    let described = ok(aws.ec2("DescribeSnapshots", &[("SnapshotId.1", snapshot), ("Owner.1", "self")]).await);
    let locks = ok(aws.ec2("DescribeLockedSnapshots", &[("SnapshotId.1", snapshot)]).await);
    (tag(&described, "storageTier").to_owned(), tag(&locks, "lockExpiresOn").to_owned())
}

/// Each snapshot and copy of the status, with the account that has it.
fn all<'a>(scene: &'a Scene, object: &'a Value) -> Vec<(&'a Aws, &'a str)> {
    let of_set = object["status"]["snapshots"].as_array().unwrap().iter().map(|row| (scene.aws(), row));
    let copies = object["status"]["copies"].as_array().into_iter().flatten();
    let copies = copies.map(|row| {
        let own = row["accountId"] == json!(scene.workload.id);
        (if own { scene.aws() } else { &scene.forensics.admin }, row)
    });
    of_set.chain(copies).map(|(aws, row)| (aws, row["snapshotId"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn set_and_copies_go_to_the_archive_tier_once_all_of_them_are_read() {
    let (scene, copies) = copying("archive").await;
    for account in [&scene.workload.id, &scene.forensics.id] {
        scene.bed.emulator.settings(&json!({"account": account, "archive_seconds": 1.0})).await;
    }
    let _controller = scene.controller("one").await;
    ask(&scene, "later", json!({"archiveAfterDays": 30, "verify": "None"})).await;
    ask(&scene, "disks", json!({"copies": copies, "archiveAfterDays": 0})).await;
    let object = scene.until_true(KIND, "disks", "Archived").await;
    assert_eq!(object["status"]["summary"]["archived"], "7/7", "{:#}", object["status"]["summary"]);
    for (aws, snapshot) in all(&scene, &object) {
        let (tier, lock) = there(aws, snapshot).await;
        assert_eq!((tier.as_str(), lock.is_empty()), ("archive", false), "{snapshot}: archived, and locked still");
    }
    scene.until_outcomes(&[uid(&object)]).await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    assert_eq!(
        (chain.facts("digested").len(), chain.facts("archiving").len(), chain.facts("archived").len()),
        (7, 1, 7)
    );
    chain.assert_sound();
    let calls = scene.proxy.calls();
    let first = calls.iter().position(|call| call.operation == "ModifySnapshotTier").unwrap();
    let last_read = calls.iter().rposition(|call| call.operation.contains("/blocks")).unwrap();
    assert!(last_read < first, "nothing is archived that is still to be read");
    assert_eq!(calls.iter().filter(|call| call.operation == "ModifySnapshotTier").count(), 7);
    let ready = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(ready["status"]["snapshots"][0]["archived"], true);
    // The other one waits for its day, and is ready all the same.
    let later = scene.until_true(KIND, "later", "Ready").await;
    let waits = condition_of(&later, "Archived").unwrap();
    assert_eq!((&waits["status"], &waits["reason"]), (&json!("False"), &json!("Waiting")), "{waits}");
    assert_eq!(later["status"]["summary"]["archived"], "0/3");
    let chains = [chain, Chain::read(&scene, &uid(&later)).await];
    assert_witnessed(&scene.proxy.calls(), &chains, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_can_not_archive_is_named() {
    let scene = Scene::new("unarchived").await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", json!({"verify": "None"})).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let snapshot = object["status"]["snapshots"][0]["snapshotId"].as_str().unwrap().to_owned();
    let door = format!("/bed/snapshots/{snapshot}");
    scene.bed.emulator.bed_post(&door, &json!({"tiering_fails": "no room"})).await;
    ask(&scene, "disks", json!({"verify": "None", "archiveAfterDays": 0})).await;
    let told = |object: &Value| {
        let said = condition_of(object, "Archived").unwrap_or_default();
        let message = said["message"].to_string();
        said["reason"] == "ArchivalFailed"
            && message.contains(&format!("{snapshot} (no room)"))
            && message.contains("2 of 3")
    };
    scene.until(KIND, "disks", "what AWS could not archive", told).await;
    assert_eq!(there(scene.aws(), &snapshot).await.0, "standard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_lifted_by_a_second_person_and_then_the_object_can_go() {
    let scene = Scene::new("hold").await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", json!({"verify": "None"})).await;
    scene.until_true(KIND, "disks", "Ready").await;
    let api = scene.api(Identity::Admin, KIND).await;
    let said = api.delete("disks", &DeleteParams::default()).await.unwrap_err().to_string();
    assert!(said.contains("under legal hold") && said.contains("Approval of LiftHold"), "{said}");
    ask(&scene, "disks", json!({"verify": "None", "legalHold": false})).await;
    let object = scene.until_reason(KIND, "disks", "Ready", "AwaitingApproval").await;
    let plan = &object["status"]["plan"];
    assert_eq!((&plan["action"], &object["status"]["legalHold"]), (&json!("LiftHold"), &json!(true)), "{plan:#}");
    scene.approve(Identity::Bob, KIND, "disks").await.unwrap();
    let object = scene.until_true(KIND, "disks", "HoldLifted").await;
    assert_eq!(object["status"]["legalHold"], false);
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let chain = Chain::read(&scene, &uid(&object)).await;
    assert_eq!((chain.facts("legalHold").len(), chain.facts("holdLifted").len()), (1, 1));
    chain.assert_sound();
    wait::until("the finalizer to go", LIMIT, async || match api.delete("disks", &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    })
    .await;
    scene.until_gone(KIND, "disks").await;
    let (_, lock) = there(scene.aws(), object["status"]["snapshots"][0]["snapshotId"].as_str().unwrap()).await;
    assert!(!lock.is_empty(), "the object alone goes: its snapshots stay, locked until their day");
}

/// A longer retention makes locks longer: of the copies alone, where nobody may be the role of the source's account.
#[tokio::test(flavor = "multi_thread")]
async fn copies_are_kept_though_the_account_of_their_source_can_not_be_used() {
    let (scene, copies) = copying("orphaned").await;
    let _controller = scene.controller("one").await;
    let spec = |more: Value| {
        let mut spec = json!({"copies": copies, "verify": "None"});
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        spec
    };
    ask(&scene, "disks", spec(json!({}))).await;
    let object = scene.until_true(KIND, "disks", "Ready").await;
    let role = scene.workload.role_arn.clone();
    let no = When::operation("AssumeRole").parameter("RoleArn", &role);
    let rule = scene.proxy.rule(no, Fault::Unauthorized);
    let path = format!("/bed/accounts/{}/expire-sessions", scene.workload.id);
    scene.bed.emulator.bed_post(&path, &json!({})).await;
    scene.until_reason("AwsAccount", &scene.account_name(), "IdentityVerified", "RoleNotAssumable").await;
    let told = |object: &Value| {
        let ready = condition_of(object, "Ready").unwrap();
        ready["reason"] == "RoleNotAssumable" && ready["message"].to_string().contains("copies complete and locked: ")
    };
    scene.until(KIND, "disks", "what is safe", told).await;
    let until = "2099-01-01T00:00:00Z";
    ask(&scene, "disks", spec(json!({"retainUntil": until}))).await;
    let all = all(&scene, &object);
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(aws, _)| std::ptr::eq(*aws, scene.aws()));
    assert_eq!((own.len(), others.len()), (4, 3));
    for (aws, snapshot) in others {
        wait::until(&format!("a longer lock on {snapshot}"), LIMIT, async || {
            let (_, ends) = there(aws, snapshot).await;
            if ends.starts_with("2099-01-01") { Ok(()) } else { Err(ends) }
        })
        .await;
    }
    for (aws, snapshot) in own {
        assert!(!there(aws, snapshot).await.1.starts_with("2099"), "nobody can reach {snapshot}");
    }
    rule.remove();
    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert!(object["status"]["snapshots"][0]["lockedUntil"].as_str().unwrap().starts_with("2099-01-01"));
    Chain::read(&scene, &uid(&object)).await.assert_sound();
}
