//! Given snapshots that exist, expect them adopted as they are, or refused by name with nothing done.

use super::*;
use crate::api::evidence_snapshot::Source;
use crate::api::ids::SnapshotId;
use crate::cloud::sim::{Exhibit, World};
use crate::playbook::preservation::copy_and_reencrypt::tests::{at as there, bench as copying, complete, world};
use crate::playbook::sample::{self, Bench};

const TAG: &str = "ops:operation";
/// What it says of a snapshot that the object under test is to keep.
const MINE: &str = "ir/one";

/// As many backups, each of a volume of its own, begun a day apart.
fn backups(count: usize) -> World {
    let mut made = Bench::evidence(world(count));
    made.turn();
    made.world.complete_snapshots();
    let mut all = std::mem::take(&mut made.world.snapshots);
    for (day, exhibit) in all.values_mut().enumerate() {
        exhibit.snapshot.operation = None;
        exhibit.started = Some(format!("2026-11-{:02}T00:00:00Z", day + 1));
        exhibit.tags = BTreeMap::from([(TAG.to_owned(), MINE.to_owned())]);
    }
    World { snapshots: all, made: made.world.made, ..world(count) }
}

fn ids(world: &World) -> Vec<SnapshotId> {
    world.snapshots.keys().cloned().collect()
}

fn adopting(world: World) -> Bench<EvidenceSnapshot> {
    let ids = ids(&world);
    let mut bench = Bench::evidence(world);
    bench.spec.source = Source {
        instance: None,
        snapshots: Some(Box::new(SnapshotsSource {
            account_ref: "prod".to_owned(),
            region: sample::region(),
            snapshot_ids: ids,
            instance_id: Some(sample::instance_id()),
        })),
    };
    bench
}

#[test]
fn what_exists_is_kept_like_a_set_and_never_called_one_of_ours() {
    let mut bench = adopting(backups(2));
    bench.spec.copies = copying(world(1)).spec.copies;
    bench.settle();
    complete(&mut bench);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let mut sent = bench.operations();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent, ["CopySnapshot", "LockSnapshot", "ModifySnapshotAttribute"], "nothing is taken");
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()));
    assert_eq!((bench.world.snapshots.len(), bench.world.copies[&there()].len()), (2, 2));
    let exhibits = &bench.record.exhibits;
    assert_eq!((exhibits.digested.len(), bench.record.preserved_at.is_some()), (4, true));
    let adopted = bench.record.adopted.as_ref().unwrap();
    assert_eq!((&adopted.account, adopted.snapshots.len()), (&sample::account_id(), 2));
    assert_eq!((&adopted.instance, adopted.attached), (&Some(sample::instance_id()), true));
    let Some(State::Done(said)) = bench.state("VolumesSnapshotted") else { panic!("{:?}", bench.plan().steps) };
    for words in
        ["adopted and not taken by us, of volumes of i-", "not one crash-consistent moment", "2026-11-01", "2026-11-02"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    for copy in bench.world.copies[&there()].values() {
        assert_eq!(
            (copy.tags["vault:set"].as_str(), copy.tags["vault:source-account"].as_str()),
            ("adopted", "111122223333")
        );
    }
    let entries = bench.entries.len();
    bench.see_out();
    assert_eq!(bench.entries.len(), entries, "and it rests");
}

#[test]
fn snapshots_of_one_time_are_not_said_to_be_one_moment() {
    let mut world = backups(2);
    world.snapshots.values_mut().for_each(|exhibit| exhibit.started = Some("2026-11-01T00:00:00Z".to_owned()));
    let mut bench = adopting(world);
    bench.settle();
    let Some(State::Done(said)) = bench.state("VolumesSnapshotted") else { panic!("{:?}", bench.plan().steps) };
    assert!(said.contains("AWS does not say"), "{said}");
}

