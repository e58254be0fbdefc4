//! Given a host with a role, expect what its sessions are denied, by which calls, and what is given back.

use std::collections::BTreeMap;

use super::*;
use crate::api::conditions::Reason;
use crate::api::credentials::Credentials as Declared;
use crate::api::ids::{InstanceId, RoleName};
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::playbook::credentials::MetadataOptions;
use crate::playbook::record::OperationId;
use crate::playbook::role_policy::RolePolicy;
use crate::playbook::sample::{self, Bench, ROLE_ID, inline_policy, instance_id};

const PROFILE: &str = "arn:aws:iam::111122223333:instance-profile/web";
pub(super) const ALL: Denied = Denied { scope: Scope::All, issued_before: None };

pub(super) fn other() -> InstanceId {
    InstanceId::parse("i-00000002").unwrap()
}

fn options() -> MetadataOptions {
    let others = BTreeMap::from([("httpTokens".to_owned(), "required".to_owned())]);
    MetadataOptions { enabled: true, pending: false, others }
}

/// A host of role web, whose metadata service answers, and another one of the role.
fn world() -> World {
    let mut world = sample::world(1, 1).with_role(&sample::role(), ROLE_ID, PROFILE);
    let host = &mut world.instances.get_mut(&instance_id()).unwrap().instance;
    (host.profile, host.metadata) = (Some(PROFILE.to_owned()), Some(options()));
    let mut neighbour = host.clone();
    neighbour.id = other();
    neighbour.volumes.clear();
    world.with_instance(neighbour, crate::cloud::sim::UNPROTECTED)
}

pub(super) fn bench() -> Bench<Quarantine> {
    Bench::quarantine(Level::Isolated, world())
}

fn declared(sessions: Sessions, profile: InstanceProfile) -> Declared {
    Declared { sessions, profile }
}

pub(super) fn denied(bench: &Bench<Quarantine>, instance: &InstanceId) -> Denied {
    bench.world.denied(instance, &inline_policy()).unwrap()
}

/// Another Quarantine, which may be another installation's, writes.
pub(super) fn elsewhere(bench: &mut Bench<Quarantine>, instance: &InstanceId, denied: Denied) {
    let change = deny(&inline_policy(), &role(bench), instance, denied);
    bench.world.apply(&change, &OperationId("elsewhere".to_owned())).unwrap();
}

fn role(bench: &Bench<Quarantine>) -> Role {
    let policies = &bench.world.roles[&sample::role()].policies;
    let policy = policies.get("baseline-c").cloned().unwrap_or_else(|| Some(RolePolicy::default()));
    Role { id: ROLE_ID.to_owned(), service_linked: false, policy, others: None }
}

pub(super) fn said(bench: &Bench<Quarantine>) -> String {
    format!("{:?}", bench.state("CredentialsCut"))
}

pub(super) fn host(bench: &mut Bench<Quarantine>) -> &mut Instance {
    &mut bench.world.instances.get_mut(&instance_id()).unwrap().instance
}

pub(super) fn of_credentials(bench: &Bench<Quarantine>) -> Vec<&'static str> {
    let is = |effect: &Effect| matches!(effect, Effect::Credentials(_));
    bench.sent.iter().filter(|(effect, _)| is(effect)).map(|(effect, _)| effect.operation()).collect()
}

pub(super) fn approve(bench: &mut Bench<Quarantine>, action: Action) {
    bench.approvals = vec![sample::yes(&bench.record, action)];
}

fn release(bench: &mut Bench<Quarantine>) {
    bench.spec.level = Level::Released;
    bench.turn();
    approve(bench, Action::Release);
    bench.see_out();
    assert!(bench.record.released, "{:?}", bench.verdict());
}

