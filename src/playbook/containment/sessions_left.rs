//! What a plan says of credentials: what is denied, who else has the role, what stays valid, and what a release gives back.

use crate::api::credentials::{InstanceProfile, MetadataService, Sessions};
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::credentials::Credentials;
use crate::playbook::plan::PlanLine;
use crate::playbook::role_policy::Denied;
use crate::playbook::seen::Read;
use crate::playbook::step::View;

/// Instances that one line of a plan names.
const NAMED: usize = 3;

/// The lines of the step.
pub(super) fn preview(view: &View<'_, Quarantine>) -> Vec<PlanLine> {
    if view.spec.level == Level::Released {
        return given_back(view).into_iter().map(PlanLine::about).collect();
    }
    let declared = view.spec.isolation.credentials;
    let mut lines = Vec::new();
    if declared.sessions != Sessions::Leave {
        match &view.seen.credentials {
            Read::Found { value, .. } => lines.extend(denied(view, value)),
            Read::Failed(failure) => lines.push(PlanLine::about(format!(
                "deny everything to the sessions of its role; which role that is is not known, since it could not be read ({:?})",
                failure.reason
            ))),
            Read::NotRead | Read::Absent { .. } => lines.push(PlanLine::about(
                "deny everything to the sessions of its role; which role that is was not read yet",
            )),
        }
    }
    let instance = &view.spec.target.instance_id;
    if declared.profile == InstanceProfile::Remove {
        lines.push(PlanLine::about(format!("take the instance profile from {instance}, until it is given back")));
    }
    if view.spec.isolation.metadata_service == MetadataService::Disable {
        lines.push(PlanLine::about(format!(
            "switch the metadata service of {instance} off: what runs on it gets no new credentials, until it is given back"
        )));
    }
    lines
}

fn denied(view: &View<'_, Quarantine>, seen: &Credentials) -> Vec<PlanLine> {
    let instance = &view.spec.target.instance_id;
    let Some(role) = &seen.current else {
        return vec![PlanLine::about(format!(
            "{instance} has no role by an instance profile, and so no sessions of one"
        ))];
    };
    let mut lines = vec![PlanLine::about(format!(
        "deny everything to the sessions that {instance} got of role {role}, wherever they are used, by an inline policy of the \
         role that is taken back at release; what fails meanwhile for want of them can't be undone"
    ))];
    let siblings = seen.siblings.as_ref().map(|all| {
        let named: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
        let more = match all.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (all.len(), format!("{}{more}", named.join(", ")))
    });
    let revokes = view.spec.isolation.credentials.sessions == Sessions::RevokeRole;
    let told = match (&siblings, revokes) {
        (None, _) => "which other instances have its instance profile was not to be seen".to_owned(),
        (Some((0, _)), _) => "no other instance of the Region has its instance profile".to_owned(),
        (Some((count, named)), false) => {
            format!("{count} other instances of the Region have its instance profile and keep their sessions: {named}")
        }
        (Some((count, named)), true) => format!(
            "{count} other instances of the Region have its instance profile, and lose theirs until they get new ones: {named}"
        ),
    };
    if revokes {
        lines.push(PlanLine {
            text: format!(
                "deny everything to every session of role {role} that was issued before then, on whichever host or service: each is \
                 denied until it gets new credentials, which may take hours"
            ),
            neighbour: Some(format!("role/{role}")),
        });
        let all = seen.siblings.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(",");
        lines.push(PlanLine { text: told, neighbour: Some(format!("instances/{all}")) });
    } else {
        lines.push(PlanLine::about(told));
    }
    lines.push(PlanLine::about(
        "sessions that it chained by AssumeRole are of other roles and stay valid; CloudTrail lists them",
    ));
    lines
}

fn given_back(view: &View<'_, Quarantine>) -> Vec<String> {
    let instance = &view.spec.target.instance_id;
    let lines = view.record.applied.keys().filter_map(|attribute| {
        let value = view.record.baseline.get(attribute)?;
        match (attribute, value) {
            (Attribute::Sessions(policy), _) if Denied::of_value(value) == Some(Denied::default()) => Some(format!(
                "take {instance} out of policy {} of role {}: its sessions that have not ended are valid again",
                policy.name, policy.role
            )),
            (Attribute::MetadataService, Value::Flag(true)) => {
                Some(format!("switch the metadata service of {instance} on, if nobody else did"))
            }
            (Attribute::InstanceProfile, Value::Set(profiles)) => profiles
                .first()
                .map(|profile| format!("give {instance} its instance profile {profile} back, if it has none")),
            _ => None,
        }
    });
    lines.collect()
}
