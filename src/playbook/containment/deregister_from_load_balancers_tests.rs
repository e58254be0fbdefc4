//! Given a host behind load balancers, expect what is taken back, what is said, and what is registered again.

use std::collections::BTreeMap;

use super::*;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::Registrations;
use crate::playbook::project::verdict;
use crate::playbook::sample::{self, Bench, instance_id};
use crate::playbook::seen::ReadFailure;

pub(super) fn group(name: &str) -> TargetGroupArn {
    let arn = format!("arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/{name}/0123456789abcdef");
    TargetGroupArn::parse(&arn).unwrap()
}

fn classic(name: &str) -> LoadBalancerName {
    LoadBalancerName::parse(name).unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

pub(super) fn set(targets: &[&str]) -> BTreeSet<Target> {
    targets.iter().map(|text| target(text)).collect()
}

/// A group with these, all healthy.
pub(super) fn with(targets: &[&str]) -> Registrations {
    let registered: BTreeMap<Target, bool> = targets.iter().map(|text| (target(text), true)).collect();
    Registrations { registered, draining: BTreeSet::new() }
}

/// By id on two ports, by a first, a second and an IPv6 address; neighbours in each; and a group without the host.
pub(super) fn bench() -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    for (n, port) in bench.world.interfaces.values_mut().enumerate() {
        port.interface.private_ips.push(format!("10.0.1.{n}"));
        port.interface.ipv6.push(format!("2001:db8::{n}"));
    }
    let groups = [
        (group("by-id"), with(&["i-00000001 80", "i-00000001 81", "i-00000002 80"])),
        (
            group("by-address"),
            with(&["10.0.0.0 443 eu-west-1a", "10.0.1.1 443 all", "2001:db8::1 443", "10.0.9.9 443"]),
        ),
        (group("others"), with(&["i-00000002 80"])),
    ];
    bench.world.target_groups = groups.into();
    let other = crate::api::ids::InstanceId::parse("i-00000002").unwrap();
    bench.world.classic_load_balancers =
        BTreeMap::from([(classic("old"), [instance_id(), other.clone()].into()), (classic("theirs"), [other].into())]);
    bench
}

pub(super) fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.turn();
    bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
    bench.see_out();
}

pub(super) fn registered(bench: &Bench<Quarantine>, name: &str) -> BTreeSet<Target> {
    bench.world.target_groups[&group(name)].registered.keys().cloned().collect()
}

/// Changes of load balancers that were sent.
pub(super) fn sent(bench: &Bench<Quarantine>) -> Vec<&Effect> {
    let is_one = |effect: &&Effect| effect.iam_actions()[0].starts_with("elasticloadbalancing:");
    bench.sent.iter().map(|(effect, _)| effect).filter(is_one).collect()
}

pub(super) fn count(bench: &Bench<Quarantine>, says: impl Fn(&Fact) -> bool) -> usize {
    bench.facts().filter(|fact| says(fact)).count()
}

pub(super) const DRIFT: fn(&Fact) -> bool =
    |fact| matches!(fact, Fact::Drift { attribute: Attribute::Targets(_) | Attribute::ClassicRegistration(_), .. });

#[test]
fn it_leaves_every_balancer_by_each_of_its_names_and_no_neighbour_does() {
    let mut bench = bench();
    bench.settle();
    assert_eq!(registered(&bench, "by-id"), set(&["i-00000002 80"]));
    assert_eq!(registered(&bench, "by-address"), set(&["10.0.9.9 443"]));
    assert_eq!(registered(&bench, "others"), set(&["i-00000002 80"]));
    assert!(!bench.world.classic_load_balancers[&classic("old")].contains(&instance_id()));
    assert_eq!(sent(&bench).len(), 3, "one call a balancer: {:?}", sent(&bench));
    let expected = Effect::DeregisterTargets {
        target_group: group("by-address"),
        targets: set(&["10.0.0.0 443 eu-west-1a", "10.0.1.1 443 all", "2001:db8::1 443"]),
    };
    assert!(sent(&bench).contains(&&expected), "with port and zone: {:?}", sent(&bench));
    assert_eq!(count(&bench, |fact| *fact == Fact::Deregistered), 1);
    // Done though it drains; that is said, and later that it is over.
    assert!(matches!(bench.state("Deregistered"), Some(State::Done(_))));
    assert!(bench.verdict().message.contains("5 registrations drain"), "{}", bench.verdict().message);
    bench.world.drained();
    bench.settle();
    let over = "Isolated: no pulse: spec.isolation.pulse is Never; flows that were tracked may survive";
    assert_eq!((bench.verdict().ready, bench.verdict().message.as_str()), (true, over));
    assert_eq!(sent(&bench).len(), 3, "nothing twice");
}

