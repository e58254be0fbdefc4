//! EBS snapshots: the changes. Nothing here deletes, unlocks or shortens.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    InstanceSpecification, LockMode as AwsLockMode, OperationType, ResourceType, SnapshotAttributeName, Tag,
    TagSpecification, TargetStorageTier,
};
use aws_smithy_types::DateTime;

use super::calls::Order;
use super::words::id;
use crate::api::aws_account::LockMode;
use crate::api::ids::{AccountId, InstanceId, SnapshotId, VolumeId};
use crate::cloud::error::CloudError;
use crate::cloud::operation_tag;
use crate::playbook::Time;
use crate::playbook::effect::{Created, Receipt};

/// What a set is to be.
#[derive(Debug)]
pub(super) struct Set<'a> {
    /// Of which instance.
    pub(super) instance: &'a InstanceId,
    /// Without these data volumes.
    pub(super) exclude: &'a BTreeSet<VolumeId>,
    /// Without the root volume.
    pub(super) exclude_root: bool,
    /// Of each snapshot.
    pub(super) description: &'a str,
    /// Of each snapshot, from birth.
    pub(super) tags: &'a BTreeMap<String, String>,
    /// Of the key of the operation id's tag.
    pub(super) tag_prefix: &'a str,
}

/// EC2 `CreateSnapshots`. It has no client token: the operation id among the tags at birth is all by which a set whose
/// reply was lost is found. Tags of the volumes are not copied: whoever controls the host may control those.
pub(super) async fn create(order: &Order<'_>, set: &Set<'_>) -> Result<Receipt, CloudError> {
    let excluded = set.exclude.iter().map(ToString::to_string).collect();
    let instance = InstanceSpecification::builder()
        .instance_id(set.instance.as_str())
        .exclude_boot_volume(set.exclude_root)
        .set_exclude_data_volume_ids(Some(excluded).filter(|excluded: &Vec<String>| !excluded.is_empty()))
        .build();
    let born = (operation_tag(set.tag_prefix), order.operation.0.clone());
    let tags = set.tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain([born]);
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .create_snapshots()
        .instance_specification(instance)
        .description(set.description)
        .tag_specifications(
            TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags)).build(),
        )
        .customize()
        .interceptor(mark.clone());
    let (answer, receipt) = order.send("CreateSnapshots", &mark, request.send()).await?;
    let created: Option<Vec<Created>> = answer
        .snapshots()
        .iter()
        .map(|made| Some(Created::Snapshot { id: id(made.snapshot_id())?, volume: id(made.volume_id())? }))
        .collect();
    // Fewer than were made would be taken for the whole set.
    let created = created.ok_or_else(|| order.puzzled("a snapshot without an id"))?;
    Ok(Receipt { created, ..receipt })
}

/// EC2 `LockSnapshot`, with a date: sent again, it is the same lock.
pub(super) async fn lock(
    order: &Order<'_>,
    snapshot: &SnapshotId,
    mode: LockMode,
    until: Time,
) -> Result<Receipt, CloudError> {
    let mode = match mode {
        LockMode::Governance => AwsLockMode::Governance,
        LockMode::Compliance => AwsLockMode::Compliance,
    };
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .lock_snapshot()
        .snapshot_id(snapshot.as_str())
        .lock_mode(mode)
        .expiration_date(DateTime::from_secs(until.as_second()))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("LockSnapshot", &mark, request.send()).await?.1)
}

/// EC2 `ModifySnapshotTier`: to the archive tier, the only one that it takes.
pub(super) async fn archive(order: &Order<'_>, snapshot: &SnapshotId) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_snapshot_tier()
        .snapshot_id(snapshot.as_str())
        .storage_tier(TargetStorageTier::Archive)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("ModifySnapshotTier", &mark, request.send()).await?.1)
}

/// EC2 `ModifySnapshotAttribute`, add: accounts, and never a group.
pub(super) async fn share(
    order: &Order<'_>,
    snapshot: &SnapshotId,
    accounts: &BTreeSet<AccountId>,
) -> Result<Receipt, CloudError> {
    modify(order, snapshot, OperationType::Add, accounts, false).await
}

/// EC2 `ModifySnapshotAttribute`, remove.
pub(super) async fn unshare(
    order: &Order<'_>,
    snapshot: &SnapshotId,
    accounts: &BTreeSet<AccountId>,
    public: bool,
) -> Result<Receipt, CloudError> {
    modify(order, snapshot, OperationType::Remove, accounts, public).await
}

async fn modify(
    order: &Order<'_>,
    snapshot: &SnapshotId,
    operation: OperationType,
    accounts: &BTreeSet<AccountId>,
    public: bool,
) -> Result<Receipt, CloudError> {
    let users: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_snapshot_attribute()
        .snapshot_id(snapshot.as_str())
        .attribute(SnapshotAttributeName::CreateVolumePermission)
        .operation_type(operation)
        .set_user_ids((!users.is_empty()).then_some(users))
        .set_group_names(public.then(|| vec!["all".to_owned()]))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("ModifySnapshotAttribute", &mark, request.send()).await?.1)
}
