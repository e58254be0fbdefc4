//! From a decision to the status that people read: one write, and only if it says anything new.

use kube::Resource;

use super::cluster::ClusterError;
use super::context::Context;
use super::custody::Chain;
use super::events;
use super::kind::{Kind, Site, Told};
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
    ctx.cluster.project::<K>(fresh, &status).await?;
    ctx.metrics.statuses.inc();
    // What is announced can be read in the object.
    events::announce::<K, C>(ctx, fresh, &before, &after);
    Ok(())
}
