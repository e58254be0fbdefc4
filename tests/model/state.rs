//! A state of the model: the world, the chain, two replicas, what is on its way, and what may still go wrong.
//!
//! Two states that differ only by a shift of time are one: times are hashed by their age, and ages beyond all limits
//! are the same age.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use sequester::api::approval::Action;
use sequester::cloud::sim::World;
use sequester::playbook::Time;
use sequester::playbook::approval::Candidate;
use sequester::playbook::chain::{Head, Link};
use sequester::playbook::effect::Effect;
use sequester::playbook::executor::{Executor, Send};
use sequester::playbook::record::{Entry, OperationId, Record};

use super::kind::Kind;

/// One step of time. Lease, request deadline and visibility lag are one each.
pub const TICK: i64 = 60;
/// W, as the shell would have it: longer than the three together.
pub const W: i64 = 4 * TICK;
/// The age at which nothing changes any more: what the chain remembers of accepted changes is the longest.
pub const OLD: i64 = 6 * TICK;

/// A moment of the model as a time of the playbook.
pub fn time(seconds: i64) -> Time {
    Time::from_second(1_800_000_000 + seconds).unwrap()
}

/// Hash of anything.
pub fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn age(now: i64, then: i64) -> i64 {
    (now - then).clamp(-OLD, OLD)
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

/// A chain up to one link, with what follows from it.
#[derive(Debug)]
pub struct Node {
    pub head: Head,
    pub record: Record,
    /// Every intent so far, and which have their outcome.
    pub intents: BTreeMap<OperationId, Effect>,
    pub closed: BTreeSet<OperationId>,
    /// Which replica wrote it.
    pub writer: u8,
    pub entries: Vec<Entry>,
    hash: u64,
    times: Vec<i64>,
}

impl Node {
    /// Puts a link behind a chain.
    pub fn after(previous: Option<&Self>, link: &Link, writer: u8) -> Self {
        let mut intents = previous.map(|node| node.intents.clone()).unwrap_or_default();
        let mut closed = previous.map(|node| node.closed.clone()).unwrap_or_default();
        for entry in &link.body.entries {
            match entry {
                Entry::Intent { id, effect, .. } => {
                    intents.insert(id.clone(), effect.clone());
                }
                Entry::Outcome { id, .. } => {
                    closed.insert(id.clone());
                }
                _ => {}
            }
        }
        let record = link.record.clone();
        let (hash, times) = timeless(&record, link.head.index);
        Self { head: link.head.clone(), record, intents, closed, writer, entries: link.body.entries.clone(), hash, times }
    }

    /// Whether an intent of what may not be sent twice waits for its outcome: then each step of time counts.
    pub fn waits(&self) -> bool {
        let once = |effect: &Effect| !effect.is_idempotent() || matches!(effect, Effect::OpenForPulse { .. });
        let open = self.record.operations.values().any(|o| o.outcome.is_none() && once(&o.effect));
        // A release waits, too.
        open || self.record.decisions.contains_key(&Action::Release) && !self.record.released
    }

    /// Whether something is not old yet.
    pub fn is_recent(&self, now: i64) -> bool {
        self.times.iter().any(|then| now - then < OLD)
    }

    fn feed(&self, now: i64, hasher: &mut impl Hasher) {
        self.hash.hash(hasher);
        for then in &self.times {
            age(now, *then).hash(hasher);
        }
    }
}

/// Hash of a record without its times, and those of its times that a decision may depend on.
fn timeless(record: &Record, index: u64) -> (u64, Vec<i64>) {
    let mut record = record.clone();
    let zero = time(0);
    let mut times = Vec::new();
    for at in [&mut record.opened, &mut record.contained_at, &mut record.preserved_at].into_iter().flatten() {
        *at = zero;
    }
    let seconds = |at: Time| at.as_second() - zero.as_second();
    for operation in record.operations.values_mut() {
        times.push(seconds(std::mem::replace(&mut operation.at, zero)));
    }
    for drift in record.drift.values_mut() {
        times.push(seconds(std::mem::replace(&mut drift.at, zero)));
    }
    for at in record.decided_at.values_mut() {
        times.push(seconds(std::mem::replace(at, zero)));
    }
    (hash_of(&(record, index)), times)
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
    /// Not any more, since then, and it does not know.
    Deposed(i64),
}

/// Where a replica is in its turn.
#[derive(Clone, Debug)]
pub enum Phase {
    Idle,
    /// It has looked, at AWS and at the API server.
    Looked { look: Look, asked: i64, node: Option<Arc<Node>>, wish: Held<Wish> },
    /// It has written, and has these to send.
    Sending { queue: Held<Vec<Send<Effect>>>, node: Arc<Node>, written: i64 },
}

/// Which worlds an answer is made of.
#[derive(Clone, Debug)]
pub struct Look {
    pub fresh: Snap,
    /// The older one that parts of the answer are from; the flag says whether all of it is.
    pub old: Option<(Snap, bool)>,
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
    pub fn new(lease: Lease) -> Self {
        Self { executor: Held::new(Executor::default()), lease, phase: Phase::Idle, known: None, paused: false, unwritten: None }
    }

    /// The process ends; all that it remembered is lost.
    pub fn ends(&mut self, lease: Lease) {
        *self = Self::new(lease);
    }
}

/// A request on its way, whose sender does not wait for it any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    pub id: OperationId,
    pub effect: Effect,
    pub sent: i64,
}

