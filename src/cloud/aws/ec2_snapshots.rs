//! EBS snapshots: sets of them, their locks, and who may use them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    CreateVolumePermission, Filter, LockState, LockedSnapshotsInfo, PermissionGroup, SnapshotAttributeName,
    SnapshotBlockPublicAccessState, SnapshotState as State, StorageTier,
};

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read, side_by_side, some_text, text, time};
use crate::api::aws_account::LockMode;
use crate::api::ids::SnapshotId;
use crate::clock::now;
use crate::cloud::operation_tag;
use crate::playbook::adopted::Existing;
use crate::playbook::record::OperationId;
use crate::playbook::seen::{Lock, Read, Snapshot, SnapshotState};

const SNAPSHOTS: Question = ("DescribeSnapshots", "ec2:DescribeSnapshots");
const LOCKS: Question = ("DescribeLockedSnapshots", "ec2:DescribeLockedSnapshots");
const PUBLIC: Question = ("GetSnapshotBlockPublicAccessState", "ec2:GetSnapshotBlockPublicAccessState");
const PERMISSIONS: Question = ("DescribeSnapshotAttribute", "ec2:DescribeSnapshotAttribute");

/// A filter takes 200 values at most (EC2 reference, `Filter`).
pub(super) const VALUES: usize = 200;

/// Questions about single snapshots that are out at the same time.
pub(super) const AT_ONCE: usize = 8;

/// Snapshots that were born with one of these operation ids, and those that are `known` already: tags can be changed by
/// others, and who takes one off must not make evidence look lost. Without any of them nobody is asked. One that can't be
/// read makes the answer none: to leave it out would be to take it a second time.
pub(super) async fn snapshots(
    session: &Session,
    operations: &BTreeMap<String, BTreeSet<OperationId>>,
    known: &BTreeSet<SnapshotId>,
) -> Read<Vec<Snapshot>> {
    let asked_at = now();
    let keys: Vec<String> = operations.keys().map(|prefix| operation_tag(prefix)).collect();
    let by_tag = operations.values().zip(&keys).flat_map(|(operations, key)| {
        let all: Vec<&str> = operations.iter().map(|operation| operation.0.as_str()).collect();
        all.chunks(VALUES).map(|some| filter(&format!("tag:{key}"), some)).collect::<Vec<_>>()
    });
    let known: Vec<&str> = known.iter().map(SnapshotId::as_str).collect();
    // By a filter: an id that is not there any more is then no error.
    let by_id = known.chunks(VALUES).map(|some| filter("snapshot-id", some));
    let questions = by_tag.chain(by_id).map(|filter| found(session, &keys, filter)).collect();
    let mut all: BTreeMap<SnapshotId, Snapshot> = BTreeMap::new();
    for answer in side_by_side(AT_ONCE, questions).await {
        match answer {
            Ok(more) => all.extend(more.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot))),
            Err(fault) => return read(asked_at, Err(fault)),
        }
    }
    read(asked_at, Ok(all.into_values().collect()))
}

pub(super) fn filter(name: &str, values: &[&str]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.iter().map(ToString::to_string).collect())).build()
}

async fn found(session: &Session, keys: &[String], filter: Filter) -> Result<Vec<Snapshot>, Fault> {
    let request = session.ec2.describe_snapshots().owner_ids("self").filters(filter).into_paginator().items().send();
    let all: Vec<_> = session.ask(SNAPSHOTS, request.try_collect()).await?;
    let all: Result<Vec<_>, &str> = all.iter().map(|snapshot| ours(keys, snapshot)).collect();
    all.map_err(|what| session.puzzled(SNAPSHOTS, what).into())
}

/// Snapshots by id, whoever owns them: those of others as far as they are shared with us. One that is not shown is not in the
/// answer.
pub(super) async fn existing(session: &Session, ids: &BTreeSet<SnapshotId>) -> Read<Vec<Existing>> {
    if ids.is_empty() {
        return Read::NotRead;
    }
    let asked_at = now();
    let told = async {
        let mut all = existing_of(session, Some("self"), ids).await?;
        let hidden: BTreeSet<SnapshotId> =
            ids.iter().filter(|id| !all.iter().any(|found| found.snapshot.id == **id)).cloned().collect();
        // Without an owner AWS looks through all that the world has made public: only for what is not ours.
        if !hidden.is_empty() {
            all.extend(existing_of(session, None, &hidden).await?);
        }
        Ok(all)
    };
    read(asked_at, told.await)
}

async fn existing_of(
    session: &Session,
    owner: Option<&str>,
    ids: &BTreeSet<SnapshotId>,
) -> Result<Vec<Existing>, Fault> {
    let ids: Vec<&str> = ids.iter().map(SnapshotId::as_str).collect();
    // By a filter: an id that is not there is then no error.
    let request = session.ec2.describe_snapshots().set_owner_ids(owner.map(|owner| vec![owner.to_owned()]));
    let request = request.filters(filter("snapshot-id", &ids)).into_paginator().items().send();
    let all: Vec<_> = session.ask(SNAPSHOTS, request.try_collect()).await?;
    let all: Result<Vec<_>, &str> = all.iter().map(as_found).collect();
    all.map_err(|what| session.puzzled(SNAPSHOTS, what).into())
}

