//! The procedure of the incident: it touches Kubernetes alone, and its children outlive it.

use serde_json::{Value as Json, json};

use super::Time;
use super::effect::Effect;
use super::record::Fact;
use super::step::{Change, Procedure, Refusal, State, Step, StepResult, View};
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::forensic_case::ForensicCaseSpec;
use crate::api::ids::Digest;
use crate::api::quarantine::{Level, QuarantineSpec};

/// Composes the kinds below it, one set of them for each target.
#[derive(Debug)]
pub struct ForensicCase;

/// What the case declares.
pub type CaseSpec = ForensicCaseSpec;

/// Which kind a child is, with what it declares.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildKind {
    /// A Quarantine.
    Quarantine(QuarantineSpec),
    /// An `EvidenceSnapshot`.
    Evidence(EvidenceSnapshotSpec),
}

/// A child as the API server has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its kind and what it declares.
    pub kind: ChildKind,
    /// Ready at what it declares.
    pub ready: bool,
    /// Reason of its condition Ready; none before there is one.
    pub reason: Option<String>,
    /// For a Quarantine: held at its level, or given back; for evidence: preserved. The rest may still be going on.
    pub reached: bool,
    /// For evidence: whether its bytes are verified, or why not.
    pub verified: Result<(), Refusal>,
    /// A Quarantine that cuts its host off now, whatever its level asks for.
    pub cut: bool,
    /// Uid of the case that made it: a name can be used again.
    pub made_by: Option<String>,
    /// Why it goes no further until a person acts.
    pub stalled: Option<Reason>,
    /// Settled with less than was declared: what is missing.
    pub shortfall: Option<String>,
    /// One line about it.
    pub message: String,
    /// The plan for which it awaits a person: action, hash, lines.
    pub plan: Option<(Action, Digest, Vec<String>)>,
    /// When it reached it.
    pub reached_at: Option<Time>,
}

/// What can be seen of a case: its children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseSeen {
    /// All of them, by name.
    pub children: Vec<Child>,
}

/// What a case can do: see to it that a child is there as declared. A repeat is harmless by nature.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseEffect {
    /// Server-side apply of a child.
    Ensure {
        /// Its name.
        name: String,
        /// What it declares.
        kind: Box<ChildKind>,
    },
}

impl Change for CaseEffect {
    fn intent(&self) -> Option<&Effect> {
        None
    }
}

impl Procedure for ForensicCase {
    type Spec = CaseSpec;
    type Seen = CaseSeen;
    type Effect = CaseEffect;
    const TABLE: &'static [Step<Self>] = super::FORENSIC_CASE;
    const UNAWAITED: &'static [&'static str] = &["EvidenceVerified"];

    fn admit(_view: &View<'_, Self>) -> Result<(), Refusal> {
        Ok(())
    }

    fn declared(spec: &CaseSpec) -> Json {
        json!({"targets": spec.targets, "containment": spec.containment})
    }

    fn conclude(view: &View<'_, Self>, steps: &[StepResult]) -> Vec<Fact> {
        let done =
            |name: &str| steps.iter().any(|step| step.name == name && matches!(step.state, Some(State::Done(_))));
        let mut facts = Vec::new();
        let contained = done("Contained") && view.spec.containment.level != Level::Released;
        if contained && view.record.contained_at.is_none() {
            facts.push(Fact::CaseContained);
        }
        if done("EvidencePreserved") && view.record.preserved_at.is_none() {
            facts.push(Fact::EvidencePreserved);
        }
        facts
    }
}
