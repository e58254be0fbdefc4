//! Rows D10 and D12: share privately with the declared accounts, and with nobody else.
//!
//! A snapshot under a customer key needs a grant on the key first, named so that a repeat is the same grant; or, where that
//! is declared, two statements in the key's policy (see `key_statements.rs`).
//! One under the default aws/ebs key can't be shared at all (ModifySnapshotAttribute reference): that is said,
//! and a re-encrypting copy is the way. Nothing is shared before it is locked, and the public can't be named.

use std::collections::BTreeSet;

use super::key_statements::{self, Statements};
use super::keys_given_back;
use super::public_sharing;
use super::snapshot_volumes::is_gone;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::KeyAccess;
use crate::api::ids::{AccountId, KeyArn, SnapshotId};
use crate::playbook::EvidenceSnapshot;
use crate::playbook::attribute::Value;
use crate::playbook::containment::isolate::{failed, unread};
use crate::playbook::copies::{needs_key, not_allowed, readers, standing, transfer_to};
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Key, KeyManager, Read, ReadFailure, Snapshot};
use crate::playbook::step::{Part, Refusal, State, Step, Turn, View};

/// The step. Wanted also where nobody is declared: then nobody may use them.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Shared",
    // Each snapshot waits for its own lock alone: one that was deleted leaves the others to no stranger.
    after: &["VolumesSnapshotted"],
    wanted: |_| true,
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
    Customer { key: &'a KeyArn, lacking: BTreeSet<AccountId> },
    /// Under a customer key, whose policy is to let them use it.
    Policy { found: Box<Statements>, lacking: BTreeSet<AccountId> },
    /// A person must act before anybody can be let use its key.
    Blocked(Refusal),
    /// It can't be.
    Never(Reason, String),
    /// Not known yet.
    Unread(Option<&'a ReadFailure>),
}

/// What one look makes of all snapshots.
#[derive(Default)]
struct Sharing {
    facts: Vec<Fact>,
    grants: Vec<Effect>,
    /// What waits for no grant: strangers go whatever becomes of a key.
    shares: Vec<Effect>,
    /// Shares with accounts that could not read the snapshot before their grant is made.
    granted: Vec<Effect>,
    parts: Vec<Part>,
    /// Snapshots on which something is still to be done or to be read.
    open: usize,
    /// Snapshots in the archive tier, where nobody can use them.
    archived: usize,
    /// Snapshots that can't be shared as they are, and why.
    never: Vec<(Reason, String)>,
    /// What a person must mend.
    blocked: Vec<Refusal>,
    /// What AWS did not answer. It hides nothing of the others.
    unread: Vec<State>,
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    let Some(seen) = view.seen.snapshots.value() else { return unread(&view.seen.snapshots) };
    let (wish, refused) = (readers(view), not_allowed(view));

    let mut all = Sharing::default();
    let failed = |id: &SnapshotId| view.record.settled.get(id).is_some_and(|state| state.starts_with("error"));
    for id in set.values().filter(|id| !failed(id) && !is_gone(view, id)) {
        // Not shown in this look, or seen locked in this very look and not written down yet.
        match seen.iter().find(|s| s.id == *id && view.record.may_leave(id)) {
            // AWS has taken everybody off, and takes nobody on.
            Some(snapshot) if snapshot.archived => all.archived += 1,
            Some(_) if !refused.is_empty() => all.keep(view, id),
            Some(snapshot) => all.share(view, snapshot, &wish),
            None => all.open += 1,
        }
    }
    // What is beyond the set is nobody's.
    for id in view.record.surplus.iter().filter(|id| seen.iter().any(|s| s.id == **id)) {
        if view.record.may_leave(id) {
            all.compare(view, id, &BTreeSet::new(), &BTreeSet::new());
        }
    }
    // What copies need ends with them.
    if !(super::copy_and_reencrypt::STEP.wanted)(view) {
        let (changes, facts) = keys_given_back::ended(view);
        all.shares.extend(changes);
        all.facts.extend(facts);
    }
    all.facts.extend(public_sharing::fact(view));
    let state = match all.state(&wish, &refused) {
        State::Done(message) => State::done(format!("{message}. {}", public_sharing::told(view))),
        State::Skipped(refusal) => {
            State::skipped(refusal.reason, format!("{}. {}", refusal.message, public_sharing::told(view)))
        }
        state => state,
    };
    let first = all.grants.into_iter().chain(all.shares).collect();
    Turn::new(state).then(first).then(all.granted).noting(all.facts).with_parts(all.parts)
}

impl Sharing {
    /// The declared accounts, and nobody else, may use a snapshot.
    fn share(&mut self, view: &View<'_, EvidenceSnapshot>, snapshot: &Snapshot, wish: &BTreeSet<AccountId>) {
        let nobody = BTreeSet::new();
        let id = &snapshot.id;
        match access(view, snapshot, wish) {
            _ if wish.is_empty() => self.compare(view, id, wish, wish),
            Access::Plain => self.compare(view, id, wish, wish),
            Access::Customer { key, lacking } => {
                for grantee in lacking.clone() {
                    let grant = Effect::CreateGrant { key: key.clone(), name: grant_name(view, &grantee), grantee };
                    if !self.grants.contains(&grant) {
                        self.grants.push(grant);
                    }
                }
                self.compare_behind(view, id, wish, wish, &lacking);
            }
            Access::Policy { found, lacking } => {
                if found.lacking {
                    self.grants.extend(found.change.filter(|change| !self.grants.contains(change)));
                }
                let known = &self.facts;
                let new: Vec<Fact> =
                    found.facts.into_iter().filter(|fact| !found.ended && !known.contains(fact)).collect();
                self.facts.extend(new);
                self.compare_behind(view, id, wish, wish, &lacking);
            }
            // Who could not read it anyhow is not added; strangers go all the same.
            Access::Blocked(refusal) => {
                self.parts.push(part(id, "NotShared", refusal.message.clone()));
                if !self.blocked.contains(&refusal) {
                    self.blocked.push(refusal);
                }
                self.compare(view, id, &nobody, wish);
            }
            Access::Never(Reason::DefaultKey, _) if transfer_to(view).is_some() => {
                self.compare(view, id, &nobody, wish);
                self.share_transfer(view, id, wish);
            }
            // Nobody is added, and strangers go all the same.
            Access::Never(reason, message) => {
                self.facts.extend(give_up(view, id, &message));
                self.parts.push(part(id, "NotShared", message.clone()));
                self.never.push((reason, format!("{id} can't be shared as it is: {message}")));
                self.compare(view, id, &nobody, wish);
            }
            Access::Unread(failure) => {
                self.unread.extend(failure.map(|failure| failed::<EvidenceSnapshot>(failure).state));
                self.open += 1;
                self.compare(view, id, &nobody, wish);
            }
        }
    }

    /// Its copy under the transfer key is shared in its place.
    fn share_transfer(&mut self, view: &View<'_, EvidenceSnapshot>, id: &SnapshotId, wish: &BTreeSet<AccountId>) {
        if let Some(copy) = transfer_to(view).and_then(|own| standing(view.record, &own, id)) {
            self.compare(view, copy, wish, wish);
        } else {
            self.open += 1;
            self.parts.push(part(id, "Sharing", "waits for its copy under the transfer key".to_owned()));
        }
    }

    /// An account that is declared is not allowed (any more): nothing new is shared, who got it before keeps it, and
    /// strangers go.
    fn keep(&mut self, view: &View<'_, EvidenceSnapshot>, id: &SnapshotId) {
        let kept = view.record.shared.get(id).cloned().unwrap_or_default();
        self.compare(view, id, &BTreeSet::new(), &kept);
    }

    fn compare(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        id: &SnapshotId,
        wish: &BTreeSet<AccountId>,
        may: &BTreeSet<AccountId>,
    ) {
        self.compare_behind(view, id, wish, may, &BTreeSet::new());
    }

    /// Adds who is wished for, removes who may not be there: two calls, since AWS takes only one of the two at a time. Who
    /// lacks a grant is added behind it.
    fn compare_behind(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        id: &SnapshotId,
        wish: &BTreeSet<AccountId>,
        may: &BTreeSet<AccountId>,
        ungranted: &BTreeSet<AccountId>,
    ) {
        let seen = match view.seen.permissions.get(id) {
            Some(Read::Found { value, .. }) => value,
            Some(Read::Failed(failure)) => {
                self.unread.push(failed::<EvidenceSnapshot>(failure).state);
                return;
            }
            _ => {
                self.open += 1;
                return;
            }
        };
        let lacking: BTreeSet<AccountId> = wish.iter().filter(|who| !seen.contains(who.as_str())).cloned().collect();
        let strangers: BTreeSet<String> =
            seen.iter().filter(|who| !may.iter().any(|account| account.as_str() == *who)).cloned().collect();
        let settled = strangers.is_empty() && lacking.is_empty();
        self.open += usize::from(!settled);
        if !strangers.is_empty() {
            let known = view.record.strangers.get(id);
            let said = Value::Set(strangers.clone());
            if !known.is_some_and(|known| known.is_recent(&said, view.now, view.limits.coalesce_seconds)) {
                self.facts.push(Fact::StrangersFound { snapshot: id.clone(), strangers: strangers.clone() });
            }
            self.shares.push(Effect::UnshareSnapshot {
                snapshot: id.clone(),
                accounts: strangers.iter().filter_map(|who| AccountId::parse(who).ok()).collect(),
                public: strangers.contains("all"),
            });
        }
        let (behind, now): (BTreeSet<_>, BTreeSet<_>) = lacking.into_iter().partition(|who| ungranted.contains(who));
        for (stage, accounts) in [(&mut self.shares, now), (&mut self.granted, behind)] {
            if !accounts.is_empty() {
                stage.push(Effect::ShareSnapshot { snapshot: id.clone(), accounts });
            }
        }
        if wish != may {
            return;
        }
        if settled && view.record.shared.get(id) != Some(wish) && !view.record.surplus.contains(id) {
            self.facts.push(Fact::Shared { snapshot: id.clone(), accounts: wish.clone() });
        }
        if !wish.is_empty() {
            self.parts.push(part(id, if settled { "Shared" } else { "Sharing" }, String::new()));
        }
    }

    fn state(&mut self, wish: &BTreeSet<AccountId>, refused: &[&str]) -> State {
        let open = self.open + self.grants.len();
        let stuck = self.unread.iter().position(|state| matches!(state, State::Blocked(_)));
        if !refused.is_empty() {
            return State::blocked(
                Reason::DestinationNotAllowed,
                format!(
                    "spec.share names {}, which is not in spec.evidence.destinations of the AwsAccount (any more); nothing new is \
                     shared. The set is taken and locked all the same",
                    refused.join(", ")
                ),
            );
        }
        if !self.blocked.is_empty() {
            let told: Vec<&str> = self.blocked.iter().map(|refusal| refusal.message.as_str()).collect();
            return State::blocked(self.blocked[0].reason, told.join("; "));
        }
        if let Some(position) = stuck.or_else(|| (!self.unread.is_empty()).then_some(0)) {
            return self.unread.swap_remove(position);
        }
        if open > 0 {
            return State::working(Reason::InProgress, format!("{open} snapshots or keys still to share"));
        }
        if let Some((reason, _)) = self.never.first() {
            let told: Vec<&str> = self.never.iter().map(|(_, message)| message.as_str()).collect();
            return State::skipped(
                *reason,
                format!(
                    "{}. A copy under a key of the forensic account is needed; what can be shared is shared",
                    told.join("; ")
                ),
            );
        }
        if self.archived > 0 && !wish.is_empty() {
            return State::skipped(
                Reason::Archived,
                format!(
                    "{} snapshots are in the archive tier, where nobody can use them until they are restored",
                    self.archived
                ),
            );
        }
        State::done(if wish.is_empty() { "shared with nobody".to_owned() } else { format!("with {}", list(wish)) })
    }
}

fn part(id: &SnapshotId, state: &str, message: String) -> Part {
    Part { kind: "share", name: id.to_string(), state: state.to_owned(), message }
}

fn list(accounts: &BTreeSet<AccountId>) -> String {
    accounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The prefix that the set was taken with: what is ours is found by its name, and the account's prefix may change.
pub(super) fn tag_prefix<'a>(view: &View<'a, EvidenceSnapshot>) -> &'a str {
    let made = view.record.set.as_ref().and_then(|(id, _)| view.record.operations.get(id));
    match made.map(|operation| &operation.effect) {
        Some(Effect::CreateSnapshots { tag_prefix, .. }) => tag_prefix,
        _ => &view.account.tag_prefix,
    }
}

