//! The steps of the model: the shipped executor, moved by a shell that can be interrupted anywhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sequester::api::approval::{Action as Approved, Decision};
use sequester::cloud::sim::World;
use sequester::playbook::approval::Candidate;
use sequester::playbook::record::Record;

use super::action::{Action, Fate};
use super::canon::Names;
use super::checks;
use super::kind::{Broken, Kind};
use super::marks::{Mark, Marks};
use super::memo::Memo;
use super::mutants::Mutation;
use super::sending::{Applied, Replied};
use super::stage::Scene;
use super::state::{Held, Lease, Node, OLD, Replica, Snap, State, TICK, Wish, hash_of};
use super::turn::Thought;

/// A model: a scene, and the bug in it, if any. What is remembered is remembered for speed alone.
pub struct System<P: Kind> {
    pub scene: Scene<P::Spec>,
    pub mutation: Option<Mutation>,
    /// With a mutation: the property that is to find it. The others are not looked at.
    pub watched: Option<&'static str>,
    /// Whether it is run once more to tell a trace.
    pub tells: bool,
    pub marks: Marks,
    /// Whether something was found broken.
    pub found: AtomicBool,
    /// Accounts that evidence may go to.
    pub(super) destinations: BTreeSet<String>,
    pub(super) rested: Memo<Broken>,
    pub(super) thoughts: Memo<Arc<Thought<P>>>,
    pub(super) replies: Memo<Arc<Replied<P>>>,
    pub(super) changes: Memo<Arc<Applied>>,
    pub(super) nodes: Memo<Arc<Node>>,
    pub(super) settled: Memo<Arc<Node>>,
    pub(super) canonicals: Memo<Arc<(Arc<Node>, Names)>>,
    pub(super) worlds: Memo<Snap>,
    aged: Memo<Arc<Node>>,
    deeds: Memo<Arc<Vec<Option<Snap>>>>,
}

impl<P: Kind> System<P> {
    pub fn new(scene: Scene<P::Spec>) -> Self {
        Self {
            destinations: scene.account.destinations.values().map(ToString::to_string).collect(),
            scene,
            mutation: None,
            watched: None,
            tells: false,
            marks: Marks::default(),
            found: AtomicBool::new(false),
            rested: Memo::default(),
            thoughts: Memo::default(),
            replies: Memo::default(),
            changes: Memo::default(),
            nodes: Memo::default(),
            settled: Memo::default(),
            canonicals: Memo::default(),
            worlds: Memo::default(),
            aged: Memo::default(),
            deeds: Memo::default(),
        }
    }

    pub fn with(scene: Scene<P::Spec>, mutation: Mutation, watched: &'static str) -> Self {
        Self { mutation: Some(mutation), watched: Some(watched), ..Self::new(scene) }
    }

    /// The same, to tell a trace by.
    pub fn telling(&self) -> Self {
        let (mutation, watched) = (self.mutation, self.watched);
        Self { mutation, watched, tells: true, ..Self::new(self.scene.clone()) }
    }

    pub(super) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn spec(&self, wish: &Wish) -> &P::Spec {
        &self.scene.specs[usize::from(wish.spec)]
    }

    pub fn first(&self) -> State<P> {
        State {
            world: Snap::new(self.scene.world.clone()),
            past: Vec::new(),
            chain: Arc::new(Node::root()),
            replicas: [Replica::new(Lease::Holder), Replica::new(Lease::Standby)],
            flights: Vec::new(),
            wish: Held::new(Wish { spec: 0, approvals: Vec::new(), deleted: false }),
            budget: self.scene.budget,
            carried_out: BTreeSet::new(),
            dropped: BTreeSet::new(),
            fair: false,
            broken: None,
        }
    }

    /// A property that a step broke, if it is one that is looked at.
    pub(super) fn flag(&self, state: &mut State<P>, broken: Broken) {
        if state.broken.is_none() {
            state.broken = broken.filter(|name| self.watched.is_none_or(|watched| watched == *name));
        }
    }

    pub(super) fn change(&self, state: &mut State<P>, next: &Snap) {
        if next.hash == state.world.hash {
            return;
        }
        let old = std::mem::replace(&mut state.world, next.clone());
        state.past.retain(|(_, snap)| snap.hash != old.hash && snap.hash != next.hash);
        state.past.push((TICK, old));
        // The last one and the oldest: those between differ from these in no new way.
        if state.past.len() > 2 {
            state.past.remove(1);
        }
        let broken = checks::stands(&state.world);
        self.flag(state, broken);
    }

    /// What the deeds of others would make of a world; nothing where they change nothing.
    pub(super) fn deeds(&self, snap: &Snap) -> Arc<Vec<Option<Snap>>> {
        self.deeds.or_make(snap.hash, || {
            let all = self.scene.foreign.iter().chain(&self.scene.aws);
            let done = all.map(|deed| {
                let mut world = World::clone(snap);
                (deed.act)(&mut world);
                (world != **snap).then(|| Snap::new(world))
            });
            Arc::new(done.collect())
        })
    }

