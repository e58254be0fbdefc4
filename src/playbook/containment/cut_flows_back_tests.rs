//! Given a closed host with public addresses, expect them taken once it is closed, and given back where that is possible.

use std::collections::BTreeSet;

use super::*;
use crate::api::ids::AllocationId;
use crate::api::quarantine::{PublicAddress, Pulse};
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::sample::{self, Bench, interface};

fn allocation(n: u8) -> AllocationId {
    AllocationId::parse(&format!("eipalloc-0000000{n}")).unwrap()
}

fn with_automatic(mut world: World) -> World {
    let port = &mut world.interfaces.get_mut(&interface(0)).unwrap().interface;
    (port.public_ips, port.automatic) = (vec!["198.51.100.9".to_owned()], Some("198.51.100.9".to_owned()));
    world
}

fn with_elastic(world: World) -> World {
    world.with_elastic(&interface(0), &allocation(1), "203.0.113.1")
}

fn with_timeouts(mut world: World) -> World {
    for port in world.interfaces.values_mut() {
        port.interface.idle_timeouts = Some(IdleTimeouts::DEFAULT);
    }
    world
}

fn held(world: World) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.settle();
    bench
}

fn port(bench: &Bench<Quarantine>) -> &Interface {
    &bench.world.interfaces[&interface(0)].interface
}

fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.settle();
    bench.approvals.push(sample::yes(&bench.record, Action::Release));
    bench.see_out();
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
}

fn position(bench: &Bench<Quarantine>, operation: &str) -> Option<usize> {
    bench.operations().iter().position(|sent| *sent == operation)
}

#[test]
fn an_elastic_address_is_taken_once_the_host_is_closed_and_given_back() {
    let mut bench = held(with_elastic(sample::world(2, 1)));
    assert!(port(&bench).public_ips.is_empty(), "{:?}", port(&bench));
    let (closed, taken) = (
        bench.sent.iter().rposition(|(effect, _)| matches!(effect, Effect::ReplaceSecurityGroups { .. })).unwrap(),
        position(&bench, "DisassociateAddress").unwrap(),
    );
    assert!(closed < taken, "{:?}", bench.operations());
    assert!(matches!(bench.state(NAME), Some(State::Unknown(_))), "{:?}", bench.state(NAME));
    assert!(bench.verdict().ready && !bench.turn());

    release(&mut bench);
    let private_ip = &port(&bench).private_ips[0];
    assert_eq!(port(&bench).elastic[private_ip].allocation, allocation(1));
    let attribute = Attribute::ElasticAddress(interface(0), private_ip.clone());
    assert_eq!(bench.record.given_back[&attribute], None, "as it was");
}

fn elsewhere_on(world: &mut World, n: usize) {
    *world = std::mem::replace(world, World::new(sample::account_id())).with_elastic(
        &interface(n),
        &allocation(1),
        "203.0.113.1",
    );
}

#[test]
fn one_that_others_took_meanwhile_is_left_to_them() {
    type Meanwhile = fn(&mut World);
    let elsewhere: Meanwhile = |world| elsewhere_on(world, 1);
    let gone: Meanwhile = |world| world.elastic.clear();
    // By hand, at another address of the same interface.
    let beside: Meanwhile = |world| {
        let port = &mut world.interfaces.get_mut(&interface(0)).unwrap().interface;
        port.private_ips.reverse();
        port.private_ips.insert(0, "10.0.0.77".to_owned());
        elsewhere_on(world, 0);
    };
    let unassigned: Meanwhile = |world| {
        world.interfaces.get_mut(&interface(0)).unwrap().interface.private_ips = vec!["10.0.0.77".to_owned()];
    };
    for (meanwhile, found) in [
        (elsewhere, "is associated with eni-00000001"),
        (gone, "is gone"),
        (beside, "is associated with 10.0.0.77 of eni-00000000"),
        (unassigned, "10.0.0.0 is no address of eni-00000000 any more"),
    ] {
        let mut bench = held(with_elastic(sample::world(2, 1)));
        // Another host takes it: what was taken from ours is no foreign change of ours.
        bench.spec.level = Level::Released;
        bench.settle();
        meanwhile(&mut bench.world);
        bench.approvals.push(sample::yes(&bench.record, Action::Release));
        bench.see_out();
        bench.see_out();
        assert!(bench.record.released, "{:?}", bench.verdict());
        assert!(!port(&bench).elastic.contains_key("10.0.0.0") && position(&bench, "AssociateAddress").is_none());
        let attribute = Attribute::ElasticAddress(interface(0), "10.0.0.0".to_owned());
        let said = bench.record.given_back[&attribute].clone().unwrap();
        assert!(said.contains(found), "{said}");
    }
}

