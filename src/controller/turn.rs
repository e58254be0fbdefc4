//! One turn of one object: observe, decide, record, perform, project. The same lines run every kind.

use futures::stream::{FuturesUnordered, StreamExt};
use kube::{Resource, ResourceExt};

use super::accounts::nowhere;
use super::approvals;
use super::cluster::{ClusterError, Written};
use super::context::Context;
use super::custody::{self, Chain, ChainError};
use super::kind::{Kind, Site, Told};
use crate::api::FINALIZER;
use crate::api::conditions::Reason;
use crate::api::instance_hold::InstanceHoldSpec;
use crate::clock::now;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{Cloud, Place, Witness};
use crate::metrics::ChangeLabels;
use crate::playbook::chain::{ObjectRef, next_index};
use crate::playbook::decide::Plan;
use crate::playbook::executor::{Executor, Send as Sending};
use crate::playbook::project::{Before, Verdict, conditions, verdict};
use crate::playbook::step::{Account, Change, Holder, Refusal, Subject, View};

/// What a replica remembers of one object. A crash loses all of it.
#[derive(Debug)]
pub struct Memory<K: Kind> {
    chain: Option<Chain>,
    executor: Executor<K>,
    holder: Holder,
    marked: bool,
    /// Turns in a row that ended with an error.
    pub attempts: u32,
}

impl<K: Kind> Default for Memory<K> {
    fn default() -> Self {
        Self { chain: None, executor: Executor::default(), holder: Holder::Unasked, marked: false, attempts: 0 }
    }
}

/// How a turn ended.
#[derive(Debug)]
pub enum Turned {
    /// The object is gone.
    Gone,
    /// Something changed, or another replica wrote: look again at once.
    Again,
    /// Nothing more to do now.
    Rested {
        /// Seconds until the next look that somebody wants.
        again_in: Option<u32>,
        /// The gravest error.
        error: Option<ErrorClass>,
        /// For metrics.
        result: &'static str,
    },
}

/// Runs one turn.
pub async fn turn<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    known: &K::Object,
    memory: &mut Memory<K>,
) -> Result<Turned, ClusterError> {
    let object_ref = object_ref::<K>(known);
    let site = K::site(known);
    let namespace = known.namespace();
    let (rules, place) = match &site {
        Some(site) => ctx.rules(site, namespace.as_deref().unwrap_or_default()).await,
        None => (nowhere(), None),
    };
    let begun = memory.chain.as_ref().is_some_and(|chain| chain.record.opened.is_some());
    let admitted = begun || site.is_none() || admitted(site.as_ref(), &rules);
    let looking = place.as_ref().filter(|_| admitted);
    let record = memory.chain.as_ref().map(|chain| chain.record.clone()).unwrap_or_default();

    let api = K::api(ctx.cluster.client(), namespace.as_deref());
    let name = known.name_any();
    let (fresh, chain, identity, taken, seen) = tokio::join!(
        ctx.cluster.fetch(&api, &name),
        head::<K, C>(ctx, &object_ref, memory.chain.clone()),
        identity(ctx, looking),
        prepare::<K, C>(ctx, known, memory, &object_ref, site.as_ref(), &rules, admitted),
        K::observe(ctx, known, looking, &rules, &record),
    );
    let Some(fresh) = fresh? else { return Ok(Turned::Gone) };
    if fresh.uid() != known.uid() {
        return Ok(Turned::Gone);
    }
    let (holder, marked) = taken?;
    (memory.holder, memory.marked) = (holder, marked);
    let chain = match chain {
        Ok(chain) => chain,
        Err(ChainError::Cluster(error)) => return Err(error),
        Err(ChainError::Broken(broken)) => return broken_chain::<K, C>(ctx, &fresh, &rules, memory, &broken.to_string()).await,
    };
    if chain.record != record {
        // Observed without knowing what the chain says: look again with it. What this replica was owed may
        // have been settled by the other.
        let first = memory.chain.is_none();
        memory.chain = Some(chain);
        if !first {
            memory.executor = Executor::default();
        }
        return Ok(Turned::Again);
    }
    memory.chain = Some(chain.clone());

    let subject = subject::<K>(&fresh);
    let found = approvals::find::<K, C>(ctx, &subject, &chain.record).await?;
    let rules = Account { ready: rules.ready.clone().and(identity), ..rules };
    let limits = ctx.settings.limits();
    let view = View {
        subject: &subject,
        spec: K::spec(&fresh),
        account: &rules,
        holder: &memory.holder,
        approvals: &found.candidates,
        seen: &seen,
        record: &chain.record,
        next_index: next_index(chain.head.as_ref()),
        now: now(),
        limits: &limits,
    };
    let decided = memory.executor.decide(&view, &object_ref, chain.head.as_ref(), &ctx.writer);
    approvals::judge(ctx, &subject, &chain.record, &found).await?;

    if let Some(link) = &decided.link {
        if !ctx.fence.permits(false) {
            return Ok(Turned::Again);
        }
        match ctx.cluster.append(K::SHORT, &object_ref, link).await? {
            Written::Created => {}
            Written::Exists => {
                memory.chain = None;
                memory.executor = Executor::default();
                return Ok(Turned::Again);
            }
        }
        ctx.metrics.records.inc();
        memory.chain = Some(Chain { head: Some(link.head.clone()), record: link.record.clone() });
    }
    let sendings = memory.executor.written(&decided);
    let performed = !sendings.is_empty();
    perform::<K, C>(ctx, &fresh, place.as_ref(), memory, sendings).await;

    let chain = memory.chain.clone().unwrap_or_default();
    K::remember(ctx, &fresh, &chain.record);
    let errors = memory.executor.errors().clone();
    let wrote = decided.link.is_some();
    let gravest = memory.executor.gravest();
    if !performed || gravest.is_some() || decided.only_repeats() {
        project::<K, C>(ctx, &fresh, &subject, site.as_ref(), &rules, &decided.plan, &seen, &chain, &errors).await?;
    }
    if fresh.meta().deletion_timestamp.is_some() && K::may_go(&fresh, &chain.record) {
        let_go::<K, C>(ctx, &fresh, site.as_ref(), &rules, &object_ref).await?;
        return Ok(Turned::Gone);
    }
    if chain.record.released && K::HOLDS && memory.holder == Holder::Mine {
        if let Some(spec) = hold_spec(site.as_ref(), &rules, &object_ref) {
            ctx.cluster.unhold(&spec).await?;
        }
        ctx.cluster.mark::<K>(&fresh, false).await?;
        memory.holder = Holder::Unasked;
    }
    if gravest.is_none() && !decided.only_repeats() && (performed || wrote || memory.executor.owes()) {
        return Ok(Turned::Again);
    }
    // AWS accepted it and shows the old value still, or somebody flips it: once a second is often enough.
    let again_in = if decided.only_repeats() { Some(1) } else { decided.plan.again_in };
    let whole = verdict(&decided.plan, &errors);
    let result = if decided.plan.refused.is_some() { "refused" } else if whole.ready { "settled" } else { "working" };
    Ok(Turned::Rested { again_in, error: gravest, result })
}

