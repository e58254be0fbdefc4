//! Given a hold and who wishes it away, expect that it stands until somebody else approves.

use super::*;
use crate::api::approval::Decision;
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, at, yes};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

/// A complete set under hold, and the wish to lift it.
fn wished() -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(sample::world(1, 1));
    bench.settle();
    bench.world.complete_snapshots();
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some() && bench.state("HoldLifted").is_none());
    bench.spec.legal_hold = false;
    bench.settle();
    bench
}

#[test]
fn a_hold_stands_until_a_second_person_lifts_it() {
    let mut bench = wished();
    assert!(bench.record.keeping.legal_hold.is_some());
    let verdict = bench.verdict();
    assert_eq!((verdict.ready, verdict.reason), (false, Reason::AwaitingApproval));
    let lines = bench.record.plans[&Action::LiftHold].lines.join(" ");
    assert!(lines.contains("1 snapshots") && lines.contains("ends on"), "{lines}");
    let mut own = yes(&bench.record, Action::LiftHold);
    own.approver = "alice".to_owned();
    bench.approvals = vec![own];
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some(), "nobody approves their own wish");
    bench.approvals = vec![yes(&bench.record, Action::LiftHold)];
    bench.settle();
    assert_eq!(bench.record.keeping.legal_hold, None);
    assert!(bench.record.keeping.hold_lifted.is_some());
    assert!(bench.verdict().ready && !bench.turn(), "{:?}", bench.verdict());
    assert!(bench.entries.iter().any(|entry| matches!(
        entry,
        Entry::Decision(decision) if decision.approvals.contains_key("bob")
    )));
}

#[test]
fn a_deny_stands() {
    let mut bench = wished();
    let mut no = yes(&bench.record, Action::LiftHold);
    no.verdict = Decision::Deny;
    bench.approvals = vec![no, yes(&bench.record, Action::LiftHold)];
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some());
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::Denied));
}

#[test]
fn an_approval_lifts_one_hold_and_no_later_one() {
    let mut bench = wished();
    let used = yes(&bench.record, Action::LiftHold);
    bench.approvals = vec![used];
    bench.settle();
    assert_eq!(bench.record.keeping.legal_hold, None);
    bench.spec.legal_hold = true;
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some(), "true at once");
    bench.spec.legal_hold = false;
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some(), "the old approval is used up");
    assert_eq!(bench.verdict().reason, Reason::AwaitingApproval);
}

#[test]
fn a_wish_that_is_withdrawn_takes_its_plan_with_it() {
    let mut bench = wished();
    let late = yes(&bench.record, Action::LiftHold);
    bench.spec.legal_hold = true;
    bench.settle();
    assert!(bench.record.plans.is_empty() && bench.verdict().ready, "{:?}", bench.verdict());
    bench.approvals = vec![late];
    bench.spec.legal_hold = false;
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some(), "it was about the wish before");
}

#[test]
fn without_a_hold_no_lock_is_renewed_but_a_retention_stands() {
    for (retained, expected) in [(None, 0), (Some(400), 1)] {
        let mut bench = wished();
        bench.approvals = vec![yes(&bench.record, Action::LiftHold)];
        bench.settle();
        let sent = bench.sent.len();
        bench.spec.retain_until = retained.map(|day: i64| MetaTime(at(day * 86_400)));
        bench.now = at(364 * 86_400);
        bench.settle();
        assert_eq!(bench.sent.len() - sent, expected, "{retained:?}");
    }
}

#[test]
fn a_set_that_was_never_held_asks_nobody() {
    let mut bench = Bench::evidence(sample::world(1, 1));
    bench.spec.legal_hold = false;
    bench.settle();
    bench.world.complete_snapshots();
    bench.settle();
    assert!(bench.state("HoldLifted").is_none() && bench.verdict().ready);
}

#[test]
fn the_decision_stands_in_the_chain_before_what_it_lets_happen() {
    let mut bench = wished();
    bench.approvals = vec![yes(&bench.record, Action::LiftHold)];
    bench.settle();
    let lifted = bench.entries.iter().position(|entry| *entry == Entry::Fact(Fact::HoldLifted)).unwrap();
    let decided = bench.entries.iter().position(|entry| matches!(entry, Entry::Decision(_))).unwrap();
    assert!(decided < lifted, "{decided} {lifted}");
    assert!(bench.record.decisions.is_empty(), "and is used up by it");
}
