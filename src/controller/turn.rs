//! One turn of one object: observe, decide, record, perform, project. The same lines run every kind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use kube::{Resource, ResourceExt};

use super::approvals::{self, Found};
use super::broken::{self, Look};
use super::cluster::{ClusterError, Written};
use super::context::Context;
use super::custody::Chain;
use super::hold::{hold_spec, keep_marks, put_back};
use super::kind::Kind;
use super::look::{Looked, look};
use super::pace::Pace;
use super::project::project;
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::{Cloud, Place, Witness};
use crate::metrics::ChangeLabels;
use crate::playbook::chain::{ObjectRef, next_index};
use crate::playbook::effect::Effect;
use crate::playbook::executor::{Decided, Executor, Send as Sending, standing_orders};
use crate::playbook::project::verdict;
use crate::playbook::step::{Change, Holder, Subject, View};

/// What a replica remembers of one object. A crash loses all of it.
#[derive(Debug)]
pub struct Memory<K: Kind> {
    pub(super) chain: Option<Chain>,
    pub(super) executor: Executor<K>,
    /// What stands before the break of a chain that is broken.
    pub(super) broken: Option<Chain>,
    pub(super) holder: Holder,
    pub(super) marked: bool,
    /// Nothing is taken for it: it was refused before anything was begun.
    pub(super) deferred: bool,
    /// Turns in a row that failed in the cluster.
    pub attempts: u32,
    /// When what AWS refused is tried again.
    pub(super) pace: Pace<K::Effect>,
}

impl<K: Kind> Default for Memory<K> {
    fn default() -> Self {
        Self {
            chain: None,
            executor: Executor::default(),
            broken: None,
            holder: Holder::Unasked,
            marked: false,
            deferred: false,
            attempts: 0,
            pace: Pace::default(),
        }
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
        /// Until the next look; none where only an event can change anything.
        wait: Option<Duration>,
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
    let before = memory.chain.as_ref().map(|chain| chain.record.clone()).unwrap_or_default();
    let Some(looked) = look(ctx, known, memory, &before).await? else { return Ok(Turned::Gone) };
    match &looked.chain {
        Err((why, readable)) => {
            let look = Look { rules: &looked.rules, place: looked.place.as_ref(), seen: &looked.seen };
            broken::enforce::<K, C>(ctx, &looked.fresh, memory, look, why, readable.clone()).await
        }
        Ok(chain) if chain.record != before => {
            // Observed without knowing what the chain says: look again with it. What this replica was owed may
            // have been settled by the other.
            let first = memory.chain.is_none();
            memory.chain = Some(chain.clone());
            if !first {
                memory.executor = Executor::default();
            }
            Ok(Turned::Again)
        }
        Ok(chain) => {
            (memory.chain, memory.broken) = (Some(chain.clone()), None);
            act(ctx, &looked, memory, chain).await
        }
    }
}

/// Decides, records, performs and projects.
async fn act<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    looked: &Looked<K>,
    memory: &mut Memory<K>,
    chain: &Chain,
) -> Result<Turned, ClusterError> {
    let Looked { fresh, object, site, place, rules, seen, .. } = looked;
    if K::CHAIN && chain.head.is_none() && fresh.meta().deletion_timestamp.is_some() {
        // Nothing is begun for what is about to go.
        let hold = hold_spec(site.as_ref(), rules, object);
        put_back::<K, C>(ctx, fresh, memory, hold.as_ref()).await?;
        return Ok(Turned::Gone);
    }
    let subject = subject::<K>(fresh);
    // Where nobody says what was approved, nothing was: what is held is kept up all the same.
    let (found, unread) = match approvals::find::<K, C>(ctx, &subject, &chain.record).await {
        Ok(found) => (found, false),
        Err(error) => {
            tracing::warn!(kind = K::KIND, name = subject.name, %error, "Approvals can't be read");
            (Found::default(), true)
        }
    };
    let mut writer = ctx.writer.clone();
    writer.principal = looked.identity.as_ref().ok().cloned().flatten();
    let limits = ctx.settings.limits();
    let view = View {
        subject: &subject,
        spec: K::spec(fresh),
        account: rules,
        // The chain says that it was taken, and only a release gives it back.
        holder: if looked.unheld.is_some() { &Holder::Mine } else { &memory.holder },
        approvals: &found.candidates,
        seen,
        record: &chain.record,
        next_index: next_index(chain.head.as_ref()),
        now: now(),
        limits: &limits,
    };
    let decided = memory.executor.decide(&view, object, chain.head.as_ref(), &writer);
    if !ctx.fence.permits(false) {
        return Ok(Turned::Again);
    }
    if let Some(error) = &looked.unheld {
        keep_up::<K, C>(ctx, looked, memory, chain, &decided).await;
        return Err(error.clone());
    }
    let hold = hold_spec(site.as_ref(), rules, object);
    let unbegun = chain.record.opened.is_none();
    if unbegun && decided.plan.refused.is_some() {
        put_back::<K, C>(ctx, fresh, memory, hold.as_ref()).await?;
    } else if std::mem::take(&mut memory.deferred) && unbegun {
        return Ok(Turned::Again);
    }

    match write(ctx, memory, object, &decided).await {
        Ok(true) => {}
        Ok(false) => return Ok(Turned::Again),
        Err(error) => {
            // Nothing can be recorded, as in a namespace that is being deleted: nothing is begun.
            keep_up::<K, C>(ctx, looked, memory, chain, &decided).await;
            return Err(error);
        }
    }
    let chain = memory.chain.clone().unwrap_or_default();
    // After the decision is written: who is told that it counts must be able to read so in the chain.
    if let Err(error) = approvals::judge(ctx, &subject, &chain.record, &found).await {
        tracing::warn!(kind = K::KIND, name = subject.name, %error, "an Approval was not answered");
    }
    let orders = memory.executor.written(&decided);
    let (held, sendings): (Vec<_>, Vec<_>) =
        orders.into_iter().partition(|sending| memory.pace.holds(sending, Instant::now()));
    for sending in &held {
        memory.executor.held_back(&chain.record, sending);
    }
    let performed = !sendings.is_empty();
    let replies = perform::<K, C>(ctx, fresh, place.as_ref(), memory, &chain, sendings).await;
    K::remember(ctx, fresh, &chain.record);
    if !ctx.fence.permits(false) {
        // It took longer than the lease: what is known here is old news to whoever holds it now.
        return Ok(Turned::Again);
    }
    let errors = memory.executor.errors().clone();
    let repeats = performed && decided.only_repeats();
    if !performed || !errors.is_empty() || repeats {
        project::<K, C>(ctx, fresh, &subject, site.as_ref(), rules, &decided.plan, seen, &chain, &errors).await?;
    }
    if !keep_marks(ctx, fresh, memory, &chain, hold.as_ref()).await? {
        ctx.forget(&object.uid);
        return Ok(Turned::Gone);
    }
    // What one step is refused holds up no other: whoever got on goes on.
    let wrote = decided.link.is_some() && !replies.refused;
    // A refusal is written down, or tried again, once its time has come.
    let owes = memory.executor.owes() && !replies.refused && held.is_empty();
    if !repeats && (replies.accepted || wrote || owes) {
        return Ok(Turned::Again);
    }
    // Only repeats: AWS accepted it and shows the old value still, or somebody flips it.
    memory.pace.rests(&decided.wanted(), decided.plan.unanswered, repeats);
    let wait = memory.pace.wait(&ctx.settings, decided.plan.again_in, Instant::now());
    let wait = if unread { Some(wait.map_or(ctx.settings.poll, |wait| wait.min(ctx.settings.poll))) } else { wait };
    let result = match verdict(&decided.plan, &errors) {
        _ if decided.plan.refused.is_some() => "refused",
        whole if whole.ready => "settled",
        _ => "working",
    };
    Ok(Turned::Rested { wait, result })
}

