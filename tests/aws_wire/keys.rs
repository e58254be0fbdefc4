//! Policies of keys: each written as a whole, by one at a time, with what others have in it as it stands.

use crate::changes::attempt;
use crate::scene::{Scene, id, product};
use crate::support::aws::ok;
use sequester::api::conditions::Reason;
use sequester::api::evidence_snapshot::KeyAccess;
use sequester::api::ids::{AccountId, KeyArn, SnapshotId};
use sequester::cloud::error::ErrorClass;
use sequester::cloud::{AskEvidence, Cloud};
use sequester::playbook::copy_change::CopyChange;
use sequester::playbook::effect::{Created, Effect};
use sequester::playbook::key_policy::{BYTES, Found, Ours, Written};
use sequester::playbook::seen::{Key, Read};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

async fn kms(scene: &Scene, operation: &str, body: Value) -> Value {
    let answer = ok(scene.admin.json("kms", &format!("TrentService.{operation}"), &body.to_string()).await);
    serde_json::from_str(&answer).unwrap_or_default()
}

async fn key(scene: &Scene) -> KeyArn {
    id(kms(scene, "CreateKey", json!({})).await["KeyMetadata"]["Arn"].as_str().unwrap())
}

async fn policy(scene: &Scene, key: &KeyArn) -> String {
    let answer = kms(scene, "GetKeyPolicy", json!({"KeyId": key.as_str(), "PolicyName": "default"})).await;
    answer["Policy"].as_str().unwrap().to_owned()
}

async fn put(scene: &Scene, key: &KeyArn, policy: &str) {
    kms(scene, "PutKeyPolicy", json!({"KeyId": key.as_str(), "PolicyName": "default", "Policy": policy})).await;
}

fn write(key: &KeyArn, sid: &str, accounts: &[&str]) -> Effect {
    let accounts = accounts.iter().map(|account| id::<AccountId>(account)).collect();
    Effect::Copying(CopyChange::PutKeyPolicy { key: key.clone(), sid: sid.to_owned(), accounts })
}

/// A snapshot under the key, as evidence shows it.
async fn look(scene: &Scene, key: &KeyArn) -> Read<Key> {
    let volume = [("Size", "1"), ("AvailabilityZone", "eu-west-1a"), ("Encrypted", "true"), ("KmsKeyId", key.as_str())];
    let volume = ok(scene.admin.ec2("CreateVolume", &volume).await);
    let volume = crate::support::aws::tag(&volume, "volumeId").to_owned();
    let made = ok(scene.admin.ec2("CreateSnapshot", &[("VolumeId", &volume)]).await);
    let snapshot: SnapshotId = id(crate::support::aws::tag(&made, "snapshotId"));
    let ask = AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::from([snapshot]),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: false,
        keys: Some(KeyAccess::KeyPolicy),
        owed: BTreeSet::new(),
    };
    scene.aws.observe_evidence(&scene.place, &ask).await.keys.remove(key).unwrap()
}

#[tokio::test]
async fn our_statements_come_and_go_and_no_other_byte_changes() {
    let scene = Scene::new().await;
    let other = Scene::new().await;
    let key = key(&scene).await;
    let before = policy(&scene, &key).await;
    let effect = write(&key, "opsuid1", &[&other.account]);
    scene.proxy.clear();
    let receipt = attempt(&scene, "op-1", &effect).await.unwrap();
    let calls = scene.proxy.calls();
    let operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["GetKeyPolicy", "PutKeyPolicy"]);
    assert!(calls[1].user_agent.ends_with(&format!(" {}", product())), "{}", calls[1].user_agent);
    assert_eq!(calls[1].parameter("BypassPolicyLockoutSafetyCheck"), None);
    assert!(receipt.request_id.is_some());
    let ours = Ours { key: &key, sid: "opsuid1" };
    let seen = look(&scene, &key).await;
    let found = seen.value().unwrap().policy.as_ref().unwrap();
    assert!(found.find(ours).unwrap().values().all(|found| *found == Found::AsWritten));
    assert_eq!(found.find(ours).unwrap().len(), 2);
    assert_eq!(
        receipt.created,
        [Created::KeyPolicy(Written { key: key.clone(), others: found.others(ours).unwrap() })]
    );
    assert!(seen.value().unwrap().grants.is_empty());

    scene.proxy.clear();
    attempt(&scene, "op-1", &effect).await.unwrap();
    assert_eq!(scene.proxy.mutations().len(), 0, "it says so already");
    // Others write meanwhile, and another object of ours does.
    let mut edited: Value = serde_json::from_str(&found.0).unwrap();
    let theirs = json!({"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "kms:Sign", "Resource": "*"});
    edited["Statement"].as_array_mut().unwrap().insert(0, theirs.clone());
    put(&scene, &key, &edited.to_string()).await;
    attempt(&scene, "op-2", &write(&key, "opsuid2", &[&other.account])).await.unwrap();
    attempt(&scene, "op-3", &write(&key, "opsuid1", &[])).await.unwrap();
    attempt(&scene, "op-4", &write(&key, "opsuid2", &[])).await.unwrap();
    let mut expected: Value = serde_json::from_str(&before).unwrap();
    expected["Statement"].as_array_mut().unwrap().insert(0, theirs);
    assert_eq!(serde_json::from_str::<Value>(&policy(&scene, &key).await).unwrap(), expected);
    // What was replaced a moment ago is shown late, or somebody put it back: nothing is written over it.
    put(&scene, &key, &before).await;
    let late = attempt(&scene, "op-5", &effect).await.unwrap_err();
    assert_eq!(
        (late.class, late.code.as_str(), policy(&scene, &key).await),
        (ErrorClass::Unavailable, "LatePolicy", before)
    );
}

/// What was given for a key is taken back though no snapshot is under it any more.
#[tokio::test]
async fn a_key_that_is_owed_is_looked_at_whatever_is_found_under_it() {
    let scene = Scene::new().await;
    let key = key(&scene).await;
    let ask = |keys| AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::new(),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: false,
        keys: Some(keys),
        owed: BTreeSet::from([key.clone()]),
    };
    let grantee: AccountId = id("444455556666");
    let grant = Effect::CreateGrant { key: key.clone(), name: "ops-1".to_owned(), grantee };
    attempt(&scene, "op-1", &grant).await.unwrap();
    let seen = scene.aws.observe_evidence(&scene.place, &ask(KeyAccess::Grant)).await;
    let found = seen.keys[&key].value().unwrap();
    assert_eq!((found.grants.contains_key("ops-1"), &found.policy), (true, &None));
    let seen = scene.aws.observe_evidence(&scene.place, &ask(KeyAccess::KeyPolicy)).await;
    assert!(seen.keys[&key].value().unwrap().policy.is_some());
}