    /// The one copy of a node.
    pub(super) fn known(&self, node: Node) -> Arc<Node> {
        let key = hash_of(&(node.hash, &node.words, &node.outcomes));
        self.nodes.or_make(key, || Arc::new(node))
    }

    pub fn step(&self, last: &State<P>, action: Action) -> Option<State<P>> {
        let mut state = last.clone();
        if let Some(mark) = marked(action) {
            self.marks.hit(mark);
        }
        match action {
            Action::Look(r, lens) => self.look(&mut state, usize::from(r), lens),
            Action::Write(r) => {
                self.write(&mut state, usize::from(r));
            }
            Action::Send(r, fate) => self.send(&mut state, usize::from(r), fate),
            Action::Crash(r) => {
                state.budget.faults -= 1;
                Self::ends(&mut state, usize::from(r));
            }
            Action::CrashSent(r) => self.crash_sent(&mut state, usize::from(r)),
            Action::Pause(r) => {
                state.budget.faults -= 1;
                state.replicas[usize::from(r)].paused = true;
                self.passes(&mut state, TICK);
            }
            Action::Move => {
                state.budget.moves -= 1;
                state.replicas[0].lease = Lease::Deposed(0);
                state.replicas[1].lease = Lease::Holder;
            }
            Action::Land(flight) => {
                let flight = state.flights.remove(usize::from(flight));
                let _ = self.carry_out(&mut state, &flight.order);
            }
            Action::Tick => self.passes(&mut state, TICK),
            Action::Age => self.passes(&mut state, OLD),
            Action::Edit => {
                state.budget.operator -= 1;
                state.wish.change(|wish| wish.spec += 1);
            }
            Action::Approve(action) => {
                state.budget.operator -= 1;
                let yes = yes(&state.chain.record, action);
                state.wish.change(|wish| wish.approvals.push(yes));
            }
            Action::Delete => {
                state.budget.operator -= 1;
                state.wish.change(|wish| wish.deleted = true);
            }
            Action::Foreign(n) => {
                state.budget.foreign -= 1;
                let next = self.deeds(&state.world)[usize::from(n)].clone()?;
                self.change(&mut state, &next);
            }
            Action::Aws(n) => {
                let next = self.deeds(&state.world)[self.scene.foreign.len() + usize::from(n)].clone()?;
                self.change(&mut state, &next);
            }
        }
        Some(state)
    }

    /// The process ends; all that it remembered is lost.
    pub(super) fn ends(state: &mut State<P>, r: usize) {
        let lease = state.replicas[r].lease;
        state.replicas[r] = Replica::new(lease);
    }

    pub(super) fn passes(&self, state: &mut State<P>, seconds: i64) {
        let later = |node: &Arc<Node>| {
            let key = hash_of(&(node.hash, seconds));
            self.aged.or_make(key, || self.known(node.later(seconds)))
        };
        let chain = later(&state.chain);
        state.chain = chain;
        state.past.retain_mut(|(left, _)| {
            *left -= seconds;
            *left >= 0
        });
        state.flights.retain_mut(|flight| {
            flight.age += seconds;
            flight.age <= TICK
        });
        for replica in &mut state.replicas {
            replica.later(seconds, later);
        }
    }
}

/// What is reached by a step alone.
const fn marked(action: Action) -> Option<Mark> {
    Some(match action {
        Action::Send(_, Fate::Lost) => Mark::LostReply,
        Action::Send(_, Fate::Throttled) => Mark::Throttled,
        Action::Crash(_) => Mark::Crashed,
        Action::CrashSent(_) => Mark::DiedSending,
        Action::Pause(_) => Mark::Paused,
        Action::Move => Mark::Moved,
        Action::Land(_) => Mark::Landed,
        Action::Edit => Mark::Edited,
        Action::Approve(_) => Mark::Approved,
        Action::Delete => Mark::Deleted,
        Action::Foreign(_) => Mark::Foreign,
        Action::Aws(_) => Mark::ByAws,
        _ => return None,
    })
}

/// A yes of bob's to the plan that stands published.
pub(super) fn yes(record: &Record, action: Approved) -> Candidate {
    Candidate {
        name: "yes".to_owned(),
        uid: format!("approval-{action}"),
        subject_uid: "uid-1".to_owned(),
        action,
        plan_hash: record.plans[&action].hash.clone(),
        requester: Some("alice".to_owned()),
        approver: "bob".to_owned(),
        verdict: Decision::Approve,
        break_glass: false,
        leaves: std::collections::BTreeMap::new(),
    }
}
