//! `keyAccess: KeyPolicy`: the playbook's two statements in the policy of the key, as long as the copies are not there.

use crate::chain::{Chain, assert_witnessed};
use crate::copies::forensic_key;
use crate::scene::Scene;
use crate::support::aws::{REGION, ok};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, condition_of, strike, uid};
use crate::support::wait;
use serde_json::{Value, json};

const KIND: &str = "EvidenceSnapshot";

pub async fn ask(scene: &Scene, name: &str, key: &str) {
    let instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let copies = json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}]);
    let spec = json!({
        "requestedBy": "alice", "source": {"instance": instance}, "copies": copies, "keyAccess": "KeyPolicy",
        "verify": "None",
    });
    scene.apply(Identity::Alice, KIND, name, spec).await.unwrap();
}

/// The forensic account and the transfer key, as the other copies need them.
async fn declare(scene: &Scene) -> String {
    let (key, transfer) = (forensic_key(scene, false).await, forensic_key(scene, true).await);
    let evidence = json!({
        "destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}], "transferKeyArn": transfer,
    });
    scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
    key
}

async fn policy(scene: &Scene) -> String {
    let body = json!({"KeyId": scene.host.customer_key, "PolicyName": "default"}).to_string();
    let answer = ok(scene.aws().json("kms", "TrentService.GetKeyPolicy", &body).await);
    serde_json::from_str::<Value>(&answer).unwrap()["Policy"].as_str().unwrap().to_owned()
}

async fn put(scene: &Scene, policy: &str) {
    let body = json!({"KeyId": scene.host.customer_key, "PolicyName": "default", "Policy": policy}).to_string();
    ok(scene.aws().json("kms", "TrentService.PutKeyPolicy", &body).await);
}

async fn until_policy(scene: &Scene, what: &str, holds: impl Fn(&str) -> bool) {
    wait::until(what, LIMIT, async || {
        let found = policy(scene).await;
        if holds(&found) { Ok(()) } else { Err(found) }
    })
    .await;
}

/// The chain says so of the policy.
async fn until_told(scene: &Scene, uid: &str, fact: &str) -> Chain {
    wait::until(&format!("{fact} of the policy, in the chain"), LIMIT, async || {
        let chain = Chain::read(scene, uid).await;
        let told = chain.facts(fact).iter().any(|fact| fact["attribute"].to_string().contains("keyPolicy"));
        if told { Ok(chain) } else { Err("not yet".to_owned()) }
    })
    .await
}

fn statements(policy: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(policy).unwrap()["Statement"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_lent_by_its_policy_and_the_policy_is_as_it_was() {
    let scene = Scene::new("key-policy").await;
    let key = declare(&scene).await;
    // A policy takes its time, and so do copies.
    let slow = json!({"account": scene.workload.id, "key_policy_seconds": 6.0});
    scene.bed.emulator.settings(&slow).await;
    scene.bed.emulator.settings(&json!({"account": scene.forensics.id, "copy_seconds": 4.0})).await;
    let before = policy(&scene).await;
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &key).await;
    until_policy(&scene, "two statements more", |found| statements(found).len() == 3).await;
    let object = scene.until(KIND, "disks", "its uid", |_| true).await;
    until_told(&scene, &uid(&object), "verified").await;
    // Somebody takes one of them, and adds one of their own.
    let mut edited = statements(&policy(&scene).await);
    let theirs = json!({"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "kms:Sign", "Resource": "*"});
    edited.truncate(2);
    edited.insert(0, theirs.clone());
    put(&scene, &json!({"Version": "2012-10-17", "Id": "key-default-1", "Statement": edited}).to_string()).await;
    until_policy(&scene, "both again", |found| statements(found).len() == 4 && found.contains("theirs")).await;

    let object = scene.until_true(KIND, "disks", "Ready").await;
    assert_eq!(object["status"]["summary"]["copied"], "3/3");
    let mut expected = statements(&before);
    expected.insert(0, theirs);
    until_policy(&scene, "the policy as it was, and theirs", |found| statements(found) == expected).await;
    let chain = until_told(&scene, &uid(&object), "restored").await;
    chain.assert_sound();
    let drift = chain.facts("drift");
    assert_eq!(
        drift.iter().filter(|fact| fact["attribute"].to_string().contains("keyPolicy")).count(),
        1,
        "{drift:#?}"
    );
    assert_eq!(chain.facts("keyPolicyChanged").len(), 1);
    scene.until_outcomes(&[uid(&object)]).await;
    assert_witnessed(&scene.proxy.calls(), &[Chain::read(&scene, &uid(&object)).await], None);
    let sent = |operation: &str| scene.changes().iter().filter(|call| call.operation == operation).count();
    assert_eq!((sent("PutKeyPolicy"), sent("CreateGrant"), sent("RevokeGrant")), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_may_not_be_written_or_has_no_room_costs_no_evidence() {
    let scene = Scene::new("key-policy-room").await;
    let key = declare(&scene).await;
    let before = policy(&scene).await;
    let long = format!("{before}{}", " ".repeat(32_700 - before.len()));
    put(&scene, &long).await;
    scene.permit(|policy| strike(policy, "kms:PutKeyPolicy"));
    let _controller = scene.controller("one").await;
    ask(&scene, "disks", &key).await;
    let object = scene.until_reason(KIND, "disks", "Shared", "QuotaExceeded").await;
    let said = condition_of(&object, "Shared").unwrap()["message"].as_str().unwrap().to_owned();
    for word in [scene.host.customer_key.as_str(), "32700", "32768"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(policy(&scene).await, long);
    put(&scene, &before).await;
    let object = scene.until_reason(KIND, "disks", "Shared", "PermissionMissing").await;
    let said = condition_of(&object, "Shared").unwrap()["message"].to_string();
    assert!(said.contains("grant kms:PutKeyPolicy to"), "{said}");
    scene.until_true(KIND, "disks", "Locked").await;
    scene.permit(|_| {});
    scene.until_true(KIND, "disks", "Ready").await;
    until_policy(&scene, "the policy as it was", |found| found == before).await;
}
