//! Row C6, credentials: whoever took them from the host uses them elsewhere, and no security group ends that.
//!
//! Sessions of the host are denied by an inline policy of its role, in two stages: all but what the SSM agent needs, as long
//! as memory is captured by it, then all. Then the metadata service goes off, from which the host would get new ones, and
//! where that is declared its instance profile. IAM knows a session of an instance by the user id
//! `<id of the role>:<id of the instance>`, so that other hosts of the role feel nothing of it; `RevokeRole` denies their
//! older sessions too, and is told in the plan with their names.
//!
//! The policy is one document for all hosts of the role that are held, here and by other installations, and IAM has no
//! conditional write. So nothing is taken for done because it was written: each look reads the document, and where the host
//! is not in it any more it is put back. That AWS denies everywhere takes minutes (IAM guide, disabling permissions for
//! temporary credentials), and nobody can see from outside when it does.
//!
//! What the host chained by `AssumeRole` are sessions of other roles: `CloudTrail` lists them, and a person has to end them.

use super::beginning::{begins_nothing, plan_waits};
use super::isolate::{failed, given_back, is_ripe, settling, unread};
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::credentials::{InstanceProfile, MetadataService, Sessions};
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::acquisition::capture_memory;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::credential_change::CredentialChange;
use crate::playbook::credentials::{Credentials, Role, profile_value};
use crate::playbook::effect::Effect;
use crate::playbook::quarantine::foreign_hold;
use crate::playbook::record::Fact;
use crate::playbook::role_policy::{CHARACTERS, Denied, InlinePolicy, Scope, cut_off};
use crate::playbook::seen::{Instance, InstanceState};
use crate::playbook::step::{Part, Refusal, State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "CredentialsCut",
    after: &[],
    wanted: |view| view.spec.level == Level::Isolated,
    needs: Some(Action::Isolate),
    next,
    undo,
    preview: super::sessions_left::preview,
};

/// Whether the role of the host has to be looked at.
pub(super) fn looks(view: &View<'_, Quarantine>) -> bool {
    let declared = view.spec.isolation.credentials;
    let held = |attribute: &Attribute| matches!(attribute, Attribute::Sessions(_) | Attribute::InstanceProfile);
    view.spec.level == Level::Isolated
        && (declared.sessions != Sessions::Leave
            || declared.profile == InstanceProfile::Remove
            || view.record.applied.keys().any(held))
}

/// What one look wants.
#[derive(Default)]
struct Work {
    facts: Vec<Fact>,
    stage: Vec<Effect>,
    parts: Vec<Part>,
    done: Vec<String>,
    /// What is not so yet.
    open: Vec<String>,
    blocked: Option<Refusal>,
    /// User ids of the sessions that are denied.
    users: Vec<String>,
}

impl Work {
    fn role(&mut self, policy: &InlinePolicy, state: &str) {
        let (name, message) = (policy.role.to_string(), policy.name.clone());
        self.parts.push(Part { kind: "role", name, state: state.to_owned(), message });
    }

    fn block(&mut self, reason: Reason, message: String) {
        self.blocked.get_or_insert_with(|| Refusal::new(reason, message));
    }

