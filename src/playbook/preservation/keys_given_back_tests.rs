//! Given what was given for a key, expect it back from whom is declared no more, and from a key whose snapshots are gone.

use super::*;
use crate::api::evidence_snapshot::KeyAccess;
use crate::cloud::error::ErrorClass;
use crate::playbook::attribute::Attribute;
use crate::playbook::sample::{self, Bench, POLICY, forensics_id, key, key_of, volume};
use crate::playbook::seen::KeyManager;

/// A set under a key, which the forensic account is to use.
fn shared(access: KeyAccess) -> Bench<EvidenceSnapshot> {
    let world = sample::world(1, 1).with_key(key(1), key_of(KeyManager::Customer)).with_encryption(volume(0), key(1));
    let mut bench = Bench::evidence(world);
    bench.spec.share = sample::shared_with_forensics();
    bench.spec.key_access = access;
    bench
}

fn given(access: KeyAccess) -> Bench<EvidenceSnapshot> {
    let mut bench = shared(access);
    bench.settle();
    bench.world.complete_snapshots();
    bench.settle();
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    bench
}

fn grants(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.world.keys[&key(1)].grants.len()
}

fn policy(bench: &Bench<EvidenceSnapshot>) -> &str {
    &bench.world.keys[&key(1)].policy.as_ref().unwrap().0
}

fn ended(bench: &Bench<EvidenceSnapshot>) -> usize {
    bench.facts().filter(|fact| matches!(fact, Fact::GrantEnded { .. })).count()
}

#[test]
fn who_is_declared_no_more_loses_the_key_and_the_chain_says_so_once() {
    let mut bench = given(KeyAccess::Grant);
    assert_eq!((grants(&bench), bench.record.grants[&key(1)].keys().collect::<Vec<_>>()), (1, vec![&forensics_id()]));
    bench.spec.share.clear();
    bench.see_out();
    assert_eq!((grants(&bench), ended(&bench), bench.record.grants.len()), (0, 1, 0));
    assert!(bench.verdict().ready && !bench.turn(), "{:?}", bench.verdict());
    // Declared again, it is given anew.
    bench.spec.share = sample::shared_with_forensics();
    bench.settle();
    assert_eq!((grants(&bench), bench.record.grants.len()), (1, 1));
}

#[test]
fn who_is_not_allowed_any_more_keeps_it_until_that_is_decided() {
    for access in [KeyAccess::Grant, KeyAccess::KeyPolicy] {
        let mut bench = given(access);
        let before = policy(&bench).to_owned();
        bench.account.destinations.clear();
        bench.account.allowed.clear();
        bench.see_out();
        assert_eq!(policy(&bench), before, "{access:?}");
        assert_eq!(grants(&bench), usize::from(access == KeyAccess::Grant));
        assert_eq!(bench.verdict().reason, crate::api::conditions::Reason::DestinationNotAllowed);
        bench.spec.share.clear();
        bench.see_out();
        assert_eq!((grants(&bench), policy(&bench)), (0, POLICY), "{access:?}");
    }
}

#[test]
fn a_key_is_given_back_though_no_snapshot_is_under_it_any_more() {
    for access in [KeyAccess::Grant, KeyAccess::KeyPolicy] {
        let mut bench = given(access);
        bench.world.snapshots.clear();
        bench.now = sample::later(bench.now, bench.limits.settle_seconds);
        bench.see_out();
        assert_eq!((grants(&bench), policy(&bench)), (0, POLICY), "{access:?}");
        let owed = crate::cloud::AskEvidence::about(&bench.spec, &bench.account, &bench.record).owed;
        assert!(owed.is_empty() && !bench.turn(), "and then nobody asks for it: {owed:?}");
    }
}

#[test]
fn a_key_that_is_gone_took_it_along() {
    let mut bench = given(KeyAccess::Grant);
    (bench.spec.share, bench.world.keys) = (Vec::new(), std::collections::BTreeMap::new());
    bench.settle();
    assert_eq!((ended(&bench), bench.record.grants.len()), (1, 0));
    let mut bench = given(KeyAccess::KeyPolicy);
    (bench.spec.share, bench.world.keys) = (Vec::new(), std::collections::BTreeMap::new());
    bench.settle();
    assert_eq!(bench.record.given_back[&Attribute::KeyPolicy(key(1))].as_deref(), Some("gone"));
    assert!(!bench.turn());
}

/// KMS lists a grant late, and a request may be applied late: what is not shown may come.
#[test]
fn a_grant_whose_reply_was_lost_is_taken_back_when_it_is_shown() {
    let mut bench = shared(KeyAccess::Grant);
    bench.refusals.insert("CreateGrant", ErrorClass::Ambiguous);
    bench.lens = |seen| {
        for read in seen.keys.values_mut() {
            if let Read::Found { value, .. } = read {
                value.grants.clear();
            }
        }
    };
    bench.turn();
    bench.world.complete_snapshots();
    while grants(&bench) == 0 {
        bench.turn();
    }
    bench.spec.share.clear();
    bench.settle();
    assert_eq!((grants(&bench), ended(&bench)), (1, 0), "{:?}", bench.record.grants);
    bench.lens = |_| {};
    bench.see_out();
    assert_eq!((grants(&bench), ended(&bench)), (0, 1));
}
