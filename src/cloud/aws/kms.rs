//! KMS: the keys that snapshots are encrypted under.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;
use aws_sdk_kms::types::{DataKeySpec, GrantListEntry, GrantOperation, KeyManagerType, KeyState};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::kms_policies;
use super::sessions::Session;
use super::words::{read, side_by_side, text};
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::{AccountId, KeyArn};
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::cloud::iam::GRANT_OPERATIONS;
use crate::playbook::effect::{Created, Receipt};
use crate::playbook::seen::{Key, KeyManager, Read};

const KEY: Question = ("DescribeKey", "kms:DescribeKey");
const GRANTS: Question = ("ListGrants", "kms:ListGrants");

const USE: Question = ("GenerateDataKeyWithoutPlaintext", "kms:GenerateDataKeyWithoutPlaintext");

/// What KMS says of a key that the caller may not use now: no grant has its effect yet, or the key's state forbids it.
const NOT_USABLE: [&str; 3] = ["AccessDeniedException", "DisabledException", "KMSInvalidStateException"];

/// Keys asked about at the same time.
const AT_ONCE: usize = 4;

/// The keys, side by side: with their grants, or with their policies.
pub(super) async fn keys(session: &Session, keys: BTreeSet<KeyArn>, access: KeyAccess) -> BTreeMap<KeyArn, Read<Key>> {
    let one = async |key: KeyArn| {
        let asked_at = now();
        let answer = match access {
            KeyAccess::Grant => look(session, &key).await,
            KeyAccess::KeyPolicy => look_at_policy(session, &key).await,
        };
        (key, read(asked_at, answer))
    };
    side_by_side(AT_ONCE, keys.into_iter().map(one).collect()).await.into_iter().collect()
}

async fn look(session: &Session, key: &KeyArn) -> Result<Key, Fault> {
    let describe = session.kms.describe_key().key_id(key.as_str());
    let grants = session.kms.list_grants().key_id(key.as_str()).limit(100).into_paginator().items().send();
    let (described, grants) =
        tokio::join!(session.ask(KEY, describe.send()), session.ask(GRANTS, grants.try_collect()));
    let key = told(session, &described?)?;
    // What can't be used for sharing is said as such, also by who may not list its grants.
    let shareable = key.enabled && key.manager == KeyManager::Customer;
    let grants = if shareable { grants? } else { grants.unwrap_or_default() };
    let named = |grant: &GrantListEntry| Some((text(Some(grant.name()?), 256), text(grant.grant_id(), 128)));
    let grants = grants.iter().filter_map(named).collect();
    Ok(Key { grants, ..key })
}

/// A key of another account has a policy that can be neither read nor written from here (KMS guide, permissions).
async fn look_at_policy(session: &Session, key: &KeyArn) -> Result<Key, Fault> {
    let describe = session.kms.describe_key().key_id(key.as_str());
    let policy = async {
        let own = key.account() == session.access.account.as_str();
        if own { kms_policies::read(session, key).await.map(Some) } else { Ok(None) }
    };
    let (described, policy) = tokio::join!(session.ask(KEY, describe.send()), policy);
    let key = told(session, &described?)?;
    let shareable = key.enabled && key.manager == KeyManager::Customer;
    let policy = if shareable { policy? } else { policy.unwrap_or_default() };
    Ok(Key { policy, ..key })
}

fn told(session: &Session, answer: &DescribeKeyOutput) -> Result<Key, Fault> {
    let metadata = answer.key_metadata();
    let manager = match metadata.and_then(|key| key.key_manager()) {
        Some(KeyManagerType::Aws) => KeyManager::Aws,
        Some(KeyManagerType::Customer) => KeyManager::Customer,
        _ => return Err(session.puzzled(KEY, "no key manager").into()),
    };
    let enabled = metadata.and_then(|key| key.key_state()) == Some(&KeyState::Enabled);
    Ok(Key { manager, enabled, grants: BTreeMap::new(), policy: None })
}

/// The keys without their grants, side by side.
pub(super) async fn described(session: &Session, keys: BTreeSet<KeyArn>) -> BTreeMap<KeyArn, Read<Key>> {
    let one = async |key: KeyArn| {
        let asked_at = now();
        let request = session.kms.describe_key().key_id(key.as_str());
        let answer = session.ask(KEY, request.send()).await;
        (key, read(asked_at, answer.and_then(|answer| told(session, &answer))))
    };
    side_by_side(AT_ONCE, keys.into_iter().map(one).collect()).await.into_iter().collect()
}

/// Whether the session's account may use these keys, of another account: KMS is asked with `DryRun`, which uses nothing, and
/// answers with an error either way (reference, `GenerateDataKeyWithoutPlaintext`).
pub(super) async fn usable(session: &Session, keys: BTreeSet<KeyArn>) -> BTreeMap<KeyArn, Read<bool>> {
    let one = async |key: KeyArn| {
        let asked_at = now();
        let request = session
            .kms
            .generate_data_key_without_plaintext()
            .key_id(key.as_str())
            .key_spec(DataKeySpec::Aes256)
            .dry_run(true);
        let answer = match session.ask(USE, request.send()).await {
            Ok(_) => Ok(true),
            Err(Fault::Absent) => Ok(false),
            Err(Fault::Failed(error)) if error.code == "DryRunOperationException" => Ok(true),
            Err(Fault::Failed(error)) if NOT_USABLE.contains(&error.code.as_str()) => Ok(false),
            Err(fault) => Err(fault),
        };
        (key, read(asked_at, answer))
    };
    side_by_side(AT_ONCE, keys.into_iter().map(one).collect()).await.into_iter().collect()
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

/// KMS `RevokeGrant`. One that is gone is a conflict, and the next look shows that it is.
pub(super) async fn revoke_grant(order: &Order<'_>, key: &KeyArn, grant: &str) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .kms_once
        .revoke_grant()
        .key_id(key.as_str())
        .grant_id(grant)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("RevokeGrant", &mark, request.send()).await?.1)
}
