//! Raw images that tests put onto volumes, and what tools that are not ours say of them.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
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
    pub fn sha256sum(&self) -> String {
        let output = Command::new("sha256sum").arg(&self.path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()[..64].to_owned()
    }

    /// What the script in docs/ prints; the manifest goes into a file that is not there yet.
    pub fn script(&self, manifest: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/image_digest.py");
        let mut python = Command::new("python3");
        let output = python.arg(script).arg(&self.path).arg("--manifest").arg(manifest).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A real filesystem with files in it; none where this machine can't make one.
pub fn ext4() -> Option<Image> {
    let image = Image::new(1);
    let files = image.folder().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("wtmp"), vec![0xa5; 3_000_000]).unwrap();
    fs::write(files.join("malware.sh"), "#!/bin/sh\n").unwrap();
    let names = ["mkfs.ext4", "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"];
    let made = names
        .iter()
        .find_map(|name| Command::new(name).args(["-q", "-F", "-d"]).arg(&files).arg(&image.path).output().ok())?;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(image)
}