#[test]
fn sessions_are_denied_and_the_metadata_service_goes_off() {
    let mut bench = bench();
    bench.settle();
    assert_eq!((denied(&bench, &instance_id()), denied(&bench, &other())), (ALL, Denied::default()));
    assert!(!host(&mut bench).metadata.as_ref().unwrap().enabled);
    assert_eq!(host(&mut bench).profile.as_deref(), Some(PROFILE), "left, where nothing else is declared");
    assert_eq!(of_credentials(&bench), ["PutRolePolicy", "ModifyInstanceMetadataOptions"]);
    let State::Done(told) = bench.state("CredentialsCut").unwrap() else { panic!("{}", said(&bench)) };
    for word in ["everything is denied to its sessions of role web by policy baseline-c", "a few minutes", "is off"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let verdict = bench.verdict();
    assert!(verdict.ready, "{verdict:?}");
    assert!(verdict.message.contains(&format!("AssumeRole by principal {ROLE_ID}:i-00000001")), "{verdict:?}");
    let before = &bench.record.baseline;
    assert_eq!(before[&Attribute::Sessions(inline_policy())], Value::Text("nothing".to_owned()));
    assert_eq!(before[&Attribute::MetadataOptions], Value::Text("httpTokens=required".to_owned()));
}

#[test]
fn nothing_waits_for_it_and_it_waits_for_nothing() {
    let mut bench = bench();
    bench.refusals.insert("PutRolePolicy", ErrorClass::Denied);
    for _ in 0..5 {
        bench.turn();
    }
    assert!(bench.record.contained_at.is_some());
    assert!(!host(&mut bench).metadata.as_ref().unwrap().enabled, "what is allowed is done");
    assert_eq!(bench.verdict().reason, Reason::PermissionMissing, "{:?}", bench.verdict());
}

/// As long as memory is captured the agent keeps what it needs, and the metadata service stays on.
#[test]
fn both_stages_are_what_they_deny() {
    let bench = bench();
    let view = |applied, current| bench.with(&bench.seen(), |view| wish(view, true, applied, current));
    let agent = Denied { scope: Scope::AllButAgent, issued_before: None };
    assert_eq!(view(None, Denied::default()), ALL);
    assert_eq!(view(Some(agent), agent), ALL, "the second stage follows the first");
    assert_eq!(view(Some(agent), Denied::default()), agent, "and what was set is put back before");
    let older = Denied { scope: Scope::All, issued_before: Some(sample::at(5)) };
    assert_eq!(view(Some(older), older), older, "an edit takes nothing back");
}

#[test]
fn what_somebody_takes_out_is_put_back_and_nobody_else_is_taken_out() {
    let mut bench = bench();
    bench.settle();
    elsewhere(&mut bench, &other(), ALL);
    elsewhere(&mut bench, &instance_id(), Denied::default());
    host(&mut bench).metadata.as_mut().unwrap().enabled = true;
    bench.now = sample::later(bench.now, 60);
    bench.settle();
    assert_eq!((denied(&bench, &instance_id()), denied(&bench, &other())), (ALL, ALL));
    assert!(!host(&mut bench).metadata.as_ref().unwrap().enabled);
    let drift: Vec<String> = bench
        .facts()
        .filter_map(|fact| match fact {
            Fact::Drift { attribute, foreign } => Some(format!("{attribute}: {foreign}")),
            _ => None,
        })
        .collect();
    assert_eq!(drift, ["sessions/web/baseline-c: nothing", "metadataService: true"]);
    // The whole policy is gone.
    bench.world.roles.get_mut(&sample::role()).unwrap().policies.clear();
    bench.now = sample::later(bench.now, 60);
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);

    elsewhere(&mut bench, &other(), ALL);
    release(&mut bench);
    assert_eq!((denied(&bench, &instance_id()), denied(&bench, &other())), (Denied::default(), ALL));
    assert!(host(&mut bench).metadata.as_ref().unwrap().enabled);
}

