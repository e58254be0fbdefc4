//! Foreign changes that come again and again: written down once an interval, and not each time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Time;
use super::attribute::Value;

/// Foreign values that were repaired a short time ago.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The values, at most [`DRIFT_VALUES`]: who flips faster than that is counted, not listed.
    pub foreign: BTreeSet<Value>,
    /// When one was first written down.
    pub at: Time,
}

/// Foreign values that are listed for one attribute and interval.
pub const DRIFT_VALUES: usize = 8;

impl Drift {
    pub(super) const fn new(at: Time) -> Self {
        Self { foreign: BTreeSet::new(), at }
    }

    /// Notes a value that was written down; a new interval begins where it is listed already, or too many are.
    pub(super) fn note(&mut self, foreign: &Value, at: Time) {
        if self.foreign.len() >= DRIFT_VALUES || self.foreign.contains(foreign) {
            *self = Self::new(at);
        }
        self.foreign.insert(foreign.clone());
    }

    /// Whether a value was written down so short a time ago that it is not worth a record.
    pub fn is_recent(&self, foreign: &Value, now: Time, coalesce_seconds: i64) -> bool {
        (self.foreign.contains(foreign) || self.foreign.len() >= DRIFT_VALUES)
            && now.as_second() - self.at.as_second() < coalesce_seconds
    }
}