#[test]
fn an_automatic_address_is_taken_and_a_release_gets_another_one() {
    let mut bench = held(with_automatic(sample::world(1, 1)));
    assert!(port(&bench).public_ips.is_empty());
    release(&mut bench);
    let another = port(&bench).automatic.clone().unwrap();
    assert_ne!(another, "198.51.100.9");
}

#[test]
fn one_that_comes_in_place_of_an_elastic_one_is_taken_and_not_given_back() {
    let mut bench = held(with_elastic(sample::world(1, 1)));
    bench.world = with_automatic(bench.world.clone());
    bench.settle();
    assert!(port(&bench).public_ips.is_empty(), "{:?}", port(&bench));
    let drifts: Vec<_> = bench.facts().filter(|fact| matches!(fact, Fact::Drift { .. })).collect();
    assert!(drifts.is_empty(), "AWS's own doing is nobody's foreign change: {drifts:?}");
    release(&mut bench);
    assert_eq!(port(&bench).automatic, None, "before us there was none");
    let asked = bench.sent.iter().any(|(effect, _)| {
        matches!(effect, Effect::Network(NetworkChange::AssociatePublicIpAddress { enabled: true, .. }))
    });
    assert!(!asked, "{:?}", bench.operations());
    assert_eq!(port(&bench).elastic.len(), 1);
}

#[test]
fn what_somebody_associates_again_is_taken_again_and_recorded() {
    let mut bench = held(with_elastic(sample::world(2, 1)));
    bench.world = bench.world.clone().with_elastic(&interface(0), &allocation(2), "203.0.113.2");
    bench.settle();
    assert!(port(&bench).elastic.is_empty());
    let foreign = Value::Set(BTreeSet::from([allocation(2).to_string()]));
    assert!(bench.facts().any(|fact| matches!(fact, Fact::Drift { foreign: found, .. } if *found == foreign)));
    // What was taken stays taken, whatever the spec says by then.
    bench.spec.isolation.public_address = PublicAddress::Leave;
    bench.world = bench.world.clone().with_elastic(&interface(0), &allocation(1), "203.0.113.1");
    bench.settle();
    assert!(port(&bench).elastic.is_empty());
}

#[test]
fn what_is_to_be_left_or_is_of_another_kind_is_left() {
    for (declared, world) in [
        (PublicAddress::Leave, with_elastic(sample::world(1, 1))),
        (PublicAddress::Leave, with_automatic(sample::world(1, 1))),
        (PublicAddress::Remove, {
            let mut world = sample::world(1, 1);
            world.interfaces.get_mut(&interface(0)).unwrap().interface.public_ips = vec!["192.0.2.1".to_owned()];
            world
        }),
    ] {
        let mut bench = Bench::quarantine(Level::Isolated, world);
        bench.spec.isolation.public_address = declared;
        bench.settle();
        assert_eq!(port(&bench).public_ips.len(), 1);
        let taken = bench.sent.iter().any(|(effect, _)| matches!(effect, Effect::Network(_)));
        assert!(!taken && bench.verdict().ready, "{:?}", bench.operations());
    }
}

