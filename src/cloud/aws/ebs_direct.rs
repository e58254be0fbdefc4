//! EBS direct: the blocks of a snapshot. Three calls that read; each is made again by the class of its failure.
//!
//! AWS asks for that: 5xx, `ThrottlingException` and `RequestThrottledException` are to be tried again (EBS direct
//! reference, each operation). The SDK's own tries come out of one small budget, which a throttle that lasts empties; so
//! its client makes one attempt here, and the rate and the tries are ours.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ebs::operation::get_snapshot_block::{GetSnapshotBlockError, GetSnapshotBlockOutput};
use aws_sdk_ebs::operation::list_changed_blocks::ListChangedBlocksError;
use aws_sdk_ebs::operation::list_snapshot_blocks::ListSnapshotBlocksError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{sleep, timeout};

use super::calls::Question;
use super::ebs_rate::Rate;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{some_text, text};
use crate::api::ids::SnapshotId;
use crate::cloud::blocks::Reading;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::image::{BLOCK, Block, BlockFault, blocks, length};

const LIST: Question = ("ListSnapshotBlocks", "ebs:ListSnapshotBlocks");
const CHANGED: Question = ("ListChangedBlocks", "ebs:ListChangedBlocks");
const GET: Question = ("GetSnapshotBlock", "ebs:GetSnapshotBlock");

/// Blocks that a page may list (EBS direct reference, `MaxResults`: 100 to 10,000).
const PAGE: i32 = 10_000;

/// Longest token (EBS direct reference, `NextToken` and `BlockToken`).
const TOKEN: usize = 256;

/// First wait before a call is made again; doubles.
const WAIT: Duration = Duration::from_millis(100);

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// A block that a snapshot has.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) index: u64,
    token: String,
}

/// Where a list goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Cursor {
    /// The first block that is wanted.
    pub(super) from: u64,
    /// AWS's own mark of the place, good for an hour; without it the list starts at the block.
    pub(super) token: Option<String>,
}

/// A page of a list. It may be empty, and another one come after it (EBS direct reference, `MaxResults`).
#[derive(Clone, Debug)]
pub(super) struct Page<T> {
    /// Bytes of the image.
    pub(super) image: u64,
    /// What it lists, in order.
    pub(super) items: Vec<T>,
    /// Where the next one is.
    pub(super) token: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The token of the page or the block is not good any more.
    Token,
    /// There is no such snapshot.
    Absent,
    /// The two are not of one lineage.
    Unrelated,
    /// The block is not what it is said to be.
    Block(BlockFault),
    /// The answer of this operation can't be.
    Strange(&'static str, String),
    /// Anything else.
    Failed(CloudError),
}

/// Reads blocks.
#[derive(Debug)]
pub(super) struct Reader {
    session: Arc<Session>,
    reading: Reading,
    rate: Arc<Rate>,
}

impl Reader {
    pub(super) fn new(session: &Arc<Session>, reading: Reading) -> Self {
        Self { session: Arc::clone(session), reading, rate: session.block_rates.of(reading.per_second) }
    }

    /// `ListSnapshotBlocks`, one page.
    pub(super) async fn list(&self, snapshot: &SnapshotId, cursor: &Cursor) -> Result<Page<Listed>, Refusal> {
        let mut tries = 0;
        loop {
            if let Some(answer) = self.tried(&mut tries, LIST, self.list_once(snapshot, cursor)).await {
                return answer;
            }
        }
    }

    async fn list_once(&self, snapshot: &SnapshotId, cursor: &Cursor) -> Result<Page<Listed>, Refusal> {
        let from = start(LIST, cursor)?;
        let request = self.session.ebs.list_snapshot_blocks().snapshot_id(snapshot.as_str()).max_results(PAGE);
        let request = match &cursor.token {
            Some(token) => request.next_token(token),
            None => request.starting_block_index(from),
        };
        let answer = self.ask(LIST, request.send(), |error| match error {
            ListSnapshotBlocksError::ValidationException(invalid) => Some(invalid.reason()?.as_str()),
            ListSnapshotBlocksError::AccessDeniedException(denied) => Some(denied.reason().as_str()),
            _ => None,
        });
        let answer = answer.await?;
        let image = image(LIST, answer.volume_size(), answer.block_size())?;
        let items = answer.blocks().iter().map(|block| (block.block_index(), block.block_token()));
        let items = in_order(LIST, cursor.from, image, items)?;
        let items = items.into_iter().map(|(index, token)| match some_text(token, TOKEN + 1) {
            Some(token) if token.len() <= TOKEN => Ok(Listed { index, token }),
            _ => Err(Refusal::Strange(LIST.0, format!("block {index} has no token"))),
        });
        let token = page_token(LIST, cursor, answer.next_token())?;
        Ok(Page { image, items: items.collect::<Result<_, _>>()?, token })
    }

