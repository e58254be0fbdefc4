//! Given copies of a set, expect them to be read where they lie, and to have the bytes of their sources.

use super::*;
use crate::playbook::preservation::copy_and_reencrypt::tests::{at, begun, bench, complete, copies as there, world};
use crate::playbook::sample::{self, Bench};
use crate::playbook::seen::KeyManager;

fn said(bench: &Bench<EvidenceSnapshot>) -> State {
    bench.state("Verified").unwrap()
}

/// Another byte got into the copies.
fn spoil(bench: &mut Bench<EvidenceSnapshot>) {
    for copy in bench.world.copies.get_mut(&at()).unwrap().values_mut() {
        copy.bytes = "other".to_owned();
    }
}

fn encrypted() -> crate::cloud::sim::World {
    world(1)
        .with_key(sample::key(1), sample::key_of(KeyManager::Customer))
        .with_encryption(sample::volume(0), sample::key(1))
}

#[test]
fn a_copy_is_read_where_it_lies_and_has_the_digest_of_its_source() {
    let mut bench = begun(world(2));
    // The copies are pending.
    let State::Working(waits) = said(&bench) else { panic!("{:?}", said(&bench)) };
    assert_eq!(waits.reason, Reason::Waiting);
    assert!(waits.message.contains("2 of 2 snapshots") && waits.message.contains("2 copies are still"), "{waits:?}");
    complete(&mut bench);
    let State::Done(done) = said(&bench) else { panic!("{:?}", said(&bench)) };
    assert!(done.contains("4 of 4 snapshots and copies") && done.contains("bytes of its source"), "{done}");
    let exhibits = &bench.record.exhibits;
    for (of, copy) in &bench.record.copies[&at()].made {
        let [source, copy] = [of, copy].map(|id| &exhibits.digested[id]);
        assert_eq!(source.digest, copy.digest);
        assert_eq!((&source.account, &copy.account), (&sample::account_id(), &sample::forensics_id()));
    }
    assert!(exhibits.contradicted.is_empty() && bench.verdict().ready);
}

#[test]
fn a_copy_with_other_bytes_is_contradicted_by_both_digests_and_keeps_its_access() {
    let mut bench = begun(encrypted());
    spoil(&mut bench);
    complete(&mut bench);
    let copy = there(&bench)[0].snapshot.id.clone();
    let source = whole(&bench.record)[0].clone();
    let exhibits = &bench.record.exhibits;
    let [told, found] = [&source, &copy].map(|id| exhibits.digested[id].digest.to_string());
    let contradictions: Vec<&Contradiction> = exhibits.contradicted.values().collect();
    let [Contradiction { snapshot, what, .. }] = contradictions[..] else { panic!("{contradictions:?}") };
    assert_eq!((snapshot, what), (&copy, &format!("as a copy of {source}")));
    let State::Blocked(refusal) = said(&bench) else { panic!("{:?}", said(&bench)) };
    assert_eq!(refusal.reason, Reason::Contradicted);
    for word in [copy.as_str(), source.as_str(), &told, &found, "Nothing is deleted"] {
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::Contradicted(_))).count(), 1, "said once");
    assert_eq!(bench.world.keys[&sample::key(1)].grants.len(), 1, "another copy may be needed");
    assert!(there(&bench)[0].lock.is_some());
}

#[test]
fn the_key_is_given_back_when_source_and_copy_were_compared() {
    let mut bench = begun(encrypted());
    // Both are complete and locked, and not read to their ends.
    bench.lens = |seen| seen.digests.values_mut().for_each(|read| *read = Read::NotRead);
    complete(&mut bench);
    assert_eq!(bench.world.keys[&sample::key(1)].grants.len(), 1);
    bench.lens = |_| {};
    bench.settle();
    assert!(bench.world.keys[&sample::key(1)].grants.is_empty());
    // Where nothing is to be compared, nothing waits for it.
    let mut bench = self::bench(encrypted());
    bench.spec.verify = Verify::None;
    complete(&mut bench);
    complete(&mut bench);
    assert!(bench.world.keys[&sample::key(1)].grants.is_empty());
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}
