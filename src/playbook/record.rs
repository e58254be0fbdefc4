//! The fold of a custody chain: all that a decision may remember.
//!
//! Entries are what the chain says; [`Record`] is what follows from them. Nothing else survives a crash,
//! and nothing else is trusted: status is for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::adopted::Adopted;
use super::attribute::{Attribute, Value};
use super::copies::{Destination, Kept};
pub use super::denial::Denial;
pub use super::drift::Drift;
use super::effect::{Created, Effect};
pub use super::entry::{Decision, Entry, Fact, LeftOut, OperationId, OutcomeKind, PublishedPlan};
use super::exhibit::Exhibits;
use super::keeping::Keeping;
use super::key_policy;
use super::network_change::given_up;
use super::own_groups::group_key;
use crate::api::approval::Action;
use crate::api::ids::{AccountId, Digest, InterfaceId, KeyArn, SecurityGroupId, SnapshotId, VolumeId};

/// An operation without an outcome, or one whose results are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The step that wanted it.
    pub step: String,
    /// The change.
    pub effect: Effect,
    /// When the intent was written; for what may be sent again, when it was accepted; for what AWS refused for certain,
    /// until when it may go out again. Nothing of it is sent later.
    pub at: Time,
    /// The outcome; none while it is open.
    pub outcome: Option<OutcomeKind>,
}

/// What we last set an attribute to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Our value.
    pub value: Value,
    /// The intent that says so.
    pub operation: OperationId,
}

/// How long an accepted change is remembered, in seconds: AWS may show the old value for a while, and a resend
/// in that time is no new operation.
const RECENT: i64 = 300;

/// The folded state of one object's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// When the chain was opened.
    pub opened: Option<Time>,
    /// The host was described.
    pub metadata: bool,
    /// What is around the host was described.
    pub surroundings: bool,
    /// What of both no record had room for, by the name of the list: how many.
    pub left_out: BTreeMap<String, u64>,
    /// Facts that no record has room for: said once.
    pub not_kept: BTreeSet<Digest>,
    /// Values before our first change.
    pub baseline: BTreeMap<Attribute, Value>,
    /// Values that we set.
    pub applied: BTreeMap<Attribute, Applied>,
    /// Attributes on which AWS has shown our value.
    pub verified: BTreeSet<Attribute>,
    /// Foreign values that were repaired.
    pub drift: BTreeMap<Attribute, Drift>,
    /// Foreign rules that were removed from closed groups.
    pub foreign_rules: BTreeMap<SecurityGroupId, Drift>,
    /// Groups of ours, by VPC and role.
    pub groups: BTreeMap<String, SecurityGroupId>,
    /// When the first call to stop its Auto Scaling group was written down.
    pub stop_begun: Option<Time>,
    /// Whether another instance took the host's place in its Auto Scaling group; none where it never left the place.
    pub replaced: Option<bool>,
    /// Interfaces on which the pulse was begun: never twice.
    pub pulsed: BTreeSet<InterfaceId>,
    /// Interfaces on which AWS had no time for the opening of a pulse: how often, and when last.
    pub throttled: BTreeMap<InterfaceId, (u32, Time)>,
    /// When no load balancer had the host registered for the first time.
    pub deregistered_at: Option<Time>,
    /// When every interface was closed for the first time.
    pub contained_at: Option<Time>,
    /// Operations that are open, and snapshot sets that may stand.
    pub operations: BTreeMap<OperationId, Operation>,
    /// The canonical snapshot set: the operation that made it, and its snapshots by volume.
    pub set: Option<(OperationId, BTreeMap<VolumeId, SnapshotId>)>,
    /// What was adopted, where the set was.
    pub adopted: Option<Adopted>,
    /// Snapshots beyond the canonical set.
    pub surplus: BTreeSet<SnapshotId>,
    /// Snapshots that reached their end.
    pub settled: BTreeMap<SnapshotId, String>,
    /// Locked snapshots.
    pub locked: BTreeMap<SnapshotId, Option<Time>>,
    /// Shared snapshots and with whom.
    pub shared: BTreeMap<SnapshotId, BTreeSet<AccountId>>,
    /// Whether the account lets snapshots be shared with the public, and when that was read.
    pub public_sharing: Option<(String, Time)>,
    /// Grants that may stand, by key and for whom, and when their request had its end, whichever that was.
    pub grants: BTreeMap<KeyArn, BTreeMap<AccountId, Time>>,
    /// Policies of keys that we wrote.
    pub key_policies: BTreeMap<KeyArn, key_policy::Kept>,
    /// Copies, by where they lie.
    pub copies: BTreeMap<Destination, Kept>,
    /// What the set does not cover, by volume, and why.
    pub not_covered: BTreeMap<String, String>,
    /// Strangers that were found on snapshots.
    pub strangers: BTreeMap<SnapshotId, Drift>,
    /// How long the set is kept, and where.
    pub keeping: Keeping,
    /// When a locked set stood for the first time.
    pub preserved_at: Option<Time>,
    /// What the bytes of snapshots were found to be.
    pub exhibits: Exhibits,
    /// Parts that were given up, by step and part.
    pub given_up: BTreeMap<String, String>,
    /// Plans by the action they need.
    pub plans: BTreeMap<Action, PublishedPlan>,
    /// Gates that persons opened.
    pub decisions: BTreeMap<Action, Decision>,
    /// When they did.
    pub decided_at: BTreeMap<Action, Time>,
    /// Plans that a person refused.
    pub denied: BTreeMap<Action, Denial>,
    /// Actions whose first change was made: from then on repair needs no approval.
    pub in_force: BTreeSet<Action>,
    /// What was given back, and what was left, with the value found.
    pub given_back: BTreeMap<Attribute, Option<String>>,
    /// Children of a case.
    pub children: BTreeSet<String>,
    /// For a case: the children that were seen to be there.
    pub made: BTreeSet<String>,
    /// Finished: everything was given back or reported.
    pub released: bool,
}