    /// `ListChangedBlocks`, one page.
    pub(super) async fn changed(&self, pair: [&SnapshotId; 2], cursor: &Cursor) -> Result<Page<u64>, Refusal> {
        let mut tries = 0;
        loop {
            if let Some(answer) = self.tried(&mut tries, CHANGED, self.changed_once(pair, cursor)).await {
                return answer;
            }
        }
    }

    async fn changed_once(&self, [first, second]: [&SnapshotId; 2], cursor: &Cursor) -> Result<Page<u64>, Refusal> {
        let from = start(CHANGED, cursor)?;
        let request = self.session.ebs.list_changed_blocks().first_snapshot_id(first.as_str());
        let request = request.second_snapshot_id(second.as_str()).max_results(PAGE);
        let request = match &cursor.token {
            Some(token) => request.next_token(token),
            None => request.starting_block_index(from),
        };
        let answer = self.ask(CHANGED, request.send(), |error| match error {
            ListChangedBlocksError::ValidationException(invalid) => Some(invalid.reason()?.as_str()),
            ListChangedBlocksError::AccessDeniedException(denied) => Some(denied.reason().as_str()),
            _ => None,
        });
        let answer = answer.await?;
        let image = image(CHANGED, answer.volume_size(), answer.block_size())?;
        let items = answer.changed_blocks().iter().map(|block| (block.block_index(), None));
        let items = in_order(CHANGED, cursor.from, image, items)?;
        let token = page_token(CHANGED, cursor, answer.next_token())?;
        Ok(Page { image, items: items.into_iter().map(|(index, _)| index).collect(), token })
    }

    /// `GetSnapshotBlock`: a block of an image of so many bytes, with its checksum checked.
    pub(super) async fn block(
        &self,
        snapshot: &SnapshotId,
        image: u64,
        listed: &Listed,
    ) -> Result<Block<Vec<u8>>, Refusal> {
        let mut tries = 0;
        loop {
            if let Some(answer) = self.tried(&mut tries, GET, self.block_once(snapshot, image, listed)).await {
                return answer;
            }
        }
    }

    async fn block_once(&self, snapshot: &SnapshotId, image: u64, listed: &Listed) -> Result<Block<Vec<u8>>, Refusal> {
        let index = i32::try_from(listed.index).map_err(|_| Refusal::Strange(GET.0, "too many blocks".to_owned()))?;
        let request = self.session.ebs.get_snapshot_block().snapshot_id(snapshot.as_str()).block_index(index);
        let answer = self.ask(GET, request.block_token(&listed.token).send(), |error| match error {
            GetSnapshotBlockError::ValidationException(invalid) => Some(invalid.reason()?.as_str()),
            GetSnapshotBlockError::AccessDeniedException(denied) => Some(denied.reason().as_str()),
            _ => None,
        });
        let mut answer = answer.await?;
        let bytes = self.bytes(&mut answer, listed.index, image).await?;
        let algorithm = answer.checksum_algorithm().map(ToString::to_string).unwrap_or_default();
        Block::checked(image, listed.index, bytes, &algorithm, answer.checksum().unwrap_or_default())
            .map_err(Refusal::Block)
    }

    /// The body, which comes after the answer has begun. More than a block is never held.
    async fn bytes(&self, answer: &mut GetSnapshotBlockOutput, block: u64, image: u64) -> Result<Vec<u8>, Refusal> {
        let wanted = length(image, block);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        while let Some(chunk) = answer.block_data.next().await {
            let chunk = chunk.map_err(|error| Refusal::Failed(self.session.puzzled(GET, &error.to_string())))?;
            let got = (bytes.len() + chunk.len()) as u64;
            if got > wanted {
                return Err(Refusal::Block(BlockFault::Length { block, got, wanted }));
            }
            bytes.extend_from_slice(&chunk);
        }
        // What ends early is a connection that broke, unless the answer says itself that it is short.
        match answer.data_length().and_then(|told| u64::try_from(told).ok()) {
            Some(told) if told != bytes.len() as u64 => {
                Err(Refusal::Failed(self.session.puzzled(GET, "the block's bytes ended early")))
            }
            _ => Ok(bytes),
        }
    }

