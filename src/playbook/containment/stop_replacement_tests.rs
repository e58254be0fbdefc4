//! Given a host in a group, expect what is asked of the group, what isolation waits for, and what is given back.

use super::*;
use crate::api::approval::Action;
use crate::api::auto_scaling::AutoScaling as Declared;
use crate::cloud::error::ErrorClass;
use crate::playbook::auto_scaling::LifecycleHook;
use crate::playbook::record::Entry;
use crate::playbook::sample::{self, Bench, instance_id};
use crate::playbook::seen::{Read, ReadFailure};

/// Sizes: minimum, desired, maximum.
pub(in crate::playbook::containment) fn bench(level: Level, sizes: (i32, i32, i32)) -> Bench<Quarantine> {
    Bench::quarantine(level, sample::world(1, 1).with_fleet("web", &instance_id(), sizes))
}

fn member(bench: &mut Bench<Quarantine>) -> &mut AutoScalingMembership {
    bench.world.instances.get_mut(&instance_id()).unwrap().surroundings.auto_scaling.as_mut().unwrap()
}

pub(in crate::playbook::containment) fn sent(bench: &Bench<Quarantine>) -> Vec<&'static str> {
    let is_of_group = |effect: &&Effect| matches!(effect, Effect::AutoScaling(_));
    bench.sent.iter().map(|(effect, _)| effect).filter(is_of_group).map(Effect::operation).collect()
}

pub(in crate::playbook::containment) fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.turn();
    bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
    // Once for what was sent before the release, and once for what was sent by it.
    bench.see_out();
    bench.see_out();
}

fn said(bench: &Bench<Quarantine>) -> (&'static str, String) {
    match bench.state(NAME).unwrap() {
        State::Done(message) => ("done", message),
        State::Skipped(refusal) => ("skipped", format!("{}: {}", refusal.reason, refusal.message)),
        State::Working(refusal) => ("working", format!("{}: {}", refusal.reason, refusal.message)),
        State::Blocked(refusal) => ("blocked", format!("{}: {}", refusal.reason, refusal.message)),
        State::Awaiting(action) => ("awaiting", action.to_string()),
        State::Unknown(refusal) => ("unknown", refusal.message),
    }
}

#[test]
fn what_is_asked_of_the_group_is_what_is_declared() {
    use HoldInGroup::{Leave, ScaleInProtection, Standby};
    // Hold, replace, sizes; calls, state in the end, its desired capacity, what is said.
    let table: [(HoldInGroup, bool, (i32, i32, i32), &[&str], &str, i32, &[&str]); 6] = [
        (Standby, true, (1, 3, 4), &["SetInstanceProtection", "EnterStandby"], "Standby", 3, &["done", "in Standby"]),
        (Standby, true, (3, 3, 3), &["SetInstanceProtection", "EnterStandby"], "Standby", 3, &["done"]),
        (Standby, false, (1, 3, 4), &["SetInstanceProtection", "EnterStandby"], "Standby", 2, &["done"]),
        (
            Standby,
            false,
            (3, 3, 4),
            &["SetInstanceProtection"],
            "InService",
            3,
            &["blocked", "AtMinimumSize", "web", "minimum size of 3", "spec.autoScaling.lowerMinimum", "replace: true"],
        ),
        (ScaleInProtection, true, (1, 3, 4), &["SetInstanceProtection"], "InService", 3, &["done", "spares it"]),
        (Leave, true, (1, 3, 4), &[], "InService", 3, &["skipped", "NotDeclared", "hold: Leave"]),
    ];
    for (hold, replace, sizes, calls, state, desired, words) in table {
        let given = format!("{hold:?}, replace: {replace}, {sizes:?}");
        let mut bench = bench(Level::Protected, sizes);
        bench.spec.auto_scaling = Declared { hold, replace, lower_minimum: false };
        bench.settle();
        assert_eq!(sent(&bench), calls, "{given}: each once");
        assert_eq!(member(&mut bench).lifecycle_state, state, "{given}");
        assert_eq!(bench.world.fleets["web"].desired, desired, "{given}");
        let (kind, message) = said(&bench);
        let whole = format!("{kind}: {message}");
        assert!(words.iter().all(|word| whole.contains(word)), "{given}: {whole}");
        for of in ["autoScalingGroup", "lifecycleState", "protectedFromScaleIn", "minSize/web", "desiredCapacity/web"] {
            let attribute = Attribute::try_from(of.to_owned()).unwrap();
            assert!(bench.record.baseline.contains_key(&attribute), "{given}: {of} is not recorded");
        }
    }
}

