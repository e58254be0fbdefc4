//! What reads were answered, to answer them so again.

use super::call::Call;
use super::reply::Reply;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Instant;

/// Enough for a lag of seconds at any rate of polling that a controller has.
const KEPT: usize = 200;

#[derive(Default)]
pub(super) struct Replay(Mutex<BTreeMap<String, VecDeque<(Instant, Reply)>>>);

impl Replay {
    pub fn record(&self, call: &Call, reply: &Reply) {
        let mut all = self.0.lock().expect("no holder panics");
        let replies = all.entry(call.request()).or_default();
        if replies.len() == KEPT {
            replies.pop_front();
        }
        replies.push_back((Instant::now(), reply.clone()));
    }

    /// The last reply to this request that was no younger than that, where there is one.
    pub fn find(&self, call: &Call, as_of: Instant) -> Option<Reply> {
        let all = self.0.lock().expect("no holder panics");
        let replies = all.get(&call.request())?;
        replies.iter().rev().find(|(at, _)| *at <= as_of).map(|(_, reply)| reply.clone())
    }
}
