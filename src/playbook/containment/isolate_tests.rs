//! Given interfaces and groups, expect what is closed, what is recorded, and what is given back.

use super::*;
use crate::api::ids::SecurityGroupId;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, group, interface, vpc};
use crate::playbook::seen::{Direction, Peer, Rule};

pub(super) fn bench(interfaces: usize) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(interfaces, 1));
    bench.settle();
    bench
}

pub(super) fn closed(world: &World, n: usize) -> SecurityGroupId {
    world.group_named(&vpc(n), "baseline-a").unwrap().id.clone()
}

pub(super) fn groups(world: &World, n: usize) -> BTreeSet<SecurityGroupId> {
    world.interfaces[&interface(n)].interface.groups.clone()
}

pub(super) fn put(bench: &mut Bench<Quarantine>, n: usize, groups: &[SecurityGroupId]) {
    bench.world.interfaces.get_mut(&interface(n)).unwrap().interface.groups = groups.iter().cloned().collect();
}

pub(super) fn reason(state: Option<State>) -> Reason {
    match state {
        Some(State::Working(refusal) | State::Blocked(refusal) | State::Skipped(refusal)) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

pub(super) fn approve(bench: &mut Bench<Quarantine>, action: Action) {
    bench.approvals.push(sample::yes(&bench.record, action));
}

pub(super) fn drifts(bench: &Bench<Quarantine>) -> usize {
    bench.facts().filter(|fact| matches!(fact, Fact::Drift { .. })).count()
}

/// Two interfaces in one network and one in another.
fn two_networks() -> World {
    let mut far = sample::port(2);
    far.vpc = vpc(1);
    far.groups = BTreeSet::from([group(1)]);
    let mut web = sample::former_group();
    (web.id, web.vpc) = (group(1), vpc(1));
    sample::world(2, 1).with_group(web).with_interface(&sample::instance_id(), far)
}

#[test]
fn every_interface_of_every_network_is_closed_at_once() {
    let mut bench = Bench::quarantine(Level::Isolated, two_networks());
    bench.turn();
    assert_eq!(bench.operations(), ["CreateSecurityGroup", "CreateSecurityGroup"], "one a network, and nothing beside");
    let turn = bench.step("Isolated");
    assert_eq!(turn.stages.len(), 1, "closing and emptying wait for nothing");
    assert_eq!(turn.stages[0].len(), 3 + 2);
    bench.settle();
    for (n, of) in [(0, 0), (1, 0), (2, 1)] {
        assert_eq!(groups(&bench.world, n), BTreeSet::from([closed(&bench.world, of)]));
        assert!(bench.world.groups[&closed(&bench.world, of)].rules.is_empty());
    }
    assert!(bench.verdict().ready);
    assert!(bench.record.contained_at.is_some());
    assert!(!bench.turn(), "what is done stays done");
}

#[test]
fn a_network_whose_group_is_not_shown_yet_delays_no_other() {
    let mut bench = Bench::quarantine(Level::Isolated, two_networks());
    bench.turn();
    bench.lens = |seen| {
        let Read::Found { value, .. } = &mut seen.groups else { return };
        value.retain(|group| group.vpc != vpc(1));
    };
    bench.turn();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]));
    assert_eq!(groups(&bench.world, 1), BTreeSet::from([closed(&bench.world, 0)]));
    assert_eq!(groups(&bench.world, 2), BTreeSet::from([group(1)]));
    assert_eq!(bench.plan().again_in, Some(1));
}

#[test]
fn a_network_whose_group_cannot_be_made_delays_no_other() {
    // Given: the closed group of one network is there already, and no other can be made.
    let mut world = two_networks();
    let mut ready = sample::former_group();
    (ready.id, ready.name, ready.operation) = (group(7), "baseline-a".to_owned(), Some("of another".to_owned()));
    ready.rules.clear();
    world = world.with_group(ready);
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.refusals.insert("CreateSecurityGroup", ErrorClass::Invalid);
    bench.turn();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([group(7)]));
    assert_eq!(groups(&bench.world, 2), BTreeSet::from([group(1)]));
    bench.turn();
    assert!(bench.operations().contains(&"ModifyInstanceAttribute"));
    assert_eq!(bench.verdict().reason, Reason::InvalidRequest);
}

