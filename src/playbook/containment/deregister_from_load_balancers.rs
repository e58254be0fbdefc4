//! Row C4: deregister the host from its load balancers: the classic ones, and every target group of the others, by
//! instance id and by each address of each interface, IPv4 and IPv6, secondary ones too.
//!
//! Settled when AWS has accepted it and shows it. Connections through a load balancer then end in their own time, up to an
//! hour (Elastic Load Balancing guides, deregistration delay): that they drain is said, and nothing waits for it. No other
//! step waits for this one, and it waits for none.
//!
//! What was registered is recorded in the same record as the first intent. It takes a look at every balancer of the account,
//! since AWS can't be asked by target. Registered again while the host is held, it is taken back and recorded as drift, also
//! where the host was not registered before. AWS may register a host only while it runs, and an address may have gone to
//! another host: such registrations are not given back, and that is said.

use std::collections::BTreeSet;

use super::balancers_left::{NAMED, named, preview};
use super::isolate;
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::ids::{LoadBalancerName, TargetGroupArn};
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Hold, Release, Value};
use crate::playbook::balancers::{Balancers, ClassicLoadBalancer, Target, TargetGroup, as_value, targets_of};
use crate::playbook::effect::Effect;
use crate::playbook::record::{Fact, Record};
use crate::playbook::seen::{InstanceState, Read};
use crate::playbook::step::{Part, State, Step, Turn, View};

/// Registrations that are taken from a group, or given back to it, at a time: who registers a host a thousand times must
/// not make a record that can't be written.
const TARGETS: usize = 64;

/// Registrations of a group that one record can say. What is beyond is taken back too, and not given back.
const RECORDED: usize = 500;

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "Deregistered",
    after: &[],
    wanted: |view| view.spec.level.asks_for(Level::Detached),
    needs: Some(Action::Isolate),
    next,
    undo,
    preview,
};

/// What one look wants.
#[derive(Default)]
struct Work {
    facts: Vec<Fact>,
    stage: Vec<Effect>,
    parts: Vec<Part>,
    /// Balancers that have the host.
    registered: usize,
    draining: usize,
    waits: usize,
}

impl Work {
    fn part(&mut self, kind: &'static str, name: &str, state: &str, message: String) {
        self.parts.push(Part { kind, name: name.to_owned(), state: state.to_owned(), message });
    }
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let record = view.record;
    let begun = record.in_force.contains(&Action::Isolate) || record.applied.keys().any(Attribute::is_registration);
    if let Some(refused) = super::beginning::begins_nothing(view, begun) {
        return refused;
    }
    let seen = match &view.seen.balancers {
        Read::Found { value, .. } => value,
        // The look goes over every load balancer of the account, whose calls others need too.
        failed @ Read::Failed(_) => return isolate::unread(failed).again_in(view.account.recheck_seconds),
        Read::NotRead | Read::Absent { .. } => {
            return Turn::new(State::working(Reason::InProgress, "looks for load balancers that have it")).again_in(1);
        }
    };
    let mut work = Work::default();
    for (arn, group) in &seen.groups {
        match group {
            Some(group) => take_targets(view, arn, group, &mut work),
            None => work.part("targetGroup", arn.short(), "Gone", String::new()),
        }
    }
    for (name, balancer) in &seen.classic {
        match balancer {
            Some(balancer) => take_instance(view, name, *balancer, &mut work),
            None => work.part("classicLoadBalancer", name.as_str(), "Gone", String::new()),
        }
    }
    let state = if work.registered > 0 {
        State::working(Reason::InProgress, format!("{} load balancers or target groups have it still", work.registered))
    } else if seen.whole || view.record.deregistered_at.is_some() {
        if view.record.deregistered_at.is_none() {
            work.facts.push(Fact::Deregistered);
        }
        State::done(match work.parts.iter().filter(|part| part.state != "Unclear").count() {
            0 => "no load balancer has it registered".to_owned(),
            count => format!("{count} load balancers or target groups have it no more"),
        })
    } else {
        State::working(Reason::InProgress, "looks for more load balancers that have it")
    };
    let turn = Turn::new(state).then(work.stage).noting(work.facts).with_parts(work.parts);
    let turn = turn.remarking(remark(seen, work.draining));
    // The look at all of them is under way.
    if !seen.whole && view.record.deregistered_at.is_none() { turn.again_in(1) } else { turn }
}

