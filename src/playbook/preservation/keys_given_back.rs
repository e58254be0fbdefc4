//! Row D12: who was let use a key and needs it no more loses it again: the grant, or the two statements.
//!
//! What was given is known by the chain, and not by the snapshots that are under the key: who is declared no more, and a key
//! whose snapshots are gone, are given back all the same. A grant is ended when KMS shows it no more.

use super::key_statements::{self, needing};
use super::share_snapshots::grant_name;
use crate::api::ids::{AccountId, KeyArn};
use crate::playbook::copies::not_allowed;
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Key, Read};
use crate::playbook::step::View;
use crate::playbook::{EvidenceSnapshot, Time};

/// What takes back what nobody needs any more. While an account is declared that is not allowed, nobody knows who it is: who
/// was given something keeps it until that is decided.
pub(super) fn ended(view: &View<'_, EvidenceSnapshot>) -> (Vec<Effect>, Vec<Fact>) {
    if !not_allowed(view).is_empty() {
        return (Vec::new(), Vec::new());
    }
    let (mut changes, mut facts) = key_statements::ended(view);
    for (key, grantees) in &view.record.grants {
        let needing = needing(view, key);
        for (grantee, asked) in grantees.iter().filter(|(grantee, _)| !needing.contains(*grantee)) {
            let (key, grantee) = (key.clone(), grantee.clone());
            match view.seen.keys.get(&key) {
                Some(Read::Found { value: Key { grants, enabled, .. }, asked_at }) => {
                    if let Some(grant) = grants.get(&grant_name(view, &grantee)) {
                        let grant = grant.clone();
                        changes.push(Effect::Copying(CopyChange::RevokeGrant { key, grant, grantee }));
                    } else if *enabled && is_shown(view, &key, &grantee, *asked, *asked_at) {
                        facts.push(Fact::GrantEnded { key, grantee });
                    }
                }
                Some(Read::Absent { .. }) => facts.push(Fact::GrantEnded { key, grantee }),
                Some(Read::Failed(_) | Read::NotRead) | None => {}
            }
        }
    }
    (changes, facts)
}

/// Whether a grant that was asked for would be shown by now if it stood.
fn is_shown(view: &View<'_, EvidenceSnapshot>, of: &KeyArn, by: &AccountId, asked: Time, asked_at: Time) -> bool {
    let is_it =
        |effect: &Effect| matches!(effect, Effect::CreateGrant { key, grantee, .. } if key == of && grantee == by);
    let open = view.record.operations.values().any(|made| made.outcome.is_none() && is_it(&made.effect));
    !open && asked_at.as_second() >= asked.as_second() + view.limits.settle_seconds
}

#[cfg(test)]
#[path = "keys_given_back_tests.rs"]
mod tests;
