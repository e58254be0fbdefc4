//! Given a host that is closed, expect a pulse only where it can help and can't harm, and once.

use super::*;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::cloud::error::ErrorClass;
use crate::playbook::QuarantineSeen;
use crate::playbook::chain::Writer;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench, group, interface};
use crate::playbook::seen::{Read, ReadFailure};
use crate::playbook::step::State;

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

fn until_the_pulse(bench: &mut Bench<Quarantine>) {
    while !bench.step("Isolated").stages.iter().flatten().any(|e| matches!(e, Effect::OpenForPulse { .. })) {
        bench.turn();
    }
}

/// Every opening is applied, and nothing after it is sent.
fn open_and_die(bench: &mut Bench<Quarantine>) {
    let (seen, object, writer) = (bench.seen(), sample::object("Quarantine"), Writer::default());
    let decided = bench.with(&seen, |view| bench.executor.decide(view, &object, bench.head.as_ref(), &writer));
    let link = decided.link.as_ref().unwrap();
    (bench.head, bench.record) = (Some(link.head.clone()), link.record.clone());
    for send in bench.executor.written(&decided) {
        if send.order.change.opens() {
            bench.world.apply(&send.order.change, send.order.id.as_ref().unwrap()).unwrap();
        }
    }
    bench.crash();
}

fn remark(bench: &Bench<Quarantine>) -> String {
    bench.plan().steps.into_iter().find(|step| step.name == "Isolated").unwrap().remark.unwrap_or_default()
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
    let table: [(&str, Setup, usize); 9] = [
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
        ("the lease may end in the middle of it", |b| lens(b, |seen| seen.pulse_fits = false), 0),
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
    // The opening is applied, and the replica dies: the closing half was never sent.
    until_the_pulse(&mut bench);
    open_and_die(&mut bench);
    assert!(!all_closed(&bench));
    let turn = bench.step("Isolated");
    assert!(matches!(turn.state, State::Working(_)));
    assert_eq!(turn.again_in, Some(1), "whatever the back-off");
    assert_eq!(turn.stages.len(), 1);
    assert!(turn.stages[0].iter().all(|effect| matches!(effect, Effect::ReplaceSecurityGroups { .. })));
    bench.settle();
    assert!(all_closed(&bench));
    assert_eq!(openings(&bench), 0, "an interface that was begun is never pulsed again");
    assert!(bench.facts().all(|fact| !matches!(fact, Fact::Drift { .. })));
}

#[test]
fn an_opening_without_an_answer_is_looked_for_every_second_until_it_cannot_come_any_more() {
    let mut bench = bench();
    until_the_pulse(&mut bench);
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
    let said = remark(&bench);
    assert!(said.contains("no pulse on eni-00000000 that is known of: AWS never answered"), "{said}");
    assert!(bench.verdict().ready && bench.verdict().message.contains("may survive"), "{:?}", bench.verdict());
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::GaveUp { .. })).count(), 2, "once each");
}

#[test]
fn an_opening_that_is_throttled_is_tried_again_and_more_slowly_each_time() {
    let mut bench = bench();
    until_the_pulse(&mut bench);
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Throttled);
    let begun = bench.entries.len();
    for _ in 0..3600 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    // At 0, 92, 275, 640, 1369 and 2826 seconds, on two interfaces.
    assert_eq!(openings(&bench), 2 * 6);
    let written = bench.entries.len() - begun;
    assert!(written < 12 * 6, "an hour of it does not fill the chain: {written}");
    assert!(all_closed(&bench));
    let said = remark(&bench);
    assert!(said.contains("no pulse yet on eni-00000000: AWS had too much to do"), "{said}");
    bench.refusals.clear();
    bench.now = sample::later(bench.now, 3600);
    bench.settle();
    assert_eq!((openings(&bench), remark(&bench)), (2 * 7, String::new()));
    assert!(all_closed(&bench));
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

