//! Given a decision and what is owed, expect what is written, and under which intents the changes go out.

use super::*;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::decide::decide;
use crate::playbook::effect::Created;
use crate::playbook::sample::{self, Bench, at, group, interface};

fn held() -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.settle();
    bench
}

fn drafted(bench: &Bench<Quarantine>, repeats: &BTreeMap<Attribute, u64>) -> Draft<Effect> {
    bench.with(&bench.seen(), |view| draft(view, &decide(view), &[], repeats))
}

fn reopen(bench: &mut Bench<Quarantine>) {
    bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [group(0)].into());
}

fn kinds(entries: &[Entry]) -> Vec<String> {
    let kind = |entry: &Entry| match serde_json::to_value(entry).unwrap() {
        serde_json::Value::Object(map) => {
            let entry = map["entry"].as_str().unwrap_or_default().to_owned();
            map.get("fact").and_then(|fact| fact.as_str()).map_or(entry, ToOwned::to_owned)
        }
        other => panic!("{other}"),
    };
    entries.iter().map(kind).collect()
}

fn orders(draft: &Draft<Effect>) -> Vec<&Order<Effect>> {
    draft.tracks.iter().flat_map(|track| track.stages.iter().flatten()).collect()
}

#[test]
fn a_chain_opens_with_the_first_thing_worth_saying() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    assert_eq!(kinds(&drafted(&bench, &BTreeMap::new()).entries)[..2], ["opened", "metadata"]);
    bench.account.namespace_allowed = false;
    assert!(drafted(&bench, &BTreeMap::new()).entries.is_empty(), "a refusal is no chain");
}

#[test]
fn a_turn_that_says_nothing_writes_nothing() {
    let bench = held();
    assert_eq!(
        drafted(&bench, &BTreeMap::new()),
        Draft { entries: Vec::new(), tracks: Vec::new(), repeats: Vec::new() }
    );
}

#[test]
fn intents_come_after_the_facts_that_justify_them() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 1));
    bench.turn();
    let intent = bench.entries.iter().position(|entry| matches!(entry, Entry::Intent { .. })).unwrap();
    let facts = bench.entries.iter().rposition(|entry| matches!(entry, Entry::Fact(_))).unwrap();
    assert!(facts < intent);
    let Entry::Intent { before, .. } = &bench.entries[intent] else { panic!() };
    assert_eq!(before, &Some(Value::Flag(false)), "the value that stood before, from this very look");
}

#[test]
fn a_foreign_value_is_written_once_an_interval() {
    let mut bench = held();
    let attribute = Attribute::Groups(interface(0));
    reopen(&mut bench);
    let first = drafted(&bench, &BTreeMap::new());
    assert_eq!(kinds(&first.entries), ["drift", "intent"]);
    assert!(orders(&first)[0].first);
    bench.settle();

    reopen(&mut bench);
    let again = drafted(&bench, &BTreeMap::new());
    assert_eq!((again.entries.len(), &again.repeats), (0, &vec![attribute.clone()]));
    assert_eq!((orders(&again)[0].id.clone(), orders(&again)[0].first), (orders(&first)[0].id.clone(), false));

    bench.now = sample::later(bench.now, 3600);
    let later = drafted(&bench, &BTreeMap::from([(attribute.clone(), 7)]));
    assert_eq!(kinds(&later.entries), ["driftRepeated", "drift", "intent"]);
    assert!(matches!(&later.entries[0], Entry::Fact(Fact::DriftRepeated { count: 7, .. })));

    // Another value is written at once: who came from where matters more than how often.
    let mut web = sample::former_group();
    web.id = group(5);
    bench.world = bench.world.clone().with_group(web);
    bench.now = sample::later(bench.now, -3000);
    bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [group(5)].into());
    assert_eq!(kinds(&drafted(&bench, &BTreeMap::new()).entries), ["drift", "intent"]);
}

#[test]
fn who_flips_between_many_values_is_counted_in_the_end() {
    let mut bench = held();
    for n in 0..30 {
        let mut web = sample::former_group();
        web.id = group(n + 10);
        bench.world = bench.world.with_group(web);
    }
    let before = bench.entries.len();
    for n in 0..30 {
        bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [group(n + 10)].into());
        bench.settle();
    }
    let drifts = kinds(&bench.entries[before..]).iter().filter(|kind| *kind == "drift").count();
    assert_eq!(drifts, crate::playbook::drift::DRIFT_VALUES);
    assert_eq!(bench.operations().iter().filter(|o| **o == "ModifyNetworkInterfaceAttribute").count(), 31);
}

