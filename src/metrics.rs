//! Counters in OpenMetrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Labels of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TurnLabels {
    /// Kind of the object.
    pub kind: &'static str,
    /// `settled`, `working`, `refused` or `error`.
    pub result: &'static str,
}

/// Labels of a change in AWS.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChangeLabels {
    /// API operation.
    pub operation: String,
    /// `accepted`, or the class of the error.
    pub result: String,
}

/// All counters of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Turns by kind and result.
    pub turns: Family<TurnLabels, Counter>,
    /// Changes by operation and result.
    pub changes: Family<ChangeLabels, Counter>,
    /// Custody records written.
    pub records: Counter,
    /// Statuses written.
    pub statuses: Counter,
    registry: Arc<Mutex<Registry>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let (turns, changes) = (Family::default(), Family::default());
        let (records, statuses) = (Counter::default(), Counter::default());
        let mut registry = Registry::with_prefix("sequester");
        registry.register("turns", "Turns of the reconciler, by kind and result", turns.clone());
        registry.register("aws_changes", "Changes asked of AWS, by operation and result", changes.clone());
        registry.register("custody_records", "Custody records written", records.clone());
        registry.register("status_writes", "Statuses written", statuses.clone());
        Self { turns, changes, records, statuses, registry: Arc::new(Mutex::new(registry)) }
    }
}

impl Metrics {
    /// The text that a scraper reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match encode(&mut text, &registry) {
            Ok(()) => text,
            Err(error) => format!("# not encoded: {error}\n# EOF\n"),
        }
    }
}
