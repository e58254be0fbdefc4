//! Copies of snapshots: what CopySnapshot does, and what is shown where they lie.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Done, Refuser};
use super::world::{Exhibit, World};
use crate::api::aws_account::LockMode;
use crate::api::ids::{AccountId, KeyArn, SnapshotId, VolumeId};
use crate::cloud::error::ErrorClass;
use crate::cloud::{AskCopies, operation_tag};
use crate::playbook::Time;
use crate::playbook::copies::{AT_ONCE, CopiesSeen, Destination};
use crate::playbook::copy_change::{Copy, CopyChange};
use crate::playbook::effect::Created;
use crate::playbook::key_policy::{BYTES, Ours, Written};
use crate::playbook::record::OperationId;
use crate::playbook::seen::{KeyManager, Read, Snapshot, SnapshotState};
use crate::playbook::tiers::{Tier, Tiering};

impl World {
    pub(super) fn change_copies(&mut self, refuse: &Refuser, change: &CopyChange, operation: &OperationId) -> Done {
        match change {
            CopyChange::CopySnapshot { .. } => self.copy_snapshot(refuse, change, operation),
            CopyChange::LockCopy { destination, snapshot, mode, until } => {
                self.lock_copy(refuse, destination, snapshot, *mode, *until)
            }
            CopyChange::ArchiveCopy { destination, snapshot } => {
                let exhibit = self.copies.get_mut(destination).and_then(|copies| copies.get_mut(snapshot));
                super::apply::archive(refuse, exhibit.ok_or_else(|| refuse.conflict("InvalidSnapshot.NotFound"))?)
            }
            CopyChange::RevokeGrant { key, grant, .. } => {
                let key = self.keys.get_mut(key).ok_or_else(|| refuse.conflict("NotFoundException"))?;
                let before = key.grants.len();
                key.grants.retain(|_, id| id != grant);
                if key.grants.len() == before { Err(refuse.conflict("NotFoundException")) } else { Ok(Vec::new()) }
            }
            CopyChange::PutKeyPolicy { key, sid, accounts } => self.put_key_policy(refuse, key, sid, accounts),
        }
    }

    /// Read and written at once, as the adapter does under its lock.
    fn put_key_policy(&mut self, refuse: &Refuser, arn: &KeyArn, sid: &str, accounts: &BTreeSet<AccountId>) -> Done {
        let key = self.keys.get_mut(arn).ok_or_else(|| refuse.conflict("NotFoundException"))?;
        let ours = Ours { key: arn, sid };
        let written = key.policy.as_ref().and_then(|policy| policy.with(ours, accounts));
        let written = written.ok_or_else(|| refuse.invalid("NotAPolicy", "it can't be read as one"))?;
        if written.bytes() > BYTES {
            return Err(refuse.because(ErrorClass::Quota, "LimitExceededException", "the policy is too long"));
        }
        let others = written.others(ours).ok_or_else(|| refuse.invalid("NotAPolicy", "it can't be read as one"))?;
        key.policy = Some(written);
        Ok(vec![Created::KeyPolicy(Written { key: arn.clone(), others })])
    }

    /// Each call that is applied makes a copy of its own. AWS looks at keys late: a copy under a key that can't be used
    /// ends in `error` (EC2 reference, `CopySnapshot`).
    fn copy_snapshot(&mut self, refuse: &Refuser, change: &CopyChange, operation: &OperationId) -> Done {
        let CopyChange::CopySnapshot { destination, source, of, key, tags, tag_prefix, .. } = change else {
            return Err(refuse.invalid("InvalidAction", "not this call"));
        };
        let own = self.copies.iter().filter(|(at, _)| at.account == self.account).flat_map(|(_, copies)| copies);
        let readable = |exhibit: &&Exhibit| {
            destination.account == self.account || exhibit.permissions.contains(destination.account.as_str())
        };
        let found = self.snapshots.iter().chain(own).find(|(id, _)| *id == source).map(|(_, exhibit)| exhibit);
        let found = found.filter(readable).ok_or_else(|| refuse.conflict("InvalidSnapshot.NotFound"))?;
        let (found, bytes) = (found.snapshot.clone(), found.bytes.clone());
        if found.state != SnapshotState::Completed || found.archived {
            return Err(refuse.conflict("IncorrectState"));
        }
        let there = self.copies.get(destination).into_iter().flatten();
        if there.filter(|(_, exhibit)| exhibit.snapshot.state == SnapshotState::Pending).count() >= AT_ONCE {
            return Err(refuse.throttled("ResourceLimitExceeded"));
        }
        let usable =
            found.key.as_ref().is_none_or(|key| self.may_use(destination, key)) && self.may_use(destination, key);
        let call = self.next();
        let number = self.next();
        let id = SnapshotId::parse(&format!("snap-{number:08x}")).map_err(|e| refuse.invalid("Id", &e.to_string()))?;
        let mut tags = tags.clone();
        tags.insert(operation_tag(tag_prefix), operation.0.clone());
        let snapshot = Snapshot {
            id: id.clone(),
            volume: VolumeId::parse("vol-ffffffff").map_err(|e| refuse.invalid("Id", &e.to_string()))?,
            operation: Some(operation.0.clone()),
            state: if usable { SnapshotState::Pending } else { SnapshotState::Error },
            state_message: (!usable).then(|| "Given key ID is not accessible".to_owned()),
            progress: 0,
            size_gib: found.size_gib,
            key: Some(key.clone()),
            archived: false,
        };
        let exhibit = Exhibit {
            snapshot,
            bytes,
            started: None,
            tags,
            call,
            lock: None,
            tier: None,
            permissions: BTreeSet::new(),
        };
        self.copies.entry(destination.clone()).or_default().insert(id.clone(), exhibit);
        Ok(vec![Created::Copy(Copy { id, destination: destination.clone(), of: of.clone() })])
    }

