//! Given a key's policy and what others make of it, expect our two statements as long as they are needed, and no other change.

use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::key_policy::KeyPolicy;
use crate::playbook::preservation::copy_and_reencrypt::tests as copying;
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, POLICY, key, key_of, volume};
use crate::playbook::step::State;
use serde_json::{Value as Json, json};

/// Volumes under one key of the account.
fn keyed(volumes: usize) -> World {
    let world = copying::world(volumes).with_key(key(1), key_of(KeyManager::Customer));
    (0..volumes).fold(world, |world, n| world.with_encryption(volume(n), key(1)))
}

fn bench(world: World) -> Bench<EvidenceSnapshot> {
    let mut bench = copying::declared(world);
    bench.spec.key_access = KeyAccess::KeyPolicy;
    bench.settle();
    bench.world.complete_snapshots();
    bench
}

fn policy(bench: &Bench<EvidenceSnapshot>) -> String {
    bench.world.keys[&key(1)].policy.clone().unwrap().0
}

fn set_policy(bench: &mut Bench<EvidenceSnapshot>, text: &str) {
    bench.world.keys.get_mut(&key(1)).unwrap().policy = Some(KeyPolicy(text.to_owned()));
}

/// Somebody edits the policy.
fn edit(bench: &mut Bench<EvidenceSnapshot>, change: impl FnOnce(&mut Vec<Json>)) {
    let mut document: Json = serde_json::from_str(&policy(bench)).unwrap();
    change(document["Statement"].as_array_mut().unwrap());
    set_policy(bench, &document.to_string());
}

fn statements(bench: &Bench<EvidenceSnapshot>) -> usize {
    serde_json::from_str::<Json>(&policy(bench)).unwrap()["Statement"].as_array().unwrap().len()
}

fn writes(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.operations().iter().filter(|operation| **operation == "PutKeyPolicy").count()
}

fn blocked(bench: &Bench<EvidenceSnapshot>) -> Refusal {
    match bench.state("Shared") {
        Some(State::Blocked(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn shared(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.world.snapshots.values().filter(|exhibit| !exhibit.permissions.is_empty()).count()
}

/// What the chain says of the policy, in order.
fn told(bench: &Bench<EvidenceSnapshot>) -> Vec<&'static str> {
    let of = |attribute: &Attribute| matches!(attribute, Attribute::KeyPolicy(_));
    let word = |fact: &Fact| match fact {
        Fact::Baseline { attribute, .. } if of(attribute) => Some("baseline"),
        Fact::Verified { attribute } if of(attribute) => Some("verified"),
        Fact::Drift { attribute, .. } if of(attribute) => Some("drift"),
        Fact::Restored { attribute } if of(attribute) => Some("restored"),
        Fact::LeftAsFound { attribute, .. } if of(attribute) => Some("left"),
        Fact::KeyPolicyChanged { .. } => Some("others"),
        _ => None,
    };
    bench.facts().filter_map(word).collect()
}

#[test]
fn two_statements_stand_until_the_copies_do_by_one_write_a_key() {
    let mut bench = bench(keyed(2));
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench), shared(&bench)), (1, 3, 2));
    assert_eq!(copying::asked(&bench), 2);
    assert!(!bench.operations().contains(&"CreateGrant"));
    let first = |name: &str| bench.operations().iter().position(|operation| *operation == name).unwrap();
    assert!(first("PutKeyPolicy") < first("ModifySnapshotAttribute"), "who can't read it gets nothing yet");
    copying::complete(&mut bench);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    assert_eq!((writes(&bench), policy(&bench).as_str()), (2, POLICY), "to the byte");
    assert_eq!(told(&bench), ["baseline", "verified", "restored"]);
    let ends = |entry: &&Entry| matches!(entry, Entry::Outcome { created, .. } if !created.is_empty());
    assert!(bench.entries.iter().filter(ends).any(|entry| format!("{entry:?}").contains("KeyPolicy")));
    for _ in 0..3 {
        bench.now = sample::later(bench.now, 4000);
        assert!(!bench.turn(), "and it rests");
    }
}

