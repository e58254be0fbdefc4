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

fn outcomes(bench: &Bench<EvidenceSnapshot>, of: &OperationId) -> Vec<OutcomeKind> {
    let outcome = |entry: &Entry| match entry {
        Entry::Outcome { id, result, .. } if id == of => Some(*result),
        _ => None,
    };
    bench.entries.iter().filter_map(outcome).collect()
}

fn sets_asked_for(bench: &Bench<EvidenceSnapshot>) -> Vec<OperationId> {
    let intent = |entry: &Entry| match entry {
        Entry::Intent { id, effect: Effect::CreateSnapshots { .. }, .. } => Some(id.clone()),
        _ => None,
    };
    bench.entries.iter().filter_map(intent).collect()
}

#[test]
fn who_is_refused_for_certain_asks_again_at_once_under_the_same_intent() {
    for class in [ErrorClass::Throttled, ErrorClass::Denied, ErrorClass::Invalid, ErrorClass::Conflict] {
        let mut bench = bench();
        bench.refusals.insert("CreateSnapshots", class);
        bench.turn();
        bench.refusals.clear();
        bench.turn();
        assert_eq!(bench.world.sets(), 1, "{class}: no wait, for it was not applied");
        bench.turn();
        let [asked] = &sets_asked_for(&bench)[..] else { panic!("{:?}", bench.entries) };
        assert_eq!(outcomes(&bench, asked), [OutcomeKind::Done], "{class}");
        assert!(bench.world.snapshots.values().all(|exhibit| exhibit.tags["ops:operation"] == asked.0));
    }
}

#[test]
fn a_day_of_refusals_does_not_fill_the_chain() {
    let mut bench = bench();
    bench.refusals.insert("CreateSnapshots", ErrorClass::Throttled);
    for minute in 0..24 * 60 {
        bench.now = at(minute * 60);
        bench.turn();
    }
    assert_eq!(bench.sent.len(), 24 * 60, "asked every time all the same");
    let said = bench.facts().filter(|fact| matches!(fact, Fact::SentAgain { .. })).count();
    assert!((24..120).contains(&said), "{said}");
    assert_eq!((sets_asked_for(&bench).len(), bench.record.operations.len()), (1, 1));

    // Who takes over can't know that nothing is under way, and the chain says until when something was sent.
    bench.crash();
    let until = bench.record.operations.values().next().unwrap().at;
    assert!(until >= bench.now);
    bench.refusals.clear();
    bench.turn();
    assert_eq!(bench.world.sets(), 0);
    bench.now = sample::later(until, W - 1);
    bench.turn();
    assert_eq!(bench.world.sets(), 0, "W begins with the last time at which it may have been sent");
    bench.now = sample::later(until, W);
    bench.turn();
    assert_eq!((bench.world.sets(), sets_asked_for(&bench).len()), (1, 2));
}

#[test]
fn a_refused_request_for_what_the_host_was_is_closed_and_not_repeated() {
    let mut bench = bench();
    bench.refusals.insert("CreateSnapshots", ErrorClass::Invalid);
    bench.turn();
    bench.refusals.clear();
    bench.world.instances.values_mut().for_each(|host| host.instance.volumes.truncate(1));
    bench.turn();
    let asked = sets_asked_for(&bench);
    assert_eq!((asked.len(), outcomes(&bench, &asked[0])), (2, vec![OutcomeKind::Failed]));
    bench.world.complete_snapshots();
    bench.settle();
    assert_eq!(bench.state("VolumesSnapshotted"), Some(State::done("1 of 1 volumes in one set")));
    assert_eq!(
        bench.record.operations.keys().filter(|id| **id == asked[0]).count(),
        0,
        "what made nothing is forgotten"
    );
}

#[test]
fn a_set_that_was_given_up_and_comes_before_any_other_is_the_set() {
    let mut bench = lost(false);
    let (first, effect) = bench.record.operations.iter().map(|(id, o)| (id.clone(), o.effect.clone())).next().unwrap();
    // The second request is lost, too.
    let before = bench.world.clone();
    bench.refusals.insert("CreateSnapshots", ErrorClass::Ambiguous);
    bench.now = at(W);
    bench.turn();
    bench.refusals.clear();
    bench.world = before;
    bench.world.apply(&effect, &first).unwrap();
    // AWS shows a part of it first.
    let mut seen = bench.seen();
    if let Read::Found { value, .. } = &mut seen.snapshots {
        value.truncate(1);
    }
    let turn = bench.with(&seen, next);
    assert_eq!((sends(&turn), turn.facts.len(), turn.outcomes.len()), (0, 0, 0));
    bench.world.complete_snapshots();
    bench.settle();
    let (canonical, set) = bench.record.set.clone().unwrap();
    assert_eq!((&canonical, set.len(), bench.world.sets()), (&first, 2, 1));
    assert_eq!(outcomes(&bench, &first), [OutcomeKind::Unknown], "one outcome, and no second");
    bench.now = at(3 * W);
    bench.settle();
    let asked = sets_asked_for(&bench);
    assert_eq!(outcomes(&bench, &asked[1]), [OutcomeKind::Unknown], "nothing came of the second");
    assert!(bench.verdict().ready && bench.world.sets() == 1);
}

#[test]
fn what_of_its_own_call_comes_after_it_was_written_down_is_kept_too() {
    let mut bench = lost(true);
    let late = bench.world.snapshots.pop_last().unwrap();
    bench.now = at(W);
    bench.settle();
    assert_eq!(missing(&bench.record).len(), 1);
    bench.world.snapshots.insert(late.0.clone(), late.1);
    bench.settle();
    assert_eq!(bench.record.surplus, BTreeSet::from([late.0.clone()]));
    assert!(bench.world.snapshots[&late.0].lock.is_some());
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
            |b| b.spec.source.instance.as_mut().unwrap().exclude_volume_ids = vec![volume(0), volume(1)],
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
