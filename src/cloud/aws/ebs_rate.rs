//! A rate of calls, slower for a while when AWS throttles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Slower than this share of what is wished it never is.
const SLOWEST: u32 = 64;

/// How long it stays as it is after it was slowed: what is under way is throttled too, and tells nothing new.
const CALM: Duration = Duration::from_secs(1);

/// How late a turn may be taken without being lost: timers have milliseconds, and turns may be shorter.
const LATE: Duration = Duration::from_millis(50);

/// The rates of one account and Region. All who read at the same rate share it, since AWS counts them together.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<HashMap<u32, Arc<Rate>>>);

impl Rates {
    pub(super) fn of(&self, per_second: u32) -> Arc<Rate> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rates.entry(per_second).or_insert_with(|| Arc::new(Rate::new(per_second))))
    }
}

/// Turns, one after the other.
#[derive(Debug)]
pub(super) struct Rate(Mutex<Turns>);

#[derive(Debug)]
struct Turns {
    shortest: Duration,
    apart: Duration,
    next: Option<Instant>,
    slowed: Option<Instant>,
}

impl Rate {
    /// So many a second; at least one.
    pub(super) fn new(per_second: u32) -> Self {
        let shortest = Duration::from_secs(1) / per_second.max(1);
        Self(Mutex::new(Turns { shortest, apart: shortest, next: None, slowed: None }))
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) {
        let at = self.turns().take(Instant::now());
        sleep_until(at).await;
    }

    /// A call was throttled.
    pub(super) fn slow(&self) {
        self.turns().slow(Instant::now());
    }

    /// A call was not.
    pub(super) fn well(&self) {
        self.turns().well();
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn take(&mut self, now: Instant) -> Instant {
        let earliest = now.checked_sub(LATE).unwrap_or(now);
        let at = self.next.map_or(now, |next| next.max(earliest));
        self.next = Some(at + self.apart);
        at
    }

    fn slow(&mut self, now: Instant) {
        let since = self.slowed.map(|slowed| now.duration_since(slowed));
        if since.is_none_or(|since| since >= CALM) {
            // Throttled again at once it is much too fast; after a while without, it has just come too near.
            let share = if since.is_none_or(|since| since < CALM * 3) { 4 } else { 16 };
            self.slowed = Some(now);
            self.apart = (self.apart + self.apart / share).min(self.shortest * SLOWEST);
        }
    }

    fn well(&mut self) {
        self.apart = self.apart.saturating_sub(self.apart / 1024).max(self.shortest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> (Turns, Instant) {
        let rate = Rate::new(100);
        (rate.0.into_inner().unwrap(), Instant::now())
    }

    #[test]
    fn who_reads_at_the_same_rate_shares_it() {
        let rates = Rates::default();
        let slow = rates.of(100);
        assert!(Arc::ptr_eq(&slow, &rates.of(100)) && !Arc::ptr_eq(&slow, &rates.of(500)));
    }

    #[test]
    fn turns_come_evenly_and_few_are_made_up_for() {
        let (mut turns, start) = turns();
        let ms = Duration::from_millis;
        let taken: Vec<Duration> = (0..4).map(|_| turns.take(start).duration_since(start)).collect();
        assert_eq!(taken, [ms(0), ms(10), ms(20), ms(30)]);
        // Nobody came for a second: no more than what fits into 50 ms is made up for.
        let later = start + ms(1000);
        let soon = (0..20).filter(|_| turns.take(later) <= later).count();
        assert_eq!(soon, 6);
    }

    #[test]
    fn throttles_slow_it_once_a_second_and_success_makes_it_fast_again() {
        let (mut turns, start) = turns();
        for _ in 0..50 {
            turns.slow(start);
        }
        assert_eq!(turns.apart, Duration::from_micros(12_500), "one burst of throttles is one");
        for second in 1..100 {
            turns.slow(start + Duration::from_secs(second));
        }
        assert_eq!(turns.apart, Duration::from_millis(640), "it never stops");
        for _ in 0..100 {
            turns.well();
        }
        let before = turns.apart;
        turns.slow(start + Duration::from_secs(110));
        assert_eq!(turns.apart, before + before / 16, "near what is allowed it is slowed by little");
        for _ in 0..10_000 {
            turns.well();
        }
        assert_eq!(turns.apart, turns.shortest);
    }
}
