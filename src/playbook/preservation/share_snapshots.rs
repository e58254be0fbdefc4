//! Rows D10 and D12: share privately with the declared accounts, and with nobody else.
//!
//! A snapshot under a customer key needs a grant on the key first, named so that a repeat is the same grant.
//! One under the default aws/ebs key can't be shared at all (ModifySnapshotAttribute reference): that is said,
//! and a re-encrypting copy is the way. Nothing is shared before it is locked, and the public can't be named.

use std::collections::BTreeSet;

use crate::api::conditions::Reason;
use crate::api::ids::{AccountId, KeyArn, SnapshotId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::containment::isolate::{failed, unread};
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Key, KeyManager, Read, Snapshot};
use crate::playbook::step::{Part, Refusal, State, Step, Turn, View};

/// The step.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Shared",
    after: &["VolumesSnapshotted", "Locked"],
    wanted: |view| !view.spec.share.is_empty(),
    needs: None,
    next,
    undo: |_| Turn::new(State::done("stays shared with the declared accounts")),
    preview: |_| vec![PlanLine::about("share each snapshot with the declared accounts alone")],
};

/// Whether a snapshot can be shared as it is.
enum Access<'a> {
    /// It is not encrypted.
    Plain,
    /// Under a customer key, on which these accounts still need a grant.
    Customer { key: &'a KeyArn, lacking: Vec<AccountId> },
    /// It can't be.
    Never(Reason, String),
    /// Not known yet.
    Unread(Option<Refusal>),
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    let Some(seen) = view.seen.snapshots.value() else { return unread(&view.seen.snapshots) };
    let wish: BTreeSet<AccountId> =
        view.spec.share.iter().filter_map(|share| view.account.destinations.get(&share.account_ref).cloned()).collect();
    if wish.len() < view.spec.share.len() {
        return Turn::new(State::blocked(
            Reason::DestinationNotAllowed,
            "an account in spec.share is not in spec.evidence.destinations of the AwsAccount (any more); nothing new is shared",
        ));
    }
    let (mut facts, mut grants, mut shares, mut parts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut open, mut never): (usize, Vec<String>) = (0, Vec::new());
    let mut never_reason = Reason::DefaultKey;
    for id in set.values() {
        if view.record.settled.get(id).is_some_and(|state| state.starts_with("error")) {
            continue;
        }
        // Not shown in this look, or seen locked in this very look and not written down yet.
        let Some(snapshot) = seen.iter().find(|s| s.id == *id && view.record.locked.contains_key(id)) else {
            open += 1;
            continue;
        };
        let mut part = |state: &str, message: String| {
            parts.push(Part { kind: "share", name: id.to_string(), state: state.to_owned(), message });
        };
        match access(view, snapshot, &wish) {
            Access::Never(reason, message) => {
                facts.extend(give_up(view, id, &message));
                part("NotShared", message);
                never.push(id.to_string());
                never_reason = reason;
                continue;
            }
            Access::Unread(Some(refusal)) => return Turn::new(State::Blocked(refusal)),
            Access::Unread(None) => {
                open += 1;
                continue;
            }
            Access::Customer { key, lacking } => {
                for grantee in lacking {
                    let grant = Effect::CreateGrant { key: key.clone(), name: grant_name(view, &grantee), grantee };
                    if !grants.contains(&grant) {
                        grants.push(grant);
                    }
                }
            }
            Access::Plain => {}
        }
        match view.seen.permissions.get(id) {
            Some(Read::Found { value, .. }) => {
                let (more, effects) = compare(view, id, &wish, value);
                open += usize::from(!effects.is_empty());
                part(if effects.is_empty() { "Shared" } else { "Sharing" }, String::new());
                facts.extend(more);
                shares.extend(effects);
            }
            Some(Read::Failed(failure)) => return failed(failure),
            _ => open += 1,
        }
    }
    open += grants.len();
    let state = if open > 0 {
        State::working(Reason::InProgress, format!("{open} snapshots or keys still to share"))
    } else if never.is_empty() {
        State::done(format!("with {}", list(&wish)))
    } else {
        State::skipped(
            never_reason,
            format!(
                "{} can't be shared as they are: under the default aws/ebs key, or one that is disabled; a copy under a key of the \
                 forensic account is needed. The others are shared",
                never.join(", ")
            ),
        )
    };
    Turn::new(state).then(grants).then(shares).noting(facts).with_parts(parts)
}