#[test]
fn what_is_not_as_it_is_said_to_be_is_refused_by_name_and_nothing_is_done() {
    type Change = fn(&mut World, SnapshotId, Exhibit);
    let table: [(&str, Reason, &[&str], Change); 9] = [
        ("gone", Reason::SnapshotNotFound, &["111122223333", "eu-west-1"], |_, _, _| {}),
        ("somebody else's", Reason::WrongAccount, &["belongs to account 444455556666"], |world, id, exhibit| {
            world.copies.entry(there()).or_default().insert(id, exhibit);
        }),
        ("failed", Reason::SnapshotFailed, &["failed (full)", "leave it out"], |world, id, mut exhibit| {
            exhibit.snapshot.state = SnapshotState::Error;
            exhibit.snapshot.state_message = Some("full".to_owned());
            world.snapshots.insert(id, exhibit);
        }),
        (
            "without the tag",
            Reason::PermissionMissing,
            &["1 of them", "Key=ops:operation,Value=ir/one"],
            |world, id, mut exhibit| {
                exhibit.tags.clear();
                world.snapshots.insert(id, exhibit);
            },
        ),
        ("kept by another object", Reason::HeldElsewhere, &[TAG, MINE], |world, id, mut exhibit| {
            exhibit.tags.insert(TAG.to_owned(), "secret/other".to_owned());
            world.snapshots.insert(id, exhibit);
        }),
        ("a set of ours", Reason::HeldElsewhere, &[TAG, MINE], |world, id, mut exhibit| {
            exhibit.tags.insert(TAG.to_owned(), "0123456789abcdef".to_owned());
            world.snapshots.insert(id, exhibit);
        }),
        (
            "of another host",
            Reason::WrongInstance,
            &["vol-00000009", "i-", "without instanceId"],
            |world, id, mut exhibit| {
                exhibit.snapshot.volume = sample::volume(9);
                world.snapshots.insert(id, exhibit);
            },
        ),
        ("another moment", Reason::InvalidRequest, &["two moments", "vol-00000000"], |world, id, mut exhibit| {
            exhibit.snapshot.volume = sample::volume(0);
            world.snapshots.insert(id, exhibit);
        }),
        ("in the bin", Reason::SnapshotFailed, &["Recycle Bin"], |world, id, mut exhibit| {
            exhibit.snapshot.state = SnapshotState::Recoverable;
            world.snapshots.insert(id, exhibit);
        }),
    ];
    for (given, reason, words, change) in table {
        let mut bench = adopting(backups(2));
        let last = ids(&bench.world).pop().unwrap();
        let exhibit = bench.world.snapshots.remove(&last).unwrap();
        change(&mut bench.world, last.clone(), exhibit);
        bench.settle();
        let verdict = bench.verdict();
        assert_eq!((verdict.stalled, verdict.reason), (true, reason), "{given}: {verdict:?}");
        for word in words.iter().chain(&[last.as_str(), "Nothing is done"]) {
            assert!(verdict.message.contains(word), "{given}: {word}: {verdict:?}");
        }
        assert!(!verdict.message.contains("secret"), "whose it is stays in that namespace: {verdict:?}");
        assert!(bench.sent.is_empty() && bench.record.opened.is_none(), "{given}: not one of them is touched");
    }
}

#[test]
fn of_a_host_that_is_gone_or_not_named_nothing_is_verified_and_it_is_said() {
    let gone: fn(&mut Bench<EvidenceSnapshot>) = |bench| bench.world.instances.clear();
    let terminated: fn(&mut Bench<EvidenceSnapshot>) = |bench| {
        let host = bench.world.instances.values_mut().next().unwrap();
        host.instance.state = InstanceState::Terminated;
        host.instance.volumes.clear();
    };
    let unnamed: fn(&mut Bench<EvidenceSnapshot>) = |bench| {
        bench.spec.source.snapshots.as_mut().unwrap().instance_id = None;
        bench.world.snapshots.values_mut().for_each(|exhibit| exhibit.snapshot.volume = sample::volume(9));
    };
    let said = "said to be of i-00000001, which was not there any more";
    for (change, words) in [(gone, said), (terminated, said), (unnamed, "adopted and not taken by us")] {
        let mut bench = adopting(backups(1));
        change(&mut bench);
        bench.settle();
        assert!(!bench.record.adopted.as_ref().unwrap().attached);
        let Some(State::Done(told)) = bench.state("VolumesSnapshotted") else { panic!("{:?}", bench.plan().steps) };
        assert!(told.ends_with(words), "{told}");
    }
}

#[test]
fn one_that_is_deleted_later_is_said_to_be_gone() {
    let mut bench = adopting(backups(2));
    bench.settle();
    let gone = ids(&bench.world).pop().unwrap();
    bench.world.snapshots.remove(&gone);
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    bench.settle();
    let verdict = bench.verdict();
    assert!(verdict.stalled && verdict.message.contains(gone.as_str()), "{verdict:?}");
}

#[test]
fn a_pending_one_is_locked_and_waited_for() {
    let mut world = backups(1);
    world.snapshots.values_mut().for_each(|exhibit| exhibit.snapshot.state = SnapshotState::Pending);
    let mut bench = adopting(world);
    bench.settle();
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()));
    assert!(!bench.verdict().ready);
    complete(&mut bench);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}
