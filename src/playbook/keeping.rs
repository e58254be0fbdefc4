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
            Fact::Retained { until } => keeping.retained = keeping.retained.max(Some(*until)),
            Fact::Archiving => {
                keeping.archiving.get_or_insert(at);
            }
            Fact::Archived { snapshot } => {
                keeping.archived.insert(snapshot.clone());
            }
            _ => {}
        }
        if matches!(fact, Fact::LegalHold | Fact::HoldLifted) {
            self.plans.remove(&Action::LiftHold);
            self.decisions.remove(&Action::LiftHold);
            self.denied.remove(&Action::LiftHold);
        }
    }
}
