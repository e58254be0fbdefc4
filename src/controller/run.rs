//! Starts everything, and ends it in order.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use kube::runtime::controller::{Action, Config as ControllerConfig};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Store;
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::approvals::answer;
use super::cluster::{Cluster, ClusterError};
use super::context::{Context, Shared};
use super::copies::OnTheirWay;
use super::digests::Digests;
use super::kind::Kind;
use super::lease::{self, Fence, LeaseError};
use super::nodes::Nodes;
use super::project::Projected;
use super::reconcile::reconcile;
use super::settings::{Settings, Unsafe};
use super::wakes::{controller, marks, pick, watched};
use crate::api::approval::SubjectKind;
use crate::api::policies::PolicyConfig;
use crate::api::quarantine::CaseRef;
use crate::api::{Approval, AwsAccount, EvidenceSnapshot, ForensicCase, Quarantine};
use crate::cloud::Cloud;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::playbook;
use crate::playbook::chain::Writer;

/// How one controller runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Times.
    pub settings: Settings,
    /// Namespaces to work in; empty for all.
    pub namespaces: Vec<String>,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Name of the Lease; none to run without one.
    pub lease_name: Option<String>,
    /// Stable identity of this replica.
    pub identity: String,
    /// Digest of the image, where it is known.
    pub image: Option<String>,
    /// Name of the node that this replica runs on; none where it runs in no cluster.
    pub node: Option<String>,
    /// Whom the admission policies speak of.
    pub policies: PolicyConfig,
}

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings are not safe.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// The lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Kubernetes.
    #[error("the API server can't be used: {0}")]
    Client(#[source] Box<kube::Error>),
}

