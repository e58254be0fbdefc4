//! A whole snapshot by EBS direct: its digests, and where two differ.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::Aws;
use super::ebs_direct::{Cursor, Listed, Reader, Refusal};
use crate::api::ids::SnapshotId;
use crate::cloud::Place;
use crate::cloud::blocks::{Advance, Compared, ReadError, Reading, Tell};
use crate::playbook::image::{Block, Changes, DigestFault, Digests, ImageDigest, Range};

/// Blocks of zeros that are digested without looking up: a quarter of a gibibyte.
const ZEROS: u64 = 512;

/// How often in a row AWS may refuse tokens that it gave, without a block between.
const LOST: u32 = 5;

impl Aws {
    /// Digests a snapshot, from its first block or where another digest of it stopped. Memory is bounded by
    /// [`Reading::at_once`], whatever the size.
    ///
    /// # Errors
    /// Names the snapshot, and the block or the call. What was told until then holds, and can be gone on from.
    pub async fn digest_snapshot(
        &self,
        place: &Place,
        snapshot: &SnapshotId,
        reading: Reading,
        from: Option<ImageDigest>,
        tell: Tell<'_>,
    ) -> Result<Digests, ReadError> {
        let session = self.sessions.of(&place.access, place.region.as_str()).await;
        let reader = Arc::new(Reader::new(&session, reading));
        let work = Work { reader, snapshot: snapshot.clone(), at_once: reading.at_once };
        work.digest(from, tell).await
    }

    /// Compares two snapshots of one lineage, the earlier one first, and tells the byte ranges of the blocks that differ.
    ///
    /// # Errors
    /// Names the snapshots, and the call.
    pub async fn changed_blocks(
        &self,
        place: &Place,
        [first, second]: [&SnapshotId; 2],
        reading: Reading,
        tell: &mut (dyn FnMut(Range) -> io::Result<()> + Send),
    ) -> Result<Compared, ReadError> {
        let session = self.sessions.of(&place.access, place.region.as_str()).await;
        let reader = Reader::new(&session, reading);
        let mut tokens = Tokens::default();
        let mut cursor = Cursor::default();
        let mut changes: Option<(u64, Changes)> = None;
        loop {
            let page = match reader.changed([first, second], &cursor).await {
                Err(Refusal::Token) => {
                    tokens.lost(second, cursor.from)?;
                    cursor.token = None;
                    continue;
                }
                Err(Refusal::Unrelated) => {
                    return Err(ReadError::Unrelated { first: first.clone(), second: second.clone() });
                }
                Err(Refusal::Absent) => return Err(absent_of(&reader, first, second).await),
                other => other.map_err(|refusal| error(second, refusal))?,
            };
            tokens.good();
            let (image, changes) = changes.get_or_insert_with(|| (page.image, Changes::new(page.image)));
            let operation = "ListChangedBlocks";
            same_size(second, operation, *image, page.image)?;
            for index in page.items {
                let complete = changes.add(index);
                let complete = complete.map_err(|least| {
                    let what = format!("block {index} where one from {least} on is due");
                    ReadError::List { snapshot: second.clone(), operation, what }
                })?;
                cursor.from = index + 1;
                complete.map_or(Ok(()), &mut *tell)?;
            }
            cursor.token = page.token;
            if cursor.token.is_none() {
                break;
            }
        }
        let Some((image, changes)) = changes else { return Ok(Compared { image: 0, bytes: 0 }) };
        let bytes = changes.bytes();
        changes.finish().map_or(Ok(()), tell)?;
        Ok(Compared { image, bytes })
    }
}

/// Which of the two is not there: the answer doesn't say.
async fn absent_of(reader: &Reader, first: &SnapshotId, second: &SnapshotId) -> ReadError {
    match reader.list(first, &Cursor::default()).await {
        Err(Refusal::Absent) => ReadError::Absent { snapshot: first.clone() },
        _ => ReadError::Absent { snapshot: second.clone() },
    }
}

/// One snapshot that is being digested.
struct Work {
    reader: Arc<Reader>,
    snapshot: SnapshotId,
    at_once: usize,
}

impl Work {
    async fn digest(&self, from: Option<ImageDigest>, tell: Tell<'_>) -> Result<Digests, ReadError> {
        let mut tokens = Tokens::default();
        let mut cursor = Cursor { from: from.as_ref().map_or(0, ImageDigest::next), token: None };
        let mut begun = from.map(Hashed::new);
        loop {
            let page = match self.reader.list(&self.snapshot, &cursor).await {
                Err(Refusal::Token) => {
                    tokens.lost(&self.snapshot, cursor.from)?;
                    cursor.token = None;
                    continue;
                }
                other => other.map_err(|refusal| error(&self.snapshot, refusal))?,
            };
            let hashed = begun.get_or_insert_with(|| Hashed::new(ImageDigest::new(page.image)));
            same_size(&self.snapshot, "ListSnapshotBlocks", hashed.look(ImageDigest::image), page.image)?;
            let before = hashed.look(ImageDigest::next);
            let last = page.items.last().map_or(cursor.from, |last| last.index + 1);
            let whole = self.page(hashed, page.image, page.items, tell).await?;
            if hashed.look(ImageDigest::next) > before {
                tokens.good();
            }
            if whole {
                cursor = Cursor { from: last, token: page.token };
            } else {
                // A block's token is good for days, but may be void once somebody else lists the same snapshot (EBS
                // guide, "Concepts for EBS direct APIs"): from that block on it is listed anew.
                cursor = Cursor { from: hashed.look(ImageDigest::next), token: None };
                tokens.lost(&self.snapshot, cursor.from)?;
                continue;
            }
            if cursor.token.is_none() {
                self.zeros(hashed, u64::MAX, tell).await?;
                return hashed.look(|digest| digest.clone().finish()).map_err(|fault| self.disorder(fault));
            }
        }
    }

