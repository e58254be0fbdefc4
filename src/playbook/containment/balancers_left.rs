//! What a plan says of load balancers: what the host is taken out of, what is left of it, and what a release gives back.

use std::collections::BTreeSet;

use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::balancers::{Balancers, Health, Target, targets_of};
use crate::playbook::plan::PlanLine;
use crate::playbook::seen::Read;
use crate::playbook::step::View;

/// Registrations that one line of a plan names.
pub(super) const NAMED: usize = 3;

/// Lines of a plan about target groups and classic balancers.
const LINES: usize = 64;

/// The first of them, and how many more there are.
pub(super) fn named(targets: &BTreeSet<Target>) -> String {
    let first: Vec<String> = targets.iter().take(NAMED).map(ToString::to_string).collect();
    match targets.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The lines of the step.
pub(super) fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    let instance = &view.spec.target.instance_id;
    if view.spec.level == Level::Released {
        let lines = view.record.applied.keys().filter_map(|attribute| {
            let value = view.record.baseline.get(attribute)?;
            match attribute {
                Attribute::Targets(arn) => {
                    let targets = targets_of(value);
                    (!targets.is_empty()).then(|| {
                        format!(
                            "register {} again with target group {}, if nobody else did",
                            named(&targets),
                            arn.short()
                        )
                    })
                }
                Attribute::ClassicRegistration(name) => (*value == Value::Flag(true)).then(|| {
                    format!("register {instance} again with classic load balancer {name}, if nobody else did")
                }),
                _ => None,
            }
        });
        return lines.take(LINES).map(PlanLine::about).collect();
    }
    let lines: Vec<String> = match &view.seen.balancers {
        Read::Found { value, .. } => about(instance.as_str(), value),
        Read::Failed(failure) => vec![format!(
            "take {instance} out of every load balancer that has it; which ones is not known, since they could not be read \
             ({:?})",
            failure.reason
        )],
        Read::NotRead | Read::Absent { .. } => {
            vec![format!("take {instance} out of every load balancer that has it; which ones was not read yet")]
        }
    };
    lines.into_iter().map(PlanLine::about).collect()
}

/// A line for each balancer that has the host, with what is left of it.
fn about(instance: &str, seen: &Balancers) -> Vec<String> {
    let groups = seen.groups.iter().filter_map(|(arn, group)| Some((arn, group.as_ref()?)));
    let groups = groups.filter(|(_, group)| !group.registered.is_empty()).map(|(arn, group)| {
        let of = match group.load_balancers.as_slice() {
            [] => "no load balancer".to_owned(),
            some => some.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "),
        };
        format!(
            "take {} out of target group {} of {of}: {}",
            named(&group.registered),
            arn.short(),
            left(Some(group.health), "targets")
        )
    });
    let classic = seen.classic.iter().filter_map(|(name, balancer)| Some((name, balancer.as_ref()?)));
    let classic = classic.filter(|(_, balancer)| balancer.registered).map(|(name, balancer)| {
        format!("take {instance} out of classic load balancer {name}: {}", left(balancer.health, "instances"))
    });
    let mut lines: Vec<String> = groups.chain(classic).collect();
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("take it out of {more} more target groups or classic load balancers"));
    }
    if lines.is_empty() {
        return vec![format!("no load balancer has {instance} registered")];
    }
    lines.push(
        "connections through load balancers may last until the deregistration delay is over, an hour at most"
            .to_owned(),
    );
    lines
}

fn left(health: Option<Health>, what: &str) -> String {
    match health {
        None => format!("how many healthy {what} are left was not to be seen"),
        Some(Health { healthy_left, all }) => {
            format!("{healthy_left} healthy {what} are left, of {all} registered now")
        }
    }
}