fn take_targets(view: &View<'_, Quarantine>, arn: &TargetGroupArn, group: &TargetGroup, work: &mut Work) {
    let attribute = Attribute::Targets(arn.clone());
    work.draining += group.draining.len();
    // Where it only drains somebody else was quicker: nothing is ours to take or to give back.
    if !group.registered.is_empty() || view.record.baseline.contains_key(&attribute) {
        let held = hold(view.record, &attribute, &as_value([]), &as_value(group.registered.iter().take(RECORDED)));
        work.facts.extend(held.facts);
        work.facts.extend(beyond(view.record, arn, group.registered.len()));
        if !held.in_place {
            let targets = group.registered.iter().take(TARGETS).cloned().collect();
            work.stage.push(Effect::DeregisterTargets { target_group: arn.clone(), targets });
        }
    }
    let state = match (group.registered.is_empty(), group.draining.is_empty()) {
        (false, _) => "Registered",
        (true, false) => "Draining",
        (true, true) if group.unclear.is_empty() => "Deregistered",
        (true, true) => "Unclear",
    };
    work.registered += usize::from(!group.registered.is_empty());
    let targets = if group.registered.is_empty() { &group.draining } else { &group.registered };
    work.part("targetGroup", arn.short(), state, named(targets));
}

/// Says once that a group has the host more often than a record can say.
fn beyond(record: &Record, arn: &TargetGroupArn, count: usize) -> Option<Fact> {
    let part = arn.short().to_owned();
    let said = record.given_up.contains_key(&format!("Deregistered/{part}"));
    let more = count.checked_sub(RECORDED).filter(|more| *more > 0 && !said)?;
    let reason = format!("{more} registrations more than a record can say: taken back, and not given back at release");
    Some(Fact::GaveUp { step: "Deregistered".to_owned(), part, reason })
}

fn take_instance(view: &View<'_, Quarantine>, name: &LoadBalancerName, seen: ClassicLoadBalancer, work: &mut Work) {
    let ClassicLoadBalancer { registered, draining, .. } = seen;
    let attribute = Attribute::ClassicRegistration(name.clone());
    if registered || view.record.baseline.contains_key(&attribute) {
        let held = hold(view.record, &attribute, &Value::Flag(false), &Value::Flag(registered));
        work.facts.extend(held.facts);
        if !held.in_place {
            let instance = view.spec.target.instance_id.clone();
            work.stage.push(Effect::DeregisterInstance { load_balancer: name.clone(), instance });
        }
    }
    work.registered += usize::from(registered);
    work.draining += usize::from(draining);
    let state = match (registered, draining) {
        (true, _) => "Registered",
        (false, true) => "Draining",
        (false, false) => "Deregistered",
    };
    work.part("classicLoadBalancer", name.as_str(), state, String::new());
}

/// As every attribute is held; but once the host was seen registered nowhere, a balancer that we did not know is somebody
/// else's change, and what is given back one day is what stood before it.
fn hold(record: &Record, attribute: &Attribute, wish: &Value, current: &Value) -> Hold {
    if record.deregistered_at.is_none() || record.holds(attribute) || current == wish {
        return attribute::hold(record, attribute, wish, current);
    }
    let drift = Fact::Drift { attribute: attribute.clone(), foreign: current.clone() };
    let baseline = Fact::Baseline { attribute: attribute.clone(), value: wish.clone() };
    Hold { in_place: false, facts: vec![drift, baseline] }
}

fn remark(seen: &Balancers, draining: usize) -> Option<String> {
    let drains = (draining > 0).then(|| {
        format!(
            "{draining} registrations drain: connections through their load balancers may last until the deregistration delay \
             of the target group is over, an hour at most"
        )
    });
    let groups = seen.groups.iter().filter_map(|(arn, group)| Some((arn, group.as_ref()?)));
    let unclear = groups.filter(|(_, group)| !group.unclear.is_empty()).take(NAMED).map(|(arn, group)| {
        let addresses: Vec<&str> = group.unclear.iter().map(String::as_str).take(NAMED).collect();
        format!(
            "{} in {} may be this host or another one with the same address: left registered; deregister it by hand if it is \
             this one",
            addresses.join(", "),
            arn.short()
        )
    });
    let all: Vec<String> = drains.into_iter().chain(unclear).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let record = view.record;
    let owed = |attribute: &&Attribute| attribute.is_registration() && !record.given_back.contains_key(*attribute);
    let owed: Vec<&Attribute> = record.applied.keys().filter(owed).collect();
    let done = || Turn::new(isolate::given_back("registered again where nobody else did"));
    if owed.is_empty() || record.released {
        return done();
    }
    let gone = view.seen.is_gone();
    let seen = match view.seen.balancers.value() {
        Some(seen) => Some(seen),
        None if gone => None,
        None => return isolate::unread(&view.seen.balancers),
    };
    let ripe = match seen {
        Some(_) if !gone => isolate::is_ripe(view, &view.seen.balancers),
        _ => isolate::is_ripe(view, &view.seen.instance),
    };
    let seen = seen.filter(|_| !gone);
    let mut work = Work::default();
    for attribute in owed {
        give_back(view, attribute, seen, ripe, &mut work);
    }
    let turn = match (work.stage.is_empty(), work.draining, work.waits) {
        (false, ..) => Turn::new(State::working(Reason::InProgress, "registers it again with its load balancers")),
        (true, 0, 0) => done(),
        (true, 0, _) => isolate::settling(view),
        (true, ..) => Turn::new(State::working(
            Reason::Waiting,
            "addresses drain still: AWS takes them back when the deregistration delay is over, an hour at most",
        ))
        .again_in(view.limits.poll_seconds),
    };
    turn.then(work.stage).noting(work.facts)
}