#[test]
fn a_closed_group_that_somebody_deleted_is_made_anew() {
    let mut bench = bench(1);
    let gone = closed(&bench.world, 0);
    put(&mut bench, 0, &[group(0)]);
    bench.world.groups.remove(&gone);
    assert!(bench.step("Isolated").stages.is_empty(), "not shown is not gone, before W");
    bench.now = sample::later(bench.now, 91);
    bench.settle();
    assert_ne!(closed(&bench.world, 0), gone);
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]));
    let makings =
        bench.entries.iter().filter(|e| matches!(e, Entry::Intent { effect: Effect::CreateSecurityGroup { .. }, .. }));
    assert_eq!(makings.count(), 2, "under an intent of its own");
}

#[test]
fn steps_are_held_back_once_for_the_group_and_not_for_as_long_as_aws_refuses_it() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.refusals.insert("CreateSecurityGroup", ErrorClass::Denied);
    bench.turn();
    assert_eq!(bench.operations(), ["CreateSecurityGroup"]);
    bench.turn();
    assert!(bench.operations().contains(&"ModifyInstanceAttribute"), "the host is protected meanwhile");
    assert!(bench.verdict().stalled);
    assert_eq!(bench.verdict().reason, Reason::PermissionMissing);
}

#[test]
fn a_rule_on_the_closed_group_is_recorded_and_removed() {
    let mut bench = bench(2);
    let id = closed(&bench.world, 0);
    let rule = Rule {
        direction: Direction::Ingress,
        protocol: "tcp".to_owned(),
        from: Some(22),
        to: Some(22),
        peer: Peer::Ipv6("::/0".to_owned()),
    };
    bench.world.groups.get_mut(&id).unwrap().rules.insert(rule.clone());
    let turn = bench.step("Isolated");
    assert!(
        matches!(turn.state, State::Working(_)),
        "an interface is not closed by a group that lets something through"
    );
    assert!(turn.parts.iter().all(|part| part.state == "Open"));
    assert_eq!(turn.stages[0].len(), 1, "one group, one call");
    bench.settle();
    assert!(bench.world.groups[&id].rules.is_empty());
    assert!(bench.facts().any(|fact| matches!(fact, Fact::ForeignRules { group, .. } if *group == id)));
    // The same again is repaired under the standing intent, and not written down a second time.
    let entries = bench.entries.len();
    bench.world.groups.get_mut(&id).unwrap().rules.insert(rule);
    bench.settle();
    assert!(bench.world.groups[&id].rules.is_empty());
    assert_eq!(bench.entries.len(), entries);
}

#[test]
fn who_flaps_the_rules_of_a_closed_group_does_not_fill_the_chain() {
    let mut bench = bench(1);
    let id = closed(&bench.world, 0);
    let mut sizes = Vec::new();
    for port in 0..60 {
        let rule = Rule {
            direction: Direction::Ingress,
            protocol: "tcp".to_owned(),
            from: Some(port),
            to: Some(port),
            peer: Peer::Ipv4("0.0.0.0/0".to_owned()),
        };
        bench.world.groups.get_mut(&id).unwrap().rules.insert(rule);
        bench.settle();
        assert!(bench.world.groups[&id].rules.is_empty());
        bench.now = sample::later(bench.now, 50);
        sizes.push(bench.entries.len());
    }
    // Eight kinds of rules within the hour are written down, each with its intent and outcome.
    assert_eq!(
        (sizes[59] - sizes[8], bench.record.operations.values().filter(|o| o.outcome.is_none()).count()),
        (0, 0)
    );
}

