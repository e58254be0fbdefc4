//! Copies: asked for by the account that owns them, where they lie, under its key.

use crate::scene::{Scene, id, witness};
use crate::support::aws::{Aws as Admin, REGION, ok, tag, tags};
use sequester::api::aws_account::LockMode;
use sequester::api::conditions::Reason;
use sequester::api::ids::{KeyArn, SnapshotId};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::{AskCopies, Cloud, Place};
use sequester::playbook::copies::{AT_ONCE, CopiesSeen, Destination};
use sequester::playbook::copy_change::{Copy, CopyChange};
use sequester::playbook::effect::{Created, Effect, Receipt};
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::SnapshotState;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

const ELSEWHERE: &str = "eu-central-1";

async fn key(admin: &Admin) -> String {
    let made = ok(admin.json("kms", "TrentService.CreateKey", "{}").await);
    serde_json::from_str::<Value>(&made).unwrap()["KeyMetadata"]["Arn"].as_str().unwrap().to_owned()
}

/// A snapshot that another account may use; encrypted under the key, where one is given.
async fn shared(scene: &Scene, with: &Scene, key: Option<&str>) -> SnapshotId {
    let zone = format!("{REGION}a");
    let mut volume = vec![("Size", "8"), ("AvailabilityZone", zone.as_str())];
    volume.extend(key.into_iter().flat_map(|key| [("Encrypted", "true"), ("KmsKeyId", key)]));
    let volume = tag(&ok(scene.admin.ec2("CreateVolume", &volume).await), "volumeId").to_owned();
    let made = ok(scene.admin.ec2("CreateSnapshot", &[("VolumeId", &volume)]).await);
    let snapshot = tag(&made, "snapshotId").to_owned();
    let add = [
        ("SnapshotId", snapshot.as_str()),
        ("Attribute", "createVolumePermission"),
        ("OperationType", "add"),
        ("UserId.1", &with.account),
    ];
    ok(scene.admin.ec2("ModifySnapshotAttribute", &add).await);
    id(&snapshot)
}

fn at(scene: &Scene, region: &str) -> (Place, Destination) {
    let place = Place { region: id(region), ..scene.place.clone() };
    (place, Destination { account: id(&scene.account), region: id(region) })
}

fn copy(destination: &Destination, source: &SnapshotId, key: &str, encrypted: bool) -> Effect {
    Effect::Copying(CopyChange::CopySnapshot {
        destination: destination.clone(),
        source_region: id(REGION),
        source: source.clone(),
        of: source.clone(),
        key: id(key),
        encrypted,
        description: "uid of i".to_owned(),
        tags: BTreeMap::from([("ops:source-snapshot".to_owned(), source.to_string())]),
        tag_prefix: "ops".to_owned(),
    })
}

async fn send(scene: &Scene, place: &Place, effect: &Effect) -> Result<Receipt, CloudError> {
    scene.aws.perform(place, &OperationId("op-1".to_owned()), effect, &witness()).await
}

fn made(receipt: &Receipt) -> Copy {
    match receipt.created.as_slice() {
        [Created::Copy(copy)] => copy.clone(),
        other => panic!("{other:?}"),
    }
}

async fn look(scene: &Scene, place: &Place, copies: &[&Copy], source: &str, own: &str) -> CopiesSeen {
    let ask = AskCopies {
        operations: BTreeMap::from([("ops".to_owned(), BTreeSet::from([OperationId("op-1".to_owned())]))]),
        known: copies.iter().map(|copy| copy.id.clone()).collect(),
        keys: BTreeSet::from([id(own)]),
        usable: BTreeSet::from([id(source)]),
        ..AskCopies::default()
    };
    scene.aws.observe_copies(place, &ask, Some(&id(REGION))).await
}

