//! Given a set, expect a lock on each, as long and as firm as declared, and never a weaker one.

use super::*;
use crate::api::evidence_snapshot::LockSpec;
use crate::playbook::sample::{self, Bench, at};
use crate::playbook::seen::SnapshotState;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

fn taken() -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(sample::world(1, 2));
    bench.turn();
    bench
}

#[test]
fn locked_while_still_pending() {
    let mut bench = taken();
    bench.settle();
    assert!(bench.world.snapshots.values().all(|e| e.lock.is_some() && e.snapshot.state == SnapshotState::Pending));
    assert!(matches!(bench.state("Locked"), Some(State::Done(_))));
    assert_eq!(bench.operations(), ["CreateSnapshots", "LockSnapshot", "LockSnapshot"]);
}

#[test]
fn the_wish_is_the_longest_of_what_is_declared() {
    let year = 365 * 86_400;
    let lock = |mode, seconds| Some(LockSpec { mode, until: MetaTime(at(seconds)) });
    let table = [
        ("the account's", None, None, (LockMode::Governance, at(year))),
        ("its own", lock(LockMode::Compliance, 500), None, (LockMode::Compliance, at(500))),
        ("retained longer", lock(LockMode::Governance, 500), Some(900), (LockMode::Governance, at(900))),
        ("retained shorter", lock(LockMode::Governance, 500), Some(100), (LockMode::Governance, at(500))),
        ("retained beyond the account's", None, Some(year + 1), (LockMode::Governance, at(year + 1))),
    ];
    for (given, lock, retain, expected) in table {
        let mut bench = taken();
        bench.spec.lock = lock;
        bench.spec.retain_until = retain.map(|seconds| MetaTime(at(seconds)));
        assert_eq!(bench.with(&bench.seen(), wish), expected, "{given}");
    }
}

#[test]
fn a_lock_that_suffices_is_left_alone() {
    let lock = |mode, until: Option<i64>| Some(Lock { mode, until: until.map(at) });
    let (governance, compliance) = (LockMode::Governance, LockMode::Compliance);
    // Declared: governance until 500.
    let table = [
        (None, 1),
        (lock(governance, Some(500)), 0),
        (lock(governance, Some(499)), 1),
        (lock(governance, Some(501)), 0),
        (lock(compliance, Some(500)), 0),
        (lock(compliance, Some(499)), 1),
        (lock(governance, None), 0),
    ];
    for (stands, expected) in table {
        let mut bench = taken();
        bench.spec.lock = Some(LockSpec { mode: governance, until: MetaTime(at(500)) });
        bench.settle();
        let id = bench.world.snapshots.keys().next().unwrap().clone();
        bench.world.snapshots.get_mut(&id).unwrap().lock.clone_from(&stands);
        let turn = bench.step("Locked");
        assert_eq!(turn.stages.iter().flatten().count(), expected, "{stands:?}");
        // AWS weakens no mode: what is longer is of the mode that stands.
        let mode = stands.as_ref().map_or(governance, |lock| lock.mode);
        for effect in turn.stages.iter().flatten() {
            assert_eq!(*effect, Effect::LockSnapshot { snapshot: id.clone(), mode, until: at(500) });
        }
    }
}

#[test]
fn a_longer_retention_extends_the_lock() {
    let mut bench = taken();
    bench.settle();
    bench.spec.retain_until = Some(MetaTime(at(400 * 86_400)));
    bench.settle();
    assert!(bench.world.snapshots.values().all(|e| e.lock.as_ref().unwrap().until == Some(at(400 * 86_400))));
}

#[test]
fn an_unlocked_exhibit_is_locked_again() {
    let mut bench = taken();
    bench.settle();
    for exhibit in bench.world.snapshots.values_mut() {
        exhibit.lock = None;
    }
    bench.settle();
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()));
}

