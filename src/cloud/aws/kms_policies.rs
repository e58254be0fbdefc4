//! KMS: policies of keys. One is replaced as a whole, and by one of us at a time.

use std::collections::BTreeSet;
use std::time::Instant;

use super::calls::{Order, Question};
use super::documents::Documents;
use super::errors::Fault;
use super::sessions::Session;
use crate::api::ids::{AccountId, KeyArn};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::effect::{Created, Receipt};
use crate::playbook::key_policy::{BYTES, KeyPolicy, Ours, Written};

const POLICY: Question = ("GetKeyPolicy", "kms:GetKeyPolicy");

/// Longest policy that is read: what `PutKeyPolicy` takes at most, before it counts (reference, `Policy`).
const LONGEST: usize = 131_072;

/// The key policies that this process writes.
pub(super) type Policies = Documents<KeyArn, KeyPolicy>;

/// The policy of a key of the session's account.
pub(super) async fn read(session: &Session, key: &KeyArn) -> Result<KeyPolicy, Fault> {
    let answer = session.ask(POLICY, session.kms.get_key_policy().key_id(key.as_str()).send()).await?;
    match answer.policy() {
        Some(policy) if policy.len() <= LONGEST => Ok(KeyPolicy(policy.to_owned())),
        Some(_) => Err(session.puzzled(POLICY, "a policy longer than KMS allows").into()),
        None => Err(session.puzzled(POLICY, "no policy").into()),
    }
}

/// KMS `PutKeyPolicy`. What others have in it stays as it is read here; the lockout safety check is never bypassed.
pub(super) async fn put(
    order: &Order<'_>,
    policies: &Policies,
    ours: Ours<'_>,
    accounts: &BTreeSet<AccountId>,
) -> Result<Receipt, CloudError> {
    let busy = || CloudError {
        class: ErrorClass::Unavailable,
        ..order.refused("Busy", "the same policy is being written for other evidence")
    };
    let mut history = policies.turn(ours.key).await.ok_or_else(busy)?;
    let found = match read(order.session, ours.key).await {
        Ok(policy) => policy,
        Err(Fault::Absent) => return Err(order.refused("NotFoundException", "the key is not there any more")),
        Err(Fault::Failed(error)) => return Err(error),
    };
    // Shown late, it lacks what others of ours have put into it; put back by somebody, it is theirs. Nobody can tell which, so
    // that nothing is written over it until it is old enough to be meant.
    if history.is_old(&found, Instant::now()) {
        let late = order.refused("LatePolicy", "KMS shows a policy that was replaced a short time ago");
        return Err(CloudError { class: ErrorClass::Unavailable, ..late });
    }
    let written = found.with(ours, accounts).zip(found.others(ours));
    let Some((after, others)) = written else {
        return Err(order.refused("NotAPolicy", "the key's policy can't be read as one; it is left alone"));
    };
    let created = vec![Created::KeyPolicy(Written { key: ours.key.clone(), others })];
    if after == found {
        return Ok(Receipt { created, ..Receipt::default() });
    }
    if after.bytes() > BYTES {
        let sizes =
            format!("the policy has {} bytes and would have {}; KMS takes {BYTES}", found.bytes(), after.bytes());
        return Err(CloudError { class: ErrorClass::Quota, ..order.refused("PolicyTooLong", &sizes) });
    }
    let mark = order.mark();
    let request = order
        .session
        .kms_once
        .put_key_policy()
        .key_id(ours.key.as_str())
        .policy(&after.0)
        .customize()
        .interceptor(mark.clone());
    let sent = order.send("PutKeyPolicy", &mark, request.send()).await;
    match &sent {
        Ok(_) => history.wrote(found, after, Instant::now()),
        Err(error) if error.class == ErrorClass::Ambiguous => history.forget(),
        Err(_) => {}
    }
    sent.map(|(_, receipt)| Receipt { created, ..receipt })
}
