//! Given more than one record can say, expect all of it in several, each small enough, and isolation first.

use std::collections::BTreeMap;

use super::*;
use crate::api::ids::TargetGroupArn;
use crate::api::quarantine::Level;
use crate::cloud::sim::Registrations;
use crate::playbook::record::LeftOut;
use crate::playbook::sample::{self, Bench};
use crate::playbook::seen::TargetRegistration;
use crate::playbook::step::State;

#[test]
fn a_host_with_many_volumes_is_isolated_at_once_and_protected_in_more_turns() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(4, 256));
    let sizes = bench.settle_and_measure();
    assert!(sizes.iter().sum::<usize>() > 2 * MAX_BODY, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let at = |name: &str| bench.sent.iter().position(|(effect, _)| effect.operation() == name).unwrap();
    let last = bench.sent.iter().rposition(|(effect, _)| effect.operation() == "ModifyInstanceAttribute").unwrap();
    assert!(at("ModifyNetworkInterfaceAttribute") < last, "isolation waits for no protection");
    // Groups, and that there is no public address, of each interface.
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::Baseline { .. })).count(), 4 + 4 + 256 + 3);
}

#[test]
fn a_release_of_many_volumes_fits_too() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(4, 256));
    bench.settle();
    bench.spec.level = Level::Released;
    bench.settle();
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Release)];
    let sizes = bench.settle_and_measure();
    bench.see_out();
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.record.released);
}

#[test]
fn a_set_of_many_volumes_is_locked_and_shared_in_more_records() {
    let mut bench = Bench::evidence(sample::world(1, 256));
    bench.spec.share = sample::shared_with_forensics();
    let mut sizes = bench.settle_and_measure();
    bench.world.complete_snapshots();
    sizes.extend(bench.settle_and_measure());
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert_eq!((bench.record.locked.len(), bench.record.shared.len()), (256, 256));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}

fn group(port: u16) -> TargetGroupArn {
    let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{port:032}/0123456789abcdef");
    TargetGroupArn::parse(&arn).unwrap()
}

fn registered(port: u16) -> Registrations {
    let target = format!("10.100.200.1 {port} eu-west-1a").parse().unwrap();
    Registrations { registered: [(target, true)].into(), ..Registrations::default() }
}

/// Longer than a record by what whoever controls the host can make: tags, addresses, registrations.
fn crowded() -> crate::cloud::sim::World {
    let mut world = sample::world(15, 128);
    for port in world.interfaces.values_mut() {
        port.interface.ipv6 = (0..50).map(|n| format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:04x}")).collect();
        port.interface.private_ips = (0..50).map(|n| format!("10.100.200.{n}")).collect();
    }
    let host = world.instances.get_mut(&sample::instance_id()).unwrap();
    let four_bytes = |n: usize, length: usize| format!("{n:02}{}", "\u{1F980}".repeat(length - 2));
    host.instance.tags = (0..50).map(|n| (four_bytes(n, 128), four_bytes(n, 256))).collect();
    world.target_groups = (0..600).map(|port| (group(port), registered(port))).collect();
    world
}

#[test]
fn who_may_tag_and_register_a_host_does_not_keep_it_from_being_held() {
    let mut bench = Bench::quarantine(Level::Isolated, crowded());
    let sizes = bench.settle_and_measure();
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let rest =
        |wanted: fn(&Fact) -> Option<&BTreeMap<String, LeftOut>>| bench.facts().find_map(wanted).unwrap().clone();
    let of_host = rest(|fact| match fact {
        Fact::Metadata { left_out, .. } => Some(left_out),
        _ => None,
    });
    let around = rest(|fact| match fact {
        Fact::Surroundings { left_out, .. } => Some(left_out),
        _ => None,
    });
    assert_eq!(of_host.keys().collect::<Vec<_>>(), ["interfaces", "tags"]);
    let Some(Fact::Surroundings { surroundings, .. }) =
        bench.facts().find(|fact| matches!(fact, Fact::Surroundings { .. }))
    else {
        panic!()
    };
    let kept = surroundings.target_groups.len();
    let all: Vec<TargetRegistration> = (0..600)
        .map(|port| TargetRegistration {
            target_group: group(port).to_string(),
            target: "10.100.200.1".to_owned(),
            port: Some(i32::from(port)),
            zone: Some("eu-west-1a".to_owned()),
        })
        .collect();
    assert_eq!(surroundings.target_groups, all[..kept], "the first ones, as they are");
    let others = LeftOut { count: (600 - kept) as u64, digest: digest_of(&all[kept..].to_vec()) };
    assert_eq!(around, BTreeMap::from([("targetGroups".to_owned(), others)]));
    let Some(State::Done(message)) = bench.state("MetadataCaptured") else { panic!() };
    assert!(message.contains(&format!("no room for {} of interfaces", of_host["interfaces"].count)), "{message}");
    assert!(message.contains(&format!("{} of targetGroups", 600 - kept)), "{message}");
}

#[test]
fn a_fact_that_no_record_has_room_for_stops_nothing_and_is_said_once() {
    let mut world = sample::world(1, 1);
    world.instances.get_mut(&sample::instance_id()).unwrap().instance.profile = Some("x".repeat(MAX_BODY));
    let fact = crate::playbook::acquisition::bounded::metadata(
        world.instances[&sample::instance_id()].instance.clone(),
        &world.ports(&sample::instance_id()).into_iter().cloned().collect::<Vec<_>>(),
    );
    let mut bench = Bench::quarantine(Level::Isolated, world);
    let sizes = bench.settle_and_measure();
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let said: Vec<&Fact> = bench.facts().filter(|fact| matches!(fact, Fact::NotKept { .. })).collect();
    let bytes = canonical(&fact).len() as u64;
    assert_eq!(said, [&Fact::NotKept { of: "metadata".to_owned(), digest: digest_of(&fact), bytes }]);

    // One that is stated at each look is not written at each look.
    let large = || {
        let rules = (0..MAX_BODY).map(|n| n.to_string()).collect();
        vec![Entry::Fact(Fact::ForeignRules { group: sample::group(0), rules })]
    };
    let mut record = Record::default();
    let first = sayable(large(), &record);
    assert_eq!(first.len(), 1);
    record.fold(&first, sample::at(0));
    assert!(sayable(large(), &record).is_empty());
}

#[test]
fn a_plan_of_many_addresses_fits_into_a_record() {
    let mut world = crowded();
    world.instances.get_mut(&sample::instance_id()).unwrap().instance.tags.clear();
    for n in 15..200 {
        let mut port = sample::port(n);
        port.ipv6 = (0..50).map(|n| format!("2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:04x}")).collect();
        world = world.with_interface(&sample::instance_id(), port);
    }
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.account.required.insert(crate::api::approval::Action::Isolate, 1);
    let sizes = bench.settle_and_measure();
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    let published = bench.plan().published.unwrap();
    assert!(published.lines.last().unwrap().ends_with("they treat more interfaces and volumes in the same way"));
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Isolate)];
    bench.settle();
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}
