//! Given a host that is closed, expect a pulse only where it can help and can't harm, and once.

use super::*;
use crate::api::quarantine::Level;
use crate::cloud::error::ErrorClass;
use crate::playbook::QuarantineSeen;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench, group, interface};
use crate::playbook::seen::Read;

fn bench() -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(2, 1));
    bench.spec.isolation.pulse = Pulse::Auto;
    bench
}

fn openings(bench: &Bench<Quarantine>) -> usize {
    bench.sent.iter().filter(|(effect, _)| matches!(effect, Effect::OpenForPulse { .. })).count()
}

fn all_closed(bench: &Bench<Quarantine>) -> bool {
    let closed = bench.world.group_named(&sample::vpc(0), "baseline-a").unwrap();
    closed.rules.is_empty()
        && bench.world.interfaces.values().all(|port| port.interface.groups == BTreeSet::from([closed.id.clone()]))
}

#[test]
fn open_for_one_call_after_everything_was_closed_and_never_again() {
    let mut bench = bench();
    bench.settle();
    let operations: Vec<_> = bench.operations().into_iter().filter(|o| *o != "ModifyInstanceAttribute").collect();
    let swap = "ModifyNetworkInterfaceAttribute";
    assert_eq!(
        operations,
        [
            "CreateSecurityGroup",
            swap,
            swap,
            "RevokeSecurityGroup",
            "CreateSecurityGroup",
            "AuthorizeSecurityGroup",
            swap,
            swap,
            swap,
            swap
        ],
        "closed, and only then the open group is even made"
    );
    assert_eq!(openings(&bench), 2);
    assert!(all_closed(&bench) && bench.verdict().ready);
    assert!(bench.facts().all(|fact| !matches!(fact, Fact::Drift { .. })), "our own pulse is nobody's foreign change");
    bench.crash();
    bench.settle();
    assert_eq!(openings(&bench), 2, "a restart does not do it again");
}

#[test]
fn guards() {
    type Setup = fn(&mut Bench<Quarantine>);
    fn lens(bench: &mut Bench<Quarantine>, lens: fn(&mut QuarantineSeen)) {
        bench.lens = lens;
    }
    fn each(bench: &mut Bench<Quarantine>, change: fn(&mut Interface)) {
        bench.world.interfaces.values_mut().for_each(|port| change(&mut port.interface));
    }
    let table: [(&str, Setup, usize); 8] = [
        ("nothing against it", |_| {}, 2),
        ("not declared", |b| b.spec.isolation.pulse = Pulse::Never, 0),
        ("a public address", |b| each(b, |i| i.public_ips = vec!["203.0.113.7".to_owned()]), 0),
        ("an IPv6 address, which is global", |b| each(b, |i| i.ipv6 = vec!["2001:db8::1".to_owned()]), 0),
        (
            "a public address on one of two",
            |b| {
                b.world.interfaces.get_mut(&interface(1)).unwrap().interface.public_ips =
                    vec!["203.0.113.7".to_owned()];
            },
            1,
        ),
        ("a host of the same case is still open", |b| lens(b, |seen| seen.siblings_open = 1), 0),
        ("the former groups are not known", |b| lens(b, |seen| seen.former_groups = Read::NotRead), 0),
        (
            "the former groups let everything through, so nothing was tracked",
            |b| {
                b.world.groups.get_mut(&group(0)).unwrap().rules = everything();
            },
            0,
        ),
    ];
    for (given, setup, expected) in table {
        let mut bench = bench();
        setup(&mut bench);
        bench.settle();
        assert_eq!(openings(&bench), expected, "{given}");
        assert!(all_closed(&bench), "{given}");
    }
}

#[test]
fn an_interface_found_open_is_closed_before_anything_else() {
    let mut bench = bench();
    // The opening is applied, its reply is lost, and the replica dies: the closing half was never sent.
    while openings(&bench) == 0 {
        let pulses = bench.step("Isolated").stages.iter().flatten().any(|e| matches!(e, Effect::OpenForPulse { .. }));
        if pulses {
            bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Ambiguous);
        }
        bench.turn();
    }
    assert!(!all_closed(&bench));
    bench.refusals.clear();
    bench.crash();
    let turn = bench.step("Isolated");
    assert!(matches!(turn.state, State::Working(_)));
    assert_eq!(turn.stages.len(), 1);
    assert!(turn.stages[0].iter().all(|effect| matches!(effect, Effect::ReplaceSecurityGroups { .. })));
    bench.settle();
    assert!(all_closed(&bench));
    assert_eq!(openings(&bench), 2, "an interface that was begun is never pulsed again");
    assert!(bench.facts().all(|fact| !matches!(fact, Fact::Drift { .. })));
}

#[test]
fn an_opening_without_an_answer_is_looked_for_every_second_until_it_cannot_come_any_more() {
    let mut bench = bench();
    while !bench.step("Isolated").stages.iter().flatten().any(|e| matches!(e, Effect::OpenForPulse { .. })) {
        bench.turn();
    }
    // Never applied, as far as can be seen: but it may be late.
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Unavailable);
    bench.turn();
    bench.refusals.clear();
    let begun = bench.now;
    for seconds in [1, 45, 90] {
        bench.now = sample::later(begun, seconds);
        bench.turn();
        assert_eq!(bench.plan().again_in, Some(1), "after {seconds} s");
        assert!(bench.record.operations.values().any(|operation| operation.outcome.is_none()));
    }
    bench.now = sample::later(begun, 92);
    bench.settle();
    assert_ne!(bench.plan().again_in, Some(1));
    assert!(
        bench.record.operations.values().all(|operation| operation.outcome.is_some()),
        "and then it is unknown for good"
    );
}

#[test]
fn our_open_group_on_an_interface_that_was_never_pulsed_is_a_foreign_change() {
    let mut bench = bench();
    bench.settle();
    bench.record.pulsed.clear();
    let open = bench.world.group_named(&sample::vpc(0), "baseline-b").unwrap().id.clone();
    bench.world.interfaces.get_mut(&interface(0)).unwrap().interface.groups = BTreeSet::from([open]);
    let turn = bench.step("Isolated");
    assert!(turn.facts.iter().any(|fact| matches!(fact, Fact::Drift { .. })));
    assert!(turn.stages[0].iter().any(|effect| matches!(effect, Effect::ReplaceSecurityGroups { .. })));
}
