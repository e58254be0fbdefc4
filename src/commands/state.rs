//! A file from which a digest goes on: written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CommandError;
use crate::api::ids::{RegionName, SnapshotId};
use crate::playbook::image::{ImageDigest, Part};

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    snapshot: SnapshotId,
    region: RegionName,
    part: Part,
}

/// The file.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    snapshot: SnapshotId,
    region: RegionName,
}

impl State {
    /// Opens it. Gives the part that it has, if there is one.
    pub(super) fn open(
        path: &Path,
        snapshot: &SnapshotId,
        region: &RegionName,
    ) -> Result<(Self, Option<Part>), CommandError> {
        let state = Self { path: path.to_owned(), snapshot: snapshot.clone(), region: region.clone() };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Better now than after the first thousand blocks.
                let new = state.new_path();
                File::create(&new).and_then(|_| fs::remove_file(&new)).map_err(|error| state.wrong(&error))?;
                return Ok((state, None));
            }
            Err(error) => return Err(state.wrong(&error)),
        };
        let kept: Kept = serde_json::from_slice(&text)
            .map_err(|error| state.wrong(&format!("it is not of a digest ({error}); remove it to begin again")))?;
        if (&kept.snapshot, &kept.region) != (snapshot, region) {
            return Err(state.wrong(&format!(
                "it is of {} in {}, and {snapshot} in {region} is asked for; give another file",
                kept.snapshot, kept.region
            )));
        }
        Ok((state, Some(kept.part)))
    }

    /// The digest that a part of it goes on from.
    pub(super) fn resume(&self, part: &Part) -> Result<ImageDigest, CommandError> {
        ImageDigest::resume(part).map_err(|fault| self.wrong(&format!("{fault}, without this file")))
    }

    /// Replaces what it says.
    pub(super) fn save(&self, part: Part) -> io::Result<()> {
        let kept = Kept { snapshot: self.snapshot.clone(), region: self.region.clone(), part };
        let new = self.new_path();
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(new, &self.path)
    }

    /// The digest is complete: nothing goes on from here.
    pub(super) fn remove(&self) -> Result<(), CommandError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.wrong(&error)),
            _ => Ok(()),
        }
    }

    fn new_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> CommandError {
        CommandError::File(format!("--state {}: {why}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path, snapshot: &str) -> Result<(State, Option<Part>), String> {
        let (snapshot, region) = (snapshot.parse().unwrap(), "eu-west-1".parse().unwrap());
        State::open(path, &snapshot, &region).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_saved_is_gone_on_from_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (ours, other) = ("snap-0123456789abcdef0", "snap-0123456789abcdef1");
        let (state, none) = opened(&path, ours).unwrap();
        assert!(none.is_none());
        let mut digest = ImageDigest::new(1 << 30);
        digest.zeros(7, 7);
        state.save(digest.part()).unwrap();
        let (state, part) = opened(&path, ours).unwrap();
        assert_eq!(state.resume(&part.unwrap()).unwrap().next(), 7);
        let told = opened(&path, other).unwrap_err();
        assert!(told.contains(ours) && told.contains(other) && told.contains("give another file"), "{told}");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(opened(&path, ours).unwrap_err().contains("remove it to begin again"));
        fs::write(&path, text.replace("\"next\":7", "\"next\":8")).unwrap();
        let (state, part) = opened(&path, ours).unwrap();
        let told = state.resume(&part.unwrap()).unwrap_err().to_string();
        assert!(told.contains("begin again, without this file"), "{told}");
        state.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_can_not_be_written_is_told_at_once() {
        let told = opened(Path::new("/proc/nowhere/state"), "snap-0123456789abcdef0").unwrap_err();
        assert!(told.starts_with("--state /proc/nowhere/state: "), "{told}");
    }
}
