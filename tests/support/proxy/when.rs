//! Which calls a rule is about.

use super::call::Call;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Test = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// A condition on calls, and which of the calls that meet it count: all, the n-th, the first k, those until a time.
#[derive(Default)]
pub struct When {
    tests: Vec<Test>,
    skip: u64,
    times: Option<u64>,
    until: Option<Instant>,
    seen: AtomicU64,
}

impl When {
    pub fn any() -> Self {
        Self::default()
    }

    /// Calls of this action, or for REST of this method and path.
    pub fn operation(name: &str) -> Self {
        Self::operations([name])
    }

    pub fn operations<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        Self::any().filter(move |call| names.contains(&call.operation))
    }

    pub fn mutations() -> Self {
        Self::any().filter(|call| call.mutates)
    }

    pub fn reads() -> Self {
        Self::any().filter(|call| !call.mutates)
    }

    /// By the name in the credential scope.
    #[must_use]
    pub fn service(self, name: &str) -> Self {
        let name = name.to_owned();
        self.filter(move |call| call.service == name)
    }

    #[must_use]
    pub fn account(self, account: &str) -> Self {
        let account = account.to_owned();
        self.filter(move |call| call.account() == Some(&account))
    }

    #[must_use]
    pub fn region(self, region: &str) -> Self {
        let region = region.to_owned();
        self.filter(move |call| call.region == region)
    }

    #[must_use]
    pub fn parameter(self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.filter(move |call| call.parameter(&name) == Some(&value))
    }

    #[must_use]
    pub fn filter(mut self, test: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.tests.push(Box::new(test));
        self
    }

    /// Only the n-th call that meets the condition (and, with `times` after this, those that follow it). From 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.skip = n.checked_sub(1).expect("the first call is number 1");
        self.times(1)
    }

    /// At most so many calls.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// For so long, from now on.
    #[must_use]
    pub fn during(mut self, time: Duration) -> Self {
        self.until = Some(Instant::now() + time);
        self
    }

    /// Whether the condition is met, the count left aside.
    pub(super) fn meets(&self, call: &Call) -> bool {
        self.until.is_none_or(|until| Instant::now() < until) && self.tests.iter().all(|test| test(call))
    }

    /// Counts a call that meets the condition, and says whether it is one of those meant.
    pub(super) fn takes(&self, call: &Call) -> bool {
        if !self.meets(call) {
            return false;
        }
        let before = self.seen.fetch_add(1, Ordering::SeqCst);
        before.checked_sub(self.skip).is_some_and(|index| self.times.is_none_or(|times| index < times))
    }
}