    /// Where the whole stands.
    fn state(&self, declared: bool) -> State {
        if let Some(refusal) = &self.blocked {
            return State::Blocked(refusal.clone());
        }
        match (self.open.as_slice(), self.done.as_slice()) {
            ([], []) if declared => State::skipped(Reason::NothingToDo, "no instance profile, and no metadata service"),
            ([], []) => State::skipped(Reason::NotDeclared, "spec.isolation leaves credentials and metadata service"),
            ([], done) => State::done(done.join("; ")),
            (open, _) => State::working(Reason::InProgress, open.join("; ")),
        }
    }
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let begun = view.record.applied.keys().any(Attribute::is_credential);
    if let Some(refused) = begins_nothing(view, begun || view.record.in_force.contains(&Action::Isolate)) {
        return refused;
    }
    if let Some(waits) = plan_waits(view) {
        return waits;
    }
    if let Err(refusal) = foreign_hold(view) {
        return Turn::new(State::Blocked(refusal));
    }
    let Some(instance) = view.seen.instance.value() else { return unread(&view.seen.instance) };
    let mut work = Work::default();
    let mut unread = None;
    match (view.seen.credentials.value(), view.seen.credentials.failure()) {
        _ if !looks(view) => {}
        (Some(seen), _) => {
            sessions(view, seen, &mut work);
            profile(view, seen, &mut work);
        }
        (None, Some(failure)) => unread = Some(failed(failure).again_in(view.account.recheck_seconds)),
        (None, None) => unread = Some(Turn::new(State::working(Reason::InProgress, "reads its role")).again_in(1)),
    }
    // What could not be read stops only what it is about. But a plan that a person approves names whom it touches, and must
    // not become another one because a look lacks that.
    let told = begun || !view.account.required.contains_key(&Action::Isolate);
    if let Some(turn) = unread.take_if(|_| !told) {
        return turn;
    }
    metadata_service(view, instance, &mut work);
    let isolation = &view.spec.isolation;
    let declared = looks(view) || isolation.metadata_service == MetadataService::Disable;
    let remark = chained(&work.users);
    let turn = unread.unwrap_or_else(|| Turn::new(work.state(declared)));
    let waits = work.stage.is_empty() && !work.open.is_empty() && turn.again_in.is_none();
    let turn = turn.then(work.stage).noting(work.facts).with_parts(work.parts).remarking(remark);
    if waits { turn.again_in(view.limits.poll_seconds) } else { turn }
}

/// What no policy of the role ends.
fn chained(users: &[String]) -> Option<String> {
    (!users.is_empty()).then(|| {
        format!(
            "sessions that it chained by AssumeRole stay valid: CloudTrail lists them, as AssumeRole by principal {}",
            users.join(", ")
        )
    })
}

fn sessions(view: &View<'_, Quarantine>, seen: &Credentials, work: &mut Work) {
    let instance = &view.spec.target.instance_id;
    for (policy, role) in &seen.roles {
        let attribute = Attribute::Sessions(policy.clone());
        let applied = view.record.applied.get(&attribute).and_then(|applied| Denied::of_value(&applied.value));
        let declared = view.spec.isolation.credentials.sessions != Sessions::Leave;
        let has = declared && seen.current.as_ref() == Some(&policy.role);
        if !has && applied.is_none() {
            continue;
        }
        let Some(role) = role else {
            work.role(policy, "Gone");
            continue;
        };
        if role.service_linked {
            work.block(Reason::InvalidRequest, service_linked(policy));
            continue;
        }
        let Some(document) = &role.policy else {
            if view.record.verified.contains(&attribute) {
                work.facts.push(Fact::Drift { attribute, foreign: other_document() });
            }
            work.block(Reason::Conflict, not_ours(policy));
            work.role(policy, "Foreign");
            continue;
        };
        let current = document.of(instance);
        let wish = wish(view, has, applied, current);
        let held = attribute::hold(view.record, &attribute, &wish.as_value(), &current.as_value());
        work.facts.extend(held.facts);
        if held.in_place {
            work.role(policy, "Denied");
            work.users.push(format!("{}:{instance}", role.id));
            work.done.push(said(policy, wish));
        } else if let Some((ours, others)) = role.beyond(instance, wish) {
            work.role(policy, "Full");
            work.block(Reason::QuotaExceeded, full(policy, ours, others));
        } else {
            work.role(policy, "Changing");
            work.open.push(format!("denies its sessions of role {}", policy.role));
            work.stage.push(deny(policy, role, instance, wish));
        }
    }
}

/// What is to be denied. What was set is put back as it was before more is asked for: that repair waits for nobody, and more
/// may have to. It never becomes less, whatever the spec says later.
fn wish(view: &View<'_, Quarantine>, has: bool, applied: Option<Denied>, current: Denied) -> Denied {
    let scope = if capture_memory::is_over(view) { Scope::All } else { Scope::AllButAgent };
    let revokes = has && view.spec.isolation.credentials.sessions == Sessions::RevokeRole;
    let declared = Denied { scope, issued_before: revokes.then(|| cut_off(view.now)) };
    match applied {
        None => declared,
        Some(applied) if applied != current => applied,
        Some(applied) => Denied { issued_before: applied.issued_before.or(declared.issued_before), ..declared },
    }
}

