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
    assert_eq!(grants.keys().collect::<Vec<_>>(), ["ops-uid-1-444455556666"]);
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
fn a_grant_that_is_refused_keeps_nothing_else_from_being_put_right() {
    // Given: one volume under a customer key and one without, both public. Expect: neither is, and the plain one is shared.
    let world = sample::world(1, 2).with_key(key(1), key_of(KeyManager::Customer)).with_encryption(volume(0), key(1));
    let mut bench = shared(world);
    bench.refusals.insert("CreateGrant", ErrorClass::Denied);
    bench.turn();
    bench.world.complete_snapshots();
    bench.world.snapshots.values_mut().for_each(|e| e.permissions.extend(["all".to_owned()]));
    for _ in 0..6 {
        bench.turn();
    }
    assert!(permissions(&bench, 0).is_empty(), "not public, and not shared before the key");
    assert_eq!(permissions(&bench, 1), ["444455556666"]);
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::PermissionMissing));

    // An account that has its grant waits for no other account's.
    bench.refusals.clear();
    bench.settle();
    bench.spec.share.push(crate::api::evidence_snapshot::ShareWith { account_ref: "second".to_owned() });
    bench.account.destinations.insert("second".to_owned(), AccountId::parse("777788889999").unwrap());
    bench.refusals.insert("CreateGrant", ErrorClass::Denied);
    bench.world.snapshots.values_mut().for_each(|e| e.permissions.clear());
    for _ in 0..6 {
        bench.turn();
    }
    assert_eq!(permissions(&bench, 0), ["444455556666"]);
    assert_eq!(permissions(&bench, 1), ["444455556666", "777788889999"]);
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
fn strangers_of_the_others_go_though_one_was_deleted() {
    let mut bench = shared(sample::world(1, 2));
    finish(&mut bench);
    let ids: Vec<_> = bench.world.snapshots.keys().cloned().collect();
    bench.world.snapshots.remove(&ids[0]);
    bench.now = sample::later(bench.now, 7200);
    bench.settle();
    assert!(bench.verdict().stalled, "{:?}", bench.verdict());
    let permissions = &mut bench.world.snapshots.get_mut(&ids[1]).unwrap().permissions;
    permissions.extend(["all".to_owned(), "999988887777".to_owned()]);
    bench.settle();
    let left: Vec<_> = bench.world.snapshots[&ids[1]].permissions.iter().collect();
    assert_eq!(left, ["444455556666"]);
    assert!(matches!(bench.state("Shared"), Some(State::Done(_))), "{:?}", bench.state("Shared"));
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
fn where_nobody_is_declared_nobody_may_use_it() {
    let mut bench = Bench::evidence(sample::world(1, 2));
    finish(&mut bench);
    let Some(State::Done(said)) = bench.state("Shared") else { panic!("{:?}", bench.state("Shared")) };
    assert!(said.starts_with("shared with nobody. "), "{said}");
    assert!(bench.record.shared.values().all(BTreeSet::is_empty) && bench.record.shared.len() == 2);
    assert!(!bench.turn(), "and it rests");
    for exhibit in bench.world.snapshots.values_mut() {
        exhibit.permissions = ["999999999999", "all"].map(ToOwned::to_owned).into();
    }
    assert!(!bench.verdict().ready);
    bench.settle();
    assert!(permissions(&bench, 0).is_empty() && permissions(&bench, 1).is_empty());
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::StrangersFound { .. })).count(), 2);
    assert!(bench.verdict().ready);
}

#[test]
fn strangers_go_also_where_nothing_can_be_shared() {
    // Under a disabled key; while an account is not allowed; on what is beyond the set.
    let mut disabled = key_of(KeyManager::Customer);
    disabled.enabled = false;
    let world = sample::world(1, 1).with_encryption(volume(0), key(1)).with_key(key(1), disabled);
    let mut bench = shared(world);
    finish(&mut bench);
    let intrude = |bench: &mut Bench<EvidenceSnapshot>| {
        bench.world.snapshots.values_mut().for_each(|e| e.permissions.extend(["all".to_owned()]));
        bench.settle();
    };
    intrude(&mut bench);
    assert!(permissions(&bench, 0).is_empty());

    let mut bench = shared(sample::world(1, 1));
    finish(&mut bench);
    bench.account.destinations.clear();
    intrude(&mut bench);
    assert_eq!(permissions(&bench, 0), ["444455556666"], "who got it while it was allowed keeps it");
    assert_eq!(bench.verdict().reason, Reason::DestinationNotAllowed);

    let mut bench = shared(sample::world(1, 1));
    finish(&mut bench);
    let made = bench.record.set.as_ref().unwrap().0.clone();
    let again = bench.record.operations[&made].effect.clone();
    bench.world.apply(&again, &made).unwrap();
    bench.world.complete_snapshots();
    bench.settle();
    intrude(&mut bench);
    let who: Vec<usize> = bench.world.snapshots.values().map(|e| e.permissions.len()).collect();
    assert_eq!((bench.record.surplus.len(), who), (1, vec![1, 0]));
}

#[test]
fn strangers_that_may_not_be_removed_are_written_down_once_an_interval() {
    let mut bench = shared(sample::world(1, 1));
    finish(&mut bench);
    bench.world.snapshots.values_mut().for_each(|e| e.permissions.extend(["all".to_owned()]));
    bench.refusals.insert("ModifySnapshotAttribute", ErrorClass::Denied);
    for _ in 0..60 {
        bench.turn();
        bench.now = sample::later(bench.now, 60);
    }
    let said = |bench: &Bench<EvidenceSnapshot>| {
        bench.facts().filter(|fact| matches!(fact, Fact::StrangersFound { .. })).count()
    };
    assert_eq!(said(&bench), 1);
    assert_eq!((bench.verdict().stalled, bench.verdict().reason), (true, Reason::PermissionMissing));
    bench.now = sample::later(bench.now, 3600);
    bench.turn();
    assert_eq!(said(&bench), 2, "an hour later it is still so");
}

