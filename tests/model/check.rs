//! The search: every state that the scene's budget of faults allows.

use std::time::Instant;

use sequester::playbook::executor::Executor;
use stateright::{Checker, HasDiscoveries, Model, Property};

use super::kind::{Kind, name};
use super::machine::{Action, Fate, Lens, System};
use super::marks::Mark;
use super::mutants::Mutation;
use super::stage::Scene;
use super::state::{Lease, Phase, Snap, State};
use super::words;

impl<P: Kind> Model for System<P>
where
    P::Spec: Clone,
{
    type State = State<P>;
    type Action = Action;

    fn init_states(&self) -> Vec<Self::State> {
        vec![self.first()]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Action>) {
        let quiet = state.flights.is_empty() && state.replicas.iter().all(|replica| matches!(replica.phase, Phase::Idle));
        if state.broken.is_some() || quiet && (self.scene.over)(&state.record()) {
            return;
        }
        let faulty = state.budget.faults > 0;
        for (r, replica) in (0_u8..).zip(&state.replicas) {
            if replica.lease == Lease::Standby {
                continue;
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
                Phase::Sending { queue, written, .. } => {
                    let Some(next) = queue.first() else { continue };
                    if self.fence(state, usize::from(r), &next.order.change, *written) {
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
            let busy = !matches!(replica.phase, Phase::Idle);
            if faulty && busy && !replica.paused {
                actions.push(Action::Pause(r));
            }
            let remembers = busy || *replica.executor != Executor::default();
            if faulty && remembers {
                actions.push(Action::Crash(r));
            }
        }
        if state.budget.moves > 0 && state.replicas[0].lease == Lease::Holder {
            actions.push(Action::Move);
        }
        for flight in 0..u8::try_from(state.flights.len()).unwrap_or_default() {
            actions.push(Action::Land(flight));
        }
        let stands = |replica: &super::state::Replica<P>| replica.paused || matches!(replica.phase, Phase::Idle);
        if state.replicas.iter().all(stands) {
            // A reply that is here and can't be lost any more ends the waiting whenever it is written.
            let answered = state.budget.faults == 0 && state.replicas.iter().any(|replica| replica.executor.owes());
            let lags = state.budget.faults > 0 && !state.past.is_empty();
            let counts = state.replicas.iter().any(|r| r.paused || matches!(r.lease, Lease::Deposed(_)))
                || !state.flights.is_empty()
                || state.chain.as_ref().is_some_and(|node| node.waits()) && !answered;
            if counts {
                actions.push(Action::Tick);
            } else if lags || state.chain.as_ref().is_some_and(|node| node.is_recent(state.now)) {
                actions.push(Action::Age);
            }
        }
        self.others(state, actions);
    }

    fn next_state(&self, last: &Self::State, action: Action) -> Option<Self::State> {
        self.step(last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        macro_rules! always {
            ($($name:ident)+) => {
                vec![$(Property::<Self>::always(name::$name, |system, state| {
                    state.broken != Some(name::$name) && system.rest(state) != Some(name::$name)
                }),)+]
            };
        }
        always!(S1 S3 S4 S5 S6 S8 S9 S10 S13 S14 S15 S16 S20 S21 L1 GATE)
    }
}

impl<P: Kind> System<P>
where
    P::Spec: Clone,
{
    /// What the operator, the attacker and AWS can do.
    fn others(&self, state: &State<P>, actions: &mut Vec<Action>) {
        if state.budget.operator > 0 && !state.wish.deleted {
            if usize::from(state.wish.spec) + 1 < self.scene.specs.len() {
                actions.push(Action::Edit);
            }
            if let Some(node) = &state.chain {
                for (action, plan) in &node.record.plans {
                    if !state.wish.approvals.iter().any(|yes| yes.plan_hash == plan.hash) {
                        actions.push(Action::Approve(*action));
                    }
                }
            }
            if self.scene.deletable {
                actions.push(Action::Delete);
            }
        }
        let deeds = self.deeds(&state.world);
        let (foreign, aws) = deeds.split_at(self.scene.foreign.len());
        let possible = |deeds: &[Option<Snap>]| (0_u8..).zip(deeds).filter(|(_, d)| d.is_some()).map(|(n, _)| n).collect();
        let (foreign, aws): (Vec<u8>, Vec<u8>) = (possible(foreign), possible(aws));
        if state.budget.foreign > 0 {
            actions.extend(foreign.into_iter().map(Action::Foreign));
        }
        actions.extend(aws.into_iter().map(Action::Aws));
    }
}

/// Searches all of a scene. Nothing may be broken, and everything named must be reached.
pub fn prove<P: Kind>(scene: Scene<P::Spec>, reached: &[Mark])
where
    P::Spec: Clone,
{
    let title = scene.name;
    let began = Instant::now();
    let checker = System::<P>::new(scene)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let seconds = began.elapsed().as_secs_f64();
    let runs = checker.model().rested.lock().unwrap().len();
    println!("{title}: {states} states, {} steps, {runs} fair runs, depth {}, {seconds:.1} s", checker.state_count(), checker.max_depth());
    for (property, path) in checker.discoveries() {
        println!("{title}: broken: {property}\n{}", trace(checker.model(), path));
        panic!("{title}: {property}");
    }
    let missed: Vec<&str> =
        reached.iter().filter(|mark| checker.model().marks.count(**mark) == 0).map(|mark| mark.words()).collect();
    assert!(missed.is_empty(), "{title}: never reached: {missed:?}");
}

/// Searches a scene with a bug in it until the bug is found.
pub fn kills<P: Kind>(scene: Scene<P::Spec>, mutation: Mutation, property: &'static str)
where
    P::Spec: Clone,
{
    let began = Instant::now();
    let checker = System::<P>::with(scene, mutation, property)
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discovery(property) else {
        panic!("{mutation:?} survives {states} states: {property} does not find it");
    };
    let steps = path.clone().into_actions().len();
    println!(
        "{mutation:?} is found by {property} after {steps} steps ({states} states, {:.1} s):\n{}",
        began.elapsed().as_secs_f64(),
        trace(checker.model(), path)
    );
}

fn trace<P: Kind>(system: &System<P>, path: stateright::Path<State<P>, Action>) -> String
where
    P::Spec: Clone,
{
    let steps = path.into_vec();
    let mut lines: Vec<String> = steps
        .windows(2)
        .filter_map(|pair| Some(words::step(system, &pair[0].0, pair[0].1?, &pair[1].0)))
        .collect();
    if let Some((last, _)) = steps.last() {
        let then = last.broken.map_or_else(
            || format!("from here a fair run breaks: {}", system.rest(last).unwrap_or("?")),
            |broken| format!("which breaks: {broken}"),
        );
        lines.push(format!("         {then}"));
    }
    lines.join("\n")
}
