//! The search: every state that the scene's budget of faults allows.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model, Path, Property};

use super::action::{Action, Fate, Lens};
use super::kind::{Kind, name};
use super::machine::System;
use super::marks::Mark;
use super::mutants::Mutation;
use super::stage::Scene;
use super::state::{Lease, Phase, Replica, Snap, State};
use super::words;

impl<P: Kind> Model for System<P> {
    type State = State<P>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.first()]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        let quiet = state.flights.is_empty() && state.replicas.iter().all(Replica::is_idle);
        if state.broken.is_some() {
            self.found.store(true, Ordering::Relaxed);
        }
        // One way to break a thing is enough: the search does not go on to longer ones.
        if self.found.load(Ordering::Relaxed) || quiet && (self.scene.over)(&state.chain.record) {
            return;
        }
        self.of_others(state, actions);
        if state.budget.moves > 0 && state.replicas[0].lease == Lease::Holder {
            actions.push(Action::Move);
        }
        // Nothing can go wrong any more, and one replica is left: what happens from here is the fair run.
        let alone = state.replicas.iter().any(|replica| replica.lease == Lease::Standby);
        let spent = state.budget.foreign == 0 && (state.budget.operator == 0 || state.wish.deleted);
        if actions.is_empty() && spent && state.budget.faults == 0 && state.flights.is_empty() && alone {
            return;
        }
        for r in [0, 1] {
            self.of_replica(state, r, actions);
        }
        for flight in 0..u8::try_from(state.flights.len()).unwrap_or_default() {
            actions.push(Action::Land(flight));
        }
        Self::of_time(state, actions);
    }

    fn next_state(&self, last: &Self::State, action: Action) -> Option<Self::State> {
        let mut next = self.step(last, action)?;
        self.canonical(&mut next);
        let rests = self.rest(&next);
        self.flag(&mut next, rests);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($name:ident)+) => {
                vec![$(Property::<Self>::always(name::$name, |_, state| state.broken != Some(name::$name)),)+]
            };
        }
        always!(S1 S3 S4 S5 S6 S8 S9 S10 S13 S14 S15 S16 S20 S21 L1 CAPACITY GATE)
    }
}

impl<P: Kind> System<P> {
    fn of_replica(&self, state: &State<P>, r: u8, actions: &mut Vec<Action>) {
        let replica = &state.replicas[usize::from(r)];
        let faulty = state.budget.faults > 0;
        if replica.lease == Lease::Standby {
            return;
        }
        match &replica.phase {
            // Nobody looks at an object that is not there any more.
            Phase::Idle if state.wish.deleted && self.mutation != Some(Mutation::ReopenOnDelete) => {}
            Phase::Idle if matches!(replica.lease, Lease::Deposed(_)) && !faulty => {}
            Phase::Idle => {
                actions.push(Action::Look(r, Lens::Fresh));
                for old in (0..u8::try_from(state.past.len()).unwrap_or_default()).filter(|_| faulty) {
                    actions.push(Action::Look(r, Lens::Stale(old)));
                    actions.push(Action::Look(r, Lens::Mixed(old)));
                }
            }
            Phase::Looked { .. } => actions.push(Action::Write(r)),
            Phase::Sending { queue, age, .. } => {
                let Some(next) = queue.first() else { return };
                if self.fence(state, usize::from(r), &next.order.change, *age) {
                    actions.push(Action::Send(r, Fate::Answered));
                    if faulty {
                        actions.extend([Fate::Lost, Fate::Late, Fate::Throttled].map(|fate| Action::Send(r, fate)));
                        actions.push(Action::CrashSent(r));
                    }
                } else {
                    actions.push(Action::Send(r, Fate::Withheld));
                }
            }
        }
        let (busy, sending) = (!replica.is_idle(), matches!(replica.phase, Phase::Sending { .. }));
        let others = state.replicas.iter().zip([0, 1]).filter(|(_, n)| *n != r);
        if faulty && busy && !replica.paused && others.into_iter().all(|(other, _)| other.stands()) {
            actions.push(Action::Pause(r));
        }
        // A look has no effect: dying after it is dying before it.
        if faulty && (sending || !replica.is_fresh()) {
            actions.push(Action::Crash(r));
        }
    }

    /// Time passes where somebody waits for it, or something is not old yet.
    fn of_time(state: &State<P>, actions: &mut Vec<Action>) {
        if !state.replicas.iter().all(Replica::stands) {
            return;
        }
        // A reply that is here and can't be lost any more ends the waiting whenever it is written.
        let answered = state.budget.faults == 0 && state.replicas.iter().any(|replica| replica.executor.owes());
        let counts = state.replicas.iter().any(|r| r.paused || matches!(r.lease, Lease::Deposed(_)))
            || !state.flights.is_empty()
            || state.chain.waits() && !answered;
        if counts {
            actions.push(Action::Tick);
        } else if state.chain.is_recent() {
            actions.push(Action::Age);
        }
    }