#[test]
fn what_was_registered_is_in_the_chain_before_the_first_change() {
    let mut bench = bench();
    bench.settle();
    let entries = &bench.entries;
    let first = entries.iter().position(
        |entry| matches!(entry, crate::playbook::record::Entry::Intent { step, .. } if step == "Deregistered"),
    );
    let said = |attribute: &Attribute| {
        let is_it = |fact: &Fact| matches!(fact, Fact::Baseline { attribute: of, .. } if of == attribute);
        entries.iter().position(|entry| matches!(entry, crate::playbook::record::Entry::Fact(fact) if is_it(fact)))
    };
    for attribute in [Attribute::Targets(group("by-id")), Attribute::ClassicRegistration(classic("old"))] {
        assert!(said(&attribute).unwrap() < first.unwrap(), "{attribute}");
    }
    let by_id = &bench.record.baseline[&Attribute::Targets(group("by-id"))];
    assert_eq!(by_id.to_string(), "i-00000001 80,i-00000001 81");
    assert!(!bench.record.baseline.contains_key(&Attribute::Targets(group("others"))));
}

#[test]
fn a_host_that_nobody_has_is_done_at_once_and_isolated_all_the_same() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.settle();
    assert_eq!(bench.state("Deregistered"), Some(State::done("no load balancer has it registered")));
    assert_eq!(sent(&bench), Vec::<&Effect>::new());
    bench.spec.level = Level::Protected;
    assert_eq!(bench.state("Deregistered"), None, "not asked for at Protected");
    bench.spec.level = Level::Detached;
    assert!(bench.state("Deregistered").is_some(), "asked for at Detached");
}

#[test]
fn isolation_waits_for_nothing_of_it() {
    type Change = fn(&mut Bench<Quarantine>);
    let table: [(&str, Change, Reason); 4] = [
        ("not read", |bench| bench.lens = |seen| seen.balancers = Read::NotRead, Reason::InProgress),
        (
            "reads denied",
            |bench| {
                bench.lens = |seen| {
                    let (reason, message) = (Reason::PermissionMissing, "grant it".to_owned());
                    seen.balancers = Read::Failed(ReadFailure { reason, message });
                }
            },
            Reason::PermissionMissing,
        ),
        (
            "changes denied",
            |bench| bench.refusals = BTreeMap::from([("DeregisterTargets", ErrorClass::Denied)]),
            Reason::PermissionMissing,
        ),
        (
            "throttled",
            |bench| bench.refusals = BTreeMap::from([("DeregisterTargets", ErrorClass::Throttled)]),
            Reason::Throttled,
        ),
    ];
    for (given, change, reason) in table {
        let mut bench = bench();
        change(&mut bench);
        for _ in 0..6 {
            bench.turn();
            bench.now = sample::later(bench.now, 1);
        }
        assert!(bench.record.contained_at.is_some(), "{given}");
        let verdict = verdict(&bench.plan(), bench.executor.errors());
        assert_eq!((verdict.ready, verdict.reason), (false, reason), "{given}: {}", verdict.message);
    }
}

#[test]
fn who_is_registered_again_is_taken_back_and_written_down() {
    let mut bench = bench();
    bench.settle();
    let before = bench.record.baseline.clone();
    bench.world.target_groups.get_mut(&group("by-id")).unwrap().registered.insert(target("i-00000001 8080"), true);
    bench.world.classic_load_balancers.get_mut(&classic("old")).unwrap().insert(instance_id());
    bench.settle();
    assert_eq!(registered(&bench, "by-id"), set(&["i-00000002 80"]));
    assert_eq!(count(&bench, DRIFT), 2);
    // Also where it was not registered before: then nothing is given back there.
    bench.world.target_groups.get_mut(&group("others")).unwrap().registered.insert(target("10.0.0.1 80"), true);
    bench.world.classic_load_balancers.get_mut(&classic("theirs")).unwrap().insert(instance_id());
    bench.settle();
    assert_eq!(registered(&bench, "others"), set(&["i-00000002 80"]));
    assert!(!bench.world.classic_load_balancers[&classic("theirs")].contains(&instance_id()));
    assert_eq!(count(&bench, DRIFT), 4);
    assert!(before.iter().all(|(attribute, value)| bench.record.baseline[attribute] == *value), "the baseline stays");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());

    bench.world.drained();
    release(&mut bench);
    assert!(bench.record.released);
    assert_eq!(registered(&bench, "by-id"), set(&["i-00000001 80", "i-00000001 81", "i-00000002 80"]));
    assert_eq!(registered(&bench, "others"), set(&["i-00000002 80"]));
    assert!(!bench.world.classic_load_balancers[&classic("theirs")].contains(&instance_id()));
}

