//! Row C6, what the playbook forgets: what carries traffic of a host though its interfaces are closed.
//!
//! Where it can be ended without anybody else feeling it, it is: public addresses are taken (`public_addresses`), and AWS is
//! told to forget tracked connections after a minute without a packet (`idle_timeouts`). All of it is looked at and sent once
//! the host is closed, so that nothing of it delays that.
//!
//! The rest is a report: one line a path, with why it is open and what closes it, from what was seen of this host
//! (`survivors`). What a line names is a field of the spec, or a call that a person has to weigh, since others feel it too.
//! Whether anything still flows only flow logs show, and they are not read yet: so the condition never says more than Unknown.

use super::beginning::begins_nothing;
use super::isolate::{given_back, is_ripe, settling, unread};
use super::public_addresses::{self, Back};
use super::{idle_timeouts, survivors};
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::effect::Effect;
use crate::playbook::interface::{IdleTimeouts, elastic_value};
use crate::playbook::network_change::NetworkChange;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Interface, Read};
use crate::playbook::step::{Part, State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: NAME,
    after: &["Isolated"],
    wanted: |view| view.spec.level == Level::Isolated,
    needs: Some(Action::Isolate),
    next,
    undo,
    preview,
};

/// Its name, by which its parts are told from those of others.
pub const NAME: &str = "FlowsCut";

/// What one look wants.
#[derive(Default)]
pub(super) struct Work {
    pub facts: Vec<Fact>,
    /// What is being done.
    doing: Vec<String>,
    stage: Vec<Effect>,
    /// What can't be done.
    pub said: Vec<String>,
    /// What is not done yet, and what it waits for.
    pub waits: Option<String>,
}

impl Work {
    pub fn send(&mut self, doing: String, change: NetworkChange) {
        self.doing.push(doing);
        self.stage.push(Effect::Network(change));
    }
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let begun = view.record.in_force.contains(&Action::Isolate);
    if let Some(refused) = begins_nothing(view, begun) {
        return refused;
    }
    let Some(interfaces) = view.seen.interfaces.value() else { return unread(&view.seen.interfaces) };
    let Some(instance) = view.seen.instance.value() else { return unread(&view.seen.instance) };
    let mut work = Work::default();
    for interface in interfaces {
        public_addresses::take(view, interface, &mut work);
        idle_timeouts::shorten(view, interface, &mut work);
    }
    let survivors = survivors::of(view, instance, interfaces);
    let state = match work.waits {
        _ if !work.stage.is_empty() => State::working(Reason::InProgress, work.doing.join("; ")),
        Some(waits) => State::working(Reason::Waiting, waits),
        None => State::unknown(Reason::FlowLogsNotRead, told(view, survivors.len(), &work.said)),
    };
    let parts = survivors.into_iter().map(|survivor| Part {
        kind: "survivor",
        name: survivor.path,
        state: "MayCarry".to_owned(),
        message: format!("{}; closed by {}", survivor.why, survivor.closed_by),
    });
    Turn::new(state).then(work.stage).noting(work.facts).with_parts(parts.collect())
}

