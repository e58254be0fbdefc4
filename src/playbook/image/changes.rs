//! Byte ranges from the indexes of blocks that differ.

use serde::Serialize;

use super::{BLOCK, blocks, length};

/// Bytes that lie beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Range {
    /// First byte, from 0.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// Joins blocks that lie beside each other; holds one range, however many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    image: u64,
    next: u64,
    open: Option<Range>,
    bytes: u64,
}

impl Changes {
    /// In an image of so many bytes.
    pub const fn new(image: u64) -> Self {
        Self { image, next: 0, open: None, bytes: 0 }
    }

    /// Takes the next block that differs. Gives a range that is complete by it.
    ///
    /// # Errors
    /// If it is none of the image, or came before: the index that was the least possible.
    pub fn add(&mut self, block: u64) -> Result<Option<Range>, u64> {
        if block < self.next || block >= blocks(self.image) {
            return Err(self.next);
        }
        self.next = block + 1;
        let more = length(self.image, block);
        self.bytes += more;
        let offset = block * BLOCK;
        match &mut self.open {
            Some(open) if open.offset + open.length == offset => {
                open.length += more;
                Ok(None)
            }
            open => Ok(open.replace(Range { offset, length: more })),
        }
    }

    /// Bytes of all ranges so far, the open one included.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last range.
    pub const fn finish(self) -> Option<Range> {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(image: u64, indexes: &[u64]) -> Result<Vec<(u64, u64)>, u64> {
        let (mut changes, mut found) = (Changes::new(image), Vec::new());
        for index in indexes {
            found.extend(changes.add(*index)?);
        }
        let bytes = changes.bytes();
        found.extend(changes.finish());
        assert_eq!(bytes, found.iter().map(|range| range.length).sum::<u64>());
        Ok(found.into_iter().map(|range| (range.offset, range.length)).collect())
    }

    #[test]
    fn neighbours_are_one_range() {
        let table: &[(u64, &[u64], &[(u64, u64)])] = &[
            (10 * BLOCK, &[], &[]),
            (10 * BLOCK, &[3], &[(3 * BLOCK, BLOCK)]),
            (10 * BLOCK, &[0, 1, 2], &[(0, 3 * BLOCK)]),
            (10 * BLOCK, &[0, 2, 3, 9], &[(0, BLOCK), (2 * BLOCK, 2 * BLOCK), (9 * BLOCK, BLOCK)]),
            (BLOCK + 7, &[0, 1], &[(0, BLOCK + 7)]),
        ];
        for (image, indexes, expected) in table {
            assert_eq!(ranges(*image, indexes).as_deref(), Ok(*expected), "{indexes:?}");
        }
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for (indexes, least) in [(&[4, 4][..], 5), (&[4, 3], 5), (&[10], 0), (&[9, 10], 10), (&[u64::MAX], 0)] {
            assert_eq!(ranges(10 * BLOCK, indexes), Err(least), "{indexes:?}");
        }
    }
}
