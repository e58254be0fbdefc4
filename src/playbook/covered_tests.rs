//! Given a host that is closed under an Approval, expect that nothing beyond its plan is done before another one.

use super::*;
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::ids::AllocationId;
use crate::playbook::Quarantine;
use crate::playbook::credentials::MetadataOptions;
use crate::playbook::interface::IdleTimeouts;
use crate::playbook::record::Fact;
use crate::playbook::sample::{self, Bench, group, instance_id, interface};
use crate::playbook::step::State;

/// A host with an elastic address, long timeouts and a metadata service.
fn waiting(answers: impl Fn(&mut QuarantineSpec)) -> Bench<Quarantine> {
    let allocation = AllocationId::parse("eipalloc-00000001").unwrap();
    let mut world = sample::world(2, 1).with_elastic(&interface(0), &allocation, "203.0.113.1");
    for port in world.interfaces.values_mut() {
        port.interface.idle_timeouts = Some(IdleTimeouts::DEFAULT);
    }
    let options = MetadataOptions { enabled: true, pending: false, others: std::collections::BTreeMap::new() };
    world.instances.get_mut(&instance_id()).unwrap().instance.metadata = Some(options);
    let mut bench = Bench::quarantine(Level::Isolated, world);
    bench.account.required.insert(Action::Isolate, 1);
    answers(&mut bench.spec);
    for _ in 0..20 {
        bench.turn();
        bench.now = sample::later(bench.now, 1);
    }
    bench
}

fn approve(bench: &mut Bench<Quarantine>) {
    bench.approvals.push(sample::yes(&bench.record, Action::Isolate));
    bench.settle();
}

fn isolated(answers: impl Fn(&mut QuarantineSpec)) -> Bench<Quarantine> {
    let mut bench = waiting(answers);
    approve(&mut bench);
    assert!(bench.verdict().ready, "{:?}", bench.verdict());
    bench
}

fn done(bench: &Bench<Quarantine>) -> Vec<Covered> {
    bench.sent.iter().filter_map(|(effect, _)| Covered::needed_for(effect)).collect()
}

fn awaits(bench: &Bench<Quarantine>) -> bool {
    bench.verdict().reason == Reason::AwaitingApproval && matches!(bench.state("Isolated"), Some(State::Done(_)))
}

#[test]
fn an_answer_that_asks_for_more_once_the_host_is_closed_waits_for_another_approval() {
    type Answer = fn(&mut QuarantineSpec, bool);
    let public: Answer = |spec, more| {
        spec.isolation.public_address = if more { PublicAddress::Remove } else { PublicAddress::Leave };
    };
    let pulse: Answer = |spec, more| {
        // One without a public address has it.
        spec.isolation.pulse = if more { Pulse::Auto } else { Pulse::Never };
    };
    let metadata: Answer = |spec, more| {
        spec.isolation.metadata_service = if more { MetadataService::Disable } else { MetadataService::Leave };
    };
    for (answer, covered, step) in [
        (public, Covered::PublicAddresses, "FlowsCut"),
        (pulse, Covered::Pulse, "Isolated"),
        (metadata, Covered::MetadataService, "CredentialsCut"),
    ] {
        let mut bench = isolated(|spec| answer(spec, false));
        assert!(!done(&bench).contains(&covered), "{covered:?}: {:?}", bench.operations());
        let first = bench.record.plans[&Action::Isolate].hash.clone();
        answer(&mut bench.spec, true);
        bench.settle();
        assert!(awaits(&bench), "{covered:?}: {:?}", bench.verdict());
        assert!(!done(&bench).contains(&covered), "{covered:?}: {:?}", bench.operations());
        let plan = &bench.record.plans[&Action::Isolate];
        assert!(plan.hash != first && plan.covers.contains(&covered));
        assert!(plan.lines.iter().any(|line| line.contains("cut off the network already")), "{:?}", plan.lines);
        if step != "Isolated" {
            assert_eq!(bench.state(step), Some(State::Awaiting(Action::Isolate)));
        }
        // What holds the host is put back meanwhile.
        bench.world.interfaces.get_mut(&interface(1)).unwrap().interface.groups = [group(0)].into();
        bench.settle();
        assert!(bench.facts().any(|fact| matches!(fact, Fact::Drift { .. })));
        assert_ne!(bench.world.interfaces[&interface(1)].interface.groups, [group(0)].into());
        assert!(awaits(&bench) && !done(&bench).contains(&covered), "{covered:?}");
        approve(&mut bench);
        assert!(done(&bench).contains(&covered) && bench.verdict().ready, "{covered:?}: {:?}", bench.verdict());
    }
}

