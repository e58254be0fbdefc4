//! What a copy is made from and under which key, and why it can't be made yet.

use std::collections::BTreeMap;

use super::key_statements;
use super::share_snapshots::grant_name;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::{KeyArn, SnapshotId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::containment::isolate::{failed, unread};
use crate::playbook::copies::{CopiesSeen, Destination, own, standing, transfer_to};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::seen::{Key, KeyManager, Read, Snapshot};
use crate::playbook::step::{Refusal, State, View};

/// What is wished for at one destination.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub key: &'a KeyArn,
    pub attempts: usize,
    /// In the account of the source: only of what can't be shared as it is.
    pub transfer: bool,
}

/// Why a copy is not asked for yet.
pub(super) enum Held {
    Waits(Refusal),
    Blocked(Refusal),
    Unread(State),
}

fn waits<T>(reason: Reason, message: impl Into<String>) -> Result<T, Held> {
    Err(Held::Waits(Refusal::new(reason, message)))
}

/// What is copied: the snapshot itself, or its copy under the transfer key; and whether it is encrypted.
pub(super) fn source<'a>(
    view: &'a View<'_, EvidenceSnapshot>,
    at: &Destination,
    seen: &CopiesSeen,
    wish: Wish<'_>,
    of: &'a SnapshotId,
) -> Result<(&'a SnapshotId, bool), Held> {
    if view.record.settled.get(of).is_none_or(|state| state != "completed") || !view.record.may_leave(of) {
        return waits(Reason::Waiting, format!("waits until {of} is complete and locked"));
    }
    if view.seen.snapshots.value().into_iter().flatten().any(|snapshot| snapshot.id == *of && snapshot.archived) {
        return Err(Held::Blocked(Refusal::new(
            Reason::Archived,
            format!(
                "{of} is in the archive tier and can't be copied: restore it with aws ec2 restore-snapshot-tier --snapshot-id {of} \
                 --permanent-restore, which takes up to 72 hours"
            ),
        )));
    }
    if wish.transfer {
        return Ok((of, true));
    }
    let shared = |id: &SnapshotId| view.record.shared.get(id).is_some_and(|with| with.contains(&at.account));
    let Some(shown) = view.seen.snapshots.value() else {
        return Err(Held::Unread(unread::<EvidenceSnapshot, Vec<Snapshot>>(&view.seen.snapshots).state));
    };
    let Some(snapshot) = shown.iter().find(|snapshot| snapshot.id == *of) else {
        return waits(Reason::Waiting, format!("waits until AWS shows {of}"));
    };
    let Some(key) = &snapshot.key else {
        return if shared(of) {
            Ok((of, false))
        } else {
            waits(Reason::Waiting, format!("waits until {of} is shared"))
        };
    };
    match view.seen.keys.get(key) {
        Some(Read::Found { value: Key { manager: KeyManager::Aws, .. }, .. }) => {
            let transfer = transfer_of(view, at, of)?;
            if shared(transfer) {
                Ok((transfer, true))
            } else {
                waits(Reason::Waiting, format!("waits until {transfer} is shared"))
            }
        }
        Some(Read::Found { value: Key { enabled: false, .. }, .. } | Read::Absent { .. }) => {
            Err(Held::Blocked(Refusal::new(
                Reason::KeyUnusable,
                format!(
                    "the key {key} of {of} is disabled, about to be deleted, or gone: enable it, or cancel its deletion"
                ),
            )))
        }
        Some(Read::Failed(failure)) => Err(Held::Unread(failed::<EvidenceSnapshot>(failure).state)),
        Some(Read::Found { value, .. }) if !is_given(view, key, value, at) || !shared(of) => {
            waits(Reason::Waiting, format!("waits until {of} and its key are shared"))
        }
        Some(Read::Found { .. }) => match seen.usable.get(key) {
            Some(Read::Found { value: true, .. }) => Ok((of, true)),
            Some(Read::Failed(failure)) => Err(Held::Unread(failed::<EvidenceSnapshot>(failure).state)),
            // KMS takes up to minutes, and CopySnapshot takes no grant token: a copy asked for now would end in error.
            _ => waits(
                Reason::KeyAccessPending,
                format!(
                    "account {} may not use {key} yet: what lets it has to take effect, and its role must be allowed to use the key; asked again",
                    at.account
                ),
            ),
        },
        Some(Read::NotRead) | None => waits(Reason::NotObserved, format!("waits for a look at {key}")),
    }
}