#[test]
fn states_that_take_no_standby_are_waited_out_and_said() {
    for state in ["Warmed:Stopped", "Pending:Wait", "ReplacingRootVolume", "Terminating:Retained"] {
        let mut bench = bench(Level::Isolated, (1, 2, 4));
        state.clone_into(&mut member(&mut bench).lifecycle_state);
        bench.settle();
        assert_eq!(sent(&bench), [""; 0], "{state}");
        let (kind, message) = said(&bench);
        assert!(kind == "working" && message.contains("Waiting") && message.contains(state), "{state}: {message}");
        assert!(bench.record.contained_at.is_some(), "{state}: isolation waits for nothing that may never come");
        "InService".clone_into(&mut member(&mut bench).lifecycle_state);
        bench.settle();
        assert!(sent(&bench).contains(&"EnterStandby"), "{state}: once it is in service");
    }
}

#[test]
fn what_is_in_no_group_has_nothing_to_stop() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(1, 1));
    bench.settle();
    assert_eq!(sent(&bench), [""; 0]);
    assert_eq!(said(&bench), ("skipped", "NothingToDo: in no Auto Scaling group".to_owned()));
    let verdict = bench.verdict();
    let pulse = "Isolated: no pulse: spec.isolation.pulse is Never; flows that were tracked may survive";
    assert_eq!((verdict.ready, verdict.message.as_str()), (true, pulse), "it falls short of nothing else");
}

#[test]
fn a_termination_that_began_is_held_up_by_its_hook_and_said() {
    let mut bench = bench(Level::Isolated, (1, 2, 4));
    bench.world.fleets.get_mut("web").unwrap().hooks = vec![LifecycleHook { name: "drain".to_owned(), timeout: 120 }];
    "Terminating:Wait".clone_into(&mut member(&mut bench).lifecycle_state);
    bench.settle();
    assert_eq!(sent(&bench), ["RecordLifecycleActionHeartbeat"]);
    let (kind, message) = said(&bench);
    assert!(kind == "blocked" && message.contains("TerminatingInGroup") && message.contains("hook drain"), "{message}");
    assert!(bench.record.contained_at.is_some(), "the rest goes on");
    bench.now = sample::later(bench.now, 50);
    bench.settle();
    assert_eq!(sent(&bench).len(), 1, "half of its time-out is not over");
    bench.now = sample::later(bench.now, 20);
    bench.settle();
    assert_eq!(sent(&bench).len(), 2);
    "Terminating".clone_into(&mut member(&mut bench).lifecycle_state);
    let (kind, message) = said(&bench);
    assert!(kind == "blocked" && message.contains("no lifecycle hook holds that up"), "{message}");
}

#[test]
fn isolation_goes_behind_the_stop_in_the_same_turn() {
    let mut bench = bench(Level::Isolated, (1, 2, 4));
    bench.turn();
    assert_eq!(sent(&bench), ["SetInstanceProtection", "EnterStandby"], "beside what only prepares");
    bench.turn();
    let names = bench.operations();
    let at = |name: &str| names.iter().position(|operation| *operation == name);
    assert!(at("EnterStandby") < at("ModifyNetworkInterfaceAttribute"), "{names:?}");
    assert!(bench.plan().tracks.iter().all(|track| track.behind.is_none()));

    // With the closed group there already, both go out in one turn, and the swap last.
    let mut next = self::bench(Level::Isolated, (1, 2, 4));
    next.world.groups.clone_from(&bench.world.groups);
    let plan = next.plan();
    let behind: Vec<_> = plan.tracks.iter().map(|track| (track.step, track.behind)).collect();
    assert!(behind.contains(&("Isolated", Some(NAME))), "{behind:?}");
    next.turn();
    let names = next.operations();
    let at = |name: &str| names.iter().position(|operation| *operation == name);
    assert!(at("EnterStandby").is_some() && at("EnterStandby") < at("ModifyNetworkInterfaceAttribute"), "{names:?}");
}