#[test]
fn where_nothing_is_copied_they_stay_and_go_with_who_reads() {
    let mut bench = Bench::evidence(keyed(1));
    bench.spec.key_access = KeyAccess::KeyPolicy;
    bench.spec.share = sample::shared_with_forensics();
    bench.settle();
    bench.world.complete_snapshots();
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench), shared(&bench)), (1, 3, 1));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    bench.spec.share.clear();
    bench.settle();
    assert_eq!((writes(&bench), policy(&bench).as_str(), shared(&bench)), (2, POLICY, 0));
    assert_eq!(told(&bench).last(), Some(&"restored"));
}

/// What is taken or changed while it is needed is put back, and recorded; what others have stays theirs.
#[test]
fn what_somebody_takes_or_changes_is_put_back_and_what_is_theirs_stays() {
    let theirs = json!({"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"});
    let mut bench = bench(keyed(1));
    bench.settle();
    assert_eq!(writes(&bench), 1);
    edit(&mut bench, |all| all.truncate(2));
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench)), (2, 3));
    edit(&mut bench, |all| all[1]["Action"] = json!("kms:*"));
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench)), (3, 3));
    assert!(
        !policy(&bench)
            .contains("\"Action\":\"kms:*\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::4444")
    );
    assert_eq!(told(&bench), ["baseline", "verified", "drift", "drift"]);
    edit(&mut bench, |all| all.insert(0, theirs.clone()));
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench)), (3, 4), "no write for what is not ours");
    assert_eq!(told(&bench).last(), Some(&"others"));
    // Who flaps it does not fill the chain.
    for _ in 0..30 {
        edit(&mut bench, |all| drop(all.remove(0)));
        bench.settle();
        edit(&mut bench, |all| all.insert(0, theirs.clone()));
        bench.settle();
    }
    assert!(told(&bench).iter().filter(|word| **word == "others").count() <= 2, "{:?}", told(&bench));
    let known = bench.entries.len();
    for _ in 0..30 {
        edit(&mut bench, |all| all.truncate(2));
        bench.settle();
    }
    assert!(bench.entries.len() - known < 30, "{:?}", &bench.entries[known..]);
    assert_eq!(statements(&bench), 4);
    copying::complete(&mut bench);
    let expected: Json = serde_json::from_str(POLICY).unwrap();
    let left: Json = serde_json::from_str(&policy(&bench)).unwrap();
    assert_eq!(left["Statement"], json!([theirs, expected["Statement"][0]]));
}

#[test]
fn what_is_not_ours_any_more_when_it_ends_is_left_and_told() {
    let mut bench = bench(keyed(1));
    bench.settle();
    edit(&mut bench, |all| all[2]["Effect"] = json!("Deny"));
    let changed = policy(&bench);
    // The copy stands before the next look.
    bench.world.complete_snapshots();
    bench.lens = |seen| seen.keys.values_mut().for_each(|read| *read = Read::NotRead);
    bench.settle();
    assert_eq!(policy(&bench), changed);
    bench.lens = |_| {};
    bench.settle();
    assert_eq!((statements(&bench), policy(&bench).contains("\"Effect\":\"Deny\"")), (2, true));
    assert_eq!(told(&bench).last(), Some(&"left"));
    assert!(!bench.turn());
}