#[test]
fn what_somebody_deleted_is_said_once_it_is_certain_and_not_locked_for_ever() {
    for complete in [false, true] {
        let mut bench = taken();
        bench.settle();
        if complete {
            bench.world.complete_snapshots();
            bench.settle();
        }
        let gone = bench.world.snapshots.keys().next().unwrap().clone();
        bench.world.snapshots.remove(&gone);
        bench.world.complete_snapshots();
        bench.now = at(90);
        for _ in 0..4 {
            bench.turn();
        }
        assert!(!matches!(bench.state("Locked"), Some(State::Blocked(_))), "not shown is not gone, before W");
        bench.now = at(91);
        let entries = bench.entries.len();
        bench.settle();
        assert!(bench.entries.len() < entries + 8, "the chain does not grow by it");
        let verdict = bench.verdict();
        assert_eq!((verdict.ready, verdict.stalled), (!complete, complete), "{verdict:?}");
        assert!(verdict.message.contains("deleted"), "{verdict:?}");
    }
}

#[test]
fn nothing_to_lock() {
    let bench = Bench::evidence(sample::world(1, 2));
    let State::Working(refusal) = bench.step("Locked").state else { panic!("no set yet") };
    assert_eq!(refusal.reason, Reason::Waiting);
}

/// A set that was locked until 30 days after the beginning, the account's lock being as long.
fn locked_for_a_month() -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(sample::world(1, 1));
    bench.account.lock_days = 30;
    bench.turn();
    bench.world.complete_snapshots();
    bench.settle();
    bench
}

#[test]
fn a_lock_is_renewed_before_it_ends_while_something_holds_the_set() {
    // A tenth of 30 days is left at day 27. Day; hold; retained until day; whether it is renewed, from the lock that
    // stands and from none.
    let table = [
        (26, true, None, false, false),
        (27, true, None, false, false),
        (28, true, None, true, true),
        (31, true, None, true, true),
        (28, false, None, false, false),
        (31, false, None, false, false),
        (28, false, Some(29), true, true),
        (31, false, Some(29), false, false),
    ];
    for (day, hold, retained, stands, none) in table {
        for (lock, expected) in [(true, stands), (false, none)] {
            let mut bench = locked_for_a_month();
            (bench.spec.legal_hold, bench.record.keeping.legal_hold) = (hold, hold.then(|| at(0)));
            bench.spec.retain_until = retained.map(|day: i64| MetaTime(at(day * DAY)));
            bench.now = at(day * DAY);
            let id = bench.world.snapshots.keys().next().unwrap().clone();
            let ended = day >= 30;
            if !lock || ended {
                bench.world.snapshots.get_mut(&id).unwrap().lock = None;
            }
            let turn = bench.step("Locked");
            let sent: Vec<&Effect> = turn.stages.iter().flatten().collect();
            let given = (day, hold, retained, lock);
            for effect in &sent {
                let Effect::LockSnapshot { until, .. } = effect else { panic!("{effect:?}") };
                assert!(*until > bench.now, "{given:?}: never a date in the past");
                assert_eq!(expected, *until >= at((day + 30) * DAY), "{given:?}: {until}");
            }
            // What somebody unlocked is locked again until the date that was promised.
            let again = !lock && !ended;
            assert_eq!(sent.len(), usize::from(expected || again), "{given:?}");
        }
    }
}

#[test]
fn a_renewed_lock_rests_and_is_written_down() {
    let mut bench = locked_for_a_month();
    bench.now = at(28 * DAY);
    bench.refusals.insert("LockSnapshot", crate::cloud::error::ErrorClass::Denied);
    let entries = bench.entries.len();
    for _ in 0..60 {
        bench.turn();
        bench.now = sample::later(bench.now, 60);
    }
    assert!(bench.entries.len() < entries + 4, "the date does not move with the clock");
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::LockEnding));
    bench.refusals.clear();
    bench.settle();
    let id = bench.world.snapshots.keys().next().unwrap().clone();
    let until = bench.world.snapshots[&id].lock.as_ref().unwrap().until;
    assert!(until >= Some(at(58 * DAY)));
    assert_eq!(bench.record.locked[&id], until);
    assert!(bench.verdict().ready && !bench.turn());
}

