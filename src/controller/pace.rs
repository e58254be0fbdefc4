//! How soon an object is looked at again where AWS refuses, is slow, or does not answer.
//!
//! Each change has a wait of its own: what is denied to one step must not slow down the repair of another.

use std::time::{Duration, Instant};

use super::settings::Settings;
use crate::cloud::error::CloudError;
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::executor::Send as Sending;
use crate::playbook::step::Change;

/// What was refused, and how often in a row looking led nowhere.
#[derive(Debug)]
pub(super) struct Pace<E> {
    refused: Vec<Refused<E>>,
    /// Looks in a row to which AWS gave no answer.
    unanswered: u32,
    /// Turns in a row that only repeated what was sent before.
    repeats: u32,
}

/// A change that AWS refused.
#[derive(Debug)]
struct Refused<E> {
    change: E,
    attempts: u32,
    /// Nothing but a person can mend it.
    for_good: bool,
    due: Instant,
}

impl<E> Default for Pace<E> {
    fn default() -> Self {
        Self { refused: Vec::new(), unanswered: 0, repeats: 0 }
    }
}

impl<E: Change> Pace<E> {
    /// A reply came.
    pub(super) fn replied(
        &mut self,
        settings: &Settings,
        change: &E,
        reply: &Result<Receipt, CloudError>,
        now: Instant,
    ) {
        let known = self.refused.iter().position(|refused| refused.change == *change);
        let attempts = known.map_or(0, |at| self.refused.swap_remove(at).attempts);
        let Err(error) = reply else { return };
        let for_good = error.needs_a_person();
        let limit = if for_good { settings.patience } else { settings.backoff_limit };
        let attempts = attempts.saturating_add(1);
        let due = now + backoff(settings, attempts, limit);
        self.refused.push(Refused { change: change.clone(), attempts, for_good, due });
    }

    /// Whether a change is not sent now, since it was refused a short time ago. What closes an interface is held back only
    /// where nothing but a person can help; and so is nothing under an intent that was written for this very send.
    pub(super) fn holds(&self, sending: &Sending<E>, now: Instant) -> bool {
        let change = &sending.order.change;
        let urgent = matches!(change.intent(), Some(Effect::ReplaceSecurityGroups { .. }));
        !sending.order.first
            && self
                .refused
                .iter()
                .any(|refused| refused.change == *change && now < refused.due && (refused.for_good || !urgent))
    }

    /// How a turn went that is followed by a rest. What is not wanted any more is forgotten.
    pub(super) fn rests(&mut self, wanted: &[&E], unanswered: bool, repeats: bool) {
        self.refused.retain(|refused| wanted.contains(&&refused.change));
        self.unanswered = if unanswered { self.unanswered.saturating_add(1) } else { 0 };
        self.repeats = if repeats { self.repeats.saturating_add(1) } else { 0 };
    }

    /// When to look again: the smallest wish of all. `wish` is the plan's.
    pub(super) fn wait(&self, settings: &Settings, wish: Option<u32>, now: Instant) -> Option<Duration> {
        let wish = wish.map(|seconds| spread(settings, Duration::from_secs(u64::from(seconds))));
        let tried = self.refused.iter().map(|refused| refused.due.saturating_duration_since(now)).min();
        let of = |count: u32| (count > 0).then(|| backoff(settings, count, settings.backoff_limit));
        [wish, tried, of(self.unanswered), of(self.repeats)].into_iter().flatten().min()
    }
}

/// Doubles up to a limit.
pub(super) fn backoff(settings: &Settings, attempts: u32, limit: Duration) -> Duration {
    let factor = 2u32.saturating_pow(attempts.saturating_sub(1).min(16));
    spread(settings, settings.backoff.saturating_mul(factor).min(limit))
}

/// Spreads waits, so that what began together does not stay together.
fn spread(settings: &Settings, wait: Duration) -> Duration {
    let share = f64::from(settings.jitter_percent) / 100.0;
    wait.mul_f64(1.0 + share * (fastrand::f64() - 0.5))
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
