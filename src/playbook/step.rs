//! The vocabulary: a procedure is a table of steps, a step is a few pure functions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::Time;
use super::approval::Candidate;
use super::covered::Covered;
use super::effect::Effect;
use super::plan::PlanLine;
use super::record::{Entry, Fact, Record};
pub use super::step_result::{Part, StepResult};
use crate::api::approval::Action;
use crate::api::aws_account::LockMode;
use crate::api::conditions::Reason;
use crate::api::ids::{AccountId, KeyArn, RegionName};

/// One slice of the playbook: what is declared, what is seen, what may be done, and in which order.
pub trait Procedure: Sized + Send + Sync + 'static {
    /// What is declared.
    type Spec: Debug + Send + Sync;
    /// What can be observed.
    type Seen: Debug + Send + Sync;
    /// What can be done.
    type Effect: Change;

    /// Whether what is held is looked at again and again, as often as the account says.
    const RECHECKED: bool = false;

    /// The table of contents of this slice.
    const TABLE: &'static [Step<Self>];

    /// Steps that Ready does not wait for: they tell of what takes hours and keeps nobody from going on.
    const UNAWAITED: &'static [&'static str] = &[];

    /// Whether the declaration asks to give everything back.
    fn releasing(_view: &View<'_, Self>) -> bool {
        false
    }

    /// What stays declared while a release waits for its approval; none where nothing is held.
    fn unreleased(_view: &View<'_, Self>) -> Option<Self::Spec> {
        None
    }

    /// What must hold before anything is done at all.
    fn admit(view: &View<'_, Self>) -> Result<(), Refusal>;

    /// What is kept up where nothing can be done for the object at large: what lies elsewhere, and the step that keeps it.
    fn elsewhere(_view: &View<'_, Self>) -> Option<(&'static str, Turn<Self>)> {
        None
    }

    /// What a plan's hash covers besides object, action and index: the declaration, in canonical form.
    fn declared(spec: &Self::Spec) -> serde_json::Value;

    /// What a plan of an action covers beside what the action is about, by this declaration and in this version.
    fn covers(_spec: &Self::Spec, _action: Action) -> BTreeSet<Covered> {
        BTreeSet::new()
    }

    /// Facts about the object as a whole, once the steps have said theirs.
    fn conclude(_view: &View<'_, Self>, _steps: &[StepResult]) -> Vec<Fact> {
        Vec::new()
    }
}

/// A change that a procedure can ask for.
pub trait Change: Clone + Debug + PartialEq + Send + Sync {
    /// The change in AWS that needs an intent in the chain; none where a repeat is harmless by nature.
    fn intent(&self) -> Option<&Effect>;
}

impl Change for Effect {
    fn intent(&self) -> Option<&Effect> {
        Some(self)
    }
}

/// One step of the playbook.
pub struct Step<P: Procedure> {
    /// Condition type, past tense: `Isolated`.
    pub name: &'static str,
    /// Steps that must be settled first; they stand earlier in the table.
    pub after: &'static [&'static str],
    /// Whether the declaration asks for it.
    pub wanted: fn(&View<'_, P>) -> bool,
    /// The approval that gates its first change, never the repair of drift.
    pub needs: Option<Action>,
    /// What to do next.
    pub next: fn(&View<'_, P>) -> Turn<P>,
    /// What to do next to give it back.
    pub undo: fn(&View<'_, P>) -> Turn<P>,
    /// What it would do and touch, for the person who approves.
    pub preview: fn(&View<'_, P>) -> Vec<PlanLine>,
}

/// The object that is reconciled, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Kind.
    pub kind: String,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Uid: a new object of the same name is another one.
    pub uid: String,
    /// Who asked for it, where a person did.
    pub requested_by: Option<String>,
    /// When it was created.
    pub created: Time,
    /// The case it belongs to, as its label or spec says.
    pub case: Option<String>,
}

/// The rules of an `AwsAccount`, resolved for one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// The account.
    pub id: AccountId,
    /// Whether STS confirms it; otherwise why not.
    pub ready: Result<(), Refusal>,
    /// Regions in which work is allowed.
    pub regions: Vec<RegionName>,
    /// Whether the object's namespace is allowed.
    pub namespace_allowed: bool,
    /// Actions that need an approval beyond those that always do, and how many approvers each.
    pub required: BTreeMap<Action, u8>,
    /// Name prefix of our groups.
    pub group_prefix: String,
    /// Key prefix of our tags.
    pub tag_prefix: String,
    /// Lock mode where the object names none.
    pub lock_mode: LockMode,
    /// Lock length in days where the object names no date.
    pub lock_days: u32,
    /// Accounts to share with, by the name used in the object; those that the rules do not allow are not here.
    pub destinations: BTreeMap<String, AccountId>,
    /// Where evidence may go, by the name used in the object.
    pub allowed: BTreeMap<String, Jurisdiction>,
    /// The key for copies of what can't be shared.
    pub transfer_key: Option<KeyArn>,
    /// Seconds between looks at what is held.
    pub recheck_seconds: u32,
}

/// An account to which evidence may go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Jurisdiction {
    /// The account.
    pub account: AccountId,
    /// The Regions in which it may lie there.
    pub regions: Vec<RegionName>,
    /// Key prefix of our tags there.
    pub tag_prefix: String,
}

/// Who holds the instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// Nobody asked yet, or the kind needs no hold.
    Unasked,
    /// This object.
    Mine,
    /// Another one; which one is not told.
    Other,
}

