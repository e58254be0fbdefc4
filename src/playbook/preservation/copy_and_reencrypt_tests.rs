//! Given a set, a world and what goes wrong, expect the copies.

use super::*;
use crate::api::aws_account::LockMode;
use crate::api::copies::CopyTo;
use crate::api::ids::{KeyArn, RegionName};
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::{Exhibit, World};
use crate::playbook::sample::{self, Bench};
use crate::playbook::seen::{Key, KeyManager, SnapshotState};

pub(in crate::playbook::preservation) fn at() -> Destination {
    Destination { account: sample::forensics_id(), region: sample::region() }
}

fn own() -> Destination {
    Destination { account: sample::account_id(), region: sample::region() }
}

fn forensic_key() -> KeyArn {
    KeyArn::parse("arn:aws:kms:eu-west-1:444455556666:key/key-f").unwrap()
}

fn to_forensics() -> CopyTo {
    CopyTo {
        account_ref: "forensics".to_owned(),
        region: sample::region(),
        kms_key_arn: forensic_key(),
        attempts: None,
    }
}

pub(in crate::playbook::preservation) fn world(volumes: usize) -> World {
    sample::world(1, volumes).with_key(forensic_key(), sample::key_of(KeyManager::Customer))
}

/// Evidence of which copies are declared.
pub(in crate::playbook::preservation) fn declared(world: World) -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(world);
    bench.spec.copies = vec![to_forensics()];
    bench
}

/// A set of it; nothing of it is copied yet.
pub(in crate::playbook::preservation) fn bench(world: World) -> Bench<EvidenceSnapshot> {
    let mut bench = declared(world);
    bench.settle();
    bench
}

pub(in crate::playbook::preservation) fn complete(bench: &mut Bench<EvidenceSnapshot>) {
    bench.world.complete_snapshots();
    bench.settle();
}

/// The same, with the copies asked for.
pub(in crate::playbook::preservation) fn begun(world: World) -> Bench<EvidenceSnapshot> {
    let mut bench = bench(world);
    complete(&mut bench);
    bench
}

pub(in crate::playbook::preservation) fn copies(bench: &Bench<EvidenceSnapshot>) -> Vec<&Exhibit> {
    bench.world.copies.get(&at()).into_iter().flat_map(|copies| copies.values()).collect()
}

pub(in crate::playbook::preservation) fn asked(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.operations().iter().filter(|operation| **operation == "CopySnapshot").count()
}