/// A version that did less had a plan that said less.
#[test]
fn what_only_a_later_version_does_waits_for_another_approval() {
    let mut bench = isolated(|_| {});
    let older = crate::playbook::chain::sha256(b"a plan of an older version");
    let plan = bench.record.plans.get_mut(&Action::Isolate).unwrap();
    (plan.basis, plan.hash) = (older.clone(), older.clone());
    plan.covers.remove(&Covered::IdleTimeouts);
    let decision = bench.record.decisions.get_mut(&Action::Isolate).unwrap();
    decision.plan_hash = older;
    decision.covers.remove(&Covered::IdleTimeouts);
    bench.record.applied.retain(|attribute, _| Covered::of(attribute) != Some(Covered::IdleTimeouts));
    bench.record.verified.retain(|attribute| Covered::of(attribute) != Some(Covered::IdleTimeouts));
    for port in bench.world.interfaces.values_mut() {
        port.interface.idle_timeouts = Some(IdleTimeouts::DEFAULT);
    }
    let shortened = |bench: &Bench<Quarantine>| done(bench).iter().filter(|it| **it == Covered::IdleTimeouts).count();
    let before = shortened(&bench);
    // What was begun is put back beside it.
    let allocation = AllocationId::parse("eipalloc-00000001").unwrap();
    bench.world = bench.world.clone().with_elastic(&interface(0), &allocation, "203.0.113.1");
    bench.settle();
    assert!(awaits(&bench) && shortened(&bench) == before, "{:?}", bench.verdict());
    assert!(bench.world.interfaces[&interface(0)].interface.elastic.is_empty());
    assert_eq!(bench.record.baseline[&Attribute::IdleTimeouts(interface(0))], IdleTimeouts::DEFAULT.as_value());
    approve(&mut bench);
    assert_eq!(shortened(&bench), before + 2);
}

/// Neighbours leave the plan once the host has left them: what was approved stays so.
#[test]
fn what_an_approved_plan_covers_waits_for_nobody_however_late_it_comes() {
    let mut bench = isolated(|_| {});
    let plan = bench.record.plans.get_mut(&Action::Isolate).unwrap();
    plan.basis = crate::playbook::chain::sha256(b"with neighbours that left it");
    let plan = plan.clone();
    assert_eq!(bench.record.decisions[&Action::Isolate].covers, plan.covers);
    assert!(!plan.covers.contains(&Covered::InstanceProfile), "{plan:?}");
    bench.record.applied.retain(|attribute, _| Covered::of(attribute) != Some(Covered::MetadataService));
    bench.record.verified.remove(&Attribute::MetadataService);
    let host = &mut bench.world.instances.get_mut(&instance_id()).unwrap().instance;
    host.metadata.as_mut().unwrap().enabled = true;
    let before = done(&bench).len();
    bench.settle();
    assert_eq!(done(&bench).len(), before + 1);
    assert!(bench.verdict().ready && bench.record.plans[&Action::Isolate] == plan, "{:?}", bench.verdict());
}

#[test]
fn where_no_approval_is_needed_an_edit_is_done_at_once() {
    let mut bench = waiting(|spec| spec.isolation.public_address = PublicAddress::Leave);
    bench.account.required.clear();
    bench.settle();
    bench.spec.isolation.public_address = PublicAddress::Remove;
    bench.settle();
    assert!(done(&bench).contains(&Covered::PublicAddresses) && bench.verdict().ready, "{:?}", bench.verdict());
}

/// An Approval of a plan that another one took the place of, before anything was done, is good for neither.
#[test]
fn nothing_is_covered_by_a_plan_that_was_never_begun() {
    let mut bench = waiting(|_| {});
    bench.refusals.insert("CreateSecurityGroup", crate::cloud::error::ErrorClass::Denied);
    bench.refusals.insert("ModifyInstanceMetadataOptions", crate::cloud::error::ErrorClass::Denied);
    bench.record.in_force.clear();
    let effect = CredentialChange::ModifyInstanceMetadataOptions { instance: instance_id(), enabled: false };
    let covers = std::collections::BTreeSet::from([Covered::MetadataService]);
    let plan = bench.record.plans[&Action::Isolate].clone();
    let decision = crate::playbook::record::Decision {
        action: Action::Isolate,
        plan_hash: crate::playbook::chain::sha256(b"an older one"),
        approvals: std::collections::BTreeMap::new(),
        break_glass: false,
        covers,
    };
    bench.record.decisions.insert(Action::Isolate, decision);
    bench.settle();
    assert!(
        !bench.sent.iter().any(|(sent, _)| *sent == Effect::Credentials(effect.clone())),
        "{:?}",
        bench.operations()
    );
    assert_eq!(bench.record.plans[&Action::Isolate], plan);
}
