//! The one place that asks for the time.

use crate::playbook::Time;

/// Now, by this machine's clock. Order never depends on it: the chain is ordered by index.
#[allow(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Time {
    Time::now()
}
