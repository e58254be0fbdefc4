//! Whose turn it is to write a document that several objects share, and which of its versions are old.
//!
//! IAM and KMS have no conditional write, and show a change late (IAM and KMS guides, eventual consistency). So within this process a
//! document is read and written by one at a time, and who reads what this process has replaced a short time ago goes on from
//! what it was replaced by. What others have written meanwhile is none of those versions, and counts as it is read.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

/// How long a version that was replaced is known for one.
const LATE: Duration = Duration::from_mins(2);

/// Versions that are known for each document.
const VERSIONS: usize = 64;

/// How long one waits for its turn: who is not served by then was not sent, and comes again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The documents of a kind that this process writes, by what names each.
#[derive(Debug)]
pub(super) struct Documents<K, D>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<History<D>>>>>);

impl<K, D> Default for Documents<K, D> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// What this process has written of a document.
#[derive(Debug)]
pub(super) struct History<D> {
    /// What it wrote last.
    last: Option<(Instant, D)>,
    /// What that replaced, and when.
    replaced: VecDeque<(Instant, D)>,
}

impl<D> Default for History<D> {
    fn default() -> Self {
        Self { last: None, replaced: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, D: Clone + PartialEq> Documents<K, D> {
    /// Waits for its turn; none where that takes too long.
    pub(super) async fn turn(&self, name: &K) -> Option<OwnedMutexGuard<History<D>>> {
        let document = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody is at it, and nothing of it is recent.
            all.retain(|_, document| {
                Arc::strong_count(document) > 1
                    || document.try_lock().is_ok_and(|history| history.is_recent(Instant::now()))
            });
            Arc::clone(all.entry(name.clone()).or_default())
        };
        tokio::time::timeout(PATIENCE, tokio::sync::Mutex::lock_owned(document)).await.ok()
    }
}

impl<D: Clone + PartialEq> History<D> {
    fn is_recent(&self, now: Instant) -> bool {
        self.last.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < LATE)
    }

    /// The document to go on from, given what was read.
    pub(super) fn newest(&self, read: D, now: Instant) -> D {
        match &self.last {
            Some((_, last)) if self.is_old(&read, now) => last.clone(),
            _ => read,
        }
    }

    /// Whether what was read is what this process replaced a short time ago: shown late, or put back by somebody.
    pub(super) fn is_old(&self, read: &D, now: Instant) -> bool {
        let replaced = |(at, old): &(Instant, D)| old == read && now.duration_since(*at) < LATE;
        self.last.as_ref().is_some_and(|(_, last)| last != read) && self.replaced.iter().any(replaced)
    }

    /// Notes what was written, and over what.
    pub(super) fn wrote(&mut self, over: D, written: D, now: Instant) {
        self.replaced.push_back((now, over));
        self.replaced.retain(|(_, old)| *old != written);
        while self.replaced.len() > VERSIONS {
            self.replaced.pop_front();
        }
        self.last = Some((now, written));
    }

    /// It is not known whether something was written: what is read counts.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ids::InstanceId;
    use crate::playbook::role_policy::{Denied, RolePolicy, Scope};
    use crate::playbook::sample;

    fn document(hosts: &[usize]) -> RolePolicy {
        let denied = Denied { scope: Scope::All, issued_before: None };
        hosts.iter().fold(RolePolicy::default(), |policy, n| {
            policy.with(&InstanceId::parse(&format!("i-{n:08x}")).unwrap(), denied)
        })
    }

    #[test]
    fn who_reads_an_old_version_goes_on_from_the_new_one() {
        let now = Instant::now();
        let mut history = History::default();
        assert_eq!(history.newest(document(&[]), now), document(&[]), "nothing was written yet");
        history.wrote(document(&[]), document(&[1]), now);
        history.wrote(document(&[1]), document(&[1, 2]), now);
        assert!(history.is_old(&document(&[1]), now) && !history.is_old(&document(&[1, 2]), now));
        for old in [document(&[]), document(&[1]), document(&[1, 2])] {
            assert_eq!(history.newest(old, now), document(&[1, 2]), "no host is lost");
        }
        // A host that was given back does not come back.
        history.wrote(document(&[1, 2]), document(&[2]), now);
        assert_eq!(history.newest(document(&[1, 2]), now), document(&[2]));
        assert_eq!(history.newest(document(&[2, 7]), now), document(&[2, 7]), "others write it, too");
        assert_eq!(history.newest(document(&[1]), now + LATE), document(&[1]), "nobody reads that late");
        history.wrote(document(&[2]), document(&[]), now);
        assert_eq!(history.newest(document(&[]), now), document(&[]), "it is as it was, and that is new");
        history.forget();
        assert_eq!(history.newest(document(&[1, 2]), now), document(&[1, 2]));
    }

    #[tokio::test]
    async fn one_writes_at_a_time_and_documents_wait_for_their_own_alone() {
        let documents = Documents::<_, RolePolicy>::default();
        let turn = documents.turn(&sample::key(0)).await.unwrap();
        assert!(documents.turn(&sample::key(1)).await.is_some());
        let name = sample::key(0);
        let second = documents.turn(&name);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(turn);
        assert!(second.await.is_some());
    }
}
