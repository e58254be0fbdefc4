//! Given locks that end soon, expect them renewed wherever that can be done, and an alarm wherever it can't.

use super::*;
use crate::api::aws_account::LockMode;
use crate::cloud::error::ErrorClass;
use crate::playbook::preservation::copy_and_reencrypt::tests::{begun, complete, copies, world};
use crate::playbook::sample::{Bench, at};
use crate::playbook::seen::{Read, ReadFailure};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

const DAY: i64 = 86_400;

/// A set and its copy, locked for 30 days, three of which are left.
fn late() -> Bench<EvidenceSnapshot> {
    let mut bench = begun(world(1));
    complete(&mut bench);
    let until = Some(at(30 * DAY));
    let spec = crate::api::evidence_snapshot::LockSpec { mode: LockMode::Governance, until: MetaTime(at(30 * DAY)) };
    bench.spec.lock = Some(spec);
    let all = bench.world.copies.values_mut().flatten().map(|(_, exhibit)| exhibit);
    for exhibit in bench.world.snapshots.values_mut().chain(all) {
        exhibit.lock.as_mut().unwrap().until = until;
    }
    bench.settle();
    assert!(bench.verdict().ready && bench.record.locked.values().all(|ends| *ends == until));
    bench.now = at(28 * DAY);
    bench
}

fn gone() -> Refusal {
    Refusal::new(Reason::RoleNotAssumable, "the role can't be assumed")
}

fn unreadable(seen: &mut crate::playbook::EvidenceSeen) {
    let failure = ReadFailure { reason: Reason::RoleNotAssumable, message: "the role can't be assumed".to_owned() };
    (seen.snapshots, seen.locks) = (Read::Failed(failure.clone()), Read::Failed(failure));
}

#[test]
fn locks_of_copies_are_renewed_though_the_account_of_the_source_can_not_be_used() {
    let mut bench = late();
    bench.account.ready = Err(gone());
    bench.lens = unreadable;
    let before = bench.sent.len();
    bench.settle();
    assert_eq!(bench.sent.len() - before, 1, "{:?}", bench.sent);
    let copy = copies(&bench)[0];
    let until = copy.lock.as_ref().unwrap().until;
    assert!(until >= Some(at(28 * DAY + 365 * DAY)), "{until:?}");
    assert_eq!(bench.record.locked[&copy.snapshot.id], until, "and it is written down");
    let source = bench.world.snapshots.keys().next().unwrap().clone();
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::LockEnding));
    for word in [source.as_str(), "ends on", "can't be assumed", "copies complete and locked: 1 of 1"] {
        assert!(verdict.message.contains(word), "{word}: {}", verdict.message);
    }
    assert!(!verdict.message.contains(copy.snapshot.id.as_str()));
    assert!(!bench.turn(), "and it rests");
}

#[test]
fn a_copy_that_was_pending_when_the_account_went_is_locked_and_watched_to_its_end() {
    let mut bench = begun(world(1));
    bench.world.copies.values_mut().flatten().for_each(|(_, exhibit)| exhibit.lock = None);
    bench.account.ready = Err(gone());
    bench.lens = unreadable;
    complete(&mut bench);
    let copy = copies(&bench)[0];
    assert!(copy.lock.is_some());
    assert_eq!(bench.record.settled[&copy.snapshot.id], "completed");
    let verdict = bench.verdict();
    assert_eq!(verdict.reason, Reason::RoleNotAssumable, "no lock ends soon: {verdict:?}");
    assert!(verdict.message.contains("1 of 1 in"), "{verdict:?}");
}

#[test]
fn a_lock_that_can_not_be_renewed_calls_a_person_by_its_name() {
    let mut bench = late();
    bench.refusals.insert("LockSnapshot", ErrorClass::Denied);
    bench.turn();
    bench.turn();
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::LockEnding));
    let source = bench.world.snapshots.keys().next().unwrap();
    assert!(verdict.message.contains(source.as_str()) && verdict.message.contains("is denied"), "{verdict:?}");
    bench.refusals.clear();
    bench.settle();
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn of_copies_it_is_said_where_copies_are_told_of() {
    let mut bench = late();
    bench.lens = |seen| {
        let refused = ReadFailure { reason: Reason::RoleNotAssumable, message: "no way in".to_owned() };
        for there in seen.copies.values_mut() {
            *there = crate::playbook::copies::CopiesSeen {
                refused: Some(refused.clone()),
                ..crate::playbook::copies::CopiesSeen::nothing()
            };
        }
    };
    bench.settle();
    let Some(State::Blocked(refusal)) = bench.state("Copied") else { panic!("{:?}", bench.state("Copied")) };
    assert_eq!(refusal.reason, Reason::LockEnding);
    assert!(refusal.message.contains(copies(&bench)[0].snapshot.id.as_str()) && refusal.message.contains("no way in"));
    assert!(matches!(bench.state("Locked"), Some(State::Done(_))), "those of the set are renewed");
}

#[test]
fn what_nothing_holds_ends_without_an_alarm() {
    let mut bench = late();
    (bench.spec.legal_hold, bench.record.keeping.legal_hold) = (false, None);
    bench.account.ready = Err(gone());
    assert_eq!(bench.verdict().reason, Reason::RoleNotAssumable);
}
