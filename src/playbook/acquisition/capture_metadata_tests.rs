//! Given what can be read of a host, expect two facts, each written once.

use super::*;
use crate::api::quarantine::Level;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench};
use crate::playbook::seen::ReadFailure;

fn bench() -> Bench<Quarantine> {
    Bench::quarantine(Level::Protected, sample::world(2, 3))
}

fn count(bench: &Bench<Quarantine>) -> (usize, usize) {
    let metadata = bench.facts().filter(|fact| matches!(fact, Fact::Metadata { .. })).count();
    (metadata, bench.facts().filter(|fact| matches!(fact, Fact::Surroundings { .. })).count())
}

#[test]
fn the_host_first_and_what_is_around_it_after() {
    let mut bench = bench();
    bench.turn();
    assert_eq!(count(&bench), (1, 0), "on the way to containment nothing more is asked");
    bench.settle();
    assert_eq!(count(&bench), (1, 1));
    assert_eq!(bench.state("MetadataCaptured"), Some(State::done("2 interfaces, 3 volumes")));
    let Some(Fact::Metadata { instance, interfaces, .. }) = bench.facts().next().cloned() else {
        panic!("no metadata")
    };
    assert_eq!((instance.id, interfaces.len(), instance.volumes.len()), (sample::instance_id(), 2, 3));
}

#[test]
fn a_blob_that_cannot_be_read_is_said() {
    let mut bench = bench();
    let host = bench.world.instances.values_mut().next().unwrap();
    host.surroundings.blobs.insert("userData".to_owned(), Blob::Empty);
    host.surroundings.blobs.insert("screenshot".to_owned(), Blob::Unreadable { reason: "no".to_owned() });
    bench.turn();
    let turn = bench.step("MetadataCaptured");
    let State::Done(message) = turn.state else { panic!("{:?}", turn.state) };
    assert!(message.contains("1 of console output, screenshot and user data could not be read"), "{message}");
}

#[test]
fn what_is_around_it_may_fail_without_holding_anything_up() {
    for (reason, blocked) in
        [(Reason::PermissionMissing, true), (Reason::Throttled, false), (Reason::AwsUnavailable, false)]
    {
        let mut bench = bench();
        bench.turn();
        let mut seen = bench.seen();
        seen.surroundings = Read::Failed(ReadFailure { reason, message: "m".to_owned() });
        let plan = bench.with(&seen, crate::playbook::decide::decide);
        let state = plan.steps[0].state.clone().unwrap();
        assert_eq!(matches!(state, State::Blocked(_)), blocked, "{reason}");
        assert!(!state.is_settled());
        let protected = plan.steps.iter().find(|step| step.name == "Protected").unwrap();
        assert!(matches!(protected.state, Some(State::Done(_))), "{reason}: the host is protected all the same");
    }
}

#[test]
fn release_gives_nothing_back() {
    let mut bench = bench();
    bench.settle();
    bench.spec.level = Level::Released;
    assert!(bench.step("MetadataCaptured").stages.is_empty());
}