fn makes(effect: &Effect) -> bool {
    matches!(effect, Effect::CreateSecurityGroup { .. })
}

impl Record {
    /// Folds the entries of one custody record, written at `at`.
    pub fn fold(&mut self, entries: &[Entry], at: Time) {
        self.prune(at);
        for entry in entries {
            match entry {
                Entry::Opened { .. } => self.opened = Some(at),
                Entry::Fact(fact) => self.fold_fact(fact, at),
                Entry::Decision(decision) => {
                    self.decided_at.insert(decision.action, at);
                    self.decisions.insert(decision.action, decision.clone());
                }
                Entry::Intent { id, step, effect, .. } => self.fold_intent(id, step, effect, at),
                Entry::Outcome { id, result, created, error, .. } => {
                    self.fold_outcome(id, *result, created, error.as_deref(), at);
                }
            }
        }
    }

    fn fold_intent(&mut self, id: &OperationId, step: &str, effect: &Effect, at: Time) {
        if let Effect::OpenForPulse { interface, .. } = effect {
            self.pulsed.insert(interface.clone());
        }
        // Giving back sets what was there before: what we held stays known, so that a late request is told from a stranger.
        let giving_back = self.decisions.contains_key(&Action::Release);
        let sets = effect.sets();
        if let Some((attribute, _)) = &sets {
            // Set once more, it has to be given back once more.
            self.given_back.remove(attribute);
        }
        if let Some((attribute, value)) = sets.filter(|_| !giving_back) {
            self.applied.insert(attribute, Applied { value, operation: id.clone() });
        }
        // To detach a host, or to deny its sessions something, opens no gate before its isolation.
        let beside = matches!(step, "Detached" | "Deregistered" | "CredentialsCut" | "FlowsCut");
        if let Some(action) = super::action_of(step).filter(|_| !beside) {
            self.in_force.insert(action);
        }
        if step == "ReplacementStopped" {
            self.stop_begun.get_or_insert(at);
        }
        if makes(effect) {
            self.operations.retain(|_, made| made.outcome.is_none() || made.effect != *effect);
        }
        // Of what moves a host the last call tells from when on a look means anything.
        if matches!(effect, Effect::AutoScaling(change) if !change.is_idempotent()) {
            self.operations.retain(|_, old| old.outcome.is_none() || old.effect.operation() != effect.operation());
        }
        let operation = Operation { step: step.to_owned(), effect: effect.clone(), at, outcome: None };
        self.operations.insert(id.clone(), operation);
    }

