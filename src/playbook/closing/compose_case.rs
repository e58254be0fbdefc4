//! Row C1 and the frame around it: one Quarantine and the evidence moments for each target, made at once at
//! their final level, and one plan over the plans of those that wait for a person, so that one signature
//! covers them. The only gate is in the child.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::{EvidenceSnapshotSpec, InstanceSource, Moment, Source};
use crate::api::quarantine::{CaseRef, Level, QuarantineSpec, Target};
use crate::playbook::chain::digest_of;
use crate::playbook::plan::{PlanLine, hash_of_leaves};
use crate::playbook::record::{Fact, PublishedPlan};
use crate::playbook::step::{Part, State, Step, Turn, View};
use crate::playbook::{CaseEffect, Child, ChildKind, ForensicCase};

/// The children and the plan over them.
pub const STEP: Step<ForensicCase> = Step {
    name: "PlanReady",
    after: &[],
    wanted: |_| true,
    needs: None,
    next: compose,
    undo: compose,
    preview: |_| vec![PlanLine::about("one Quarantine and the evidence moments for each target")],
};

/// Every host held as declared.
pub const CONTAINED: Step<ForensicCase> = Step {
    name: "Contained",
    after: &[],
    wanted: |_| true,
    needs: None,
    next: contained,
    undo: contained,
    preview: |_| Vec::new(),
};

/// Every moment preserved.
pub const PRESERVED: Step<ForensicCase> = Step {
    name: "EvidencePreserved",
    after: &[],
    wanted: |_| true,
    needs: None,
    next: preserved,
    undo: preserved,
    preview: |_| Vec::new(),
};

/// Name of the Quarantine of a target.
pub fn quarantine_name(case: &str, target: &Target) -> String {
    format!("{case}-{}", target.instance_id)
}

/// Name of the evidence of a target at a moment.
pub fn evidence_name(case: &str, target: &Target, moment: Moment) -> String {
    let suffix = match moment {
        Moment::AtOnce => "at-once",
        Moment::AfterIsolation => "after-isolation",
    };
    format!("{case}-{}-{suffix}", target.instance_id)
}

/// All children that the case declares.
pub fn declared(view: &View<'_, ForensicCase>) -> Vec<(String, ChildKind)> {
    let case = &view.subject.name;
    let case_ref = Some(CaseRef { name: case.clone() });
    let mut children = Vec::new();
    for target in &view.spec.targets {
        children.push((
            quarantine_name(case, target),
            ChildKind::Quarantine(QuarantineSpec {
                requested_by: view.subject.requested_by.clone(),
                target: target.clone(),
                level: view.spec.containment.level,
                isolation: view.spec.containment.isolation,
                case_ref: case_ref.clone(),
            }),
        ));
        for moment in &view.spec.evidence.moments {
            let evidence = &view.spec.evidence;
            children.push((
                evidence_name(case, target, *moment),
                ChildKind::Evidence(EvidenceSnapshotSpec {
                    requested_by: view.subject.requested_by.clone(),
                    source: Source {
                        instance: InstanceSource {
                            account_ref: target.account_ref.clone(),
                            region: target.region.clone(),
                            instance_id: target.instance_id.clone(),
                            exclude_volume_ids: Vec::new(),
                        },
                    },
                    moment: *moment,
                    lock: evidence.lock.clone(),
                    key_access: evidence.key_access,
                    share: evidence.share.clone(),
                    retain_until: evidence.retain_until.clone(),
                    legal_hold: evidence.legal_hold,
                    case_ref: case_ref.clone(),
                }),
            ));
        }
    }
    children.retain(|(_, kind)| match kind {
        ChildKind::Evidence(spec) if spec.moment == Moment::AfterIsolation => {
            view.spec.containment.level == Level::Isolated || view.record.contained_at.is_some()
        }
        _ => true,
    });
    children
}

fn compose(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    let wanted = declared(view);
    let stage: Vec<CaseEffect> = wanted
        .iter()
        .filter(|(name, kind)| !view.seen.children.iter().any(|child| child.name == *name && stands(child, kind)))
        .map(|(name, kind)| CaseEffect::Ensure { name: name.clone(), kind: Box::new(kind.clone()) })
        .collect();
    let mut facts = Vec::new();
    let names: BTreeSet<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    if view.record.children != names {
        facts.push(Fact::Composed { children: names });
    }
    let plans = plans(view);
    facts.extend(
        plans.iter().filter(|plan| view.record.plans.get(&plan.action) != Some(plan)).cloned().map(Fact::PlanPublished),
    );
    let state = match plans.first() {
        _ if !stage.is_empty() => State::working(Reason::InProgress, format!("{} children to make", stage.len())),
        Some(plan) => State::Awaiting(plan.action),
        None => State::done(format!("{} targets, {} children", view.spec.targets.len(), wanted.len())),
    };
    Turn::new(state).then(stage).noting(facts).with_parts(view.seen.children.iter().map(part).collect())
}