fn as_found(found: &aws_sdk_ec2::types::Snapshot) -> Result<Existing, &'static str> {
    Ok(Existing {
        snapshot: ours(&[], found)?,
        owner: id(found.owner_id()).ok_or("a snapshot without an owner")?,
        started: time(found.start_time()).map(|started| started.to_string()),
        tags: found
            .tags()
            .iter()
            .filter_map(|tag| Some((some_text(tag.key(), 128)?, text(tag.value(), 256))))
            .collect(),
    })
}

fn ours(keys: &[String], found: &aws_sdk_ec2::types::Snapshot) -> Result<Snapshot, &'static str> {
    let state = match found.state() {
        Some(State::Pending) => SnapshotState::Pending,
        Some(State::Completed) => SnapshotState::Completed,
        Some(State::Error) => SnapshotState::Error,
        Some(State::Recoverable | State::Recovering) => SnapshotState::Recoverable,
        _ => return Err("an unknown snapshot state"),
    };
    // Encrypted under a key that is not known is not the same as not encrypted.
    let encrypted = found.encrypted().unwrap_or_default();
    let key_arn = id(found.kms_key_id());
    if encrypted && key_arn.is_none() {
        return Err("an encrypted snapshot without the ARN of its key");
    }
    let is_ours = |key: &str| keys.iter().any(|ours| ours == key);
    let born = found.tags().iter().find(|tag| tag.key().is_some_and(is_ours)).and_then(|tag| tag.value());
    let percent = found.progress().and_then(|progress| progress.trim_end_matches('%').parse().ok());
    Ok(Snapshot {
        id: id(found.snapshot_id()).ok_or("a snapshot without an id")?,
        volume: id(found.volume_id()).ok_or("a snapshot without a volume id")?,
        operation: some_text(born, 256),
        state,
        state_message: some_text(found.state_message(), 512),
        progress: percent.unwrap_or(u8::from(state == SnapshotState::Completed) * 100),
        size_gib: found.volume_size().unwrap_or_default(),
        key: key_arn,
        // One that is restored for a while can be used as long.
        archived: found.storage_tier() == Some(&StorageTier::Archive) && found.restore_expiry_time().is_none(),
    })
}

/// Locks on these snapshots. What is not locked, or not there, is not in the answer.
pub(super) async fn locks(session: &Session, snapshots: &BTreeSet<SnapshotId>) -> Read<BTreeMap<SnapshotId, Lock>> {
    if snapshots.is_empty() {
        return Read::NotRead;
    }
    let asked_at = now();
    let all: Vec<&SnapshotId> = snapshots.iter().collect();
    let answer = match locked(session, &all).await {
        // One that is gone must not hide the locks of the others.
        Err(Fault::Absent) => {
            let each = all.iter().map(|id| locked_alone(session, id)).collect();
            side_by_side(AT_ONCE, each).await.into_iter().try_fold(BTreeMap::new(), |mut all, one| {
                all.extend(one?);
                Ok(all)
            })
        }
        other => other,
    };
    read(asked_at, answer)
}

async fn locked_alone(session: &Session, snapshot: &SnapshotId) -> Result<BTreeMap<SnapshotId, Lock>, Fault> {
    match locked(session, &[snapshot]).await {
        Err(Fault::Absent) => Ok(BTreeMap::new()),
        other => other,
    }
}

/// EC2 `DescribeLockedSnapshots`, page by page: the SDK has no paginator for it.
async fn locked(session: &Session, snapshots: &[&SnapshotId]) -> Result<BTreeMap<SnapshotId, Lock>, Fault> {
    let mut found = BTreeMap::new();
    let mut token: Option<String> = None;
    loop {
        let ids = snapshots.iter().map(ToString::to_string).collect();
        let request = session.ec2.describe_locked_snapshots().set_snapshot_ids(Some(ids)).set_next_token(token.clone());
        let answer = session.ask(LOCKS, request.send()).await?;
        for lock in answer.snapshots() {
            let id = id(lock.snapshot_id()).ok_or_else(|| session.puzzled(LOCKS, "a lock on no snapshot"))?;
            found.extend(standing(lock).map(|lock| (id, lock)));
        }
        let next = some_text(answer.next_token(), 4096);
        if next.is_none() || next == token {
            return Ok(found);
        }
        token = next;
    }
}

/// A lock that holds now. In its cooling-off period a compliance lock can still be taken away (EBS guide, snapshot
/// lock), so it is no stronger than governance; a state of tomorrow is no lock that we could vouch for.
fn standing(found: &LockedSnapshotsInfo) -> Option<Lock> {
    let mode = match found.lock_state()? {
        LockState::Compliance => LockMode::Compliance,
        LockState::ComplianceCooloff | LockState::Governance => LockMode::Governance,
        _ => return None,
    };
    Some(Lock { mode, until: time(found.lock_expires_on()) })
}

