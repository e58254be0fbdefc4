//! Row D12, as the playbook has it: another account uses a key by two statements in the key's policy.
//!
//! They stand as long as that account needs the key, are put back when somebody takes or changes them, and go when its copies
//! stand: each only where every word of it is still ours.

use std::collections::BTreeSet;

use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::{AccountId, KeyArn, SnapshotId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::attribute::{Attribute, Value, hold};
use crate::playbook::copies::{is_failed, needs_key, readers};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::key_policy::{BYTES, Found, KeyPolicy, Ours, sid};
use crate::playbook::record::{Fact, Record};
use crate::playbook::seen::{Key, KeyManager, Read};
use crate::playbook::step::{Refusal, View};

use super::share_snapshots::tag_prefix;
use super::snapshot_volumes::is_gone;

/// What one look makes of our statements in the policy of one key.
pub(super) struct Statements {
    /// Accounts whose statements stand.
    pub standing: BTreeSet<AccountId>,
    /// Whether an account that needs the key lacks one of them.
    pub lacking: bool,
    /// The change that makes it as it is to be.
    pub change: Option<Effect>,
    /// Whether nobody needs the key any more.
    pub ended: bool,
    /// For the chain.
    pub facts: Vec<Fact>,
}

/// Accounts that need a key: readers that have no copy of their own yet of what is under it.
pub(super) fn needing(view: &View<'_, EvidenceSnapshot>, key: &KeyArn) -> BTreeSet<AccountId> {
    let shown = view.seen.snapshots.value();
    // What is not shown may be under it.
    let under = |id: &&SnapshotId| {
        let found = shown.and_then(|all| all.iter().find(|snapshot| snapshot.id == **id));
        found.is_none_or(|snapshot| snapshot.key.as_ref() == Some(key))
    };
    let set = view.record.set.iter().flat_map(|(_, set)| set.values());
    let kept: Vec<&SnapshotId> =
        set.filter(|id| !is_failed(view.record, id) && !is_gone(view, id)).filter(under).collect();
    readers(view).into_iter().filter(|account| kept.iter().any(|id| needs_key(view, account, id))).collect()
}

/// Looks at our statements in a policy. What can't be is said before anything is changed.
pub(super) fn look(view: &View<'_, EvidenceSnapshot>, key: &KeyArn, seen: &Key) -> Result<Option<Statements>, Refusal> {
    if key.account() != view.account.id.as_str() {
        return Err(Refusal::new(
            Reason::KeyUnusable,
            format!(
                "the key {key} is not of account {}, and KMS lets nobody change the policy of another account's key: have its \
                 owner let the forensic account use it, or make an EvidenceSnapshot with spec.keyAccess: Grant",
                view.account.id
            ),
        ));
    }
    let Some(policy) = &seen.policy else { return Ok(None) };
    let sid = sid(tag_prefix(view), &view.subject.uid);
    let ours = Ours { key, sid: &sid };
    let accounts = needing(view, key);
    let known = |account: &AccountId| view.account.allowed.values().any(|known| known.account == *account);
    let read = policy.find(ours).zip(policy.with(ours, &accounts)).zip(policy.others_but(ours, known));
    let Some(((found, wished), others)) = read else {
        return Err(Refusal::new(
            Reason::InvalidRequest,
            format!("the policy of the key {key} can't be read as a policy: it is left alone. Mend it in KMS"),
        ));
    };
    let Value::Set(wanted) = ours.value(&accounts) else { return Ok(None) };
    let written = |sid: &String| found.get(sid) == Some(&Found::AsWritten);
    let lacking = !wanted.iter().all(written);
    if lacking {
        fits(key, policy, &wished, &accounts)?;
    }
    let of = |account: &&AccountId| match ours.value([*account]) {
        Value::Set(sids) => sids.iter().all(written),
        _ => false,
    };
    let standing = accounts.iter().filter(of).cloned().collect();
    let change = (wished != *policy)
        .then(|| Effect::Copying(CopyChange::PutKeyPolicy { key: key.clone(), sid: sid.clone(), accounts }));

    let attribute = Attribute::KeyPolicy(key.clone());
    let (mut current, mut left) = (BTreeSet::new(), BTreeSet::new());
    for (sid, found) in found {
        let needed = wanted.contains(&sid);
        match found {
            Found::AsWritten if needed => _ = current.insert(sid),
            // Ours still: it goes, and is nobody's change.
            Found::AsWritten => {}
            Found::Changed(into) => {
                let of = if needed { &mut current } else { &mut left };
                of.insert(format!("{sid}: {into}"));
            }
        }
    }
    let ended = wanted.is_empty();
    let touched = is_owed(view.record, &attribute);
    let mut facts = Vec::new();
    if !ended {
        facts = hold(view.record, &attribute, &Value::Set(wanted), &Value::Set(current)).facts;
    }
    if ended && touched && change.is_none() {
        facts.push(if left.is_empty() {
            Fact::Restored { attribute }
        } else {
            Fact::LeftAsFound { attribute, value: Some(Value::Set(left)) }
        });
    } else if touched && let Some(kept) = view.record.key_policies.get(key) {
        let found = Value::Text(others.to_string());
        let recent =
            |drift: &crate::playbook::drift::Drift| drift.is_recent(&found, view.now, view.limits.coalesce_seconds);
        if kept.others != others && !kept.changed.as_ref().is_some_and(recent) {
            facts.push(Fact::KeyPolicyChanged { key: key.clone(), left: kept.others.clone(), found: others });
        }
    }
    Ok(Some(Statements { standing, lacking, change, ended, facts }))
}

/// KMS takes no longer policy, and would refuse the whole of it.
fn fits(key: &KeyArn, policy: &KeyPolicy, wished: &KeyPolicy, accounts: &BTreeSet<AccountId>) -> Result<(), Refusal> {
    if wished.bytes() <= BYTES {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::QuotaExceeded,
        format!(
            "the policy of the key {key} has {} bytes and would have {} with the two statements for each of {} accounts, and KMS \
             takes {BYTES}: take something out of it, or make an EvidenceSnapshot with spec.keyAccess: Grant. Nothing of it is changed",
            policy.bytes(),
            wished.bytes(),
            accounts.len()
        ),
    ))
}

