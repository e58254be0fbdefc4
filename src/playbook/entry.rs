//! What a custody record says: entries, facts, decisions. The fold of them is the `Record`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Time;
use super::adopted::Adopted;
use super::attribute::{Attribute, Value};
use super::copy_change::Copy;
use super::covered::Covered;
use super::effect::{Created, Effect};
use super::exhibit::{Contradiction, Exhibit, PartOfDigest};
use super::seen::{Instance, Interface, Surroundings};
use crate::api::approval::Action;
use crate::api::ids::{AccountId, Digest, KeyArn, SecurityGroupId, SnapshotId, VolumeId};

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

impl Entry {
    /// Whether it is the outcome of an operation.
    pub fn ends(&self, operation: &OperationId) -> bool {
        matches!(self, Self::Outcome { id, .. } if id == operation)
    }
}

/// Ends of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutcomeKind {
    /// AWS accepted it.
    Done,
    /// AWS refused it; it was not applied.
    Failed,
    /// It never left, or AWS had too much to do and turned it away without a look at it: then with its code.
    NotSent,
    /// The reply was lost; AWS shows that it was applied.
    Adopted,
    /// Applied, but another operation's result was already canonical.
    Surplus,
    /// AWS does not show whether it was applied: the reply was lost, or what it would make was there already.
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
        /// What of it is not kept, by the name of the list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        left_out: BTreeMap<String, LeftOut>,
    },
    /// What is around the host: row D7, the rest.
    Surroundings {
        /// Groups, balancers, digests of what is large or private.
        surroundings: Box<Surroundings>,
        /// What of it is not kept, by the name of the list.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        left_out: BTreeMap<String, LeftOut>,
    },
    /// A fact that no record has room for.
    NotKept {
        /// Its name.
        of: String,
        /// SHA-256 of its canonical JSON.
        digest: Digest,
        /// Size of that in bytes.
        bytes: u64,
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
    /// No load balancer has the host registered any more, and AWS shows it. What is registered from then on is somebody
    /// else's change.
    Deregistered,
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
        /// Uid of the Approval that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<String>,
    },
    /// Who refused a plan took it back before others approved it.
    DenyWithdrawn {
        /// The action.
        action: Action,
        /// Who did.
        approver: String,
    },
    /// A call that AWS refused for certain goes out again under its intent, and so until then without another word.
    SentAgain {
        /// The operation.
        operation: OperationId,
        /// The last time at which it may be sent.
        until: Time,
    },
    /// Snapshots that existed are the set. Nobody of us made them.
    Adopted(Box<Adopted>),
    /// Volumes of the host that the set does not cover, and why each is left out.
    NotCovered {
        /// Volume ids, or what has none.
        parts: BTreeMap<String, String>,
    },
    /// A set of an operation that was given up as unknown came after all, before any other one: it is the set.
    SetFound {
        /// The operation that made it.
        operation: OperationId,
        /// Its snapshots by volume.
        snapshots: BTreeMap<VolumeId, SnapshotId>,
    },
    /// The set is under legal hold from now on; said again where a wish to lift it was withdrawn.
    LegalHold,
    /// The legal hold is lifted, as the decision beside it says.
    HoldLifted,
    /// AWS denies the lock of these, and they are kept without, as the decision beside it says.
    LockWaived {
        /// The snapshots.
        snapshots: BTreeSet<SnapshotId>,
    },
    /// The set is to be kept until then at least.
    Retained {
        /// The day that is declared.
        until: Time,
    },
    /// Nothing that is declared needs the bytes any more, and the day has come: set and copies go to the archive tier from
    /// now on.
    Archiving,
    /// A snapshot or a copy is in the archive tier, and AWS shows it.
    Archived {
        /// It.
        snapshot: SnapshotId,
    },
    /// Snapshots of one call, found by the operation id in their tags, beyond the canonical set.
    SurplusSet {
        /// The operation that made them.
        operation: OperationId,
        /// The snapshots.
        snapshots: Vec<SnapshotId>,
    },
    /// A copy of an operation that was given up, or answered for by another copy, came after all: the copy, if none
    /// stands; else one beyond it, locked like it and never deleted.
    CopyFound {
        /// The operation that made it.
        operation: OperationId,
        /// The copy.
        copy: Copy,
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
    /// Whether the account of the host lets snapshots be shared with the public: when it was first read, and where that is
    /// another answer since.
    PublicSharing {
        /// `block-all-sharing`, `block-new-sharing` or `unblocked`.
        state: String,
    },
    /// Accounts that could use a snapshot without being declared.
    StrangersFound {
        /// The snapshot.
        snapshot: SnapshotId,
        /// Account ids; `all` for the public.
        strangers: BTreeSet<String>,
    },
    /// A grant that we made is not there any more, and nobody needs it.
    GrantEnded {
        /// The key.
        key: KeyArn,
        /// The account that it served.
        grantee: AccountId,
    },
    /// Somebody changed what others have in the policy of a key since we wrote it: theirs stays.
    KeyPolicyChanged {
        /// The key.
        key: KeyArn,
        /// Digest of what others had in it.
        left: Digest,
        /// Digest of what they have in it now.
        found: Digest,
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
    /// How far the reading of a snapshot is: another controller goes on from there.
    DigestPart(Box<PartOfDigest>),
    /// All bytes of a snapshot were read, each block with the service's checksum, and this is their digest.
    Digested(Exhibit),
    /// Bytes of a snapshot are not those that they are said to be.
    Contradicted(Contradiction),
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
    /// Children of the case that are there now. One that is gone later was deleted, and is not made again.
    Made {
        /// Name of each child.
        children: BTreeSet<String>,
    },
    /// All children say so.
    CaseContained,
}

/// The end of a list that a record had no room for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// How many.
    pub count: u64,
    /// SHA-256 of the canonical JSON of them, as a list.
    pub digest: Digest,
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
    /// What it covers beside the closing of a host.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub covers: BTreeSet<Covered>,
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
    /// What the plan covers beside the closing of a host: what a later one asks for needs another Approval.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub covers: BTreeSet<Covered>,
}
