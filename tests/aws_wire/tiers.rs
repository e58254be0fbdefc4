//! The archive tier: asked for once, seen on its way and at its end, for snapshots and for copies of them.

use crate::scene::{Scene, id, witness};
use crate::support::aws::{REGION, ok, tag};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::{AskCopies, AskEvidence, Cloud};
use sequester::playbook::copies::Destination;
use sequester::playbook::copy_change::CopyChange;
use sequester::playbook::effect::Effect;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::{Read, Snapshot};
use sequester::playbook::tiers::{Tier, Tiering};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

async fn snapshot(scene: &Scene) -> String {
    let zone = format!("{REGION}a");
    let volume = ok(scene.admin.ec2("CreateVolume", &[("Size", "8"), ("AvailabilityZone", zone.as_str())]).await);
    let made = ok(scene.admin.ec2("CreateSnapshot", &[("VolumeId", tag(&volume, "volumeId"))]).await);
    tag(&made, "snapshotId").to_owned()
}

async fn archive(scene: &Scene, snapshot: &str) -> Result<(), CloudError> {
    let effect = Effect::ArchiveSnapshot { snapshot: id(snapshot) };
    scene.aws.perform(&scene.place, &OperationId("op-1".to_owned()), &effect, &witness()).await.map(|_| ())
}

/// The snapshot and its tier, asked for together with one that is not there.
async fn look(scene: &Scene, snapshot: &str) -> (Snapshot, Tier) {
    let none = "snap-0ffffffffffffffff";
    let tiers = BTreeSet::from([id(snapshot), id(none)]);
    let ask = AskEvidence {
        instance: None,
        adopts: BTreeSet::new(),
        operations: BTreeMap::new(),
        locks: BTreeSet::from([id(snapshot)]),
        permissions: BTreeSet::new(),
        tiers: tiers.clone(),
        public_sharing: false,
        keys: None,
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(&scene.place, &ask).await;
    assert!(matches!(seen.tiers[&id(none)], Read::Absent { .. }), "{:?}", seen.tiers);
    let there = AskCopies { tiers, ..AskCopies::default() };
    let copies = scene.aws.observe_copies(&scene.place, &there, None).await;
    let tier = seen.tiers[&id(snapshot)].value().unwrap().clone();
    assert_eq!(copies.tiers[&id(snapshot)].value(), Some(&tier), "and so of copies");
    let [found] = seen.snapshots.value().unwrap().as_slice() else { panic!("{seen:?}") };
    (found.clone(), tier)
}

#[tokio::test]
async fn a_snapshot_goes_there_once_and_is_seen_on_its_way() {
    let scene = Scene::new().await;
    let made = snapshot(&scene).await;
    let (found, tier) = look(&scene, &made).await;
    assert!(!found.archived);
    assert_eq!((tier.archived, tier.tiering, tier.began), (false, Tiering::Other, None));
    scene.emulator.settings(&json!({"account": scene.account, "archive_seconds": 600.0})).await;
    scene.proxy.clear();
    archive(&scene, &made).await.unwrap();
    let call = scene.proxy.calls().remove(0);
    assert_eq!((call.operation.as_str(), scene.proxy.calls().len()), ("ModifySnapshotTier", 1));
    assert_eq!((call.parameter("SnapshotId"), call.parameter("StorageTier")), (Some(made.as_str()), Some("archive")));
    let (found, tier) = look(&scene, &made).await;
    assert!(!found.archived && tier.began.is_some() && tier.progress < 100, "{tier:?}");
    assert_eq!(tier.tiering, Tiering::Archiving);
    let again = archive(&scene, &made).await.unwrap_err();
    assert_eq!((again.class, again.code.as_str()), (ErrorClass::Conflict, "IncorrectState"), "a repeat does no harm");

    scene.emulator.settings(&json!({"account": scene.account, "archive_seconds": 0.0})).await;
    let copy = snapshot(&scene).await;
    let destination = Destination { account: id(&scene.account), region: id(REGION) };
    let effect = Effect::Copying(CopyChange::ArchiveCopy { destination, snapshot: id(&copy) });
    scene.aws.perform(&scene.place, &OperationId("op-2".to_owned()), &effect, &witness()).await.unwrap();
    let (found, tier) = look(&scene, &copy).await;
    assert!(found.archived && tier.archived, "{found:?}, {tier:?}");
    assert_ne!(tier.tiering, Tiering::Archiving);
    let elsewhere = Destination { account: id("444455556666"), region: id(REGION) };
    let effect = Effect::Copying(CopyChange::ArchiveCopy { destination: elsewhere, snapshot: id(&copy) });
    let refused = scene.aws.perform(&scene.place, &OperationId("op-3".to_owned()), &effect, &witness()).await;
    assert_eq!(refused.unwrap_err().code, "WrongPlace");
}

#[tokio::test]
async fn what_aws_could_not_move_says_why() {
    let scene = Scene::new().await;
    let made = snapshot(&scene).await;
    scene.emulator.bed_post(&format!("/bed/snapshots/{made}"), &json!({"tiering_fails": "no room"})).await;
    archive(&scene, &made).await.unwrap();
    let (found, tier) = look(&scene, &made).await;
    assert!(!found.archived && tier.began.is_some());
    assert_eq!((tier.tiering, tier.detail.as_deref()), (Tiering::ArchivalFailed, Some("no room")));
    // What is restored for a while can be used, and is not taken for archived.
    archive(&scene, &made).await.unwrap();
    assert!(look(&scene, &made).await.0.archived);
    ok(scene.admin.ec2("RestoreSnapshotTier", &[("SnapshotId", &made), ("TemporaryRestoreDays", "2")]).await);
    assert!(!look(&scene, &made).await.0.archived);
}

#[tokio::test]
async fn one_question_is_asked_for_all_of_them() {
    let scene = Scene::new().await;
    let made = snapshot(&scene).await;
    scene.proxy.clear();
    look(&scene, &made).await;
    assert_eq!(scene.count("DescribeSnapshotTierStatus"), 2, "one of the set, one of copies");
}
