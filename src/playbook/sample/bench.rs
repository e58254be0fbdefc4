//! One object, one replica and the in-memory AWS, a turn at a time.

use std::collections::BTreeMap;

use super::{account, at, error, evidence_spec, later, limits, object, quarantine_spec, subject};
use crate::api::evidence_snapshot::EvidenceSnapshotSpec;
use crate::api::quarantine::{Level, QuarantineSpec};
use crate::cloud::error::ErrorClass;
use crate::cloud::sim::World;
use crate::cloud::{AskCopies, AskDigests, AskEvidence, AskQuarantine};
use crate::playbook::approval::Candidate;
use crate::playbook::chain::{self, Writer};
use crate::playbook::decide::{Plan, decide};
use crate::playbook::effect::Effect;
use crate::playbook::executor::Executor;
use crate::playbook::project;
use crate::playbook::record::{Entry, Fact, Record};
use crate::playbook::step::{Account, Holder, Limits, Procedure, State, Subject, Turn, View};
use crate::playbook::{EvidenceSeen, EvidenceSnapshot, Quarantine, QuarantineSeen, Time};

/// A kind that can be looked at in the in-memory AWS.
pub trait Watched: Procedure<Effect = Effect> {
    const KIND: &'static str;
    fn look(world: &World, spec: &Self::Spec, account: &Account, record: &Record, now: Time) -> Self::Seen;
}

impl Watched for Quarantine {
    const KIND: &'static str = "Quarantine";

    fn look(world: &World, spec: &QuarantineSpec, account: &Account, record: &Record, now: Time) -> QuarantineSeen {
        world.see_quarantine(&AskQuarantine::about(spec, account, record), now)
    }
}

impl Watched for EvidenceSnapshot {
    const KIND: &'static str = "EvidenceSnapshot";

    fn look(world: &World, spec: &EvidenceSnapshotSpec, account: &Account, record: &Record, now: Time) -> EvidenceSeen {
        let mut seen = world.see_evidence(&AskEvidence::about(spec, account, record), now);
        let asked = AskCopies::about(spec, account, record, &seen);
        seen.copies = asked.iter().map(|(at, ask)| (at.clone(), world.see_copies(at, ask, now))).collect();
        seen.digests = world.see_digests(&AskDigests::about(spec, record), now);
        seen
    }
}

/// One object, one replica and one AWS, a turn at a time.
pub struct Bench<P: Watched> {
    pub world: World,
    pub subject: Subject,
    pub spec: P::Spec,
    pub account: Account,
    pub holder: Holder,
    pub approvals: Vec<Candidate>,
    pub record: Record,
    pub head: Option<chain::Head>,
    pub now: Time,
    pub limits: Limits,
    pub executor: Executor<P>,
    /// Every entry of the chain.
    pub entries: Vec<Entry>,
    /// Bytes of every record.
    pub sizes: Vec<usize>,
    /// Every change that was sent, with what became of it.
    pub sent: Vec<(Effect, Option<ErrorClass>)>,
    /// Operations that AWS refuses, and how; an ambiguous one was applied nevertheless.
    pub refusals: BTreeMap<&'static str, ErrorClass>,
    /// Changes what is seen before it is decided on.
    pub lens: fn(&mut P::Seen),
}

impl Bench<Quarantine> {
    pub fn quarantine(level: Level, world: World) -> Self {
        Self::new(quarantine_spec(level), world)
    }
}

impl Bench<EvidenceSnapshot> {
    pub fn evidence(world: World) -> Self {
        Self::new(evidence_spec(), world)
    }
}

impl<P: Watched> Bench<P> {
    pub fn new(spec: P::Spec, world: World) -> Self {
        Self {
            world,
            subject: subject(P::KIND),
            spec,
            account: account(),
            holder: Holder::Mine,
            approvals: Vec::new(),
            record: Record::default(),
            head: None,
            now: at(0),
            limits: limits(),
            executor: Executor::default(),
            entries: Vec::new(),
            sizes: Vec::new(),
            sent: Vec::new(),
            refusals: BTreeMap::new(),
            lens: |_| {},
        }
    }