    /// Digests the blocks of a page, several under way at the same time. Says whether all of them were to be had.
    async fn page(&self, hashed: &Hashed, image: u64, items: Vec<Listed>, tell: Tell<'_>) -> Result<bool, ReadError> {
        let fetch = |listed: Listed| {
            let (reader, snapshot) = (Arc::clone(&self.reader), self.snapshot.clone());
            // A task of its own, so that it goes on while another block is hashed.
            let task = Fetch(tokio::spawn(async move { reader.block(&snapshot, image, &listed).await }));
            async move { task.end().await }
        };
        let mut fetched = std::pin::pin!(stream::iter(items).map(fetch).buffered(self.at_once.max(1)));
        while let Some(block) = fetched.next().await {
            let block: Block<Vec<u8>> = match block {
                Err(Refusal::Token) => return Ok(false),
                other => other.map_err(|refusal| error(&self.snapshot, refusal))?,
            };
            self.zeros(hashed, block.index(), tell).await?;
            let line = hashed.work(move |digest| digest.add(&block)).await;
            let line = line.map_err(|fault| self.disorder(fault))?;
            hashed.look(|digest| tell(Advance { digest, line: line.as_deref() }))?;
        }
        Ok(true)
    }

    async fn zeros(&self, hashed: &Hashed, before: u64, tell: Tell<'_>) -> Result<(), ReadError> {
        let mut from = hashed.look(ImageDigest::next);
        loop {
            let is_there = hashed.work(move |digest| digest.zeros(before, ZEROS)).await;
            let next = hashed.look(ImageDigest::next);
            if next > from {
                hashed.look(|digest| tell(Advance { digest, line: None }))?;
            }
            if is_there {
                return Ok(());
            }
            from = next;
        }
    }

    fn disorder(&self, fault: DigestFault) -> ReadError {
        ReadError::Order { snapshot: self.snapshot.clone(), fault }
    }
}

/// A digest that is worked on beside the threads that wait for AWS.
struct Hashed(Arc<Mutex<ImageDigest>>);

impl Hashed {
    fn new(digest: ImageDigest) -> Self {
        Self(Arc::new(Mutex::new(digest)))
    }

    fn look<T>(&self, look: impl FnOnce(&ImageDigest) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce(&mut ImageDigest) -> T + Send + 'static) -> T {
        let digest = Arc::clone(&self.0);
        let task = move || work(&mut digest.lock().unwrap_or_else(PoisonError::into_inner));
        ended(spawn_blocking(task).await).await
    }
}

/// A block that is being fetched; it is not fetched any more once nobody waits for it.
struct Fetch<T>(JoinHandle<T>);

impl<T> Fetch<T> {
    async fn end(mut self) -> T {
        let task = (&mut self.0).await;
        ended(task).await
    }
}

impl<T> Drop for Fetch<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a task gave. A panic goes on here; a task is cancelled only when the runtime ends, and this with it.
async fn ended<T>(task: Result<T, JoinError>) -> T {
    match task {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

/// How often in a row tokens were refused.
#[derive(Debug, Default)]
struct Tokens(u32);

impl Tokens {
    fn lost(&mut self, snapshot: &SnapshotId, block: u64) -> Result<(), ReadError> {
        self.0 += 1;
        if self.0 < LOST {
            return Ok(());
        }
        Err(ReadError::Tokens { snapshot: snapshot.clone(), block, times: self.0 })
    }

    const fn good(&mut self) {
        self.0 = 0;
    }
}

fn same_size(snapshot: &SnapshotId, operation: &'static str, was: u64, is: u64) -> Result<(), ReadError> {
    if was == is {
        return Ok(());
    }
    let what = format!("an image of {is} bytes, which had {was} before");
    Err(ReadError::List { snapshot: snapshot.clone(), operation, what })
}

fn error(snapshot: &SnapshotId, refusal: Refusal) -> ReadError {
    let snapshot = snapshot.clone();
    match refusal {
        Refusal::Absent => ReadError::Absent { snapshot },
        Refusal::Block(fault) => ReadError::Block { snapshot, fault },
        Refusal::Strange(operation, what) => ReadError::List { snapshot, operation, what },
        Refusal::Failed(error) => ReadError::Call { snapshot, error: Box::new(error) },
        // Both are answered where they can come.
        Refusal::Token => ReadError::Tokens { snapshot, block: 0, times: 1 },
        Refusal::Unrelated => ReadError::Unrelated { first: snapshot.clone(), second: snapshot },
    }
}