#[test]
fn a_foreign_group_is_recorded_and_put_back_and_is_never_a_baseline() {
    let mut bench = bench(1);
    let attribute = Attribute::Groups(interface(0));
    let baseline = bench.record.baseline[&attribute].clone();
    let mut web = sample::former_group();
    web.id = group(5);
    bench.world = bench.world.with_group(web);
    put(&mut bench, 0, &[group(5), group(0)]);
    bench.settle();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]));
    assert_eq!(bench.record.baseline[&attribute], baseline);
    let foreign = as_value(&[group(0), group(5)]);
    assert!(bench.facts().any(|fact| *fact == Fact::Drift { attribute: attribute.clone(), foreign: foreign.clone() }));
    let last = bench.entries.iter().rev().find_map(|entry| match entry {
        Entry::Intent { before, effect, .. } if effect.sets().is_some_and(|(a, _)| a == attribute) => before.clone(),
        _ => None,
    });
    assert_eq!(last, Some(foreign), "the intent says what it replaced");
}

#[test]
fn who_flaps_a_group_is_repaired_each_time_and_written_down_once() {
    let mut bench = bench(1);
    let sent = bench.sent.len();
    for _ in 0..20 {
        put(&mut bench, 0, &[group(0)]);
        bench.settle();
        assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]));
    }
    assert_eq!((bench.sent.len() - sent, drifts(&bench)), (20, 1));
    bench.now = sample::later(bench.now, 3600);
    put(&mut bench, 0, &[group(0)]);
    bench.settle();
    assert_eq!(drifts(&bench), 2, "after an hour again");
    let repeated = Fact::DriftRepeated { attribute: Attribute::Groups(interface(0)), count: 19 };
    assert!(
        bench.facts().any(|fact| *fact == repeated),
        "with how often it was: {:?}",
        bench.facts().collect::<Vec<_>>()
    );
}

#[test]
fn the_first_change_waits_for_an_approval_and_no_repair_does() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    assert_eq!(bench.state("Isolated"), Some(State::Awaiting(Action::Isolate)));
    assert!(matches!(bench.state("Protected"), Some(State::Done(_))), "nobody waits for a signature to be protected");
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([group(0)]));

    // Somebody with a right to it changes the groups while the person thinks.
    let mut web = sample::former_group();
    web.id = group(5);
    bench.world = bench.world.with_group(web);
    put(&mut bench, 0, &[group(5)]);
    bench.settle();
    approve(&mut bench, Action::Isolate);
    bench.settle();
    assert!(bench.verdict().ready);
    assert_eq!(bench.record.baseline[&Attribute::Groups(interface(0))], as_value(&[group(5)]), "what stood last");

    bench.approvals.clear();
    put(&mut bench, 0, &[group(5)]);
    bench.settle();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]));
}

#[test]
fn what_is_held_stays_held_when_the_namespace_is_no_longer_allowed() {
    let mut held = bench(1);
    held.account.namespace_allowed = false;
    put(&mut held, 0, &[group(0)]);
    held.settle();
    assert_eq!(groups(&held.world, 0), BTreeSet::from([closed(&held.world, 0)]));

    let mut begun = Bench::quarantine(Level::Protected, sample::world(1, 1));
    begun.settle();
    begun.account.namespace_allowed = false;
    begun.spec.level = Level::Isolated;
    begun.settle();
    assert_eq!(reason(begun.state("Isolated")), Reason::NamespaceNotAllowed);
}

#[test]
fn a_quarantined_state_is_never_taken_for_a_baseline() {
    // Given: only protected by us, and closed by another installation. Expect: nothing is taken over.
    let other = bench(1).world;
    let mut ours = Bench::quarantine(Level::Isolated, other);
    ours.turn();
    assert_eq!(ours.verdict().reason, Reason::ForeignHold);
    assert!(ours.sent.is_empty() && ours.entries.is_empty());

    let mut late = Bench::quarantine(Level::Protected, sample::world(1, 1));
    late.settle();
    let mut other = Bench::quarantine(Level::Isolated, late.world.clone());
    other.settle();
    late.world = other.world;
    late.spec.level = Level::Isolated;
    let sent = late.sent.len();
    late.settle();
    assert_eq!((late.verdict().reason, late.sent.len()), (Reason::ForeignHold, sent));
}

