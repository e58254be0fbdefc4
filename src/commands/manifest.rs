//! The manifest of blocks as a file, which a digest that goes on goes on with.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::CommandError;
use crate::api::ids::Digest;
use crate::playbook::image::{ImageDigest, Part};

/// The file.
#[derive(Debug)]
pub(super) struct Manifest {
    file: BufWriter<File>,
    begun: bool,
}

impl Manifest {
    /// A new file, or the one that was begun with the part, cut to where the part was.
    pub(super) fn open(path: &Path, part: Option<&Part>) -> Result<Self, CommandError> {
        let opened = match part {
            None => OpenOptions::new().write(true).create_new(true).open(path),
            Some(part) => reopened(path, part),
        };
        match opened {
            Ok(file) => Ok(Self { file: BufWriter::new(file), begun: part.is_some() }),
            Err(error) => Err(CommandError::File(format!("--manifest {}: {error}", path.display()))),
        }
    }

    /// Adds what a step brought.
    pub(super) fn add(&mut self, digest: &ImageDigest, line: Option<&str>) -> io::Result<()> {
        if !self.begun {
            self.file.write_all(ImageDigest::manifest_header(digest.image()).as_bytes())?;
            self.begun = true;
        }
        self.file.write_all(line.unwrap_or_default().as_bytes())
    }

    /// All that was added is on the disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

fn reopened(path: &Path, part: &Part) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut (&mut file).take(part.manifest_bytes), &mut Hashing(&mut hash))?;
    let found = Digest::of(&hash.finalize().into());
    if bytes != part.manifest_bytes || found != part.manifest_digest {
        let what = "it does not begin as the state says; begin again, without both files";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    file.set_len(bytes)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_cut_to_where_the_state_was_and_refused_where_it_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest");
        let digest = ImageDigest::new(1 << 20);
        let mut manifest = Manifest::open(&path, None).unwrap();
        manifest.add(&digest, None).unwrap();
        manifest.add(&digest, Some("0 written after the state\n")).unwrap();
        manifest.sync().unwrap();
        let told = Manifest::open(&path, None).unwrap_err().to_string();
        assert!(told.contains("exists"), "nothing is written over: {told}");
        let part = digest.part();
        let mut again = Manifest::open(&path, Some(&part)).unwrap();
        again.add(&digest, Some("1 line\n")).unwrap();
        again.sync().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "image 1048576 block 524288\n1 line\n");
        std::fs::write(&path, text.replace("1048576", "1048577")).unwrap();
        assert!(Manifest::open(&path, Some(&part)).unwrap_err().to_string().contains("begin again"));
    }
}