/// Gives one registration back, as far as AWS takes it and it is the host's still.
fn give_back(
    view: &View<'_, Quarantine>,
    attribute: &Attribute,
    seen: Option<&Balancers>,
    ripe: bool,
    work: &mut Work,
) {
    let current = seen.and_then(|seen| current(seen, attribute));
    let back = view.record.baseline.get(attribute).map(|value| restorable(view, value)).unwrap_or_default();
    let there = current.as_ref().map(targets_of).unwrap_or_default();
    let began = !there.is_empty() && there.len() < back.len() && there.is_subset(&back);
    let released = match attribute {
        // A part of it stands: the rest is on its way, drains still, or was more than goes at a time.
        Attribute::Targets(arn) if began && registers(view.record, arn) => Release::Restore(as_value(&back)),
        _ => attribute::release(view.record, attribute, current.as_ref(), ripe),
    };
    match (released, attribute) {
        (Release::Done(facts), _) => work.facts.extend(facts),
        (Release::Restore(_), Attribute::Targets(arn)) if !back.is_empty() => {
            let drains = draining(seen, arn);
            let (later, now): (BTreeSet<_>, BTreeSet<_>) =
                back.difference(&there).cloned().partition(|target| drains.contains(target.id.as_str()));
            work.draining += later.len();
            let targets: BTreeSet<Target> = now.into_iter().take(TARGETS).collect();
            if !targets.is_empty() {
                work.stage.push(Effect::RegisterTargets { target_group: arn.clone(), targets });
            }
        }
        (Release::Restore(_), Attribute::ClassicRegistration(name)) if runs(view) => {
            let instance = view.spec.target.instance_id.clone();
            work.stage.push(Effect::RegisterInstance { load_balancer: name.clone(), instance });
        }
        (Release::Restore(_), _) if ripe => {
            work.facts.push(Fact::LeftAsFound { attribute: attribute.clone(), value: current });
        }
        (Release::Wait | Release::Restore(_), _) => work.waits += 1,
    }
}

/// Addresses that AWS takes back only when they have drained (Elastic Load Balancing guides, register targets).
fn draining<'a>(seen: Option<&'a Balancers>, arn: &TargetGroupArn) -> BTreeSet<&'a str> {
    let group = seen.and_then(|seen| seen.groups.get(arn)?.as_ref());
    let targets = group.into_iter().flat_map(|group| &group.draining).filter(|target| !target.is_instance());
    targets.map(|target| target.id.as_str()).collect()
}

fn current(seen: &Balancers, attribute: &Attribute) -> Option<Value> {
    match attribute {
        Attribute::Targets(arn) => seen.groups.get(arn)?.as_ref().map(|group| as_value(&group.registered)),
        Attribute::ClassicRegistration(name) => {
            seen.classic.get(name)?.as_ref().map(|balancer| Value::Flag(balancer.registered))
        }
        _ => None,
    }
}

/// Registrations that AWS would take: of an instance while it runs, of an address while it is the host's.
fn restorable(view: &View<'_, Quarantine>, value: &Value) -> BTreeSet<Target> {
    let interfaces = view.seen.interfaces.value().into_iter().flatten();
    let addresses: BTreeSet<&String> = interfaces.flat_map(|i| i.private_ips.iter().chain(&i.ipv6)).collect();
    let takes = |target: &Target| if target.is_instance() { runs(view) } else { addresses.contains(&target.id) };
    targets_of(value).into_iter().filter(takes).collect()
}

fn runs(view: &View<'_, Quarantine>) -> bool {
    view.seen.instance.value().is_some_and(|instance| instance.state == InstanceState::Running)
}

/// Whether a group was asked a short time ago to take the host back.
fn registers(record: &Record, arn: &TargetGroupArn) -> bool {
    let is_it = |effect: &Effect| matches!(effect, Effect::RegisterTargets { target_group, .. } if target_group == arn);
    record.operations.values().any(|operation| is_it(&operation.effect))
}

#[cfg(test)]
#[path = "deregister_from_load_balancers_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "deregister_from_load_balancers_more_tests.rs"]
mod more_tests;
