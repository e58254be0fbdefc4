//! Given more than one record can say, expect all of it in several, each small enough, and isolation first.

use super::*;
use crate::api::quarantine::Level;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench};

#[test]
fn a_host_with_many_volumes_is_isolated_at_once_and_protected_in_more_turns() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(4, 256));
    let sizes = bench.settle_and_measure();
    assert!(sizes.iter().sum::<usize>() > 2 * MAX_BODY, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    let at = |name: &str| bench.sent.iter().position(|(effect, _)| effect.operation() == name).unwrap();
    let last = bench.sent.iter().rposition(|(effect, _)| effect.operation() == "ModifyInstanceAttribute").unwrap();
    assert!(at("ModifyNetworkInterfaceAttribute") < last, "isolation waits for no protection");
    assert_eq!(bench.facts().filter(|fact| matches!(fact, Fact::Baseline { .. })).count(), 4 + 256 + 3);
}

#[test]
fn a_release_of_many_volumes_fits_too() {
    let mut bench = Bench::quarantine(Level::Isolated, sample::world(4, 256));
    bench.settle();
    bench.spec.level = Level::Released;
    bench.settle();
    bench.approvals = vec![sample::yes(&bench.record, crate::api::approval::Action::Release)];
    let sizes = bench.settle_and_measure();
    bench.see_out();
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert!(bench.record.released);
}

#[test]
fn a_set_of_many_volumes_is_locked_and_shared_in_more_records() {
    let mut bench = Bench::evidence(sample::world(1, 256));
    bench.spec.share = sample::shared_with_forensics();
    let mut sizes = bench.settle_and_measure();
    bench.world.complete_snapshots();
    sizes.extend(bench.settle_and_measure());
    assert!(sizes.iter().all(|size| *size <= MAX_BODY), "{sizes:?}");
    assert_eq!((bench.record.locked.len(), bench.record.shared.len()), (256, 256));
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
}
