//! What to ask AWS about an object, given what its chain says. Pure: the controller and the model ask the same.

use std::collections::BTreeSet;

use super::{AskEvidence, AskQuarantine};
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::ids::{SecurityGroupId, SnapshotId};
use crate::api::quarantine::{Pulse, QuarantineSpec};
use crate::playbook::attribute::{Attribute, Value};
use crate::playbook::effect::{Effect, GroupRole};
use crate::playbook::group_name;
use crate::playbook::record::Record;
use crate::playbook::step::Account;

impl AskQuarantine {
    /// What a Quarantine needs to know now: what takes more calls only while it is still wanted.
    pub fn about(spec: &QuarantineSpec, account: &Account, record: &Record) -> Self {
        let pulses = spec.isolation.pulse == Pulse::Auto && record.contained_at.is_some();
        Self {
            instance: spec.target.instance_id.clone(),
            group_names: [GroupRole::Closed, GroupRole::Open]
                .map(|role| group_name(&account.group_prefix, role))
                .to_vec(),
            surroundings: record.metadata && !record.surroundings,
            former_groups: if pulses { unpulsed(record) } else { BTreeSet::new() },
        }
    }
}

/// Groups that interfaces had before, as long as a pulse may still be due on them.
fn unpulsed(record: &Record) -> BTreeSet<SecurityGroupId> {
    let groups = record.baseline.iter().filter_map(|(attribute, value)| match (attribute, value) {
        (Attribute::Groups(interface), Value::Set(groups)) if !record.pulsed.contains(interface) => Some(groups),
        _ => None,
    });
    groups.flatten().filter_map(|group| SecurityGroupId::parse(group).ok()).collect()
}

impl AskEvidence {
    /// What an `EvidenceSnapshot` needs to know now: the host until the set is taken, then the set.
    pub fn about(spec: &EvidenceSnapshotSpec, account: &Account, record: &Record) -> Self {
        let failed = |id: &SnapshotId| record.settled.get(id).is_some_and(|state| state.starts_with("error"));
        let set = record.set.iter().flat_map(|(_, set)| set.values());
        let known: BTreeSet<SnapshotId> = set.chain(&record.surplus).filter(|id| !failed(id)).cloned().collect();
        let is_set = |effect: &Effect| matches!(effect, Effect::CreateSnapshots { .. });
        Self {
            instance: record.set.is_none().then(|| spec.source.instance.instance_id.clone()),
            tag_prefix: account.tag_prefix.clone(),
            operations: record.operations.iter().filter(|(_, o)| is_set(&o.effect)).map(|(id, _)| id.clone()).collect(),
            permissions: known.iter().filter(|id| record.locked.contains_key(*id)).cloned().collect(),
            locks: known,
            keys: record.set.is_some(),
        }
    }
}
