//! Given a world and a change, expect what AWS does.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::cloud::sim::UNPROTECTED;
use crate::playbook::sample;

fn id_of(text: &str) -> OperationId {
    OperationId(text.to_owned())
}

fn world() -> World {
    sample::world(2, 2)
}

fn set() -> Effect {
    Effect::CreateSnapshots {
        instance: sample::instance_id(),
        volumes: BTreeSet::from([sample::volume(0), sample::volume(1)]),
        exclude: BTreeSet::new(),
        exclude_root: false,
        description: "d".to_owned(),
        tags: BTreeMap::new(),
        tag_prefix: "ops".to_owned(),
    }
}

fn group(name: &str) -> Effect {
    Effect::CreateSecurityGroup {
        vpc: sample::vpc(0),
        name: name.to_owned(),
        role: GroupRole::Closed,
        tag_prefix: "ops".to_owned(),
    }
}

fn refusal(world: &mut World, effect: &Effect) -> String {
    world.apply(effect, &id_of("x")).unwrap_err().code
}

#[test]
fn a_group_is_born_with_a_rule_and_its_name_is_taken_once() {
    let mut world = world();
    let receipt = world.apply(&group("baseline-a"), &id_of("one")).unwrap();
    let [Created::SecurityGroup { id: group_id, .. }] = receipt.created.as_slice() else { panic!("{receipt:?}") };
    assert_eq!(world.groups[group_id].rules.len(), 1);
    assert_eq!(refusal(&mut world, &group("baseline-a")), "InvalidGroup.Duplicate");
    world.vpcs.insert(sample::vpc(0), true);
    let receipt = world.apply(&group("baseline-b"), &id_of("two")).unwrap();
    let [Created::SecurityGroup { id: group_id, .. }] = receipt.created.as_slice() else { panic!("{receipt:?}") };
    assert_eq!(world.groups[group_id].rules.len(), 2, "an IPv6 network gives one more");
}

#[test]
fn a_set_is_made_every_time_it_is_asked_for() {
    let mut world = world();
    world.apply(&set(), &id_of("one")).unwrap();
    world.apply(&set(), &id_of("one")).unwrap();
    assert_eq!((world.sets(), world.snapshots.len()), (2, 4));
    assert!(world.snapshots.values().all(|e| e.tags.get("ops:operation").map(String::as_str) == Some("one")));
}

#[test]
fn an_interface_takes_groups_of_its_network_only() {
    let mut world = world();
    let elsewhere = SecurityGroup {
        id: sample::group(9),
        name: "elsewhere".to_owned(),
        vpc: sample::vpc(7),
        operation: None,
        rules: BTreeSet::new(),
    };
    world.groups.insert(elsewhere.id.clone(), elsewhere);
    let put =
        |group| Effect::ReplaceSecurityGroups { interface: sample::interface(0), groups: BTreeSet::from([group]) };
    for group in [sample::group(8), sample::group(9)] {
        assert_eq!(refusal(&mut world, &put(group)), "InvalidGroup.NotFound");
    }
    assert!(world.apply(&put(sample::group(0)), &id_of("x")).is_ok());
}

#[test]
fn what_aws_refuses() {
    let mut spot = sample::instance(1);
    spot.spot = true;
    let mut world =
        World::new(sample::account_id()).with_instance(spot, UNPROTECTED).with_group(sample::former_group());
    let enabled = true;
    let instance = sample::instance_id();
    let stranger = InstanceId::parse("i-00000009").unwrap();
    let cases = [
        (Effect::SetTerminationProtection { instance: instance.clone(), enabled }, "UnsupportedOperation"),
        (Effect::SetStopProtection { instance: instance.clone(), enabled }, "UnsupportedOperation"),
        (Effect::SetStopProtection { instance: stranger, enabled }, "InvalidInstanceID.NotFound"),
        (
            Effect::SetDeleteOnTermination {
                instance,
                volume: sample::volume(0),
                device: "/dev/none".to_owned(),
                enabled,
            },
            "InvalidInstanceAttributeValue",
        ),
        (
            Effect::LockSnapshot { snapshot: sample::snapshot(0), mode: LockMode::Governance, until: sample::at(0) },
            "InvalidSnapshot.NotFound",
        ),
    ];
    for (effect, code) in cases {
        assert_eq!(refusal(&mut world, &effect), code, "{effect:?}");
    }
}

