//! The kinds that the shell runs, one file each: how it is looked at, and what its status says.

mod account;
mod case;
mod evidence;
mod quarantine;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::kind::Told;
use crate::api::conditions::Condition;
use crate::api::quarantine::PlanStatus;
use crate::api::{GROUP, VERSION};
use crate::playbook::record::PublishedPlan;
use crate::playbook::step::{Procedure, Subject};

/// A status as it stands, as JSON and with its conditions.
fn standing<S: Serialize>(status: Option<&S>, conditions: impl Fn(&S) -> &Vec<Condition>) -> (Json, Vec<Condition>) {
    status.map_or((Json::Null, Vec::new()), |status| {
        (serde_json::to_value(status).unwrap_or_default(), conditions(status).clone())
    })
}

/// The plan that waits for a person.
fn plan_status<P: Procedure>(told: &Told<'_, P>) -> Option<PlanStatus> {
    told.plan.published.as_ref().map(|plan| PlanStatus {
        action: plan.action,
        hash: plan.hash.clone(),
        lines: lines(plan),
        published_at_index: plan.index,
        approve_with: approve_with(told.subject, plan),
    })
}

/// The plan's words, as many as a status takes.
fn lines(plan: &PublishedPlan) -> Vec<String> {
    plan.lines.iter().take(256).map(|line| clip(line, 512)).collect()
}

/// At most so many characters.
fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// One line for the approver to copy. It fills in who they are as the API server sees them, not as they say.
fn approve_with(subject: &Subject, plan: &PublishedPlan) -> String {
    let mut spec = json!({
        "subject": {"kind": subject.kind, "name": subject.name, "uid": subject.uid},
        "action": plan.action,
        "planHash": plan.hash,
        "approver": "'\"$(kubectl auth whoami -o jsonpath={.status.userInfo.username})\"'",
        "decision": "Approve",
        "reason": "the plan was read and agreed to",
    });
    if let Some(requester) = &subject.requested_by {
        spec["requester"] = json!(requester);
    }
    let approval = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "Approval",
        "metadata": {"generateName": format!("{}-", plan.action.as_str().to_lowercase())},
        "spec": spec,
    });
    // The quotes that leave and enter the shell's single quotes must not be escaped as JSON.
    let text = approval.to_string().replace("'\\\"$(", "'\"$(").replace(")\\\"'", ")\"'");
    format!("echo '{text}' | kubectl create -n {} -f -", subject.namespace.as_deref().unwrap_or_default())
}
