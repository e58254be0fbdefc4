//! Row D4 where an account denies the lock: evidence is kept without one, where that is declared and a person approved it.
//!
//! Nothing changes in AWS. The lock is tried until then, and what was locked once is none of this: that its lock is not
//! renewed stays an alarm. Copies are locked where they lie.

use std::collections::BTreeSet;

use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::LockDenied;
use crate::api::ids::SnapshotId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::{Fact, Record};
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "LockWaived",
    after: &[],
    wanted: |view| {
        let keeping = &view.record.keeping;
        let any = !keeping.lock_waived.is_empty() || !open(view.record).is_empty();
        view.spec.lock_denied == LockDenied::Waive && any
    },
    needs: Some(Action::WaiveLock),
    next,
    undo: |_| Turn::new(State::done("what is waived is declared anew")),
    preview,
};

/// Those of which AWS denies the lock, and nobody has approved that they are kept without.
fn open(record: &Record) -> BTreeSet<SnapshotId> {
    record.keeping.lock_denied.difference(&record.keeping.lock_waived).cloned().collect()
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let snapshots = open(view.record);
    if snapshots.is_empty() {
        return Turn::new(State::done(told(view.record.keeping.lock_waived.len())));
    }
    Turn::new(State::working(Reason::InProgress, "waives the lock")).noting([Fact::LockWaived { snapshots }])
}

fn preview(view: &View<'_, EvidenceSnapshot>) -> Vec<PlanLine> {
    let line = |id: &SnapshotId| PlanLine {
        text: format!(
            "keep {id} without a lock, and share and copy it all the same: AWS denies ec2:LockSnapshot to the role of account {}, \
             so that who may delete snapshots there may delete this one",
            view.account.id
        ),
        neighbour: Some(format!("snapshot/{id}")),
    };
    open(view.record).iter().map(line).collect()
}

/// Given the locks that are still to be set: what becomes of them where AWS denies all of them and that is declared. What is
/// waived is tried no more.
pub(super) fn denied(view: &View<'_, EvidenceSnapshot>, locks: &mut Vec<Effect>) -> Option<State> {
    let keeping = &view.record.keeping;
    let among = |ids: &BTreeSet<SnapshotId>, lock: &Effect| match lock {
        Effect::LockSnapshot { snapshot, .. } => ids.contains(snapshot),
        _ => false,
    };
    let all = !locks.is_empty() && locks.iter().all(|lock| among(&keeping.lock_denied, lock));
    if view.spec.lock_denied == LockDenied::Block || !all {
        return None;
    }
    if locks.iter().any(|lock| !among(&keeping.lock_waived, lock)) {
        return Some(State::Awaiting(Action::WaiveLock));
    }
    let state = State::skipped(Reason::LockWaived, told(locks.len()));
    locks.clear();
    Some(state)
}

/// What a waiver is worth, in words.
fn told(snapshots: usize) -> String {
    format!(
        "{snapshots} snapshots are kept without a lock, as an Approval of WaiveLock allows: AWS denies ec2:LockSnapshot. Once it is \
         granted set spec.lockDenied: Block, and they are locked"
    )
}

#[cfg(test)]
#[path = "waive_lock_tests.rs"]
mod tests;
