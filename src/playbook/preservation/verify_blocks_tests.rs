//! Given how far the reading is, expect what is written down, what is said, and when it is looked at again.

use super::*;
use crate::playbook::image::{Digests, ImageDigest};
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, at, later};
use crate::playbook::seen::Read::Found;

const IMAGE: u64 = 64 << 30;

/// A complete, locked set of two that is being read.
fn bench() -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(sample::world(1, 2));
    bench.turn();
    bench.world.complete_snapshots();
    bench.lens = |seen| seen.digests.values_mut().for_each(|read| *read = Read::NotRead);
    bench.settle();
    bench
}

fn first(bench: &Bench<EvidenceSnapshot>) -> SnapshotId {
    whole(&bench.record)[0].clone()
}

/// A digest that has come to a block, of which every one was written.
fn part(image: u64, next: u64) -> Part {
    let mut part = ImageDigest::new(image).part();
    (part.next, part.written) = (next, next);
    part
}

fn going(next: u64, since: i64) -> Digesting {
    Digesting::Going { since: at(since), from: 0, part: Box::new(part(IMAGE, next)) }
}

/// What the step says where the first snapshot is so far, and the second one waits.
fn turn_of(bench: &Bench<EvidenceSnapshot>, value: Digesting) -> Turn<EvidenceSnapshot> {
    let mut seen = bench.seen();
    for read in seen.digests.values_mut() {
        *read = Found { asked_at: bench.now, value: Digesting::Waiting };
    }
    seen.digests.insert(first(bench), Found { asked_at: bench.now, value });
    bench.with(&seen, STEP.next)
}

fn note(bench: &mut Bench<EvidenceSnapshot>, facts: Vec<Fact>) {
    let entries: Vec<Entry> = facts.into_iter().map(Entry::Fact).collect();
    bench.record.fold(&entries, bench.now);
}

