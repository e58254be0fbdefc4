//! Given an intent, a look and the time, expect one set, and never two.

use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, at, volume};

const W: i64 = 91;

fn bench() -> Bench<EvidenceSnapshot> {
    Bench::evidence(sample::world(1, 2))
}

/// An intent written at 0 whose reply was lost; `applied` says whether AWS has done it.
fn lost(applied: bool) -> Bench<EvidenceSnapshot> {
    let mut bench = bench();
    let before = bench.world.clone();
    bench.refusals.insert("CreateSnapshots", ErrorClass::Ambiguous);
    bench.turn();
    if !applied {
        bench.world = before;
    }
    bench.refusals.clear();
    assert_eq!(bench.world.sets(), usize::from(applied));
    bench
}

fn reason(bench: &Bench<EvidenceSnapshot>, name: &str) -> Reason {
    match bench.state(name) {
        Some(State::Working(refusal) | State::Blocked(refusal) | State::Skipped(refusal)) => refusal.reason,
        other => panic!("{name}: {other:?}"),
    }
}

fn sends(turn: &Turn<EvidenceSnapshot>) -> usize {
    turn.stages.iter().flatten().count()
}

#[test]
fn one_set_of_all_volumes_with_tags_at_birth() {
    let mut bench = bench();
    bench.turn();
    assert_eq!(bench.operations(), ["CreateSnapshots"]);
    let Some(Entry::Intent { id, effect, retry_of: None, .. }) = bench.entries.get(1).cloned() else {
        panic!("{:?}", bench.entries)
    };
    let Effect::CreateSnapshots { volumes, exclude, .. } = effect else { panic!("{effect:?}") };
    assert_eq!((volumes, exclude), (BTreeSet::from([volume(0), volume(1)]), BTreeSet::new()));
    for exhibit in bench.world.snapshots.values() {
        assert_eq!(exhibit.tags["ops:operation"], id.0);
        assert_eq!(exhibit.tags["ops:source-instance"], "i-00000001");
        assert_eq!(exhibit.tags["ops:object"], "uid-1");
    }
    bench.world.complete_snapshots();
    bench.settle();
    assert!(bench.verdict().ready);
    assert_eq!(bench.record.set.as_ref().unwrap().1.len(), 2);
    assert!(bench.record.preserved_at.is_some());
    bench.crash();
    assert!(!bench.turn(), "a finished moment does nothing on any number of turns");
}

#[test]
fn a_resend_needs_a_wait_and_a_look_asked_after_the_wait_and_nothing_found() {
    // The intent is of second 0. Asked; now; whether AWS shows it; whether it is sent again.
    let table = [
        ("nothing waited", 1, 1, false, false),
        ("almost W", W - 1, W - 1, false, false),
        ("waited, but the look is older than the wait", W - 1, W + 1000, false, false),
        ("waited, and looked after it", W, W, false, true),
        ("waited, looked after it, and found", W, W, true, false),
        ("a look of the future counts for nothing", W, W - 1, false, false),
    ];
    for (given, asked, now, applied, expected) in table {
        let mut bench = lost(applied);
        bench.now = at(asked);
        let seen = bench.seen();
        bench.now = at(now);
        let plan = bench.with(&seen, crate::playbook::decide::decide);
        let again = plan.tracks.iter().flat_map(|track| track.stages.iter().flatten()).count();
        assert_eq!(again == 1, expected, "{given}");
    }
}

#[test]
fn a_look_that_failed_is_no_look() {
    let mut bench = lost(false);
    bench.now = at(W * 2);
    let reads = [
        Read::NotRead,
        Read::Failed(crate::playbook::seen::ReadFailure { reason: Reason::Throttled, message: "m".to_owned() }),
    ];
    for read in reads {
        let mut seen = bench.seen();
        seen.snapshots = read;
        assert_eq!(bench.with(&seen, |view| sends(&next(view))), 0);
    }
    let mut seen = bench.seen();
    seen.snapshots = Read::Absent { asked_at: at(W) };
    assert_eq!(bench.with(&seen, |view| sends(&next(view))), 1, "absent is an answer");
}

#[test]
fn a_resend_closes_the_first_intent_and_names_it() {
    let mut bench = lost(false);
    let first = bench.record.operations.keys().next().unwrap().clone();
    bench.now = at(W);
    bench.turn();
    let unknown = bench
        .entries
        .iter()
        .any(|entry| matches!(entry, Entry::Outcome { id, result: OutcomeKind::Unknown, .. } if *id == first));
    let retried =
        bench.entries.iter().any(|entry| matches!(entry, Entry::Intent { retry_of: Some(of), .. } if *of == first));
    assert!(unknown && retried, "{:?}", bench.entries);
    assert_eq!(bench.world.sets(), 1);
}

#[test]
fn a_set_that_is_found_is_adopted_and_not_before_it_is_whole() {
    // Volumes shown; asked; whether it is adopted.
    let table = [(2, 1, true), (1, 1, false), (1, W - 1, false), (1, W, true), (0, W - 1, false)];
    for (shown, asked, expected) in table {
        let mut bench = lost(true);
        bench.now = at(asked);
        let mut seen = bench.seen();
        if let Read::Found { value, .. } = &mut seen.snapshots {
            value.truncate(shown);
        }
        let turn = bench.with(&seen, next);
        assert_eq!(turn.outcomes.len() == 1, expected, "{shown} shown at {asked}");
        assert_eq!(sends(&turn), 0, "{shown} shown at {asked}");
        if expected {
            let Entry::Outcome { result: OutcomeKind::Adopted, created, .. } = &turn.outcomes[0] else { panic!() };
            assert_eq!(created.len(), shown);
        }
    }
}