    pub fn seen(&self) -> P::Seen {
        let mut seen = P::look(&self.world, &self.spec, &self.account, &self.record, self.now);
        (self.lens)(&mut seen);
        seen
    }

    pub fn with<T>(&self, seen: &P::Seen, then: impl FnOnce(&View<'_, P>) -> T) -> T {
        then(&View {
            subject: &self.subject,
            spec: &self.spec,
            account: &self.account,
            holder: &self.holder,
            approvals: &self.approvals,
            seen,
            record: &self.record,
            next_index: chain::next_index(self.head.as_ref()),
            now: self.now,
            limits: &self.limits,
        })
    }

    /// What would be decided now; nothing is written or sent.
    pub fn plan(&self) -> Plan<P> {
        self.with(&self.seen(), decide)
    }

    /// What one step says now.
    pub fn step(&self, name: &str) -> Turn<P> {
        let step = P::TABLE.iter().find(|step| step.name == name).unwrap();
        self.with(&self.seen(), |view| if P::releasing(view) { (step.undo)(view) } else { (step.next)(view) })
    }

    /// Where a step stands in a decision made now.
    pub fn state(&self, name: &str) -> Option<State> {
        self.plan().steps.into_iter().find(|step| step.name == name).unwrap().state
    }

    pub fn verdict(&self) -> project::Verdict {
        project::verdict(&self.plan(), self.executor.errors())
    }

    /// One turn: whether anything was written or sent.
    pub fn turn(&mut self) -> bool {
        let seen = self.seen();
        let (object, head, writer) = (object(P::KIND), self.head.clone(), Writer::default());
        let decided = self.with(&seen, |view| self.executor.decide(view, &object, head.as_ref(), &writer));
        if let Some(link) = &decided.link {
            self.entries.extend(link.body.entries.iter().cloned());
            self.sizes.push(link.bytes.len());
            (self.head, self.record) = (Some(link.head.clone()), link.record.clone());
        }
        let mut queue = self.executor.written(&decided);
        let mut acted = decided.link.is_some();
        while !queue.is_empty() {
            acted = true;
            let sends = std::mem::take(&mut queue);
            for send in sends {
                let effect = &send.order.change;
                let class = self.refusals.get(effect.operation()).copied();
                let mut reply = match class {
                    Some(class) if class != ErrorClass::Ambiguous => Err(()),
                    _ => Ok(self.world.apply(effect, send.order.id.as_ref().unwrap())),
                };
                if class == Some(ErrorClass::Ambiguous) {
                    reply = Err(());
                }
                let reply = reply.unwrap_or_else(|()| Err(error(effect, class.unwrap_or(ErrorClass::Invalid))));
                self.sent.push((effect.clone(), reply.as_ref().err().map(|error| error.class)));
                queue.extend(self.executor.replied(&self.record, &send, &reply));
            }
        }
        acted
    }

    /// Turns until nothing is written or sent any more: how many those were.
    pub fn settle(&mut self) -> usize {
        for turn in 0..50 {
            if !self.turn() {
                return turn;
            }
            self.now = later(self.now, 1);
        }
        panic!("no end: {:?}", self.entries.iter().rev().take(6).collect::<Vec<_>>());
    }

    /// As `settle`: how large each record on the way was, in bytes.
    pub fn settle_and_measure(&mut self) -> Vec<usize> {
        self.sizes.clear();
        self.settle();
        self.sizes.clone()
    }

    /// Turns until nothing can be on its way any more either.
    pub fn see_out(&mut self) {
        self.settle();
        self.now = later(self.now, self.limits.settle_seconds);
        self.settle();
    }

    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Fact(fact) => Some(fact),
            _ => None,
        })
    }

    /// Operations of what was sent, in order.
    pub fn operations(&self) -> Vec<&'static str> {
        self.sent.iter().map(|(effect, _)| effect.operation()).collect()
    }

    /// The replica dies and another one takes over.
    pub fn crash(&mut self) {
        self.executor = Executor::default();
    }
}
