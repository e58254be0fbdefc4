//! Reads the bytes of evidence beside the turns: hours of work, for which no look waits.
//!
//! A look says which snapshots are to be read, and is told how far they are. Only so many are read at the same time, in
//! the order in which they were asked for, and no faster than their account leaves room for. What fails in a way that may
//! pass goes on from where it stopped, later and later; what is not wanted any more ends. A crash loses what the chain
//! does not say, and no more than that.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::context::Context;
use super::pace::backoff;
use super::settings::Settings;
use crate::api::aws_account::AwsAccount;
use crate::api::conditions::Reason;
use crate::api::ids::SnapshotId;
use crate::clock::now;
use crate::cloud::blocks::{ReadError, Reading};
use crate::cloud::{AskDigests, Cloud, Place};
use crate::playbook::Time;
use crate::playbook::exhibit::Digesting;
use crate::playbook::image::{BlockFault, Digests as Ended, ImageDigest, Part};
use crate::playbook::seen::{Read, ReadFailure};
use crate::playbook::step::Refusal;

/// `GetSnapshotBlock` calls that AWS allows an account and Region in a second (EBS quotas).
const ALLOWED: f64 = 1000.0;

/// All that is read.
#[derive(Debug)]
pub struct Digests {
    places: Arc<Semaphore>,
    works: Mutex<HashMap<(String, SnapshotId), Work>>,
}

/// One snapshot that is read. It is read no more once this is dropped.
#[derive(Debug)]
struct Work {
    way: Way,
    shown: Arc<Mutex<Shown>>,
    task: JoinHandle<()>,
}

/// Where it is read, as whom, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    place: Place,
    reading: Reading,
}

/// What a look is shown.
#[derive(Debug)]
struct Shown {
    standing: Standing,
    /// What it goes on from when it is tried again, or in another way.
    reached: Option<ImageDigest>,
}

impl Work {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        matches!(self.shown().standing, Standing::Done(_) | Standing::Contradicted(_))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How far it is.
#[derive(Clone, Debug)]
enum Standing {
    Waiting,
    Going {
        since: Time,
        from: u64,
        digest: Box<ImageDigest>,
    },
    Done(Ended),
    Contradicted(BlockFault),
    /// It is tried again, and stands like this until a block came.
    Failed(ReadFailure),
}

impl Digests {
    /// Nothing is read yet.
    pub fn new(settings: &Settings) -> Self {
        Self { places: Arc::new(Semaphore::new(usize::from(settings.digests))), works: Mutex::default() }
    }

    fn works(&self) -> MutexGuard<'_, HashMap<(String, SnapshotId), Work>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<C: Cloud>(
        &self,
        cloud: &Arc<C>,
        settings: &Settings,
        uid: &str,
        way: &Way,
        wanted: &BTreeMap<SnapshotId, Option<Part>>,
    ) -> BTreeMap<SnapshotId, Read<Digesting>> {
        let mut works = self.works();
        let look = |(snapshot, part): (&SnapshotId, &Option<Part>)| {
            let key = (uid.to_owned(), snapshot.clone());
            let begin = |from: Option<ImageDigest>| {
                let shown = Arc::new(Mutex::new(Shown { standing: Standing::Waiting, reached: from }));
                let (cloud, places) = (Arc::clone(cloud), Arc::clone(&self.places));
                let work = work(cloud, settings.clone(), places, way.clone(), snapshot.clone(), Arc::clone(&shown));
                Work { way: way.clone(), shown, task: tokio::spawn(work) }
            };
            let work =
                works.entry(key).or_insert_with(|| begin(part.as_ref().and_then(|part| resumed(snapshot, part))));
            // Another role, or another rate: what was read so far holds.
            if work.way != *way && !work.is_over() {
                let reached = work.shown().reached.clone();
                *work = begin(reached);
            }
            let standing = work.shown().standing.clone();
            (snapshot.clone(), told(standing))
        };
        wanted.iter().map(look).collect()
    }

    /// Reads nothing of an object but what is asked for.
    fn keep(&self, uid: &str, ask: &AskDigests) {
        self.works().retain(|(of, snapshot), _| of != uid || ask.names(snapshot));
    }

    /// Reads nothing more for an object.
    pub fn forget(&self, uid: &str) {
        self.works().retain(|(of, _), _| of != uid);
    }
}