fn list(accounts: &BTreeSet<AccountId>) -> String {
    accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn grant_name(view: &View<'_, EvidenceSnapshot>, grantee: &AccountId) -> String {
    format!("{}-{}-{grantee}", view.account.tag_prefix, view.subject.uid)
}

fn give_up(view: &View<'_, EvidenceSnapshot>, id: &SnapshotId, reason: &str) -> Option<Fact> {
    (!view.record.given_up.contains_key(&format!("Shared/{id}"))).then(|| Fact::GaveUp {
        step: "Shared".to_owned(),
        part: id.to_string(),
        reason: reason.to_owned(),
    })
}

fn access<'a>(view: &View<'a, EvidenceSnapshot>, snapshot: &'a Snapshot, wish: &BTreeSet<AccountId>) -> Access<'a> {
    let Some(key) = &snapshot.key else { return Access::Plain };
    match view.seen.keys.get(key) {
        Some(Read::Found { value: Key { manager: KeyManager::Aws, .. }, .. }) => Access::Never(
            Reason::DefaultKey,
            "encrypted under the default aws/ebs key, which can't be shared".to_owned(),
        ),
        Some(Read::Found { value: Key { enabled: false, .. }, .. }) => {
            Access::Never(Reason::KeyAccessPending, format!("its key {key} is disabled or about to be deleted"))
        }
        Some(Read::Found { value, .. }) => Access::Customer {
            key,
            lacking: wish
                .iter()
                .filter(|grantee| !value.grants.contains(&grant_name(view, grantee)))
                .cloned()
                .collect(),
        },
        Some(Read::Absent { .. }) => {
            Access::Never(Reason::KeyAccessPending, format!("its key {key} does not exist any more"))
        }
        Some(Read::Failed(failure)) => Access::Unread(Some(Refusal::new(failure.reason, failure.message.clone()))),
        Some(Read::NotRead) | None => Access::Unread(None),
    }
}

/// Adds who is declared, removes who is not: two calls, since AWS takes only one of the two at a time.
fn compare(
    view: &View<'_, EvidenceSnapshot>,
    id: &SnapshotId,
    wish: &BTreeSet<AccountId>,
    seen: &BTreeSet<String>,
) -> (Vec<Fact>, Vec<Effect>) {
    let (mut facts, mut effects) = (Vec::new(), Vec::new());
    let lacking: BTreeSet<AccountId> =
        wish.iter().filter(|account| !seen.contains(account.as_str())).cloned().collect();
    let strangers: BTreeSet<String> =
        seen.iter().filter(|who| !wish.iter().any(|account| account.as_str() == *who)).cloned().collect();
    if !strangers.is_empty() {
        effects.push(Effect::UnshareSnapshot {
            snapshot: id.clone(),
            accounts: strangers.iter().filter_map(|who| AccountId::parse(who).ok()).collect(),
            public: strangers.contains("all"),
        });
        facts.push(Fact::StrangersFound { snapshot: id.clone(), strangers });
    }
    if !lacking.is_empty() {
        effects.push(Effect::ShareSnapshot { snapshot: id.clone(), accounts: lacking });
    }
    if effects.is_empty() && view.record.shared.get(id) != Some(wish) {
        facts.push(Fact::Shared { snapshot: id.clone(), accounts: wish.clone() });
    }
    (facts, effects)
}

#[cfg(test)]
#[path = "share_snapshots_tests.rs"]
mod tests;
