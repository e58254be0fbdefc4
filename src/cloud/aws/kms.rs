//! KMS: the keys that snapshots are encrypted under.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types::{GrantOperation, KeyManagerType, KeyState};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{read, side_by_side, text};
use crate::api::ids::{AccountId, KeyArn};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::iam::GRANT_OPERATIONS;
use crate::playbook::effect::{Created, Receipt};
use crate::playbook::seen::{Key, KeyManager, Read};

const KEY: Question = ("DescribeKey", "kms:DescribeKey");
const GRANTS: Question = ("ListGrants", "kms:ListGrants");

/// Keys asked about at the same time.
const AT_ONCE: usize = 4;

/// The keys, side by side.
pub(super) async fn keys(session: &Session, keys: BTreeSet<KeyArn>) -> BTreeMap<KeyArn, Read<Key>> {
    let one = async |key: KeyArn| {
        let asked_at = now();
        let answer = look(session, &key).await;
        (key, read(asked_at, answer))
    };
    side_by_side(AT_ONCE, keys.into_iter().map(one).collect()).await.into_iter().collect()
}

async fn look(session: &Session, key: &KeyArn) -> Result<Key, Fault> {
    let describe = session.kms.describe_key().key_id(key.as_str());
    let grants = session.kms.list_grants().key_id(key.as_str()).limit(100).into_paginator().items().send();
    let (described, grants) =
        tokio::join!(session.ask(KEY, describe.send()), session.ask(GRANTS, grants.try_collect()));
    let described = described?;
    let metadata = described.key_metadata();
    let manager = match metadata.and_then(|key| key.key_manager()) {
        Some(KeyManagerType::Aws) => KeyManager::Aws,
        Some(KeyManagerType::Customer) => KeyManager::Customer,
        _ => return Err(session.puzzled(KEY, "no key manager").into()),
    };
    let enabled = metadata.and_then(|key| key.key_state()) == Some(&KeyState::Enabled);
    // What can't be used for sharing is said as such, also by who may not list its grants.
    let grants = if enabled && manager == KeyManager::Customer { grants? } else { grants.unwrap_or_default() };
    let grants = grants.iter().filter_map(|grant| grant.name()).map(|name| text(Some(name), 256)).collect();
    Ok(Key { manager, enabled, grants })
}

/// KMS `CreateGrant` for copying, named: the same name with the same parameters is the same grant (reference,
/// `CreateGrant`, `Name`). Given to the account: which of its roles may use it is for its own policies to say.
pub(super) async fn create_grant(
    order: &Order<'_>,
    key: &KeyArn,
    name: &str,
    grantee: &AccountId,
) -> Result<Receipt, CloudError> {
    if key.region() != order.place.region.as_str() {
        return Err(order.refused("WrongRegion", &format!("{key} is not in {}", order.place.region)));
    }
    let principal = format!("arn:{}:iam::{grantee}:root", order.place.access.partition.as_str());
    let mark = order.mark();
    let request = order
        .session
        .kms_once
        .create_grant()
        .key_id(key.as_str())
        .name(name)
        .grantee_principal(principal)
        .set_operations(Some(GRANT_OPERATIONS.iter().map(|operation| GrantOperation::from(*operation)).collect()))
        .customize()
        .interceptor(mark.clone());
    let (answer, receipt) = order.send("CreateGrant", &mark, request.send()).await?;
    let id = text(answer.grant_id(), 128);
    Ok(Receipt { created: vec![Created::Grant { id, key: key.clone(), grantee: grantee.clone() }], ..receipt })
}