/// Whether a new object may look at AWS at all: a tenant learns nothing of an account that is not theirs.
fn admitted(site: Option<&Site>, rules: &Account) -> bool {
    let region = site.and_then(|site| site.region.as_ref());
    rules.ready.is_ok() && rules.namespace_allowed && region.is_none_or(|region| rules.regions.contains(region))
}

async fn head<K: Kind, C: Cloud>(ctx: &Context<C>, object: &ObjectRef, known: Option<Chain>) -> Result<Chain, ChainError> {
    if !K::CHAIN {
        return Ok(Chain::default());
    }
    match known {
        Some(chain) => custody::catch_up(&ctx.cluster, K::SHORT, object, chain).await,
        None => custody::open(&ctx.cluster, K::SHORT, object).await,
    }
}

async fn identity<C: Cloud>(ctx: &Context<C>, place: Option<&Place>) -> Result<(), Refusal> {
    match place {
        Some(place) => ctx.identity(&place.access).await.map(|_| ()),
        None => Ok(()),
    }
}

fn hold_spec(site: Option<&Site>, rules: &Account, holder: &ObjectRef) -> Option<InstanceHoldSpec> {
    let site = site?;
    Some(InstanceHoldSpec {
        account_id: rules.id.clone(),
        region: site.region.clone()?,
        instance_id: site.instance.clone()?,
        holder: holder.clone(),
    })
}

/// What must be there before the first record: our finalizer, and the hold on the instance.
async fn prepare<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    object: &K::Object,
    memory: &Memory<K>,
    object_ref: &ObjectRef,
    site: Option<&Site>,
    rules: &Account,
    admitted: bool,
) -> Result<(Holder, bool), ClusterError> {
    let released = memory.chain.as_ref().is_some_and(|chain| chain.record.released);
    let (mut holder, mut marked) = (memory.holder.clone(), memory.marked);
    if !admitted || released || object.meta().deletion_timestamp.is_some() && memory.chain.is_none() {
        return Ok((holder, marked));
    }
    let wants_mark = K::SHORT != "fcase" && K::CHAIN && !marked && !object.finalizers().iter().any(|f| f == FINALIZER);
    let wants_hold = K::HOLDS && holder != Holder::Mine;
    let mark = async {
        if wants_mark && object.meta().deletion_timestamp.is_none() { ctx.cluster.mark::<K>(object, true).await } else { Ok(()) }
    };
    let hold = async {
        match hold_spec(site, rules, object_ref).filter(|_| wants_hold) {
            Some(spec) => ctx.cluster.hold(&spec).await.map(Some),
            None => Ok(None),
        }
    };
    let (mark, hold) = tokio::join!(mark, hold);
    mark?;
    marked = true;
    if let Some(hold) = hold? {
        holder = if hold.spec.holder.uid == object_ref.uid { Holder::Mine } else { Holder::Other };
    }
    Ok((holder, marked))
}

