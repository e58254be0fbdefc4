//! The record of all calls, and waiting for one of them.

use super::call::{Applied, Call, Outcome};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::watch;

#[derive(Default)]
struct Book {
    calls: Vec<Call>,
    last: u64,
}

pub(super) struct Ledger {
    book: Mutex<Book>,
    changed: watch::Sender<()>,
}

/// Nothing that was waited for came; shows what came instead.
#[derive(Debug)]
pub struct NoSuchCall(pub String);

impl Ledger {
    pub fn new() -> Self {
        Self { book: Mutex::default(), changed: watch::Sender::new(()) }
    }

    /// Gives the call its number and writes it down.
    pub fn arrive(&self, call: &mut Call) {
        let mut book = self.book.lock().expect("no holder panics");
        book.last += 1;
        call.sequence = book.last;
        book.calls.push(call.clone());
        drop(book);
        self.changed.send_replace(());
    }

    pub fn fault(&self, sequence: u64, fault: &'static str) {
        self.update(sequence, |call| call.faults.push(fault));
    }

    pub fn permitted(&self, sequence: u64, by: &BTreeSet<(String, String)>) {
        self.update(sequence, |call| call.permissions.extend(by.iter().cloned()));
    }

    pub fn applied(&self, sequence: u64, status: u16, code: Option<String>) {
        let applied = Applied { at: Instant::now(), status, code };
        self.update(sequence, |call| call.applied = Some(applied));
    }

    pub fn ended(&self, sequence: u64, outcome: Outcome, delivered: bool) {
        self.update(sequence, |call| {
            call.outcome = outcome;
            call.delivered = delivered;
            call.ended = Some(Instant::now());
        });
    }

    pub fn undelivered(&self, sequence: u64) {
        self.update(sequence, |call| call.delivered = false);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.book.lock().expect("no holder panics").calls.clone()
    }

    pub fn last(&self) -> u64 {
        self.book.lock().expect("no holder panics").last
    }

    pub fn clear(&self) {
        self.book.lock().expect("no holder panics").calls.clear();
    }

    /// The first call that meets the condition, as soon as there is one; it is asked again at each change of a call.
    pub async fn wait_for(&self, meets: impl Fn(&Call) -> bool, limit: Duration) -> Result<Call, NoSuchCall> {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                changed.mark_unchanged();
                if let Some(call) = self.calls().into_iter().find(&meets) {
                    return call;
                }
                // The sender lives in the ledger.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(limit, found).await.map_err(|_| {
            let seen: Vec<_> =
                self.calls().iter().map(|call| format!("{} {:?}", call.operation, call.outcome)).collect();
            NoSuchCall(format!("no such call within {limit:?} among:\n{}", seen.join("\n")))
        })
    }

    fn update(&self, sequence: u64, change: impl FnOnce(&mut Call)) {
        let mut book = self.book.lock().expect("no holder panics");
        // It may have been cleared away. The newest are changed most.
        if let Some(call) = book.calls.iter_mut().rev().find(|call| call.sequence == sequence) {
            change(call);
        }
        drop(book);
        self.changed.send_replace(());
    }
}
