//! Snapshots with real bytes: raw images that tests put onto volumes.

use crate::scene::{Scene, id};
use crate::support::aws::{ok, tag};
use sequester::api::ids::SnapshotId;
use serde_json::json;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const BLOCK: u64 = 512 * 1024;

/// A raw image of some GiB, as a file with holes.
pub struct Image {
    pub path: PathBuf,
    folder: TempDir,
}

impl Image {
    pub fn new(gib: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        File::create(&path).unwrap().set_len(gib << 30).unwrap();
        Self { path, folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes blocks, each full of a value that depends on its index and on `moment`.
    pub fn write(&self, indexes: impl IntoIterator<Item = u64>, moment: u64) {
        let mut file = File::options().write(true).open(&self.path).unwrap();
        for index in indexes {
            let word = (index * 1_000_003 + moment + 1).to_le_bytes();
            let block: Vec<u8> = word.iter().copied().cycle().take(usize::try_from(BLOCK).unwrap()).collect();
            file.seek(SeekFrom::Start(index * BLOCK)).unwrap();
            file.write_all(&block).unwrap();
        }
    }

    /// What coreutils say.
    #[allow(clippy::disallowed_methods, reason = "a tool that is not ours is what is compared with")]
    pub fn sha256sum(&self) -> String {
        let output = std::process::Command::new("sha256sum").arg(&self.path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    }
}

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