#[test]
fn isolation_waits_while_aws_may_answer_and_no_longer() {
    // What AWS says to EnterStandby; closed after so many seconds.
    let table = [
        (ErrorClass::Denied, 0, "only a person can mend that"),
        (ErrorClass::Invalid, 0, "only a person can mend that"),
        (ErrorClass::Throttled, PATIENCE, "tried for a while"),
        (ErrorClass::Unavailable, PATIENCE, "tried for a while"),
    ];
    for (class, patience, why) in table {
        let mut bench = bench(Level::Isolated, (1, 2, 4));
        bench.refusals.insert("EnterStandby", class);
        let closed = |bench: &Bench<Quarantine>| {
            let groups = &bench.world.interfaces[&sample::interface(0)].interface.groups;
            !groups.contains(&sample::group(0))
        };
        for _ in 0..4 {
            bench.turn();
        }
        assert_eq!(closed(&bench), patience == 0, "{class:?}: {why}");
        bench.now = sample::later(bench.now, patience - 1);
        bench.turn();
        assert_eq!(closed(&bench), patience == 0, "{class:?}: {why}");
        bench.now = sample::later(bench.now, 2);
        bench.turn();
        bench.turn();
        assert!(closed(&bench), "{class:?}: nobody holds an isolation up for long");
    }
    let mut bench = bench(Level::Isolated, (1, 2, 4));
    bench.lens = |seen| {
        let failure = ReadFailure { reason: Reason::PermissionMissing, message: "m".to_owned() };
        seen.auto_scaling = Read::Failed(failure);
    };
    bench.settle();
    assert!(bench.record.contained_at.is_some(), "a grant that is missing holds nothing up");
    assert_eq!(said(&bench).0, "blocked");

    let mut bench = self::bench(Level::Isolated, (1, 2, 4));
    bench.lens = |seen| {
        let failure = ReadFailure { reason: Reason::Throttled, message: "m".to_owned() };
        seen.auto_scaling = Read::Failed(failure);
    };
    bench.settle();
    assert!(bench.record.contained_at.is_none() && bench.plan().unanswered, "asked again, more slowly each time");
    bench.now = sample::later(sample::at(0), PATIENCE);
    bench.settle();
    assert!(bench.record.contained_at.is_some(), "and not for long");
}

#[test]
fn a_lost_reply_is_looked_up_before_anything_is_sent_again() {
    for applied in [true, false] {
        let mut bench = bench(Level::Protected, (1, 3, 4));
        bench.spec.auto_scaling.replace = false;
        bench.refusals.insert("EnterStandby", ErrorClass::Ambiguous);
        bench.turn();
        if !applied {
            // It never arrived.
            "InService".clone_into(&mut member(&mut bench).lifecycle_state);
            bench.world.fleets.get_mut("web").unwrap().desired = 3;
        }
        bench.refusals.clear();
        bench.settle();
        let once = sent(&bench).iter().filter(|name| **name == "EnterStandby").count();
        assert_eq!(once, 1, "applied: {applied}");
        assert_eq!(said(&bench).0, if applied { "done" } else { "working" });
        bench.now = sample::later(bench.now, 92);
        bench.settle();
        let all = sent(&bench).iter().filter(|name| **name == "EnterStandby").count();
        assert_eq!((all, bench.world.fleets["web"].desired), (if applied { 1 } else { 2 }, 2), "applied: {applied}");
        assert!(bench.record.operations.values().all(|operation| operation.outcome.is_some()), "applied: {applied}");
        assert_eq!(bench.record.replaced, Some(false));
    }
}

#[test]
fn who_puts_it_back_into_service_inflates_no_group() {
    for (replace, held) in [(true, 3), (false, 2)] {
        let mut bench = bench(Level::Protected, (1, 3, 6));
        bench.spec.auto_scaling.replace = replace;
        bench.settle();
        // Who may edit the spec takes nothing back without a release.
        bench.spec.auto_scaling.hold = HoldInGroup::Leave;
        for _ in 0..3 {
            let exit = GroupChange::ExitStandby { group: "web".to_owned(), instance: instance_id() };
            bench
                .world
                .apply(&Effect::AutoScaling(exit), &crate::playbook::record::OperationId("x".to_owned()))
                .unwrap();
            assert_eq!(bench.world.fleets["web"].desired, held + 1);
            bench.now = sample::later(bench.now, 120);
            bench.settle();
            assert_eq!(member(&mut bench).lifecycle_state, "Standby");
            assert_eq!(bench.world.fleets["web"].desired, held);
        }
        let is_drift = |fact: &&Fact| matches!(fact, Fact::Drift { attribute: Attribute::LifecycleState, .. });
        assert_eq!(bench.facts().filter(is_drift).count(), 1, "said, and the same value not again within the interval");
        assert_eq!(bench.record.baseline[&Attribute::DesiredCapacity("web".to_owned())], scaling::size_value(3));
    }
}