/// The plans over the children that await a person, one for each action.
fn plans(view: &View<'_, ForensicCase>) -> Vec<PublishedPlan> {
    let mut by_action: BTreeMap<_, (BTreeMap<_, _>, Vec<String>)> = BTreeMap::new();
    for child in &view.seen.children {
        if let Some((action, hash, lines)) = &child.plan {
            let (leaves, words) = by_action.entry(*action).or_default();
            leaves.insert(child.uid.clone(), hash.clone());
            words.extend(lines.iter().cloned());
        }
    }
    by_action
        .into_iter()
        .map(|(action, (leaves, lines))| {
            let standing = view.record.plans.get(&action).filter(|plan| plan.leaves == leaves);
            standing.cloned().unwrap_or_else(|| PublishedPlan {
                action,
                basis: digest_of(&leaves),
                hash: hash_of_leaves(&leaves),
                index: view.next_index,
                lines,
                leaves,
            })
        })
        .collect()
}

fn part(child: &Child) -> Part {
    Part {
        kind: match child.kind {
            ChildKind::Quarantine(_) => "Quarantine",
            ChildKind::Evidence(_) => "EvidenceSnapshot",
        },
        name: child.name.clone(),
        state: if child.ready { "True" } else { "False" }.to_owned(),
        message: child.message.clone(),
    }
}

/// Whether a child says what the case declares. A released child is finished, whatever the case says.
fn stands(child: &Child, wish: &ChildKind) -> bool {
    match (&child.kind, wish) {
        (ChildKind::Quarantine(has), ChildKind::Quarantine(wants)) => {
            // A person may have raised the child by itself: levels never fall again.
            let reached = has.level == wants.level || has.level.asks_for(wants.level);
            has.level == Level::Released || reached && has.isolation == wants.isolation
        }
        (ChildKind::Evidence(has), ChildKind::Evidence(wants)) => {
            has.share == wants.share
                && has.lock == wants.lock
                && has.retain_until == wants.retain_until
                && has.legal_hold == wants.legal_hold
        }
        _ => false,
    }
}

fn count(view: &View<'_, ForensicCase>, evidence: bool) -> (usize, usize) {
    let wanted: Vec<String> = declared(view)
        .into_iter()
        .filter(|(_, kind)| matches!(kind, ChildKind::Evidence(_)) == evidence)
        .map(|(name, _)| name)
        .collect();
    let reached = view.seen.children.iter().filter(|child| wanted.contains(&child.name) && child.reached).count();
    (reached, wanted.len())
}

fn contained(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    let (reached, all) = count(view, false);
    let released = view.spec.containment.level == Level::Released;
    Turn::new(if reached == all && released {
        State::skipped(Reason::Released, format!("{all} of {all} hosts released"))
    } else if reached == all {
        State::done(format!("{all} of {all} hosts held at {}", view.spec.containment.level.as_str()))
    } else {
        let waiting = waits(view, false);
        State::working(Reason::InProgress, format!("{reached} of {all} hosts{waiting}"))
    })
}

fn preserved(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    let (reached, all) = count(view, true);
    Turn::new(if all == 0 {
        State::skipped(Reason::NotDeclared, "the case declares no evidence")
    } else if reached == all {
        State::done(format!("{all} of {all} sets complete and locked"))
    } else {
        State::working(Reason::InProgress, format!("{reached} of {all} sets{}", waits(view, true)))
    })
}

/// What the first child that is not there yet says.
fn waits(view: &View<'_, ForensicCase>, evidence: bool) -> String {
    view.seen
        .children
        .iter()
        .filter(|child| matches!(child.kind, ChildKind::Evidence(_)) == evidence)
        .find(|child| !child.reached)
        .map(|child| format!("; {}: {}", child.name, child.message))
        .unwrap_or_default()
}

#[cfg(test)]
#[path = "compose_case_tests.rs"]
mod tests;
