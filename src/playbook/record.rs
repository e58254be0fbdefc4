//! The fold of a custody chain: all that a decision may remember.
//!
//! Entries are what the chain says; [`Record`] is what follows from them. Nothing else survives a crash,
//! and nothing else is trusted: status is for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::attribute::{Attribute, Value};
use super::effect::{Created, Effect, GroupRole};
use super::seen::{Instance, Interface, Surroundings};
use crate::api::approval::Action;
use crate::api::ids::{AccountId, Digest, InterfaceId, KeyArn, SecurityGroupId, SnapshotId, VolumeId, VpcId};

/// Names one intent: a hash over the object, the record and the entry. It is in the tag of what is created.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub String);

/// One statement of a custody record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Entry {
    /// First entry of a chain.
    Opened {
        /// What the chain is about, in words.
        about: String,
        /// Who asked for it, where a person did.
        requested_by: Option<String>,
    },
    /// Something seen or given up, without anything being done.
    Fact(Fact),
    /// A gate was opened.
    Decision(Decision),
    /// What is about to be done. Written before it is.
    Intent {
        /// The operation.
        id: OperationId,
        /// The step that wants it.
        step: String,
        /// The change, with all its parameters.
        effect: Effect,
        /// SHA-256 of the canonical JSON of the change.
        digest: Digest,
        /// The value that stood before, where one attribute is set.
        before: Option<Value>,
        /// The operation that this one repeats, after its own outcome was written.
        retry_of: Option<OperationId>,
    },
    /// How it ended. Exactly one for each intent.
    Outcome {
        /// The operation.
        id: OperationId,
        /// How.
        result: OutcomeKind,
        /// What came into being.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        created: Vec<Created>,
        /// AWS's request id.
        request_id: Option<String>,
        /// AWS's clock, from the reply.
        server_date: Option<String>,
        /// AWS's error code, where it refused.
        error: Option<String>,
    },
}

/// Ends of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutcomeKind {
    /// AWS accepted it.
    Done,
    /// AWS refused it; it was not applied.
    Failed,
    /// It never left.
    NotSent,
    /// The reply was lost; AWS shows that it was applied.
    Adopted,
    /// Applied, but another operation's result was already canonical.
    Surplus,
    /// The reply was lost, and AWS does not show whether it was applied.
    Unknown,
}

/// One thing seen, verified, given up or promised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// The host as found: row D7.
    Metadata {
        /// The host.
        instance: Box<Instance>,
        /// Its interfaces.
        interfaces: Vec<Interface>,
    },
    /// What is around the host: row D7, the rest.
    Surroundings {
        /// Groups, balancers, digests of what is large or private.
        surroundings: Box<Surroundings>,
    },
    /// The value that stood before our first change.
    Baseline {
        /// The attribute.
        attribute: Attribute,
        /// Its value.
        value: Value,
    },
    /// AWS shows our value for the first time.
    Verified {
        /// The attribute.
        attribute: Attribute,
    },
    /// Somebody else's value on an attribute that we hold.
    Drift {
        /// The attribute.
        attribute: Attribute,
        /// The foreign value.
        foreign: Value,
    },
    /// The same foreign value again, as often as this since it was last written.
    DriftRepeated {
        /// The attribute.
        attribute: Attribute,
        /// How often.
        count: u64,
    },
    /// Rules that somebody added to a closed group of ours.
    ForeignRules {
        /// The group.
        group: SecurityGroupId,
        /// The rules, in words.
        rules: Vec<String>,
    },
    /// Every interface is closed and AWS shows it.
    Contained,
    /// A plan that waits for a person.
    PlanPublished(PublishedPlan),
    /// A person refused the plan.
    Denied {
        /// The action.
        action: Action,
        /// Who.
        approver: String,
        /// Hash of the plan.
        plan_hash: Digest,
    },
    /// Snapshots of one call, found by the operation id in their tags, beyond the canonical set.
    SurplusSet {
        /// The operation that made them.
        operation: OperationId,
        /// The snapshots.
        snapshots: Vec<SnapshotId>,
    },
    /// A snapshot reached a state that is the end of it.
    SnapshotSettled {
        /// The snapshot.
        snapshot: SnapshotId,
        /// `completed`, or AWS's message.
        state: String,
    },
    /// A snapshot is locked and AWS shows it.
    Locked {
        /// The snapshot.
        snapshot: SnapshotId,
        /// When the lock ends.
        until: Option<Time>,
    },
    /// The declared accounts, and no others, may use the snapshot, and AWS shows it.
    Shared {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Who may.
        accounts: BTreeSet<AccountId>,
    },
    /// Accounts that could use a snapshot without being declared.
    StrangersFound {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Account ids; `all` for the public.
        strangers: BTreeSet<String>,
    },
    /// What could not be done and is settled as such.
    GaveUp {
        /// The step.
        step: String,
        /// Which part of it.
        part: String,
        /// Why.
        reason: String,
    },
    /// A locked set stands.
    EvidencePreserved,
    /// A value of ours returned to its baseline.
    Restored {
        /// The attribute.
        attribute: Attribute,
    },
    /// Not ours any more when we came to give it back: left.
    LeftAsFound {
        /// The attribute.
        attribute: Attribute,
        /// What stands there; nothing where it is gone.
        value: Option<Value>,
    },
    /// All that we changed was given back or reported; the object is finished.
    Released,
    /// Children that the case made, and the hosts they are for.
    Composed {
        /// Kind and name of each child.
        children: BTreeSet<String>,
    },
    /// All children say so.
    CaseContained,
}