/// Whether the account of the copy was let use the key of the source.
fn is_given(view: &View<'_, EvidenceSnapshot>, key: &KeyArn, seen: &Key, at: &Destination) -> bool {
    match view.spec.key_access {
        KeyAccess::Grant => seen.grants.contains_key(&grant_name(view, &at.account)),
        KeyAccess::KeyPolicy => key_statements::stand(view, key, seen, &at.account),
    }
}

/// The copy of what can't be shared, under the transfer key.
fn transfer_of<'a>(
    view: &'a View<'_, EvidenceSnapshot>,
    at: &Destination,
    of: &SnapshotId,
) -> Result<&'a SnapshotId, Held> {
    let (Some(own), Some(key)) = (transfer_to(view), &view.account.transfer_key) else {
        return Err(Held::Blocked(Refusal::new(
            Reason::DefaultKey,
            format!(
                "{of} is encrypted under the default aws/ebs key, which other accounts can't use: set \
                 spec.evidence.transferKeyArn of AwsAccount {} to a key of account {} in {} that its role may use",
                view.spec.source.account_ref(),
                at.account,
                own(view.spec, view.account).region
            ),
        )));
    };
    if key.account() != at.account.as_str() {
        return Err(Held::Blocked(Refusal::new(
            Reason::KeyUnusable,
            format!("spec.evidence.transferKeyArn {key} is no key of account {}, which copies {of}", at.account),
        )));
    }
    match standing(view.record, &own, of) {
        Some(copy) => Ok(copy),
        None => waits(Reason::Waiting, format!("waits for the copy of {of} under the transfer key")),
    }
}

/// The key of the copy can be used.
pub(super) fn target(seen: &CopiesSeen, wish: Wish<'_>) -> Result<(), Held> {
    let key = wish.key;
    match seen.keys.get(key) {
        Some(Read::Found { value: Key { enabled: true, .. }, .. }) => Ok(()),
        Some(Read::Found { .. } | Read::Absent { .. }) => Err(Held::Blocked(Refusal::new(
            Reason::KeyUnusable,
            format!("the key {key} is disabled, about to be deleted, or not there: enable it, or name another one"),
        ))),
        Some(Read::Failed(failure)) => Err(Held::Unread(failed::<EvidenceSnapshot>(failure).state)),
        Some(Read::NotRead) | None => waits(Reason::NotObserved, format!("waits for a look at {key}")),
    }
}

/// What is made in an account is called as that account's own AwsAccount says.
pub(super) fn tag_prefix_at<'a>(view: &View<'a, EvidenceSnapshot>, at: &Destination) -> &'a str {
    let there = view.account.allowed.values().find(|allowed| allowed.account == at.account);
    there.map_or(&view.account.tag_prefix, |allowed| &allowed.tag_prefix)
}

pub(super) fn copy(
    view: &View<'_, EvidenceSnapshot>,
    at: &Destination,
    wish: Wish<'_>,
    of: &SnapshotId,
    (source, encrypted): (&SnapshotId, bool),
) -> Effect {
    let source_region = own(view.spec, view.account).region;
    let instance = view.spec.source.instance_id().map(ToString::to_string);
    let prefix = tag_prefix_at(view, at);
    let set = view.record.set.iter().flat_map(|(_, set)| set);
    let volume = set.filter(|(_, id)| *id == of).map(|(volume, _)| volume.to_string()).next().unwrap_or_default();
    let mut tags = BTreeMap::from([
        (format!("{prefix}:source-account"), view.account.id.to_string()),
        (format!("{prefix}:source-region"), source_region.to_string()),
        (format!("{prefix}:source-snapshot"), of.to_string()),
        (format!("{prefix}:source-volume"), volume),
        (format!("{prefix}:object"), view.subject.uid.clone()),
    ]);
    tags.extend(instance.clone().map(|instance| (format!("{prefix}:source-instance"), instance)));
    if let Some((set, _)) = &view.record.set {
        tags.insert(format!("{prefix}:set"), set.0.clone());
    }
    if let Some(failed) = view.record.copies.get(at).and_then(|kept| kept.made.get(of)) {
        tags.insert(format!("{prefix}:retry-of"), failed.to_string());
    }
    Effect::Copying(CopyChange::CopySnapshot {
        destination: at.clone(),
        source_region,
        source: source.clone(),
        of: of.clone(),
        key: wish.key.clone(),
        encrypted,
        description: format!(
            "{} of {}, copied from {source}",
            view.subject.uid,
            instance.as_deref().unwrap_or("adopted snapshots")
        ),
        tags,
        tag_prefix: prefix.to_owned(),
    })
}
