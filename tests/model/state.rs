//! A state of the model: the world, the chain, two replicas, what is on its way, and what may still go wrong.
//!
//! The clock stands still and the past moves away: every time is an age, and ages beyond all limits are the same age. So
//! two states that differ only by a shift of time are one, and so is all that is thought in them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use sequester::api::approval::Action as Approved;
use sequester::cloud::sim::World;
use sequester::playbook::Time;
use sequester::playbook::approval::Candidate;
use sequester::playbook::chain::{Head, sha256};
use sequester::playbook::containment::stop_replacement::PATIENCE;
use sequester::playbook::effect::Effect;
use sequester::playbook::executor::{Executor, Send};
use sequester::playbook::record::{Operation, OperationId, OutcomeKind, Record};

use super::budget::Budget;
use super::kind::Kind;
use super::marks::Mark;

/// One step of time. Lease, request deadline and visibility lag are one each; what the chain remembers of accepted changes
/// is two.
pub const TICK: i64 = 150;
/// W, as the shell would have it: longer than the three together.
pub const W: i64 = 4 * TICK;
/// How long a replica may stand still in the middle of a turn: long enough to outlast W.
pub const PAUSE: i64 = W;
/// The age at which nothing changes any more: older by W than the oldest look that is decided on.
pub const OLD: i64 = PAUSE + W;
/// How long an accepted change is remembered.
const RECENT: i64 = 2 * TICK;
/// How long a foreign value is not written down again.
pub const COALESCE: i64 = 2 * TICK;

/// The time so many seconds ago.
pub fn ago(seconds: i64) -> Time {
    Time::from_second(1_800_000_000 - seconds).unwrap()
}

/// Hash of anything.
pub fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Something that many states share, hashed once.
#[derive(Debug)]
pub struct Held<T> {
    value: Arc<T>,
    pub hash: u64,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), hash: self.hash }
    }
}

impl<T> std::ops::Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Hash + Clone> Held<T> {
    pub fn new(value: T) -> Self {
        Self { hash: hash_of(&value), value: Arc::new(value) }
    }

    /// Changes this state's copy.
    pub fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = T::clone(&self.value);
        let result = change(&mut value);
        *self = Self::new(value);
        result
    }
}

/// A world that many states share.
pub type Snap = Held<World>;

/// A change that is about to be sent.
pub type Order = Held<Send<Effect>>;

/// A head by its index. The bytes of links are not the model's matter: their order is.
pub fn head_at(index: Option<u64>) -> Option<Head> {
    index.map(|index| Head { index, hash: sha256(b""), state: sha256(b"") })
}

/// A chain up to one link, with what follows from it.
#[derive(Debug)]
pub struct Node {
    /// Of its last link; none for a chain that is not begun.
    pub index: Option<u64>,
    pub record: Record,
    /// Every intent so far, each with the hash of its change, and which have their outcome.
    pub intents: BTreeMap<OperationId, u64>,
    pub closed: BTreeSet<OperationId>,
    /// What the last link says: its outcomes, what it reached, all of it in words.
    pub outcomes: Vec<(OperationId, OutcomeKind)>,
    pub marks: Vec<Mark>,
    pub words: String,
    pub hash: u64,
}

impl Node {
    pub fn new(
        index: Option<u64>,
        record: Record,
        intents: BTreeMap<OperationId, u64>,
        closed: BTreeSet<OperationId>,
    ) -> Self {
        let hash = hash_of(&(index, &record, &intents, &closed));
        let (outcomes, marks, words) = (Vec::new(), Vec::new(), String::new());
        Self { index, record, intents, closed, outcomes, marks, words, hash }
    }

    /// No chain yet.
    pub fn root() -> Self {
        Self::new(None, Record::default(), BTreeMap::new(), BTreeSet::new())
    }

    fn with(&self, record: Record) -> Self {
        Self::new(self.index, record, self.intents.clone(), self.closed.clone())
    }

    /// The same chain, so many seconds later.
    pub fn later(&self, seconds: i64) -> Self {
        let mut record = self.record.clone();
        times(&mut record, |at, _| *at = ago((age(*at) + seconds).min(OLD)));
        self.with(record)
    }

