//! From a decision to the status that people read: one write, and only if it says anything new.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::{Resource, ResourceExt};
use serde_json::Value as Json;

use super::cluster::ClusterError;
use super::context::{Context, Shared};
use super::custody::Chain;
use super::events;
use super::kind::{Kind, Site, Told};
use crate::api::FINALIZER;
use crate::clock::now;
use crate::cloud::Cloud;
use crate::cloud::error::CloudError;
use crate::playbook::decide::Plan;
use crate::playbook::project::{Before, Verdict, conditions, verdict};
use crate::playbook::step::{Account, Subject};

/// Writes the status, if it says anything new.
#[allow(clippy::too_many_arguments)]
pub(super) async fn project<K: Kind, C: Cloud>(
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
    let after = conditions.clone();
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
    // Before it is sent: the watch may be quicker than the reply.
    ctx.projected.note(&subject.uid, &status);
    ctx.cluster.project::<K>(fresh, &status).await?;
    ctx.metrics.statuses.inc();
    // What is announced can be read in the object.
    events::announce::<K, C>(ctx, fresh, &before, &after);
    Ok(())
}

/// What was last written into the status of each object, by its uid.
#[derive(Debug, Default)]
pub struct Projected(Shared<String, u64>);

impl Projected {
    fn note(&self, uid: &str, status: &Json) {
        self.0.put(uid.to_owned(), Some(hash_of(status)));
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.0.put(uid.to_owned(), None);
    }

    /// Changes with whatever somebody else did to an object: a status is news unless it is what we wrote, and so is a
    /// finalizer that is not ours.
    pub(super) fn news<K: Kind>(&self, object: &K::Object) -> u64 {
        let meta = object.meta();
        let finalizers: Vec<&String> = object.finalizers().iter().filter(|name| *name != FINALIZER).collect();
        let (status, _) = K::standing(object);
        let foreign = Some(hash_of(&status))
            .filter(|found| !status.is_null() && self.0.get(&object.uid().unwrap_or_default()) != Some(*found));
        let mut hasher = DefaultHasher::new();
        (meta.generation, finalizers, &meta.labels, &meta.annotations, foreign).hash(&mut hasher);
        hasher.finish()
    }
}

fn hash_of(status: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.hash(&mut hasher);
    hasher.finish()
}
