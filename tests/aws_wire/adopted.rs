//! Snapshots that exist: shown with their owner, whoever that is, and with what AWS knows of where they come from.

use crate::scene::{Scene, id};
use crate::support::aws::{Aws as Admin, REGION, ok, tag};
use sequester::api::ids::SnapshotId;
use sequester::cloud::{AskEvidence, Cloud};
use sequester::playbook::adopted::Existing;
use sequester::playbook::seen::Read;
use std::collections::{BTreeMap, BTreeSet};

async fn backup(admin: &Admin) -> (String, String) {
    let zone = format!("{REGION}a");
    let volume = ok(admin.ec2("CreateVolume", &[("Size", "8"), ("AvailabilityZone", zone.as_str())]).await);
    let volume = tag(&volume, "volumeId").to_owned();
    let made = ok(admin.ec2("CreateSnapshot", &[("VolumeId", &volume)]).await);
    (tag(&made, "snapshotId").to_owned(), volume)
}

async fn look(scene: &Scene, ids: &[&str]) -> BTreeMap<SnapshotId, Existing> {
    let ask = AskEvidence {
        instance: None,
        adopts: ids.iter().map(|snapshot| id(snapshot)).collect(),
        operations: BTreeMap::new(),
        locks: BTreeSet::new(),
        permissions: BTreeSet::new(),
        tiers: BTreeSet::new(),
        public_sharing: false,
        keys: None,
        owed: BTreeSet::new(),
    };
    let seen = scene.aws.observe_evidence(&scene.place, &ask).await;
    let Read::Found { value, .. } = seen.adoptable else { panic!("{:?}", seen.adoptable) };
    value.into_iter().map(|found| (found.snapshot.id.clone(), found)).collect()
}

#[tokio::test]
async fn each_is_shown_with_its_owner_and_what_is_hidden_is_not_there() {
    let (scene, other) = (Scene::new().await, Scene::new().await);
    let ((own, volume), (theirs, _), (hidden, _)) =
        (backup(&scene.admin).await, backup(&other.admin).await, backup(&other.admin).await);
    let tags = [("ResourceId.1", own.as_str()), ("Tag.1.Key", "ops:operation"), ("Tag.1.Value", "ir/backup")];
    ok(scene.admin.ec2("CreateTags", &tags).await);
    let add = [
        ("SnapshotId", theirs.as_str()),
        ("Attribute", "createVolumePermission"),
        ("OperationType", "add"),
        ("UserId.1", &scene.account),
    ];
    ok(other.admin.ec2("ModifySnapshotAttribute", &add).await);
    scene.proxy.clear();
    let found = look(&scene, &[&own, &theirs, &hidden]).await;
    assert_eq!(scene.count("DescribeSnapshots"), 2, "one question for all, and one for those that are not ours");
    assert_eq!(
        found.keys().map(ToString::to_string).collect::<BTreeSet<_>>(),
        BTreeSet::from([own.clone(), theirs.clone()])
    );
    scene.proxy.clear();
    assert_eq!(look(&scene, &[&own]).await.len(), 1);
    assert_eq!(scene.count("DescribeSnapshots"), 1, "what is ours is looked for among ours alone");
    let (own, theirs) = (&found[&id(&own)], &found[&id(&theirs)]);
    assert_eq!((own.owner.as_str(), theirs.owner.as_str()), (scene.account.as_str(), other.account.as_str()));
    assert_eq!((own.snapshot.volume.as_str(), own.snapshot.size_gib), (volume.as_str(), 8));
    assert_eq!(own.tags, BTreeMap::from([("ops:operation".to_owned(), "ir/backup".to_owned())]));
    let started: jiff::Timestamp = own.started.as_ref().unwrap().parse().unwrap();
    assert!(sequester::clock::now().as_second() - started.as_second() < 600);
}
