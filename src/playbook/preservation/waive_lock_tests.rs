//! Given an account that denies locks, expect that nothing leaves it unlocked until a second person says so.

use super::*;
use crate::api::approval::Decision;
use crate::cloud::error::ErrorClass;
use crate::playbook::preservation::copy_and_reencrypt::tests::{at as there, complete, declared, world};
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, at, yes};

/// A set to be copied, in an account that denies locks.
fn unlockable(count: usize, denied: LockDenied) -> Bench<EvidenceSnapshot> {
    let mut bench = declared(world(count));
    bench.spec.lock_denied = denied;
    bench.refusals.insert("LockSnapshot", ErrorClass::Denied);
    for _ in 0..20 {
        bench.turn();
        bench.world.complete_snapshots();
    }
    bench
}

fn left(bench: &Bench<EvidenceSnapshot>) -> bool {
    !bench.world.copies.is_empty() || bench.world.snapshots.values().any(|exhibit| !exhibit.permissions.is_empty())
}

#[test]
fn without_the_wish_it_is_blocked_tried_again_and_nothing_leaves() {
    let mut bench = unlockable(2, LockDenied::Block);
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::PermissionMissing), "{verdict:?}");
    assert!(!left(&bench) && bench.state("LockWaived").is_none());
    let entries = bench.entries.len();
    for _ in 0..20 {
        bench.turn();
    }
    assert_eq!(bench.entries.len(), entries, "who tries for hours does not fill the chain");
    bench.refusals.clear();
    bench.settle();
    complete(&mut bench);
    assert!(bench.verdict().ready && bench.record.keeping.lock_denied.is_empty(), "{:?}", bench.verdict());
}

#[test]
fn what_a_second_person_waives_is_shared_and_copied_and_never_called_locked() {
    let mut bench = unlockable(2, LockDenied::Waive);
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (false, Reason::AwaitingApproval), "{verdict:?}");
    assert!(!left(&bench), "nothing leaves before it is approved");
    let plan = bench.record.plans[&Action::WaiveLock].clone();
    let ids: Vec<String> = bench.world.snapshots.keys().map(ToString::to_string).collect();
    assert!(plan.lines.len() == 2 && plan.lines.iter().zip(&ids).all(|(line, id)| line.contains(id)), "{plan:?}");
    assert!(plan.lines[0].contains("ec2:LockSnapshot"), "{plan:?}");
    let mut own = yes(&bench.record, Action::WaiveLock);
    own.approver = "alice".to_owned();
    bench.approvals = vec![own];
    bench.turn();
    bench.turn();
    assert!(bench.record.keeping.lock_waived.is_empty() && !left(&bench), "nobody approves their own wish");
    bench.approvals = vec![yes(&bench.record, Action::WaiveLock)];
    while bench.record.keeping.lock_waived.is_empty() {
        assert!(bench.turn(), "{:?}", bench.plan());
    }
    assert_eq!(bench.record.keeping.lock_waived.len(), 2);
    // The other account denies none, and nothing is tried any more in the first.
    bench.refusals.clear();
    let sent = bench.sent.len();
    bench.settle();
    complete(&mut bench);
    assert!(bench.sent[sent..].iter().all(|(effect, _)| !matches!(effect, Effect::LockSnapshot { .. })));
    for step in ["Locked", "Preserved"] {
        let Some(State::Skipped(refusal)) = bench.state(step) else { panic!("{step}: {:?}", bench.state(step)) };
        assert_eq!(refusal.reason, Reason::LockWaived, "{step}");
    }
    assert!(matches!(bench.state("LockWaived"), Some(State::Done(_))));
    let copies = &bench.world.copies[&there()];
    assert!(copies.len() == 2 && copies.values().all(|copy| copy.lock.is_some()), "copies are locked where they lie");
    let verdict = bench.verdict();
    assert_eq!((verdict.ready, verdict.reason), (true, Reason::Settled), "{verdict:?}");
    assert!(verdict.message.contains("Locked") && bench.record.preserved_at.is_none(), "{verdict:?}");
    let waived = |entry: &Entry| matches!(entry, Entry::Fact(Fact::LockWaived { snapshots }) if snapshots.len() == 2);
    let decided = |entry: &Entry| matches!(entry, Entry::Decision(decision) if decision.approvals.contains_key("bob"));
    assert!(bench.entries.iter().any(waived) && bench.entries.iter().any(decided));
    assert!(!bench.turn(), "and it rests");
    // What is granted later is locked once the wish is taken back.
    bench.spec.lock_denied = LockDenied::Block;
    bench.settle();
    complete(&mut bench);
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()));
    assert!(bench.record.keeping.lock_waived.is_empty() && bench.record.preserved_at.is_some());
}

#[test]
fn a_deny_stands() {
    let mut bench = unlockable(1, LockDenied::Waive);
    let mut no = yes(&bench.record, Action::WaiveLock);
    no.verdict = Decision::Deny;
    bench.approvals = vec![no, yes(&bench.record, Action::WaiveLock)];
    bench.turn();
    bench.turn();
    assert!(bench.record.keeping.lock_waived.is_empty() && !left(&bench));
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::Denied));
}

#[test]
fn a_lock_that_is_granted_while_a_person_thinks_is_set() {
    let mut bench = unlockable(1, LockDenied::Waive);
    bench.refusals.clear();
    bench.settle();
    complete(&mut bench);
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()));
    assert!(bench.verdict().ready && bench.state("LockWaived").is_none(), "{:?}", bench.verdict());
}

#[test]
fn a_lock_that_is_not_renewed_is_an_alarm_and_waived_by_nobody() {
    let mut bench = declared(world(1));
    bench.spec.lock_denied = LockDenied::Waive;
    bench.settle();
    complete(&mut bench);
    let ends = bench.record.locked.values().flatten().min().copied().unwrap();
    bench.now = sample::later(ends, 0).checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    bench.refusals.insert("LockSnapshot", ErrorClass::Denied);
    for _ in 0..5 {
        bench.turn();
    }
    assert_eq!(bench.verdict().reason, Reason::LockEnding, "{:?}", bench.verdict());
    assert!(bench.state("LockWaived").is_none() && at(0) < bench.now);
}