impl<C: Cloud> Context<C> {
    /// Sees to it that the snapshots of an object that are to be read are read, and no others; says how far they are.
    pub async fn digest(&self, uid: &str, place: &Place, ask: &AskDigests) -> BTreeMap<SnapshotId, Read<Digesting>> {
        self.digests.keep(uid, ask);
        let mut seen = self.digests.look(&self.cloud, &self.settings, uid, &self.way(place).await, &ask.own);
        for (at, copies) in &ask.copies {
            match self.destination(place, at).await {
                Ok(place) => {
                    let way = self.way(&place).await;
                    seen.extend(self.digests.look(&self.cloud, &self.settings, uid, &way, copies));
                }
                Err(Refusal { reason, message }) => {
                    let failed = || Read::Failed(ReadFailure { reason, message: message.clone() });
                    seen.extend(copies.keys().map(|copy| (copy.clone(), failed())));
                }
            }
        }
        seen
    }

    async fn way(&self, place: &Place) -> Way {
        let account = self.account(&place.access.account_ref).await.ok().flatten();
        Way { place: place.clone(), reading: reading(&self.settings, account.as_deref()) }
    }
}

/// As fast as the settings say, and no faster than the account's share.
fn reading(settings: &Settings, account: Option<&AwsAccount>) -> Reading {
    let share = account.map_or(1.0, |account| account.spec.budget.share);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 100 and 1,000")]
    let room = (ALLOWED * share) as u32;
    Reading { per_second: settings.digest_rate.min(room), ..Reading::default() }
}

/// The digest that goes on from a part. One that another version wrote in another form is begun again.
fn resumed(snapshot: &SnapshotId, part: &Part) -> Option<ImageDigest> {
    ImageDigest::resume(part).inspect_err(|fault| tracing::warn!(%snapshot, %fault, "digests it anew")).ok()
}

fn told(standing: Standing) -> Read<Digesting> {
    let found = |value| Read::Found { asked_at: now(), value };
    match standing {
        Standing::Waiting => found(Digesting::Waiting),
        Standing::Going { since, from, digest } => {
            found(Digesting::Going { since, from, part: Box::new(digest.part()) })
        }
        Standing::Done(digests) => found(Digesting::Done(digests)),
        Standing::Contradicted(fault) => found(Digesting::Contradicted(fault)),
        Standing::Failed(failure) => Read::Failed(failure),
    }
}

/// Reads one snapshot to its end.
async fn work<C: Cloud>(
    cloud: Arc<C>,
    settings: Settings,
    places: Arc<Semaphore>,
    way: Way,
    snapshot: SnapshotId,
    shown: Arc<Mutex<Shown>>,
) {
    let lock = || shown.lock().unwrap_or_else(PoisonError::into_inner);
    let set = |standing| lock().standing = standing;
    let mut attempts = 0;
    loop {
        let Ok(permit) = places.acquire().await else { return };
        let from = lock().reached.clone();
        let (since, first) = (now(), from.as_ref().map_or(0, ImageDigest::next));
        let mut came = false;
        let digested = cloud
            .digest(&way.place, &snapshot, way.reading, from, &mut |step| {
                came = true;
                let mut shown = lock();
                shown.standing = Standing::Going { since, from: first, digest: Box::new(step.digest.clone()) };
                shown.reached = Some(step.digest.clone());
                Ok(())
            })
            .await;
        drop(permit);
        let error = match digested {
            Ok(digests) => return set(Standing::Done(digests)),
            Err(ReadError::Block { fault, .. }) => {
                tracing::warn!(%snapshot, %fault, "evidence is contradicted");
                return set(Standing::Contradicted(fault));
            }
            Err(error) => error,
        };
        tracing::warn!(%snapshot, %error, "can't be read to its end");
        attempts = if came { 1 } else { attempts + 1 };
        let failure = failure(&snapshot, &error);
        let passes = failure.reason.is_of_the_moment();
        set(Standing::Failed(failure));
        let limit = if passes { settings.backoff_limit } else { settings.patience };
        tokio::time::sleep(backoff(&settings, attempts, limit)).await;
    }
}

fn failure(snapshot: &SnapshotId, error: &ReadError) -> ReadFailure {
    let (reason, message) = match error {
        ReadError::Call { error, .. } => (error.reason(), format!("{snapshot}: {}", error.advice())),
        // Another reader made them void.
        ReadError::Tokens { .. } => {
            (Reason::AwsUnavailable, format!("{snapshot}: AWS refuses its own tokens; tried again"))
        }
        error => (Reason::Unreadable, error.to_string()),
    };
    ReadFailure { reason, message }
}

#[cfg(test)]
#[path = "digests_tests.rs"]
mod tests;
