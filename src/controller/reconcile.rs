//! Turn after turn until an object rests, and when it wants to be looked at again.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::cluster::ClusterError;
use super::context::Context;
use super::kind::Kind;
use super::pace::backoff;
use super::turn::{Memory, Turned, turn};
use crate::cloud::Cloud;
use crate::metrics::TurnLabels;

/// Turns that one reconcile takes before others get their chance.
const TURNS: usize = 12;

/// Runs turns of one object.
pub async fn reconcile<K: Kind, C: Cloud>(
    object: Arc<K::Object>,
    ctx: Arc<Context<C>>,
) -> Result<Action, ClusterError> {
    if !K::is_ours(&ctx, &object) {
        return Ok(Action::await_change());
    }
    let uid = object.uid().unwrap_or_default();
    let memory = ctx.memory::<Memory<K>>(&uid);
    let mut memory = memory.lock().await;
    let labels = |result| TurnLabels { kind: K::KIND, result };
    for _ in 0..TURNS {
        if !ctx.fence.permits(false) {
            return Ok(Action::requeue(Duration::from_secs(1)));
        }
        match turn::<K, C>(&ctx, &object, &mut memory).await {
            Ok(Turned::Gone) => {
                drop(memory);
                ctx.forget(&uid);
                return Ok(Action::await_change());
            }
            Ok(Turned::Again) => {
                ctx.metrics.turns.get_or_create(&labels("working")).inc();
            }
            Ok(Turned::Rested { wait, result }) => {
                ctx.metrics.turns.get_or_create(&labels(result)).inc();
                memory.attempts = 0;
                return Ok(wait.map_or_else(Action::await_change, Action::requeue));
            }
            Err(error) => {
                ctx.metrics.turns.get_or_create(&labels("error")).inc();
                memory.attempts = memory.attempts.saturating_add(1);
                let delay = backoff(&ctx.settings, memory.attempts, ctx.settings.backoff_limit);
                tracing::warn!(kind = K::KIND, name = %object.name_any(), %error, ?delay, "a turn failed");
                return Ok(Action::requeue(delay));
            }
        }
    }
    Ok(Action::requeue(Duration::ZERO))
}
