//! Row D7: capture what the host is: type, id, addresses, groups, VPC, subnet, Region, AMI, launch time; and
//! what is around it: volumes, interfaces, profile, tags, user data, console output and screenshot,
//! membership of Auto Scaling groups and load balancers.
//!
//! Two facts: the first is read on the way to containment anyway; the second takes more calls and follows.
//! User data may hold secrets and console output is long: a digest and their size are recorded.

use std::collections::BTreeMap;

use super::bounded;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::plan::PlanLine;
use crate::playbook::seen::{Blob, Read};
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "MetadataCaptured",
    after: &[],
    wanted: |_| true,
    needs: None,
    next,
    undo: |_| Turn::new(State::done("recorded; nothing to give back")),
    preview: |view| match view.spec.level {
        Level::Released => Vec::new(),
        _ => vec![PlanLine::about("record what the host is and what is around it")],
    },
};

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let mut facts = Vec::new();
    let (Some(instance), Some(interfaces)) = (view.seen.instance.value(), view.seen.interfaces.value()) else {
        return super::super::containment::isolate::unread(&view.seen.interfaces);
    };
    if !view.record.metadata {
        facts.push(bounded::metadata(instance.clone(), interfaces));
    }
    let mut count = format!("{} interfaces, {} volumes", interfaces.len(), instance.volumes.len());
    if let Some(told) = left_out(&view.record.left_out) {
        count.push_str(&told);
    }
    if view.record.surroundings {
        return Turn::new(State::done(count)).noting(facts);
    }
    match &view.seen.surroundings {
        Read::Found { value, .. } => {
            let unread = value.blobs.iter().filter(|(_, blob)| matches!(blob, Blob::Unreadable { .. })).count();
            let message = match unread {
                0 => count,
                _ => format!("{count}; {unread} of console output, screenshot and user data could not be read"),
            };
            facts.push(bounded::surroundings(value.clone()));
            Turn::new(State::done(message)).noting(facts)
        }
        Read::Failed(failure) => {
            let state = if failure.reason == Reason::PermissionMissing {
                State::Blocked(crate::playbook::step::Refusal::new(failure.reason, failure.message.clone()))
            } else {
                State::working(failure.reason, failure.message.clone())
            };
            // The look goes over every load balancer of the account, whose calls others need too.
            Turn::new(state).noting(facts).again_in(view.account.recheck_seconds)
        }
        Read::NotRead | Read::Absent { .. } => {
            Turn::new(State::working(Reason::InProgress, "reads groups, load balancers and console"))
                .noting(facts)
                .again_in(u32::from(view.record.metadata))
        }
    }
}

/// What the record had no room for.
fn left_out(counts: &BTreeMap<String, u64>) -> Option<String> {
    let told: Vec<String> = counts.iter().map(|(list, count)| format!("{count} of {list}")).collect();
    (!told.is_empty()).then(|| {
        format!(
            "; the record had no room for {}, of which it keeps count and digest: describe them in AWS",
            told.join(", ")
        )
    })
}

#[cfg(test)]
#[path = "capture_metadata_tests.rs"]
mod tests;
