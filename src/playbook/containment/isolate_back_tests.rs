//! Given what somebody does while a host is held or given back, expect that nothing of it is lost.

use super::tests::{approve, bench, closed, groups, put};
use super::*;
use crate::playbook::sample::{self, Bench, group, interface};

#[test]
fn what_is_closed_again_in_the_middle_of_a_release_is_given_back_once_more() {
    let mut bench = bench(2);
    // The former group was put back a short time ago, so that it is not worth a record of its own.
    for n in [0, 1] {
        put(&mut bench, n, &[group(0)]);
    }
    bench.settle();
    bench.spec.level = Level::Released;
    bench.turn();
    approve(&mut bench, Action::Release);
    bench.settle();
    bench.now = sample::later(bench.now, bench.limits.settle_seconds);
    bench.turn();
    assert_eq!(bench.record.given_back.get(&Attribute::Groups(interface(0))), Some(&None));
    assert!(!bench.record.released, "the protections are still on their way");
    // The plan changes: nobody has approved that one.
    bench.spec.isolation.pulse = crate::api::quarantine::Pulse::Auto;
    bench.settle();
    assert_eq!(groups(&bench.world, 0), BTreeSet::from([closed(&bench.world, 0)]), "held until others approve");
    approve(&mut bench, Action::Release);
    bench.see_out();
    assert!(bench.record.released);
    for n in [0, 1] {
        assert_eq!(groups(&bench.world, n), BTreeSet::from([group(0)]));
        assert_eq!(bench.record.given_back[&Attribute::Groups(interface(n))], None);
    }
}

#[test]
fn a_group_of_our_name_beside_others_stops_nothing_and_is_no_baseline() {
    // Given: another installation's closed group, put beside the host's own before and after we came.
    let mut other = sample::former_group();
    (other.id, other.name, other.operation) = (group(7), "baseline-a".to_owned(), Some("of another".to_owned()));
    other.rules.clear();
    for begun in [false, true] {
        let mut bench = Bench::quarantine(Level::Protected, sample::world(2, 1).with_group(other.clone()));
        if begun {
            bench.settle();
        }
        put(&mut bench, 1, &[group(0), group(7)]);
        bench.world.instances.values_mut().for_each(|host| host.protections.stop = false);
        bench.settle();
        assert!(bench.world.instances[&sample::instance_id()].protections.stop, "{begun}: protected all the same");
        bench.spec.level = Level::Isolated;
        bench.settle();
        assert!(bench.verdict().ready, "{begun}: {:?}", bench.verdict());
        assert_eq!(groups(&bench.world, 1), BTreeSet::from([group(7)]), "{begun}");
        let attribute = Attribute::Groups(interface(1));
        assert_eq!(bench.record.baseline[&attribute], as_value(&[group(0)]), "{begun}");
        let foreign = as_value(&[group(0), group(7)]);
        assert_eq!(
            bench
                .facts()
                .filter(|fact| **fact == Fact::Drift { attribute: attribute.clone(), foreign: foreign.clone() })
                .count(),
            1
        );
    }
}

#[test]
fn who_closes_a_begun_host_stops_its_isolation_and_nothing_else() {
    let mut late = Bench::quarantine(Level::Protected, sample::world(2, 1));
    late.settle();
    let mut other = Bench::quarantine(Level::Isolated, late.world.clone());
    other.settle();
    late.world = other.world;
    late.world.instances.values_mut().for_each(|host| host.protections.stop = false);
    late.spec.level = Level::Isolated;
    late.settle();
    let Some(State::Blocked(refusal)) = late.state("Isolated") else { panic!("{:?}", late.state("Isolated")) };
    assert_eq!(refusal.reason, Reason::ForeignHold);
    assert!(late.world.instances[&sample::instance_id()].protections.stop);
    assert!(late.record.baseline.keys().all(|attribute| !matches!(attribute, Attribute::Groups(_))));
    // It can be let go as well.
    late.spec.level = Level::Released;
    late.settle();
    approve(&mut late, Action::Release);
    late.see_out();
    assert!(late.record.released);
    assert_eq!(groups(&late.world, 0), BTreeSet::from([closed(&late.world, 0)]), "what is not ours is left");
}

#[test]
fn an_interface_that_was_detached_gets_its_groups_back() {
    // Given: closed, and detached since. Its own groups come back; what somebody changed on it stays, and is reported.
    let mut bench = bench(3);
    for n in [1, 2] {
        bench.world.interfaces.get_mut(&interface(n)).unwrap().attached = None;
    }
    put(&mut bench, 2, &[group(5)]);
    bench.settle();
    assert_eq!(groups(&bench.world, 1), BTreeSet::from([closed(&bench.world, 0)]), "still held");
    assert_eq!(groups(&bench.world, 2), BTreeSet::from([group(5)]), "not of this host any more");
    bench.spec.level = Level::Released;
    bench.settle();
    approve(&mut bench, Action::Release);
    bench.see_out();
    assert!(bench.record.released);
    assert_eq!((groups(&bench.world, 0), groups(&bench.world, 1)), ([group(0)].into(), [group(0)].into()));
    assert_eq!(bench.record.given_back[&Attribute::Groups(interface(1))], None);
    assert_eq!(bench.record.given_back[&Attribute::Groups(interface(2))].as_deref(), Some(group(5).as_str()));

    // It can't be read: nothing of it is called gone.
    let mut unread = self::bench(1);
    unread.world.interfaces.get_mut(&interface(0)).unwrap().attached = None;
    unread.spec.level = Level::Released;
    unread.settle();
    approve(&mut unread, Action::Release);
    unread.lens = |seen| {
        let message = "DescribeNetworkInterfaces is throttled".to_owned();
        seen.held = Read::Failed(ReadFailure { reason: Reason::Throttled, message });
    };
    unread.see_out();
    assert!(!unread.record.released && unread.record.given_back.is_empty());
    unread.lens = |_| {};
    unread.see_out();
    assert!(unread.record.released);
    assert_eq!(groups(&unread.world, 0), BTreeSet::from([group(0)]));
}
