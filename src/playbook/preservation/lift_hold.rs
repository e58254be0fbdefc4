//! Row D17: a legal hold is lifted by an Approval, and by nothing else. To ask for it is a wish.
//!
//! Nothing changes in AWS: from then on no lock is renewed for the sake of the hold, and each ends on its day. A retention
//! stands all the same, and so does a lock.

use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "HoldLifted",
    after: &[],
    wanted: |view| {
        let keeping = &view.record.keeping;
        !view.spec.legal_hold && (keeping.legal_hold.is_some() || keeping.hold_lifted.is_some())
    },
    needs: Some(Action::LiftHold),
    next,
    undo: |_| Turn::new(State::done("what is lifted is declared anew")),
    preview,
};

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    if view.record.keeping.legal_hold.is_none() {
        return Turn::new(State::done("no legal hold stands: the last one was lifted by an Approval"));
    }
    Turn::new(State::working(Reason::InProgress, "lifts the legal hold")).noting([Fact::HoldLifted])
}

fn preview(view: &View<'_, EvidenceSnapshot>) -> Vec<PlanLine> {
    let record = view.record;
    let set = record.set.as_ref().map_or(0, |(_, set)| set.len());
    let copies: usize = record.copies.values().map(|kept| kept.made.len()).sum();
    let what =
        format!("lift the legal hold of {set} snapshots and {copies} copies of them: their locks are renewed no more");
    let last = record.locked.values().flatten().max().map(|ends| format!("the last of their locks ends on {ends}"));
    let retained =
        view.spec.retain_until.as_ref().map(|until| format!("they are retained until {} all the same", until.0));
    [Some(what), last, retained].into_iter().flatten().map(PlanLine::about).collect()
}

#[cfg(test)]
#[path = "lift_hold_tests.rs"]
mod tests;
