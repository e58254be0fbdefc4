//! Given more than is usual behind load balancers, expect what fits, what a plan says, and what waits.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::{DRIFT, bench, count, group, registered, release, sent, set, with};
use super::*;
use crate::playbook::{QuarantineSeen, sample};

#[test]
fn an_address_is_registered_again_when_it_has_drained() {
    let mut bench = bench();
    bench.settle();
    release(&mut bench);
    assert!(!bench.record.released, "it drains still");
    assert_eq!(registered(&bench, "by-id").len(), 3, "an instance may return at once");
    assert_eq!(registered(&bench, "by-address"), set(&["10.0.9.9 443"]));
    let verdict = bench.verdict();
    assert!(verdict.message.contains("when the deregistration delay is over"), "{}", verdict.message);
    assert_eq!(bench.plan().again_in, Some(5));
    bench.world.drained();
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
    assert_eq!(registered(&bench, "by-address").len(), 4);
    assert!(bench.sent.iter().all(|(_, refused)| refused.is_none()), "nothing that AWS would refuse was sent");
}

#[test]
fn a_thousand_registrations_go_in_records_that_can_be_written() {
    let mut bench = bench();
    let port = bench.world.interfaces.get_mut(&sample::interface(0)).unwrap();
    port.interface.ipv6 = vec!["2001:db8:1111:2222:3333:4444:5555:6666".to_owned()];
    let address = &port.interface.ipv6[0];
    let many: Vec<String> = (1..=1500).map(|port| format!("{address} {port} eu-west-1a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    bench.world.target_groups.insert(group("by-id"), with(&many));
    bench.settle();
    bench.world.drained();
    assert!(registered(&bench, "by-id").is_empty());
    assert!(bench.record.contained_at.is_some(), "and isolation is not held up by them");
    assert_eq!(count(&bench, |fact| matches!(fact, Fact::GaveUp { .. })), 1);
    assert_eq!(count(&bench, DRIFT), 0, "the rest of them is nobody's foreign change");
    assert!(bench.sizes.iter().all(|size| *size <= crate::playbook::chain::MAX_BODY), "{:?}", bench.sizes);
    release(&mut bench);
    assert!(bench.record.released, "{:?}", bench.verdict());
    assert_eq!(registered(&bench, "by-id").len(), RECORDED);
    assert_eq!(count(&bench, |fact| matches!(fact, Fact::LeftAsFound { .. })), 0);
}

#[test]
fn the_plan_says_what_is_left_of_each_balancer_and_its_hash_does_not() {
    let mut bench = bench();
    bench.account.required = BTreeMap::from([(Action::Isolate, 1)]);
    bench.settle();
    let plan = bench.record.plans[&Action::Isolate].clone();
    let text = plan.lines.join("\n");
    for line in [
        "take i-00000001 80, i-00000001 81 out of target group by-id/0123456789abcdef of no load balancer: 1 healthy \
         targets are left, of 3 registered now",
        "take i-00000001 out of classic load balancer old: 1 healthy instances are left, of 2 registered now",
        "the deregistration delay is over, an hour at most",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("others/"), "{text}");
    assert!(plan.lines.iter().all(|line| line.chars().count() <= 512), "{text}");
    assert_eq!(sent(&bench), Vec::<&Effect>::new(), "nothing before a person says so");
    assert_eq!(bench.state("Deregistered"), Some(State::Awaiting(Action::Isolate)));
    for group in bench.world.target_groups.values_mut() {
        group.registered.values_mut().for_each(|healthy| *healthy = false);
    }
    bench.settle();
    assert_eq!(bench.record.plans[&Action::Isolate].hash, plan.hash);
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    assert_eq!(sent(&bench).len(), 3);
}

#[test]
fn a_plan_waits_a_short_while_for_the_look_at_the_balancers() {
    let mut bench = bench();
    bench.account.required = BTreeMap::from([(Action::Isolate, 1)]);
    bench.lens = |seen| seen.balancers = Read::NotRead;
    bench.settle();
    assert!(bench.record.plans.is_empty());
    bench.now = sample::later(bench.now, 15);
    bench.settle();
    let text = bench.record.plans[&Action::Isolate].lines.join("\n");
    assert!(text.contains("which ones was not read yet"), "{text}");
}

#[test]
fn an_address_that_may_be_another_hosts_is_left_and_named() {
    let mut bench = bench();
    bench.settle();
    bench.lens = |seen| {
        let Read::Found { value, .. } = &mut seen.balancers else { return };
        let unclear = BTreeSet::from(["10.0.0.1".to_owned()]);
        value.groups.insert(group("hub"), Some(TargetGroup { unclear, ..TargetGroup::default() }));
    };
    let verdict = bench.verdict();
    let hub = bench.step("Deregistered").parts.into_iter().find(|part| part.name.starts_with("hub/")).unwrap();
    assert_eq!(hub.state, "Unclear");
    assert!(verdict.ready && verdict.message.contains("10.0.0.1 in hub/0123456789abcdef"), "{}", verdict.message);
}

#[test]
fn an_approval_to_leave_the_balancers_opens_no_gate_to_isolate() {
    let mut bench = bench();
    bench.spec.level = Level::Detached;
    bench.account.required = BTreeMap::from([(Action::Isolate, 1)]);
    bench.settle();
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(matches!(bench.state("Deregistered"), Some(State::Done(_))), "{:?}", bench.state("Deregistered"));
    bench.approvals.clear();
    bench.spec.level = Level::Isolated;
    bench.settle();
    assert_eq!(bench.state("Isolated"), Some(State::Awaiting(Action::Isolate)));
    assert_eq!(bench.record.contained_at, None);
    bench.account.namespace_allowed = false;
    assert!(matches!(bench.state("Isolated"), Some(State::Blocked(_))), "{:?}", bench.state("Isolated"));
}

/// In a hurry balancers are read after the host is closed, when the plan says less: it was all approved.
#[test]
fn what_was_approved_with_the_closing_needs_no_other_approval_after_it() {
    let mut bench = bench();
    let world = std::mem::replace(&mut bench.world, sample::world(0, 0));
    bench.world = world.with_fleet("web", &sample::instance_id(), (1, 3, 4));
    bench.account.required = BTreeMap::from([(Action::Isolate, 1)]);
    bench.settle();
    bench.lens = |seen: &mut QuarantineSeen| seen.balancers = Read::NotRead;
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(bench.record.contained_at.is_some() && sent(&bench).is_empty());
    bench.lens = |_| {};
    bench.settle();
    assert!(bench.verdict().ready && registered(&bench, "by-id").len() == 1, "{:?}", bench.verdict());
}
