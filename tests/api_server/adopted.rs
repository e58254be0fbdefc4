//! Evidence that exists already: what of it the API server refuses.

use crate::malformed::table;
use crate::world::{ALICE, World, accepted, refused, with};
use serde_json::{Value, json};

/// An EvidenceSnapshot that alice may make, of two snapshots.
fn adopting(world: &World, name: &str) -> Value {
    let snapshots = json!({
        "accountRef": "prod", "region": "eu-west-1", "instanceId": "i-0123456789abcdef0",
        "snapshotIds": ["snap-1a2b3c4d", "snap-0123456789abcdef0"],
    });
    with(world.evidence(name), "/spec/source", Some(json!({"snapshots": snapshots})))
}

#[tokio::test]
async fn what_cannot_be_adopted_is_refused_with_field_value_and_rule() {
    let world = World::new().await;
    let instance = world.evidence("other")["spec"]["source"]["instance"].clone();
    let ids = "/spec/source/snapshots/snapshotIds";
    table(
        &world,
        &adopting(&world, "backup"),
        vec![
            (
                "/spec/source/instance",
                Some(instance),
                &["spec.source must have exactly one of instance and snapshots", "both"],
            ),
            (ids, Some(json!([])), &["spec.source.snapshots.snapshotIds", "should have at least 1 items"]),
            (ids, None, &["spec.source.snapshots.snapshotIds", "Required value"]),
            (
                ids,
                Some(json!(["snap-1a2b3c4d", "snap-1a2b3c4d"])),
                &["spec.source.snapshots.snapshotIds[1]", "Duplicate value", "snap-1a2b3c4d"],
            ),
            (
                ids,
                Some(json!(["vol-1a2b3c4d"])),
                &["spec.source.snapshots.snapshotIds[0]", "\"vol-1a2b3c4d\"", "should match"],
            ),
            (
                ids,
                Some((0..41).map(|n| json!(format!("snap-{n:08x}"))).collect()),
                &["spec.source.snapshots.snapshotIds", "Too many", "41", "40"],
            ),
            (
                "/spec/source/snapshots/instanceId",
                Some(json!("web")),
                &["spec.source.snapshots.instanceId", "\"web\"", "should match"],
            ),
            (
                "/spec/source/snapshots/excludeVolumeIds",
                Some(json!(["vol-1a2b3c4d"])),
                &["unknown field \"spec.source.snapshots.excludeVolumeIds\""],
            ),
            (
                "/spec/moment",
                Some(json!("AfterIsolation")),
                &["spec.moment must be 'AtOnce' where spec.source.snapshots adopts", "'AfterIsolation'"],
            ),
        ],
    )
    .await;
    let long = "a".repeat(129);
    let words = ["metadata.name", &long, "at most 128 characters where spec.source.snapshots adopts"];
    refused("a long name", world.dry_run(ALICE, adopting(&world, &long)).await, &words);
    accepted("of a set that is taken", world.dry_run(ALICE, world.evidence(&long)).await);
}

#[tokio::test]
async fn what_is_adopted_stays_the_same() {
    let world = World::new().await;
    let object = accepted("adopted", world.create(ALICE, adopting(&world, "backup")).await);
    for source in [
        json!({"snapshots": {"snapshotIds": ["snap-1a2b3c4d"]}}),
        json!({"snapshots": {"instanceId": "i-0fedcba9876543210"}}),
        json!({"snapshots": null, "instance": world.evidence("other")["spec"]["source"]["instance"]}),
    ] {
        let change = json!({"spec": {"source": source}});
        refused("a change", world.change(ALICE, &object, change).await, &["spec.source is immutable"]);
    }
}