#[test]
fn a_release_gives_the_place_back_and_costs_nobody_the_host() {
    for (replace, desired) in [(true, 3), (false, 3)] {
        let mut bench = bench(Level::Protected, (1, 3, 4));
        bench.spec.auto_scaling.replace = replace;
        bench.settle();
        bench.sent.clear();
        release(&mut bench);
        assert!(bench.record.released, "{:?}", bench.verdict());
        assert_eq!(member(&mut bench).lifecycle_state, "InService", "replace: {replace}");
        assert!(!member(&mut bench).protected_from_scale_in, "replace: {replace}");
        assert_eq!(bench.world.fleets["web"].desired, desired, "replace: {replace}");
        let calls: &[&str] = if replace {
            &["ExitStandby", "SetDesiredCapacity", "SetInstanceProtection"]
        } else {
            &["ExitStandby", "SetInstanceProtection"]
        };
        assert_eq!(sent(&bench), calls, "in this order: scale-in spares the host until the group has shrunk");
        assert!(bench.facts().all(|fact| !matches!(fact, Fact::LeftAsFound { .. })), "replace: {replace}");
    }
}

#[test]
fn a_release_leaves_what_is_not_ours_any_more() {
    let mut bench = bench(Level::Protected, (1, 3, 9));
    bench.settle();
    bench.world.fleets.get_mut("web").unwrap().desired = 6;
    bench.sent.clear();
    release(&mut bench);
    assert_eq!(sent(&bench), ["ExitStandby", "SetInstanceProtection"]);
    assert_eq!(bench.world.fleets["web"].desired, 7, "somebody scaled the group meanwhile");
    let left = bench.record.given_back[&Attribute::DesiredCapacity("web".to_owned())].clone();
    assert_eq!(left.as_deref(), Some("7"));
}

#[test]
fn a_group_without_room_is_named_and_takes_it_back_once_it_has() {
    let mut bench = bench(Level::Protected, (1, 1, 1));
    bench.settle();
    release(&mut bench);
    let (kind, message) = said(&bench);
    assert!(kind == "blocked" && message.contains("AtMaximumSize") && message.contains("MaxSize of web"), "{message}");
    bench.world.fleets.get_mut("web").unwrap().maximum = 2;
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
    assert_eq!((bench.world.fleets["web"].desired, bench.world.fleets["web"].others), (1, 0));
}

#[test]
fn a_node_is_told_by_its_tags() {
    for (tag, who) in [
        ("eks:nodegroup-name", "an EKS managed node group"),
        ("karpenter.sh/nodepool", "Karpenter"),
        ("kubernetes.io/cluster/prod", "a Kubernetes cluster"),
    ] {
        let mut bench = bench(Level::Isolated, (1, 2, 4));
        bench.account.required.insert(Action::Isolate, 1);
        let tags = &mut bench.world.instances.get_mut(&instance_id()).unwrap().instance.tags;
        tags.insert(tag.to_owned(), "x".to_owned());
        bench.settle();
        let lines = bench.plan().published.unwrap().lines.join("\n");
        assert!(lines.contains(who) && lines.contains("node repair"), "{tag}: {lines}");
    }
}

/// It stood once, which says nothing of the call that was to put it back.
#[test]
fn a_repair_that_never_arrived_is_not_called_adopted() {
    let mut bench = bench(Level::Protected, (1, 3, 6));
    bench.settle();
    let exit = GroupChange::ExitStandby { group: "web".to_owned(), instance: instance_id() };
    bench.world.apply(&Effect::AutoScaling(exit), &crate::playbook::record::OperationId("x".to_owned())).unwrap();
    bench.now = sample::later(bench.now, 120);
    let before = bench.world.clone();
    bench.refusals.insert("EnterStandby", ErrorClass::Ambiguous);
    let sent_before = sent(&bench).len();
    while sent(&bench).len() == sent_before {
        bench.turn();
    }
    bench.world = before;
    bench.refusals.clear();
    bench.settle();
    bench.now = sample::later(bench.now, 92);
    bench.settle();
    assert_eq!(member(&mut bench).lifecycle_state, "Standby");
    let ended = |kind| {
        let is_end = |entry: &&Entry| matches!(entry, Entry::Outcome { result, .. } if *result == kind);
        bench.entries.iter().filter(is_end).count()
    };
    assert_eq!((ended(OutcomeKind::Unknown), ended(OutcomeKind::Adopted)), (1, 0));
}