fn deny(policy: &InlinePolicy, role: &Role, instance: &crate::api::ids::InstanceId, denied: Denied) -> Effect {
    let (policy, role_id, instance) = (policy.clone(), role.id.clone(), instance.clone());
    Effect::Credentials(if denied == Denied::default() {
        CredentialChange::DeleteRolePolicy { policy, role_id, instance }
    } else {
        CredentialChange::PutRolePolicy { policy, role_id, instance, denied }
    })
}

fn said(policy: &InlinePolicy, denied: Denied) -> String {
    let what = if denied.scope == Scope::All { "everything" } else { "all but what the SSM agent needs for memory" };
    let older = if denied.issued_before.is_some() { ", and to all older sessions of the role," } else { "" };
    format!(
        "{what} is denied to its sessions of role {}{older} by policy {}; AWS may take a few minutes until it does so everywhere",
        policy.role, policy.name
    )
}

fn service_linked(policy: &InlinePolicy) -> String {
    format!(
        "role {} is a service-linked role, whose sessions AWS lets nobody revoke; set spec.isolation.credentials.sessions: Leave, \
         and profile: Remove",
        policy.role
    )
}

fn not_ours(policy: &InlinePolicy) -> String {
    format!(
        "role {} has an inline policy {} that is not of our form; it is left alone, and nothing is denied. Delete it, or set \
         another spec.naming.groupPrefix in the AwsAccount",
        policy.role, policy.name
    )
}

fn full(policy: &InlinePolicy, ours: usize, others: usize) -> String {
    format!(
        "the inline policies of role {} have {others} characters, and {} would have {ours} beside them: AWS allows {CHARACTERS} in \
         all. Make managed policies of some of them, and it goes on",
        policy.role, policy.name
    )
}

/// What stands where our document stood.
fn other_document() -> Value {
    Value::Text("another document".to_owned())
}

fn metadata_service(view: &View<'_, Quarantine>, instance: &Instance, work: &mut Work) {
    let Some(options) = &instance.metadata else { return };
    let (record, attribute) = (view.record, Attribute::MetadataService);
    let ours = record.applied.contains_key(&attribute);
    if view.spec.isolation.metadata_service == MetadataService::Leave && !ours {
        return;
    }
    if !ours && !capture_memory::is_over(view) {
        work.open.push("the metadata service stays on until memory is captured".to_owned());
        return;
    }
    let held = attribute::hold(record, &attribute, &Value::Flag(false), &Value::Flag(options.enabled));
    let others: Vec<String> = options.others.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let others = Fact::Baseline { attribute: Attribute::MetadataOptions, value: Value::Text(others.join(", ")) };
    let newer = held.facts.iter().any(|fact| matches!(fact, Fact::Baseline { .. }));
    work.facts.extend(newer.then_some(others));
    work.facts.extend(held.facts);
    if !held.in_place {
        let instance = instance.id.clone();
        work.open.push("switches its metadata service off".to_owned());
        work.stage
            .push(Effect::Credentials(CredentialChange::ModifyInstanceMetadataOptions { instance, enabled: false }));
    } else if options.pending && instance.state == InstanceState::Running {
        work.open
            .push("AWS has accepted to switch its metadata service off, and does not say yet that it is".to_owned());
    } else {
        work.done.push("its metadata service is off".to_owned());
    }
}

