//! The first half of a turn: all questions side by side, to the API server and to AWS.

use kube::ResourceExt;

use super::accounts::nowhere;
use super::cluster::ClusterError;
use super::context::Context;
use super::custody::{self, Chain, ChainError};
use super::hold::prepare;
use super::kind::{Kind, Site, noted};
use super::turn::{Memory, object_ref};
use crate::cloud::{Cloud, Place};
use crate::playbook::chain::ObjectRef;
use crate::playbook::record::Record;
use crate::playbook::step::{Account, Refusal};

/// What was looked at, all of it at once.
pub(super) struct Looked<K: Kind> {
    pub fresh: K::Object,
    pub object: ObjectRef,
    pub site: Option<Site>,
    pub place: Option<Place>,
    pub rules: Account,
    pub chain: Result<Chain, (String, Chain)>,
    pub identity: Result<Option<String>, Refusal>,
    pub seen: K::Seen,
    /// Why finalizer or hold could not be seen to, of an object that has begun.
    pub unheld: Option<ClusterError>,
}

/// Observes. Nothing: the object is gone.
pub(super) async fn look<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    known: &K::Object,
    memory: &mut Memory<K>,
    record: &Record,
) -> Result<Option<Looked<K>>, ClusterError> {
    let object = object_ref::<K>(known);
    let site = K::site(known);
    let namespace = known.namespace();
    let (rules, place) = match &site {
        Some(site) => ctx.rules(site, namespace.as_deref().unwrap_or_default()).await,
        None => (nowhere(), None),
    };
    let begun = memory.chain.as_ref().or(memory.broken.as_ref()).is_some_and(|chain| chain.record.opened.is_some());
    let admitted = begun || site.is_none() || admitted(site.as_ref(), &rules);
    let looking = place.as_ref().filter(|_| admitted);

    let api = K::api(ctx.cluster.client(), namespace.as_deref());
    let name = known.name_any();
    // AWS first: it is the farthest, and what is asked of it goes out before any other question is put together.
    let (seen, fresh, chain, identity, taken) = tokio::join!(
        biased;
        K::observe(ctx, known, looking, &rules, record),
        ctx.cluster.fetch(&api, &name),
        head::<K, C>(ctx, &object, memory.chain.clone(), known),
        identity(ctx, looking),
        prepare::<K, C>(ctx, known, memory, &object, site.as_ref(), &rules, admitted),
    );
    let Some(fresh) = fresh?.filter(|fresh| fresh.uid() == known.uid()) else { return Ok(None) };
    let chain = match chain {
        Ok(chain) => Ok(chain),
        Err(ChainError::Cluster(error)) => return Err(error),
        Err(ChainError::Broken { why, readable }) => Err((why, *readable)),
    };
    let unheld = match (taken, &chain) {
        (Ok(taken), _) => {
            (memory.holder, memory.marked) = taken;
            None
        }
        (Err(error), Ok(chain)) if chain.record.opened.is_some() && !chain.record.released => Some(error),
        (Err(error), _) => return Err(error),
    };
    let rules = match &chain {
        Ok(_) => Account { ready: rules.ready.clone().and(identity.clone().map(|_| ())), ..rules },
        Err(_) => rules,
    };
    Ok(Some(Looked { fresh, object, site, place, rules, chain, identity, seen, unheld }))
}

/// Whether a new object may look at AWS at all: a tenant learns nothing of an account that is not theirs.
fn admitted(site: Option<&Site>, rules: &Account) -> bool {
    let region = site.and_then(|site| site.region.as_ref());
    rules.ready.is_ok() && rules.namespace_allowed && region.is_none_or(|region| rules.regions.contains(region))
}

async fn head<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    object: &ObjectRef,
    known: Option<Chain>,
    subject: &K::Object,
) -> Result<Chain, ChainError> {
    if !K::CHAIN {
        return Ok(Chain::default());
    }
    match known {
        Some(chain) => custody::catch_up(&ctx.cluster, K::SHORT, object, chain).await,
        None => custody::open(&ctx.cluster, K::SHORT, object, noted(&K::standing(subject).0).as_ref()).await,
    }
}

/// Who we are where the object works: the principal in its records.
async fn identity<C: Cloud>(ctx: &Context<C>, place: Option<&Place>) -> Result<Option<String>, Refusal> {
    match place {
        Some(place) => ctx.principal(&place.access).await.map(Some),
        None => Ok(None),
    }
}