fn told(view: &View<'_, Quarantine>, survivors: usize, said: &[String]) -> String {
    let count = match survivors {
        1 => "1 path".to_owned(),
        more => format!("{more} paths"),
    };
    let mut all = vec![format!(
        "{count} may still carry traffic: status.survivors says which, why, and what closes them; whether any does is not \
         known, since flow logs are not read"
    )];
    let beside = "routes, endpoints, shared volumes and the serial console";
    match &view.seen.ways {
        Read::Found { value, .. } => {
            let failed = value.failures().map(|(what, failure)| format!("{what} not among them: {}", failure.message));
            all.extend(failed);
        }
        Read::Failed(failure) => all.push(format!("{beside} are not among them: {}", failure.message)),
        Read::NotRead | Read::Absent { .. } => all.push(format!("{beside} were not read yet")),
    }
    all.extend(said.iter().cloned());
    all.join("; ")
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let record = view.record;
    let done = || Turn::new(given_back("addresses and idle timeouts given back where ours still stood"));
    let owed = |attribute: &&Attribute| attribute.is_of_flows() && !record.given_back.contains_key(*attribute);
    let owed: Vec<&Attribute> = record.applied.keys().filter(owed).collect();
    if owed.is_empty() || record.released {
        return done();
    }
    let interfaces = match view.seen.interfaces.value() {
        Some(interfaces) => interfaces.as_slice(),
        None if view.seen.is_gone() => &[],
        None => return unread(&view.seen.interfaces),
    };
    // One that was detached keeps its addresses.
    let Some(held) = view.seen.held.value() else { return unread(&view.seen.held) };
    let ripe = is_ripe(view, &view.seen.interfaces) && is_ripe(view, &view.seen.held);
    let (mut facts, mut stage, mut waits) = (Vec::new(), Vec::new(), 0);
    for attribute in owed {
        let found = of(attribute).and_then(|id| interfaces.iter().chain(held).find(|interface| interface.id == *id));
        let current = found.and_then(|interface| current(interface, attribute));
        match attribute::release(record, attribute, current.as_ref(), ripe) {
            Release::Done(more) => facts.extend(more),
            Release::Wait => waits += 1,
            Release::Restore(value) => match (attribute, &value, found) {
                (Attribute::ElasticAddress(_, private_ip), _, Some(interface)) => {
                    match public_addresses::give_back(view, interface, private_ip, &value) {
                        Back::Send(effect) => stage.push(effect),
                        Back::Left(value) => {
                            facts.push(Fact::LeftAsFound { attribute: attribute.clone(), value: Some(value) });
                        }
                        Back::Wait => waits += 1,
                        Back::Unread => return unread(&view.seen.addresses),
                    }
                }
                (Attribute::AutomaticAddress(id), Value::Flag(enabled), _) => {
                    let change = NetworkChange::AssociatePublicIpAddress { interface: id.clone(), enabled: *enabled };
                    let effect = Effect::Network(change);
                    // When AWS assigns it is its own affair: a host that is stopped gets one when it is started.
                    if !was_accepted(view, &effect) {
                        stage.push(effect);
                    } else if ripe {
                        facts.push(Fact::Restored { attribute: attribute.clone() });
                    } else {
                        waits += 1;
                    }
                }
                (Attribute::IdleTimeouts(id), value, _) => stage.extend(
                    IdleTimeouts::of_value(value)
                        .map(IdleTimeouts::settable)
                        .map(|timeouts| NetworkChange::SetIdleTimeouts { interface: id.clone(), timeouts })
                        .map(Effect::Network),
                ),
                _ => {}
            },
        }
    }
    let turn = match (stage.is_empty(), waits) {
        (false, _) => Turn::new(State::working(Reason::InProgress, "gives addresses and idle timeouts back")),
        (true, 0) => done(),
        (true, _) => settling(view),
    };
    turn.then(stage).noting(facts)
}

fn was_accepted(view: &View<'_, Quarantine>, effect: &Effect) -> bool {
    view.record.operations.values().any(|operation| operation.outcome.is_some() && operation.effect == *effect)
}

/// The interface that an attribute is of.
const fn of(attribute: &Attribute) -> Option<&crate::api::ids::InterfaceId> {
    match attribute {
        Attribute::ElasticAddress(id, _) | Attribute::AutomaticAddress(id) | Attribute::IdleTimeouts(id) => Some(id),
        _ => None,
    }
}

/// What stands on an attribute; none where it was not shown.
fn current(interface: &Interface, attribute: &Attribute) -> Option<Value> {
    match attribute {
        Attribute::ElasticAddress(_, private_ip) => {
            Some(elastic_value(interface.elastic.get(private_ip).map(|held| &held.allocation)))
        }
        Attribute::AutomaticAddress(_) => Some(Value::Flag(interface.automatic.is_some())),
        Attribute::IdleTimeouts(_) => interface.idle_timeouts.map(IdleTimeouts::as_value),
        _ => None,
    }
}

fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    if view.spec.level != Level::Released {
        let lines = public_addresses::preview(view).into_iter().chain(idle_timeouts::preview(view));
        return lines.map(PlanLine::about).collect();
    }
    let back = view.record.applied.keys().filter_map(|attribute| {
        let value = view.record.baseline.get(attribute)?;
        match (attribute, value) {
            (Attribute::ElasticAddress(interface, private_ip), Value::Set(ids)) => ids.first().map(|id| {
                format!("associate {id} with {private_ip} of {interface} again, if nobody took it meanwhile")
            }),
            (Attribute::AutomaticAddress(interface), Value::Flag(true)) => {
                Some(format!("let AWS assign {interface} a public address again: it is another one than before"))
            }
            (Attribute::IdleTimeouts(interface), value) => Some(idle_timeouts::given_back(interface, value)),
            _ => None,
        }
    });
    back.map(PlanLine::about).collect()
}

#[cfg(test)]
#[path = "cut_flows_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "cut_flows_back_tests.rs"]
mod back_tests;