/// Whether we set an attribute and have not given it back.
fn is_owed(record: &Record, attribute: &Attribute) -> bool {
    record.applied.contains_key(attribute) && !record.given_back.contains_key(attribute)
}

/// Whether an account has been given the use of a key.
pub(super) fn stand(view: &View<'_, EvidenceSnapshot>, key: &KeyArn, seen: &Key, account: &AccountId) -> bool {
    look(view, key, seen).ok().flatten().is_some_and(|found| found.standing.contains(account))
}

/// What takes statements away that nobody needs any more, of every key that is known.
pub(super) fn ended(view: &View<'_, EvidenceSnapshot>) -> (Vec<Effect>, Vec<Fact>) {
    let (mut changes, mut facts) = (Vec::new(), Vec::new());
    for (arn, key) in view.seen.keys.iter().filter(|_| view.spec.key_access == KeyAccess::KeyPolicy) {
        let attribute = Attribute::KeyPolicy(arn.clone());
        if matches!(key, Read::Absent { .. }) && is_owed(view.record, &attribute) {
            facts.push(Fact::LeftAsFound { attribute, value: None });
        }
        let Read::Found { value: key @ Key { manager: KeyManager::Customer, .. }, .. } = key else { continue };
        // What is still to be given comes with the sharing, and takes away what is not needed in the same call.
        if let Ok(Some(found)) = look(view, arn, key)
            && !found.lacking
        {
            changes.extend(found.change);
            if found.ended {
                facts.extend(found.facts);
            }
        }
    }
    (changes, facts)
}

#[cfg(test)]
#[path = "key_statements_tests.rs"]
mod tests;