    fn fold_outcome(
        &mut self,
        id: &OperationId,
        result: OutcomeKind,
        created: &[Created],
        error: Option<&str>,
        at: Time,
    ) {
        let mut snapshots = BTreeMap::new();
        for thing in created {
            match thing {
                Created::SecurityGroup { id, vpc, role } => {
                    self.groups.insert(group_key(vpc, *role), id.clone());
                }
                Created::Snapshot { id, volume } => {
                    snapshots.insert(volume.clone(), id.clone());
                }
                Created::Copy(copy) => self.take_copy(copy),
                Created::KeyPolicy(written) => self.wrote_key_policy(written),
                Created::Grant { .. } => {}
            }
        }
        if matches!(result, OutcomeKind::Done | OutcomeKind::Adopted) && !snapshots.is_empty() && self.set.is_none() {
            self.set = Some((id.clone(), snapshots));
        }
        let Some(operation) = self.operations.get_mut(id) else { return };
        operation.outcome = Some(result);
        // What was asked for may stand, whatever was answered.
        if let Effect::CreateGrant { key, grantee, .. } = &operation.effect {
            self.grants.entry(key.clone()).or_default().insert(grantee.clone(), at);
        }
        if let (Effect::AutoScaling(change), OutcomeKind::Done | OutcomeKind::Adopted) = (&operation.effect, result)
            && let Some(replaced) = change.replaces()
        {
            // What follows, such as detaching from Standby, changes nothing of that.
            self.replaced.get_or_insert(replaced);
        }
        match (&operation.effect, result) {
            // It never left, so it was not begun.
            (Effect::OpenForPulse { interface, .. }, OutcomeKind::NotSent) => {
                self.pulsed.remove(interface);
                if error.is_some() {
                    let times = self.throttled.get(interface).map_or(0, |(times, _)| *times);
                    self.throttled.insert(interface.clone(), (times.saturating_add(1), at));
                }
            }
            (Effect::LockSnapshot { snapshot, .. }, OutcomeKind::Failed) => {
                self.keeping.lock_denied.insert(snapshot.clone());
            }
            (effect, OutcomeKind::Failed) => self.given_up.extend(given_up(effect, &operation.step, error)),
            _ => {}
        }
        if operation.effect.is_idempotent() {
            operation.at = at;
            let stays = result == OutcomeKind::Done || result == OutcomeKind::Adopted && makes(&operation.effect);
            if !stays {
                self.operations.remove(id);
            }
        }
    }

    /// The record of a set is evidence, and when a group was made says from when on its absence means anything; the rest
    /// has been said, and goes after a while. What was refused or never left made nothing: it goes at once.
    fn prune(&mut self, at: Time) {
        self.operations.retain(|_, operation| {
            let made_nothing = matches!(operation.outcome, Some(OutcomeKind::Failed | OutcomeKind::NotSent));
            let kept = || !operation.effect.is_idempotent() || makes(&operation.effect);
            let recent = || at.as_second() - operation.at.as_second() < RECENT;
            operation.outcome.is_none() || !made_nothing && (kept() || recent())
        });
    }

