//! Given what of a host a set covers, expect each volume that it does not to be named, and the rest to be kept.

use super::*;
use crate::playbook::sample::{self, Bench, at, volume};

fn bench() -> Bench<EvidenceSnapshot> {
    Bench::evidence(sample::world(1, 2))
}

fn reason(bench: &Bench<EvidenceSnapshot>, name: &str) -> Reason {
    match bench.state(name) {
        Some(State::Working(refusal) | State::Blocked(refusal) | State::Skipped(refusal)) => refusal.reason,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_volume_that_is_not_in_the_set_is_named_and_never_called_preserved() {
    let mut bench = bench();
    // One that was detached between the look and the call.
    bench.lens = |seen| {
        if let Read::Found { value, .. } = &mut seen.instance {
            value.volumes.push(AttachedVolume { volume: volume(7), root: false, ..value.volumes[0].clone() });
        }
    };
    bench.turn();
    bench.lens = |_| {};
    bench.world.complete_snapshots();
    bench.settle();
    for step in ["VolumesSnapshotted", "Preserved"] {
        let State::Skipped(refusal) = bench.state(step).unwrap() else { panic!("{step}: {:?}", bench.state(step)) };
        assert_eq!(refusal.reason, Reason::PartialFailure);
        assert!(refusal.message.contains("vol-00000007"), "{step}: {}", refusal.message);
    }
    assert!(
        bench.step("VolumesSnapshotted").parts.iter().any(|p| p.name == "vol-00000007" && p.state == "PartialFailure")
    );
    assert!(bench.world.snapshots.values().all(|exhibit| exhibit.lock.is_some()), "what is there is kept");
    assert_eq!(bench.record.preserved_at, None);
    assert!(bench.verdict().message.contains("vol-00000007"), "{:?}", bench.verdict());
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
fn excluded_volumes_are_left_out_and_the_moment_after_isolation_comes_then() {
    let mut bench = bench();
    bench.spec.source.instance.as_mut().unwrap().exclude_volume_ids = vec![volume(1), volume(9)];
    bench.spec.moment = Moment::AfterIsolation;
    bench.lens = |seen| seen.isolated_at = Some(at(0));
    bench.turn();
    assert_eq!(bench.world.snapshots.len(), 1, "one that is not attached is not even named: AWS would refuse it");
    bench.world.complete_snapshots();
    bench.settle();
    let turn = bench.step("VolumesSnapshotted");
    let parts: Vec<_> = turn.parts.iter().filter(|part| part.state == "NotCovered").collect();
    let [left_out, unknown] = &parts[..] else { panic!("{parts:?}") };
    assert!(left_out.name == "vol-00000001" && left_out.message.starts_with("left out"), "{left_out:?}");
    assert!(unknown.name == "vol-00000009" && unknown.message.contains("not attached"), "{unknown:?}");
    let told = bench.verdict().message;
    assert!(bench.verdict().ready && told.contains("vol-00000001") && told.contains("vol-00000009"), "{told}");
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::NotCovered { .. })).count(), 1);
}

#[test]
fn a_root_device_in_instance_store_is_said() {
    let mut bench = bench();
    bench.world.instances.values_mut().for_each(|host| host.instance.root_device_type = "instance-store".to_owned());
    bench.turn();
    assert_eq!(bench.record.not_covered.keys().collect::<Vec<_>>(), ["the root device"]);
}

#[test]
fn a_legal_hold_is_in_the_chain_and_outlives_the_wish() {
    let mut bench = bench();
    bench.turn();
    bench.world.complete_snapshots();
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some());
    bench.spec.legal_hold = false;
    bench.settle();
    assert!(bench.record.keeping.legal_hold.is_some() && !bench.verdict().ready, "a wish lifts nothing");

    let mut never = self::bench();
    never.spec.legal_hold = false;
    never.turn();
    never.settle();
    assert!(never.record.keeping.legal_hold.is_none());
}
