//! What became of requests for copies. CopySnapshot has no client token: what is done for a set in `snapshot_volumes.rs`
//! is done here for each copy.

use std::collections::BTreeSet;

use crate::api::ids::SnapshotId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::copies::{CopiesSeen, Destination, Kept, is_failed};
use crate::playbook::copy_change::{Copy, CopyChange};
use crate::playbook::effect::{Created, Effect};
use crate::playbook::ledger::ended;
use crate::playbook::record::{Entry, Fact, Operation, OperationId, OutcomeKind, Record};
use crate::playbook::seen::Snapshot;
use crate::playbook::step::View;

/// What one look says of the requests for copies at one destination.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Ends of those that are open.
    pub outcomes: Vec<Entry>,
    /// Copies that came though nobody expected them any more.
    pub found: Vec<Fact>,
    /// Those that are sent again.
    pub again: Vec<Effect>,
    /// Snapshots of which a copy may be on its way, or came in this very look: no other is asked for.
    pub busy: BTreeSet<SnapshotId>,
}

/// Every request for a copy at a destination, and of which snapshot.
pub(super) fn requests<'a>(
    record: &'a Record,
    at: &'a Destination,
) -> impl Iterator<Item = (&'a OperationId, &'a Operation, &'a SnapshotId)> {
    record.operations.iter().filter_map(move |(id, operation)| match &operation.effect {
        Effect::Copying(CopyChange::CopySnapshot { destination, of, .. }) if destination == at => {
            Some((id, operation, of))
        }
        _ => None,
    })
}

impl Requests {
    pub(super) fn of(view: &View<'_, EvidenceSnapshot>, at: &Destination, seen: &CopiesSeen) -> Self {
        let mut all = Self::default();
        let nothing = Kept::default();
        let kept = view.record.copies.get(at).unwrap_or(&nothing);
        let shown = seen.snapshots.value().map_or(&[][..], Vec::as_slice);
        for (id, operation, of) in requests(view.record, at) {
            let born: Vec<&Snapshot> = shown.iter().filter(|s| s.operation.as_deref() == Some(&id.0)).collect();
            let made = |snapshot: &Snapshot| Copy { id: snapshot.id.clone(), destination: at.clone(), of: of.clone() };
            if operation.outcome.is_some() {
                let new = born.into_iter().filter(|snapshot| !kept.knows(&snapshot.id));
                let found = new.map(|snapshot| Fact::CopyFound { operation: id.clone(), copy: made(snapshot) });
                let before = all.found.len();
                all.found.extend(found);
                if all.found.len() > before {
                    all.busy.insert(of.clone());
                }
                continue;
            }
            all.busy.insert(of.clone());
            let stands = kept.made.get(of).is_some_and(|copy| !is_failed(view.record, copy));
            let ripe = is_ripe(view, seen, operation);
            if !born.is_empty() {
                let result = if stands { OutcomeKind::Surplus } else { OutcomeKind::Adopted };
                let created = born.into_iter().map(|snapshot| Created::Copy(made(snapshot))).collect();
                all.outcomes.push(ended(id, result, created));
            } else if ripe && stands {
                all.outcomes.push(ended(id, OutcomeKind::Unknown, Vec::new()));
            } else if ripe && view.now.as_second() >= operation.at.as_second() + view.limits.settle_seconds {
                all.again.push(operation.effect.clone());
            }
        }
        // Of what came in this look nothing is sent again: the one that came may be the copy.
        let came: BTreeSet<&SnapshotId> = all.found.iter().filter_map(found_of).collect();
        let still = |effect: &Effect| !matches!(effect, Effect::Copying(CopyChange::CopySnapshot { of, .. }) if came.contains(of));
        all.again.retain(still);
        all
    }
}

fn found_of(fact: &Fact) -> Option<&SnapshotId> {
    match fact {
        Fact::CopyFound { copy, .. } => Some(&copy.of),
        _ => None,
    }
}

/// Whether AWS was asked so long after a request that what it made is shown.
fn is_ripe(view: &View<'_, EvidenceSnapshot>, seen: &CopiesSeen, operation: &Operation) -> bool {
    let asked = seen.snapshots.asked_at().map_or(i64::MIN, jiff::Timestamp::as_second);
    asked >= operation.at.as_second() + view.limits.settle_seconds
}

/// Whether a copy is gone: it is not shown when asked so long after the last call that could have made it that it would be
/// shown if it stood.
pub(super) fn is_gone(
    view: &View<'_, EvidenceSnapshot>,
    at: &Destination,
    seen: &CopiesSeen,
    copy: &SnapshotId,
) -> bool {
    let Some(shown) = seen.snapshots.value() else { return false };
    let last = requests(view.record, at).map(|(_, operation, _)| operation).max_by_key(|operation| operation.at);
    !shown.iter().any(|snapshot| snapshot.id == *copy) && last.is_some_and(|last| is_ripe(view, seen, last))
}

#[cfg(test)]
#[path = "copy_requests_tests.rs"]
mod tests;
