//! Given permissions and keys, expect exactly the declared accounts, after the lock, and never the public.

use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::sample::{self, Bench, key, key_of, volume};

fn shared(world: World) -> Bench<EvidenceSnapshot> {
    let mut bench = Bench::evidence(world);
    bench.spec.share = sample::shared_with_forensics();
    bench
}

fn finish(bench: &mut Bench<EvidenceSnapshot>) {
    bench.turn();
    bench.world.complete_snapshots();
    bench.settle();
}

fn permissions(bench: &Bench<EvidenceSnapshot>, n: usize) -> Vec<String> {
    let of = |e: &&crate::cloud::sim::Exhibit| e.snapshot.volume == volume(n);
    bench.world.snapshots.values().find(of).unwrap().permissions.iter().cloned().collect()
}

#[test]
fn shared_with_the_declared_account_after_the_lock_and_not_before() {
    let mut bench = shared(sample::world(1, 2));
    finish(&mut bench);
    assert_eq!(
        bench.operations(),
        ["CreateSnapshots", "LockSnapshot", "LockSnapshot", "ModifySnapshotAttribute", "ModifySnapshotAttribute"]
    );
    assert_eq!(permissions(&bench, 0), ["444455556666"]);
    assert!(bench.verdict().ready);
    assert_eq!(bench.record.shared.len(), 2);
}

#[test]
fn ready_is_never_said_before_everything_is_shared() {
    let mut bench = shared(sample::world(1, 2));
    bench.turn();
    bench.world.complete_snapshots();
    for _ in 0..12 {
        if bench.verdict().ready {
            assert_eq!((permissions(&bench, 0).len(), permissions(&bench, 1).len()), (1, 1));
        }
        bench.turn();
    }
    assert!(bench.verdict().ready);
    // A look that does not show one of them says nothing about it.
    let mut seen = bench.seen();
    if let Read::Found { value, .. } = &mut seen.snapshots {
        value.pop();
    }
    assert!(matches!(bench.with(&seen, next).state, State::Working(_)));
}

#[test]
fn keys_decide_what_can_be_shared() {
    let (default, customer) = (key(0), key(1));
    let world = sample::world(1, 3)
        .with_key(default.clone(), key_of(KeyManager::Aws))
        .with_key(customer.clone(), key_of(KeyManager::Customer))
        .with_encryption(volume(0), default)
        .with_encryption(volume(1), customer.clone());
    let mut bench = shared(world);
    finish(&mut bench);
    assert_eq!((permissions(&bench, 0).len(), permissions(&bench, 1).len(), permissions(&bench, 2).len()), (0, 1, 1));
    let grants = &bench.world.keys[&customer].grants;
    assert_eq!(grants.iter().collect::<Vec<_>>(), ["ops-uid-1-444455556666"]);
    let State::Skipped(refusal) = bench.state("Shared").unwrap() else { panic!() };
    assert_eq!(refusal.reason, Reason::DefaultKey);
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::GaveUp { .. })).count(), 1, "said once");
    assert!(bench.verdict().ready, "settled: the rest is shared");
    let grant = bench.operations().iter().position(|o| *o == "CreateGrant").unwrap();
    let share = bench.operations().iter().position(|o| *o == "ModifySnapshotAttribute").unwrap();
    assert!(grant < share, "the key first");
}

#[test]
fn a_grant_that_is_refused_keeps_the_snapshot_to_itself() {
    let world = sample::world(1, 1).with_key(key(1), key_of(KeyManager::Customer)).with_encryption(volume(0), key(1));
    let mut bench = shared(world);
    bench.refusals.insert("CreateGrant", ErrorClass::Denied);
    bench.turn();
    bench.world.complete_snapshots();
    for _ in 0..8 {
        bench.turn();
    }
    assert!(permissions(&bench, 0).is_empty(), "what nobody could read is not shared");
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::PermissionMissing));
    let entries = bench.entries.len();
    bench.turn();
    assert_eq!(bench.entries.len(), entries, "and the chain does not grow by trying again");
    bench.refusals.clear();
    bench.settle();
    assert!(bench.verdict().ready);
}