#[tokio::test]
async fn a_copy_is_made_locked_and_found_where_it_lies() {
    let (scene, forensics) = (Scene::new().await, Scene::new().await);
    let (source_key, own_key) = (key(&scene.admin).await, key(&forensics.admin).await);
    let source = shared(&scene, &forensics, Some(&source_key)).await;
    let (place, destination) = at(&forensics, REGION);
    let usable = async |expected: bool| {
        let seen = look(&forensics, &place, &[], &source_key, &own_key).await;
        assert_eq!(seen.usable[&id::<KeyArn>(&source_key)].value(), Some(&expected), "{:?}", seen.usable);
        assert!(seen.keys[&id::<KeyArn>(&own_key)].value().is_some_and(|key| key.enabled));
    };
    usable(false).await;
    let grant =
        Effect::CreateGrant { key: id(&source_key), name: "ops-uid".to_owned(), grantee: id(&forensics.account) };
    let receipt = send(&scene, &scene.place, &grant).await.unwrap();
    let [Created::Grant { id: grant, .. }] = receipt.created.as_slice() else { panic!("{receipt:?}") };
    usable(true).await;

    forensics.proxy.clear();
    let effect = copy(&destination, &source, &own_key, true);
    let copied = made(&send(&forensics, &place, &effect).await.unwrap());
    let call = forensics.proxy.calls().remove(0);
    assert_eq!((call.operation.as_str(), forensics.proxy.calls().len()), ("CopySnapshot", 1));
    for (name, value) in [
        ("SourceRegion", Some(REGION)),
        ("SourceSnapshotId", Some(source.as_str())),
        ("Encrypted", Some("true")),
        ("KmsKeyId", Some(own_key.as_str())),
        ("TagSpecification.1.ResourceType", Some("snapshot")),
        // In the same Region none is needed.
        ("PresignedUrl", None),
    ] {
        assert_eq!(call.parameter(name), value, "{name}");
    }
    assert_eq!((&copied.of, &copied.destination), (&source, &destination));
    let until = jiff::Timestamp::from_second(sequester::clock::now().as_second() + 172_800).unwrap();
    let (snapshot, mode) = (copied.id.clone(), LockMode::Governance);
    let lock = Effect::Copying(CopyChange::LockCopy { destination: destination.clone(), snapshot, mode, until });
    send(&forensics, &place, &lock).await.unwrap();
    let seen = look(&forensics, &place, &[&copied], &source_key, &own_key).await;
    let [found] = seen.snapshots.value().unwrap().as_slice() else { panic!("{seen:?}") };
    assert_eq!((found.operation.as_deref(), found.state), (Some("op-1"), SnapshotState::Completed));
    assert_eq!(found.key, Some(id(&own_key)));
    assert_eq!(seen.locks.value().unwrap()[&copied.id].until, Some(until));

    let (key, grantee) = (id(&source_key), id(&forensics.account));
    let revoke = Effect::Copying(CopyChange::RevokeGrant { key, grant: grant.clone(), grantee });
    send(&scene, &scene.place, &revoke).await.unwrap();
    usable(false).await;
    let again = send(&scene, &scene.place, &revoke).await.unwrap_err();
    assert_eq!((again.class, again.code.as_str()), (ErrorClass::Conflict, "NotFoundException"));
}

