//! One replica acts at a time: leader election by Lease, and a fence in front of everything that is sent.
//!
//! A lease is a hint: AWS can't check it. The fence makes the hint as good as it gets: it knows by this
//! machine's monotonic clock until when the lease that was read is valid, refuses to send anything after
//! that, refuses what may not be sent twice when a request could outlast it, and a lost lease ends the process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::LeaseManagerBuilder;
use tokio::sync::watch;

use super::settings::Settings;
use crate::clock::now;

/// Until when this replica may act.
#[derive(Clone, Debug)]
pub struct Fence {
    valid_until: Arc<Mutex<Option<Instant>>>,
    always: bool,
    deadline: Duration,
}

impl Fence {
    /// A fence for a replica that runs alone by the word of its operator.
    pub fn always(deadline: Duration) -> Self {
        Self { valid_until: Arc::default(), always: true, deadline }
    }

    fn leased(deadline: Duration) -> Self {
        Self { valid_until: Arc::default(), always: false, deadline }
    }

    /// Whether anything may be sent now; `once` for what may not be sent twice.
    pub fn permits(&self, once: bool) -> bool {
        self.has_time_for(u32::from(once))
    }

    /// Whether so many requests, one after another, end within the lease whatever they take.
    pub fn has_time_for(&self, requests: u32) -> bool {
        if self.always {
            return true;
        }
        let valid_until = *self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = self.deadline.saturating_mul(requests);
        valid_until.is_some_and(|until| until.saturating_duration_since(Instant::now()) > needed)
    }

    fn set(&self, until: Option<Instant>) {
        *self.valid_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// Why the lease can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The Lease object could not be made or read.
    #[error("the Lease {0} can't be used: {1}; check RBAC for leases in the controller's namespace")]
    Unusable(String, #[source] kube_lease_manager::LeaseManagerError),
    /// It was ours and is not any more.
    #[error("the lease was lost; another replica may act now, so this process ends")]
    Lost,
    /// Shutdown was asked for while we waited for the lease.
    #[error("stopped while waiting for the lease")]
    Stopped,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Held {
    /// The fence to ask before each send.
    pub fence: Fence,
    leader: watch::Receiver<bool>,
    keeper: tokio::task::JoinHandle<kube_lease_manager::Result<kube_lease_manager::LeaseManager>>,
    reader: tokio::task::JoinHandle<()>,
}

/// Waits until the lease is ours.
pub async fn acquire(
    client: Client,
    namespace: &str,
    name: &str,
    identity: &str,
    settings: &Settings,
) -> Result<Held, LeaseError> {
    let manager = LeaseManagerBuilder::new(client.clone(), name)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(settings.lease.as_secs())
        .with_grace(settings.lease_margin.as_secs())
        .build()
        .await
        .map_err(|error| LeaseError::Unusable(name.to_owned(), error))?;
    let (mut leader, keeper) = manager.watch().await;
    leader.wait_for(|mine| *mine).await.map_err(|_| LeaseError::Stopped)?;

    let fence = Fence::leased(settings.request_deadline);
    let api: Api<Lease> = Api::namespaced(client, namespace);
    read(&api, name, identity, &fence, settings).await;
    let reader = tokio::spawn({
        let (fence, name, identity, settings) = (fence.clone(), name.to_owned(), identity.to_owned(), settings.clone());
        async move {
            let mut tick = tokio::time::interval(settings.lease_tick());
            loop {
                tick.tick().await;
                read(&api, &name, &identity, &fence, &settings).await;
            }
        }
    });
    Ok(Held { fence, leader, keeper, reader })
}

/// Reads the lease as the API server has it. The instant is taken before the question leaves: what we believe
/// can only be shorter than what others believe.
async fn read(api: &Api<Lease>, name: &str, identity: &str, fence: &Fence, settings: &Settings) {
    let asked = Instant::now();
    let clock = now();
    let Ok(Ok(lease)) = tokio::time::timeout(settings.request_deadline, api.get(name)).await else { return };
    let Some(spec) = lease.spec else { return };
    let mine = spec.holder_identity.as_deref() == Some(identity);
    let remaining = spec.renew_time.map(|renewed| {
        let age = clock.duration_since(renewed.0).unsigned_abs();
        settings.lease.saturating_sub(age)
    });
    fence.set(remaining.filter(|_| mine).map(|remaining| asked + remaining));
}

impl Held {
    /// Resolves when the lease is lost: it ends the process.
    pub async fn lost(&mut self) -> LeaseError {
        let _ = self.leader.wait_for(|mine| !*mine).await;
        LeaseError::Lost
    }

    /// Gives the lease back, so that the next replica need not wait for its end.
    pub async fn release(self) {
        self.fence.set(None);
        self.reader.abort();
        drop(self.leader);
        let _ = tokio::time::timeout(Duration::from_secs(5), self.keeper).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_without_a_lease_permits_nothing() {
        let fence = Fence::leased(Duration::from_secs(10));
        assert!(!fence.permits(false));
        assert!(!fence.permits(true));
    }

    #[test]
    fn what_may_not_be_sent_twice_needs_the_whole_request_deadline() {
        let fence = Fence::leased(Duration::from_secs(10));
        fence.set(Some(Instant::now() + Duration::from_secs(9)));
        assert!(fence.permits(false));
        assert!(!fence.permits(true));
        fence.set(Some(Instant::now() + Duration::from_secs(19)));
        assert!(fence.permits(true));
        assert!(!fence.has_time_for(2), "what is opened has to be closed within the lease");
        fence.set(Some(Instant::now() + Duration::from_secs(21)));
        assert!(fence.has_time_for(2));
    }
}