    async fn ask<T, E>(
        &self,
        question: Question,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        reason: impl FnOnce(&E) -> Option<&str> + Send,
    ) -> Result<T, Refusal>
    where
        T: Send,
        E: std::error::Error + ProvideErrorMetadata + Send + 'static,
    {
        let mut why = None;
        let request = async {
            request.await.inspect_err(|error| why = error.as_service_error().and_then(reason).map(str::to_owned))
        };
        let answer = self.session.ask(question, request).await;
        answer.map_err(|fault| match (fault, why.as_deref()) {
            (Fault::Absent, _) => Refusal::Absent,
            (_, Some("INVALID_PAGE_TOKEN" | "INVALID_BLOCK_TOKEN")) => Refusal::Token,
            (_, Some("UNRELATED_SNAPSHOTS")) => Refusal::Unrelated,
            (Fault::Failed(error), None) => Refusal::Failed(error),
            (Fault::Failed(error), Some(reason)) => {
                // What EBS depends on here is KMS: the key of an encrypted snapshot.
                let key = (reason == "DEPENDENCY_ACCESS_DENIED").then(|| "kms:Decrypt".to_owned());
                let message = format!("{} ({})", error.message, text(Some(reason), 64));
                Refusal::Failed(CloudError { message, action: key.or(error.action), ..error })
            }
        })
    }

    /// Makes a call when it is its turn. None if it failed in a way that may pass by itself, and has waited for that.
    async fn tried<T>(
        &self,
        tries: &mut u32,
        question: Question,
        call: impl Future<Output = Result<T, Refusal>> + Send,
    ) -> Option<Result<T, Refusal>> {
        self.rate.turn().await;
        *tries += 1;
        let answer = timeout(self.reading.patience, call).await;
        let answer = answer.unwrap_or_else(|_| Err(Refusal::Failed(self.session.puzzled(question, "no whole answer"))));
        match answer {
            Err(Refusal::Failed(error)) if *tries < self.reading.tries && passes(error.class) => {
                if error.class == ErrorClass::Throttled {
                    self.rate.slow();
                }
                tracing::debug!(tries, %error, "tried again");
                sleep(wait(*tries)).await;
                None
            }
            answer => {
                self.rate.well();
                Some(answer)
            }
        }
    }
}

const fn passes(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Throttled | ErrorClass::Unavailable)
}

/// Between half and the whole of a time that doubles: many calls fail together, and must not come back together.
fn wait(tries: u32) -> Duration {
    let whole = WAIT.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn start((operation, _): Question, cursor: &Cursor) -> Result<i32, Refusal> {
    i32::try_from(cursor.from).map_err(|_| Refusal::Strange(operation, "more blocks than can be asked for".to_owned()))
}

/// Bytes of the image. `VolumeSize` is in GiB by the reference and in bytes in the example of the EBS guide ("Read
/// Amazon EBS snapshots with EBS direct APIs"); no volume has more than 65,536 GiB, so that one can't be the other.
fn image((operation, _): Question, size: Option<i64>, block: Option<i32>) -> Result<u64, Refusal> {
    const GIB: u64 = 1 << 30;
    const LARGEST: u64 = 64 * 1024;
    let strange = |what| Err(Refusal::Strange(operation, what));
    if block.and_then(|block| u64::try_from(block).ok()) != Some(BLOCK) {
        return strange(format!("blocks of {block:?} bytes, and EBS has blocks of {BLOCK}"));
    }
    match size.and_then(|size| u64::try_from(size).ok()) {
        Some(gib @ 1..=LARGEST) => Ok(gib * GIB),
        Some(bytes) if bytes % GIB == 0 && (1..=LARGEST).contains(&(bytes / GIB)) => Ok(bytes),
        _ => strange(format!("a volume size of {size:?}")),
    }
}

/// Indexes are unique and in numerical order (EBS guide, FAQ for EBS direct APIs): a list that isn't can't be digested.
fn in_order<'a>(
    (operation, _): Question,
    from: u64,
    image: u64,
    found: impl Iterator<Item = (Option<i32>, Option<&'a str>)>,
) -> Result<Vec<(u64, Option<&'a str>)>, Refusal> {
    let (mut least, all) = (from, blocks(image));
    let mut kept = Vec::new();
    for (index, token) in found {
        match index.and_then(|index| u64::try_from(index).ok()) {
            Some(index) if (least..all).contains(&index) => {
                least = index + 1;
                kept.push((index, token));
            }
            _ => {
                let what = format!("block {index:?} where one from {least} to {} is due", all.saturating_sub(1));
                return Err(Refusal::Strange(operation, what));
            }
        }
    }
    Ok(kept)
}

/// Where the next page is. One that leads to itself would never end.
fn page_token((operation, _): Question, cursor: &Cursor, told: Option<&str>) -> Result<Option<String>, Refusal> {
    let token = some_text(told, TOKEN + 1);
    match &token {
        Some(next) if next.len() > TOKEN || cursor.token.as_ref() == Some(next) => {
            Err(Refusal::Strange(operation, "a page token that leads nowhere".to_owned()))
        }
        _ => Ok(token),
    }
}

#[cfg(test)]
#[path = "ebs_direct_tests.rs"]
mod tests;