/// Runs until `stop` resolves or the lease is lost.
pub async fn run<C: Cloud>(
    options: Options,
    config: Config,
    cloud: C,
    health: Health,
    metrics: Metrics,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    options.settings.check()?;
    let settings = options.settings.clone();
    let client = client(&config, true)?;
    let strict = client_without_retries(&config, &settings)?;
    tokio::pin!(stop);

    let mut held = None;
    let fence = match &options.lease_name {
        None => Fence::always(settings.request_deadline),
        Some(name) => {
            tracing::info!(lease = name, identity = options.identity, "waits for the lease");
            // Ready to take over, which is all that a standby can be: a rollout waits for it.
            health.ready(true);
            let taking = lease::acquire(strict.clone(), &options.lease_namespace, name, &options.identity, &settings);
            let taken = tokio::select! {
                taken = taking => taken?,
                () = &mut stop => return Ok(()),
            };
            let fence = taken.fence.clone();
            held = Some(taken);
            fence
        }
    };

    let (stopping, stopped) = watch::channel(false);
    let projected = Arc::<Projected>::default();
    let kinds = Kinds::new(&options, &client, &projected);
    let context = Arc::new(Context {
        cloud: Arc::new(cloud),
        cluster: Cluster::new(strict, settings.request_deadline, options.lease_namespace.clone()),
        settings: settings.clone(),
        fence,
        writer: Writer {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            image: options.image.clone(),
            identity: options.identity.clone(),
            principal: None,
        },
        namespaces: options.namespaces.clone(),
        accounts: accounts(&client, stopped.clone()),
        quarantines: kinds.quarantines.store(),
        evidence: kinds.evidence.store(),
        digests: Digests::new(&settings),
        contained: Shared::default(),
        projected,
        copying: OnTheirWay::default(),
        identities: Shared::default(),
        policies: options.policies.clone(),
        proof: Mutex::default(),
        memories: Mutex::default(),
        nodes: Nodes::watch(options.node.clone(), &client, stopped.clone()),
        metrics,
    });
    tracing::info!(identity = options.identity, namespaces = ?options.namespaces, "works");
    health.ready(true);
    let running = kinds.run(context, stopped);
    tokio::pin!(running);

    let lost = async {
        match &mut held {
            Some(held) => held.lost().await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = &mut running => Ok(()),
        () = &mut stop => Ok(()),
        lost = lost => Err(lost),
    };
    health.ready(false);
    if let Err(lost) = outcome {
        // Whoever holds the lease now acts already: nothing of ours may go on, not even to its end.
        return Err(lost.into());
    }
    let _ = stopping.send(true);
    tracing::info!("stops: turns that are under way end first");
    let _ = tokio::time::timeout(settings.request_deadline * 2, running).await;
    if let Some(held) = held {
        held.release().await;
    }
    Ok(())
}

fn client(config: &Config, retry: bool) -> Result<Client, RunError> {
    let mut config = config.clone();
    config.default_retry = retry;
    Client::try_from(config).map_err(|error| RunError::Client(Box::new(error)))
}

/// A client for everything but watches: it never resends, and a question has an end.
fn client_without_retries(config: &Config, settings: &Settings) -> Result<Client, RunError> {
    let mut config = config.clone();
    config.connect_timeout = Some(settings.request_deadline);
    client(&config, false)
}

/// Keeps the accounts: every object needs one.
fn accounts(client: &Client, mut stopped: watch::Receiver<bool>) -> Store<AwsAccount> {
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(Api::<AwsAccount>::all(client.clone()), watcher::Config::default()))
        .default_backoff()
        .touched_objects();
    tokio::spawn(async move {
        tokio::select! {
            () = stream.for_each(|_| std::future::ready(())) => {}
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    store
}

/// The controllers: which kinds are watched, and whose changes wake whom.
struct Kinds {
    accounts: Controller<AwsAccount>,
    cases: Controller<ForensicCase>,
    quarantines: Controller<Quarantine>,
    evidence: Controller<EvidenceSnapshot>,
    approvals: Controller<Approval>,
}

impl Kinds {
    fn new(options: &Options, client: &Client, projected: &Arc<Projected>) -> Self {
        let any = watcher::Config::default;
        let quarantines = controller::<playbook::Quarantine>(options, client, projected);
        let evidence = controller::<playbook::EvidenceSnapshot>(options, client, projected);
        let (held, kept) = (quarantines.store(), evidence.store());

        let quarantines = quarantines
            .watches(Api::<AwsAccount>::all(client.clone()), any(), {
                let held = held.clone();
                move |account| pick(&held, |q| q.spec.target.account_ref == account.name_any())
            })
            .watches(watched::<Approval>(options, client), any(), {
                let held = held.clone();
                move |approval| {
                    let (subject, namespace) = (approval.spec.subject.clone(), approval.namespace());
                    pick(&held, move |q| {
                        q.namespace() == namespace
                            && match subject.kind {
                                SubjectKind::Quarantine => q.name_any() == subject.name,
                                SubjectKind::ForensicCase => {
                                    q.spec.case_ref.as_ref().is_some_and(|case| case.name == subject.name)
                                }
                                SubjectKind::EvidenceSnapshot => false,
                            }
                    })
                }
            });
        let evidence = evidence
            .watches(Api::<AwsAccount>::all(client.clone()), any(), {
                let kept = kept.clone();
                move |account| pick(&kept, |e| e.spec.source.account_ref() == account.name_any())
            })
            .watches(watched::<Quarantine>(options, client), any(), move |quarantine| {
                pick(&kept, |e| {
                    e.namespace() == quarantine.namespace()
                        && e.spec.source.instance_id() == Some(&quarantine.spec.target.instance_id)
                })
            });
        let case_of = |case: Option<&CaseRef>, namespace: Option<String>| {
            case.map(|case| ObjectRef::new(&case.name).within(&namespace.unwrap_or_default()))
        };
        let cases = controller::<playbook::ForensicCase>(options, client, projected)
            .watches(watched::<Quarantine>(options, client), any(), move |child| {
                case_of(child.spec.case_ref.as_ref(), child.namespace())
            })
            .watches(watched::<EvidenceSnapshot>(options, client), any(), move |child| {
                case_of(child.spec.case_ref.as_ref(), child.namespace())
            })
            .watches(watched::<Approval>(options, client), any(), |approval| {
                let subject = &approval.spec.subject;
                (subject.kind == SubjectKind::ForensicCase)
                    .then(|| ObjectRef::new(&subject.name).within(&approval.namespace().unwrap_or_default()))
            });
        let accounts = controller::<playbook::AwsAccount>(options, client, projected)
            .watches_stream(marks(watched::<Quarantine>(options, client)), |user| {
                Some(ObjectRef::new(&user.spec.target.account_ref))
            })
            .watches_stream(marks(watched::<EvidenceSnapshot>(options, client)), |user| {
                Some(ObjectRef::new(user.spec.source.account_ref()))
            });
        let approvals = Controller::new(watched::<Approval>(options, client), any());
        Self { accounts, cases, quarantines, evidence, approvals }
    }

    async fn run<C: Cloud>(self, context: Arc<Context<C>>, stopped: watch::Receiver<bool>) {
        tokio::join!(
            drive::<playbook::AwsAccount, C>(self.accounts, context.clone(), stopped.clone()),
            drive::<playbook::Quarantine, C>(self.quarantines, context.clone(), stopped.clone()),
            drive::<playbook::EvidenceSnapshot, C>(self.evidence, context.clone(), stopped.clone()),
            drive::<playbook::ForensicCase, C>(self.cases, context.clone(), stopped.clone()),
            work("Approval", self.approvals, answer::<C>, context, stopped),
        );
    }
}

/// Runs the turns of a kind.
async fn drive<K: Kind, C: Cloud>(
    controller: Controller<K::Object>,
    context: Arc<Context<C>>,
    stopped: watch::Receiver<bool>,
) {
    work(K::KIND, controller, reconcile::<K, C>, context, stopped).await;
}

/// Runs one controller until it is told to stop. What is under way ends first.
async fn work<T, C, F>(
    kind: &'static str,
    controller: Controller<T>,
    act: impl FnMut(Arc<T>, Arc<Context<C>>) -> F,
    context: Arc<Context<C>>,
    mut stopped: watch::Receiver<bool>,
) where
    T: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    C: Cloud,
    F: Future<Output = Result<Action, ClusterError>> + Send + 'static,
{
    let concurrency = context.settings.concurrency;
    controller
        .with_config(ControllerConfig::default().concurrency(concurrency))
        .graceful_shutdown_on(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })
        .run(
            act,
            move |_, error, context: Arc<Context<C>>| {
                tracing::warn!(kind, %error, "a reconcile failed");
                Action::requeue(context.settings.backoff)
            },
            context,
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(kind, %error, "controller");
            }
        })
        .await;
}
