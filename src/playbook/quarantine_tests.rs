//! Given groups of our name, expect which of them are trusted, and for what.

use std::collections::BTreeSet;

use super::*;
use crate::api::quarantine::Pulse;
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::containment::pulse::everything;
use crate::playbook::record::OutcomeKind;
use crate::playbook::sample::{self, Bench, group, interface, vpc};

/// A group of one of our names with a rule in it, made by whom the tag says.
fn named(n: usize, network: usize, name: &str, tag: Option<&str>) -> SecurityGroup {
    let mut made = sample::former_group();
    (made.id, made.vpc, made.name, made.operation) = (group(n), vpc(network), name.to_owned(), tag.map(str::to_owned));
    made
}

/// One interface in each of two networks.
fn two_networks() -> World {
    let mut far = sample::port(1);
    (far.vpc, far.groups) = (vpc(1), BTreeSet::from([group(1)]));
    sample::world(1, 1).with_group(named(1, 1, "web", None)).with_interface(&sample::instance_id(), far)
}

fn groups(bench: &Bench<Quarantine>, n: usize) -> BTreeSet<crate::api::ids::SecurityGroupId> {
    bench.world.interfaces[&interface(n)].interface.groups.clone()
}

fn pulsing(world: World) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.spec.isolation.pulse = Pulse::Auto;
    bench
}

fn openings(bench: &Bench<Quarantine>) -> usize {
    bench.sent.iter().filter(|(effect, _)| effect.opens()).count()
}

#[test]
fn a_group_that_only_has_our_name_is_left_alone_and_a_person_is_told() {
    let stranger = named(7, 1, "baseline-a", None);
    let mut bench = Bench::quarantine(Level::Isolated, two_networks().with_group(stranger.clone()));
    bench.settle();
    assert_eq!(bench.world.groups[&stranger.id], stranger, "not emptied");
    assert_eq!(groups(&bench, 1), BTreeSet::from([group(1)]), "nor put on anything");
    let closed = bench.world.group_named(&vpc(0), "baseline-a").unwrap().id.clone();
    assert_eq!(groups(&bench, 0), BTreeSet::from([closed]), "the other network goes on");
    let told = bench.verdict();
    assert!(told.stalled && told.reason == Reason::Conflict, "{told:?}");
    for word in ["sg-00000f07", "vpc-00000001", "baseline-a", "ops:operation", "groupPrefix"] {
        assert!(told.message.contains(word), "{word}: {}", told.message);
    }
    // Whoever deletes it has it made by us.
    bench.world.groups.remove(&stranger.id);
    bench.settle();
    assert!(bench.verdict().ready);
}

#[test]
fn whose_group_it_is_says_the_tag_or_the_chain() {
    // Made by the chain of another object: the tag is all that says so.
    let other = named(7, 0, "baseline-a", Some("of another chain"));
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1).with_group(other));
    bench.settle();
    assert_eq!(groups(&bench, 0), BTreeSet::from([group(7)]));
    assert!(bench.verdict().ready && bench.world.groups[&group(7)].rules.is_empty());
    // Somebody takes the tag away: the chain says that it was closed with, and goes on.
    let stripped = bench.world.groups.get_mut(&group(7)).unwrap();
    (stripped.operation, stripped.rules) = (None, everything());
    bench.world.interfaces.get_mut(&interface(0)).unwrap().interface.groups = BTreeSet::from([group(0)]);
    bench.settle();
    assert!(bench.verdict().ready && bench.world.groups[&group(7)].rules.is_empty());

    // Made by this chain.
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.turn();
    bench.world.groups.values_mut().for_each(|group| group.operation = None);
    bench.settle();
    assert!(bench.verdict().ready);
}

#[test]
fn rules_are_added_to_no_open_group_that_this_chain_did_not_make() {
    // The group that is there; whether flows are cut with it.
    let mut open = named(8, 0, "baseline-b", Some("of another chain"));
    open.rules = everything();
    let table = [
        ("a stranger's", named(8, 0, "baseline-b", None), 0, "AwsAccount"),
        ("with a tag that may be forged", named(8, 0, "baseline-b", Some("forged")), 0, "not made by this Quarantine"),
        ("with a tag, and open already", open, 1, ""),
    ];
    for (given, group, pulses, said) in table {
        let mut bench = pulsing(sample::world(1, 1).with_group(group.clone()));
        bench.settle();
        assert_eq!(bench.world.groups[&group.id].rules, group.rules, "{given}");
        assert_eq!(openings(&bench), pulses, "{given}");
        let told = bench.verdict();
        assert!(told.ready && told.message.contains(said), "{given}: {}", told.message);
    }
}

#[test]
fn a_group_whose_making_got_no_reply_is_found_by_its_operation() {
    let mut bench = pulsing(sample::world(1, 1));
    bench.refusals.insert("CreateSecurityGroup", ErrorClass::Ambiguous);
    bench.settle();
    assert_eq!(openings(&bench), 1, "the open group is ours, and opened");
    assert!(bench.verdict().ready && bench.verdict().reason == Reason::Succeeded, "{:?}", bench.verdict());
    let ends = |entry: &&Entry| matches!(entry, Entry::Outcome { result: OutcomeKind::Adopted, .. });
    assert_eq!(bench.entries.iter().filter(ends).count(), 2);
    let made = |role| bench.record.made(bench.record.group(&vpc(0), role).unwrap()).is_some();
    assert!(made(GroupRole::Closed) && made(GroupRole::Open));
    // One outcome for each intent.
    let mut ids: Vec<_> = bench
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Outcome { id, .. } => Some(id.clone()),
            _ => None,
        })
        .collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