#[test]
fn one_key_that_can_t_be_read_hides_no_other_snapshot() {
    let world = sample::world(1, 2).with_key(key(1), key_of(KeyManager::Customer)).with_encryption(volume(0), key(1));
    let mut bench = shared(world);
    bench.lens = |seen| {
        let message = "DescribeKey is throttled".to_owned();
        let failure = crate::playbook::seen::ReadFailure { reason: Reason::Throttled, message };
        seen.keys.values_mut().for_each(|read| *read = Read::Failed(failure.clone()));
    };
    finish(&mut bench);
    assert_eq!((permissions(&bench, 0).len(), permissions(&bench, 1).len()), (0, 1));
    let verdict = bench.verdict();
    assert_eq!(
        (verdict.stalled, verdict.reason),
        (false, Reason::Throttled),
        "it is asked again, and nobody is called"
    );
    bench.lens = |_| {};
    bench.settle();
    assert_eq!(permissions(&bench, 0), ["444455556666"]);
}

#[test]
fn a_changed_prefix_makes_no_second_grant() {
    let world = sample::world(1, 1).with_key(key(1), key_of(KeyManager::Customer)).with_encryption(volume(0), key(1));
    let mut bench = shared(world);
    finish(&mut bench);
    bench.account.tag_prefix = "other".to_owned();
    assert!(!bench.turn());
    assert_eq!(bench.world.keys[&key(1)].grants.len(), 1);
}

#[test]
fn what_is_wrong_with_a_key_is_said_of_that_key() {
    let mut disabled = key_of(KeyManager::Customer);
    disabled.enabled = false;
    let world = sample::world(1, 2)
        .with_key(key(0), key_of(KeyManager::Aws))
        .with_key(key(1), disabled)
        .with_encryption(volume(0), key(0))
        .with_encryption(volume(1), key(1));
    let mut bench = shared(world);
    finish(&mut bench);
    let State::Skipped(refusal) = bench.state("Shared").unwrap() else { panic!() };
    let of = |n| bench.record.set.as_ref().unwrap().1[&volume(n)].clone();
    let default = format!("{} can't be shared as it is: it is encrypted under the default aws/ebs key", of(0));
    let disabled = format!("{} can't be shared as it is: its key {} is disabled", of(1), key(1));
    assert!(refusal.message.contains(&default) && refusal.message.contains(&disabled), "{}", refusal.message);
}

fn unread_public(seen: &mut crate::playbook::EvidenceSeen) {
    let message = "GetSnapshotBlockPublicAccessState is denied".to_owned();
    let failure = crate::playbook::seen::ReadFailure { reason: Reason::PermissionMissing, message };
    seen.public_sharing = Read::Failed(failure);
}

/// Whatever the account says of the public, ours are private: it is told as it is, and written down now and then.
#[test]
fn how_far_an_account_lets_the_public_is_told_and_keeps_nothing_waiting() {
    for (state, says) in [
        ("block-all-sharing", "blocks all public sharing of snapshots in eu-west-1"),
        ("block-new-sharing", "what was public before is so still"),
        ("unblocked", "does not block public sharing of snapshots in eu-west-1: turn on block public access"),
        ("block-on-mondays", "calls public sharing of snapshots in eu-west-1 block-on-mondays"),
    ] {
        let mut world = sample::world(1, 1);
        world.public_sharing = state;
        let mut bench = shared(world);
        finish(&mut bench);
        let Some(State::Done(said)) = bench.state("Shared") else { panic!("{state}") };
        assert!(said.starts_with("with 444455556666. ") && said.contains(says), "{said}");
        let told = |bench: &Bench<EvidenceSnapshot>| {
            bench.facts().filter(|fact| matches!(fact, Fact::PublicSharing { state: said } if said == state)).count()
        };
        assert_eq!(told(&bench), 1);
        let known = bench.entries.len();
        bench.world.public_sharing = "other";
        bench.settle();
        let Some(State::Done(said)) = bench.state("Shared") else { panic!("{state}") };
        assert!(said.contains("eu-west-1 other") && bench.verdict().ready, "{said}");
        assert_eq!(bench.entries.len(), known, "who flips it does not fill the chain");
        bench.now = sample::later(bench.now, 3600);
        bench.settle();
        assert_eq!((told(&bench), bench.entries.len()), (1, known + 1));
        // What can't be read again is told as what it was.
        bench.lens = unread_public;
        let Some(State::Done(said)) = bench.state("Shared") else { panic!("{state}") };
        let since = bench.record.public_sharing.clone().unwrap().1;
        assert!(said.contains(&format!("(so it was on {since}; now: ")) && said.contains("is denied"), "{said}");
        assert!(!bench.turn());
    }
    let mut bench = shared(sample::world(1, 1));
    bench.lens = unread_public;
    finish(&mut bench);
    let Some(State::Done(said)) = bench.state("Shared") else { panic!("it blocks nothing") };
    assert!(said.contains("could not be read: GetSnapshotBlockPublicAccessState is denied"), "{said}");
    assert_eq!((permissions(&bench, 0), bench.verdict().ready), (vec!["444455556666".to_owned()], true));
    assert!(!bench.turn(), "and it rests");
}