pub(super) fn grant_name(view: &View<'_, EvidenceSnapshot>, grantee: &AccountId) -> String {
    format!("{}-{}-{grantee}", tag_prefix(view), view.subject.uid)
}

fn give_up(view: &View<'_, EvidenceSnapshot>, id: &SnapshotId, reason: &str) -> Option<Fact> {
    (!view.record.given_up.contains_key(&format!("Shared/{id}"))).then(|| Fact::GaveUp {
        step: "Shared".to_owned(),
        part: id.to_string(),
        reason: reason.to_owned(),
    })
}

fn access<'a>(view: &'a View<'_, EvidenceSnapshot>, snapshot: &'a Snapshot, wish: &BTreeSet<AccountId>) -> Access<'a> {
    let Some(key) = &snapshot.key else { return Access::Plain };
    match view.seen.keys.get(key) {
        Some(Read::Found { value: Key { manager: KeyManager::Aws, .. }, .. }) => Access::Never(
            Reason::DefaultKey,
            "it is encrypted under the default aws/ebs key, which other accounts can't use".to_owned(),
        ),
        Some(Read::Found { value: Key { enabled: false, .. }, .. }) => {
            Access::Never(Reason::KeyAccessPending, format!("its key {key} is disabled or about to be deleted"))
        }
        Some(Read::Found { value, .. }) if view.spec.key_access == KeyAccess::KeyPolicy => {
            match key_statements::look(view, key, value) {
                Ok(Some(found)) => {
                    let needing = wish.iter().filter(|account| needs_key(view, account, &snapshot.id));
                    let lacking = needing.filter(|account| !found.standing.contains(*account)).cloned().collect();
                    Access::Policy { found: Box::new(found), lacking }
                }
                Ok(None) => Access::Unread(None),
                Err(refusal) => Access::Blocked(refusal),
            }
        }
        Some(Read::Found { value, .. }) => Access::Customer {
            key,
            lacking: wish
                .iter()
                .filter(|grantee| needs_key(view, grantee, &snapshot.id))
                .filter(|grantee| !value.grants.contains_key(&grant_name(view, grantee)))
                .cloned()
                .collect(),
        },
        Some(Read::Absent { .. }) => {
            Access::Never(Reason::KeyAccessPending, format!("its key {key} does not exist any more"))
        }
        Some(Read::Failed(failure)) => Access::Unread(Some(failure)),
        Some(Read::NotRead) | None => Access::Unread(None),
    }
}

#[cfg(test)]
#[path = "share_snapshots_tests.rs"]
mod tests;
