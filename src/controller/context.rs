//! What reconciles share: few things, each with one purpose.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::reflector::Store;

use super::cluster::{Cluster, ClusterError};
use super::copies::OnTheirWay;
use super::digests::Digests;
use super::lease::Fence;
use super::nodes::Nodes;
use super::project::Projected;
use super::settings::Settings;
use super::shipped;
use crate::api::conditions::Reason;
use crate::api::ids::InstanceId;
use crate::api::policies::PolicyConfig;
use crate::api::{AwsAccount, EvidenceSnapshot, Quarantine};
use crate::cloud::{Access, Cloud};
use crate::metrics::Metrics;
use crate::playbook::chain::Writer;
use crate::playbook::step::Refusal;
use crate::playbook::{Identity, Time};

/// Shared by all reconciles of one replica.
#[derive(Debug)]
pub struct Context<C: Cloud> {
    /// AWS.
    pub cloud: Arc<C>,
    /// Kubernetes.
    pub cluster: Cluster,
    /// Times.
    pub settings: Settings,
    /// Whether we may act.
    pub fence: Fence,
    /// Who we are, in every record.
    pub writer: Writer,
    /// Namespaces that we work in; empty for all.
    pub namespaces: Vec<String>,
    /// Accounts, as last watched.
    pub accounts: Store<AwsAccount>,
    /// Quarantines, as last watched.
    pub quarantines: Store<Quarantine>,
    /// Evidence, as last watched.
    pub evidence: Store<EvidenceSnapshot>,
    /// Evidence that is being read.
    pub digests: Digests,
    /// When each Quarantine closed its host, by its uid: from the chains, not from a status.
    pub contained: Shared<String, Contained>,
    /// What was last written into statuses.
    pub projected: Arc<Projected>,
    /// Copies on their way.
    pub copying: OnTheirWay,
    /// Whether STS confirmed an account, by all that the answer depends on.
    pub identities: Shared<Access, (Instant, Result<Identity, Refusal>)>,
    /// Whom the admission policies speak of.
    pub policies: PolicyConfig,
    /// When the admission policies were last proved, and how it went.
    pub proof: Mutex<Option<(Instant, Result<(), String>)>>,
    /// What each object's executor remembers, by uid.
    pub memories: Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>,
    /// Nodes of the cluster that we run in.
    pub nodes: Nodes,
    /// Counters.
    pub metrics: Metrics,
}

/// A host that one Quarantine has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contained {
    /// Namespace of the Quarantine.
    pub namespace: String,
    /// The host.
    pub instance: InstanceId,
    /// When.
    pub at: Time,
}

/// A small map behind a lock that is never held across an await.
#[derive(Debug)]
pub struct Shared<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::hash::Hash + Eq, V: Clone> Shared<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The first value that answers.
    pub fn find(&self, answers: impl Fn(&V) -> bool) -> Option<V> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().find(|value| answers(value)).cloned()
    }

    /// Sets or removes the value of a key.
    pub fn put(&self, key: K, value: Option<V>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl<C: Cloud> Context<C> {
    /// What a replica remembers of an object.
    pub fn memory<M: Default + Send + Sync + 'static>(&self, uid: &str) -> Arc<tokio::sync::Mutex<M>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memories.get(uid).cloned().and_then(|any| any.downcast::<tokio::sync::Mutex<M>>().ok());
        known.unwrap_or_else(|| {
            let fresh = Arc::new(tokio::sync::Mutex::new(M::default()));
            let any: Arc<dyn Any + Send + Sync> = fresh.clone();
            memories.insert(uid.to_owned(), any);
            fresh
        })
    }

    /// When a host was closed by a Quarantine of a namespace.
    pub fn contained_at(&self, namespace: Option<&str>, instance: &InstanceId) -> Option<Time> {
        let namespace = namespace.unwrap_or_default();
        self.contained.find(|known| known.namespace == namespace && known.instance == *instance).map(|known| known.at)
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.contained.put(uid.to_owned(), None);
        self.projected.forget(uid);
        self.digests.forget(uid);
        self.copying.note(uid, None);
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Who STS says we are in an account: asked unless it said so less than `fresh` ago.
    pub async fn who(&self, access: &Access, fresh: Duration) -> Result<Identity, Refusal> {
        if let Some((at, Ok(known))) = self.identities.get(access)
            && at.elapsed() < fresh
        {
            return Ok(known);
        }
        let answer = self.cloud.identify(access).await.map_err(|error| Refusal::new(error.reason(), error.advice()));
        self.identities.put(access.clone(), Some((Instant::now(), answer.clone())));
        answer
    }

    /// The principal as which we work in an account, if it is in the account that is declared. The account's own
    /// re-check sees to it that the answer does not grow old.
    pub async fn principal(&self, access: &Access) -> Result<String, Refusal> {
        let identity = self.who(access, Duration::MAX).await?;
        if identity.account == access.account {
            return Ok(identity.arn);
        }
        Err(Refusal::new(
            Reason::IdentityMismatch,
            format!(
                "STS says that the credentials for AwsAccount {} are of account {}, not of {}; nothing is done there",
                access.account_ref, identity.account, access.account
            ),
        ))
    }

    /// Whether this replica works in a namespace.
    pub fn works_in(&self, namespace: Option<&str>) -> bool {
        self.namespaces.is_empty() || namespace.is_some_and(|ns| self.namespaces.iter().any(|ours| ours == ns))
    }

    /// Proves that the admission policies are enforced, unless that was done a short time ago.
    pub async fn policies(&self, afresh: bool) -> Result<Result<(), String>, ClusterError> {
        let known = self.proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, Ok(()))) = known
            && !afresh
            && at.elapsed() < self.settings.proof
        {
            return Ok(Ok(()));
        }
        let (forged, shipped) = tokio::join!(self.cluster.forge(), shipped::compare(&self.cluster, &self.policies));
        let answer = forged?.and(shipped?);
        *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), answer.clone()));
        Ok(answer)
    }
}
