//! A chain that was edited, cut or reordered: what it declared before the break stays enforced, nothing else is done.

use std::time::Instant;

use kube::ResourceExt;

use super::cluster::ClusterError;
use super::context::Context;
use super::custody::Chain;
use super::hold::hold_spec;
use super::kind::{Kind, Site};
use super::project::project;
use super::turn::{Memory, Turned, object_ref, perform, subject};
use crate::api::FINALIZER;
use crate::api::conditions::Reason;
use crate::clock::now;
use crate::cloud::{Cloud, Place};
use crate::playbook::chain::next_index;
use crate::playbook::decide::{Plan, decide};
use crate::playbook::executor::{Executor, standing_orders};
use crate::playbook::step::{Account, Refusal, View};

/// What the turn that found the break had looked at.
#[derive(Debug)]
pub(super) struct Look<'a, K: Kind> {
    pub rules: &'a Account,
    pub place: Option<&'a Place>,
    pub seen: &'a K::Seen,
}

/// Repeats what the chain says was set, under its own intents, and records nothing: a broken chain can't be continued.
/// Its bad part counts too, for that alone: what it says is only ever compared with what is declared, so a forged link
/// can have nothing opened, and a good one behind it is not lost.
pub(super) async fn enforce<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    memory: &mut Memory<K>,
    look: Look<'_, K>,
    why: &str,
    readable: Chain,
) -> Result<Turned, ClusterError> {
    let subject = subject::<K>(fresh);
    let limits = ctx.settings.limits();
    let view = View {
        subject: &subject,
        spec: K::spec(fresh),
        account: look.rules,
        holder: &memory.holder,
        approvals: &[],
        seen: look.seen,
        record: &readable.record,
        next_index: next_index(readable.head.as_ref()),
        now: now(),
        limits: &limits,
    };
    // A decision to release that stands in a broken chain is none.
    let unreleased = if K::releasing(&view) { K::unreleased(&view) } else { None };
    let view = View { spec: unreleased.as_ref().unwrap_or(view.spec), ..view.copy() };
    let site = K::site(fresh);
    let decided = decide::<K>(&view);
    let holds = held::<K, C>(ctx, fresh, site.as_ref(), look.rules).await?;
    let orders = if holds { standing_orders(&decided, &readable.record) } else { Vec::new() };
    let wanted: Vec<K::Effect> = orders.iter().map(|sending| sending.order.change.clone()).collect();
    let repaired = orders.len();
    memory.executor = Executor::default();
    perform::<K, C>(ctx, fresh, look.place, memory, &readable, orders).await;
    if repaired > 0 {
        tracing::warn!(kind = K::KIND, name = subject.name, repaired, "enforces what a broken chain declared");
    }

    let message = format!(
        "{why}; what was set before stays enforced, nothing else is done for this object. Compare its CustodyRecords \
         with the archive or an audit log"
    );
    let plan = Plan::refused(Refusal::new(Reason::CustodyChainBroken, message));
    let nothing = std::collections::BTreeMap::new();
    project::<K, C>(ctx, fresh, &subject, site.as_ref(), look.rules, &plan, look.seen, &readable, &nothing).await?;
    let first = memory.broken.is_none();
    (memory.chain, memory.broken) = (None, Some(readable));
    let again_in = if first { 1 } else { look.rules.recheck_seconds };
    memory.pace.rests(&wanted.iter().collect::<Vec<_>>(), holds && decided.unanswered, false);
    let wait = memory.pace.wait(&ctx.settings, Some(again_in), Instant::now());
    Ok(Turned::Rested { wait, result: "refused" })
}

/// Whether the object holds its host at all. The break may hide that it was released, and somebody else may hold the host
/// by now; our finalizer and the hold on the instance go with a release, and say so without the chain.
async fn held<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    site: Option<&Site>,
    rules: &Account,
) -> Result<bool, ClusterError> {
    if K::MARKED && !fresh.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(false);
    }
    let object = object_ref::<K>(fresh);
    match hold_spec(site, rules, &object).filter(|_| K::HOLDS) {
        Some(spec) => Ok(ctx.cluster.holder(&spec).await?.is_some_and(|holder| holder.uid == object.uid)),
        None => Ok(!K::HOLDS),
    }
}