#[test]
fn why_there_is_no_pulse_is_said() {
    type Setup = fn(&mut Bench<Quarantine>);
    let table: [(&str, Setup, &[&str]); 6] = [
        ("nothing against it", |_| {}, &[]),
        (
            "it is not declared",
            |b| b.spec.isolation.pulse = Pulse::Never,
            &["no pulse: spec.isolation.pulse is Never", "may survive"],
        ),
        (
            "a public address",
            |b| {
                b.world.interfaces.get_mut(&interface(1)).unwrap().interface.public_ips =
                    vec!["203.0.113.7".to_owned()];
            },
            &["no pulse on eni-00000001: it has the public address 203.0.113.7", "may survive"],
        ),
        ("a host of the case is open", |b| b.lens = |seen| seen.siblings_open = 3, &["3 other hosts", "may survive"]),
        (
            "the former groups can't be read",
            |b| {
                b.lens = |seen| {
                    seen.former_groups =
                        Read::Failed(ReadFailure { reason: Reason::PermissionMissing, message: "grant it".to_owned() });
                }
            },
            &["no pulse yet: grant it"],
        ),
        (
            "it would not help",
            |b| {
                b.world.groups.get_mut(&group(0)).unwrap().rules = everything();
                b.world
                    .interfaces
                    .values_mut()
                    .for_each(|port| port.interface.public_ips = vec!["203.0.113.7".to_owned()]);
            },
            &[],
        ),
    ];
    for (given, setup, words) in table {
        let mut bench = bench();
        setup(&mut bench);
        bench.settle();
        let said = remark(&bench);
        assert_eq!(said.is_empty(), words.is_empty(), "{given}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{given}: {said}");
        assert!(bench.verdict().ready && words.iter().all(|word| bench.verdict().message.contains(word)), "{given}");
    }
}

#[test]
fn a_pulse_that_aws_refuses_is_not_ready_in_silence() {
    // The open group can't be made: said for as long as it is so, with what to grant.
    let mut bench = bench();
    while bench.record.contained_at.is_none() {
        bench.turn();
    }
    bench.refusals.insert("CreateSecurityGroup", ErrorClass::Denied);
    bench.turn();
    bench.turn();
    let told = bench.verdict();
    assert!(told.ready && told.reason == Reason::Settled, "{told:?}");
    assert!(told.message.contains("no pulse yet") && told.message.contains("is denied"), "{}", told.message);
    bench.refusals.clear();

    // The opening itself is refused: it is over, closed, never tried again, and said from then on.
    until_the_pulse(&mut bench);
    bench.refusals.insert("ModifyNetworkInterfaceAttribute", ErrorClass::Invalid);
    bench.turn();
    bench.refusals.clear();
    bench.settle();
    assert!(all_closed(&bench));
    assert_eq!(openings(&bench), 2);
    let said = remark(&bench);
    assert!(said.contains("no pulse on eni-00000000: AWS refused it (Code)"), "{said}");
    assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()));
}

#[test]
fn an_opening_that_never_left_may_come_later() {
    let mut bench = bench();
    until_the_pulse(&mut bench);
    let id = crate::playbook::record::OperationId("x".to_owned());
    let open = bench.world.group_named(&sample::vpc(0), "baseline-b").unwrap().id.clone();
    let effect = Effect::OpenForPulse { interface: interface(0), open };
    let intent = crate::playbook::record::Entry::Intent {
        id: id.clone(),
        step: "Isolated".to_owned(),
        digest: crate::playbook::chain::digest_of(&effect),
        effect,
        before: None,
        retry_of: None,
    };
    bench.record.fold(&[intent], bench.now);
    assert!(bench.record.pulsed.contains(&interface(0)));
    bench.record.fold(&[crate::playbook::ledger::not_sent(&id)], bench.now);
    assert!(!bench.record.pulsed.contains(&interface(0)));
}
