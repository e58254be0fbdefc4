//! Given addresses that come and go while a host is held, expect whose they are told to be, and that nobody loses one.

use super::super::cut_flows::NAME;
use super::*;
use crate::api::approval::Action;
use crate::api::quarantine::{Level, Pulse};
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::QuarantineSeen;
use crate::playbook::sample::{self, Bench, interface};
use crate::playbook::seen::Read;
use crate::playbook::step::State;

fn allocation(n: u8) -> AllocationId {
    AllocationId::parse(&format!("eipalloc-0000000{n}")).unwrap()
}

fn associate(bench: &mut Bench<Quarantine>, on: usize, n: u8) {
    let world = std::mem::replace(&mut bench.world, World::new(sample::account_id()));
    bench.world = world.with_elastic(&interface(on), &allocation(n), &format!("203.0.113.{n}"));
}

fn assign(bench: &mut Bench<Quarantine>) {
    let port = &mut bench.world.interfaces.get_mut(&interface(0)).unwrap().interface;
    (port.public_ips, port.automatic) = (vec!["198.51.100.9".to_owned()], Some("198.51.100.9".to_owned()));
}

fn held(world: World, pulse: Pulse) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.spec.isolation.pulse = pulse;
    bench.settle();
    bench
}

fn drifts(bench: &Bench<Quarantine>) -> Vec<Value> {
    let foreign = bench.facts().filter_map(|fact| match fact {
        Fact::Drift { foreign, .. } => Some(foreign.clone()),
        _ => None,
    });
    foreign.collect()
}

fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.settle();
    bench.approvals.push(sample::yes(&bench.record, Action::Release));
    bench.see_out();
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
}

fn gives(bench: &Bench<Quarantine>) -> bool {
    bench.sent.iter().any(|(effect, _)| {
        matches!(
            effect,
            Effect::Network(
                NetworkChange::AssociateAddress { .. } | NetworkChange::AssociatePublicIpAddress { enabled: true, .. }
            )
        )
    })
}

#[test]
fn an_address_that_a_stranger_gives_a_held_host_is_foreign_and_not_given_back() {
    let mut bench = held(sample::world(2, 1), Pulse::Never);
    assert!(drifts(&bench).is_empty());
    associate(&mut bench, 0, 7);
    let State::Working(refusal) = bench.step(NAME).state else { panic!() };
    assert!(refusal.message.contains("203.0.113.7 from eni-00000000, which somebody associated"), "{refusal:?}");
    bench.settle();
    assert_eq!(drifts(&bench), [elastic_value(Some(&allocation(7)))]);
    assert!(bench.world.interfaces[&interface(0)].interface.elastic.is_empty());
    assign(&mut bench);
    bench.settle();
    assert!(bench.world.interfaces[&interface(0)].interface.public_ips.is_empty());
    release(&mut bench);
    assert!(!gives(&bench), "before us there was none: {:?}", bench.operations());
}

#[test]
fn an_automatic_address_that_comes_unasked_is_foreign_but_in_place_of_an_elastic_one() {
    let mut bench = held(sample::world(2, 1), Pulse::Never);
    assign(&mut bench);
    bench.settle();
    assert_eq!(drifts(&bench), [Value::Flag(true)]);
    release(&mut bench);
    assert!(!gives(&bench), "{:?}", bench.operations());
}

#[test]
fn what_was_there_at_the_first_look_is_given_back_however_often_aws_refuses_to_take_it() {
    let world = sample::world(2, 1).with_elastic(&interface(0), &allocation(1), "203.0.113.1");
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.refusals.insert("DisassociateAddress", ErrorClass::Throttled);
    for _ in 0..8 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    bench.refusals.clear();
    bench.now = sample::later(bench.now, 3600);
    bench.settle();
    assert!(drifts(&bench).is_empty(), "{:?}", drifts(&bench));
    release(&mut bench);
    assert_eq!(bench.world.interfaces[&interface(0)].interface.elastic.len(), 1);
}

/// What a person must approve first is no first look.
#[test]
fn what_was_there_before_the_approval_is_no_strangers() {
    let world = sample::world(2, 1).with_elastic(&interface(0), &allocation(1), "203.0.113.1");
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.spec.isolation.public_address = PublicAddress::Leave;
    bench.settle();
    bench.account.required.insert(Action::Isolate, 1);
    bench.spec.isolation.public_address = PublicAddress::Remove;
    bench.settle();
    assert_eq!(bench.state(NAME), Some(State::Awaiting(Action::Isolate)));
    bench.approvals.push(sample::yes(&bench.record, Action::Isolate));
    bench.settle();
    assert!(bench.world.interfaces[&interface(0)].interface.elastic.is_empty());
    assert!(drifts(&bench).is_empty(), "{:?}", drifts(&bench));
}

#[test]
fn a_lone_interface_is_pulsed_once_no_address_can_follow_the_elastic_one() {
    let pulsed = |bench: &Bench<Quarantine>| !bench.record.pulsed.is_empty();
    let mut bench = held(sample::world(1, 1).with_elastic(&interface(0), &allocation(1), "203.0.113.1"), Pulse::Auto);
    let verdict = bench.verdict();
    assert!(!pulsed(&bench) && verdict.message.contains("no pulse yet on eni-00000000"), "{verdict:?}");
    assert!(bench.step("Isolated").again_in.is_some_and(|seconds| seconds > 250), "it looks again in time");
    bench.now = sample::later(bench.now, FOLLOWS - 60);
    bench.settle();
    assert!(!pulsed(&bench));
    bench.now = sample::later(bench.now, 61);
    bench.settle();
    assert!(pulsed(&bench), "{:?}", bench.verdict());
}

/// Between the look and the call another host may take it: AWS refuses then, and it stays where it is.
#[test]
fn an_address_that_another_host_took_after_the_look_stays_there() {
    let mut bench = held(sample::world(2, 1).with_elastic(&interface(0), &allocation(1), "203.0.113.1"), Pulse::Never);
    bench.spec.level = Level::Released;
    bench.settle();
    associate(&mut bench, 1, 1);
    bench.approvals.push(sample::yes(&bench.record, Action::Release));
    bench.lens = |seen: &mut QuarantineSeen| {
        if let Read::Found { value, .. } = &mut seen.addresses {
            for holder in value.values_mut() {
                *holder = None;
            }
        }
    };
    for _ in 0..3 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    let refused = (
        NetworkChange::AssociateAddress {
            interface: interface(0),
            private_ip: "10.0.0.0".to_owned(),
            allocation: allocation(1),
        },
        Some(ErrorClass::Conflict),
    );
    assert!(bench.sent.contains(&(Effect::Network(refused.0), refused.1)), "{:?}", bench.sent);
    bench.lens = |_| {};
    bench.see_out();
    bench.see_out();
    assert!(bench.record.released && bench.verdict().message.contains("elasticAddress/eni-00000000/10.0.0.0"));
    assert_eq!(bench.world.interfaces[&interface(1)].interface.elastic.len(), 1);
}
