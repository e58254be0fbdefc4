//! The kinds that the shell runs, one file each: how it is looked at, and what its status says.

mod account;
mod case;
mod evidence;
mod evidence_bytes;
mod evidence_copies;
mod quarantine;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::kind::Told;
use crate::api::conditions::Condition;
use crate::api::quarantine::PlanStatus;
use crate::api::{GROUP, VERSION};
use crate::playbook::plan::{LINE, LINES};
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
    plan.lines.iter().take(LINES).map(|line| clip(line, LINE)).collect()
}

/// At most so many characters.
fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Stands where the approver's name goes.
const APPROVER: &str = "@approver@";

/// One line for the approver to copy. It fills in who they are as the API server sees them, not as they say.
fn approve_with(subject: &Subject, plan: &PublishedPlan) -> String {
    let mut spec = json!({
        "subject": {"kind": subject.kind, "name": subject.name, "uid": subject.uid},
        "action": plan.action,
        "planHash": plan.hash,
        "approver": APPROVER,
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
    // Names are somebody else's words: none of them may end the shell's quotes.
    let quoted = approval.to_string().replace('\'', "\\u0027");
    let text = quoted.replace(APPROVER, "'\"$(kubectl auth whoami -o jsonpath={.status.userInfo.username})\"'");
    format!("printf %s '{text}' | kubectl create -n {} -f -", subject.namespace.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::approval::Action;
    use crate::playbook::chain::sha256;

    #[test]
    fn no_name_ends_the_quotes_of_the_line_to_copy() {
        let subject = Subject {
            requested_by: Some("o'brien; touch x".to_owned()),
            ..crate::playbook::sample::subject("Quarantine")
        };
        let hash = sha256(b"plan");
        let plan = PublishedPlan {
            action: Action::Isolate,
            basis: hash.clone(),
            hash,
            index: 0,
            lines: Vec::new(),
            covers: std::collections::BTreeSet::new(),
            leaves: std::collections::BTreeMap::new(),
        };
        let line = approve_with(&subject, &plan);
        assert_eq!(line.matches('\'').count(), 4, "the line's own quotes alone: {line}");
        assert!(line.contains("o\\u0027brien"), "{line}");
    }
}