/// Repeats what the chain says was set, and begins nothing: for a turn that can't be recorded or go on.
async fn keep_up<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    looked: &Looked<K>,
    memory: &mut Memory<K>,
    chain: &Chain,
    decided: &Decided<K>,
) {
    let orders = standing_orders(&decided.plan, &chain.record);
    let executor = std::mem::take(&mut memory.executor);
    perform::<K, C>(ctx, &looked.fresh, looked.place.as_ref(), memory, chain, orders).await;
    memory.executor = executor;
}

/// Writes what was decided before anything of it is done. False: somebody else wrote, or we may not any more.
async fn write<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    memory: &mut Memory<K>,
    object_ref: &ObjectRef,
    decided: &Decided<K>,
) -> Result<bool, ClusterError> {
    let Some(link) = &decided.link else { return Ok(true) };
    if !ctx.fence.permits(false) {
        return Ok(false);
    }
    if ctx.cluster.append(K::SHORT, object_ref, link).await? == Written::Exists {
        memory.chain = None;
        memory.executor = Executor::default();
        return Ok(false);
    }
    ctx.metrics.records.inc();
    memory.chain = Some(Chain { head: Some(link.head.clone()), record: link.record.clone() });
    Ok(true)
}

/// What AWS said to the changes of a turn.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// It accepted one.
    accepted: bool,
    /// It refused one, or did not answer.
    refused: bool,
}

/// Sends what the executor orders, stage after stage, track beside track.
pub(super) async fn perform<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    object: &K::Object,
    place: Option<&Place>,
    memory: &mut Memory<K>,
    chain: &Chain,
    first: Vec<Sending<K::Effect>>,
) -> Replies {
    let witness = chain.head.as_ref().map(|head| Witness {
        uid: object.uid().unwrap_or_default(),
        index: head.index,
        hash: head.hash.clone(),
    });
    let mut queue = VecDeque::from(first);
    // Side by side, and still one is put together after the other: what closes a host leaves first.
    queue.make_contiguous().sort_by_key(|sending| !closes(sending));
    let mut flying = FuturesUnordered::new();
    let mut replies = Replies::default();
    loop {
        while let Some(sending) = queue.pop_front() {
            let requests = sending.order.change.intent().map_or(0, Effect::requests);
            if ctx.fence.has_time_for(requests) {
                let witness = witness.as_ref();
                flying.push(async move {
                    let reply = K::perform(ctx, object, place, &sending, witness).await;
                    (sending, reply)
                });
            } else {
                queue.extend(memory.executor.withheld(&sending));
            }
        }
        let Some((sending, reply)) = flying.next().await else { break };
        count(ctx, &sending, &reply);
        replies.accepted |= reply.is_ok();
        replies.refused |= reply.is_err();
        memory.pace.replied(&ctx.settings, &sending.order.change, &reply, Instant::now());
        queue.extend(memory.executor.replied(&chain.record, &sending, &reply));
    }
    replies
}

fn closes<E: Change>(sending: &Sending<E>) -> bool {
    matches!(sending.order.change.intent(), Some(Effect::ReplaceSecurityGroups { .. }))
}

fn count<E: Change, C: Cloud>(
    ctx: &Context<C>,
    sending: &Sending<E>,
    reply: &Result<crate::playbook::effect::Receipt, CloudError>,
) {
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

pub(super) fn object_ref<K: Kind>(object: &K::Object) -> ObjectRef {
    ObjectRef {
        kind: K::KIND.to_owned(),
        namespace: object.namespace(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
    }
}

pub(super) fn subject<K: Kind>(object: &K::Object) -> Subject {
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