#[test]
fn a_release_registers_again_what_was_registered_and_only_that() {
    let mut bench = bench();
    let before = (bench.world.target_groups.clone(), bench.world.classic_load_balancers.clone());
    bench.settle();
    bench.world.drained();
    release(&mut bench);
    assert!(bench.record.released);
    let names = |groups: &BTreeMap<TargetGroupArn, Registrations>| -> Vec<(TargetGroupArn, Vec<Target>)> {
        groups.iter().map(|(arn, group)| (arn.clone(), group.registered.keys().cloned().collect())).collect()
    };
    assert_eq!(names(&bench.world.target_groups), names(&before.0));
    assert_eq!(bench.world.classic_load_balancers, before.1);
    assert_eq!(count(&bench, |fact| matches!(fact, Fact::LeftAsFound { .. })), 0);
    // The network is open again before traffic is sent to it.
    let order = bench.operations();
    let last_group = order.iter().rposition(|operation| *operation == "ModifyNetworkInterfaceAttribute").unwrap();
    let first = order.iter().position(|operation| operation.starts_with("Register")).unwrap();
    assert!(last_group < first, "{order:?}");
}

#[test]
fn what_cannot_be_given_back_is_left_and_said() {
    type Change = fn(&mut Bench<Quarantine>);
    let moved: Change = |bench| {
        let port = bench.world.interfaces.get_mut(&sample::interface(0)).unwrap();
        port.interface.private_ips = vec!["10.0.0.77".to_owned()];
    };
    let table: [(&str, Change, &[&str], &[&str]); 5] = [
        (
            "somebody registered it on another port",
            |bench| {
                let groups = &mut bench.world.target_groups;
                groups.get_mut(&group("by-id")).unwrap().registered.insert(target("i-00000001 9"), true);
            },
            &["i-00000001 9", "i-00000002 80"],
            &["by-id"],
        ),
        (
            "it is stopped: AWS takes no instance that does not run",
            |bench| {
                bench.world.instances.get_mut(&instance_id()).unwrap().instance.state = InstanceState::Stopped;
            },
            &["i-00000002 80"],
            &["by-id", "old"],
        ),
        (
            "an address is another host's by now",
            moved,
            &["i-00000001 80", "i-00000001 81", "i-00000002 80"],
            &["by-address"],
        ),
        (
            "the host is gone",
            |bench| {
                bench.world.instances.get_mut(&instance_id()).unwrap().instance.state = InstanceState::Terminated;
            },
            &["i-00000002 80"],
            &["by-address", "by-id", "old"],
        ),
        (
            "a classic balancer is gone",
            |bench| drop(bench.world.classic_load_balancers.remove(&classic("old"))),
            &["i-00000001 80", "i-00000001 81", "i-00000002 80"],
            &["old"],
        ),
    ];
    for (given, change, by_id, left) in table {
        let mut bench = bench();
        bench.settle();
        bench.world.drained();
        bench.spec.level = Level::Released;
        bench.turn();
        // Nothing is enforced between the approval and the look that follows it.
        bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
        change(&mut bench);
        bench.see_out();
        bench.see_out();
        assert!(bench.record.released, "{given}: {:?}", bench.verdict());
        assert_eq!(registered(&bench, "by-id"), set(by_id), "{given}");
        let found: Vec<String> = bench
            .facts()
            .filter_map(|fact| match fact {
                Fact::LeftAsFound { attribute: Attribute::Targets(arn), .. } => {
                    arn.short().split('/').next().map(ToOwned::to_owned)
                }
                Fact::LeftAsFound { attribute: Attribute::ClassicRegistration(name), .. } => Some(name.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(
            found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            left.iter().copied().collect(),
            "{given}"
        );
        let ports = bench.world.ports(&instance_id());
        let ours: BTreeSet<&String> = ports.into_iter().flat_map(|p| p.private_ips.iter().chain(&p.ipv6)).collect();
        let strange = |target: &Target| target.id != "10.0.9.9" && !ours.contains(&target.id);
        assert!(!registered(&bench, "by-address").iter().any(strange), "{given}: an address that is not the host's");
    }
}

#[test]
fn a_lost_reply_changes_nothing_of_the_end() {
    for operation in ["DeregisterTargets", "DeregisterInstancesFromLoadBalancer"] {
        let mut bench = bench();
        bench.refusals.insert(operation, ErrorClass::Ambiguous);
        bench.turn();
        bench.turn();
        bench.crash();
        bench.refusals.clear();
        bench.see_out();
        assert!(bench.verdict().ready, "{operation}: {:?}", bench.verdict());
        assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()), "{operation}");
        bench.world.drained();
        bench.refusals.insert("RegisterTargets", ErrorClass::Ambiguous);
        bench.refusals.insert("RegisterInstancesWithLoadBalancer", ErrorClass::Ambiguous);
        release(&mut bench);
        assert!(bench.record.released, "{operation}: {:?}", bench.verdict());
        assert_eq!(registered(&bench, "by-id").len(), 3, "{operation}");
    }
}