#[test]
fn a_release_gives_back_in_reverse_and_leaves_no_policy_behind() {
    let mut bench = bench();
    bench.spec.isolation.credentials.profile = InstanceProfile::Remove;
    bench.settle();
    assert_eq!(host(&mut bench).profile, None);
    assert_eq!(denied(&bench, &instance_id()), ALL, "the role is known without the profile");
    bench.sent.clear();
    release(&mut bench);
    assert_eq!(host(&mut bench).profile.as_deref(), Some(PROFILE));
    assert!(bench.world.roles[&sample::role()].policies.is_empty());
    let mut operations = of_credentials(&bench);
    assert_eq!(operations.pop(), Some("DeleteRolePolicy"), "what was denied first is allowed last");
    operations.sort_unstable();
    assert_eq!(operations, ["AssociateIamInstanceProfile", "ModifyInstanceMetadataOptions"]);
    let groups = bench.operations().iter().position(|operation| *operation == "ModifyNetworkInterfaceAttribute");
    let last = bench.operations().iter().rposition(|operation| *operation == "DeleteRolePolicy");
    assert!(last < groups, "before the network: {:?}", bench.operations());
    assert!(bench.record.given_back.values().all(Option::is_none), "{:?}", bench.record.given_back);
}

/// A host that is terminated stands in the document of its role still.
#[test]
fn a_host_that_is_gone_leaves_the_policy_of_its_role() {
    let mut bench = bench();
    bench.settle();
    bench.world.instances.remove(&instance_id());
    release(&mut bench);
    assert!(bench.world.roles[&sample::role()].policies.is_empty());
    assert_eq!(bench.record.given_back[&Attribute::MetadataService].as_deref(), Some("gone"));
}

#[test]
fn what_is_not_ours_stays_as_it_is() {
    let mut bench = bench();
    bench.world.roles.get_mut(&sample::role()).unwrap().policies.insert("baseline-c".to_owned(), None);
    bench.settle();
    assert_eq!(of_credentials(&bench), ["ModifyInstanceMetadataOptions"]);
    assert_eq!(bench.verdict().reason, Reason::Conflict);
    let told = bench.verdict().message;
    assert!(told.contains("role web has an inline policy baseline-c") && told.contains("left alone"), "{told}");
    assert!(bench.record.contained_at.is_some());
}

#[test]
fn limits_and_protected_roles_are_named() {
    let ours = RolePolicy::default().with(&instance_id(), ALL).characters(ROLE_ID);
    let mut bench = bench();
    bench.world.roles.get_mut(&sample::role()).unwrap().others = CHARACTERS - ours + 1;
    bench.settle();
    assert_eq!(bench.verdict().reason, Reason::QuotaExceeded);
    for word in ["role web", &format!("{} characters", CHARACTERS - ours + 1), &ours.to_string(), "10240"] {
        assert!(bench.verdict().message.contains(word), "{word}: {:?}", bench.verdict());
    }
    bench.world.roles.get_mut(&sample::role()).unwrap().others = CHARACTERS - ours;
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);

    let mut bench = self::bench();
    bench.world.roles.get_mut(&sample::role()).unwrap().service_linked = true;
    bench.settle();
    assert_eq!(bench.verdict().reason, Reason::InvalidRequest);
    assert!(bench.verdict().message.contains("role web is a service-linked role"), "{:?}", bench.verdict());
}

#[test]
fn what_is_declared_to_stay_stays_and_what_is_not_there_is_said() {
    let leave = declared(Sessions::Leave, InstanceProfile::Leave);
    let table: [(Declared, MetadataService, bool, Reason); 3] = [
        (leave, MetadataService::Leave, true, Reason::NotDeclared),
        (Declared::default(), MetadataService::Leave, false, Reason::NothingToDo),
        (Declared::default(), MetadataService::Disable, false, Reason::NothingToDo),
    ];
    for (credentials, service, has, reason) in table {
        let mut bench = bench();
        (bench.spec.isolation.credentials, bench.spec.isolation.metadata_service) = (credentials, service);
        if !has {
            (host(&mut bench).profile, host(&mut bench).metadata) = (None, None);
        }
        bench.settle();
        assert_eq!(of_credentials(&bench), Vec::<&str>::new());
        let state = bench.state("CredentialsCut").unwrap();
        assert!(matches!(&state, State::Skipped(refusal) if refusal.reason == reason), "{state:?}");
    }
}

