//! Given a host, expect what is protected, what is said, and what is given back.

use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::UNPROTECTED;
use crate::playbook::sample::{self, Bench, instance_id, volume};
use crate::playbook::seen::{InstanceState, Protections, Read, ReadFailure};

const PROTECTED: Protections = Protections { termination: true, stop: true, shutdown: ShutdownBehavior::Stop };

fn bench(change: impl FnOnce(&mut Instance)) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 2));
    change(&mut bench.world.instances.get_mut(&instance_id()).unwrap().instance);
    bench
}

fn protections(bench: &mut Bench<Quarantine>) -> &mut Protections {
    &mut bench.world.instances.get_mut(&instance_id()).unwrap().protections
}

fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.turn();
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Release)];
    bench.see_out();
}

#[test]
fn what_is_set_depends_on_what_aws_offers() {
    type Change = fn(&mut Instance);
    let table: [(&str, Change, usize, &[&str]); 3] = [
        ("on demand, on EBS", |_| {}, 5, &[]),
        ("spot", |i| i.spot = true, 2, &["termination protection", "stop protection", "shutdown behaviour"]),
        (
            "instance store",
            |i| i.root_device_type = "instance-store".to_owned(),
            3,
            &["stop protection", "shutdown behaviour"],
        ),
    ];
    for (given, change, effects, missing) in table {
        let mut bench = bench(change);
        let turn = bench.step("Protected");
        assert_eq!(turn.stages.iter().map(Vec::len).collect::<Vec<_>>(), [effects], "{given}: side by side");
        assert!(matches!(turn.state, State::Working(_)), "{given}");
        bench.settle();
        let gave_up: Vec<&str> = bench
            .facts()
            .filter_map(|fact| match fact {
                Fact::GaveUp { part, .. } => Some(part.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(gave_up, missing, "{given}: said, and said once");
        match bench.state("Protected").unwrap() {
            State::Done(_) => assert!(missing.is_empty(), "{given}"),
            State::Skipped(refusal) => {
                assert_eq!(refusal.reason, Reason::NotCovered);
                assert!(missing.iter().all(|part| refusal.message.contains(part)), "{given}: {}", refusal.message);
            }
            other => panic!("{given}: {other:?}"),
        }
        assert_eq!(bench.sent.len(), effects, "{given}: nothing twice");
    }
}

#[test]
fn what_stands_as_wished_is_held_without_a_change() {
    let mut bench = bench(|instance| {
        for volume in &mut instance.volumes {
            volume.delete_on_termination = false;
        }
    });
    *protections(&mut bench) = PROTECTED;
    bench.settle();
    assert_eq!(bench.operations(), [""; 0]);
    assert!(matches!(bench.state("Protected"), Some(State::Done(_))));

    protections(&mut bench).termination = false;
    bench.settle();
    let drift = Fact::Drift { attribute: Attribute::TerminationProtection, foreign: Value::Flag(false) };
    assert!(bench.facts().any(|fact| *fact == drift), "somebody else's change is written down");
    assert_eq!(bench.operations(), ["ModifyInstanceAttribute"]);
    assert_eq!(bench.record.baseline[&Attribute::TerminationProtection], Value::Flag(true), "and is no baseline");

    release(&mut bench);
    assert!(bench.world.instances[&instance_id()].protections.termination, "as it was when we came");
}

#[test]
fn a_part_that_cannot_be_read_stops_only_what_needs_it() {
    type Lens = fn(&mut crate::playbook::QuarantineSeen);
    let table: [(&str, Lens, usize, fn(&State) -> bool); 3] = [
        ("not asked", |seen| seen.protections = Read::NotRead, 2, |state| matches!(state, State::Working(_))),
        (
            "denied",
            |seen| {
                seen.protections =
                    Read::Failed(ReadFailure { reason: Reason::PermissionMissing, message: "m".to_owned() });
            },
            2,
            |state| matches!(state, State::Blocked(r) if r.reason == Reason::PermissionMissing),
        ),
        (
            "throttled",
            |seen| seen.protections = Read::Failed(ReadFailure { reason: Reason::Throttled, message: "m".to_owned() }),
            2,
            |state| matches!(state, State::Working(r) if r.reason == Reason::Throttled),
        ),
    ];
    for (given, lens, effects, expect) in table {
        let mut bench = bench(|_| {});
        bench.lens = lens;
        let turn = bench.step("Protected");
        assert_eq!(turn.stages.iter().flatten().count(), effects, "{given}: volumes are seen with the instance");
        assert!(expect(&turn.state), "{given}: {:?}", turn.state);
    }
}

#[test]
fn release_gives_back_what_is_still_ours_and_leaves_the_rest() {
    let mut bench = bench(|_| {});
    bench.settle();
    bench.spec.level = Level::Released;
    bench.turn();
    // Somebody set this one meanwhile, to what it was before us or to something else: not ours to give back.
    protections(&mut bench).stop = false;
    let before = bench.sent.len();
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Release)];
    bench.see_out();
    let host = &bench.world.instances[&instance_id()];
    assert_eq!(host.protections, UNPROTECTED);
    assert!(host.instance.volumes.iter().all(|volume| volume.delete_on_termination));
    assert_eq!(bench.sent.len() - before, 4, "stop protection was as it had been already");
    assert!(bench.record.released);

    let sent = bench.sent.len();
    bench.settle();
    assert_eq!(bench.sent.len(), sent, "doing it twice changes nothing");
}

#[test]
fn a_host_that_is_gone_is_reported_not_changed() {
    let mut bench = bench(|_| {});
    bench.settle();
    bench.world.instances.get_mut(&instance_id()).unwrap().instance.state = InstanceState::Terminated;
    let before = bench.sent.len();
    release(&mut bench);
    assert_eq!(bench.sent.len(), before);
    let left = bench.facts().filter(|fact| matches!(fact, Fact::LeftAsFound { value: None, .. })).count();
    assert_eq!((left, bench.record.released), (5, true));
}

#[test]
fn a_detached_volume_is_left_and_the_others_given_back() {
    let mut bench = bench(|_| {});
    bench.settle();
    bench.world.instances.get_mut(&instance_id()).unwrap().instance.volumes.remove(1);
    release(&mut bench);
    assert_eq!(bench.record.given_back[&Attribute::DeleteOnTermination(volume(1))].as_deref(), Some("gone"));
    assert_eq!(bench.record.given_back[&Attribute::DeleteOnTermination(volume(0))], None);
}

#[test]
fn a_change_that_aws_refuses_keeps_its_intent_and_is_sent_again_under_it() {
    let mut bench = bench(|_| {});
    bench.refusals.insert("ModifyInstanceAttribute", ErrorClass::Throttled);
    bench.turn();
    let entries = bench.entries.len();
    bench.turn();
    assert_eq!(bench.entries.len(), entries + 1, "the surroundings, and no second intent");
    bench.refusals.clear();
    bench.settle();
    assert!(matches!(bench.state("Protected"), Some(State::Done(_))));
    assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()));
}
