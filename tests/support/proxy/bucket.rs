//! AWS's token buckets: each call takes a token, and tokens come back at a steady rate.

use super::call::Call;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// One bucket for each account, Region and, unless shared, action.
pub struct Bucket {
    capacity: f64,
    refill_per_second: f64,
    per_operation: bool,
    levels: Mutex<BTreeMap<Key, (f64, Instant)>>,
}

/// Account, Region and action.
type Key = (String, String, String);

impl Bucket {
    /// Each action has its own.
    pub fn per_operation(capacity: u32, refill_per_second: f64) -> Self {
        let (capacity, levels) = (f64::from(capacity), Mutex::default());
        Self { capacity, refill_per_second, per_operation: true, levels }
    }

    /// All actions of the rule draw from one.
    pub fn shared(capacity: u32, refill_per_second: f64) -> Self {
        Self { per_operation: false, ..Self::per_operation(capacity, refill_per_second) }
    }

    /// Takes a token where there is one.
    pub(super) fn take(&self, call: &Call) -> bool {
        let account = call.account().unwrap_or(&call.principal.access_key).to_owned();
        let operation = if self.per_operation { call.operation.clone() } else { String::new() };
        let now = Instant::now();
        let mut levels = self.levels.lock().expect("no holder panics");
        let (level, filled) = levels.entry((account, call.region.clone(), operation)).or_insert((self.capacity, now));
        let back = now.duration_since(*filled).as_secs_f64() * self.refill_per_second;
        *level = (*level + back).min(self.capacity);
        *filled = now;
        let has = *level >= 1.0;
        if has {
            *level -= 1.0;
        }
        has
    }
}