#[test]
fn an_edit_weakens_nothing() {
    let mut bench = bench();
    bench.settle();
    bench.spec.isolation.credentials.sessions = Sessions::Leave;
    bench.spec.isolation.metadata_service = MetadataService::Leave;
    elsewhere(&mut bench, &instance_id(), Denied::default());
    host(&mut bench).metadata.as_mut().unwrap().enabled = true;
    bench.now = sample::later(bench.now, 60);
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);
    assert!(!host(&mut bench).metadata.as_ref().unwrap().enabled);
}

/// A name of the account that changes leaves nothing in the former document.
#[test]
fn the_policy_keeps_its_name_for_as_long_as_it_is_held() {
    let mut bench = bench();
    bench.settle();
    bench.account.group_prefix = "other".to_owned();
    bench.settle();
    assert_eq!(bench.world.roles[&sample::role()].policies.keys().collect::<Vec<_>>(), ["baseline-c"]);
    release(&mut bench);
    assert!(bench.world.roles[&sample::role()].policies.is_empty());
}

/// Who gives the host another role gives its sessions nothing.
#[test]
fn another_role_is_denied_too_and_the_former_stays_so() {
    let mut bench = bench();
    bench.settle();
    let admin = RoleName::parse("admin").unwrap();
    bench.world = bench.world.clone().with_role(
        &admin,
        "AROAEXAMPLE9876543210",
        "arn:aws:iam::111122223333:instance-profile/admin",
    );
    host(&mut bench).profile = Some("arn:aws:iam::111122223333:instance-profile/admin".to_owned());
    bench.settle();
    let second = InlinePolicy { role: admin, name: "baseline-c".to_owned() };
    assert_eq!(bench.world.denied(&instance_id(), &second), Some(ALL));
    assert_eq!(denied(&bench, &instance_id()), ALL);
    release(&mut bench);
    assert!(bench.world.roles.values().all(|role| role.policies.is_empty()));
}

#[test]
fn older_sessions_of_the_role_are_denied_from_one_time_on() {
    let mut bench = bench();
    bench.spec.isolation.credentials.sessions = Sessions::RevokeRole;
    bench.settle();
    let first = denied(&bench, &instance_id());
    assert_eq!((first.scope, first.issued_before.is_some()), (Scope::All, true));
    assert_eq!(denied(&bench, &other()), Denied::default());
    bench.now = sample::later(bench.now, 600);
    elsewhere(&mut bench, &instance_id(), Denied::default());
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), first, "who got new credentials since then keeps them");
    let puts = of_credentials(&bench).iter().filter(|operation| **operation == "PutRolePolicy").count();
    assert_eq!(puts, 2, "and no look writes it anew");
}

#[test]
fn a_lost_reply_is_adopted_and_written_once() {
    let mut bench = bench();
    bench.refusals.insert("PutRolePolicy", ErrorClass::Ambiguous);
    bench.settle();
    assert_eq!(denied(&bench, &instance_id()), ALL);
    let open = bench.record.operations.values().filter(|operation| operation.outcome.is_none()).count();
    assert_eq!((open, of_credentials(&bench).iter().filter(|name| **name == "PutRolePolicy").count()), (0, 1));
}

#[test]
fn an_accepted_switch_is_waited_for_while_the_host_runs() {
    let mut bench = bench();
    bench.settle();
    host(&mut bench).metadata.as_mut().unwrap().pending = true;
    assert!(said(&bench).contains("does not say yet"), "{}", said(&bench));
    assert_eq!(bench.plan().again_in, Some(bench.limits.poll_seconds));
    host(&mut bench).state = InstanceState::Stopped;
    assert!(matches!(bench.state("CredentialsCut"), Some(State::Done(_))), "AWS applies it when it starts");
}