#[test]
fn two_accounts_and_two_volumes_under_one_key_take_two_grants() {
    let world = sample::world(1, 2)
        .with_key(key(1), key_of(KeyManager::Customer))
        .with_encryption(volume(0), key(1))
        .with_encryption(volume(1), key(1));
    let mut bench = shared(world);
    bench.spec.share.push(crate::api::evidence_snapshot::ShareWith { account_ref: "second".to_owned() });
    bench.account.destinations.insert("second".to_owned(), AccountId::parse("777788889999").unwrap());
    finish(&mut bench);
    assert_eq!(bench.operations().iter().filter(|o| **o == "CreateGrant").count(), 2);
    assert_eq!(permissions(&bench, 1), ["444455556666", "777788889999"]);
}

#[test]
fn strangers_lose_what_they_should_not_have() {
    // Who may use it; what is sent; whether the public is named in it.
    let table: [(&[&str], usize, bool); 4] = [
        (&["444455556666"], 0, false),
        (&["444455556666", "999999999999"], 1, false),
        (&["444455556666", "all"], 1, true),
        (&["all"], 2, true),
    ];
    for (who, effects, public) in table {
        let mut bench = shared(sample::world(1, 1));
        finish(&mut bench);
        for exhibit in bench.world.snapshots.values_mut() {
            exhibit.permissions = who.iter().map(|who| (*who).to_owned()).collect();
        }
        let turn = bench.step("Shared");
        let sent: Vec<&Effect> = turn.stages.iter().flatten().collect();
        assert_eq!(sent.len(), effects, "{who:?}");
        assert_eq!(sent.iter().any(|e| matches!(e, Effect::UnshareSnapshot { public: true, .. })), public, "{who:?}");
        assert_eq!(turn.facts.iter().any(|fact| matches!(fact, Fact::StrangersFound { .. })), effects > 0, "{who:?}");
        bench.settle();
        assert_eq!(permissions(&bench, 0), ["444455556666"], "{who:?}");
    }
}

#[test]
fn an_account_that_is_not_allowed_any_more_gets_nothing_new() {
    let mut bench = shared(sample::world(1, 1));
    bench.turn();
    bench.account.destinations.clear();
    bench.world.complete_snapshots();
    bench.settle();
    assert_eq!(bench.verdict().reason, Reason::DestinationNotAllowed);
    assert!(permissions(&bench, 0).is_empty());
}

#[test]
fn a_key_that_cannot_be_used_or_read_is_a_reason() {
    let encrypted = || sample::world(1, 1).with_encryption(volume(0), key(1));
    let mut disabled = key_of(KeyManager::Customer);
    disabled.enabled = false;
    for (given, world) in [("disabled", encrypted().with_key(key(1), disabled)), ("gone", encrypted())] {
        let mut bench = shared(world);
        finish(&mut bench);
        let State::Skipped(refusal) = bench.state("Shared").unwrap() else { panic!("{given}") };
        assert_eq!(refusal.reason, Reason::KeyAccessPending, "{given}");
    }
    let mut bench = shared(encrypted().with_key(key(1), key_of(KeyManager::Customer)));
    finish(&mut bench);
    let mut seen = bench.seen();
    let failure =
        crate::playbook::seen::ReadFailure { reason: Reason::PermissionMissing, message: "kms:DescribeKey".to_owned() };
    seen.keys.insert(key(1), Read::Failed(failure));
    assert!(matches!(bench.with(&seen, next).state, State::Blocked(r) if r.reason == Reason::PermissionMissing));
    seen.keys.insert(key(1), Read::NotRead);
    assert!(matches!(bench.with(&seen, next).state, State::Working(_)));
}

#[test]
fn nobody_declared_means_nobody_asked() {
    let mut bench = Bench::evidence(sample::world(1, 1));
    finish(&mut bench);
    assert_eq!(bench.state("Shared"), None);
}