fn profile(view: &View<'_, Quarantine>, seen: &Credentials, work: &mut Work) {
    let attribute = Attribute::InstanceProfile;
    let ours = view.record.applied.contains_key(&attribute);
    if view.spec.isolation.credentials.profile == InstanceProfile::Leave && !ours {
        return;
    }
    if !ours && !capture_memory::is_over(view) {
        work.open.push("the instance profile stays until memory is captured".to_owned());
        return;
    }
    let current = profile_value(seen.association.as_ref().map(|association| association.profile.as_str()));
    let held = attribute::hold(view.record, &attribute, &profile_value(None), &current);
    work.facts.extend(held.facts);
    match &seen.association {
        Some(association) => {
            let (instance, association) = (view.spec.target.instance_id.clone(), association.id.clone());
            work.open.push("takes its instance profile from it".to_owned());
            let change = CredentialChange::DisassociateIamInstanceProfile { instance, association };
            work.stage.push(Effect::Credentials(change));
        }
        None if ours => work.done.push("its instance profile is taken from it".to_owned()),
        None => {}
    }
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let record = view.record;
    let owed = |attribute: &&Attribute| attribute.is_credential() && !record.given_back.contains_key(*attribute);
    let owed: Vec<&Attribute> = record.applied.keys().filter(owed).collect();
    let done = || Turn::new(given_back("credentials given back where ours still stood"));
    if owed.is_empty() || record.released {
        return done();
    }
    let of_role = |attribute: &&Attribute| !matches!(attribute, Attribute::MetadataService);
    let Some(seen) = view.seen.credentials.value().or((!owed.iter().any(of_role)).then_some(&NOTHING)) else {
        return unread(&view.seen.credentials);
    };
    let instance = view.seen.instance.value().filter(|_| !view.seen.is_gone());
    let (mut facts, mut host, mut role, mut waits) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for attribute in owed {
        let ripe = match attribute {
            Attribute::Sessions(_) => is_ripe(view, &view.seen.credentials),
            _ => is_ripe(view, &view.seen.instance),
        };
        match attribute::release(record, attribute, current(view, attribute, seen, instance).as_ref(), ripe) {
            Release::Done(more) => facts.extend(more),
            Release::Wait => waits += 1,
            Release::Restore(value) => {
                let stage = if matches!(attribute, Attribute::Sessions(_)) { &mut role } else { &mut host };
                stage.extend(restore(view, attribute, &value, seen));
            }
        }
    }
    let turn = match (host.is_empty() && role.is_empty(), waits) {
        (false, _) => Turn::new(State::working(Reason::InProgress, "gives the credentials back")),
        (true, 0) => done(),
        (true, _) => settling(view),
    };
    turn.then(host).then(role).noting(facts)
}

/// Where nothing is asked about a role.
static NOTHING: Credentials =
    Credentials { current: None, roles: std::collections::BTreeMap::new(), association: None, siblings: None };

/// What stands on an attribute; none where the thing is gone.
fn current(
    view: &View<'_, Quarantine>,
    attribute: &Attribute,
    seen: &Credentials,
    instance: Option<&Instance>,
) -> Option<Value> {
    match attribute {
        Attribute::Sessions(policy) => {
            let role = seen.roles.get(policy)?.as_ref()?;
            let of = |document: &crate::playbook::role_policy::RolePolicy| document.of(&view.spec.target.instance_id);
            Some(role.policy.as_ref().map_or_else(other_document, |document| of(document).as_value()))
        }
        Attribute::MetadataService => Some(Value::Flag(instance?.metadata.as_ref()?.enabled)),
        Attribute::InstanceProfile => {
            instance.map(|_| profile_value(seen.association.as_ref().map(|association| association.profile.as_str())))
        }
        _ => None,
    }
}

fn restore(view: &View<'_, Quarantine>, attribute: &Attribute, value: &Value, seen: &Credentials) -> Option<Effect> {
    let instance = view.spec.target.instance_id.clone();
    match (attribute, value) {
        (Attribute::Sessions(policy), _) => {
            let role = seen.roles.get(policy)?.as_ref()?;
            Some(deny(policy, role, &instance, Denied::of_value(value)?))
        }
        (Attribute::MetadataService, Value::Flag(enabled)) => {
            let enabled = *enabled;
            Some(Effect::Credentials(CredentialChange::ModifyInstanceMetadataOptions { instance, enabled }))
        }
        (Attribute::InstanceProfile, Value::Set(profiles)) => {
            let profile = profiles.first()?.clone();
            Some(Effect::Credentials(CredentialChange::AssociateIamInstanceProfile { instance, profile }))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "cut_credentials_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "cut_credentials_plan_tests.rs"]
mod plan_tests;
