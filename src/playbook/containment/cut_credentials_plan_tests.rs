//! Given a gate before the isolation, expect who is told of credentials, and what a yes is good for.

use super::tests::{ALL, approve, bench, denied, elsewhere, host, of_credentials, said};
use super::*;
use crate::api::ids::InstanceId;
use crate::playbook::record::Record;
use crate::playbook::sample::{self, instance_id};
use crate::playbook::seen::{Read, ReadFailure};

#[test]
fn who_is_touched_beside_the_host_is_told_before() {
    let plan = |sessions| {
        let mut bench = bench();
        bench.account.required.insert(Action::Isolate, 1);
        bench.spec.isolation.credentials.sessions = sessions;
        bench.turn();
        assert_eq!(of_credentials(&bench), Vec::<&str>::new(), "nothing before somebody says so");
        (bench.record.plans[&Action::Isolate].clone(), bench)
    };
    let (of_instance, _) = plan(Sessions::RevokeInstance);
    let text = of_instance.lines.join("\n");
    for word in [
        "sessions that i-00000001 got of role web",
        "1 other instances",
        "keep their sessions: i-00000002",
        "switch the metadata service of i-00000001 off",
        "chained by AssumeRole",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let (of_role, mut bench) = plan(Sessions::RevokeRole);
    let text = of_role.lines.join("\n");
    for word in ["every session of role web that was issued before", "lose theirs until they get new ones: i-00000002"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Another instance that would lose its sessions is another plan.
    let mut third = host(&mut bench).clone();
    third.id = InstanceId::parse("i-00000003").unwrap();
    bench.world = bench.world.clone().with_instance(third, crate::cloud::sim::UNPROTECTED);
    bench.turn();
    assert_ne!(bench.record.plans[&Action::Isolate].hash, of_role.hash);
    approve(&mut bench, Action::Isolate);
    bench.settle();
    assert!(denied(&bench, &instance_id()).issued_before.is_some());
    assert!(bench.verdict().ready, "one approval is enough: {:?}", bench.verdict());
}

/// A look that lacks the role, as those on the way to isolation do, must not make another plan of the one that was approved.
#[test]
fn an_approved_plan_stays_the_same_whatever_a_look_lacks() {
    let failed = |seen: &mut crate::playbook::QuarantineSeen| {
        let message = "AWS did not answer".to_owned();
        seen.credentials = Read::Failed(ReadFailure { reason: Reason::AwsUnavailable, message });
    };
    let lenses: [fn(&mut crate::playbook::QuarantineSeen); 2] = [|seen| seen.credentials = Read::NotRead, failed];
    for lens in lenses {
        let mut bench = bench();
        bench.account.required.insert(Action::Isolate, 1);
        bench.spec.isolation.credentials.sessions = Sessions::RevokeRole;
        bench.turn();
        approve(&mut bench, Action::Isolate);
        bench.turn();
        bench.lens = lens;
        bench.settle();
        assert!(bench.record.contained_at.is_some());
        assert_eq!(of_credentials(&bench), Vec::<&str>::new());
        bench.lens = |_| {};
        bench.settle();
        assert!(denied(&bench, &instance_id()).issued_before.is_some(), "{}", said(&bench));
    }
}

/// What reaches others needs a plan that says so, though the host is held already; what holds it is kept up meanwhile.
#[test]
fn an_edit_to_the_whole_role_waits_for_a_person() {
    let mut bench = bench();
    bench.account.required.insert(Action::Isolate, 1);
    bench.turn();
    approve(&mut bench, Action::Isolate);
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);
    bench.spec.isolation.credentials.sessions = Sessions::RevokeRole;
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);
    assert_eq!(bench.state("CredentialsCut"), Some(State::Awaiting(Action::Isolate)));
    elsewhere(&mut bench, &instance_id(), Denied::default());
    bench.now = sample::later(bench.now, 60);
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL, "repair waits for nobody");
    approve(&mut bench, Action::Isolate);
    bench.settle();
    assert!(denied(&bench, &instance_id()).issued_before.is_some(), "{}", said(&bench));
}

/// A level that the requester alone raises must not find a gate that credentials opened.
#[test]
fn denying_sessions_opens_no_gate_to_isolate() {
    let mut bench = bench();
    bench.settle();
    let mut record = Record::default();
    let entries: Vec<_> =
        bench.entries.iter().filter(|entry| format!("{entry:?}").contains("CredentialsCut")).cloned().collect();
    record.fold(&entries, bench.now);
    assert!(record.applied.keys().any(Attribute::is_credential));
    assert!(!record.in_force.contains(&Action::Isolate));
}