#[test]
fn the_pulse_comes_when_the_address_is_gone_and_not_while_another_may_come() {
    let opened =
        |bench: &Bench<Quarantine>| bench.sent.iter().any(|(effect, _)| matches!(effect, Effect::OpenForPulse { .. }));
    let pulsed = |world: World| {
        let mut bench = Bench::quarantine(Level::Isolated, world);
        bench.spec.isolation.pulse = Pulse::Auto;
        bench.settle();
        bench
    };
    assert!(opened(&pulsed(with_automatic(sample::world(1, 1)))));
    assert!(opened(&pulsed(with_elastic(sample::world(2, 1)))), "AWS assigns none to a host with two interfaces");
    let mut bench = pulsed(with_elastic(sample::world(1, 1)));
    assert!(!opened(&bench), "AWS may be about to assign one");
    assert!(bench.verdict().message.contains("may assign"), "{}", bench.verdict().message);
    bench.world = with_automatic(bench.world.clone());
    bench.settle();
    assert!(opened(&bench));
    let open = bench.sent.iter().position(|(effect, _)| matches!(effect, Effect::OpenForPulse { .. })).unwrap();
    assert!(bench.sent[..open].iter().any(|(effect, _)| matches!(
        effect,
        Effect::Network(NetworkChange::AssociatePublicIpAddress { enabled: false, .. })
    )));
}

#[test]
fn idle_timeouts_are_shortened_and_set_back() {
    let mut bench = held(with_timeouts(sample::world(2, 1)));
    assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::SHORTEST));
    let longer = IdleTimeouts { tcp_established: Some(600), ..IdleTimeouts::SHORTEST };
    bench.world.interfaces.get_mut(&interface(1)).unwrap().interface.idle_timeouts = Some(longer);
    bench.settle();
    assert!(bench.facts().any(|fact| matches!(fact, Fact::Drift { foreign, .. } if *foreign == longer.as_value())));
    assert!(bench.verdict().ready && !bench.turn());
    release(&mut bench);
    for port in bench.world.interfaces.values() {
        assert_eq!(port.interface.idle_timeouts, Some(IdleTimeouts::DEFAULT));
    }
}

/// AWS has no call that unsets one.
#[test]
fn idle_timeouts_that_were_unset_are_set_to_what_aws_documents_and_told_to_be_left() {
    let mut world = sample::world(1, 1);
    let own = IdleTimeouts { udp: Some(45), ..IdleTimeouts::UNSET };
    world.interfaces.get_mut(&interface(0)).unwrap().interface.idle_timeouts = Some(own);
    let mut bench = held(world);
    assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::SHORTEST));
    bench.spec.level = Level::Released;
    bench.settle();
    let lines = bench.record.plans[&Action::Release].lines.join("\n");
    assert!(lines.contains("they were TCP unset, UDP streams unset, UDP 45 s, and AWS has no call"), "{lines}");
    release(&mut bench);
    let back = IdleTimeouts { udp: Some(45), ..IdleTimeouts::DEFAULT };
    assert_eq!(port(&bench).idle_timeouts, Some(back));
    let attribute = Attribute::IdleTimeouts(interface(0));
    assert_eq!(bench.record.given_back[&attribute], Some(back.to_string()));
    assert!(bench.verdict().message.contains("idleTimeouts/eni-00000000"), "{:?}", bench.verdict());
}

/// They take the same calls as closing does.
#[test]
fn idle_timeouts_wait_until_every_host_of_the_incident_is_closed() {
    let waiting = || {
        let mut bench = Bench::quarantine(Level::Isolated, with_elastic(with_timeouts(sample::world(2, 1))));
        bench.lens = |seen| seen.siblings_open = 3;
        bench.settle();
        assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::DEFAULT));
        assert!(port(&bench).elastic.is_empty(), "addresses wait for nobody");
        let Some(State::Working(refusal)) = bench.state(NAME) else { panic!("{:?}", bench.state(NAME)) };
        assert!(refusal.message.contains("3 other hosts of the case"), "{}", refusal.message);
        bench
    };
    let mut bench = waiting();
    bench.now = sample::later(bench.now, 600);
    bench.settle();
    assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::SHORTEST), "who waits for a person is not waited for");

    let mut bench = waiting();
    bench.lens = |_| {};
    bench.settle();
    assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::SHORTEST));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    // What was shortened is kept so, whoever else is open by then.
    bench.lens = |seen| seen.siblings_open = 3;
    bench.world = with_timeouts(bench.world.clone());
    bench.settle();
    assert_eq!(port(&bench).idle_timeouts, Some(IdleTimeouts::SHORTEST));
}