#[test]
fn a_policy_without_room_is_told_with_its_sizes_and_nothing_of_it_is_changed() {
    let mut bench = bench(keyed(1));
    let long = format!("{POLICY}{}", " ".repeat(BYTES - POLICY.len() - 100));
    set_policy(&mut bench, &long);
    bench.settle();
    let refusal = blocked(&bench);
    assert_eq!((refusal.reason, writes(&bench), shared(&bench)), (Reason::QuotaExceeded, 0, 0));
    for word in [key(1).as_str(), &long.len().to_string(), "32768", "spec.keyAccess: Grant"] {
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    assert_eq!((policy(&bench), bench.verdict().stalled), (long, true));
    // Somebody makes room.
    set_policy(&mut bench, POLICY);
    bench.settle();
    assert_eq!((writes(&bench), shared(&bench)), (1, 1));
}

#[test]
fn what_can_not_be_written_is_a_reason() {
    // A key of another account; a policy that is none.
    let foreign = KeyArn::parse("arn:aws:kms:eu-west-1:777788889999:key/k").unwrap();
    let world = copying::world(1)
        .with_key(foreign.clone(), key_of(KeyManager::Customer))
        .with_encryption(volume(0), foreign.clone());
    let mut other = bench(world);
    other.settle();
    let refusal = blocked(&other);
    assert_eq!((refusal.reason, writes(&other), shared(&other)), (Reason::KeyUnusable, 0, 0));
    assert!(refusal.message.contains(foreign.as_str()), "{}", refusal.message);
    let mut none = bench(keyed(1));
    set_policy(&mut none, "{}");
    none.settle();
    assert_eq!((blocked(&none).reason, writes(&none)), (Reason::InvalidRequest, 0));
    // A missing permission is named as that of the call.
    let mut denied = bench(keyed(1));
    denied.refusals.insert("PutKeyPolicy", ErrorClass::Denied);
    for _ in 0..5 {
        denied.turn();
    }
    assert_eq!((denied.verdict().reason, denied.verdict().stalled), (Reason::PermissionMissing, true));
    assert_eq!((shared(&denied), copying::asked(&denied)), (0, 0));
    denied.refusals.clear();
    denied.settle();
    assert_eq!((shared(&denied), copying::asked(&denied)), (1, 1));
}

/// A reply that is lost, and a replica that dies, make no second statement and forget none.
#[test]
fn a_lost_reply_and_another_replica_leave_the_same_policy() {
    let mut bench = bench(keyed(1));
    bench.refusals.insert("PutKeyPolicy", ErrorClass::Ambiguous);
    bench.turn();
    bench.crash();
    bench.settle();
    assert_eq!((writes(&bench), statements(&bench)), (1, 3));
    bench.refusals.insert("PutKeyPolicy", ErrorClass::Throttled);
    bench.world.complete_snapshots();
    for _ in 0..8 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    bench.crash();
    assert_eq!(statements(&bench), 3);
    bench.refusals.clear();
    bench.settle();
    assert_eq!(policy(&bench), POLICY);
    assert_eq!(told(&bench), ["baseline", "verified", "restored"]);
}

/// Whatever KMS says of the key.
fn says(seen: &mut crate::playbook::EvidenceSeen, usable: bool) {
    let asked_at = sample::at(0);
    let all = seen.copies.values_mut().flat_map(|copies| copies.usable.values_mut());
    all.for_each(|read| *read = Read::Found { asked_at, value: usable });
}

/// KMS lets the account use the key for a while after somebody took the statements: a copy that is asked for then ends late.
#[test]
fn a_copy_is_asked_for_while_the_statements_stand() {
    let mut bench = bench(keyed(1));
    bench.lens = |seen| says(seen, false);
    bench.settle();
    assert_eq!((shared(&bench), copying::asked(&bench)), (1, 0));
    edit(&mut bench, |all| all.truncate(2));
    bench.refusals.insert("PutKeyPolicy", ErrorClass::Throttled);
    bench.lens = |seen| says(seen, true);
    for _ in 0..4 {
        bench.turn();
    }
    assert_eq!(copying::asked(&bench), 0);
    bench.refusals.clear();
    bench.settle();
    assert_eq!(copying::asked(&bench), 1);
}

/// Two moments of one host are under the same key, and each has its statements in the policy.
#[test]
fn other_evidence_of_ours_changes_nothing_of_what_others_have() {
    let mut bench = bench(keyed(1));
    bench.settle();
    let sid = sid("ops", "6c84fb90-12c4-11e1-840d-7b25c5ee775a");
    let stranger = AccountId::parse("999999999999").unwrap();
    let write = |bench: &mut Bench<EvidenceSnapshot>, account: &AccountId| {
        let arn = key(1);
        let ours = Ours { key: &arn, sid: &sid };
        let with = KeyPolicy(policy(bench)).with(ours, &BTreeSet::from([account.clone()])).unwrap();
        set_policy(bench, &with.0);
        bench.settle();
    };
    write(&mut bench, &sample::forensics_id());
    assert_eq!((told(&bench), statements(&bench)), (vec!["baseline", "verified"], 5));
    // Nor where we write while they stand.
    edit(&mut bench, |all| drop(all.remove(1)));
    bench.settle();
    assert_eq!((told(&bench), statements(&bench)), (vec!["baseline", "verified", "drift"], 5));
    // The same words for another account are a stranger's.
    write(&mut bench, &stranger);
    assert_eq!(told(&bench).last(), Some(&"others"));
    let entries = bench.entries.len();
    bench.settle();
    assert_eq!(bench.entries.len(), entries, "said once");
}
