//! What must stand before the first record, and goes with the last: our finalizer, and the hold on an instance.

use kube::{Resource, ResourceExt};

use super::cluster::ClusterError;
use super::context::Context;
use super::custody::Chain;
use super::kind::{Kind, Site};
use super::turn::Memory;
use crate::api::FINALIZER;
use crate::api::instance_hold::{InstanceHold, InstanceHoldSpec};
use crate::cloud::Cloud;
use crate::playbook::chain::ObjectRef;
use crate::playbook::step::{Account, Holder};

/// The hold of an object on its instance; none where it works on none.
pub(super) fn hold_spec(site: Option<&Site>, rules: &Account, holder: &ObjectRef) -> Option<InstanceHoldSpec> {
    let site = site?;
    Some(InstanceHoldSpec {
        account_id: rules.id.clone(),
        region: site.region.clone()?,
        instance_id: site.instance.clone()?,
        holder: holder.clone(),
    })
}

/// What must be there before the first record: our finalizer, and the hold on the instance.
pub(super) async fn prepare<K: Kind, C: Cloud>(
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
    let deleted = object.meta().deletion_timestamp.is_some();
    if !admitted || released || K::ends(K::spec(object)) || deleted && memory.chain.is_none() {
        return Ok((holder, marked));
    }
    if memory.deferred {
        // Nothing is taken for what was refused, but whether the other holder is gone must be seen.
        if let Some(spec) = hold_spec(site, rules, object_ref).filter(|_| holder == Holder::Other) {
            let held = match ctx.cluster.holder(&spec).await? {
                Some(other) => ctx.cluster.exists(&other).await?,
                None => false,
            };
            holder = if held { Holder::Other } else { Holder::Unasked };
        }
        return Ok((holder, marked));
    }
    let present = object.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let record = memory.chain.as_ref().map(|chain| chain.record.clone()).unwrap_or_default();
    let wants_mark = K::MARKED && K::in_use(ctx, object, &record) && !marked && !present;
    let wants_hold = K::HOLDS && holder != Holder::Mine;
    let mark = async { if wants_mark && !deleted { ctx.cluster.mark::<K>(object, true).await } else { Ok(()) } };
    let hold = async {
        match hold_spec(site, rules, object_ref).filter(|_| wants_hold) {
            Some(spec) => take(ctx, &spec).await.map(Some),
            None => Ok(None),
        }
    };
    let (mark, hold) = tokio::join!(mark, hold);
    mark?;
    marked |= wants_mark;
    if let Some(hold) = hold? {
        holder = if hold.spec.holder.uid == object_ref.uid { Holder::Mine } else { Holder::Other };
    }
    Ok((holder, marked))
}

/// Takes the hold on an instance, or says who has it. A hold of an object that is no more, as after a deletion under
/// break glass, is nobody's: it would keep the host from everybody for ever.
async fn take<C: Cloud>(ctx: &Context<C>, spec: &InstanceHoldSpec) -> Result<InstanceHold, ClusterError> {
    let hold = ctx.cluster.hold(spec).await?;
    let holder = &hold.spec.holder;
    if holder.uid == spec.holder.uid || ctx.cluster.exists(holder).await? {
        return Ok(hold);
    }
    tracing::warn!(instance = %spec.instance_id, holder = holder.name, "takes over the hold of an object that is gone");
    ctx.cluster.unhold(&hold.spec).await?;
    ctx.cluster.hold(spec).await
}

/// An object for which nothing was begun, and nothing may be: what was taken for it in advance goes back, so that
/// it can be deleted like any other.
pub(super) async fn put_back<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    memory: &mut Memory<K>,
    spec: Option<&InstanceHoldSpec>,
) -> Result<(), ClusterError> {
    memory.deferred = true;
    if memory.holder == Holder::Mine
        && let Some(spec) = spec
    {
        ctx.cluster.unhold(spec).await?;
        memory.holder = Holder::Unasked;
    }
    if K::MARKED && K::CHAIN {
        ctx.cluster.mark::<K>(fresh, false).await?;
        memory.marked = false;
    }
    Ok(())
}

/// Marks that are not needed any more go: of an object that somebody deleted and that holds nothing, of one that was
/// released, of an account that nothing uses. False: the object is gone.
pub(super) async fn keep_marks<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    fresh: &K::Object,
    memory: &mut Memory<K>,
    chain: &Chain,
    hold: Option<&InstanceHoldSpec>,
) -> Result<bool, ClusterError> {
    let gone = fresh.meta().deletion_timestamp.is_some() && K::may_go(ctx, fresh, &chain.record);
    let present = fresh.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let used = K::in_use(ctx, fresh, &chain.record);
    let over = gone || chain.record.released || !used;
    if !K::MARKED || !present || !over {
        return Ok(!gone);
    }
    if !used && K::used_anywhere(ctx, fresh).await? {
        return Ok(true);
    }
    if K::HOLDS
        && let Some(spec) = hold
    {
        ctx.cluster.unhold(spec).await?;
        memory.holder = Holder::Unasked;
    }
    ctx.cluster.mark::<K>(fresh, false).await?;
    memory.marked = false;
    Ok(!gone)
}
