//! Given requests of which nobody hears, expect one copy that stands.

use std::collections::BTreeMap;

use super::super::copy_and_reencrypt::tests::{asked, at, begun, bench, blocked, complete, copies, world};
use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::Exhibit;
use crate::playbook::sample::{self, Bench};

/// A request is sent and nobody hears of it any more; what it made is taken out of the world.
fn lose(bench: &mut Bench<EvidenceSnapshot>) -> BTreeMap<SnapshotId, Exhibit> {
    let before = asked(bench);
    bench.refusals.insert("CopySnapshot", ErrorClass::Ambiguous);
    for _ in 0..20 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
        if asked(bench) > before {
            break;
        }
    }
    assert_eq!(asked(bench), before + 1);
    bench.refusals.clear();
    bench.crash();
    bench.world.copies.remove(&at()).unwrap_or_default()
}

#[test]
fn a_lost_reply_is_looked_up_and_its_copy_adopted() {
    let mut bench = bench(world(1));
    bench.world.complete_snapshots();
    bench.refusals.insert("CopySnapshot", ErrorClass::Ambiguous);
    bench.settle();
    bench.refusals.clear();
    bench.crash();
    complete(&mut bench);
    bench.see_out();
    assert_eq!((asked(&bench), copies(&bench).len()), (1, 1));
    let adopted = |entry: &&Entry| matches!(entry, Entry::Outcome { result: OutcomeKind::Adopted, .. });
    assert_eq!(bench.entries.iter().filter(adopted).count(), 1);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn what_left_no_trace_is_asked_for_again_after_the_wait_and_a_look() {
    let mut bench = bench(world(1));
    bench.world.complete_snapshots();
    let late = lose(&mut bench);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds - 10);
    bench.settle();
    assert_eq!(asked(&bench), 1);
    bench.now = sample::later(bench.now, 10);
    bench.settle();
    assert_eq!(asked(&bench), 2);
    // And arrives after all: it is beyond the one that stands, locked like it, and stays.
    bench.world.copies.get_mut(&at()).unwrap().extend(late);
    complete(&mut bench);
    bench.settle();
    assert_eq!(bench.record.copies[&at()].surplus.len(), 1);
    assert!(copies(&bench).iter().all(|exhibit| exhibit.lock.is_some()));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn a_late_copy_is_the_copy_where_none_stands() {
    let mut bench = bench(world(1));
    bench.world.complete_snapshots();
    let late = lose(&mut bench);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    // Sent again after the wait, and lost again, for good.
    lose(&mut bench);
    bench.world.copies.insert(at(), late);
    bench.see_out();
    bench.see_out();
    complete(&mut bench);
    assert_eq!((asked(&bench), copies(&bench).len()), (2, 1));
    assert!(bench.record.surplus.is_empty() && bench.record.copies[&at()].surplus.is_empty());
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn a_copy_that_somebody_deletes_is_missed() {
    let mut bench = begun(world(1));
    complete(&mut bench);
    bench.world.copies.clear();
    bench.settle();
    assert!(bench.verdict().ready, "not shown for a moment");
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    bench.settle();
    assert!(blocked(&bench).message.contains("Recycle Bin"), "{}", blocked(&bench).message);
    assert_eq!(asked(&bench), 1);
}

/// The look that would be late enough for a third request shows the copy of the first.
#[test]
fn what_came_in_this_very_look_is_not_asked_for_again() {
    let mut bench = bench(world(1));
    bench.world.complete_snapshots();
    let first = lose(&mut bench);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    lose(&mut bench);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    bench.world.copies.insert(at(), first);
    bench.settle();
    assert_eq!((asked(&bench), bench.record.copies[&at()].made.len()), (2, 1));
}

#[test]
fn a_copy_whose_place_is_taken_is_called_surplus_and_adopted_by_nobody() {
    let mut bench = bench(world(1));
    bench.world.complete_snapshots();
    let first = lose(&mut bench);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    let second = lose(&mut bench);
    bench.world.copies.insert(at(), first);
    bench.settle();
    bench.world.copies.get_mut(&at()).unwrap().extend(second);
    complete(&mut bench);
    let ended = |wanted| {
        let is = |entry: &&Entry| matches!(entry, Entry::Outcome { result, created, .. } if *result == wanted && !created.is_empty());
        bench.entries.iter().filter(is).count()
    };
    assert_eq!((ended(OutcomeKind::Surplus), ended(OutcomeKind::Adopted)), (1, 0));
    assert_eq!(bench.record.copies[&at()].surplus.len(), 1);
    assert!(copies(&bench).iter().all(|exhibit| exhibit.lock.is_some()) && bench.verdict().ready);
}