    /// By its own account, by a grant that names it, or by a policy that does.
    fn may_use(&self, by: &Destination, key: &KeyArn) -> bool {
        self.keys.get(key).is_some_and(|found| {
            let granted = || found.grants.keys().any(|name| name.ends_with(by.account.as_str()));
            let own = found.manager == KeyManager::Customer && key.account() == by.account.as_str();
            // What is under the account's default key is copied by the account itself.
            let default = found.manager == KeyManager::Aws && by.account == self.account;
            // The policy of the transfer key lets the account of the source use it.
            let transfer = by.account == self.account && key.account() != self.account.as_str();
            let principal = format!(":iam::{}:root\"", by.account);
            let named = || found.policy.as_ref().is_some_and(|policy| policy.0.contains(&principal));
            found.enabled && (own || default || transfer || granted() || named())
        })
    }

    fn lock_copy(
        &mut self,
        refuse: &Refuser,
        at: &Destination,
        copy: &SnapshotId,
        mode: LockMode,
        until: Time,
    ) -> Done {
        let exhibit = self.copies.get_mut(at).and_then(|copies| copies.get_mut(copy));
        let exhibit = exhibit.ok_or_else(|| refuse.conflict("InvalidSnapshot.NotFound"))?;
        super::apply::lock(refuse, exhibit, mode, until)
    }

    /// A snapshot of this account, or a copy in it.
    pub(super) fn exhibited(&self, id: &SnapshotId) -> Option<&Exhibit> {
        let mut own = self.copies.iter().filter(|(at, _)| at.account == self.account);
        self.snapshots.get(id).or_else(|| own.find_map(|(_, copies)| copies.get(id)))
    }

    /// Answers the questions about copies where they lie.
    pub fn see_copies(&self, at: &Destination, ask: &AskCopies, now: Time) -> CopiesSeen {
        let none = BTreeMap::new();
        let there = self.copies.get(at).unwrap_or(&none);
        let born = |exhibit: &Exhibit| {
            ask.operations.iter().find_map(|(prefix, operations)| {
                let tag = exhibit.tags.get(&operation_tag(prefix))?;
                operations.iter().any(|id| id.0 == *tag).then(|| tag.clone())
            })
        };
        let shown = there.values().map(|exhibit| Snapshot { operation: born(exhibit), ..exhibit.snapshot.clone() });
        let shown = shown.filter(|s| s.operation.is_some() || ask.known.contains(&s.id)).collect();
        let locks = there.iter().filter(|(id, _)| ask.known.contains(*id));
        let locks = locks.filter_map(|(id, exhibit)| Some((id.clone(), exhibit.lock.clone()?))).collect();
        let keys = ask.keys.iter().map(|arn| {
            let found = self.keys.get(arn).cloned();
            (arn.clone(), found.map_or(Read::Absent { asked_at: now }, |value| Read::Found { asked_at: now, value }))
        });
        let usable = |arn: &KeyArn| (arn.clone(), Read::Found { asked_at: now, value: self.may_use(at, arn) });
        CopiesSeen {
            snapshots: if ask.operations.is_empty() && ask.known.is_empty() {
                Read::NotRead
            } else {
                Read::Found { asked_at: now, value: shown }
            },
            locks: if ask.known.is_empty() { Read::NotRead } else { Read::Found { asked_at: now, value: locks } },
            tiers: tiers_of(&ask.tiers, now, |id| there.get(id)),
            keys: keys.collect(),
            usable: ask.usable.iter().map(usable).collect(),
            ..CopiesSeen::nothing()
        }
    }
}

/// The tiers of what is asked for.
pub(super) fn tiers_of<'a>(
    asked: &BTreeSet<SnapshotId>,
    now: Time,
    find: impl Fn(&SnapshotId) -> Option<&'a Exhibit>,
) -> BTreeMap<SnapshotId, Read<Tier>> {
    let standard = Tier { archived: false, tiering: Tiering::Other, began: None, progress: 0, detail: None };
    let read = |id: &SnapshotId| match find(id) {
        Some(exhibit) => Read::Found { asked_at: now, value: exhibit.tier.clone().unwrap_or_else(|| standard.clone()) },
        None => Read::Absent { asked_at: now },
    };
    asked.iter().map(|id| (id.clone(), read(id))).collect()
}