    /// The same chain for whoever looks from now on: ages beyond what matters to them are the same age.
    pub fn settled(&self) -> Self {
        let mut record = self.record.clone();
        times(&mut record, |at, matters| *at = ago(age(*at).min(matters)));
        self.with(record)
    }

    /// Whether something is not old yet.
    pub fn is_recent(&self) -> bool {
        let mut recent = false;
        times(&mut self.record.clone(), |at, matters| recent |= age(*at) < matters);
        recent
    }

    /// Whether an intent of what may not be sent twice waits for its outcome: then each step of time counts.
    pub fn waits(&self) -> bool {
        let once = |effect: &Effect| !effect.is_idempotent() || matches!(effect, Effect::OpenForPulse { .. });
        let open = self.record.operations.values().any(|o| o.outcome.is_none() && once(&o.effect));
        // A release waits, too.
        open || self.record.decisions.contains_key(&Approved::Release) && !self.record.released
    }
}

/// Seconds since then.
fn age(then: Time) -> i64 {
    ago(0).as_second() - then.as_second()
}

/// Every time that a decision may depend on, with the age from which on it does not matter to a later look.
fn times(record: &mut Record, mut each: impl FnMut(&mut Time, i64)) {
    let once = |operation: &Operation| !operation.effect.is_idempotent();
    let newest = record.operations.values().filter(|operation| once(operation)).map(|operation| operation.at).max();
    for operation in record.operations.values_mut() {
        let matters = match (&operation.effect, operation.outcome) {
            (Effect::CreateSnapshots { .. }, Some(OutcomeKind::Failed | OutcomeKind::NotSent))
                if Some(operation.at) != newest =>
            {
                0
            }
            (Effect::CreateSnapshots { .. } | Effect::CreateSecurityGroup { .. }, _)
            | (Effect::OpenForPulse { .. }, None) => W,
            // Sent again only after a look that is late enough.
            (effect, _) if !effect.is_idempotent() => W,
            // Repeated until it is accepted, and remembered for a while from then on.
            (_, None) => 0,
            (_, Some(_)) => RECENT,
        };
        each(&mut operation.at, matters);
    }
    let drifts =
        record.drift.values_mut().chain(record.foreign_rules.values_mut()).chain(record.strangers.values_mut());
    drifts.for_each(|drift| each(&mut drift.at, COALESCE));
    // One that was asked for is gone only where a look that is late enough does not show it.
    record.grants.values_mut().flat_map(BTreeMap::values_mut).for_each(|at| each(at, W));
    if let Some(at) = &mut record.stop_begun {
        each(at, PATIENCE);
    }
    for (action, at) in &mut record.decided_at {
        each(at, if *action == Approved::Release { W } else { 0 });
    }
}

/// What is declared: which of the scene's specs, the approvals, and whether the object was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    pub spec: u8,
    pub approvals: Vec<Candidate>,
    pub deleted: bool,
}

/// Whether a replica may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    Standby,
    Holder,
    /// Not any more, for so long, and it does not know.
    Deposed(i64),
}

/// Where a replica is in its turn.
#[derive(Clone, Debug)]
pub enum Phase {
    Idle,
    /// It has looked, so long ago, at AWS and at the API server.
    Looked {
        look: Look,
        age: i64,
        node: Arc<Node>,
        wish: Held<Wish>,
    },
    /// It has written, so long ago, and has these to send.
    Sending {
        queue: Vec<Order>,
        age: i64,
        node: Arc<Node>,
    },
}

/// Which worlds an answer is made of.
#[derive(Clone, Debug)]
pub struct Look {
    pub fresh: Snap,
    /// The older one that parts of the answer are from; the flag says whether all of it is.
    pub old: Option<(Snap, bool)>,
}

impl Look {
    pub fn key(&self) -> (u64, Option<(u64, bool)>) {
        (self.fresh.hash, self.old.as_ref().map(|(snap, all)| (snap.hash, *all)))
    }
}

/// One controller process.
#[derive(Clone, Debug)]
pub struct Replica<P: Kind> {
    pub executor: Held<Executor<P>>,
    pub lease: Lease,
    pub phase: Phase,
    /// The last link that it knows.
    pub known: Option<u64>,
    /// It stands still: time may pass in the middle of its turn.
    pub paused: bool,
    /// Only where a mutation writes after sending: what is not written yet.
    pub unwritten: Option<Arc<Node>>,
}

