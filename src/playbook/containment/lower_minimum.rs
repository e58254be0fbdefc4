//! Row C3, a group that may not shrink: its minimum size is lowered by one, where that is declared and a person approved it.
//!
//! Others rely on the minimum, so it is lowered only where the desired capacity can't fall otherwise, recorded before, and
//! given back at release, after the host is back in service.

use super::isolate::{failed, given_back, is_ripe, settling, unread};
use crate::api::approval::Action;
use crate::api::auto_scaling::HoldInGroup;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{self, Attribute, Release, Value};
use crate::playbook::auto_scaling::{self as scaling, AutoScalingGroup, Phase, baselines, size_value};
use crate::playbook::covered::GROUP;
use crate::playbook::effect::Effect;
use crate::playbook::group_change::GroupChange;
use crate::playbook::plan::PlanLine;
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "MinimumLowered",
    after: &[],
    wanted: |view| view.spec.level != Level::Released && view.spec.auto_scaling.lower_minimum,
    needs: Some(Action::LowerMinimum),
    next,
    undo,
    preview,
};

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    if let Some(attribute) = lowered(view) {
        return standing(view, attribute);
    }
    match view.seen.auto_scaling.failure() {
        Some(failure) => return failed(failure).again_in(view.account.recheck_seconds),
        None if view.seen.auto_scaling.value().is_none() => return unread(&view.seen.auto_scaling),
        None => {}
    }
    let Some(group) = in_the_way(view) else {
        let told = "the minimum size of an Auto Scaling group is not in the way";
        return Turn::new(State::skipped(Reason::NothingToDo, told));
    };
    Turn::new(State::working(
        Reason::InProgress,
        format!("lowers the minimum size of Auto Scaling group {}", group.name),
    ))
    .then(vec![lower(&group.name, group.desired - 1)])
    .noting(baselines(view, true))
}

/// What was lowered stands until the host has left service; after that it hinders nothing, whatever it is.
fn standing(view: &View<'_, Quarantine>, attribute: &Attribute) -> Turn<Quarantine> {
    let Attribute::MinSize(name) = attribute else { return Turn::new(State::done("lowered")) };
    let done = || Turn::new(State::done(format!("the minimum size of Auto Scaling group {name} was lowered by one")));
    let Some(group) = scaling::group(view).filter(|group| group.name == *name) else { return done() };
    let Some(Value::Text(wish)) = view.record.applied.get(attribute).map(|applied| &applied.value) else {
        return done();
    };
    if view.record.replaced.is_some() {
        return done();
    }
    let wish_value = Value::Text(wish.clone());
    let held = attribute::hold(view.record, attribute, &wish_value, &size_value(group.minimum));
    match (held.in_place, wish.parse()) {
        (false, Ok(size)) => {
            let told = format!("lowers the minimum size of Auto Scaling group {name}");
            Turn::new(State::working(Reason::InProgress, told)).then(vec![lower(name, size)]).noting(held.facts)
        }
        _ => done().noting(held.facts),
    }
}

fn lower(group: &str, min_size: i32) -> Effect {
    Effect::AutoScaling(GroupChange::UpdateAutoScalingGroup { group: group.to_owned(), min_size })
}

/// The minimum size that we set.
fn lowered<'a>(view: &View<'a, Quarantine>) -> Option<&'a Attribute> {
    view.record.applied.keys().find(|attribute| matches!(attribute, Attribute::MinSize(_)))
}

/// The group whose minimum keeps the host from leaving service.
fn in_the_way<'a>(view: &View<'a, Quarantine>) -> Option<&'a AutoScalingGroup> {
    let member = scaling::membership(view)?;
    let declared = &view.spec.auto_scaling;
    let leaves = declared.hold == HoldInGroup::Standby || view.spec.level.asks_for(Level::Detached);
    if declared.replace || !leaves || member.phase() != Phase::InService || view.record.replaced.is_some() {
        return None;
    }
    let full = |group: &&AutoScalingGroup| group.name == member.group && group.desired <= group.minimum;
    scaling::group(view).filter(full).filter(|group| group.desired > 0)
}

fn undo(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let Some(attribute @ Attribute::MinSize(name)) = lowered(view).filter(|_| !view.record.released) else {
        return Turn::new(given_back("no minimum size was lowered"));
    };
    if view.seen.auto_scaling.value().is_none() && !view.seen.is_gone() {
        return unread(&view.seen.auto_scaling);
    }
    let group = scaling::group(view).filter(|group| group.name == *name);
    let current = group.map(|group| size_value(group.minimum));
    let ripe = is_ripe(view, &view.seen.auto_scaling);
    match attribute::release(view.record, attribute, current.as_ref(), ripe) {
        Release::Done(facts) => Turn::new(given_back("the minimum size given back")).noting(facts),
        Release::Wait => settling(view),
        Release::Restore(_) => {
            let former = scaling::size_before(view.record, attribute).map(|size| lower(name, size));
            Turn::new(State::working(Reason::InProgress, "gives the minimum size of its group back"))
                .then(former.into_iter().collect())
        }
    }
}

fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    let group = super::stop_replacement::group_of(view);
    let Some(group) = group else { return Vec::new() };
    let before = scaling::size_before(view.record, &Attribute::MinSize(group.to_owned()));
    if view.spec.level == Level::Released {
        let back = before.filter(|_| lowered(view).is_some()).map(|before| {
            PlanLine::about(format!(
                "set minSize of Auto Scaling group {group} back to {before}, if our value still stands"
            ))
        });
        return back.into_iter().collect();
    }
    let desired = scaling::size_before(view.record, &Attribute::DesiredCapacity(group.to_owned()));
    let sizes = before.zip(desired).or_else(|| scaling::group(view).map(|group| (group.minimum, group.desired)));
    let numbers = sizes.map_or_else(String::new, |(minimum, desired)| {
        format!(" from {minimum} to {} (desired capacity {desired}, then {})", desired - 1, desired - 1)
    });
    vec![PlanLine {
        text: format!(
            "lower the minimum size of Auto Scaling group {group}{numbers}, so that {} can leave service without another \
             instance in its place; given back at release",
            view.spec.target.instance_id
        ),
        neighbour: Some(format!("{GROUP}{group}")),
    }]
}

#[cfg(test)]
#[path = "lower_minimum_tests.rs"]
mod tests;
