//! `ForensicCase`: the incident. It touches Kubernetes alone.

use std::fmt::Debug;
use std::sync::Arc;

use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::Store;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::super::cluster::meta_time;
use super::super::context::Context;
use super::super::kind::{Kind, Site, Told};
use crate::api::conditions::{Condition, Reason};
use crate::api::evidence_snapshot::EvidenceSnapshot as EvidenceObject;
use crate::api::forensic_case::{self as api, CasePlanStatus, CaseSummary, ChildStatus, ForensicCaseStatus, PlanLeaf};
use crate::api::quarantine::{CaseRef, Level, Quarantine as QuarantineObject};
use crate::api::{CASE_LABEL, CASE_UID_LABEL};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{Cloud, Place, Witness};
use crate::playbook::effect::Receipt;
use crate::playbook::executor::Send as Sending;
use crate::playbook::record::{PublishedPlan, Record};
use crate::playbook::step::{Account, Refusal, State};
use crate::playbook::{CaseEffect, CaseSeen, Child, ChildKind, ForensicCase};

impl Kind for ForensicCase {
    type Object = api::ForensicCase;

    const KIND: &'static str = "ForensicCase";
    const SHORT: &'static str = "fcase";
    const CHAIN: bool = true;
    const HOLDS: bool = false;
    const MARKED: bool = false;

    fn api(client: Client, namespace: Option<&str>) -> Api<Self::Object> {
        namespace.map_or_else(|| Api::all(client.clone()), |ns| Api::namespaced(client.clone(), ns))
    }

    fn spec(object: &Self::Object) -> &Self::Spec {
        &object.spec
    }

    fn requested_by(spec: &Self::Spec) -> Option<String> {
        spec.requested_by.clone()
    }

    fn site(_object: &Self::Object) -> Option<Site> {
        None
    }

    fn nothing() -> CaseSeen {
        CaseSeen::default()
    }

    async fn observe<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        _place: Option<&Place>,
        _account: &Account,
        _record: &Record,
    ) -> CaseSeen {
        let (quarantines, evidence) =
            tokio::join!(of_case(ctx, object, &ctx.quarantines), of_case(ctx, object, &ctx.evidence));
        let (case, namespace) = (object.name_any(), object.namespace());
        let is_of = |of: Option<&CaseRef>| of.is_some_and(|of| of.name == case);
        let held = quarantines
            .iter()
            .filter(|child| child.namespace() == namespace && is_of(child.spec.case_ref.as_ref()))
            .map(|child| held(child));
        let kept = evidence
            .iter()
            .filter(|child| child.namespace() == namespace && is_of(child.spec.case_ref.as_ref()))
            .map(|child| kept(child));
        let mut children: Vec<Child> = held.chain(kept).collect();
        children.sort_by(|a, b| a.name.cmp(&b.name));
        CaseSeen { children }
    }

    async fn perform<C: Cloud>(
        ctx: &Context<C>,
        object: &Self::Object,
        _place: Option<&Place>,
        sending: &Sending<CaseEffect>,
        _witness: Option<&Witness>,
    ) -> Result<Receipt, CloudError> {
        let CaseEffect::Ensure { name, kind } = &sending.order.change;
        let (client, namespace) = (ctx.cluster.client(), object.namespace().unwrap_or_default());
        let (case, uid) = (object.name_any(), object.uid().unwrap_or_default());
        let done = match kind.as_ref() {
            ChildKind::Quarantine(spec) => {
                let api: Api<QuarantineObject> = Api::namespaced(client, &namespace);
                ctx.cluster.ensure(&api, name, (&case, &uid), "Quarantine", spec).await
            }
            ChildKind::Evidence(spec) => {
                let api: Api<EvidenceObject> = Api::namespaced(client, &namespace);
                ctx.cluster.ensure(&api, name, (&case, &uid), "EvidenceSnapshot", spec).await
            }
        };
        done.map(|()| Receipt::default()).map_err(|error| CloudError {
            class: if error.is_refusal() { ErrorClass::Invalid } else { ErrorClass::Unavailable },
            operation: format!("apply {name}"),
            code: "KubernetesRefused".to_owned(),
            message: error.told(),
            action: None,
        })
    }

    fn status(told: Told<'_, Self>) -> Json {
        let children = &told.seen.children;
        let releasing = told.spec.containment.level == Level::Released;
        let count = |evidence: bool| {
            let of: Vec<&Child> =
                children.iter().filter(|child| matches!(child.kind, ChildKind::Evidence(_)) == evidence).collect();
            // A release that was asked for and not carried out has opened nothing.
            let there = |child: &&&Child| if releasing && !evidence { child.cut } else { child.reached };
            format!("{}/{}", of.iter().filter(there).count(), of.len())
        };
        let waiting = told.plan.steps.iter().find_map(|step| match step.state {
            Some(State::Awaiting(action)) => Some(action),
            _ => None,
        });
        let plan = waiting.and_then(|action| told.record.plans.get(&action));
        let summary = CaseSummary {
            title: super::clip(&told.spec.title, 128),
            severity: told.spec.severity.as_str().to_owned(),
            targets: told.spec.targets.len().to_string(),
            contained: count(false),
            evidence: count(true),
            waiting_for: match waiting {
                Some(action) => format!("approval of {action}"),
                None if told.verdict.ready => "-".to_owned(),
                None if told.verdict.stalled => format!("a person: {}", told.verdict.reason),
                None => "the controller".to_owned(),
            },
            ready: told.ready(),
        };
        let status = ForensicCaseStatus {
            observed_generation: Some(told.generation),
            conditions: told.conditions.clone(),
            summary,
            plan: plan.map(|plan| case_plan(&told, plan)),
            children: children.iter().map(child_status).collect(),
            exposed_since: Some(meta_time(told.subject.created)),
            contained_at: told.record.contained_at.map(meta_time),
            evidence_safe_at: told.record.preserved_at.map(meta_time),
            record: told.chain(),
        };
        serde_json::to_value(status).unwrap_or_default()
    }

    fn standing(object: &Self::Object) -> (Json, Vec<Condition>) {
        super::standing(object.status.as_ref(), |status| &status.conditions)
    }

    /// Evidence and quarantines outlive the case.
    fn may_go<C: Cloud>(_ctx: &Context<C>, _object: &Self::Object, _record: &Record) -> bool {
        true
    }
}