    /// What the operator, the attacker and AWS can do.
    fn of_others(&self, state: &State<P>, actions: &mut Vec<Action>) {
        if state.budget.operator > 0 && !state.wish.deleted {
            if usize::from(state.wish.spec) + 1 < self.scene.specs.len() {
                actions.push(Action::Edit);
            }
            for (action, plan) in &state.chain.record.plans {
                if !state.wish.approvals.iter().any(|yes| yes.plan_hash == plan.hash) {
                    actions.push(Action::Approve(*action));
                }
            }
            if self.scene.deletable {
                actions.push(Action::Delete);
            }
        }
        let deeds = self.deeds(&state.world);
        let (foreign, aws) = deeds.split_at(self.scene.foreign.len());
        let possible =
            |deeds: &[Option<Snap>]| (0_u8..).zip(deeds).filter(|(_, d)| d.is_some()).map(|(n, _)| n).collect();
        let (foreign, aws): (Vec<u8>, Vec<u8>) = (possible(foreign), possible(aws));
        if state.budget.foreign > 0 {
            actions.extend(foreign.into_iter().map(Action::Foreign));
        }
        actions.extend(aws.into_iter().map(Action::Aws));
    }
}

/// One search at a time: each may take all of the memory and both of the processors.
static TURN: Mutex<()> = Mutex::new(());

/// Searches all of a scene. Nothing may be broken, everything named must be reached, and the search may not shrink by
/// more than a fifth unnoticed.
pub fn prove<P: Kind>(scene: Scene<P::Spec>, states: usize, reached: &[&[Mark]]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (title, budget) = (scene.name, scene.budget);
    let began = Instant::now();
    let checker =
        System::<P>::new(scene).checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let system = checker.model();
    system.found.store(false, Ordering::Relaxed);
    println!(
        "{title} ({budget}): {} states, {} steps, depth {}, {} decisions, {} fair runs, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        system.thoughts.len(),
        system.rested.len(),
        began.elapsed().as_secs_f64(),
    );
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        panic!("{title}: broken: {property}\n{}", trace(system, path).0);
    }
    let missed: Vec<&str> =
        reached.iter().copied().flatten().filter(|mark| system.marks.count(**mark) == 0).map(|m| m.words()).collect();
    assert!(missed.is_empty(), "{title}: never reached: {missed:?}");
    let found = checker.unique_state_count();
    assert!(found >= states / 5 * 4, "{title}: {found} states, and it was {states}: say why, or search them");
}

/// Searches a scene with a bug in it until the bug is found.
pub fn kills<P: Kind>(scene: Scene<P::Spec>, mutation: Mutation, property: &'static str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let checker = System::<P>::with(scene, mutation, property)
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    checker.model().found.store(false, Ordering::Relaxed);
    let Some(path) = checker.discovery(property) else {
        panic!("{mutation:?} survives {states} states: {property} does not find it");
    };
    let (trace, steps) = trace(checker.model(), path);
    let seconds = began.elapsed().as_secs_f64();
    println!("bug {mutation:?}: found after {steps} steps, {states} states, {seconds:.1} s\n{trace}");
}

/// Steps of a fair run that are told.
const FAIR_LINES: usize = 32;

/// The way to a broken property in words, and how many steps it takes.
fn trace<P: Kind>(found_by: &System<P>, path: Path<State<P>, Action>) -> (String, usize) {
    let system = found_by.telling();
    let (mut state, mut lines, mut at) = (system.first(), Vec::new(), 0);
    for action in path.into_actions() {
        lines.push(format!("{at:>6} s  {}", words::step(&system, &state, action)));
        at += words::seconds(action);
        match system.next_state(&state, action) {
            Some(next) => state = next,
            None => break,
        }
    }
    // What the last step broke by itself, or what a fair run from there was found to break.
    let broken = state.broken.take();
    let mut fair = Vec::new();
    let rests = system.tell_rest(&state, &mut |from, action| {
        fair.push(format!("   fair   {}", words::step(&system, from, action)));
    });
    if rests != broken {
        fair.clear();
    }
    let steps = lines.len() + fair.len();
    // A run that never comes to rest says the same again and again.
    let more = fair.len().saturating_sub(FAIR_LINES);
    lines.extend(fair.into_iter().take(FAIR_LINES));
    if more > 0 {
        lines.push(format!("   fair   and so on, {more} steps"));
    }
    lines.push(format!("          which breaks: {}", broken.unwrap_or("nothing")));
    (lines.join("\n"), steps)
}
