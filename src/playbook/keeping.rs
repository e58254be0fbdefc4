//! How long evidence is kept, and where: what the chain says of its hold, its retention and its tier.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Time;
use super::record::{Fact, Record};
use crate::api::approval::Action;
use crate::api::ids::SnapshotId;

/// Hold, retention and tier of the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Keeping {
    /// Since when the set is under legal hold.
    pub legal_hold: Option<Time>,
    /// When its last hold was lifted.
    pub hold_lifted: Option<Time>,
    /// Until when it is to be kept at least, as was declared before that day.
    pub retained: Option<Time>,
    /// Snapshots that were never locked, since AWS denied it.
    pub lock_denied: BTreeSet<SnapshotId>,
    /// Of these, the ones that are kept without a lock, as a person approved.
    pub lock_waived: BTreeSet<SnapshotId>,
    /// From when on set and copies go to the archive tier.
    pub archiving: Option<Time>,
    /// Snapshots and copies that were moved to the archive tier.
    pub archived: BTreeSet<SnapshotId>,
}

impl Record {
    /// A plan to lift a hold that was carried out, or that nobody wants any more, is forgotten: one that says the same later
    /// is another plan, and needs an approval of its own.
    pub(super) fn keep(&mut self, fact: &Fact, at: Time) {
        let keeping = &mut self.keeping;
        match fact {
            Fact::LegalHold => {
                keeping.legal_hold.get_or_insert(at);
            }
            Fact::HoldLifted => (keeping.legal_hold, keeping.hold_lifted) = (None, Some(at)),
            Fact::LockWaived { snapshots } => keeping.lock_waived.extend(snapshots.iter().cloned()),
            Fact::Retained { until } => keeping.retained = keeping.retained.max(Some(*until)),
            Fact::Archiving => {
                keeping.archiving.get_or_insert(at);
            }
            Fact::Archived { snapshot } => {
                keeping.archived.insert(snapshot.clone());
            }
            _ => {}
        }
        let carried_out = match fact {
            Fact::LegalHold | Fact::HoldLifted => Action::LiftHold,
            Fact::LockWaived { .. } => Action::WaiveLock,
            _ => return,
        };
        self.plans.remove(&carried_out);
        self.decisions.remove(&carried_out);
        self.denied.remove(&carried_out);
    }

    /// A lock stands.
    pub(super) fn note_lock(&mut self, snapshot: &SnapshotId, until: Option<Time>) {
        self.locked.insert(snapshot.clone(), until);
        self.keeping.lock_denied.remove(snapshot);
        self.keeping.lock_waived.remove(snapshot);
    }

    /// Whether a snapshot may be shared and copied: it was locked, or a person approved that it is kept without.
    pub fn may_leave(&self, snapshot: &SnapshotId) -> bool {
        self.locked.contains_key(snapshot) || self.keeping.lock_waived.contains(snapshot)
    }
}