pub(in crate::playbook::preservation) fn blocked(bench: &Bench<EvidenceSnapshot>) -> Refusal {
    match bench.state("Copied") {
        Some(State::Blocked(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn waiting(bench: &Bench<EvidenceSnapshot>) -> Refusal {
    match bench.state("Copied") {
        Some(State::Working(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_snapshot_is_copied_once_under_the_key_of_the_place_and_locked_there() {
    let mut bench = bench(world(2));
    assert_eq!(asked(&bench), 0, "nothing is copied before it is complete");
    complete(&mut bench);
    assert_eq!(asked(&bench), 2);
    assert_eq!(bench.record.preserved_at, None, "not before the copies stand");
    for exhibit in copies(&bench) {
        assert!(exhibit.lock.is_some(), "locked while still pending");
        let of = bench.world.snapshots.values().next().unwrap();
        assert_eq!(exhibit.lock, of.lock, "as the source is");
        assert_eq!(exhibit.snapshot.key, Some(forensic_key()));
        let (volume, set) = bench
            .record
            .set
            .iter()
            .flat_map(|(_, set)| set)
            .find(|(_, id)| id.as_str() == exhibit.tags["vault:source-snapshot"])
            .unwrap();
        assert_eq!(exhibit.tags["vault:source-volume"], volume.to_string());
        assert_eq!(bench.record.copies[&at()].made[set], exhibit.snapshot.id);
    }
    assert_eq!(waiting(&bench).reason, Reason::SnapshotPending);
    complete(&mut bench);
    assert_eq!(asked(&bench), 2);
    assert!(bench.record.preserved_at.is_some());
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let Some(State::Done(told)) = bench.state("Copied") else { panic!("{:?}", bench.state("Copied")) };
    assert!(told.contains("2 of 2 in 444455556666/eu-west-1"), "{told}");
}

#[test]
fn nothing_is_copied_before_it_is_locked_and_shared() {
    for operation in ["LockSnapshot", "ModifySnapshotAttribute"] {
        let mut bench = Bench::evidence(world(1));
        bench.spec.copies = vec![to_forensics()];
        bench.refusals.insert(operation, ErrorClass::Throttled);
        bench.world.complete_snapshots();
        for _ in 0..10 {
            bench.turn();
            bench.world.complete_snapshots();
            bench.now = sample::later(bench.now, 1);
        }
        assert_eq!(asked(&bench), 0, "{operation}");
        assert_eq!(waiting(&bench).reason, Reason::Waiting);
        bench.refusals.clear();
        bench.settle();
        assert_eq!(asked(&bench), 1, "{operation}");
    }
}

#[test]
fn who_copies_is_given_the_key_until_the_copy_stands() {
    let mut bench = bench(
        world(2)
            .with_key(sample::key(1), sample::key_of(KeyManager::Customer))
            .with_encryption(sample::volume(0), sample::key(1)),
    );
    bench.world.complete_snapshots();
    // The grant takes its time.
    bench.lens = |seen| {
        for usable in seen.copies.values_mut().flat_map(|copies| copies.usable.values_mut()) {
            *usable = Read::Found { asked_at: sample::at(0), value: false };
        }
    };
    bench.settle();
    assert_eq!(asked(&bench), 1, "the one that is not encrypted");
    assert_eq!(waiting(&bench).reason, Reason::KeyAccessPending);
    bench.lens = |_| {};
    bench.settle();
    assert_eq!(asked(&bench), 2);
    assert_eq!(bench.world.keys[&sample::key(1)].grants.len(), 1);
    complete(&mut bench);
    assert!(bench.world.keys[&sample::key(1)].grants.is_empty(), "revoked once the copy stands");
    assert_eq!(bench.operations().iter().filter(|operation| **operation == "RevokeGrant").count(), 1);
    bench.see_out();
    assert_eq!(
        bench.operations().iter().filter(|operation| **operation == "CreateGrant").count(),
        1,
        "and not given again"
    );
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

#[test]
fn a_place_or_a_key_that_can_not_be_is_named_and_costs_nothing_else() {
    let elsewhere = RegionName::parse("eu-central-1").unwrap();
    let key_of = |text: &str| KeyArn::parse(text).unwrap();
    let of = |change: &dyn Fn(&mut CopyTo)| {
        let mut copy = to_forensics();
        change(&mut copy);
        copy
    };
    let table = [
        (of(&|copy| copy.account_ref = "stranger".to_owned()), Reason::DestinationNotAllowed, "stranger"),
        (of(&|copy| copy.region = elsewhere.clone()), Reason::DestinationNotAllowed, "eu-central-1"),
        (of(&|copy| copy.kms_key_arn = sample::key(1)), Reason::KeyUnusable, "account 444455556666"),
        (
            of(&|copy| copy.kms_key_arn = key_of("arn:aws:kms:eu-west-1:444455556666:key/gone")),
            Reason::KeyUnusable,
            "key/gone",
        ),
    ];
    for (wrong, reason, says) in table {
        let mut bench = Bench::evidence(world(1));
        bench.spec.copies = vec![wrong];
        bench.settle();
        complete(&mut bench);
        let refusal = blocked(&bench);
        assert_eq!(refusal.reason, reason);
        assert!(refusal.message.contains(says), "{}", refusal.message);
        assert_eq!((asked(&bench), bench.record.preserved_at), (0, None));
        assert!(bench.record.locked.len() == 1, "the set is locked all the same");
    }
    let mut bench =
        begun(world(1).with_key(forensic_key(), Key { enabled: false, ..sample::key_of(KeyManager::Customer) }));
    assert_eq!((blocked(&bench).reason, asked(&bench)), (Reason::KeyUnusable, 0));
    bench.world.keys.get_mut(&forensic_key()).unwrap().enabled = true;
    bench.settle();
    assert_eq!(asked(&bench), 1);
}

#[test]
fn a_copy_that_fails_is_named_and_made_anew_as_often_as_is_declared() {
    let mut bench = begun(world(2));
    let first = copies(&bench)[0].snapshot.id.clone();
    let exhibit = bench.world.copies.get_mut(&at()).unwrap().get_mut(&first).unwrap();
    exhibit.snapshot.state = SnapshotState::Error;
    exhibit.snapshot.state_message = Some("Given key ID is not accessible".to_owned());
    exhibit.lock = None;
    complete(&mut bench);
    let refusal = blocked(&bench);
    assert_eq!((refusal.reason, asked(&bench)), (Reason::SnapshotFailed, 2));
    for says in [first.as_str(), "Given key ID", "spec.copies.attempts", "1 of 2 in 444455556666/eu-west-1"] {
        assert!(refusal.message.contains(says), "{}", refusal.message);
    }
    assert_eq!(bench.record.preserved_at, None);
    bench.spec.copies[0].attempts = Some(2);
    bench.settle();
    assert_eq!(asked(&bench), 3);
    let anew =
        copies(&bench).into_iter().find(|exhibit| exhibit.tags.get("vault:retry-of") == Some(&first.to_string()));
    assert!(anew.is_some_and(|exhibit| exhibit.lock.is_some()));
    complete(&mut bench);
    assert!(bench.verdict().ready && bench.record.preserved_at.is_some(), "{:?}", bench.verdict());
    assert_eq!(bench.record.copies[&at()].failed.len(), 1);
}

#[test]
fn no_more_than_twenty_are_on_their_way_to_a_region() {
    let mut bench = bench(world(30));
    bench.lens = |seen| {
        for copies in seen.copies.values_mut() {
            copies.others = 5;
        }
    };
    bench.world.complete_snapshots();
    bench.settle();
    assert_eq!(asked(&bench), 15);
    assert!(waiting(&bench).message.contains("20 copies"), "{}", waiting(&bench).message);
    complete(&mut bench);
    assert_eq!(asked(&bench), 30);
}

#[test]
fn what_is_under_the_default_key_goes_by_the_transfer_key() {
    let transfer = KeyArn::parse("arn:aws:kms:eu-west-1:444455556666:key/transfer").unwrap();
    let world = world(2)
        .with_key(sample::key(9), sample::key_of(KeyManager::Aws))
        .with_key(transfer.clone(), sample::key_of(KeyManager::Customer))
        .with_encryption(sample::volume(0), sample::key(9));
    let mut bench = begun(world);
    assert_eq!((blocked(&bench).reason, asked(&bench)), (Reason::DefaultKey, 1));
    assert!(blocked(&bench).message.contains("spec.evidence.transferKeyArn"), "{}", blocked(&bench).message);
    bench.account.transfer_key = Some(transfer.clone());
    let locked = std::mem::take(&mut bench.record.locked);
    bench.refusals.insert("LockSnapshot", ErrorClass::Throttled);
    bench.world.snapshots.values_mut().for_each(|exhibit| exhibit.lock = None);
    bench.turn();
    assert_eq!(asked(&bench), 1, "not before it is locked");
    bench.refusals.clear();
    bench.record.locked = locked;
    for _ in 0..4 {
        complete(&mut bench);
    }
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let first: Vec<&Exhibit> = bench.world.copies[&own()].values().collect();
    assert_eq!((first.len(), first[0].snapshot.key.as_ref()), (1, Some(&transfer)));
    assert!(first[0].lock.is_some());
    assert_eq!(first[0].permissions, BTreeSet::from([sample::forensics_id().to_string()]));
    assert!(
        bench.world.snapshots.values().all(|exhibit| exhibit.snapshot.key.is_none() || exhibit.permissions.is_empty())
    );
    assert_eq!(copies(&bench).len(), 2);
    assert_eq!(
        bench.record.copies[&at()].made.keys().collect::<Vec<_>>(),
        bench.record.set.as_ref().unwrap().1.values().collect::<Vec<_>>()
    );
}

#[test]
fn a_lock_of_a_copy_is_renewed_and_a_missing_one_put_back() {
    let mut bench = begun(world(1));
    complete(&mut bench);
    let before = copies(&bench)[0].lock.clone().unwrap();
    bench.now = sample::later(bench.now, 360 * 86_400);
    bench.settle();
    let after = copies(&bench)[0].lock.clone().unwrap();
    assert!(after.until > before.until && after.mode == LockMode::Governance, "{after:?}");
    let copy = copies(&bench)[0].snapshot.id.clone();
    bench.world.copies.get_mut(&at()).unwrap().get_mut(&copy).unwrap().lock = None;
    bench.settle();
    assert_eq!(copies(&bench)[0].lock.as_ref(), Some(&after));
}

#[test]
fn who_may_not_be_looked_at_is_said_and_what_stands_is_listed() {
    let mut bench = begun(world(2));
    complete(&mut bench);
    bench.lens = |seen| {
        for copies in seen.copies.values_mut() {
            *copies = CopiesSeen::refused(Refusal::new(Reason::RoleNotAssumable, "the account is closed"));
        }
    };
    let refusal = blocked(&bench);
    assert_eq!(refusal.reason, Reason::RoleNotAssumable);
    assert!(refusal.message.contains("2 of 2 in 444455556666/eu-west-1"), "{}", refusal.message);
}

#[test]
fn what_of_the_source_goes_away_is_said_and_what_stands_is_listed() {
    let mut bench = bench(
        world(2)
            .with_key(sample::key(1), sample::key_of(KeyManager::Customer))
            .with_encryption(sample::volume(0), sample::key(1)),
    );
    bench.world.keys.get_mut(&sample::key(1)).unwrap().enabled = false;
    for _ in 0..2 {
        complete(&mut bench);
    }
    let refusal = blocked(&bench);
    assert_eq!((refusal.reason, asked(&bench)), (Reason::KeyUnusable, 1));
    assert!(
        refusal.message.contains("key-1") && refusal.message.contains("1 of 2 in 444455556666"),
        "{}",
        refusal.message
    );
    bench.account.ready = Err(Refusal::new(Reason::RoleNotAssumable, "the role can't be assumed"));
    let told = bench.verdict();
    assert_eq!((told.ready, told.reason), (false, Reason::RoleNotAssumable));
    assert!(told.message.contains("1 of 2 in 444455556666/eu-west-1"), "{}", told.message);
}
