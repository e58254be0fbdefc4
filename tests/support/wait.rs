//! Waiting for a fact, with a limit and with the reason why it has not come.

use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

const INTERVAL: Duration = Duration::from_millis(20);

/// Asks again and again until the probe gives a value; its last complaint is in the error.
pub async fn try_until<T, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<T, String>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let end = Instant::now() + limit;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "the first probe did not return".to_owned();
    loop {
        ticks.tick().await;
        match tokio::time::timeout_at(end, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => last = why,
            Err(_) => return Err(format!("no {what} within {limit:?}: {last}")),
        }
        if Instant::now() >= end {
            return Err(format!("no {what} within {limit:?}: {last}"));
        }
    }
}

/// As `try_until`, for where nothing can go on without it.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    try_until(what, limit, probe).await.unwrap_or_else(|why| panic!("{why}"))
}
