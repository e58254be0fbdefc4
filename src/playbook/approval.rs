//! What an Approval is worth: bound to a plan's hash, by somebody else than the requester.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::hash_of_leaves;
use super::record::{Decision, Denial, PublishedPlan, Record};
use super::step::{Procedure, View};
use crate::api::approval::{Action, Decision as Verdict};
use crate::api::ids::Digest;

/// An Approval object as plain data. The API server vouches for `approver`; all else is compared here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Uid of the object that it is about.
    pub subject_uid: String,
    /// What it allows.
    pub action: Action,
    /// Hash of the plan that was read.
    pub plan_hash: Digest,
    /// Who asked, as the approver understood it.
    pub requester: Option<String>,
    /// Who approves.
    pub approver: String,
    /// Approve or deny.
    pub verdict: Verdict,
    /// One person alone.
    pub break_glass: bool,
    /// Where it is about the case: the plans of the children that the case had published under its hash.
    pub leaves: BTreeMap<String, Digest>,
}

/// What a gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Nothing to ask: not required, or already decided.
    Open,
    /// Approvals open it now.
    Opens(Decision),
    /// A person is awaited.
    Closed {
        /// Whether the plan must be published first.
        publish: bool,
        /// Somebody refuses it.
        denied: Option<Denial>,
    },
}

/// Why an Approval counts or not, as its status says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It counts.
    Counts,
    /// It is about an older plan, or one that was already used.
    Stale(String),
    /// It can't count.
    Rejected(String),
}

/// How many approvers an action needs for this object; 0 where none is needed.
pub fn approvers_needed<P: Procedure>(view: &View<'_, P>, action: Action) -> u8 {
    let declared = view.account.required.get(&action).copied();
    let base = match (action, declared) {
        (Action::Isolate, None) => return 0,
        (_, declared) => declared.unwrap_or(1).max(1),
    };
    // A request that no person signed needs two who did.
    if view.subject.requested_by.is_none() { base.max(2) } else { base }
}

/// Asks the gate of an action, for the plan that stands published (or would be).
pub fn gate<P: Procedure>(view: &View<'_, P>, action: Action, plan: &PublishedPlan) -> Gate {
    let record = view.record;
    let needed = approvers_needed(view, action);
    if needed == 0 {
        return Gate::Open;
    }
    if record.decisions.get(&action).is_some_and(|decision| decision.plan_hash == plan.hash) {
        return Gate::Open;
    }
    if record.plans.get(&action) != Some(plan) {
        return Gate::Closed { publish: true, denied: None };
    }
    let (uid, requested_by) = (view.subject.uid.as_str(), view.subject.requested_by.as_deref());
    let noes: Vec<&Candidate> = noes(view.approvals, uid, requested_by, record, action).collect();
    if let Some(first) = noes.first() {
        let approvals = noes.iter().map(|no| (no.uid.clone(), no.approver.clone())).collect();
        let denial = Denial { plan_hash: plan.hash.clone(), approver: first.approver.clone(), approvals };
        return Gate::Closed { publish: false, denied: Some(denial) };
    }
    let yes: Vec<&Candidate> = view
        .approvals
        .iter()
        .filter(|candidate| candidate.action == action)
        .filter(|candidate| worth(candidate, uid, requested_by, record) == Worth::Counts)
        .collect();
    let persons: BTreeSet<&str> = yes.iter().map(|candidate| candidate.approver.as_str()).collect();
    let break_glass = yes.iter().any(|candidate| candidate.break_glass);
    if persons.len() >= usize::from(needed) || break_glass {
        let by_uid: BTreeMap<&str, &str> = yes.iter().map(|c| (c.uid.as_str(), c.approver.as_str())).collect();
        return Gate::Opens(Decision {
            action,
            plan_hash: plan.hash.clone(),
            approvals: by_uid.into_iter().map(|(uid, who)| (who.to_owned(), uid.to_owned())).collect(),
            break_glass,
            covers: plan.covers.clone(),
        });
    }
    Gate::Closed { publish: false, denied: None }
}

/// Compares an Approval with what the chain has published for this object.
pub fn worth(candidate: &Candidate, uid: &str, requested_by: Option<&str>, record: &Record) -> Worth {
    let covered = if candidate.subject_uid == uid {
        Some(&candidate.plan_hash)
    } else if hash_of_leaves(&candidate.leaves) == candidate.plan_hash {
        candidate.leaves.get(uid)
    } else {
        None
    };
    let Some(covered) = covered else {
        return Worth::Stale("it does not cover the plan of this object".to_owned());
    };
    if candidate.requester.as_deref() != requested_by {
        return Worth::Rejected(format!(
            "spec.requester is {:?}, the object was requested by {:?}",
            candidate.requester.as_deref().unwrap_or("nobody"),
            requested_by.unwrap_or("a service account"),
        ));
    }
    if !candidate.break_glass && requested_by == Some(candidate.approver.as_str()) {
        return Worth::Rejected("the approver is the requester".to_owned());
    }
    match record.plans.get(&candidate.action) {
        None => Worth::Rejected(format!("no plan waits for {}", candidate.action)),
        Some(_) if record.released => Worth::Stale("the object was released; its approvals are used up".to_owned()),
        Some(plan) if plan.hash != *covered => {
            Worth::Stale("the plan has changed since; read status.plan and approve it anew".to_owned())
        }
        Some(_) => Worth::Counts,
    }
}

/// What refuses the plan that stands published. A Deny stands for as long as it exists, and only who wrote it may delete it:
/// one that was written down stands also when the case about which it was written has another plan by now, or is gone.
fn noes<'a>(
    approvals: &'a [Candidate],
    uid: &str,
    requested_by: Option<&str>,
    record: &Record,
    action: Action,
) -> impl Iterator<Item = &'a Candidate> {
    let plan = record.plans.get(&action).map(|plan| &plan.hash);
    let known = record.denied.get(&action).filter(|denial| Some(&denial.plan_hash) == plan);
    let counts = move |no: &Candidate| {
        known.is_some_and(|denial| denial.approvals.contains_key(&no.uid))
            || worth(no, uid, requested_by, record) == Worth::Counts
    };
    approvals
        .iter()
        .filter(move |candidate| candidate.action == action && candidate.verdict == Verdict::Deny)
        .filter(move |candidate| counts(candidate))
}

/// Who refuses the plan that stands published.
pub fn denier<'a>(
    approvals: &'a [Candidate],
    uid: &str,
    requested_by: Option<&str>,
    record: &Record,
    action: Action,
) -> Option<&'a str> {
    noes(approvals, uid, requested_by, record, action).map(|no| no.approver.as_str()).next()
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