#[test]
fn nothing_to_close_yet() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(0, 1));
    bench.settle();
    assert_eq!(reason(bench.state("Isolated")), Reason::Waiting);
    bench.world = bench.world.clone().with_interface(&sample::instance_id(), sample::port(0));
    bench.settle();
    assert!(bench.verdict().ready);
}

#[test]
fn release_gives_back_each_interface_that_still_has_our_group() {
    let mut bench = bench(3);
    let ours = closed(&bench.world, 0);
    bench.spec.level = Level::Released;
    bench.turn();
    put(&mut bench, 1, &[group(0), ours.clone()]);
    bench.world.interfaces.remove(&interface(2));
    // The next look is the first of the release: what was changed since is not repaired any more.
    approve(&mut bench, Action::Release);
    bench.see_out();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([group(0)]), "given back");
    assert_eq!(groups(&bench.world, 1).len(), 2, "not ours any more, left");
    assert_eq!(bench.record.given_back[&Attribute::Groups(interface(0))], None);
    assert!(bench.record.given_back[&Attribute::Groups(interface(1))].as_ref().unwrap().contains(','));
    assert_eq!(bench.record.given_back[&Attribute::Groups(interface(2))].as_deref(), Some("gone"));
    assert!(bench.record.released && bench.verdict().ready);
    assert_eq!(bench.verdict().reason, Reason::Released);
    assert!(bench.verdict().message.contains("groups/eni-00000001, groups/eni-00000002"), "{:?}", bench.verdict());
    let sent = bench.sent.len();
    put(&mut bench, 0, &[ours]);
    bench.settle();
    assert_eq!(bench.sent.len(), sent, "a second release changes nothing");
}

#[test]
fn a_request_that_comes_late_does_not_close_a_host_that_was_given_back() {
    let mut bench = bench(1);
    bench.spec.level = Level::Released;
    bench.turn();
    approve(&mut bench, Action::Release);
    bench.settle();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([group(0)]));
    // A closing that a replica had sent before, and died.
    let ours = closed(&bench.world, 0);
    put(&mut bench, 0, &[ours]);
    bench.see_out();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([group(0)]));
    assert!(bench.record.released);
}

#[test]
fn what_never_held_anything_is_let_go_without_a_signature() {
    let mut bench = Bench::quarantine(Level::Released, sample::world(1, 1));
    bench.account.namespace_allowed = false;
    bench.world.instances.clear();
    bench.settle();
    assert!(bench.record.released && bench.sent.is_empty());
}

#[test]
fn the_plan_names_each_interface_and_how_it_is_reached() {
    let mut world = sample::world(2, 1);
    world.interfaces.get_mut(&interface(1)).unwrap().interface.public_ips = vec!["203.0.113.7".to_owned()];
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    let lines = bench.plan().published.unwrap().lines.join("\n");
    for word in ["i-00000001", "eni-00000000", "eni-00000001", "sg-00000f00", "reachable from outside by 203.0.113.7"] {
        assert!(lines.contains(word), "{word} in {lines}");
    }
    assert!(!lines.contains("no neighbour"), "what is around the host is not in the plan: {lines}");
    approve(&mut bench, Action::Isolate);
    bench.settle();

    bench.spec.level = Level::Released;
    bench.settle();
    let lines = bench.plan().published.unwrap().lines;
    let first = "give i-00000001 in account 111122223333, Region eu-west-1 back: its interfaces get their former groups and \
                 it can be reached again";
    assert_eq!(lines[0], first);
    assert!(
        lines.iter().any(|line| line.starts_with("set disableApiTermination of i-00000001 back to false")),
        "{lines:?}"
    );
}
