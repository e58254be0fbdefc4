//! Turn after turn until an object rests, and when it wants to be looked at again.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::cluster::ClusterError;
use super::context::Context;
use super::kind::Kind;
use super::settings::Settings;
use super::turn::{Memory, Turned, turn};
use crate::cloud::Cloud;
use crate::cloud::error::ErrorClass;
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
            Ok(Turned::Rested { again_in, error, result }) => {
                ctx.metrics.turns.get_or_create(&labels(result)).inc();
                memory.attempts = if error.is_some() { memory.attempts.saturating_add(1) } else { 0 };
                return Ok(wait(&ctx.settings, memory.attempts, again_in, error));
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

/// When to look again: the smallest wish of the plan, or the back-off of the gravest error.
fn wait(settings: &Settings, attempts: u32, again_in: Option<u32>, error: Option<ErrorClass>) -> Action {
    match (error, again_in) {
        (Some(ErrorClass::Denied | ErrorClass::Invalid), _) => {
            Action::requeue(backoff(settings, attempts, settings.patience))
        }
        (Some(_), _) => Action::requeue(backoff(settings, attempts, settings.backoff_limit)),
        (None, Some(0)) => Action::requeue(Duration::ZERO),
        (None, Some(seconds)) => Action::requeue(spread(settings, Duration::from_secs(u64::from(seconds)))),
        (None, None) => Action::await_change(),
    }
}

/// Doubles up to a limit.
fn backoff(settings: &Settings, attempts: u32, limit: Duration) -> Duration {
    let factor = 2u32.saturating_pow(attempts.saturating_sub(1).min(16));
    spread(settings, settings.backoff.saturating_mul(factor).min(limit))
}

/// Spreads waits, so that what began together does not stay together.
fn spread(settings: &Settings, wait: Duration) -> Duration {
    let share = f64::from(settings.jitter_percent) / 100.0;
    wait.mul_f64(1.0 + share * (fastrand::f64() - 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let settings = Settings { jitter_percent: 0, ..Settings::default() };
        let waits: Vec<u64> = (1..9).map(|n| backoff(&settings, n, Duration::from_mins(1)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
