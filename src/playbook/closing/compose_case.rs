//! Row C1 and the frame around it: one Quarantine and the evidence moments for each target, made at once at
//! their final level, and one plan over the plans of those that wait for a person, so that one signature
//! covers them. The only gate is in the child.

use std::collections::{BTreeMap, BTreeSet};

use super::raised::raised;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::{EvidenceSnapshotSpec, InstanceSource, Moment, Source};
use crate::api::quarantine::{CaseRef, Level, QuarantineSpec, Target};
use crate::playbook::chain::digest_of;
use crate::playbook::plan::{PlanLine, hash_of_leaves, shown};
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
                auto_scaling: view.spec.containment.auto_scaling,
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
                        instance: Some(InstanceSource {
                            account_ref: target.account_ref.clone(),
                            region: target.region.clone(),
                            instance_id: target.instance_id.clone(),
                            exclude_volume_ids: Vec::new(),
                        }),
                        snapshots: None,
                    },
                    moment: *moment,
                    lock: evidence.lock.clone(),
                    lock_denied: evidence.lock_denied,
                    key_access: evidence.key_access,
                    share: evidence.share.clone(),
                    verify: evidence.verify,
                    copies: evidence.copies.clone(),
                    archive_after_days: evidence.archive_after_days,
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
    let there: BTreeMap<(&str, bool), &Child> = view.seen.children.iter().map(|child| (key(child), child)).collect();
    let taken = wanted.iter().find_map(|(name, wish)| {
        let child = there.get(&(name.as_str(), is_evidence(wish)))?;
        Some((*child, taken(view, child, wish)?))
    });
    let stage: Vec<CaseEffect> = wanted
        .iter()
        .filter(|(name, wish)| match there.get(&(name.as_str(), is_evidence(wish))) {
            Some(child) => !is_taken(view, child, wish) && !stands(child, &raised(Some(child), wish.clone())),
            // One that was there and is not any more was deleted by a person: that is not undone.
            None => !view.record.made.contains(name),
        })
        .map(|(name, wish)| {
            let kind = raised(there.get(&(name.as_str(), is_evidence(wish))).copied(), wish.clone());
            CaseEffect::Ensure { name: name.clone(), kind: Box::new(kind) }
        })
        .collect();
    let mut facts = Vec::new();
    let names: BTreeSet<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
    let made: BTreeSet<String> = names
        .iter()
        .filter(|name| view.seen.children.iter().any(|child| child.name == **name) && !view.record.made.contains(*name))
        .cloned()
        .collect();
    if view.record.children != names {
        facts.push(Fact::Composed { children: names });
    }
    if !made.is_empty() {
        facts.push(Fact::Made { children: made });
    }
    let plans = plans(view);
    facts.extend(
        plans.iter().filter(|plan| view.record.plans.get(&plan.action) != Some(plan)).cloned().map(Fact::PlanPublished),
    );
    let state = match plans.first() {
        _ if taken.is_some() => State::blocked(
            Reason::Conflict,
            taken.map(|(child, why)| format!("{} {why}", child.name)).unwrap_or_default(),
        ),
        _ if !stage.is_empty() => State::working(Reason::InProgress, format!("{} children to make", stage.len())),
        Some(plan) => State::Awaiting(plan.action),
        None => State::done(format!("{} targets, {} children", view.spec.targets.len(), wanted.len())),
    };
    Turn::new(state).then(stage).noting(facts).with_parts(view.seen.children.iter().map(part).collect())
}

/// What each child would do in one line, then the rest.
fn words(of_children: &[(&Child, &Vec<String>)]) -> Vec<String> {
    let heads = of_children.iter().filter_map(|(_, lines)| lines.first());
    let rest = of_children.iter().flat_map(|(_, lines)| lines.iter().skip(1));
    shown(heads.chain(rest).cloned(), "read status.plan of each child before you approve")
}