/// Whether the account lets snapshots be shared with the public in the session's Region.
pub(super) async fn public_sharing(session: &Session, asked: bool) -> Read<String> {
    if !asked {
        return Read::NotRead;
    }
    let asked_at = now();
    let answer = session.ask(PUBLIC, session.ec2.get_snapshot_block_public_access_state().send()).await;
    read(asked_at, answer.map(|answer| text(answer.state().map(SnapshotBlockPublicAccessState::as_str), 64)))
}

/// Who may create volumes from these snapshots.
pub(super) async fn permissions(
    session: &Session,
    snapshots: &BTreeSet<SnapshotId>,
) -> BTreeMap<SnapshotId, Read<BTreeSet<String>>> {
    let each = snapshots.iter().map(|snapshot| users(session, snapshot)).collect();
    side_by_side(AT_ONCE, each).await.into_iter().collect()
}

/// EC2 `DescribeSnapshotAttribute`.
async fn users(session: &Session, snapshot: &SnapshotId) -> (SnapshotId, Read<BTreeSet<String>>) {
    let asked_at = now();
    let name = SnapshotAttributeName::CreateVolumePermission;
    let request = session.ec2.describe_snapshot_attribute().snapshot_id(snapshot.as_str()).attribute(name);
    let answer = session.ask(PERMISSIONS, request.send()).await;
    let users = answer.map(|answer| answer.create_volume_permissions().iter().flat_map(who).collect());
    (snapshot.clone(), read(asked_at, users))
}

/// Account ids, and `all` for the public.
fn who(permission: &CreateVolumePermission) -> impl Iterator<Item = String> {
    let group = permission.group().map(PermissionGroup::as_str);
    group.into_iter().chain(permission.user_id()).map(|who| text(Some(who), 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::Tag;

    fn whole() -> aws_sdk_ec2::types::builders::SnapshotBuilder {
        aws_sdk_ec2::types::Snapshot::builder()
            .snapshot_id("snap-0123456789abcdef0")
            .volume_id("vol-0123456789abcdef0")
            .state(State::Pending)
            .progress("42%")
            .tags(Tag::builder().key("ops:operation").value("op-1").build())
    }

    #[test]
    fn a_snapshot_says_which_operation_it_was_born_of() {
        let snapshot = ours(&["ops:operation".to_owned()], &whole().build()).unwrap();
        assert_eq!((snapshot.operation.as_deref(), snapshot.progress), (Some("op-1"), 42));
        assert_eq!(ours(&["other:operation".to_owned()], &whole().build()).unwrap().operation, None);
        let done = whole().state(State::Completed).progress("").build();
        assert_eq!(ours(&["ops:operation".to_owned()], &done).unwrap().progress, 100);
    }

    #[test]
    fn what_is_archived_can_be_used_only_while_it_is_restored() {
        let archived =
            |found: aws_sdk_ec2::types::builders::SnapshotBuilder| ours(&[], &found.build()).unwrap().archived;
        assert!(!archived(whole()) && !archived(whole().storage_tier(StorageTier::Standard)));
        assert!(archived(whole().storage_tier(StorageTier::Archive)));
        let until = aws_smithy_types::DateTime::from_secs(1_800_000_000);
        assert!(!archived(whole().storage_tier(StorageTier::Archive).restore_expiry_time(until)));
    }

    #[test]
    fn a_snapshot_that_is_half_read_is_not_read() {
        let strange = [
            whole().state(State::from("melting")).build(),
            whole().snapshot_id("snap-new/format").build(),
            whole().encrypted(true).build(),
            whole().encrypted(true).kms_key_id("alias/aws/ebs").build(),
        ];
        for found in strange {
            assert!(ours(&["ops:operation".to_owned()], &found).is_err(), "{found:?}");
        }
    }

    #[test]
    fn only_a_lock_that_holds_is_a_lock() {
        let lock = |state| standing(&LockedSnapshotsInfo::builder().lock_state(state).build()).map(|lock| lock.mode);
        assert_eq!(lock(LockState::Compliance), Some(LockMode::Compliance));
        assert_eq!(lock(LockState::ComplianceCooloff), Some(LockMode::Governance));
        assert_eq!(lock(LockState::Governance), Some(LockMode::Governance));
        assert_eq!(lock(LockState::Expired), None);
        assert_eq!(lock(LockState::from("eternal")), None);
    }

    #[test]
    fn the_public_is_a_name_like_any_other() {
        let public = CreateVolumePermission::builder().group(PermissionGroup::All).build();
        let account = CreateVolumePermission::builder().user_id("111122223333").build();
        assert_eq!(who(&public).chain(who(&account)).collect::<Vec<_>>(), ["all", "111122223333"]);
    }
}