/// Times that a decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// W: how old an intent must be before its absence in AWS means anything.
    pub settle_seconds: i64,
    /// How often a repeated foreign change is written down.
    pub coalesce_seconds: i64,
    /// Seconds until AWS is asked again about work that it does by itself.
    pub poll_seconds: u32,
}

/// All that a decision may depend on.
#[derive(Debug)]
pub struct View<'a, P: Procedure> {
    /// The object.
    pub subject: &'a Subject,
    /// What it declares.
    pub spec: &'a P::Spec,
    /// The account's rules.
    pub account: &'a Account,
    /// Who holds the instance.
    pub holder: &'a Holder,
    /// Approvals that name this object or its case. Empty where the policies are not enforced.
    pub approvals: &'a [Candidate],
    /// What was observed.
    pub seen: &'a P::Seen,
    /// What the chain says.
    pub record: &'a Record,
    /// Index of the custody record that this decision would write.
    pub next_index: u64,
    /// Time of the decision.
    pub now: Time,
    /// Times it depends on.
    pub limits: &'a Limits,
}

impl<P: Procedure> View<'_, P> {
    /// The same view: every part of it is a reference.
    #[must_use]
    pub const fn copy(&self) -> Self {
        Self { ..*self }
    }
}

/// Why nothing is done, for a person to act on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The condition reason.
    pub reason: Reason,
    /// What is wrong, and the next step.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// As declared; AWS shows it, or the record says so.
    Done(String),
    /// Settled without being done: waived, given up, not applicable.
    Skipped(Refusal),
    /// All is done that is declared, and whether it worked nobody can see.
    Unknown(Refusal),
    /// On its way.
    Working(Refusal),
    /// A person must approve.
    Awaiting(Action),
    /// A person must act.
    Blocked(Refusal),
}

impl State {
    /// Done.
    pub fn done(message: impl Into<String>) -> Self {
        Self::Done(message.into())
    }

    /// On its way.
    pub fn working(reason: Reason, message: impl Into<String>) -> Self {
        Self::Working(Refusal::new(reason, message))
    }

    /// A person must act.
    pub fn blocked(reason: Reason, message: impl Into<String>) -> Self {
        Self::Blocked(Refusal::new(reason, message))
    }

    /// Settled without being done.
    pub fn skipped(reason: Reason, message: impl Into<String>) -> Self {
        Self::Skipped(Refusal::new(reason, message))
    }

    /// Nobody can see whether it worked.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self::Unknown(Refusal::new(reason, message))
    }

    /// Later steps need not wait for it.
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Skipped(_) | Self::Unknown(_))
    }
}

/// What a step says at one look.
#[derive(Clone, Debug)]
pub struct Turn<P: Procedure> {
    /// Where it stands.
    pub state: State,
    /// Changes: inside a stage side by side, the next stage only when all of the last succeeded.
    pub stages: Vec<Vec<P::Effect>>,
    /// What goes into the chain without being done.
    pub facts: Vec<Fact>,
    /// Outcomes that AWS shows though the reply was lost.
    pub outcomes: Vec<Entry>,
    /// For status.
    pub parts: Vec<Part>,
    /// What a person should know of a step that is done all the same.
    pub remark: Option<String>,
    /// Seconds until it wants to look again.
    pub again_in: Option<u32>,
    /// It only prepares: what other steps would do must not delay the turn that follows.
    pub prepares: bool,
    /// Others go behind it, so that what only prepares holds nothing of it back.
    pub leads: bool,
    /// The step behind whose changes it goes, where both have some: those are sent first, and accepted by AWS or refused
    /// in a way that only a person can mend.
    pub behind: Option<&'static str>,
}

impl<P: Procedure> Turn<P> {
    /// A turn that says where the step stands.
    pub const fn new(state: State) -> Self {
        Self {
            state,
            stages: Vec::new(),
            facts: Vec::new(),
            outcomes: Vec::new(),
            parts: Vec::new(),
            remark: None,
            again_in: None,
            prepares: false,
            leads: false,
            behind: None,
        }
    }

    /// Adds a stage; an empty one is no stage.
    #[must_use]
    pub fn then(mut self, stage: Vec<P::Effect>) -> Self {
        if !stage.is_empty() {
            self.stages.push(stage);
        }
        self
    }

    /// Adds facts.
    #[must_use]
    pub fn noting(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// Adds an outcome that AWS shows.
    #[must_use]
    pub fn adopting(mut self, outcome: Entry) -> Self {
        self.outcomes.push(outcome);
        self
    }

    /// Adds parts.
    #[must_use]
    pub fn with_parts(mut self, parts: Vec<Part>) -> Self {
        self.parts = parts;
        self
    }

    /// Says what a person should know though the step is done.
    #[must_use]
    pub fn remarking(mut self, remark: Option<String>) -> Self {
        self.remark = remark;
        self
    }

    /// Asks for another look.
    #[must_use]
    pub const fn again_in(mut self, seconds: u32) -> Self {
        self.again_in = Some(seconds);
        self
    }

    /// Marks the turn as one that others go behind.
    #[must_use]
    pub const fn leading(mut self) -> Self {
        self.leads = true;
        self
    }

    /// Goes behind the changes of another step.
    #[must_use]
    pub const fn behind(mut self, step: &'static str) -> Self {
        self.behind = Some(step);
        self
    }

    /// Marks the turn as one that only prepares the next.
    #[must_use]
    pub const fn preparing(mut self) -> Self {
        self.prepares = true;
        self
    }
}
