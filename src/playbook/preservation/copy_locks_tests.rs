//! Given copies, and what is declared of locks, expect them locked, or said not to be.

use super::tests::{at, begun, blocked, complete, copies, world};
use super::*;
use crate::api::aws_account::LockMode;
use crate::playbook::sample;

#[test]
fn a_copy_that_can_not_be_locked_is_none_that_stands() {
    let mut bench = begun(world(1));
    (bench.spec.legal_hold, bench.record.keeping.legal_hold) = (false, None);
    let until = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(bench.now);
    bench.spec.lock = Some(crate::api::evidence_snapshot::LockSpec { mode: LockMode::Governance, until });
    for (copy, exhibit) in bench.world.copies.get_mut(&at()).unwrap() {
        bench.record.locked.remove(copy);
        exhibit.lock = None;
    }
    bench.now = sample::later(bench.now, 60);
    complete(&mut bench);
    let refusal = blocked(&bench);
    assert_eq!(refusal.reason, Reason::InvalidRequest);
    assert!(refusal.message.contains("spec.lock.until"), "{}", refusal.message);
    assert!(!bench.verdict().ready);
}

#[test]
fn a_copy_whose_lock_is_over_is_said_and_one_that_is_held_is_locked() {
    let mut bench = begun(world(1));
    let until = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(sample::at(86_400));
    bench.spec.lock = Some(crate::api::evidence_snapshot::LockSpec { mode: LockMode::Governance, until });
    for exhibit in bench.world.copies.get_mut(&at()).unwrap().values_mut().chain(bench.world.snapshots.values_mut()) {
        exhibit.lock.as_mut().unwrap().until = Some(sample::at(86_400));
    }
    complete(&mut bench);
    assert!(bench.verdict().ready && bench.record.preserved_at.is_some(), "{:?}", bench.verdict());
    assert!(matches!(bench.state("Copied"), Some(State::Done(_))));
    // Nothing holds it, and the day has come.
    (bench.spec.legal_hold, bench.record.keeping.legal_hold) = (false, None);
    bench.now = sample::at(2 * 86_400);
    for exhibit in bench.world.copies.get_mut(&at()).unwrap().values_mut().chain(bench.world.snapshots.values_mut()) {
        exhibit.lock = None;
    }
    bench.settle();
    for step in ["Locked", "Copied", "Preserved"] {
        let Some(State::Skipped(refusal)) = bench.state(step) else { panic!("{step}: {:?}", bench.state(step)) };
        assert_eq!(refusal.reason, Reason::DeadlinePassed);
    }
    let Some(State::Skipped(refusal)) = bench.state("Copied") else { panic!() };
    assert!(
        refusal.message.contains("0 of 1 in 444455556666/eu-west-1 (1 whose lock has ended)"),
        "{}",
        refusal.message
    );
    // A hold, declared by then, has all of it locked.
    bench.spec.legal_hold = true;
    bench.record.locked.retain(|id, _| bench.world.snapshots.contains_key(id));
    bench.settle();
    assert!(copies(&bench)[0].lock.as_ref().unwrap().until > Some(sample::at(300 * 86_400)));
    assert!(bench.verdict().ready && matches!(bench.state("Preserved"), Some(State::Done(_))), "{:?}", bench.verdict());
}

#[test]
fn nothing_is_preserved_before_every_copy_that_is_declared_stands() {
    let mut bench = begun(world(1));
    assert!(matches!(bench.step("Preserved").state, State::Working(_)), "whatever Copied says");
    complete(&mut bench);
    assert!(matches!(bench.step("Preserved").state, State::Done(_)));
}

#[test]
fn a_copy_without_its_tag_is_told() {
    let mut bench = begun(world(1));
    complete(&mut bench);
    bench.world.copies.get_mut(&at()).unwrap().values_mut().for_each(|exhibit| exhibit.tags.clear());
    bench.settle();
    assert!(bench.verdict().message.contains("Key=vault:operation"), "{:?}", bench.verdict());
}
