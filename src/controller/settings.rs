//! Times are settings: one place, sane defaults, checked at start.

use std::time::Duration;

use crate::playbook::effect::Effect;
use crate::playbook::step::Limits;

/// All times and bounds of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a lease is valid after its renewal. Another replica may act after that. Longer than two requests: what is
    /// opened for a moment has to be closed within it. Default 30 s.
    pub lease: Duration,
    /// How long before its end the lease is renewed; longer than a request may take, so that what may not be sent
    /// twice never has to wait for a renewal. Default 20 s.
    pub lease_margin: Duration,
    /// Longest time that one request to AWS or to the API server may take. Default 10 s.
    pub request_deadline: Duration,
    /// How far AWS's answers may lag behind its state. Default 30 s.
    pub visibility_lag: Duration,
    /// How far clocks of replicas may differ. Default 5 s.
    pub clock_skew: Duration,
    /// W: how old an intent without a token must be before its absence in AWS means that it may be sent again.
    /// Longer than lease + request deadline + visibility lag + clock skew. Default 90 s.
    pub settle: Duration,
    /// How often AWS is asked about work that it does by itself. Default 5 s.
    pub poll: Duration,
    /// How often a repeated foreign change is written down. Default 1 h.
    pub coalesce: Duration,
    /// First wait after an error; doubles. Default 1 s.
    pub backoff: Duration,
    /// Longest wait after an error that may pass by itself. Default 60 s.
    pub backoff_limit: Duration,
    /// Wait after an error that a person must mend, unless something changes before. Default 5 min.
    pub patience: Duration,
    /// How often it is proved that the admission policies are enforced. Default 1 h.
    pub proof: Duration,
    /// How many objects of a kind are worked on side by side. Default 32.
    pub concurrency: u16,
    /// How many snapshots are read at the same time, to verify their bytes. Each takes 24 MiB. Default 2.
    pub digests: u16,
    /// Blocks of 512 KiB read a second, at most, in one account and Region; AWS allows 1,000, which backup software may
    /// need too. The budget of an AwsAccount can only lower it. Default 500.
    pub digest_rate: u32,
    /// How far waits are spread, in per cent of their length, so that what began together does not stay together.
    /// Default 10.
    pub jitter_percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            lease_margin: Duration::from_secs(20),
            request_deadline: Duration::from_secs(10),
            visibility_lag: Duration::from_secs(30),
            clock_skew: Duration::from_secs(5),
            settle: Duration::from_secs(90),
            poll: Duration::from_secs(5),
            coalesce: Duration::from_hours(1),
            backoff: Duration::from_secs(1),
            backoff_limit: Duration::from_mins(1),
            patience: Duration::from_mins(5),
            proof: Duration::from_hours(1),
            concurrency: 32,
            digests: 2,
            digest_rate: 500,
            jitter_percent: 10,
        }
    }
}