/// What may be a child of a case. Those that carry its label are asked for afresh: what wakes a case is its own watch,
/// and a store that another watch fills may lag behind it, with nothing to wake the case again.
async fn of_case<C, T>(ctx: &Context<C>, case: &api::ForensicCase, watched: &Store<T>) -> Vec<Arc<T>>
where
    C: Cloud,
    T: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + 'static,
{
    let api: Api<T> = Api::namespaced(ctx.cluster.client(), &case.namespace().unwrap_or_default());
    let labelled = ListParams::default().labels(&format!("{CASE_LABEL}={}", case.name_any()));
    let mut children = watched.state();
    match ctx.cluster.list(&api, &labelled).await {
        Ok(fresh) => {
            children.retain(|child| !child.labels().contains_key(CASE_LABEL));
            children.extend(fresh.into_iter().map(Arc::new));
        }
        Err(error) => tracing::warn!(%error, case = case.name_any(), "takes its children as last watched"),
    }
    children
}

fn holds(conditions: &[Condition], name: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == name && condition.status == "True")
}

/// Whether evidence was preserved for as long as was declared: that its locks are over by now is no shortfall of the case.
fn has_ended(conditions: &[Condition]) -> bool {
    let is_over = |condition: &Condition| condition.reason == Reason::DeadlinePassed.as_str();
    conditions.iter().any(|condition| condition.type_ == "Preserved" && is_over(condition))
}

/// Whether the bytes of evidence are verified, or what its condition says.
fn verified(conditions: &[Condition]) -> Result<(), Refusal> {
    let of = |name: &str| conditions.iter().find(|condition| condition.type_ == name);
    let named = |name: &str| Reason::ALL.iter().find(|reason| reason.as_str() == name).copied();
    match of("Verified") {
        Some(condition) if condition.status == "True" => Ok(()),
        Some(condition) => {
            Err(Refusal::new(named(&condition.reason).unwrap_or(Reason::InProgress), condition.message.clone()))
        }
        None => Err(Refusal::new(Reason::NotObserved, "not looked at yet")),
    }
}

fn said(conditions: &[Condition]) -> String {
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.map_or_else(|| "not looked at yet".to_owned(), |ready| format!("{}: {}", ready.reason, ready.message))
}

