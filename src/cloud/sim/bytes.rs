//! The bytes of snapshots: a short image each, which follows from the volume that it was taken of, so that digests are real and cost nothing.

use super::world::World;
use crate::api::ids::SnapshotId;
use crate::cloud::blocks::{Advance, ReadError, Tell};
use crate::playbook::image::{BLOCK, Block, BlockFault, Digests, ImageDigest, blocks, length};
use crate::playbook::seen::SnapshotState;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Bytes of an image, where the world names no other size.
const SHORT: u64 = 64;

impl World {
    /// The digests of a snapshot's image, or what contradicts them; none where it can't be read.
    pub(super) fn digests(&self, snapshot: &SnapshotId) -> Option<Result<Digests, BlockFault>> {
        let digested = self.digest(snapshot, None, &mut |_| Ok(()));
        match digested {
            Ok(digests) => Some(Ok(digests)),
            Err(ReadError::Block { fault, .. }) => Some(Err(fault)),
            Err(_) => None,
        }
    }

    /// Reads a snapshot block by block. Every second block was never written.
    pub(super) fn digest(
        &self,
        snapshot: &SnapshotId,
        from: Option<ImageDigest>,
        tell: Tell<'_>,
    ) -> Result<Digests, ReadError> {
        let absent = || ReadError::Absent { snapshot: snapshot.clone() };
        let copies = || self.copies.values().find_map(|copies| copies.get(snapshot));
        let exhibit = self.snapshots.get(snapshot).or_else(copies).ok_or_else(absent)?;
        if exhibit.snapshot.state != SnapshotState::Completed
            || exhibit.snapshot.archived
            || self.unreadable.contains(snapshot)
        {
            return Err(absent());
        }
        let image = self.image_bytes.unwrap_or(SHORT);
        let mut digest = from.unwrap_or_else(|| ImageDigest::new(image));
        let word = Sha256::digest(&exhibit.bytes);
        let order = |fault| ReadError::Order { snapshot: snapshot.clone(), fault };
        while digest.next() < blocks(image) {
            let index = digest.next();
            if index % 2 == 1 {
                digest.zeros(index + 1, 1);
                tell(Advance { digest: &digest, line: None })?;
                continue;
            }
            let size = usize::try_from(length(image, index).min(BLOCK)).unwrap_or_default();
            let bytes: Vec<u8> = word.iter().copied().cycle().take(size).collect();
            let right = STANDARD.encode(Sha256::digest(&bytes));
            let told = if self.corrupt.contains(snapshot) { "" } else { &right };
            let block = Block::checked(image, index, bytes, "SHA256", told);
            let block = block.map_err(|fault| ReadError::Block { snapshot: snapshot.clone(), fault })?;
            let line = digest.add(&block).map_err(order)?;
            tell(Advance { digest: &digest, line: line.as_deref() })?;
        }
        digest.finish().map_err(order)
    }
}