/// Settings under which evidence could be taken twice, or a lease could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// W is too short.
    #[error(
        "settle is {settle:?}, but must be longer than lease + request-deadline + visibility-lag + clock-skew = {least:?}: \
         a set whose reply was lost could be taken twice"
    )]
    SettleTooShort {
        /// As set.
        settle: Duration,
        /// What it must exceed.
        least: Duration,
    },
    /// The lease is renewed too late.
    #[error(
        "lease-margin is {margin:?}, but must be longer than request-deadline = {deadline:?} and shorter than lease = {lease:?}"
    )]
    MarginOutOfRange {
        /// As set.
        margin: Duration,
        /// The request deadline.
        deadline: Duration,
        /// The lease.
        lease: Duration,
    },
    /// The lease is too short for a pulse.
    #[error(
        "lease is {lease:?}, but must be longer than {least:?}, two of request-deadline and the time until a renewal is seen: \
         what is opened for a moment could not be closed within it"
    )]
    LeaseTooShort {
        /// As set.
        lease: Duration,
        /// What it must exceed.
        least: Duration,
    },
    /// A time that must be some.
    #[error("{0} must be more than 0 seconds, and a number")]
    None(&'static str),
    /// A number that must be some.
    #[error("{0} must be at least 1: else no evidence would ever be verified")]
    Nothing(&'static str),
    /// The lease is not a number of whole seconds: the Lease object holds no other.
    #[error("{name} is {value:?}, but must be whole seconds and at least one")]
    NotWholeSeconds {
        /// Which.
        name: &'static str,
        /// As set.
        value: Duration,
    },
}

impl Settings {
    /// Refuses settings that are not safe.
    pub fn check(&self) -> Result<(), Unsafe> {
        for (name, value) in [("lease", self.lease), ("lease-margin", self.lease_margin)] {
            if value.subsec_nanos() != 0 || value.is_zero() {
                return Err(Unsafe::NotWholeSeconds { name, value });
            }
        }
        for (name, value) in [
            ("request-deadline", self.request_deadline),
            ("poll", self.poll),
            ("coalesce", self.coalesce),
            ("backoff", self.backoff),
            ("backoff-limit", self.backoff_limit),
            ("patience", self.patience),
        ] {
            if value.is_zero() {
                return Err(Unsafe::None(name));
            }
        }
        for (name, value) in [("digests", u32::from(self.digests)), ("digest-rate", self.digest_rate)] {
            if value == 0 {
                return Err(Unsafe::Nothing(name));
            }
        }
        if self.lease_margin <= self.request_deadline || self.lease_margin >= self.lease {
            return Err(Unsafe::MarginOutOfRange {
                margin: self.lease_margin,
                deadline: self.request_deadline,
                lease: self.lease,
            });
        }
        let least = self.request_deadline * Effect::REQUESTS_OF_A_PULSE + self.lease_tick();
        if self.lease <= least {
            return Err(Unsafe::LeaseTooShort { lease: self.lease, least });
        }
        let least = self.lease + self.request_deadline + self.visibility_lag + self.clock_skew;
        if self.settle <= least {
            return Err(Unsafe::SettleTooShort { settle: self.settle, least });
        }
        Ok(())
    }

    /// How often our own lease is read.
    pub fn lease_tick(&self) -> Duration {
        self.lease.saturating_sub(self.lease_margin) / 4
    }

    /// The times that decisions depend on.
    pub fn limits(&self) -> Limits {
        Limits {
            // Times in the chain are compared by whole seconds: round up, never down.
            settle_seconds: i64::try_from(self.settle.as_secs()).unwrap_or(i64::MAX - 1) + 1,
            coalesce_seconds: i64::try_from(self.coalesce.as_secs()).unwrap_or(i64::MAX),
            poll_seconds: u32::try_from(self.poll.as_secs().max(1)).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_safe() {
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn a_wait_that_lease_and_lags_can_outlast_is_refused() {
        let settings = Settings { settle: Duration::from_secs(75), ..Settings::default() };
        let refusal = settings.check().unwrap_err();
        assert_eq!(refusal, Unsafe::SettleTooShort { settle: Duration::from_secs(75), least: Duration::from_secs(75) });
        assert!(refusal.to_string().contains("taken twice"), "{refusal}");
    }

    #[test]
    fn no_time_at_all_is_refused_by_name() {
        let settings = Settings { backoff: Duration::ZERO, ..Settings::default() };
        assert_eq!(settings.check(), Err(Unsafe::None("backoff")));
    }

    #[test]
    fn no_reader_at_all_is_refused_by_name() {
        let none = Settings { digests: 0, ..Settings::default() };
        assert_eq!(none.check(), Err(Unsafe::Nothing("digests")));
        let still = Settings { digest_rate: 0, ..Settings::default() };
        assert_eq!(still.check(), Err(Unsafe::Nothing("digest-rate")));
    }

    #[test]
    fn a_lease_renewed_within_a_request_deadline_is_refused() {
        let settings = Settings { lease_margin: Duration::from_secs(10), ..Settings::default() };
        assert!(matches!(settings.check(), Err(Unsafe::MarginOutOfRange { .. })));
    }

    #[test]
    fn a_lease_within_which_a_pulse_does_not_fit_is_refused() {
        let times = |lease| Settings {
            lease: Duration::from_secs(lease),
            lease_margin: Duration::from_secs(12),
            settle: Duration::from_mins(5),
            ..Settings::default()
        };
        assert!(matches!(times(20).check(), Err(Unsafe::LeaseTooShort { .. })));
        assert_eq!(times(30).check(), Ok(()));
    }
}