/// A plan as published: what a person approves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedPlan {
    /// The action that it needs.
    pub action: Action,
    /// Hash without the index: whether the plan still says what the spec asks for.
    pub basis: Digest,
    /// What a person signs.
    pub hash: Digest,
    /// Index of the record that publishes it.
    pub index: u64,
    /// The plan in words.
    pub lines: Vec<String>,
    /// For a case: the plans of its children, by uid, that the hash covers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leaves: BTreeMap<String, Digest>,
}

/// A gate that persons opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The action.
    pub action: Action,
    /// Hash of the plan.
    pub plan_hash: Digest,
    /// Who approved, as the API server authenticated them, and by which Approval (its uid).
    pub approvals: BTreeMap<String, String>,
    /// One person alone, in an emergency: to be reviewed.
    pub break_glass: bool,
}

/// An operation without an outcome, or one whose results are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The step that wanted it.
    pub step: String,
    /// The change.
    pub effect: Effect,
    /// When the intent was written; for what may be sent again, when it was accepted.
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

/// Foreign values that were repaired a short time ago.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// The values, at most [`DRIFT_VALUES`]: who flips faster than that is counted, not listed.
    pub foreign: BTreeSet<Value>,
    /// When one was first written down.
    pub at: Time,
}

/// Foreign values that are listed for one attribute and interval.
pub const DRIFT_VALUES: usize = 8;

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
    /// Values before our first change.
    pub baseline: BTreeMap<Attribute, Value>,
    /// Values that we set.
    pub applied: BTreeMap<Attribute, Applied>,
    /// Attributes on which AWS has shown our value.
    pub verified: BTreeSet<Attribute>,
    /// Foreign values that were repaired.
    pub drift: BTreeMap<Attribute, Drift>,
    /// Groups of ours, by VPC and role.
    pub groups: BTreeMap<String, SecurityGroupId>,
    /// Interfaces on which the pulse was begun: never twice.
    pub pulsed: BTreeSet<InterfaceId>,
    /// When every interface was closed for the first time.
    pub contained_at: Option<Time>,
    /// Operations that are open, and snapshot sets whatever their outcome.
    pub operations: BTreeMap<OperationId, Operation>,
    /// The canonical snapshot set: the operation that made it, and its snapshots by volume.
    pub set: Option<(OperationId, BTreeMap<VolumeId, SnapshotId>)>,
    /// Snapshots beyond the canonical set.
    pub surplus: BTreeSet<SnapshotId>,
    /// Snapshots that reached their end.
    pub settled: BTreeMap<SnapshotId, String>,
    /// Locked snapshots.
    pub locked: BTreeMap<SnapshotId, Option<Time>>,
    /// Shared snapshots and with whom.
    pub shared: BTreeMap<SnapshotId, BTreeSet<AccountId>>,
    /// Grants made, by key, and for whom.
    pub grants: BTreeMap<KeyArn, BTreeSet<AccountId>>,
    /// When a locked set stood for the first time.
    pub preserved_at: Option<Time>,
    /// Parts that were given up, by step and part.
    pub given_up: BTreeMap<String, String>,
    /// Plans by the action they need.
    pub plans: BTreeMap<Action, PublishedPlan>,
    /// Gates that persons opened.
    pub decisions: BTreeMap<Action, Decision>,
    /// Plans that a person refused.
    pub denied: BTreeMap<Action, Digest>,
    /// Actions whose first change was made: from then on repair needs no approval.
    pub in_force: BTreeSet<Action>,
    /// What was given back, and what was left, with the value found.
    pub given_back: BTreeMap<Attribute, Option<String>>,
    /// Children of a case.
    pub children: BTreeSet<String>,
    /// Finished: everything was given back or reported.
    pub released: bool,
}