#[test]
fn a_set_beyond_the_canonical_one_is_said_and_locked_and_never_adopted() {
    let mut bench = lost(false);
    let (effect, first) = {
        let (id, operation) = bench.record.operations.iter().next().unwrap();
        (operation.effect.clone(), id.clone())
    };
    bench.now = at(W);
    bench.settle();
    // The first request, given up as unknown, arrives after all: it should not, but if it does nothing is lost.
    bench.world.apply(&effect, &first).unwrap();
    bench.world.complete_snapshots();
    bench.now = at(W + 10);
    bench.settle();
    let canonical = bench.record.set.clone().unwrap();
    assert_ne!(canonical.0, first);
    assert_eq!(bench.record.surplus.len(), 2);
    assert!(canonical.1.values().all(|id| !bench.record.surplus.contains(id)));
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()), "surplus is locked like the set");
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::SurplusSet { .. })).count(), 1, "said once");
    assert!(bench.verdict().ready);
}

#[test]
fn a_refusal_is_an_outcome_and_the_next_try_names_it() {
    for class in [ErrorClass::Throttled, ErrorClass::Denied, ErrorClass::Invalid, ErrorClass::Conflict] {
        let mut bench = bench();
        bench.refusals.insert("CreateSnapshots", class);
        bench.turn();
        bench.refusals.clear();
        bench.turn();
        let failed =
            bench.entries.iter().filter(|e| matches!(e, Entry::Outcome { result: OutcomeKind::Failed, .. })).count();
        let retried = bench.entries.iter().filter(|e| matches!(e, Entry::Intent { retry_of: Some(_), .. })).count();
        assert_eq!((failed, retried, bench.world.sets()), (1, 1, 1), "{class}: no wait, for it was not applied");
    }
}

#[test]
fn a_volume_that_fails_is_named_and_the_rest_goes_on() {
    let mut bench = bench();
    bench.turn();
    let failed = bench.world.snapshots.keys().next().unwrap().clone();
    bench.world.fail_snapshot(&failed, "Client.InvalidKey");
    bench.world.complete_snapshots();
    bench.settle();
    let State::Skipped(refusal) = bench.state("VolumesSnapshotted").unwrap() else { panic!() };
    assert_eq!(refusal.reason, Reason::PartialFailure);
    assert!(
        refusal.message.contains("vol-00000000") && refusal.message.contains("Client.InvalidKey"),
        "{}",
        refusal.message
    );
    assert_eq!(reason(&bench, "Preserved"), Reason::PartialFailure);
    assert!(bench.verdict().ready, "settled, with less than was wished for");
    let locked = bench.world.snapshots.values().filter(|exhibit| exhibit.lock.is_some()).count();
    assert_eq!(locked, 1);
}

#[test]
fn a_set_that_failed_whole_needs_a_person_and_rests() {
    let mut bench = bench();
    bench.turn();
    let all: Vec<_> = bench.world.snapshots.keys().cloned().collect();
    for id in all {
        bench.world.fail_snapshot(&id, "no");
    }
    bench.settle();
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::SnapshotFailed));
    assert!(!bench.turn());
}

#[test]
fn preserved_is_never_said_to_have_failed_before_the_lock_is_written_down() {
    let mut bench = bench();
    bench.turn();
    bench.world.complete_snapshots();
    for _ in 0..10 {
        let plan = bench.plan();
        let state = plan.steps.iter().find(|step| step.name == "Preserved").unwrap().state.clone().unwrap();
        assert!(!matches!(state, State::Blocked(_)), "{state:?}");
        bench.turn();
    }
}

#[test]
fn what_cannot_begin_says_why() {
    type Setup = fn(&mut Bench<EvidenceSnapshot>);
    fn host(world: &mut World) -> &mut crate::playbook::seen::Instance {
        &mut world.instances.values_mut().next().unwrap().instance
    }
    let table: [(&str, Setup, Reason); 7] = [
        ("no volume left", |b| host(&mut b.world).volumes.clear(), Reason::NotCovered),
        (
            "all excluded",
            |b| b.spec.source.instance.exclude_volume_ids = vec![volume(0), volume(1)],
            Reason::NotCovered,
        ),
        ("not isolated yet", |b| b.spec.moment = Moment::AfterIsolation, Reason::Waiting),
        ("no such host", |b| b.world.instances.clear(), Reason::InstanceNotFound),
        (
            "terminated",
            |b| host(&mut b.world).state = crate::playbook::seen::InstanceState::Terminated,
            Reason::InstanceTerminated,
        ),
        ("of another account", |b| host(&mut b.world).owner = sample::forensics_id(), Reason::WrongAccount),
        ("elsewhere", |b| b.account.regions.clear(), Reason::RegionNotAllowed),
    ];
    for (given, setup, expected) in table {
        let mut bench = bench();
        setup(&mut bench);
        bench.settle();
        assert_eq!(bench.verdict().reason, expected, "{given}");
        assert!(bench.sent.is_empty() && bench.entries.is_empty(), "{given}: nothing is touched");
    }
}

#[test]
fn a_host_that_vanishes_after_a_refusal_is_said_and_not_waited_for() {
    let mut bench = bench();
    bench.refusals.insert("CreateSnapshots", ErrorClass::Throttled);
    bench.turn();
    bench.world.instances.clear();
    bench.settle();
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::InstanceNotFound));
}

#[test]
fn excluded_volumes_are_left_out_and_the_moment_after_isolation_comes_then() {
    let mut bench = bench();
    bench.spec.source.instance.exclude_volume_ids = vec![volume(1), volume(9)];
    bench.spec.moment = Moment::AfterIsolation;
    bench.lens = |seen| seen.isolated_at = Some(at(0));
    bench.turn();
    assert_eq!(bench.world.snapshots.len(), 1, "one that is not attached is not even named: AWS would refuse it");
}
