//! The procedure that keeps one moment of one host's volumes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::Time;
use super::adopted::Existing;
use super::copies::{CopiesSeen, Destination};
use super::effect::Effect;
use super::exhibit::Digesting;
use super::preservation::lock_ends::{Of, alarm};
use super::preservation::{adopt_snapshots, copy_and_reencrypt};
use super::record::Fact;
use super::seen::{Instance, InstanceState, Key, Lock, Read, Snapshot};
use super::step::{Procedure, Refusal, State, Step, StepResult, Turn, View};
use super::tiers::Tier;
use crate::api::approval::Action;
use crate::api::conditions::Reason;
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::ids::{KeyArn, SnapshotId};

/// Takes, locks, shares and copies one snapshot set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvidenceSnapshot;

/// What can be seen of a moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EvidenceSeen {
    /// The instance; asked for until the set is taken.
    pub instance: Read<Instance>,
    /// Snapshots that are to be adopted, whoever owns them; asked for until they are.
    pub adoptable: Read<Vec<Existing>>,
    /// Snapshots born with the operation id of an intent of ours.
    pub snapshots: Read<Vec<Snapshot>>,
    /// Locks on them.
    pub locks: Read<BTreeMap<SnapshotId, Lock>>,
    /// Who may use them; `all` for the public.
    pub permissions: BTreeMap<SnapshotId, Read<BTreeSet<String>>>,
    /// Whether the account lets snapshots be shared with the public, as EC2 names it.
    pub public_sharing: Read<String>,
    /// The keys that they are encrypted under.
    pub keys: BTreeMap<KeyArn, Read<Key>>,
    /// In which tier they are, of those that are to be archived.
    pub tiers: BTreeMap<SnapshotId, Read<Tier>>,
    /// How far the reading of their bytes is, of those that are to be read.
    pub digests: BTreeMap<SnapshotId, Read<Digesting>>,
    /// What is seen where copies lie, or are to lie.
    pub copies: BTreeMap<Destination, CopiesSeen>,
    /// When the Quarantine of the same host closed it; none while it has not, or where there is none.
    pub isolated_at: Option<Time>,
}

impl EvidenceSeen {
    /// Nothing was asked.
    pub const fn nothing() -> Self {
        Self {
            instance: Read::NotRead,
            adoptable: Read::NotRead,
            snapshots: Read::NotRead,
            locks: Read::NotRead,
            permissions: BTreeMap::new(),
            public_sharing: Read::NotRead,
            keys: BTreeMap::new(),
            tiers: BTreeMap::new(),
            digests: BTreeMap::new(),
            copies: BTreeMap::new(),
            isolated_at: None,
        }
    }
}

impl Procedure for EvidenceSnapshot {
    type Spec = EvidenceSnapshotSpec;
    type Seen = EvidenceSeen;
    type Effect = Effect;
    const RECHECKED: bool = true;
    const TABLE: &'static [Step<Self>] = super::EVIDENCE_SNAPSHOT;
    const UNAWAITED: &'static [&'static str] = &[super::preservation::archive_snapshots::STEP.name];

    fn admit(view: &View<'_, Self>) -> Result<(), Refusal> {
        if let Err(refusal) = &view.account.ready {
            // The account of the source may be closed for good: what was brought out of it in time is told.
            let safe = super::copies::safe(view.record, view.now).map(|safe| format!(". {safe}")).unwrap_or_default();
            let refusal = Refusal::new(refusal.reason, format!("{}{safe}", refusal.message));
            let passes = refusal.reason == Reason::NotObserved || refusal.reason.is_of_the_moment();
            return Err(if passes { refusal } else { alarm(view, &[Of::Set, Of::Copies], refusal) });
        }
        let (source, region) = (view.spec.source.account_ref(), super::copies::own(view.spec, view.account).region);
        if view.record.opened.is_some() {
            return Ok(());
        }
        if !view.account.namespace_allowed {
            return Err(Refusal::new(
                Reason::NamespaceNotAllowed,
                format!(
                    "namespace {} may not use AwsAccount {}; add it to spec.allowedNamespaces there",
                    view.subject.namespace.as_deref().unwrap_or_default(),
                    source
                ),
            ));
        }
        if !view.account.regions.contains(&region) {
            return Err(Refusal::new(
                Reason::RegionNotAllowed,
                format!("AwsAccount {source} does not list Region {region}; add it to spec.regions there"),
            ));
        }
        if let Some(snapshots) = &view.spec.source.snapshots {
            return adopt_snapshots::admit(view, snapshots);
        }
        match &view.seen.instance {
            Read::Failed(failure) => Err(Refusal::new(failure.reason, failure.message.clone())),
            Read::NotRead => Err(Refusal::new(Reason::NotObserved, "AWS was not asked yet")),
            Read::Absent { .. } => Err(Refusal::new(
                Reason::InstanceNotFound,
                format!(
                    "account {} has no instance {} in {region}; check spec.source. Nothing is touched",
                    view.account.id,
                    view.spec.source.instance_id().map(ToString::to_string).unwrap_or_default()
                ),
            )),
            Read::Found { value, .. } if value.owner != view.account.id => Err(Refusal::new(
                Reason::WrongAccount,
                format!("{} belongs to account {}, not to {}", value.id, value.owner, view.account.id),
            )),
            Read::Found { value, .. } if value.state == InstanceState::Terminated => Err(Refusal::new(
                Reason::InstanceTerminated,
                format!("{} is terminated: it has no volumes to snapshot any more", value.id),
            )),
            Read::Found { .. } => Ok(()),
        }
    }

    fn elsewhere(view: &View<'_, Self>) -> Option<(&'static str, Turn<Self>)> {
        copy_and_reencrypt::keep(view).map(|turn| (copy_and_reencrypt::STEP.name, turn))
    }

    fn declared(spec: &EvidenceSnapshotSpec) -> Json {
        json!({"source": spec.source, "moment": spec.moment})
    }

    fn conclude(view: &View<'_, Self>, steps: &[StepResult]) -> Vec<Fact> {
        let preserved = steps.iter().any(|step| step.name == "Preserved" && matches!(step.state, Some(State::Done(_))));
        let keeping = &view.record.keeping;
        let taken = view.record.set.is_some();
        let retained = view.spec.retain_until.as_ref().map(|until| until.0).filter(|until| taken && *until > view.now);
        let retained = retained.filter(|until| keeping.retained < Some(*until)).map(|until| Fact::Retained { until });
        let preserved = (preserved && view.record.preserved_at.is_none()).then_some(Fact::EvidencePreserved);
        // From then on it stays, whatever the spec wishes. Said again, it takes a wish to lift it back.
        let new = keeping.legal_hold.is_none() || view.record.plans.contains_key(&Action::LiftHold);
        let held = (taken && view.spec.legal_hold && new).then_some(Fact::LegalHold);
        preserved.into_iter().chain(held).chain(retained).collect()
    }
}
