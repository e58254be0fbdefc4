//! The bytes of evidence: whether they are verified, and what they were found to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::Digest as Sha256;

/// What is made sure of the bytes that are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Verify {
    /// The SHA-256 of every image, read block by block.
    #[default]
    Digest,
    /// Nothing.
    None,
}

/// What the bytes of a snapshot were found to be. `sequester digest` repeats it, and `sha256sum` of the raw image.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DigestStatus {
    /// SHA-256 of the whole image, blocks that were never written being zeros.
    pub image: Sha256,
    /// SHA-256 of the manifest: the text with a line for each block that is not all zero.
    pub manifest: Sha256,
    /// Bytes of the image.
    #[schemars(range(max = 70_368_744_177_664_u64))]
    pub bytes: u64,
    /// Blocks of 512 KiB that AWS has; the others are zeros.
    #[schemars(range(max = 134_217_728))]
    pub blocks_written: u64,
}