/// What the conditions of a child say of the whole of it.
fn child(name: String, uid: String, kind: ChildKind, conditions: &[Condition], current: bool) -> Child {
    let of = |type_: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == "True").filter(|_| current);
    let settled = Reason::Settled.as_str();
    Child {
        name,
        uid,
        kind,
        ready: of("Ready").is_some(),
        reason: conditions.iter().find(|c| c.type_ == "Ready").map(|ready| ready.reason.clone()),
        reached: false,
        verified: Ok(()),
        cut: false,
        made_by: None,
        stalled: of("Stalled").and_then(|c| Reason::ALL.iter().find(|reason| reason.as_str() == c.reason).copied()),
        shortfall: of("Ready").filter(|ready| ready.reason == settled).map(|ready| ready.message.clone()),
        message: said(conditions),
        plan: None,
        reached_at: None,
    }
}

fn held(of: &QuarantineObject) -> Child {
    let status = of.status.clone().unwrap_or_default();
    let current = status.observed_generation == of.metadata.generation;
    let isolated = holds(&status.conditions, "Isolated");
    let kind = ChildKind::Quarantine(of.spec.clone());
    let child = child(of.name_any(), of.uid().unwrap_or_default(), kind, &status.conditions, current);
    Child {
        reached: match of.spec.level {
            Level::Isolated => current && isolated,
            Level::Protected | Level::Detached | Level::Released => child.ready,
        },
        cut: isolated,
        made_by: of.labels().get(CASE_UID_LABEL).cloned(),
        plan: status.plan.map(|plan| (plan.action, plan.hash, plan.lines)),
        reached_at: status.contained_at.map(|time| time.0),
        ..child
    }
}

fn kept(of: &EvidenceObject) -> Child {
    let status = of.status.clone().unwrap_or_default();
    let current = status.observed_generation == of.metadata.generation;
    let kind = ChildKind::Evidence(of.spec.clone());
    Child {
        reached: holds(&status.conditions, "Preserved") || has_ended(&status.conditions),
        verified: verified(&status.conditions),
        made_by: of.labels().get(CASE_UID_LABEL).cloned(),
        plan: status.plan.map(|plan| (plan.action, plan.hash, plan.lines)),
        reached_at: status.evidence_safe_at.map(|time| time.0),
        ..child(of.name_any(), of.uid().unwrap_or_default(), kind, &status.conditions, current)
    }
}

fn case_plan(told: &Told<'_, ForensicCase>, plan: &PublishedPlan) -> CasePlanStatus {
    let name = |uid: &String| {
        told.seen.children.iter().find(|child| child.uid == *uid).map(|child| child.name.clone()).unwrap_or_default()
    };
    CasePlanStatus {
        hash: plan.hash.clone(),
        action: plan.action,
        lines: super::lines(plan),
        leaves: plan
            .leaves
            .iter()
            .map(|(uid, hash)| PlanLeaf { uid: uid.clone(), name: name(uid), hash: hash.clone() })
            .collect(),
        approve_with: super::approve_with(told.subject, plan),
    }
}

fn child_status(child: &Child) -> ChildStatus {
    ChildStatus {
        kind: match child.kind {
            ChildKind::Quarantine(_) => "Quarantine",
            ChildKind::Evidence(_) => "EvidenceSnapshot",
        }
        .to_owned(),
        name: child.name.clone(),
        ready: match &child.reason {
            _ if child.ready => "True".to_owned(),
            Some(reason) => reason.clone(),
            None => Reason::NotObserved.to_string(),
        },
        message: super::clip(&child.message, 256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::evidence_snapshot::EvidenceSnapshotStatus;
    use crate::playbook::sample;

    #[test]
    fn evidence_that_was_kept_as_long_as_was_declared_is_no_shortfall_of_its_case() {
        let table = [
            ("True", Reason::Succeeded, true),
            ("False", Reason::DeadlinePassed, true),
            ("False", Reason::PartialFailure, false),
            ("False", Reason::Waiting, false),
        ];
        for (status, reason, reached) in table {
            let preserved = Condition {
                type_: "Preserved".to_owned(),
                status: status.to_owned(),
                reason: reason.as_str().to_owned(),
                message: String::new(),
                observed_generation: None,
                last_transition_time: meta_time(sample::at(0)),
            };
            let mut object = EvidenceObject::new("one", sample::evidence_spec());
            let conditions = vec![preserved];
            object.status = Some(EvidenceSnapshotStatus { conditions, ..EvidenceSnapshotStatus::default() });
            assert_eq!(kept(&object).reached, reached, "{reason}");
        }
    }
}
