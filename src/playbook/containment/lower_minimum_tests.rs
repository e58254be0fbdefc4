//! Given a group that may not shrink, expect that its minimum is lowered only by approval, and given back.

use super::*;
use crate::playbook::sample::{self, Bench, instance_id};

fn bench(level: Level) -> Bench<Quarantine> {
    let mut bench = Bench::quarantine(level, sample::world(1, 1).with_fleet("web", &instance_id(), (3, 3, 4)));
    (bench.spec.auto_scaling.replace, bench.spec.auto_scaling.lower_minimum) = (false, true);
    bench
}

fn sent(bench: &Bench<Quarantine>) -> Vec<&'static str> {
    let is_of_group = |effect: &&Effect| matches!(effect, Effect::AutoScaling(_));
    bench.sent.iter().map(|(effect, _)| effect).filter(is_of_group).map(Effect::operation).collect()
}

#[test]
fn nothing_is_lowered_before_a_person_says_so_and_isolation_waits_for_nobody() {
    let mut bench = bench(Level::Isolated);
    bench.settle();
    assert_eq!(sent(&bench), ["SetInstanceProtection"]);
    assert_eq!(bench.state("MinimumLowered"), Some(State::Awaiting(Action::LowerMinimum)));
    assert!(bench.record.contained_at.is_some());
    let lines = bench.plan().published.unwrap().lines.join("\n");
    assert!(
        lines.contains("minimum size of Auto Scaling group web from 3 to 2 (desired capacity 3, then 2)"),
        "{lines}"
    );

    bench.approvals = vec![sample::yes(&bench.record, Action::LowerMinimum)];
    bench.settle();
    assert_eq!(sent(&bench)[1..], ["UpdateAutoScalingGroup", "EnterStandby", "DetachInstances"]);
    let fleet = &bench.world.fleets["web"];
    assert_eq!((fleet.minimum, fleet.desired, fleet.others), (2, 2, 2));
    assert_eq!(bench.record.baseline[&Attribute::MinSize("web".to_owned())], size_value(3));
    assert!(matches!(bench.state("MinimumLowered"), Some(State::Done(_))));

    bench.spec.level = Level::Released;
    bench.turn();
    let lines = bench.plan().published.unwrap().lines.join("\n");
    assert!(lines.contains("set minSize of Auto Scaling group web back to 3"), "{lines}");
    bench.approvals = vec![sample::yes(&bench.record, Action::Release)];
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
    let fleet = &bench.world.fleets["web"];
    assert_eq!((fleet.minimum, fleet.desired), (3, 3));
    assert_eq!(bench.world.member(&instance_id()).unwrap().lifecycle_state, "InService");
}

#[test]
fn what_is_not_in_the_way_is_left() {
    let mut bench = bench(Level::Detached);
    bench.world.fleets.get_mut("web").unwrap().minimum = 1;
    bench.settle();
    assert!(!sent(&bench).contains(&"UpdateAutoScalingGroup"));
    assert_eq!(bench.world.fleets["web"].desired, 2);
    let Some(State::Skipped(refusal)) = bench.state("MinimumLowered") else { panic!() };
    assert_eq!(refusal.reason, Reason::NothingToDo);
}

#[test]
fn both_gates_show_isolation_first() {
    let mut bench = bench(Level::Isolated);
    bench.account.required.insert(Action::Isolate, 1);
    bench.settle();
    assert_eq!(bench.plan().awaiting, Some(Action::Isolate));
    bench.approvals = vec![sample::yes(&bench.record, Action::Isolate)];
    bench.settle();
    assert!(bench.record.contained_at.is_some());
    assert_eq!(bench.plan().awaiting, Some(Action::LowerMinimum));
}
