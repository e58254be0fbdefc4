//! Given a host in a group, expect how it leaves, behind which gate, and how it comes back.

use super::*;
use crate::api::auto_scaling::AutoScaling as Declared;
use crate::cloud::error::ErrorClass;
use crate::playbook::containment::stop_replacement::tests::{bench, release, sent};
use crate::playbook::sample::{self, Bench, instance_id};

const IN_STANDBY: [&str; 3] = ["SetInstanceProtection", "EnterStandby", "DetachInstances"];

#[test]
fn the_capacity_stays_or_falls_by_one() {
    use HoldInGroup::{Leave, ScaleInProtection, Standby};
    // Hold, replace, sizes; calls, desired capacity, instances in service.
    let table: [(HoldInGroup, bool, (i32, i32, i32), &[&str], i32); 5] = [
        (Standby, true, (1, 3, 4), &IN_STANDBY, 3),
        (Standby, false, (1, 3, 4), &IN_STANDBY, 2),
        (ScaleInProtection, true, (3, 3, 4), &["SetInstanceProtection", "DetachInstances"], 3),
        (ScaleInProtection, false, (1, 3, 4), &["SetInstanceProtection", "DetachInstances"], 2),
        (Leave, false, (1, 3, 4), &["DetachInstances"], 2),
    ];
    for (hold, replace, sizes, calls, desired) in table {
        let given = format!("{hold:?}, replace: {replace}");
        let mut bench = bench(Level::Detached, sizes);
        bench.spec.auto_scaling = Declared { hold, replace, lower_minimum: false };
        bench.settle();
        assert_eq!(sent(&bench), calls, "{given}: each once");
        assert_eq!(bench.world.member(&instance_id()), None, "{given}");
        let fleet = &bench.world.fleets["web"];
        assert_eq!((fleet.desired, fleet.others), (desired, desired), "{given}");
        assert!(matches!(bench.state("Detached"), Some(State::Done(_))), "{given}: {:?}", bench.state("Detached"));
        assert_eq!(bench.record.replaced, Some(replace), "{given}");
        assert!(bench.verdict().ready, "{given}: {:?}", bench.verdict());
        bench.settle();
        assert_eq!(sent(&bench).len(), calls.len(), "{given}: what is done is at rest");

        release(&mut bench);
        assert!(bench.record.released, "{given}: {:?}", bench.verdict());
        let fleet = &bench.world.fleets["web"];
        let member = bench.world.member(&instance_id());
        assert_eq!(member.map(|member| member.lifecycle_state.as_str()), Some("InService"), "{given}");
        assert_eq!(fleet.desired, sizes.1, "{given}");
    }
}

#[test]
fn the_minimum_size_is_respected_and_named() {
    let mut bench = bench(Level::Detached, (3, 3, 4));
    bench.spec.auto_scaling.replace = false;
    bench.settle();
    assert_eq!(sent(&bench), ["SetInstanceProtection"]);
    let Some(State::Blocked(refusal)) = bench.state("Detached") else { panic!("{:?}", bench.state("Detached")) };
    assert_eq!(refusal.reason, Reason::AtMinimumSize);
    for word in ["Auto Scaling group web", "minimum size of 3", "lowerMinimum: true", "replace: true", "MinSize of web"]
    {
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    bench.spec.auto_scaling.replace = true;
    bench.settle();
    assert_eq!(sent(&bench)[1..], ["EnterStandby", "DetachInstances"]);
}

#[test]
fn it_waits_for_its_approval_and_a_higher_level_for_another() {
    let mut bench = bench(Level::Detached, (1, 3, 4));
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    assert_eq!(sent(&bench), ["SetInstanceProtection", "EnterStandby"], "what needs no approval");
    assert_eq!(bench.state("Detached"), Some(State::Awaiting(Action::Isolate)));
    let lines = bench.plan().published.unwrap().lines.join("\n");
    for word in [
        "take i-00000001 out of Auto Scaling group web",
        "desired capacity 3 before and 3 after",
        "minimum 1, maximum 4",
    ] {
        assert!(lines.contains(word), "{word}: {lines}");
    }
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert_eq!(sent(&bench), IN_STANDBY);

    // Somebody attaches it again: repair needs no new approval.
    let change = GroupChange::AttachInstances { group: "web".to_owned(), instance: instance_id() };
    bench.world.apply(&Effect::AutoScaling(change), &crate::playbook::record::OperationId("x".to_owned())).unwrap();
    bench.approvals.clear();
    bench.now = sample::later(bench.now, 120);
    bench.settle();
    assert_eq!(bench.world.member(&instance_id()), None);
    assert_eq!(bench.world.fleets["web"].desired, 3, "and what that added is taken away again");
    assert!(bench.facts().any(|fact| matches!(fact, Fact::Drift { attribute: Attribute::AutoScalingGroup, .. })));

    // The approval was for this level.
    bench.spec.level = Level::Isolated;
    bench.settle();
    assert_eq!(bench.state("Isolated"), Some(State::Awaiting(Action::Isolate)));
    assert!(bench.record.contained_at.is_none());
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(bench.record.contained_at.is_some());
}

#[test]
fn a_lost_reply_takes_one_from_the_group_and_no_more() {
    let mut bench = bench(Level::Detached, (1, 3, 4));
    bench.spec.auto_scaling = Declared { hold: HoldInGroup::ScaleInProtection, replace: false, lower_minimum: false };
    bench.refusals.insert("DetachInstances", ErrorClass::Ambiguous);
    for _ in 0..3 {
        bench.turn();
    }
    bench.refusals.clear();
    bench.now = sample::later(bench.now, 92);
    bench.settle();
    assert_eq!(bench.world.fleets["web"].desired, 2);
    assert_eq!(sent(&bench).iter().filter(|name| **name == "DetachInstances").count(), 1);
    assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()));
    assert_eq!(bench.record.replaced, Some(false), "what was adopted counts");
}