/// The plans over the children that await a person, one for each action.
fn plans(view: &View<'_, ForensicCase>) -> Vec<PublishedPlan> {
    let mut by_action: BTreeMap<_, (BTreeMap<_, _>, Vec<_>)> = BTreeMap::new();
    for child in ours(view) {
        if let Some((action, hash, lines)) = &child.plan {
            let (leaves, of_children) = by_action.entry(*action).or_default();
            leaves.insert(child.uid.clone(), hash.clone());
            of_children.push((child, lines));
        }
    }
    by_action
        .into_iter()
        .map(|(action, (leaves, of_children))| {
            // Children that carried theirs out drop out of it: what was signed still covers the others.
            let covers = |plan: &&PublishedPlan| leaves.iter().all(|(uid, hash)| plan.leaves.get(uid) == Some(hash));
            let standing = view.record.plans.get(&action).filter(covers);
            standing.cloned().unwrap_or_else(|| PublishedPlan {
                action,
                basis: digest_of(&leaves),
                hash: hash_of_leaves(&leaves),
                index: view.next_index,
                lines: words(&of_children),
                covers: BTreeSet::new(),
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

/// Which child it is: names are unique within a kind.
fn key(child: &Child) -> (&str, bool) {
    (&child.name, is_evidence(&child.kind))
}

const fn is_evidence(kind: &ChildKind) -> bool {
    matches!(kind, ChildKind::Evidence(_))
}

/// Why an object that has the name of a child is none: for a person, after the name.
fn taken(view: &View<'_, ForensicCase>, child: &Child, wish: &ChildKind) -> Option<String> {
    if is_of_another(view, child) {
        return Some(
            "was made by an earlier case of this name, and says nothing of this one; give the case another name"
                .to_owned(),
        );
    }
    let (has, wants) = (about(&child.kind), about(wish));
    (has != wants).then(|| format!("is there already, about {has} and not about {wants}: give the case another name"))
}

fn is_taken(view: &View<'_, ForensicCase>, child: &Child, wish: &ChildKind) -> bool {
    taken(view, child, wish).is_some()
}

/// The host, and for evidence the moment, that a child is about.
fn about(kind: &ChildKind) -> String {
    match kind {
        ChildKind::Quarantine(spec) => {
            let Target { account_ref, region, instance_id } = &spec.target;
            format!("{instance_id} in {account_ref}, {region}")
        }
        ChildKind::Evidence(spec) => {
            let Some(InstanceSource { account_ref, region, instance_id, exclude_volume_ids }) = &spec.source.instance
            else {
                return format!("snapshots that were adopted in {}", spec.source.account_ref());
            };
            let without = if exclude_volume_ids.is_empty() { "" } else { " without some of its volumes" };
            format!("{instance_id} in {account_ref}, {region}{without}, moment {:?}", spec.moment)
        }
    }
}

/// What is there of the case: neither an earlier case's, nor about something else than its name says.
fn ours<'a>(view: &'a View<'_, ForensicCase>) -> impl Iterator<Item = &'a Child> {
    let wanted: BTreeMap<(String, bool), ChildKind> =
        declared(view).into_iter().map(|(name, wish)| ((name, is_evidence(&wish)), wish)).collect();
    view.seen.children.iter().filter(move |child| {
        let wish = wanted.get(&(child.name.clone(), is_evidence(&child.kind)));
        !is_of_another(view, child) && wish.is_none_or(|wish| !is_taken(view, child, wish))
    })
}

/// Whether a child says what the case declares. A released child is finished, whatever the case says.
fn stands(child: &Child, wish: &ChildKind) -> bool {
    match (&child.kind, wish) {
        (ChildKind::Quarantine(has), ChildKind::Quarantine(wants)) => {
            // A person may have raised the child by itself: levels never fall again.
            let reached = has.level == wants.level || has.level.asks_for(wants.level);
            has.level == Level::Released
                || reached && has.isolation == wants.isolation && has.auto_scaling == wants.auto_scaling
        }
        (ChildKind::Evidence(has), ChildKind::Evidence(wants)) => {
            has.share == wants.share
                && has.verify == wants.verify
                && has.copies == wants.copies
                && has.lock == wants.lock
                && has.lock_denied == wants.lock_denied
                && has.archive_after_days == wants.archive_after_days
                && has.retain_until == wants.retain_until
                && has.legal_hold == wants.legal_hold
        }
        _ => false,
    }
}

/// Of the children that are declared: how many have reached what they declare, how many were deleted by a person, how many
/// there are.
fn count(view: &View<'_, ForensicCase>, evidence: bool) -> (usize, usize, usize) {
    let wanted: Vec<String> =
        declared(view).into_iter().filter(|(_, kind)| is_evidence(kind) == evidence).map(|(name, _)| name).collect();
    let releasing = view.spec.containment.level == Level::Released;
    let counts = |child: &&Child| child.reached && (releasing || !is_released(child));
    let reached = of_kind(view, evidence).filter(|child| wanted.contains(&child.name)).filter(counts).count();
    let there = |name: &String| view.seen.children.iter().any(|child| key(child) == (name.as_str(), evidence));
    let gone = wanted.iter().filter(|name| view.record.made.contains(*name) && !there(name)).count();
    (reached, gone, wanted.len())
}

fn contained(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    // What holds a host can't be deleted: one that is gone held none, or was released.
    let (reached, gone, all) = count(view, false);
    let releasing = view.spec.containment.level == Level::Released;
    let state = if reached + gone == all && releasing {
        State::skipped(Reason::Released, format!("{all} of {all} hosts released"))
    } else if let released = gone + of_kind(view, false).filter(|child| child.reached && is_released(child)).count()
        && !releasing
        && released > 0
        && reached + released == all
    {
        State::skipped(Reason::Released, format!("{reached} of {all} hosts held; {released} released by themselves"))
    } else if reached == all {
        State::done(format!("{all} of {all} hosts held at {}", view.spec.containment.level.as_str()))
    } else {
        let done = if releasing { " released" } else { "" };
        unreached(view, false, format!("{reached} of {all} hosts{done}"))
    };
    Turn::new(state).remarking(shortfalls(view, false))
}

fn preserved(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    let (reached, gone, all) = count(view, true);
    let state = if all == 0 {
        State::skipped(Reason::NotDeclared, "the case declares no evidence")
    } else if reached == all {
        State::done(format!("{all} of {all} sets complete and locked"))
    } else if gone > 0 && reached + gone == all {
        let rest =
            format!("{reached} of {all} sets complete and locked; {gone} deleted by a person, and not taken again");
        State::skipped(Reason::NotDeclared, rest)
    } else {
        unreached(view, true, format!("{reached} of {all} sets"))
    };
    Turn::new(state).remarking(shortfalls(view, true))
}

/// A name can be used again: what an earlier case of this name made is not ours.
fn is_of_another(view: &View<'_, ForensicCase>, child: &Child) -> bool {
    child.made_by.as_ref().is_some_and(|uid| *uid != view.subject.uid)
}

fn is_released(child: &Child) -> bool {
    matches!(&child.kind, ChildKind::Quarantine(spec) if spec.level == Level::Released)
}

pub(super) fn of_kind<'a>(view: &'a View<'_, ForensicCase>, evidence: bool) -> impl Iterator<Item = &'a Child> {
    ours(view).filter(move |child| is_evidence(&child.kind) == evidence)
}

/// How far it is, and what the first child says that is not there yet: one that goes no further by itself, if there is.
fn unreached(view: &View<'_, ForensicCase>, evidence: bool, so_far: String) -> State {
    let behind = || of_kind(view, evidence).filter(|child| !child.reached);
    // A set that is settled without being preserved lacks a volume: it comes no nearer, and nobody else says so.
    let lacks = |child: &Child| (evidence && child.ready).then_some(Reason::PartialFailure);
    let stuck = behind().find_map(|child| child.stalled.or_else(|| lacks(child)).map(|reason| (reason, child)));
    let says =
        |child: &Child| format!("{so_far}; {}: {}", child.name, child.shortfall.as_ref().unwrap_or(&child.message));
    match (stuck, behind().next()) {
        (Some((reason, child)), _) => State::blocked(reason, says(child)),
        (None, Some(child)) => State::working(Reason::InProgress, says(child)),
        (None, None) => State::working(Reason::InProgress, so_far),
    }
}

/// What children that are settled did not do of what was declared.
fn shortfalls(view: &View<'_, ForensicCase>, evidence: bool) -> Option<String> {
    let said: Vec<String> = of_kind(view, evidence)
        .filter_map(|child| child.shortfall.as_ref().map(|shortfall| format!("{}: {shortfall}", child.name)))
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
#[path = "compose_case_tests.rs"]
pub(super) mod tests;
