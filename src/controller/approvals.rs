//! Approvals of an object or of its case: read fresh when one is awaited, counted only where the policies hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use super::cluster::ClusterError;
use super::context::Context;
use super::kind::Kind;
use crate::api::approval::{Approval, ApprovalState, ApprovalStatus, Decision};
use crate::api::forensic_case::ForensicCase;
use crate::api::{GROUP, VERSION};
use crate::cloud::Cloud;
use crate::playbook::approval::{Candidate, Worth, denier, worth};
use crate::playbook::record::Record;
use crate::playbook::step::Subject;

/// Approvals that name an object or its case.
#[derive(Debug, Default)]
pub struct Found {
    /// As the decision wants them; empty where the policies are not enforced.
    pub candidates: Vec<Candidate>,
    /// Those about the object itself, to be told what they are worth.
    pub own: Vec<(Approval, Candidate)>,
}

/// Why an Approval is rejected that was found while nobody vouched for names. It stays so: policies that come back do
/// not say who wrote it.
const NOT_ENFORCED: &str = "PoliciesNotEnforced";

fn is_forgeable(approval: &Approval) -> bool {
    approval.status.as_ref().is_some_and(|status| status.reason == NOT_ENFORCED)
}

/// Whether a plan waits for a person.
fn awaited(record: &Record) -> bool {
    record
        .plans
        .iter()
        .any(|(action, plan)| record.decisions.get(action).is_none_or(|decision| decision.plan_hash != plan.hash))
}

/// Reads what matters for an object now.
pub async fn find<K: Kind, C: Cloud>(
    ctx: &Context<C>,
    subject: &Subject,
    record: &Record,
) -> Result<Found, ClusterError> {
    let Some(namespace) = subject.namespace.as_deref() else { return Ok(Found::default()) };
    if !awaited(record) || !K::CHAIN {
        return Ok(Found::default());
    }
    let case = match &subject.case {
        Some(name) => {
            let api: Api<ForensicCase> = Api::namespaced(ctx.cluster.client(), namespace);
            ctx.cluster.fetch(&api, name).await?
        }
        None => None,
    };
    let case_uid = case.as_ref().and_then(ResourceExt::uid);
    let leaves: BTreeMap<_, _> = case
        .and_then(|case| case.status)
        .and_then(|status| status.plan)
        .map(|plan| plan.leaves.into_iter().map(|leaf| (leaf.uid, leaf.hash)).collect())
        .unwrap_or_default();

    let api: Api<Approval> = Api::namespaced(ctx.cluster.client(), namespace);
    let mut found = Found::default();
    for approval in ctx.cluster.list(&api, &ListParams::default()).await? {
        let about_case = case_uid.as_deref() == Some(approval.spec.subject.uid.as_str());
        let about_me = approval.spec.subject.uid == subject.uid;
        // What was written down against a plan of this object stands, whatever its case says by now.
        let refuses =
            approval.uid().is_some_and(|uid| record.denied.values().any(|no| no.approvals.contains_key(&uid)));
        if !about_me && !about_case && !refuses {
            continue;
        }
        let candidate = candidate(&approval, if about_case { leaves.clone() } else { BTreeMap::new() });
        if !is_forgeable(&approval) {
            found.candidates.push(candidate.clone());
        }
        if about_me {
            found.own.push((approval, candidate));
        }
    }
    if !found.candidates.is_empty() && ctx.policies(true).await?.is_err() {
        found.candidates.clear();
    }
    Ok(found)
}

/// Answers an Approval that no object will answer: about none that there is, or one that waits for nobody.
pub async fn answer<C: Cloud>(approval: Arc<Approval>, ctx: Arc<Context<C>>) -> Result<Action, ClusterError> {
    let namespace = approval.namespace();
    let settled = approval.status.as_ref().is_some_and(|status| status.state.is_some());
    if settled || !ctx.works_in(namespace.as_deref()) || !ctx.fence.permits(false) {
        return Ok(Action::await_change());
    }
    let subject = &approval.spec.subject;
    let (client, namespace) = (ctx.cluster.client(), namespace.unwrap_or_default());
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, subject.kind.as_str()));
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    let object = ctx.cluster.fetch(&api, &subject.name).await?;
    let named = format!("{} {}", subject.kind.as_str(), subject.name);
    let message = match object.filter(|object| object.uid().as_deref() == Some(&subject.uid)) {
        None => format!("there is no {named} with uid {}", subject.uid),
        Some(object) if object.data["status"]["plan"].is_null() => {
            format!("no plan of {named} waits for a person; read its status.plan before you approve")
        }
        // It has a plan that waits, and says itself what this is worth to it.
        Some(_) => return Ok(Action::await_change()),
    };
    let status = ApprovalStatus {
        state: Some(ApprovalState::Rejected),
        reason: "NothingWaits".to_owned(),
        message,
        observed_generation: approval.metadata.generation,
    };
    // Only over the very version that was looked at: what counted meanwhile stays accepted.
    ctx.cluster.judge(&approval, &status).await?;
    Ok(Action::await_change())
}

fn candidate(approval: &Approval, leaves: BTreeMap<String, crate::api::ids::Digest>) -> Candidate {
    let spec = &approval.spec;
    Candidate {
        name: approval.name_any(),
        uid: approval.uid().unwrap_or_default(),
        subject_uid: spec.subject.uid.clone(),
        action: spec.action,
        plan_hash: spec.plan_hash.clone(),
        requester: spec.requester.clone(),
        approver: spec.approver.clone(),
        verdict: spec.decision,
        break_glass: spec.break_glass,
        leaves,
    }
}

/// Tells each Approval of an object what it is worth. What was accepted stays accepted: it was.
pub async fn judge<C: Cloud>(
    ctx: &Context<C>,
    subject: &Subject,
    record: &Record,
    found: &Found,
) -> Result<(), ClusterError> {
    let enforced = !found.candidates.is_empty();
    let requester = subject.requested_by.as_deref();
    for (approval, candidate) in &found.own {
        let standing = approval.status.clone().unwrap_or_default();
        if standing.state == Some(ApprovalState::Accepted) || is_forgeable(approval) {
            continue;
        }
        let (state, reason, message) = if enforced {
            match worth(candidate, &subject.uid, requester, record) {
                Worth::Counts => match denier(&found.candidates, &subject.uid, requester, record, candidate.action) {
                    Some(who) if candidate.verdict == Decision::Approve => (
                        ApprovalState::Rejected,
                        "Denied",
                        format!("{who} denied this plan; that stands until {who} deletes it"),
                    ),
                    _ => (ApprovalState::Accepted, "Counts", "it counts for the plan that it names".to_owned()),
                },
                Worth::Stale(why) => (ApprovalState::Stale, "PlanChanged", why),
                Worth::Rejected(why) => (ApprovalState::Rejected, "Refused", why),
            }
        } else {
            let why = "the admission policies are not enforced: nobody vouches for spec.approver. Apply crds/policies.yaml, \
                       then approve anew";
            (ApprovalState::Rejected, NOT_ENFORCED, why.to_owned())
        };
        let status = ApprovalStatus {
            state: Some(state),
            reason: reason.to_owned(),
            message,
            observed_generation: approval.metadata.generation,
        };
        if status != standing {
            ctx.cluster.judge(approval, &status).await?;
        }
    }
    Ok(())
}
