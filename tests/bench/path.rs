//! How many calls lie one behind another.

use crate::support::proxy::Call;
use std::time::Instant;

/// Length of the longest chain of AWS calls in which each began after the one before had ended, up to `last`, and the
/// custody records between them: one before each stage that changes something.
pub fn serial(calls: &[Call], last: Instant) -> usize {
    let mut waves: Vec<(Instant, bool)> = Vec::new();
    let mut sorted: Vec<&Call> = calls.iter().filter(|call| call.started <= last).collect();
    sorted.sort_by_key(|call| call.started);
    for call in sorted {
        let end = call.ended.unwrap_or(last);
        match waves.last_mut() {
            Some((ends, mutates)) if call.started < *ends => {
                // Side by side: the wave ends with what ended first, since only that can have been waited for.
                *ends = (*ends).min(end);
                *mutates |= call.mutates;
            }
            _ => waves.push((end, call.mutates)),
        }
    }
    let records = waves.iter().filter(|(_, mutates)| *mutates).count();
    waves.len() + records
}