    fn fold_fact(&mut self, fact: &Fact, at: Time) {
        match fact {
            Fact::Metadata { left_out, .. } => {
                self.metadata = true;
                self.left_out.extend(left_out.iter().map(|(list, rest)| (list.clone(), rest.count)));
            }
            Fact::Surroundings { left_out, .. } => {
                self.surroundings = true;
                self.left_out.extend(left_out.iter().map(|(list, rest)| (list.clone(), rest.count)));
            }
            Fact::NotKept { of, digest, .. } => {
                self.metadata |= of == "metadata";
                self.surroundings |= of == "surroundings";
                self.not_kept.insert(digest.clone());
            }
            // Once it is ours, what is seen may be our own value: the baseline stays.
            Fact::Baseline { attribute, value } if !self.holds(attribute) => {
                self.baseline.insert(attribute.clone(), value.clone());
            }
            Fact::Verified { attribute } => {
                self.verified.insert(attribute.clone());
            }
            Fact::Drift { attribute, foreign } => {
                self.given_back.remove(attribute);
                self.drift.entry(attribute.clone()).or_insert_with(|| Drift::new(at)).note(foreign, at);
            }
            Fact::ForeignRules { group, rules } => {
                let rules = Value::Set(rules.iter().cloned().collect());
                self.foreign_rules.entry(group.clone()).or_insert_with(|| Drift::new(at)).note(&rules, at);
            }
            Fact::DriftRepeated { attribute, .. } => {
                if let Some(drift) = self.drift.get_mut(attribute) {
                    drift.at = at;
                }
            }
            Fact::Deregistered => {
                self.deregistered_at.get_or_insert(at);
            }
            Fact::Contained | Fact::CaseContained => {
                self.contained_at.get_or_insert(at);
            }
            Fact::PlanPublished(plan) => {
                self.plans.insert(plan.action, plan.clone());
            }
            Fact::Denied { action, plan_hash, approver, approval } => {
                let standing = self.denied.remove(action);
                self.denied.insert(*action, Denial::noted(standing, plan_hash, approver, approval.as_deref()));
            }
            Fact::DenyWithdrawn { action, .. } => {
                self.denied.remove(action);
            }
            Fact::SentAgain { operation, until } => {
                if let Some(operation) = self.operations.get_mut(operation) {
                    operation.at = operation.at.max(*until);
                }
            }
            Fact::Adopted(adopted) => self.adopt(adopted),
            Fact::NotCovered { parts } => self.not_covered.clone_from(parts),
            Fact::SetFound { operation, snapshots } => {
                self.set.get_or_insert_with(|| (operation.clone(), snapshots.clone()));
            }
            Fact::LegalHold
            | Fact::HoldLifted
            | Fact::LockWaived { .. }
            | Fact::Retained { .. }
            | Fact::Archiving
            | Fact::Archived { .. } => self.keep(fact, at),
            Fact::SurplusSet { snapshots, .. } => self.surplus.extend(snapshots.iter().cloned()),
            Fact::CopyFound { copy, .. } => self.take_copy(copy),
            Fact::SnapshotSettled { snapshot, state } => {
                self.settled.insert(snapshot.clone(), state.clone());
            }
            Fact::Locked { snapshot, until } => self.note_lock(snapshot, *until),
            Fact::Shared { snapshot, accounts } => {
                self.shared.insert(snapshot.clone(), accounts.clone());
            }
            Fact::GaveUp { step, part, reason } => {
                self.given_up.insert(format!("{step}/{part}"), reason.clone());
            }
            Fact::GrantEnded { key, grantee } => self.end_grant(key, grantee),
            Fact::PublicSharing { state } => self.public_sharing = Some((state.clone(), at)),
            Fact::KeyPolicyChanged { key, found, .. } => self.note_key_policy(key, found, at),
            Fact::EvidencePreserved => {
                self.preserved_at.get_or_insert(at);
            }
            Fact::Restored { attribute } => {
                self.given_back.insert(attribute.clone(), None);
            }
            Fact::LeftAsFound { attribute, value } => {
                let found = value.as_ref().map_or_else(|| "gone".to_owned(), ToString::to_string);
                self.given_back.insert(attribute.clone(), Some(found));
            }
            Fact::Released => self.released = true,
            Fact::Composed { children } => self.children.clone_from(children),
            Fact::Made { children } => self.made.extend(children.iter().cloned()),
            Fact::StrangersFound { snapshot, strangers } => {
                let drift = self.strangers.entry(snapshot.clone()).or_insert_with(|| Drift::new(at));
                drift.note(&Value::Set(strangers.clone()), at);
            }
            Fact::DigestPart(_) | Fact::Digested(_) | Fact::Contradicted(_) => self.exhibits.fold(fact, at),
            Fact::Baseline { .. } => {}
        }
    }

    /// Whether an attribute is ours: we set it, or it stood as wished when we came.
    pub fn holds(&self, attribute: &Attribute) -> bool {
        self.applied.contains_key(attribute) || self.verified.contains(attribute)
    }

    /// Open operations of a step.
    pub fn open<'a>(&'a self, step: &'a str) -> impl Iterator<Item = (&'a OperationId, &'a Operation)> {
        self.operations.iter().filter(move |(_, o)| o.step == step && o.outcome.is_none())
    }
}