fn refusal(state: State) -> (bool, Reason, String) {
    match state {
        State::Blocked(refusal) => (true, refusal.reason, refusal.message),
        State::Working(refusal) | State::Skipped(refusal) => (false, refusal.reason, refusal.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_snapshot_becomes_an_exhibit_with_its_digest_and_its_size() {
    let mut bench = bench();
    assert!(!bench.verdict().ready, "declared, and not done");
    bench.lens = |_| {};
    bench.settle();
    let exhibits: Vec<Exhibit> = bench
        .facts()
        .filter_map(|fact| match fact {
            Fact::Digested(exhibit) => Some(exhibit.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(exhibits.len(), 2);
    assert_ne!(exhibits[0].digest, exhibits[1].digest, "each volume has bytes of its own");
    let Exhibit { algorithm, size, blocks_written, account, region, .. } = &exhibits[0];
    assert_eq!((algorithm.as_str(), *size, *blocks_written), ("SHA-256", 64, 1));
    assert_eq!((account, region), (&sample::account_id(), &sample::region()));
    let State::Done(said) = bench.state("Verified").unwrap() else { panic!("{:?}", bench.state("Verified")) };
    assert!(said.starts_with("2 of 2 snapshots are read"), "{said}");
    assert!(bench.verdict().ready);
}

#[test]
fn nothing_is_read_before_all_is_complete_and_locked_or_where_it_is_not_declared() {
    let asked = |bench: &Bench<EvidenceSnapshot>| bench.seen().digests.len();
    let mut bench = Bench::evidence(sample::world(1, 2));
    bench.refusals.insert("LockSnapshot", crate::cloud::error::ErrorClass::Denied);
    bench.turn();
    let ids: Vec<SnapshotId> = bench.world.snapshots.keys().cloned().collect();
    bench.world.snapshots.get_mut(&ids[0]).unwrap().snapshot.state = crate::playbook::seen::SnapshotState::Completed;
    bench.turn();
    assert_eq!(asked(&bench), 0, "one is pending");
    bench.world.complete_snapshots();
    bench.turn();
    bench.turn();
    assert_eq!(asked(&bench), 0, "none is locked");
    assert_eq!(refusal(bench.state("Verified").unwrap()).1, Reason::Waiting);
    bench.refusals.clear();
    bench.spec.verify = Verify::None;
    bench.settle();
    assert_eq!((asked(&bench), bench.state("Verified")), (0, None));
    assert!(bench.verdict().ready);
    bench.spec.verify = Verify::Digest;
    assert_eq!(asked(&bench), 2);
}

#[test]
fn how_far_it_is_is_written_down_hourly_and_each_time_that_much_was_read() {
    // Blocks read, seconds since the reading began, whether it is written down.
    let table = [(1, 0, false), (LEAST - 1, 3599, false), (LEAST, 1, true), (5, 3600, true), (0, 7200, false)];
    for (next, seconds, expected) in table {
        let mut bench = bench();
        bench.now = later(bench.now, seconds);
        let turn = turn_of(&bench, going(next, bench.now.as_second() - at(0).as_second() - seconds));
        let said = turn.facts.iter().any(|fact| matches!(fact, Fact::DigestPart(_)));
        assert_eq!(said, expected, "{next} blocks in {seconds} s");
        assert!(matches!(turn.state, State::Working(_)), "{:?}", turn.state);
    }
    // A large image in no more than so many parts: a sixteenth at a time.
    let bench = bench();
    let large = |next| Digesting::Going { since: bench.now, from: 0, part: Box::new(part(16 << 40, next)) };
    let sixteenth = (16_u64 << 40) / BLOCK / 16;
    assert!(turn_of(&bench, large(sixteenth - 1)).facts.is_empty());
    assert_eq!(turn_of(&bench, large(sixteenth)).facts.len(), 1);
}

#[test]
fn what_is_written_down_is_gone_on_from_until_the_end_is() {
    let mut bench = bench();
    // It began long before.
    bench.now = later(bench.now, 7200);
    let id = first(&bench);
    let facts = turn_of(&bench, going(LEAST, 0)).facts;
    note(&mut bench, facts);
    let ask = crate::cloud::AskDigests::about(&bench.spec, &bench.record);
    assert_eq!(ask.own[&id].as_ref().map(|part| part.next), Some(LEAST));
    assert!(turn_of(&bench, going(LEAST, 0)).facts.is_empty(), "the same is not said twice");
    assert!(turn_of(&bench, going(LEAST + 5, 0)).facts.is_empty(), "nor soon after");
    bench.now = later(bench.now, 3600);
    assert_eq!(turn_of(&bench, going(LEAST + 5, 0)).facts.len(), 1);
    let digests = Digests { bytes: 1, written: 1, not_zero: 1, image: digest("a"), manifest: digest("b") };
    let facts = turn_of(&bench, Digesting::Done(digests)).facts;
    note(&mut bench, facts);
    assert!(bench.record.exhibits.parts.is_empty() && bench.record.exhibits.has_ended(&id));
    assert!(!crate::cloud::AskDigests::about(&bench.spec, &bench.record).own.contains_key(&id));
}

fn digest(text: &str) -> crate::api::ids::Digest {
    crate::playbook::chain::sha256(text.as_bytes())
}

#[test]
fn a_block_that_is_not_what_it_is_said_to_be_is_a_contradiction_and_the_rest_goes_on() {
    let mut bench = bench();
    bench.lens = |_| {};
    let bad = first(&bench);
    bench.world.corrupt.insert(bad.clone());
    bench.settle();
    let contradictions: Vec<Contradiction> = bench
        .facts()
        .filter_map(|fact| match fact {
            Fact::Contradicted(contradiction) => Some(contradiction.clone()),
            _ => None,
        })
        .collect();
    let [Contradiction { snapshot, what, told, found }] = &contradictions[..] else { panic!("{contradictions:?}") };
    assert_eq!((snapshot, what.as_str(), told.as_str()), (&bad, "block 0", ""));
    assert_eq!(found.len(), 44, "SHA-256 in Base64: {found}");
    let (blocked, reason, message) = refusal(bench.state("Verified").unwrap());
    assert!(blocked && reason == Reason::Contradicted);
    for word in [bad.as_str(), found, "Nothing is deleted", "1 of 2"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(bench.record.exhibits.digested.len(), 1, "the other one is verified");
    assert!(bench.record.preserved_at.is_some(), "and it is preserved all the same");
    let sent = bench.operations();
    assert!(sent.iter().all(|operation| ["CreateSnapshots", "LockSnapshot"].contains(operation)), "{sent:?}");
    // Neither another look nor another wish takes it back.
    bench.world.corrupt.clear();
    bench.spec.verify = Verify::None;
    bench.settle();
    assert_eq!(refusal(bench.state("Verified").unwrap()).1, Reason::Contradicted);
}

#[test]
fn what_can_not_be_read_says_why_and_whose_turn_it_is() {
    let bench = bench();
    let table = [
        (Reason::PermissionMissing, true),
        (Reason::Unreadable, true),
        (Reason::Throttled, false),
        (Reason::AwsUnavailable, false),
    ];
    for (reason, person) in table {
        let mut seen = bench.seen();
        let id = first(&bench);
        seen.digests.insert(id, Read::Failed(ReadFailure { reason, message: "grant ebs:GetSnapshotBlock".to_owned() }));
        let (blocked, said, message) = refusal(bench.with(&seen, STEP.next).state);
        assert_eq!((blocked, said), (person, reason));
        assert!(message.contains("0 of 2") && message.contains("grant ebs:GetSnapshotBlock"), "{message}");
    }
}

#[test]
fn it_is_looked_at_again_when_it_may_be_done() {
    let mut bench = bench();
    bench.now = at(1000);
    // Blocks of 131,072, since when, seconds until the next look: no more often than AWS is asked about its own work, and
    // as often as all that is held.
    let table = [(131_072, 0, 5), (130_000, 0, 8), (65_536, 0, 60), (0, 1000, 5)];
    for (next, since, expected) in table {
        assert_eq!(turn_of(&bench, going(next, since)).again_in, Some(expected), "{next} since {since}");
    }
    assert_eq!(turn_of(&bench, Digesting::Waiting).again_in, None, "its turn comes when others have ended");
}

#[test]
fn lost_volumes_are_no_verified_ones() {
    let mut bench = Bench::evidence(sample::world(1, 2));
    bench.turn();
    let failed = bench.world.snapshots.keys().next().unwrap().clone();
    bench.world.fail_snapshot(&failed, "Client.InvalidKey");
    bench.world.complete_snapshots();
    bench.settle();
    let (blocked, reason, message) = refusal(bench.state("Verified").unwrap());
    assert!(!blocked && reason == Reason::PartialFailure, "{message}");
    assert!(
        message.starts_with("1 of 1 snapshots are read") && message.contains("of 1 volumes there is none"),
        "{message}"
    );
}

#[test]
fn a_copy_agrees_with_its_source_or_both_digests_are_named() {
    let [source, good, bad, unread] = [0, 1, 2, 3].map(sample::snapshot);
    let exhibit = |id: &SnapshotId, bytes: &str| {
        let digests = Digests { bytes: 1, written: 1, not_zero: 1, image: digest(bytes), manifest: digest("") };
        let at = Destination { account: sample::account_id(), region: sample::region() };
        (id.clone(), Exhibit::new(id, &at, &digests))
    };
    let digested = [exhibit(&source, "a"), exhibit(&good, "a"), exhibit(&bad, "b")].into();
    let mut exhibits = Exhibits { digested, ..Exhibits::default() };
    let pairs = [(&source, &good), (&source, &bad), (&source, &unread)];
    let differ = differing(&exhibits, pairs);
    let [Contradiction { snapshot, what, told, found }] = &differ[..] else { panic!("{differ:?}") };
    assert_eq!((snapshot, what.as_str()), (&bad, "as a copy of snap-00000f00"));
    assert_eq!((told, found), (&digest("a").to_string(), &digest("b").to_string()));
    exhibits.contradicted.insert(bad.clone(), differ[0].clone());
    assert!(differing(&exhibits, pairs).is_empty(), "said once");
}

#[test]
fn a_status_tells_of_every_twentieth() {
    let table = [(0, 0), (6_553, 0), (6_554, 5), (65_535, 45), (65_536, 50), (131_071, 95), (131_072, 100)];
    for (next, expected) in table {
        assert_eq!(percent(&part(IMAGE, next)), expected, "{next}");
    }
}

#[test]
fn one_lock_that_is_lost_keeps_nobody_from_reading_the_others() {
    let mut bench = Bench::evidence(sample::world(1, 2));
    bench.turn();
    bench.world.complete_snapshots();
    bench.lens = |seen| {
        let lost = seen.snapshots.value().and_then(|all| Some(all.first()?.id.clone()));
        if let (Some(lost), Found { value, .. }) = (lost, &mut seen.locks) {
            value.remove(&lost);
        }
    };
    for _ in 0..12 {
        bench.turn();
        bench.now = later(bench.now, 1);
    }
    let digested: Vec<&SnapshotId> = bench.record.exhibits.digested.keys().collect();
    assert_eq!(digested, [whole(&bench.record)[0]], "of the one that is locked");
    let (_, reason, message) = refusal(bench.state("Verified").unwrap());
    assert_eq!(reason, Reason::Waiting);
    assert!(message.contains("1 of 1 snapshots are read") && message.contains("1 wait for their lock"), "{message}");
    bench.lens = |_| {};
    bench.settle();
    assert_eq!(bench.record.exhibits.digested.len(), 2);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}