/// What botocore signs, at the time and with the words of a URL of ours.
#[allow(clippy::disallowed_methods, reason = "the other signer is a process of its own")]
fn other_signer(scene: &Scene, endpoint: &str, secret: &str, url: &str) -> String {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap();
    let parameters: serde_json::Map<String, Value> =
        pairs.iter().filter(|(key, _)| !key.starts_with("X-Amz-")).map(|(k, v)| (k.clone(), json!(v))).collect();
    let given = json!({
        "at": of("X-Amz-Date"), "key": of("X-Amz-Credential").split('/').next(), "secret": secret,
        "endpoint": format!("{endpoint}/"), "region": REGION,
    });
    // In the order in which they are to be signed, which a map of JSON does not keep.
    let words = ["Action", "Version", "SourceRegion", "SourceSnapshotId", "DestinationRegion"];
    let ordered: Vec<String> = words.iter().map(|word| format!("{}:{}", json!(word), parameters[*word])).collect();
    assert_eq!(parameters.len(), words.len(), "{parameters:?}");
    let input = given.to_string().replacen('{', &format!("{{\"parameters\":{{{}}},", ordered.join(",")), 1);
    let mut script = Command::new(scene.emulator.python())
        .arg(crate::support::path("emulator/sign_copy.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// From another Region, AWS wants a URL that is signed for the source's; the emulator checks it, and so does botocore.
#[tokio::test]
async fn an_encrypted_snapshot_crosses_regions_by_a_url_that_another_signer_would_sign() {
    let (scene, forensics) = (Scene::new().await, Scene::new().await);
    let needed = json!({"account": forensics.account, "presigned_url_required": 1.0});
    scene.emulator.settings(&needed).await;
    let there = Admin { region: ELSEWHERE.to_owned(), ..forensics.admin.clone() };
    let (source_key, own_key) = (key(&scene.admin).await, key(&there).await);
    let source = shared(&scene, &forensics, Some(&source_key)).await;
    let grant = Effect::CreateGrant { key: id(&source_key), name: "g".to_owned(), grantee: id(&forensics.account) };
    send(&scene, &scene.place, &grant).await.unwrap();
    let (place, destination) = at(&forensics, ELSEWHERE);
    forensics.proxy.clear();
    let effect = copy(&destination, &source, &own_key, true);
    let copied = made(&send(&forensics, &place, &effect).await.unwrap());
    let seen = look(&forensics, &place, &[&copied], &source_key, &own_key).await;
    let [found] = seen.snapshots.value().unwrap().as_slice() else { panic!("{seen:?}") };
    assert_eq!((found.state, found.state_message.as_deref()), (SnapshotState::Completed, None));
    let call = forensics.proxy.calls().remove(0);
    assert_eq!(call.parameter("DestinationRegion"), Some(ELSEWHERE));
    let url = call.parameter("PresignedUrl").unwrap();
    let secret = forensics.emulator.account(&forensics.account).await.secret_access_key;
    assert_eq!(other_signer(&forensics, &forensics.proxy.url(), &secret, url), url);
    // Without a key there is nothing to sign for.
    let plain = shared(&scene, &forensics, None).await;
    send(&forensics, &place, &copy(&destination, &plain, &own_key, false)).await.unwrap();
    let calls = forensics.proxy.calls();
    let last = calls.iter().rfind(|call| call.operation == "CopySnapshot").unwrap();
    assert_eq!((last.parameter("PresignedUrl"), last.parameter("SourceSnapshotId")), (None, Some(plain.as_str())));
}

#[tokio::test]
async fn what_aws_can_not_copy_now_is_waited_for_and_a_wrong_key_fails_late() {
    let (scene, forensics) = (Scene::new().await, Scene::new().await);
    let own_key = key(&forensics.admin).await;
    let source = shared(&scene, &forensics, None).await;
    let (place, destination) = at(&forensics, REGION);
    // A key that is not there: AWS says yes, and no later.
    let gone = own_key.rsplit_once('/').unwrap().0.to_owned() + "/00000000-0000-0000-0000-000000000000";
    let failed = made(&send(&forensics, &place, &copy(&destination, &source, &gone, false)).await.unwrap());
    let seen = look(&forensics, &place, &[&failed], &own_key, &gone).await;
    assert_eq!(seen.snapshots.value().unwrap()[0].state, SnapshotState::Error);
    assert_eq!(seen.snapshots.value().unwrap()[0].state_message.as_deref(), Some("Given key ID is not accessible"));
    assert!(seen.keys[&id::<KeyArn>(&gone)].value().is_none(), "{:?}", seen.keys);

    scene.emulator.settings(&json!({"account": forensics.account, "copy_seconds": 60.0})).await;
    for _ in 0..AT_ONCE {
        send(&forensics, &place, &copy(&destination, &source, &own_key, false)).await.unwrap();
    }
    let full = send(&forensics, &place, &copy(&destination, &source, &own_key, false)).await.unwrap_err();
    assert_eq!((full.class, full.code.as_str()), (ErrorClass::Throttled, "ResourceLimitExceeded"));
    assert_eq!((full.reason(), full.needs_a_person()), (Reason::Throttled, false));
    let pending = ok(forensics.admin.ec2("DescribeSnapshots", &[("Owner.1", "self")]).await);
    assert_eq!(tags(&pending, "status").iter().filter(|status| **status == "pending").count(), AT_ONCE);
}

#[tokio::test]
async fn what_is_meant_for_one_place_is_made_in_no_other() {
    let (scene, forensics) = (Scene::new().await, Scene::new().await);
    let (_, destination) = at(&forensics, REGION);
    let effect = copy(&destination, &id("snap-0123456789abcdef0"), "arn:aws:kms:eu-west-1:444455556666:key/k", false);
    let refused = send(&scene, &scene.place, &effect).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (ErrorClass::Invalid, "WrongPlace"));
    assert!(scene.proxy.calls().is_empty());
}
