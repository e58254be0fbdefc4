//! Given replies, expect what goes out next and what is owed to the chain.

use super::*;
use crate::api::quarantine::Level;
use crate::cloud::error::ErrorClass;
use crate::playbook::Quarantine;
use crate::playbook::effect::Effect;
use crate::playbook::record::OutcomeKind;
use crate::playbook::sample::{self, Bench, at, object};

fn decided(bench: &Bench<Quarantine>) -> Decided<Quarantine> {
    let seen = bench.seen();
    let object = object("Quarantine");
    bench.with(&seen, |view| bench.executor.decide(view, &object, bench.head.as_ref(), &Writer::default()))
}

fn write(bench: &mut Bench<Quarantine>, decided: &Decided<Quarantine>) -> Vec<Send<Effect>> {
    if let Some(link) = &decided.link {
        (bench.head, bench.record) = (Some(link.head.clone()), link.record.clone());
    }
    bench.executor.written(decided)
}

fn reply(bench: &mut Bench<Quarantine>, send: &Send<Effect>, class: Option<ErrorClass>) -> Vec<Send<Effect>> {
    let record = bench.record.clone();
    let reply = class.map_or_else(|| Ok(Receipt::default()), |class| Err(sample::error(&send.order.change, class)));
    bench.executor.replied(&record, send, &reply)
}

/// A host that is closed and about to be pulsed: two stages.
fn before_the_pulse() -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.spec.isolation.pulse = crate::api::quarantine::Pulse::Auto;
    while bench.step("Isolated").stages.len() < 2 {
        bench.turn();
    }
    bench
}

#[test]
fn nothing_goes_out_before_the_link_is_written_and_the_same_decision_gives_the_same_orders() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 2));
    let (first, second) = (decided(&bench), decided(&bench));
    assert_eq!(first.link, second.link);
    let sends = write(&mut bench, &first);
    assert_eq!(sends.len(), 5);
    let known = &bench.record.operations;
    assert!(sends.iter().all(|send| known.contains_key(send.order.id.as_ref().unwrap())));
}

#[test]
fn the_next_stage_waits_for_the_whole_of_the_last() {
    let mut bench = before_the_pulse();
    let turn = decided(&bench);
    let opening = write(&mut bench, &turn);
    assert_eq!(opening.len(), 2);
    assert!(reply(&mut bench, &opening[0], None).is_empty());
    let closing = reply(&mut bench, &opening[1], None);
    assert_eq!(closing.len(), 2);
    assert!(closing.iter().all(|send| matches!(send.order.change, Effect::ReplaceSecurityGroups { .. })));
}

#[test]
fn what_is_opened_is_closed_again_whatever_became_of_the_opening() {
    let refusals = [ErrorClass::Ambiguous, ErrorClass::Throttled, ErrorClass::Denied];
    for (order, class) in [[0, 1], [1, 0]].into_iter().flat_map(|order| refusals.map(|class| (order, class))) {
        let mut bench = before_the_pulse();
        let turn = decided(&bench);
        let opening = write(&mut bench, &turn);
        assert!(reply(&mut bench, &opening[order[0]], Some(class)).is_empty());
        let closing = reply(&mut bench, &opening[order[1]], None);
        assert_eq!(closing.len(), 2, "both: also one that could not be opened may be open by now");
        assert!(closing.iter().all(|send| matches!(send.order.change, Effect::ReplaceSecurityGroups { .. })));
        assert_eq!(bench.executor.errors()["Isolated"].class, class);
        for send in &closing {
            assert!(reply(&mut bench, send, None).is_empty());
        }
    }
    // One is withheld by the lease, and the other was sent.
    let mut bench = before_the_pulse();
    let turn = decided(&bench);
    let opening = write(&mut bench, &turn);
    assert!(reply(&mut bench, &opening[0], None).is_empty());
    assert_eq!(bench.executor.withheld(&opening[1]).len(), 2);
}

#[test]
fn a_stage_that_failed_in_part_is_the_last() {
    // Given: stages the other way round, so that the first one opens nothing.
    let mut bench = before_the_pulse();
    let mut turn = decided(&bench);
    for track in &mut turn.tracks {
        track.stages.reverse();
    }
    let first = write(&mut bench, &turn);
    assert!(reply(&mut bench, &first[0], Some(ErrorClass::Ambiguous)).is_empty());
    assert!(reply(&mut bench, &first[1], None).is_empty());
}

#[test]
fn a_rule_on_a_closed_group_goes_also_where_nothing_can_be_recorded() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.settle();
    let closed = bench.world.group_named(&sample::vpc(0), "baseline-a").unwrap().id.clone();
    let rules = crate::playbook::containment::pulse::everything();
    bench.world.groups.get_mut(&closed).unwrap().rules = rules.clone();
    let orders = standing_orders(&bench.plan(), &bench.record);
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert_eq!(orders[0].order.change, Effect::RevokeRules { group: closed.clone(), rules });
    let made = bench.record.made(&closed).unwrap();
    assert_eq!(orders[0].order.id.as_ref(), Some(made), "under the intent that made the group");

    // A group that this chain did not make is not its own to change without a record.
    bench.record.operations.clear();
    assert!(standing_orders(&bench.plan(), &bench.record).is_empty());
}

