//! What AWS shows when it is asked, stamped with the time before the question.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Exhibit, World};
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::SnapshotId;
use crate::cloud::{AskDigests, AskEvidence, AskQuarantine, operation_tag};
use crate::playbook::exhibit::Digesting;
use crate::playbook::record::OperationId;
use crate::playbook::seen::{Key, Read, ReadFailure, Snapshot};
use crate::playbook::{EvidenceSeen, QuarantineSeen, Time};

fn found<T>(asked_at: Time, value: T) -> Read<T> {
    Read::Found { asked_at, value }
}

fn maybe<T>(asked_at: Time, value: Option<T>) -> Read<T> {
    value.map_or(Read::Absent { asked_at }, |value| found(asked_at, value))
}

impl World {
    /// Answers the questions about a host. What only the caller knows (the hosts of the same case, its lease) is
    /// its own to add.
    pub fn see_quarantine(&self, ask: &AskQuarantine, now: Time) -> QuarantineSeen {
        let host = self.instances.get(&ask.instance);
        let named = |name: &String| ask.group_names.contains(name);
        let groups = self.groups.values().filter(|group| named(&group.name)).cloned().collect();
        let former = self.groups.values().filter(|group| ask.former_groups.contains(&group.id)).cloned().collect();
        let held = self.interfaces.values().map(|port| &port.interface);
        let held = held.filter(|interface| ask.held.contains(&interface.id)).cloned().collect();
        QuarantineSeen {
            instance: maybe(now, host.map(|host| host.instance.clone())),
            interfaces: found(now, self.ports(&ask.instance).into_iter().cloned().collect()),
            protections: if ask.protections {
                maybe(now, host.map(|host| host.protections.clone()))
            } else {
                Read::NotRead
            },
            auto_scaling: host.map_or(Read::Absent { asked_at: now }, |_| {
                found(now, self.see_fleet(&ask.instance, ask.auto_scaling_group.as_deref()))
            }),
            groups: found(now, groups),
            surroundings: if ask.surroundings {
                maybe(now, host.map(|host| self.around(&ask.instance, host.surroundings.clone())))
            } else {
                Read::NotRead
            },
            former_groups: if ask.former_groups.is_empty() { Read::NotRead } else { found(now, former) },
            held: if ask.held.is_empty() { Read::NotRead } else { found(now, held) },
            balancers: ask
                .balancers
                .as_ref()
                .map_or(Read::NotRead, |wanted| found(now, self.see_balancers(&ask.instance, wanted))),
            credentials: ask
                .credentials
                .as_ref()
                .map_or(Read::NotRead, |wanted| found(now, self.see_credentials(&ask.instance, wanted))),
            addresses: if ask.addresses.is_empty() {
                Read::NotRead
            } else {
                found(now, self.see_addresses(&ask.addresses))
            },
            ways: ask.ways.map_or(Read::NotRead, |_| found(now, self.ways.clone())),
            ..QuarantineSeen::nothing()
        }
    }

    /// What the bytes of snapshots are, all at once.
    pub fn see_digests(&self, ask: &AskDigests, now: Time) -> BTreeMap<SnapshotId, Read<Digesting>> {
        let seen = |id: &SnapshotId| match self.digests(id) {
            Some(Ok(digests)) => found(now, Digesting::Done(digests)),
            Some(Err(fault)) => found(now, Digesting::Contradicted(fault)),
            None => Read::Failed(ReadFailure { reason: Reason::Unreadable, message: format!("{id} can't be read") }),
        };
        let copies = ask.copies.values().flat_map(BTreeMap::keys);
        ask.own.keys().chain(copies).map(|id| (id.clone(), seen(id))).collect()
    }

    /// Answers the questions about a moment's snapshots. When the host was isolated is the caller's to add.
    pub fn see_evidence(&self, ask: &AskEvidence, now: Time) -> EvidenceSeen {
        // Tags can be changed by others: what is known already is asked for by its id.
        let asked = |snapshot: &Snapshot| snapshot.operation.is_some() || ask.locks.contains(&snapshot.id);
        let born = |exhibit: &Exhibit| {
            let of = |(prefix, operations): (&String, &BTreeSet<OperationId>)| {
                let tag = exhibit.tags.get(&operation_tag(prefix))?;
                operations.iter().any(|id| id.0 == *tag).then(|| tag.clone())
            };
            Snapshot { operation: ask.operations.iter().find_map(of), ..exhibit.snapshot.clone() }
        };
        let shown: Vec<Snapshot> = self.snapshots.values().map(born).filter(asked).collect();
        let arns = shown.iter().filter_map(|snapshot| snapshot.key.clone()).chain(ask.owed.iter().cloned());
        let arns = arns.filter(|_| ask.keys.is_some());
        let asked_of = |key: &Key| match ask.keys {
            Some(KeyAccess::KeyPolicy) => Key { grants: BTreeMap::new(), ..key.clone() },
            _ => Key { policy: None, ..key.clone() },
        };
        let keys = arns.map(|arn| (arn.clone(), maybe(now, self.keys.get(&arn).map(asked_of)))).collect();
        let locks = self
            .snapshots
            .iter()
            .filter(|(id, _)| ask.locks.contains(*id))
            .filter_map(|(id, exhibit)| exhibit.lock.clone().map(|lock| (id.clone(), lock)))
            .collect();
        let permissions = ask
            .permissions
            .iter()
            .map(|id| (id.clone(), maybe(now, self.exhibited(id).map(|exhibit| exhibit.permissions.clone()))))
            .collect();
        EvidenceSeen {
            instance: match &ask.instance {
                Some(id) => maybe(now, self.instances.get(id).map(|host| host.instance.clone())),
                None => Read::NotRead,
            },
            adoptable: if ask.adopts.is_empty() { Read::NotRead } else { found(now, self.existing(&ask.adopts)) },
            snapshots: if ask.operations.is_empty() && ask.locks.is_empty() {
                Read::NotRead
            } else {
                found(now, shown)
            },
            locks: if ask.locks.is_empty() { Read::NotRead } else { found(now, locks) },
            permissions,
            tiers: super::copies::tiers_of(&ask.tiers, now, |id| self.snapshots.get(id)),
            public_sharing: if ask.public_sharing { found(now, self.public_sharing.to_owned()) } else { Read::NotRead },
            keys,
            ..EvidenceSeen::nothing()
        }
    }
}