#[test]
fn an_open_intent_is_used_again_and_an_accepted_one_until_aws_shows_it() {
    let mut bench = held();
    reopen(&mut bench);
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Throttled);
    bench.turn();
    let entries = bench.entries.len();
    for _ in 0..5 {
        bench.turn();
    }
    assert_eq!(bench.entries.len(), entries, "trying again writes nothing");
    bench.refusals.clear();
    // Accepted, and the look does not show it yet.
    bench.turn();
    bench.turn();
    let accepted = bench.entries.len();
    reopen(&mut bench);
    assert!(!orders(&drafted(&bench, &BTreeMap::new()))[0].first);
    assert_eq!(bench.entries.len(), accepted);
}

#[test]
fn an_intent_that_nobody_wants_any_more_gets_its_outcome() {
    let mut bench = held();
    reopen(&mut bench);
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Ambiguous);
    bench.turn();
    bench.refusals.clear();
    bench.settle();
    let outcome = bench.entries.iter().rev().find_map(|entry| match entry {
        Entry::Outcome { result, .. } => Some(*result),
        _ => None,
    });
    assert_eq!(outcome, Some(OutcomeKind::Adopted), "AWS shows the value");

    // A release makes an open repair pointless, and AWS shows the baseline: nobody knows whether it was applied.
    let mut bench = held();
    bench.spec.level = Level::Released;
    bench.turn();
    reopen(&mut bench);
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Unavailable);
    bench.turn();
    bench.refusals.clear();
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Release)];
    bench.see_out();
    assert!(bench.record.released);
    assert!(bench.entries.iter().any(|e| matches!(e, Entry::Outcome { result: OutcomeKind::Unknown, .. })));
    assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()));
}

#[test]
fn what_a_reply_says() {
    use ErrorClass::{Ambiguous, Conflict, Denied, Invalid, Throttled, Unavailable};
    let set = |bench: &Bench<crate::playbook::EvidenceSnapshot>| bench.plan().tracks[0].stages[0][0].clone();
    let tokenless = set(&Bench::evidence(sample::world(1, 1)));
    let absolute = Effect::SetTerminationProtection { instance: sample::instance_id(), enabled: true };
    // Refusal; first send; outcome of what may be sent again; outcome of what may not.
    let (failed, open) = (Some(OutcomeKind::Failed), None);
    let table = [
        (Throttled, true, open, failed),
        (Denied, true, open, failed),
        (Invalid, true, open, failed),
        (Conflict, true, open, failed),
        (Conflict, false, open, failed),
        (Unavailable, true, open, failed),
        (Ambiguous, true, open, open),
        (Ambiguous, false, open, open),
    ];
    let id = OperationId("o".to_owned());
    for (class, first, again, once) in table {
        for (effect, expected) in [(&absolute, again), (&tokenless, once)] {
            let mut record = Record::default();
            record.fold(&[intent_of(&id, effect)], at(0));
            let reply = Err(sample::error(effect, class));
            let outcome = settle(&record, &id, first, &reply).map(|entry| match entry {
                Entry::Outcome { result, .. } => result,
                other => panic!("{other:?}"),
            });
            assert_eq!(outcome, expected, "{class} {first} {}", effect.operation());
            let done = settle(&record, &id, first, &Ok(Receipt::default())).unwrap();
            record.fold(std::slice::from_ref(&done), at(1));
            assert_eq!(settle(&record, &id, first, &reply), None, "one outcome, and no second");
            assert!(is_settled(&record, &done));
        }
    }
}

#[test]
fn a_name_that_is_taken_is_the_end_of_the_intent_only_where_nothing_was_sent_before() {
    let made = Effect::CreateSecurityGroup {
        vpc: sample::vpc(0),
        name: "baseline-a".to_owned(),
        role: crate::playbook::own_groups::GroupRole::Closed,
        tag_prefix: "ops".to_owned(),
    };
    let id = OperationId("o".to_owned());
    let mut record = Record::default();
    record.fold(&[intent_of(&id, &made)], at(0));
    let reply = Err(sample::error(&made, ErrorClass::Conflict));
    let first = settle(&record, &id, true, &reply);
    assert!(
        matches!(&first, Some(Entry::Outcome { result: OutcomeKind::Unknown, error: Some(_), .. })),
        "another replica may have made it under this very intent"
    );
    assert_eq!(settle(&record, &id, false, &reply), None, "it may be the group that an earlier send made");
}

fn intent_of(id: &OperationId, effect: &Effect) -> Entry {
    Entry::Intent {
        id: id.clone(),
        step: "Protected".to_owned(),
        effect: effect.clone(),
        digest: digest_of(effect),
        before: None,
        retry_of: None,
    }
}

#[test]
fn what_came_into_being_is_in_the_outcome() {
    let bench = held();
    let made = bench.entries.iter().any(|entry| {
        matches!(entry, Entry::Outcome { created, result: OutcomeKind::Done, .. }
            if matches!(created.as_slice(), [Created::SecurityGroup { .. }]))
    });
    assert!(made);
    assert_eq!(bench.record.groups.len(), 1);
}
