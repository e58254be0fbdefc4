//! Given what somebody does while a host is held or given back, expect that nothing of it is lost.

use super::tests::{approve, bench, closed, groups, put};
use super::*;
use crate::playbook::sample::{self, group, interface};

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
