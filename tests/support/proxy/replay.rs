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

    /// What this request showed at that time, or, where it was first asked later, what it showed first. A request that
    /// was never asked before `live` gets that: there is nothing older.
    pub fn as_of(&self, call: &Call, as_of: Instant, live: Reply) -> Reply {
        let all = self.0.lock().expect("no holder panics");
        let replies = all.get(&call.request());
        let then = replies.and_then(|replies| replies.iter().rev().find(|(at, _)| *at <= as_of).or(replies.front()));
        then.map_or(live, |(_, reply)| reply.clone())
    }
}
