//! Copies of EBS snapshots, where they lie.

use std::collections::BTreeMap;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use aws_smithy_runtime_api::box_error::BoxError;

use super::calls::Order;
use super::copy_url::{Way, endpoint_of, signed};
use super::ec2_snapshots;
use super::ec2_tiers;
use super::kms;
use super::kms_policies;
use super::sessions::{Session, Sessions};
use super::words::id;
use crate::api::ids::{KeyArn, RegionName, SnapshotId};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::{AskCopies, Place, operation_tag};
use crate::playbook::copies::{CopiesSeen, Destination};
use crate::playbook::copy_change::{Copy, CopyChange};
use crate::playbook::effect::{Created, Receipt};
use crate::playbook::key_policy::Ours;

/// Looks at copies, and at what the account that owns them may use.
pub(super) async fn look(
    sessions: &Sessions,
    place: &Place,
    ask: &AskCopies,
    source: Option<&RegionName>,
) -> CopiesSeen {
    let session = sessions.of(&place.access, place.region.as_str()).await;
    let usable = async {
        match source {
            // A key is used where it is.
            Some(region) if !ask.usable.is_empty() => {
                let there = sessions.of(&place.access, region.as_str()).await;
                kms::usable(&there, ask.usable.clone()).await
            }
            _ => BTreeMap::new(),
        }
    };
    let (snapshots, locks, tiers, keys, usable) = tokio::join!(
        ec2_snapshots::snapshots(&session, &ask.operations, &ask.known),
        ec2_snapshots::locks(&session, &ask.known),
        ec2_tiers::tiers(&session, &ask.tiers),
        kms::described(&session, ask.keys.clone()),
        usable,
    );
    CopiesSeen { snapshots, locks, tiers, keys, usable, ..CopiesSeen::nothing() }
}

/// Makes one change for a copy.
pub(super) async fn change(
    order: &Order<'_>,
    policies: &kms_policies::Policies,
    change: &CopyChange,
) -> Result<Receipt, CloudError> {
    match change {
        CopyChange::CopySnapshot {
            destination,
            source_region,
            source,
            of,
            key,
            encrypted,
            description,
            tags,
            tag_prefix,
        } => {
            at(order, destination)?;
            let copy = Wanted { destination, source_region, source, of, key, encrypted: *encrypted, description };
            let born = (operation_tag(tag_prefix), order.operation.0.clone());
            let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone())).chain([born]);
            create(order, &copy, tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()).await
        }
        CopyChange::LockCopy { destination, snapshot, mode, until } => {
            at(order, destination)?;
            super::ec2_evidence::lock(order, snapshot, *mode, *until).await
        }
        CopyChange::ArchiveCopy { destination, snapshot } => {
            at(order, destination)?;
            super::ec2_evidence::archive(order, snapshot).await
        }
        CopyChange::RevokeGrant { key, grant, .. } => kms::revoke_grant(order, key, grant).await,
        CopyChange::PutKeyPolicy { key, sid, accounts } => {
            kms_policies::put(order, policies, Ours { key, sid }, accounts).await
        }
    }
}

/// What is meant for one place is made in no other.
fn at(order: &Order<'_>, destination: &Destination) -> Result<(), CloudError> {
    let place = order.place;
    if place.access.account == destination.account && place.region == destination.region {
        return Ok(());
    }
    Err(order.refused("WrongPlace", &format!("it is for {destination}, not for {}", place.access.account)))
}

struct Wanted<'a> {
    destination: &'a Destination,
    source_region: &'a RegionName,
    source: &'a SnapshotId,
    of: &'a SnapshotId,
    key: &'a KeyArn,
    encrypted: bool,
    description: &'a str,
}

/// EC2 `CopySnapshot`. It has no client token, as `CreateSnapshots` has none. A copy's volume id means nothing, so that its
/// tags say what it is of.
async fn create(order: &Order<'_>, copy: &Wanted<'_>, tags: Vec<Tag>) -> Result<Receipt, CloudError> {
    let (from, to) = (copy.source_region.as_str(), order.place.region.as_str());
    let url = if copy.encrypted && from != to {
        let way = Way { from, to, snapshot: copy.source.as_str() };
        let url = url(order.session, way).await;
        Some(url.map_err(|error| order.refused("UrlNotSigned", &error.to_string()))?)
    } else {
        None
    };
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .copy_snapshot()
        .source_region(from)
        .source_snapshot_id(copy.source.as_str())
        .encrypted(true)
        .kms_key_id(copy.key.as_str())
        .description(copy.description)
        .tag_specifications(
            TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags)).build(),
        )
        .set_destination_region(url.is_some().then(|| to.to_owned()))
        .set_presigned_url(url)
        .customize()
        .interceptor(mark.clone());
    let (answer, receipt) = order.send("CopySnapshot", &mark, request.send()).await?;
    let id = id(answer.snapshot_id()).ok_or_else(|| order.puzzled("a copy without an id"))?;
    let made = Copy { id, destination: copy.destination.clone(), of: copy.of.clone() };
    Ok(Receipt { created: vec![Created::Copy(made)], ..receipt })
}

async fn url(session: &Session, way: Way<'_>) -> Result<String, BoxError> {
    let endpoint = match &session.access.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => endpoint_of(way.from).await?,
    };
    let credentials = session.credentials.as_ref().ok_or("no credentials to sign with")?.provide_credentials().await?;
    signed(&endpoint, way, credentials, now().into())
}