/// Key of a group of ours in [`Record::groups`].
pub fn group_key(vpc: &VpcId, role: GroupRole) -> String {
    match role {
        GroupRole::Closed => format!("{vpc}/closed"),
        GroupRole::Open => format!("{vpc}/open"),
    }
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
                    self.decisions.insert(decision.action, decision.clone());
                }
                Entry::Intent { id, step, effect, .. } => self.fold_intent(id, step, effect, at),
                Entry::Outcome { id, result, created, .. } => self.fold_outcome(id, *result, created, at),
            }
        }
    }

    fn fold_intent(&mut self, id: &OperationId, step: &str, effect: &Effect, at: Time) {
        if let Effect::OpenForPulse { interface, .. } = effect {
            self.pulsed.insert(interface.clone());
        }
        if let Some((attribute, value)) = effect.sets() {
            self.applied.insert(attribute, Applied { value, operation: id.clone() });
        }
        if let Some(action) = super::action_of(step) {
            self.in_force.insert(action);
        }
        if makes(effect) {
            self.operations.retain(|_, made| made.outcome.is_none() || made.effect != *effect);
        }
        let operation =
            Operation { step: step.to_owned(), effect: effect.clone(), at, outcome: None };
        self.operations.insert(id.clone(), operation);
    }

    fn fold_outcome(&mut self, id: &OperationId, result: OutcomeKind, created: &[Created], at: Time) {
        let mut snapshots = BTreeMap::new();
        for thing in created {
            match thing {
                Created::SecurityGroup { id, vpc, role } => {
                    self.groups.insert(group_key(vpc, *role), id.clone());
                }
                Created::Grant { key, grantee, .. } => {
                    self.grants.entry(key.clone()).or_default().insert(grantee.clone());
                }
                Created::Snapshot { id, volume } => {
                    snapshots.insert(volume.clone(), id.clone());
                }
            }
        }
        if matches!(result, OutcomeKind::Done | OutcomeKind::Adopted)
            && !snapshots.is_empty()
            && self.set.is_none()
        {
            self.set = Some((id.clone(), snapshots));
        }
        let Some(operation) = self.operations.get_mut(id) else { return };
        operation.outcome = Some(result);
        if operation.effect.is_idempotent() {
            operation.at = at;
            if result != OutcomeKind::Done {
                self.operations.remove(id);
            }
        }
    }

    /// The record of a set is evidence, and when a group was made says from when on its absence means anything; the rest
    /// has been said, and goes after a while.
    fn prune(&mut self, at: Time) {
        self.operations.retain(|_, operation| {
            operation.outcome.is_none()
                || !operation.effect.is_idempotent()
                || makes(&operation.effect)
                || at.as_second() - operation.at.as_second() < RECENT
        });
    }

    fn fold_fact(&mut self, fact: &Fact, at: Time) {
        match fact {
            Fact::Metadata { .. } => self.metadata = true,
            Fact::Surroundings { .. } => self.surroundings = true,
            // Once it is ours, what is seen may be our own value: the baseline stays.
            Fact::Baseline { attribute, value } if !self.holds(attribute) => {
                self.baseline.insert(attribute.clone(), value.clone());
            }
            Fact::Baseline { .. } => {}
            Fact::Verified { attribute } => {
                self.verified.insert(attribute.clone());
            }
            Fact::Drift { attribute, foreign } => {
                let drift = self
                    .drift
                    .entry(attribute.clone())
                    .or_insert_with(|| Drift { foreign: BTreeSet::new(), at });
                if drift.foreign.len() >= DRIFT_VALUES || drift.foreign.contains(foreign) {
                    *drift = Drift { foreign: BTreeSet::new(), at };
                }
                drift.foreign.insert(foreign.clone());
            }
            Fact::DriftRepeated { attribute, .. } => {
                if let Some(drift) = self.drift.get_mut(attribute) {
                    drift.at = at;
                }
            }
            Fact::Contained | Fact::CaseContained => {
                self.contained_at.get_or_insert(at);
            }
            Fact::PlanPublished(plan) => {
                self.plans.insert(plan.action, plan.clone());
            }
            Fact::Denied { action, plan_hash, .. } => {
                self.denied.insert(*action, plan_hash.clone());
            }
            Fact::SurplusSet { snapshots, .. } => self.surplus.extend(snapshots.iter().cloned()),
            Fact::SnapshotSettled { snapshot, state } => {
                self.settled.insert(snapshot.clone(), state.clone());
            }
            Fact::Locked { snapshot, until } => {
                self.locked.insert(snapshot.clone(), *until);
            }
            Fact::Shared { snapshot, accounts } => {
                self.shared.insert(snapshot.clone(), accounts.clone());
            }
            Fact::GaveUp { step, part, reason } => {
                self.given_up.insert(format!("{step}/{part}"), reason.clone());
            }
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
            Fact::Composed { children } => self.children = children.clone(),
            Fact::ForeignRules { .. } | Fact::StrangersFound { .. } => {}
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

    /// A group of ours that the chain says was made or adopted.
    pub fn group(&self, vpc: &VpcId, role: GroupRole) -> Option<&SecurityGroupId> {
        self.groups.get(&group_key(vpc, role))
    }
}