#[test]
fn outcomes_are_owed_until_they_are_written_and_then_no_more() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 1));
    let turn = decided(&bench);
    let sends = write(&mut bench, &turn);
    for send in &sends {
        reply(&mut bench, send, None);
        reply(&mut bench, send, None);
    }
    assert!(bench.executor.owes());
    let next = decided(&bench);
    let outcomes = |decided: &Decided<Quarantine>| {
        let entries = decided.link.iter().flat_map(|link| &link.body.entries);
        entries.filter(|entry| matches!(entry, Entry::Outcome { result: OutcomeKind::Done, .. })).count()
    };
    assert_eq!(outcomes(&next), sends.len(), "one each, however often the reply came");
    write(&mut bench, &next);
    assert!(!bench.executor.owes());
}

#[test]
fn an_outcome_that_another_replica_wrote_is_not_written_again() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 1));
    let turn = decided(&bench);
    let sends = write(&mut bench, &turn);
    for send in &sends {
        reply(&mut bench, send, None);
    }
    let mut other = bench.record.clone();
    let said: Vec<Entry> = sends
        .iter()
        .filter_map(|send| settle(&bench.record, send.order.id.as_ref().unwrap(), true, &Ok(Receipt::default())))
        .collect();
    other.fold(&said, at(1));
    bench.record = other;
    let next = decided(&bench);
    let again = next.link.iter().flat_map(|link| &link.body.entries).any(|e| matches!(e, Entry::Outcome { .. }));
    assert!(!again);
    write(&mut bench, &next);
    assert!(!bench.executor.owes(), "and is not kept for ever");
}

#[test]
fn what_is_withheld_was_not_sent_unless_it_was_sent_before() {
    let not_sent = |bench: &Bench<Quarantine>| {
        let next = decided(bench);
        let entries: Vec<Entry> = next.link.map(|link| link.body.entries).unwrap_or_default();
        entries.iter().filter(|e| matches!(e, Entry::Outcome { result: OutcomeKind::NotSent, .. })).count()
    };
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 0));
    let turn = decided(&bench);
    let sends = write(&mut bench, &turn);
    bench.executor.withheld(&sends[0]);
    assert_eq!(not_sent(&bench), 1);

    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 0));
    bench.refusals.insert("ModifyInstanceAttribute", ErrorClass::Ambiguous);
    bench.world.instances.values_mut().for_each(|host| host.protections.stop = true);
    bench.turn();
    bench.world.instances.values_mut().for_each(|host| host.protections.termination = false);
    let turn = decided(&bench);
    let again = write(&mut bench, &turn);
    assert!(again.iter().any(|send| !send.order.first));
    for send in again.iter().filter(|send| !send.order.first) {
        bench.executor.withheld(send);
    }
    assert_eq!(not_sent(&bench), 0, "an earlier send may have been applied");
}

#[test]
fn a_refusal_is_told_until_the_step_wants_nothing_any_more() {
    let mut bench = Bench::quarantine(Level::Protected, sample::world(1, 1));
    bench.refusals.insert("ModifyInstanceAttribute", ErrorClass::Denied);
    bench.turn();
    assert_eq!(bench.executor.errors().keys().collect::<Vec<_>>(), [&"Protected"]);
    assert_eq!(bench.executor.errors()["Protected"].class, ErrorClass::Denied);
    bench.refusals.clear();
    bench.settle();
    assert!(bench.executor.errors().is_empty());
}

#[test]
fn only_repeats_means_no_new_intent() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    assert!(!decided(&bench).only_repeats());
    bench.settle();
    assert!(!decided(&bench).only_repeats(), "nothing at all is no repeat");
    for expected in [false, true] {
        bench.world.interfaces.values_mut().for_each(|port| port.interface.groups = [sample::group(0)].into());
        assert_eq!(decided(&bench).only_repeats(), expected);
        bench.settle();
    }
}

#[test]
fn what_was_refused_and_waits_its_turn_goes_out_under_the_same_intent() {
    let mut bench = Bench::evidence(sample::world(1, 2));
    let object = object("EvidenceSnapshot");
    let turn = |bench: &mut Bench<crate::playbook::EvidenceSnapshot>| {
        let seen = bench.seen();
        let decided =
            bench.with(&seen, |view| bench.executor.decide(view, &object, bench.head.as_ref(), &Writer::default()));
        if let Some(link) = &decided.link {
            (bench.head, bench.record) = (Some(link.head.clone()), link.record.clone());
        }
        bench.executor.written(&decided)
    };
    let [first] = turn(&mut bench).try_into().unwrap();
    let error = Err(sample::error(&first.order.change, ErrorClass::Throttled));
    bench.executor.replied(&bench.record.clone(), &first, &error);
    for _ in 0..3 {
        let [again] = turn(&mut bench).try_into().unwrap();
        assert_eq!((&again.order.id, again.order.first), (&first.order.id, false));
        bench.executor.held_back(&bench.record.clone(), &again);
    }
    assert_eq!(bench.record.operations.len(), 1);
}
