//! The controller's own credentials, kept while they are good.
//!
//! Each role that is assumed needs them, and the SDK keeps only the outcome: a hundred accounts would ask the
//! identity provider a hundred times.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;

use crate::clock::now;
use crate::playbook::Time;

/// A chain of sources, and what it gave last.
#[derive(Debug)]
pub(super) struct OwnCredentials {
    chain: SharedCredentialsProvider,
    margin: Duration,
    kept: Mutex<Option<Credentials>>,
}

impl OwnCredentials {
    pub(super) fn new(chain: SharedCredentialsProvider, margin: Duration) -> Self {
        Self { chain, margin, kept: Mutex::new(None) }
    }

    async fn current(&self) -> provider::Result {
        // Held while the chain is asked: who comes meanwhile takes what it gives.
        let mut kept = self.kept.lock().await;
        if let Some(good) = kept.as_ref().filter(|credentials| self.is_good(credentials)) {
            return Ok(good.clone());
        }
        let fresh = self.chain.provide_credentials().await?;
        *kept = Some(fresh.clone());
        Ok(fresh)
    }

    /// Keys without an end come from the environment or a file: there is nothing to save, and they may be replaced.
    fn is_good(&self, credentials: &Credentials) -> bool {
        let end = credentials.expiry().and_then(|end| Time::try_from(end).ok());
        end.and_then(|end| end.checked_sub(self.margin).ok()).is_some_and(|end| now() < end)
    }
}

impl ProvideCredentials for OwnCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use jiff::ToSpan;

    use super::*;

    #[derive(Debug)]
    struct Source(Arc<AtomicUsize>, Option<SystemTime>);

    impl ProvideCredentials for Source {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.0.fetch_add(1, Ordering::Relaxed);
            future::ProvideCredentials::ready(Ok(Credentials::new("key", "secret", None, self.1, "test")))
        }
    }

    /// How often the source is asked by four who want credentials at the same time.
    async fn asked(end: Option<Time>) -> usize {
        let count = Arc::new(AtomicUsize::new(0));
        let source = Source(Arc::clone(&count), end.map(SystemTime::from));
        let own = OwnCredentials::new(SharedCredentialsProvider::new(source), Duration::from_mins(5));
        let (one, two, three, four) = tokio::join!(own.current(), own.current(), own.current(), own.current());
        assert!([one, two, three, four].iter().all(Result::is_ok));
        count.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_lasts_is_asked_for_once() {
        assert_eq!(asked(now().checked_add(1.hour()).ok()).await, 1);
        assert_eq!(asked(now().checked_add(1.minute()).ok()).await, 4, "about to end");
        assert_eq!(asked(None).await, 4, "nothing to save");
    }
}
