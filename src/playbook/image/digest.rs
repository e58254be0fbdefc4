//! The two digests of an image, from its blocks in order, in memory that does not grow with it.
//!
//! - **The image's own SHA-256**: over all its bytes, those of blocks that were never written being zeros. It is what
//!   `sha256sum` prints for the raw image or the device, whoever made it.
//! - **The manifest's**: a text with a line for each block that is not all zero, and SHA-256 over that text. The image's
//!   digest says whether two images differ, the manifests say where. `docs/digest.md` gives its form to the byte.

use sha2::{Digest as _, Sha256};

use super::{BLOCK, Block, blocks, length};
use crate::api::ids::Digest;

/// An image of which the first blocks are digested.
#[derive(Clone, Debug)]
pub struct ImageDigest {
    pub(super) image: u64,
    pub(super) next: u64,
    pub(super) linear: Sha256,
    pub(super) manifest: Sha256,
    pub(super) manifest_bytes: u64,
    pub(super) written: u64,
    pub(super) not_zero: u64,
}

/// The digests of a whole image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digests {
    /// Its bytes.
    pub bytes: u64,
    /// Blocks that the service had; all others are zeros.
    pub written: u64,
    /// Those of them that are not all zero: the lines of the manifest.
    pub not_zero: u64,
    /// SHA-256 of the whole image.
    pub image: Digest,
    /// SHA-256 of the manifest.
    pub manifest: Digest,
}

/// Blocks that came in an order in which nothing can be digested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestFault {
    /// Not the block that is due.
    #[error("block {got} came where block {due} is due")]
    Order {
        /// The block that is due.
        due: u64,
        /// The block that came.
        got: u64,
    },
    /// The image is not at its end.
    #[error("{done} of {all} blocks are digested, and a digest is of all of them")]
    Unfinished {
        /// Blocks so far.
        done: u64,
        /// Blocks of the image.
        all: u64,
    },
}

impl ImageDigest {
    /// Of an image of so many bytes, before its first block.
    pub fn new(image: u64) -> Self {
        let header = Self::manifest_header(image);
        Self {
            image,
            next: 0,
            linear: Sha256::new(),
            manifest: Sha256::new_with_prefix(&header),
            manifest_bytes: header.len() as u64,
            written: 0,
            not_zero: 0,
        }
    }

    /// The first line of a manifest.
    pub fn manifest_header(image: u64) -> String {
        format!("image {image} block {BLOCK}\n")
    }

    /// Bytes of the image.
    pub const fn image(&self) -> u64 {
        self.image
    }

    /// The block that is due: all before it are digested.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of the image that are digested.
    pub const fn bytes(&self) -> u64 {
        let end = self.next.saturating_mul(BLOCK);
        if end < self.image { end } else { self.image }
    }

    /// Blocks so far that the service had.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Takes zeros for the blocks before this one (or the end of the image), at most so many blocks at a time: hours of
    /// an empty volume are cut into pieces that way. Says whether the block is due now.
    pub fn zeros(&mut self, before: u64, most: u64) -> bool {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        let before = before.min(blocks(self.image));
        let end = before.min(self.next.saturating_add(most));
        while self.next < end {
            let mut left = usize::try_from(length(self.image, self.next)).unwrap_or(usize::MAX);
            while left > 0 {
                let some = left.min(ZEROS.len());
                self.linear.update(&ZEROS[..some]);
                left -= some;
            }
            self.next += 1;
        }
        self.next >= before
    }

    /// Takes the block that is due. Gives its line in the manifest, where it has one.
    ///
    /// # Errors
    /// If another block is due.
    pub fn add<B: AsRef<[u8]>>(&mut self, block: &Block<B>) -> Result<Option<String>, DigestFault> {
        if block.index() != self.next {
            return Err(DigestFault::Order { due: self.next, got: block.index() });
        }
        self.linear.update(block.bytes());
        self.next += 1;
        self.written += 1;
        if block.is_zero() {
            return Ok(None);
        }
        let line = format!("{} {}\n", block.index(), block.sha256().hex());
        self.manifest.update(&line);
        self.manifest_bytes += line.len() as u64;
        self.not_zero += 1;
        Ok(Some(line))
    }

    /// The digests, at the end of the image.
    ///
    /// # Errors
    /// If blocks are missing.
    pub fn finish(self) -> Result<Digests, DigestFault> {
        let all = blocks(self.image);
        if self.next != all {
            return Err(DigestFault::Unfinished { done: self.next, all });
        }
        Ok(Digests {
            bytes: self.image,
            written: self.written,
            not_zero: self.not_zero,
            image: Digest::of(&self.linear.finalize().into()),
            manifest: Digest::of(&self.manifest.finalize().into()),
        })
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
pub(super) mod tests;