#[test]
fn idle_timeouts_that_aws_refuses_for_good_are_not_tried_again() {
    let mut bench = Bench::quarantine(Level::Isolated, with_timeouts(sample::world(1, 1)));
    for _ in 0..3 {
        bench.turn();
    }
    bench.settle();
    let attribute = Attribute::IdleTimeouts(interface(0));
    bench.world = with_timeouts(bench.world.clone());
    bench.record.given_up.insert(format!("{NAME}/{}", interface(0)), "UnsupportedOperation".to_owned());
    let turn = bench.step(NAME);
    assert!(turn.stages.is_empty());
    let State::Unknown(refusal) = turn.state else { panic!("{:?}", turn.state) };
    assert!(refusal.message.contains("UnsupportedOperation"), "{}", refusal.message);
    assert!(bench.record.applied.contains_key(&attribute));

    let change = |code| {
        let change = NetworkChange::SetIdleTimeouts { interface: interface(0), timeouts: IdleTimeouts::SHORTEST };
        crate::playbook::network_change::given_up(&Effect::Network(change), NAME, Some(code)).is_some()
    };
    assert!(change("UnsupportedOperation") && !change("UnauthorizedOperation") && !change("RequestLimitExceeded"));
}

#[test]
fn a_plan_names_each_address_and_what_can_t_be_undone() {
    let mut bench = Bench::quarantine(Level::Isolated, with_timeouts(with_elastic(sample::world(2, 1))));
    let second = &mut bench.world.interfaces.get_mut(&interface(1)).unwrap().interface;
    (second.public_ips, second.automatic) =
        (vec!["198.51.100.9".to_owned(), "192.0.2.1".to_owned()], Some("198.51.100.9".to_owned()));
    bench.account.required.insert(Action::Isolate, 1);
    for _ in 0..20 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    let lines = bench.record.plans[&Action::Isolate].lines.join("\n");
    for line in [
        "take the elastic address 203.0.113.1 (eipalloc-00000001) from eni-00000000; a release associates it again",
        "take the automatic public address 198.51.100.9 from eni-00000001, which can't be undone",
        "leave 192.0.2.1 of eni-00000001",
        "shorten the idle timeouts of tracked connections on 2 interfaces to TCP 60 s",
    ] {
        assert!(lines.contains(line), "{line:?} is not in\n{lines}");
    }
    assert!(!bench.sent.iter().any(|(effect, _)| matches!(effect, Effect::Network(_))), "nothing before the Approval");
    bench.approvals.push(sample::yes(&bench.record, Action::Isolate));
    bench.settle();
    assert!(port(&bench).public_ips.is_empty(), "one Approval covers it: {:?}", bench.verdict());

    bench.spec.level = Level::Released;
    bench.settle();
    let lines = bench.record.plans[&Action::Release].lines.join("\n");
    for line in [
        "associate eipalloc-00000001 with 10.0.0.0 of eni-00000000 again",
        "let AWS assign eni-00000001 a public address again: it is another one",
        "set the idle timeouts of eni-00000000 back to TCP 432000 s",
    ] {
        assert!(lines.contains(line), "{line:?} is not in\n{lines}");
    }
}

#[test]
fn a_permission_that_is_missing_is_told_and_leaves_the_host_closed() {
    let mut bench = Bench::quarantine(Level::Isolated, with_elastic(sample::world(2, 1)));
    bench.refusals.insert("DisassociateAddress", ErrorClass::Denied);
    for _ in 0..8 {
        bench.turn();
    }
    assert!(matches!(bench.state("Isolated"), Some(State::Done(_))));
    assert_eq!(bench.verdict().reason, Reason::PermissionMissing);
    bench.refusals.clear();
    bench.now = sample::later(bench.now, 3600);
    bench.settle();
    assert!(port(&bench).public_ips.is_empty() && bench.verdict().ready);
}