/// Sends what the executor orders, stage after stage, track beside track.
async fn perform<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    object: &K::Object,
    place: Option<&Place>,
    memory: &mut Memory<K>,
    first: Vec<Sending<K::Effect>>,
) {
    let chain = memory.chain.clone().unwrap_or_default();
    let witness = chain.head.as_ref().map(|head| Witness {
        uid: object.uid().unwrap_or_default(),
        index: head.index,
        hash: head.hash.clone(),
    });
    let mut queue = first;
    let mut flying = FuturesUnordered::new();
    loop {
        for sending in queue.drain(..) {
            let once = sending.order.change.intent().is_some_and(|effect| !effect.is_idempotent());
            if ctx.fence.permits(once) {
                let witness = witness.as_ref();
                flying.push(async move {
                    let reply = K::perform(ctx, object, place, &sending, witness).await;
                    (sending, reply)
                });
            } else {
                memory.executor.withheld(&sending);
            }
        }
        let Some((sending, reply)) = flying.next().await else { break };
        count(ctx, &sending, &reply);
        queue = memory.executor.replied(&chain.record, &sending, &reply);
    }
}

fn count<E: Change, C: Cloud>(ctx: &Context<C>, sending: &Sending<E>, reply: &Result<crate::playbook::effect::Receipt, CloudError>) {
    let Some(effect) = sending.order.change.intent() else { return };
    let result = match reply {
        Ok(_) => "accepted".to_owned(),
        Err(error) => {
            tracing::warn!(step = sending.step, operation = effect.operation(), class = %error.class, code = %error.code, "AWS did not accept a change");
            error.class.to_string()
        }
    };
    ctx.metrics.changes.get_or_create(&ChangeLabels { operation: effect.operation().to_owned(), result }).inc();
}

/// Writes the status, if it says anything new.
#[allow(clippy::too_many_arguments)]
async fn project<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    subject: &Subject,
    site: Option<&Site>,
    rules: &Account,
    plan: &Plan<K>,
    seen: &K::Seen,
    chain: &Chain,
    errors: &std::collections::BTreeMap<&'static str, CloudError>,
) -> Result<(), ClusterError> {
    let (standing, before) = K::standing(fresh);
    let generation = fresh.meta().generation.unwrap_or_default();
    let whole: Verdict = verdict(plan, errors);
    let conditions = conditions(plan, errors, &Before { conditions: &before, generation, now: now() });
    super::events::announce::<K, C>(ctx, fresh, &before, &conditions);
    let status = K::status(Told {
        subject,
        spec: K::spec(fresh),
        standing: &standing,
        site,
        account: rules,
        plan,
        errors,
        verdict: &whole,
        conditions,
        generation,
        seen,
        record: &chain.record,
        head: chain.head.as_ref(),
    });
    if status == standing {
        return Ok(());
    }
    ctx.cluster.project::<K>(fresh, &status).await?;
    ctx.metrics.statuses.inc();
    Ok(())
}

/// Containment that is declared keeps standing as it is; nothing else is done until a person has looked.
async fn broken_chain<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    rules: &Account,
    memory: &mut Memory<K>,
    why: &str,
) -> Result<Turned, ClusterError> {
    let subject = subject::<K>(fresh);
    let message = format!("{why}; nothing is changed any more for this object. Compare its CustodyRecords with the archive or an audit log");
    let plan = Plan::refused(Refusal::new(Reason::CustodyChainBroken, message));
    let nothing = std::collections::BTreeMap::new();
    project::<K, C>(ctx, fresh, &subject, K::site(fresh).as_ref(), rules, &plan, &K::nothing(), &Chain::default(), &nothing).await?;
    memory.chain = None;
    Ok(Turned::Rested { again_in: Some(rules.recheck_seconds), error: None, result: "refused" })
}

/// Somebody deleted the object and nothing is held: our marks go.
async fn let_go<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    site: Option<&Site>,
    rules: &Account,
    object_ref: &ObjectRef,
) -> Result<(), ClusterError> {
    if K::HOLDS
        && let Some(spec) = hold_spec(site, rules, object_ref)
    {
        ctx.cluster.unhold(&spec).await?;
    }
    ctx.cluster.mark::<K>(fresh, false).await?;
    ctx.forget(&object_ref.uid);
    Ok(())
}

fn object_ref<K: Kind>(object: &K::Object) -> ObjectRef {
    ObjectRef {
        kind: K::KIND.to_owned(),
        namespace: object.namespace(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
    }
}

fn subject<K: Kind>(object: &K::Object) -> Subject {
    let spec = K::spec(object);
    Subject {
        kind: K::KIND.to_owned(),
        namespace: object.namespace(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        requested_by: K::requested_by(spec),
        created: object.creation_timestamp().map_or_else(now, |time| time.0),
        case: K::case(spec),
    }
}
