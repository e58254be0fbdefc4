//! One block with its checksum: there is no other way to make one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{blocks, length};
use crate::api::ids::Digest;

/// A block whose bytes are those that the service says it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block<B> {
    index: u64,
    bytes: B,
    sha256: [u8; 32],
}

/// Why a block is not what it is said to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BlockFault {
    /// The bytes are others than those that the service took the checksum of.
    #[error("block {block}: the checksum told is {told:?}, that of the bytes is {computed:?} (SHA-256, Base64)")]
    Checksum {
        /// Index of the block.
        block: u64,
        /// What the service says, cut to 64 characters.
        told: String,
        /// What the bytes give.
        computed: String,
    },
    /// The checksum can't be checked.
    #[error("block {block}: its checksum is by {algorithm:?}, and only SHA256 is known")]
    Algorithm {
        /// Index of the block.
        block: u64,
        /// What the service says, cut to 32 characters; empty where it says nothing.
        algorithm: String,
    },
    /// More or fewer bytes than a block has there.
    #[error("block {block}: {got} bytes came, and it has {wanted}")]
    Length {
        /// Index of the block.
        block: u64,
        /// Bytes that came.
        got: u64,
        /// Bytes that the block has in this image.
        wanted: u64,
    },
    /// The image ends before it.
    #[error("block {block}: the image of {image} bytes has no such block")]
    Outside {
        /// Index of the block.
        block: u64,
        /// Bytes of the image.
        image: u64,
    },
}

impl<B: AsRef<[u8]>> Block<B> {
    /// Takes the bytes of a block of an image of `image` bytes, if they give the checksum that the service told:
    /// SHA-256 in Base64 (EBS direct reference, `GetSnapshotBlock`: `x-amz-Checksum`, `x-amz-Checksum-Algorithm`).
    ///
    /// # Errors
    /// Names the block and both values.
    pub fn checked(image: u64, index: u64, bytes: B, algorithm: &str, told: &str) -> Result<Self, BlockFault> {
        if index >= blocks(image) {
            return Err(BlockFault::Outside { block: index, image });
        }
        let (got, wanted) = (bytes.as_ref().len() as u64, length(image, index));
        if got != wanted {
            return Err(BlockFault::Length { block: index, got, wanted });
        }
        if algorithm != "SHA256" {
            let algorithm = algorithm.chars().take(32).collect();
            return Err(BlockFault::Algorithm { block: index, algorithm });
        }
        let sha256: [u8; 32] = Sha256::digest(bytes.as_ref()).into();
        let computed = STANDARD.encode(sha256);
        if computed != told {
            return Err(BlockFault::Checksum { block: index, told: told.chars().take(64).collect(), computed });
        }
        Ok(Self { index, bytes, sha256 })
    }

    /// Its index: its offset in the image, in blocks.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// SHA-256 of its bytes.
    pub fn sha256(&self) -> Digest {
        Digest::of(&self.sha256)
    }

    /// Whether all its bytes are zero: a written block may be.
    pub fn is_zero(&self) -> bool {
        const ZEROS: [u8; 4096] = [0; 4096];
        self.bytes().chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::image::BLOCK;

    // SHA-256 of "abc" (FIPS 180-4 examples), and of 512 KiB of zeros, as `openssl dgst -sha256 -binary | base64`.
    const ABC: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
    const ZERO_BLOCK: &str = "B4VNL+8pega6gWheZgwzLeNtXRjVRpJ9MNqtbX/aFUE=";

    #[test]
    fn a_block_is_taken_only_with_its_checksum() {
        let block = Block::checked(3, 0, b"abc", "SHA256", ABC).unwrap();
        assert_eq!(block.sha256().hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!block.is_zero());
        let zero = vec![0; usize::try_from(BLOCK).unwrap()];
        assert!(Block::checked(BLOCK, 0, zero, "SHA256", ZERO_BLOCK).unwrap().is_zero());
    }

    #[test]
    fn whatever_does_not_fit_is_refused_with_both_values() {
        let long = "A".repeat(100);
        let table: [(u64, u64, &[u8], &str, &str, &str); 8] = [
            (3, 0, b"abd", "SHA256", ABC, "that of the bytes is \"pS"),
            (3, 0, b"abd", "SHA256", ABC, ABC),
            (3, 0, b"abc", "SHA256", "", "told is \"\""),
            (3, 0, b"abc", "SHA256", &long, &long[..64]),
            (3, 0, b"abc", "CRC32", ABC, "\"CRC32\""),
            (4, 0, b"abc", "SHA256", ABC, "3 bytes came, and it has 4"),
            (2, 0, b"abc", "SHA256", ABC, "3 bytes came, and it has 2"),
            (BLOCK, 1, b"", "SHA256", ABC, "the image of 524288 bytes has no such block"),
        ];
        for (image, index, bytes, algorithm, told, says) in table {
            let fault = Block::checked(image, index, bytes, algorithm, told).unwrap_err();
            assert!(fault.to_string().contains(says), "{fault}");
            assert!(fault.to_string().starts_with(&format!("block {index}: ")), "{fault}");
            assert!(fault.to_string().len() < 250, "bounded: {fault}");
        }
    }

    #[test]
    fn one_byte_at_the_end_is_no_zero_block() {
        let mut bytes = vec![0; 5000];
        bytes[4999] = 1;
        let sum = STANDARD.encode(Sha256::digest(&bytes));
        assert!(!Block::checked(5000, 0, bytes, "SHA256", &sum).unwrap().is_zero());
    }
}