#[test]
fn rules_are_added_and_taken_away_all_or_none() {
    let mut world = world();
    let (id, web, all) =
        (sample::group(0), sample::former_group().rules, crate::playbook::containment::pulse::everything());
    let both: BTreeSet<Rule> = web.union(&all).cloned().collect();
    let count = |world: &World| world.groups[&sample::group(0)].rules.len();
    world.apply(&Effect::AuthorizeRules { group: id.clone(), rules: both.clone() }, &id_of("a")).unwrap();
    assert_eq!(count(&world), 1, "one of them stands already");
    world.apply(&Effect::AuthorizeRules { group: id.clone(), rules: all }, &id_of("a")).unwrap();
    assert_eq!(count(&world), 5);
    world.apply(&Effect::RevokeRules { group: id.clone(), rules: web.clone() }, &id_of("r")).unwrap();
    world.apply(&Effect::RevokeRules { group: id, rules: both }, &id_of("r")).unwrap();
    assert_eq!(count(&world), 4, "one of them is not there any more");
}

#[test]
fn a_compliance_lock_is_only_extended() {
    let mut world = world();
    world.apply(&set(), &id_of("one")).unwrap();
    let snapshot = world.snapshots.keys().next().unwrap().clone();
    let lock = |mode, seconds| Effect::LockSnapshot { snapshot: snapshot.clone(), mode, until: sample::at(seconds) };
    world.apply(&lock(LockMode::Governance, 200), &id_of("l")).unwrap();
    world.apply(&lock(LockMode::Compliance, 100), &id_of("l")).unwrap();
    assert_eq!(refusal(&mut world, &lock(LockMode::Compliance, 99)), "InvalidRequest");
    assert_eq!(refusal(&mut world, &lock(LockMode::Governance, 200)), "InvalidRequest");
    world.apply(&lock(LockMode::Compliance, 101), &id_of("l")).unwrap();
    world.fail_snapshot(&snapshot, "no key");
    assert_eq!(refusal(&mut world, &lock(LockMode::Compliance, 102)), "IncorrectState");
}

#[test]
fn sharing_adds_takes_away_and_stops_at_the_default_key() {
    let (default, customer) = (sample::key(0), sample::key(1));
    let mut world = world()
        .with_key(default.clone(), sample::key_of(KeyManager::Aws))
        .with_key(customer.clone(), sample::key_of(KeyManager::Customer))
        .with_encryption(sample::volume(0), default);
    world.apply(&set(), &id_of("one")).unwrap();
    let of = |world: &World, volume: usize| {
        world.snapshots.values().find(|e| e.snapshot.volume == sample::volume(volume)).unwrap().snapshot.id.clone()
    };
    let accounts = BTreeSet::from([sample::forensics_id()]);
    let share = |snapshot| Effect::ShareSnapshot { snapshot, accounts: accounts.clone() };
    let (first, second) = (of(&world, 0), of(&world, 1));
    assert_eq!(refusal(&mut world, &share(first)), "OperationNotPermitted");
    world.apply(&share(second.clone()), &id_of("s")).unwrap();
    world.snapshots.get_mut(&second).unwrap().permissions.insert("all".to_owned());
    let unshare = Effect::UnshareSnapshot { snapshot: second.clone(), accounts: accounts.clone(), public: true };
    world.apply(&unshare, &id_of("u")).unwrap();
    assert!(world.snapshots[&second].permissions.is_empty());

    let grant = Effect::CreateGrant { key: customer.clone(), name: "n".to_owned(), grantee: sample::forensics_id() };
    let twice = [world.apply(&grant, &id_of("g")).unwrap(), world.apply(&grant, &id_of("h")).unwrap()];
    assert_eq!(twice[0], twice[1], "the same name is the same grant");
    world.keys.get_mut(&customer).unwrap().enabled = false;
    assert_eq!(refusal(&mut world, &grant), "KMSInvalidStateException");
}