/// What may still go wrong, or be done by others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Crashes, pauses, lost and late calls, stale looks, throttles.
    pub faults: u8,
    /// Moves of the lease.
    pub moves: u8,
    /// Edits, approvals, the deletion.
    pub operator: u8,
    /// Changes by somebody else.
    pub foreign: u8,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct State<P: Kind> {
    pub now: i64,
    pub world: Snap,
    /// Worlds that an answer may still be from, each with the last moment at which it may.
    pub past: Vec<(i64, Snap)>,
    pub chain: Option<Arc<Node>>,
    pub replicas: [Replica<P>; 2],
    pub flights: Vec<Flight>,
    pub wish: Held<Wish>,
    pub budget: Budget,
    /// Operations that AWS has carried out.
    pub carried_out: Held<BTreeSet<OperationId>>,
    /// Changes that a mutation will never send again, as canonical JSON.
    pub dropped: Held<BTreeSet<String>>,
    /// The property that the last step broke.
    pub broken: Option<&'static str>,
}

impl<P: Kind> State<P> {
    pub fn record(&self) -> Record {
        self.chain.as_ref().map(|node| node.record.clone()).unwrap_or_default()
    }

    fn feed(&self, hasher: &mut impl Hasher) {
        let now = self.now;
        self.world.hash.hash(hasher);
        for (until, snap) in &self.past {
            (age(*until, now), snap.hash).hash(hasher);
        }
        feed_chain(self.chain.as_ref(), now, hasher);
        for replica in &self.replicas {
            replica.executor.hash.hash(hasher);
            (replica.known, replica.paused).hash(hasher);
            replica.unwritten.is_some().hash(hasher);
            match replica.lease {
                Lease::Standby => 0_i64.hash(hasher),
                Lease::Holder => 1_i64.hash(hasher),
                Lease::Deposed(since) => (2_i64, age(now, since)).hash(hasher),
            }
            match &replica.phase {
                Phase::Idle => 0_u8.hash(hasher),
                Phase::Looked { look, asked, node, wish } => {
                    (1_u8, look.fresh.hash, look.old.as_ref().map(|(snap, all)| (snap.hash, *all))).hash(hasher);
                    age(now, *asked).hash(hasher);
                    feed_chain(node.as_ref(), now, hasher);
                    wish.hash.hash(hasher);
                }
                Phase::Sending { queue, node, written } => {
                    (2_u8, queue.hash, age(now, *written)).hash(hasher);
                    node.feed(now, hasher);
                }
            }
        }
        for flight in &self.flights {
            (&flight.id, &flight.effect, age(now, flight.sent)).hash(hasher);
        }
        (self.wish.hash, self.budget, self.broken, self.carried_out.hash, self.dropped.hash).hash(hasher);
    }
}

fn feed_chain(node: Option<&Arc<Node>>, now: i64, hasher: &mut impl Hasher) {
    match node {
        Some(node) => node.feed(now, hasher),
        None => 0_u8.hash(hasher),
    }
}

/// What a fair run from here on depends on: a replica that starts anew knows nothing else.
pub fn rest_key<P: Kind>(state: &State<P>) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.world.hash.hash(&mut hasher);
    feed_chain(state.chain.as_ref(), state.now, &mut hasher);
    for flight in &state.flights {
        (&flight.id, &flight.effect).hash(&mut hasher);
    }
    (state.wish.hash, state.dropped.hash, state.carried_out.hash).hash(&mut hasher);
    hasher.finish()
}

impl<P: Kind> Hash for State<P> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.feed(hasher);
    }
}

impl<P: Kind> PartialEq for State<P> {
    fn eq(&self, other: &Self) -> bool {
        hash_of(self) == hash_of(other)
    }
}
