//! Whether the bytes of all evidence are verified: a fact of its own, since it takes hours and evidence is safe without it.

use super::compose_case::{declared, of_kind};
use crate::api::conditions::Reason;
use crate::api::exhibits::Verify;
use crate::playbook::step::{State, Step, Turn, View};
use crate::playbook::{Child, ChildKind, ForensicCase};

/// Every moment verified. The case is ready without it.
pub const STEP: Step<ForensicCase> = Step {
    name: "EvidenceVerified",
    after: &[],
    wanted: |view| view.spec.evidence.verify == Verify::Digest && !view.spec.evidence.moments.is_empty(),
    needs: None,
    next: verified,
    undo: verified,
    preview: |_| Vec::new(),
};

fn verified(view: &View<'_, ForensicCase>) -> Turn<ForensicCase> {
    let wanted: Vec<String> = declared(view)
        .into_iter()
        .filter(|(_, kind)| matches!(kind, ChildKind::Evidence(_)))
        .map(|(name, _)| name)
        .collect();
    let there: Vec<&Child> = of_kind(view, true).filter(|child| wanted.contains(&child.name)).collect();
    let all = wanted.len();
    let done = there.iter().filter(|child| child.verified.is_ok()).count();
    let gone = wanted.iter().filter(|name| {
        view.record.made.contains(*name) && !view.seen.children.iter().any(|child| child.name == **name)
    });
    let gone = gone.count();
    let so_far = format!("{done} of {all} sets verified");
    let mut open = there.iter().filter_map(|child| Some((child, child.verified.as_ref().err()?)));
    let told = open
        .clone()
        .find(|(_, why)| why.reason == Reason::Contradicted)
        .or_else(|| open.clone().find(|(child, _)| child.stalled.is_some()))
        .or_else(|| open.next());
    Turn::new(match told {
        Some((child, why)) => {
            let says = format!("{so_far}; {}: {}", child.name, why.message);
            match why.reason {
                Reason::Contradicted => State::blocked(why.reason, says),
                reason => State::working(reason, says),
            }
        }
        None if done == all => State::done(so_far),
        None if done + gone == all => {
            State::skipped(Reason::NotDeclared, format!("{so_far}; {gone} deleted by a person, and not taken again"))
        }
        None => State::working(Reason::InProgress, so_far),
    })
}

#[cfg(test)]
#[path = "verify_evidence_tests.rs"]
mod tests;
