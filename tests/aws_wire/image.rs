//! Snapshots with real bytes.

use crate::scene::{Scene, id};
use crate::support::aws::{ok, tag};
pub use crate::support::image::{BLOCK, Image};
use sequester::api::ids::SnapshotId;
use serde_json::json;

/// A volume of this account.
pub async fn volume(scene: &Scene, gib: u64) -> String {
    let made = scene.admin.ec2("CreateVolume", &[("Size", &gib.to_string()), ("AvailabilityZone", "eu-west-1a")]).await;
    tag(&ok(made), "volumeId").to_owned()
}

/// A snapshot of a volume with the image on it.
pub async fn snapshot(scene: &Scene, volume: &str, image: &Image) -> SnapshotId {
    scene.emulator.bed_post(&format!("/bed/volumes/{volume}"), &json!({"image": image.path})).await;
    let made = ok(scene.admin.ec2("CreateSnapshot", &[("VolumeId", volume)]).await);
    id(tag(&made, "snapshotId"))
}

/// The blocks of a snapshot that were asked for, in the order of the calls.
pub fn blocks_asked(scene: &Scene, snapshot: &SnapshotId) -> Vec<u64> {
    let prefix = format!("GET /snapshots/{snapshot}/blocks/");
    let calls = scene.proxy.calls();
    calls.iter().filter_map(|call| call.operation.strip_prefix(&prefix)?.parse().ok()).collect()
}