#[test]
fn a_declared_date_that_is_over_is_said_and_never_sent() {
    let mut bench = taken();
    bench.spec.legal_hold = false;
    bench.spec.lock = Some(LockSpec { mode: LockMode::Governance, until: MetaTime(at(-DAY)) });
    bench.world.complete_snapshots();
    bench.settle();
    assert_eq!(bench.operations(), ["CreateSnapshots"], "taken all the same");
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::InvalidRequest));
    let named = format!("spec.lock.until is {}", at(-DAY));
    assert!(verdict.message.contains(&named), "{}", verdict.message);
    // A retention that is longer, or a later date, is all that it takes.
    let mut retained = bench.spec.clone();
    retained.retain_until = Some(MetaTime(at(DAY)));
    let mut later = bench.spec.clone();
    later.lock = Some(LockSpec { mode: LockMode::Governance, until: MetaTime(at(400 * DAY)) });
    for spec in [retained, later] {
        bench.spec = spec;
        bench.settle();
        assert!(bench.verdict().ready, "{:?}", bench.verdict());
    }
}

#[test]
fn a_retention_that_was_over_when_it_was_declared_is_said_and_one_that_has_run_out_is_not() {
    let mut bench = taken();
    bench.world.complete_snapshots();
    bench.spec.retain_until = Some(MetaTime(at(-DAY)));
    bench.settle();
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::InvalidRequest));
    assert!(verdict.message.contains(&format!("spec.retainUntil is {}", at(-DAY))), "{}", verdict.message);
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()), "locked all the same");
    bench.spec.retain_until = Some(MetaTime(at(DAY)));
    bench.settle();
    assert_eq!(bench.record.keeping.retained, Some(at(DAY)));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    bench.now = at(2 * DAY);
    bench.settle();
    assert!(bench.verdict().ready, "it was kept as long as was asked: {:?}", bench.verdict());
    // From one day in the past to another.
    bench.spec.retain_until = Some(MetaTime(at(DAY + 60)));
    assert!(bench.verdict().stalled);
}

#[test]
fn the_account_s_lock_counts_from_the_set_where_the_object_is_older_than_it() {
    let mut bench = Bench::evidence(sample::world(1, 1));
    bench.now = at(400 * DAY);
    bench.turn();
    bench.settle();
    assert!(bench.world.snapshots.values().all(|e| e.lock.as_ref().unwrap().until >= Some(at(765 * DAY))));
}

