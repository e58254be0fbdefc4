//! How far a digest has come, as a few hundred bytes from which it can go on.
//!
//! SHA-256 of a whole image can't be put together from digests of its parts: it goes on only from its inner state after
//! the bytes so far. A list of digests of parts would make everything be read again. So a part carries that state, and
//! beside it what it commits to: the SHA-256 of the bytes so far, which anybody can repeat (`head -c BYTES | sha256sum`).
//! A state from which that digest does not follow is refused, whether it was damaged, cut, or written by a version with
//! another form of it. Where the digest of the bytes so far is known from elsewhere, as from a chain of custody, no other
//! state can be put under it: that would take a collision of SHA-256.

use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

use super::{BLOCK, ImageDigest, blocks};
use crate::api::ids::Digest;

/// Version of the form.
const VERSION: u32 = 1;

/// Longest first line of a manifest, and longest of the others: two numbers, or a number and a digest.
const MOST_HEADER: u64 = 64;
const MOST_LINE: u64 = 90;

/// A digest that is interrupted between two blocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// Version of the form.
    pub version: u32,
    /// Bytes of the image.
    pub image: u64,
    /// The block that is due: those before it are digested.
    pub next: u64,
    /// Blocks so far that the service had.
    pub written: u64,
    /// Those of them that are not all zero.
    pub not_zero: u64,
    /// SHA-256 of the image's bytes so far.
    pub image_digest: Digest,
    /// SHA-256 of the manifest so far.
    pub manifest_digest: Digest,
    /// Bytes of the manifest so far.
    pub manifest_bytes: u64,
    /// Inner state of the image's SHA-256, in hexadecimal digits.
    image_state: String,
    /// Inner state of the manifest's.
    manifest_state: String,
}

/// Why nothing can go on from a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartFault {
    /// It has another form.
    #[error("version: {0} is not known here, only {VERSION} is; begin again")]
    Version(u32),
    /// Its numbers can't be.
    #[error("{field}: {value} can't be in an image of {image} bytes; begin again")]
    Number {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Bytes of the image.
        image: u64,
    },
    /// It is no state of SHA-256 after so many bytes.
    #[error("{0}: is no state of SHA-256 at that place; begin again")]
    State(&'static str),
    /// Its state gives another digest than it says.
    #[error("{field}: says {told}, and from the state follows {follows}; begin again")]
    Contradicted {
        /// The field.
        field: &'static str,
        /// What it says.
        told: Digest,
        /// What the state gives.
        follows: Digest,
    },
}

impl ImageDigest {
    /// How far it has come.
    pub fn part(&self) -> Part {
        Part {
            version: VERSION,
            image: self.image,
            next: self.next,
            written: self.written,
            not_zero: self.not_zero,
            image_digest: so_far(&self.linear),
            manifest_digest: so_far(&self.manifest),
            manifest_bytes: self.manifest_bytes,
            image_state: hex::encode(self.linear.serialize()),
            manifest_state: hex::encode(self.manifest.serialize()),
        }
    }

    /// Goes on from a part.
    ///
    /// # Errors
    /// If it is not whole, or contradicts itself.
    pub fn resume(part: &Part) -> Result<Self, PartFault> {
        if part.version != VERSION {
            return Err(PartFault::Version(part.version));
        }
        let image = part.image;
        let numbers = [
            ("next", part.next, blocks(image)),
            ("written", part.written, part.next),
            ("notZero", part.not_zero, part.written),
            ("manifestBytes", part.manifest_bytes, MOST_HEADER + part.not_zero.saturating_mul(MOST_LINE)),
        ];
        for (field, value, most) in numbers {
            if value > most {
                return Err(PartFault::Number { field, value, image });
            }
        }
        let bytes = part.next.saturating_mul(BLOCK).min(image);
        let linear = restored(["imageState", "imageDigest"], &part.image_state, bytes, &part.image_digest)?;
        let names = ["manifestState", "manifestDigest"];
        let manifest = restored(names, &part.manifest_state, part.manifest_bytes, &part.manifest_digest)?;
        Ok(Self {
            image,
            next: part.next,
            linear,
            manifest,
            manifest_bytes: part.manifest_bytes,
            written: part.written,
            not_zero: part.not_zero,
        })
    }
}

fn so_far(hash: &Sha256) -> Digest {
    Digest::of(&hash.clone().finalize().into())
}

/// The state after so many bytes. In the form of the sha2 crate their number in SHA-256's own blocks follows the eight
/// words; it is compared before anything is computed with it, since a huge one would overflow there.
fn restored([state, digest]: [&'static str; 2], text: &str, bytes: u64, told: &Digest) -> Result<Sha256, PartFault> {
    let raw = hex::decode(text).map_err(|_| PartFault::State(state))?;
    let count = raw.get(32..40).and_then(|count| count.try_into().ok()).map(u64::from_le_bytes);
    if count != Some(bytes / 64) {
        return Err(PartFault::State(state));
    }
    let raw = SerializedState::<Sha256>::try_from(raw.as_slice()).map_err(|_| PartFault::State(state))?;
    let hash = Sha256::deserialize(&raw).map_err(|_| PartFault::State(state))?;
    let follows = so_far(&hash);
    if follows == *told {
        Ok(hash)
    } else {
        Err(PartFault::Contradicted { field: digest, told: told.clone(), follows })
    }
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
