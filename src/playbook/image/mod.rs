//! A volume's bytes as evidence: its digests, block by block, and what differs between two moments.
//!
//! EBS gives a snapshot's bytes in blocks of 512 KiB, and lists those that were ever written; the others are zeros
//! (EBS guide, "Concepts for EBS direct APIs"). [`block`] takes one only with the checksum that came with it,
//! [`digest`] makes of them what `sha256sum` prints for the raw image, and [`changes`] makes byte ranges of indexes.

pub mod block;
pub mod changes;
pub mod digest;
pub mod part;

pub use block::{Block, BlockFault};
pub use changes::{Changes, Range};
pub use digest::{DigestFault, Digests, ImageDigest};
pub use part::{Part, PartFault};

/// Bytes of a block (EBS direct reference, `GetSnapshotBlock`).
pub const BLOCK: u64 = 512 * 1024;

/// Bytes that a block has here: the last one of an image may be shorter.
pub const fn length(image: u64, block: u64) -> u64 {
    let start = block.saturating_mul(BLOCK);
    let rest = image.saturating_sub(start);
    if rest < BLOCK { rest } else { BLOCK }
}

/// Blocks that an image has, the last one in part where its size is no multiple.
pub const fn blocks(image: u64) -> u64 {
    image.div_ceil(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_ends_with_the_image() {
        // Size of the image, blocks, index of a block, its bytes.
        let table = [
            (0, 0, 0, 0),
            (1, 1, 0, 1),
            (BLOCK, 1, 0, BLOCK),
            (BLOCK, 1, 1, 0),
            (BLOCK + 1, 2, 1, 1),
            (1 << 30, 2048, 2047, BLOCK),
            (u64::MAX, 1 << 45, u64::MAX, 0),
        ];
        for (image, count, block, bytes) in table {
            assert_eq!((blocks(image), length(image, block)), (count, bytes), "block {block} of {image}");
        }
    }
}
