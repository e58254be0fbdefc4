//! The rules in force, in the order in which they were added; the first that takes a call decides.

use super::super::wait;
use super::call::Call;
use super::fault::Fault;
use super::serve::Shared;
use super::when::When;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One rule, with what it has done so far.
pub(super) struct Rule {
    when: When,
    pub fault: Fault,
    hits: AtomicU64,
    held: AtomicU64,
    released: watch::Sender<bool>,
}

impl Rule {
    /// Waits until the rule is released; calls that come after that pass at once.
    pub async fn hold(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        let mut released = self.released.subscribe();
        // The sender lives in the rule.
        let _ = released.wait_for(|released| *released).await;
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(super) struct Rules(Mutex<Vec<Arc<Rule>>>);

impl Rules {
    pub fn add(&self, when: When, fault: Fault) -> Arc<Rule> {
        let rule =
            Rule { when, fault, hits: AtomicU64::new(0), held: AtomicU64::new(0), released: watch::Sender::new(false) };
        let rule = Arc::new(rule);
        self.all().push(Arc::clone(&rule));
        rule
    }

    pub fn first(&self, call: &Call) -> Option<Arc<Rule>> {
        let taken = self.all().iter().find(|rule| rule.takes(call)).map(Arc::clone)?;
        taken.hits.fetch_add(1, Ordering::SeqCst);
        Some(taken)
    }

    pub fn clear(&self) {
        for rule in self.all().drain(..) {
            rule.released.send_replace(true);
        }
    }

    fn remove(&self, rule: &Arc<Rule>) {
        self.all().retain(|other| !Arc::ptr_eq(other, rule));
        rule.released.send_replace(true);
    }

    /// A test's predicate may panic; that must not take the proxy with it.
    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Rule>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn takes(&self, call: &Call) -> bool {
        match &self.fault {
            Fault::Bucket(bucket) => self.when.takes(call) && !bucket.take(call),
            // Nothing to be stale about.
            Fault::Stale(_) | Fault::Unseen if call.mutates => false,
            _ => self.when.takes(call),
        }
    }
}

/// A rule that was added, for the test that added it. The rule stays when this is dropped.
pub struct RuleHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) rule: Arc<Rule>,
}

impl RuleHandle {
    /// Lets go what the rule holds, now and from now on; has late calls applied.
    pub fn release(&self) {
        self.rule.released.send_replace(true);
    }

    /// Takes the rule away, and lets go what it holds.
    pub fn remove(&self) {
        self.shared.rules.remove(&self.rule);
    }

    /// How many calls it has decided about.
    pub fn hits(&self) -> u64 {
        self.rule.hits.load(Ordering::SeqCst)
    }

    /// How many calls it holds now, or has yet to apply.
    pub fn held(&self) -> u64 {
        self.rule.held.load(Ordering::SeqCst)
    }

    /// Waits until it holds so many.
    pub async fn wait_held(&self, count: u64, limit: Duration) {
        let what = format!("{count} held calls");
        wait::until(&what, limit, async || match self.held() {
            held if held >= count => Ok(()),
            held => Err(format!("{held} held")),
        })
        .await;
    }
}