#[test]
fn draining_holds_nothing_up() {
    let mut bench = bench(Level::Isolated, (1, 3, 4));
    bench.settle();
    let host = bench.world.instances.get_mut(&instance_id()).unwrap();
    host.surroundings.auto_scaling = Some(AutoScalingMembership {
        group: "web".to_owned(),
        lifecycle_state: "Detaching".to_owned(),
        protected_from_scale_in: true,
    });
    let Some(State::Working(refusal)) = bench.state("Detached") else { panic!() };
    assert!(refusal.message.contains("drained"), "{}", refusal.message);
    assert!(matches!(bench.state("Isolated"), Some(State::Done(_))));
}

#[test]
fn a_group_that_is_gone_takes_nothing_back() {
    let mut bench = bench(Level::Detached, (1, 3, 4));
    bench.settle();
    bench.world.fleets.clear();
    release(&mut bench);
    assert!(bench.record.released, "{:?}", bench.verdict());
    assert_eq!(bench.world.member(&instance_id()), None);
    assert!(bench.record.given_back[&Attribute::AutoScalingGroup].is_some(), "and that is said");
}

#[test]
fn a_stopped_host_is_to_be_started_before_it_goes_back() {
    let mut bench = bench(Level::Detached, (1, 3, 4));
    bench.settle();
    bench.world.instances.get_mut(&instance_id()).unwrap().instance.state = InstanceState::Stopped;
    release(&mut bench);
    let Some(State::Blocked(refusal)) = bench.state("Detached") else { panic!("{:?}", bench.state("Detached")) };
    assert!(refusal.message.contains("start i-00000001"), "{}", refusal.message);
    bench.world.instances.get_mut(&instance_id()).unwrap().instance.state = InstanceState::Running;
    bench.see_out();
    assert!(bench.record.released);
}

#[test]
fn what_was_in_standby_before_takes_nothing_from_the_group() {
    let mut bench = bench(Level::Detached, (1, 3, 4));
    bench.spec.auto_scaling.replace = false;
    let host = bench.world.instances.get_mut(&instance_id()).unwrap();
    "Standby".clone_into(&mut host.surroundings.auto_scaling.as_mut().unwrap().lifecycle_state);
    bench.settle();
    let lowers = |(effect, _): &(Effect, _)| {
        matches!(effect, Effect::AutoScaling(GroupChange::DetachInstances { decrement: true, .. }))
    };
    assert_eq!(sent(&bench), ["SetInstanceProtection", "DetachInstances"]);
    assert!(!bench.sent.iter().any(lowers), "its capacity was settled when it went into Standby");
}

#[test]
fn an_isolation_that_was_approved_is_no_approval_to_detach() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(bench.record.contained_at.is_some());
    // Then it comes into a group, of which nobody has read in a plan.
    let world = std::mem::replace(&mut bench.world, sample::world(0, 0));
    bench.world = world.with_fleet("web", &instance_id(), (1, 3, 4));
    bench.settle();
    assert_eq!(sent(&bench), ["SetInstanceProtection", "EnterStandby"]);
    assert_eq!(bench.state("Detached"), Some(State::Awaiting(Action::Isolate)));
    assert!(bench.plan().published.unwrap().lines.join("\n").contains("out of Auto Scaling group web"));
}