/// A lost update would take the key from a copy that is under way, or leave it to who has one.
#[tokio::test]
async fn objects_that_write_one_policy_at_the_same_time_lose_no_update() {
    let scene = Scene::new().await;
    let key = key(&scene).await;
    let sids: Vec<String> = (0..6).map(|n| format!("opsuid{n}")).collect();
    let all = async |accounts: &[&str]| {
        let writes = sids.iter().map(|sid| {
            let effect = write(&key, sid, accounts);
            let scene = &scene;
            async move { attempt(scene, sid, &effect).await.map(|_| ()) }
        });
        futures::future::join_all(writes).await.into_iter().for_each(|sent| sent.unwrap());
    };
    let before = policy(&scene, &key).await;
    all(&[scene.account.as_str()]).await;
    let document: Value = serde_json::from_str(&policy(&scene, &key).await).unwrap();
    assert_eq!(document["Statement"].as_array().unwrap().len(), 1 + 2 * sids.len());
    all(&[]).await;
    assert_eq!(policy(&scene, &key).await, before);
}

#[tokio::test]
async fn what_kms_would_refuse_is_told_and_the_policy_stays() {
    let scene = Scene::new().await;
    let key = key(&scene).await;
    let before = policy(&scene, &key).await;
    let long = format!("{before}{}", " ".repeat(BYTES - before.len() - 100));
    put(&scene, &key, &long).await;
    scene.proxy.clear();
    let refused = attempt(&scene, "op-1", &write(&key, "opsuid1", &[&scene.account])).await.unwrap_err();
    assert_eq!((refused.class, refused.reason()), (ErrorClass::Quota, Reason::QuotaExceeded));
    assert!(refused.message.contains(&long.len().to_string()), "{refused}");
    assert_eq!((scene.proxy.mutations().len(), policy(&scene, &key).await), (0, long));
    // Others name a role that is not there any more: KMS takes no such policy from anybody.
    let role = scene.role_for(&scene.account).await;
    let mut named: Value = serde_json::from_str(&before).unwrap();
    named["Statement"].as_array_mut().unwrap().push(json!({
        "Effect": "Allow", "Principal": {"AWS": role.as_str()}, "Action": "kms:Decrypt", "Resource": "*"}));
    put(&scene, &key, &named.to_string()).await;
    crate::support::world::iam(&scene.admin, "DeleteRole", &[("RoleName", "sequester")]).await;
    let refused = attempt(&scene, "op-2", &write(&key, "opsuid1", &[&scene.account])).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Invalid, "MalformedPolicyDocumentException"));
    assert_eq!(policy(&scene, &key).await, named.to_string());
    // The key of another account has a policy that nobody reads from here, and none is asked for.
    let other = Scene::new().await;
    let refused = attempt(&other, "op-3", &write(&key, "opsuid1", &[&other.account])).await.unwrap_err();
    assert_eq!((refused.class, refused.action.as_deref()), (ErrorClass::Denied, Some("kms:GetKeyPolicy")));
    let whole = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": [scene.account, other.account]}, "Action": "kms:*", "Resource": "*"}]});
    put(&scene, &key, &whole.to_string()).await;
    other.proxy.clear();
    let seen = look(&other, &key).await;
    assert_eq!(seen.value().map(|key| &key.policy), Some(&None), "{seen:?}");
    assert_eq!(other.count("GetKeyPolicy"), 0);
}
