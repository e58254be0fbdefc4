//! Row C2: disable termination, set the shutdown behaviour to stop, and keep every volume when the instance
//! goes; stop protection beside it. Nothing of it cuts the host off, so it waits for nobody, and isolation
//! never waits for it.
//!
//! Not available: termination and stop protection on Spot instances, stop protection on instance-store roots
//! (EC2 guide). That is said, and the rest goes on.

use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Instance, ShutdownBehavior};
use crate::playbook::step::{Part, State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step { name: "Protected", after: &[], wanted, needs: None, next, undo, preview };

fn wanted(view: &View<'_, Quarantine>) -> bool {
    view.spec.level != Level::Released
}

/// What is protected: the attribute, our wish, what stands there now, and the change that sets it.
struct Guard {
    attribute: Attribute,
    wish: Value,
    current: Value,
}

fn guards(view: &View<'_, Quarantine>, instance: &Instance) -> Vec<Guard> {
    let mut guards = Vec::new();
    if let Some(seen) = view.seen.protections.value() {
        let mut flag = |attribute, current| {
            guards.push(Guard { attribute, wish: Value::Flag(true), current: Value::Flag(current) });
        };
        if available(instance, &Attribute::TerminationProtection) {
            flag(Attribute::TerminationProtection, seen.termination);
        }
        if available(instance, &Attribute::StopProtection) {
            flag(Attribute::StopProtection, seen.stop);
        }
        if available(instance, &Attribute::ShutdownBehavior) {
            guards.push(Guard {
                attribute: Attribute::ShutdownBehavior,
                wish: Value::shutdown(ShutdownBehavior::Stop),
                current: Value::shutdown(seen.shutdown),
            });
        }
    }
    for volume in &instance.volumes {
        guards.push(Guard {
            attribute: Attribute::DeleteOnTermination(volume.volume.clone()),
            wish: Value::Flag(false),
            current: Value::Flag(volume.delete_on_termination),
        });
    }
    guards
}

fn available(instance: &Instance, attribute: &Attribute) -> bool {
    match attribute {
        Attribute::TerminationProtection => !instance.spot,
        Attribute::StopProtection | Attribute::ShutdownBehavior => !instance.spot && instance.root_device_type == "ebs",
        _ => true,
    }
}

fn change(instance: &Instance, attribute: &Attribute, value: &Value) -> Option<Effect> {
    let id = instance.id.clone();
    Some(match (attribute, value) {
        (Attribute::TerminationProtection, Value::Flag(enabled)) => {
            Effect::SetTerminationProtection { instance: id, enabled: *enabled }
        }
        (Attribute::StopProtection, Value::Flag(enabled)) => {
            Effect::SetStopProtection { instance: id, enabled: *enabled }
        }
        (Attribute::ShutdownBehavior, Value::Text(text)) => Effect::SetShutdownBehavior {
            instance: id,
            behavior: if text == "stop" { ShutdownBehavior::Stop } else { ShutdownBehavior::Terminate },
        },
        (Attribute::DeleteOnTermination(volume), Value::Flag(enabled)) => Effect::SetDeleteOnTermination {
            instance: id,
            device: instance.volumes.iter().find(|v| v.volume == *volume)?.device.clone(),
            volume: volume.clone(),
            enabled: *enabled,
        },
        _ => return None,
    })
}

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let Some(instance) = view.seen.instance.value() else {
        return super::isolate::unread(&view.seen.instance);
    };
    let (mut facts, mut stage, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    let mut open = 0;
    for guard in guards(view, instance) {
        let held = attribute::hold(view.record, &guard.attribute, &guard.wish, &guard.current);
        facts.extend(held.facts);
        let state = if held.in_place { "Protected" } else { "Changing" };
        if !held.in_place {
            open += 1;
            stage.extend(change(instance, &guard.attribute, &guard.wish));
        }
        if let Attribute::DeleteOnTermination(volume) = &guard.attribute {
            parts.push(Part {
                kind: "volume",
                name: volume.to_string(),
                state: state.to_owned(),
                message: String::new(),
            });
        }
    }
    let missing = missing(instance);
    for part in &missing {
        let key = format!("Protected/{part}");
        if !view.record.given_up.contains_key(&key) {
            facts.push(Fact::GaveUp {
                step: "Protected".to_owned(),
                part: (*part).to_owned(),
                reason: "not available for this instance".to_owned(),
            });
        }
    }
    // Volumes are seen with the instance: what could not be read stops only what it is about.
    let unread = view.seen.protections.failure().map(|failure| super::isolate::failed::<Quarantine>(failure).state);
    let state = if let Some(unread) = unread {
        unread
    } else if view.seen.protections.value().is_none() {
        State::working(Reason::InProgress, "what protects the host already is read next".to_owned())
    } else if open > 0 {
        State::working(Reason::InProgress, format!("{open} attributes still to set"))
    } else if missing.is_empty() {
        State::done("termination and stop refused, shutdown stops, volumes stay")
    } else {
        State::skipped(
            Reason::NotCovered,
            format!("AWS offers no {} for this instance; the rest is protected", missing.join(", ")),
        )
    };
    Turn::new(state).then(stage).noting(facts).with_parts(parts)
}

fn missing(instance: &Instance) -> Vec<&'static str> {
    [
        (Attribute::TerminationProtection, "termination protection"),
        (Attribute::StopProtection, "stop protection"),
        (Attribute::ShutdownBehavior, "shutdown behaviour"),
    ]
    .into_iter()
    .filter(|(attribute, _)| !available(instance, attribute))
    .map(|(_, name)| name)
    .collect()
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let instance = view.seen.instance.value().filter(|_| !view.seen.is_gone());
    let current: Vec<Guard> = instance.map(|instance| guards(view, instance)).unwrap_or_default();
    let unread = instance.is_some() && view.seen.protections.value().is_none();
    let (mut facts, mut stage, mut waits) = (Vec::new(), Vec::new(), 0);
    for attribute in view.record.applied.keys().filter(|attribute| attribute.is_protection()) {
        let seen = current.iter().find(|guard| guard.attribute == *attribute).map(|guard| &guard.current);
        if unread && seen.is_none() {
            return super::isolate::unread(&view.seen.protections);
        }
        let ripe = super::isolate::is_ripe(view, &view.seen.instance);
        match attribute::release(view.record, attribute, seen, ripe) {
            Release::Done(more) => facts.extend(more),
            Release::Wait => waits += 1,
            Release::Restore(value) => {
                stage.extend(instance.and_then(|instance| change(instance, attribute, &value)));
            }
        }
    }
    let turn = match (stage.is_empty(), waits) {
        (false, _) => Turn::new(State::working(Reason::InProgress, "gives the protections back")),
        (true, 0) => Turn::new(super::isolate::given_back("given back where our value still stood")),
        (true, _) => super::isolate::settling(view),
    };
    turn.then(stage).noting(facts)
}

fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    if view.spec.level == Level::Released {
        let instance = &view.spec.target.instance_id;
        let held = view.record.applied.keys().filter(|attribute| attribute.is_protection());
        let back = held.filter_map(|attribute| {
            let value = view.record.baseline.get(attribute)?;
            Some(format!("set {attribute} of {instance} back to {value}, if our value still stands"))
        });
        // Where groups go back too, that was the first line.
        let first = (!super::isolate::reopens(view)).then(|| {
            format!("give {} back: what protects it from termination and stop goes", super::isolate::host(view))
        });
        return first.into_iter().chain(back).map(PlanLine::about).collect();
    }
    let instance = &view.spec.target.instance_id;
    vec![PlanLine::about(format!("{instance}: refuse termination and stop, let a shutdown stop it, keep its volumes"))]
}

#[cfg(test)]
#[path = "protect_tests.rs"]
mod tests;