impl<P: Kind> Replica<P> {
    /// A process that begins.
    pub fn new(lease: Lease) -> Self {
        let executor = Held::new(Executor::default());
        Self { executor, lease, phase: Phase::Idle, known: None, paused: false, unwritten: None }
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Whether it remembers nothing.
    pub fn is_fresh(&self) -> bool {
        *self.executor == Executor::default() && self.unwritten.is_none()
    }

    /// So many seconds later. A process that lost its lease ends; the fence lets it do nothing after that anyway.
    pub fn later(&mut self, seconds: i64, node_later: impl Fn(&Arc<Node>) -> Arc<Node>) {
        if let Lease::Deposed(age) = &mut self.lease {
            *age += seconds;
            if *age > TICK {
                *self = Self::new(Lease::Standby);
            }
        }
        match &mut self.phase {
            Phase::Idle => {}
            Phase::Looked { age, node, .. } | Phase::Sending { age, node, .. } => {
                *age += seconds;
                *node = node_later(node);
            }
        }
        self.unwritten = self.unwritten.as_ref().map(node_later);
    }

    /// Whether it stands still and may do so longer.
    pub fn stands(&self) -> bool {
        match &self.phase {
            Phase::Idle => true,
            Phase::Looked { age, .. } | Phase::Sending { age, .. } => self.paused && *age < PAUSE,
        }
    }

    fn key(&self) -> u64 {
        let phase = match &self.phase {
            Phase::Idle => 0,
            Phase::Looked { look, age, node, wish } => hash_of(&(1_u8, look.key(), age, node.hash, wish.hash)),
            Phase::Sending { queue, age, node } => {
                let queue: Vec<u64> = queue.iter().map(|order| order.hash).collect();
                hash_of(&(2_u8, queue, age, node.hash))
            }
        };
        let unwritten = self.unwritten.as_ref().map(|node| node.hash);
        hash_of(&(self.executor.hash, self.lease, phase, self.known, self.paused, unwritten))
    }
}

/// A request on its way, whose sender does not wait for it any more.
#[derive(Clone, Debug)]
pub struct Flight {
    pub order: Order,
    pub age: i64,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct State<P: Kind> {
    pub world: Snap,
    /// Worlds that an answer may still be from, each with the seconds for which it may.
    pub past: Vec<(i64, Snap)>,
    pub chain: Arc<Node>,
    pub replicas: [Replica<P>; 2],
    pub flights: Vec<Flight>,
    pub wish: Held<Wish>,
    pub budget: Budget,
    /// Operations without an outcome in the chain that AWS has carried out.
    pub carried_out: BTreeSet<OperationId>,
    /// Changes that a mutation will never send again, as canonical JSON.
    pub dropped: BTreeSet<String>,
    /// A fair run: what it thinks is not worth remembering, since its end is.
    pub fair: bool,
    /// The property that the last step broke.
    pub broken: Option<&'static str>,
}

impl<P: Kind> State<P> {
    fn key(&self) -> u64 {
        let flights: Vec<u64> = self.flights.iter().map(|flight| flight.order.hash).collect();
        hash_of(&(self.world.hash, self.chain.hash, flights, self.wish.hash, &self.carried_out, &self.dropped))
    }

    /// Which replica has the lease.
    pub fn holder(&self) -> usize {
        usize::from(self.replicas[1].lease == Lease::Holder)
    }

    /// What a fair run from here on depends on.
    pub fn rest_key(&self) -> u64 {
        hash_of(&(self.key(), self.replicas[self.holder()].key()))
    }
}

impl<P: Kind> Hash for State<P> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.key(), self.replicas[0].key(), self.replicas[1].key()).hash(hasher);
        for (left, snap) in &self.past {
            (left, snap.hash).hash(hasher);
        }
        for flight in &self.flights {
            flight.age.hash(hasher);
        }
        (self.budget, self.broken).hash(hasher);
    }
}

impl<P: Kind> PartialEq for State<P> {
    fn eq(&self, other: &Self) -> bool {
        hash_of(self) == hash_of(other)
    }
}