#[test]
fn a_compliance_lock_is_renewed_though_governance_is_declared_by_then() {
    let mut bench = Bench::evidence(sample::world(1, 1));
    (bench.account.lock_days, bench.account.lock_mode) = (30, LockMode::Compliance);
    bench.turn();
    bench.world.complete_snapshots();
    bench.settle();
    bench.account.lock_mode = LockMode::Governance;
    bench.now = at(28 * DAY);
    bench.settle();
    let lock = bench.world.snapshots.values().next().unwrap().lock.clone().unwrap();
    assert!(lock.mode == LockMode::Compliance && lock.until >= Some(at(58 * DAY)), "{lock:?}");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn a_firmer_mode_ends_no_earlier_than_what_stands() {
    let mut bench = locked_for_a_month();
    bench.now = at(28 * DAY);
    bench.settle();
    // Renewed beyond its declared date, which is over.
    bench.now = at(31 * DAY);
    bench.account.lock_mode = LockMode::Compliance;
    let turn = bench.step("Locked");
    let sent: Vec<&Effect> = turn.stages.iter().flatten().collect();
    let [Effect::LockSnapshot { mode: LockMode::Compliance, until, .. }] = sent[..] else { panic!("{sent:?}") };
    assert!(*until >= at(58 * DAY), "never a date in the past, nor an earlier one: {until}");
}

#[test]
fn a_hold_locks_what_was_never_locked_whatever_date_is_declared_and_renews_it_in_time() {
    let mut bench = taken();
    bench.spec.lock = Some(LockSpec { mode: LockMode::Governance, until: MetaTime(at(-DAY)) });
    bench.world.complete_snapshots();
    bench.settle();
    let ends =
        |bench: &Bench<EvidenceSnapshot>| bench.world.snapshots.values().next().unwrap().lock.clone().unwrap().until;
    let first = ends(&bench).unwrap();
    assert!(first >= at(365 * DAY) && bench.record.locked.values().all(|until| *until == Some(first)));
    let verdict = bench.verdict();
    assert!(verdict.ready && verdict.message.contains(&format!("spec.lock.until is {}", at(-DAY))), "{verdict:?}");
    bench.now = sample::later(first, -8 * DAY);
    bench.settle();
    assert_eq!(ends(&bench), Some(first), "not yet");
    bench.now = sample::later(first, -6 * DAY);
    bench.settle();
    assert!(ends(&bench) > Some(sample::later(first, 300 * DAY)));
}

#[test]
fn what_was_promised_while_something_held_it_is_put_back_after_that() {
    let mut bench = locked_for_a_month();
    bench.now = at(28 * DAY);
    bench.settle();
    (bench.spec.legal_hold, bench.record.keeping.legal_hold) = (false, None);
    bench.now = at(40 * DAY);
    let id = bench.world.snapshots.keys().next().unwrap().clone();
    let promised = bench.world.snapshots.get_mut(&id).unwrap().lock.take().unwrap().until;
    bench.settle();
    assert_eq!(bench.world.snapshots[&id].lock.as_ref().map(|lock| lock.until), Some(promised));
    // On its day it ends.
    bench.now = sample::later(promised.unwrap(), 1);
    bench.world.snapshots.get_mut(&id).unwrap().lock = None;
    assert!(!bench.turn());
    let Some(State::Skipped(refusal)) = bench.state("Locked") else { panic!("{:?}", bench.state("Locked")) };
    assert_eq!(refusal.reason, Reason::DeadlinePassed);
    assert!(refusal.message.contains(&promised.unwrap().to_string()), "{}", refusal.message);
    let Some(State::Skipped(refusal)) = bench.state("Preserved") else { panic!("{:?}", bench.state("Preserved")) };
    assert_eq!(refusal.reason, Reason::DeadlinePassed, "nothing protects it any more: {}", refusal.message);
}

#[test]
fn a_retention_that_has_run_out_blocks_nothing_where_the_chain_does_not_know_it() {
    let mut bench = taken();
    bench.world.complete_snapshots();
    bench.settle();
    bench.spec.retain_until = Some(MetaTime(at(DAY)));
    bench.now = at(2 * DAY);
    bench.settle();
    assert_eq!(bench.record.keeping.retained, None);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

/// The role may lock only what bears the tag.
#[test]
fn a_tag_that_somebody_took_off_is_told_with_what_puts_it_back() {
    let mut bench = locked_for_a_month();
    let id = bench.world.snapshots.keys().next().unwrap().clone();
    bench.world.snapshots.get_mut(&id).unwrap().tags.clear();
    bench.settle();
    let words = format!("create-tags --resources {id} --tags Key=ops:operation");
    let verdict = bench.verdict();
    assert!(verdict.ready && verdict.message.contains(&words), "{verdict:?}");
    bench.now = at(28 * DAY);
    bench.refusals.insert("LockSnapshot", crate::cloud::error::ErrorClass::Denied);
    for _ in 0..3 {
        bench.turn();
    }
    let verdict = bench.verdict();
    assert_eq!((verdict.stalled, verdict.reason), (true, Reason::LockEnding));
    assert!(verdict.message.contains(&words), "{verdict:?}");
    // What the chain says is ours is ours, whatever its tags.
    bench.refusals.clear();
    bench.settle();
    assert!(bench.world.snapshots[&id].lock.as_ref().unwrap().until >= Some(at(58 * DAY)));
}
