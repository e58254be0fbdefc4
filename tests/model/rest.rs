//! The fair run: faults off, a replica that starts anew, and time. It must come to rest as declared, or say why not, and
//! then stay at rest.

use std::collections::BTreeMap;

use sequester::api::quarantine::Level;
use sequester::cloud::error::CloudError;
use sequester::cloud::sim::World;
use sequester::playbook::seen::SnapshotState;

use super::action::{Action, Fate, Lens};
use super::budget::Budget;
use super::kind::{Broken, Kind, Rested, name};
use super::machine::System;
use super::marks::Mark;
use super::state::{Lease, OLD, Phase, Replica, State, TICK, W};
use super::turn::Verdict;

/// Turns after which a run that did not come to rest never will.
const BOUND: usize = 80;

/// Told of each step of a run: the state before, and the step.
type Told<'a, P> = &'a mut dyn FnMut(&State<P>, Action);

fn is_pending(world: &World) -> bool {
    let copies = world.copies.values().flat_map(BTreeMap::values);
    world.snapshots.values().chain(copies).any(|exhibit| exhibit.snapshot.state == SnapshotState::Pending)
}

impl<P: Kind> System<P> {
    /// What a fair run from here breaks, if anything. Remembered, since many states go on the same way.
    pub fn rest(&self, state: &State<P>) -> Broken {
        if state.broken.is_some() || state.wish.deleted {
            return None;
        }
        let key = state.rest_key();
        if let Some(known) = self.rested.get(key) {
            return known;
        }
        let mut keys = vec![key];
        let broken = self.run(state, Some(&mut keys), &mut |_, _| {});
        let broken = broken.filter(|name| self.watched.is_none_or(|watched| watched == *name));
        for key in keys {
            self.rested.put(key, broken);
        }
        broken
    }

    /// The same, step by step, for a person.
    pub fn tell_rest(&self, state: &State<P>, told: Told<'_, P>) -> Broken {
        self.run(state, None, told)
    }

    /// All that is on its way arrives, and whoever has the lease goes on alone.
    fn calm(&self, from: &State<P>) -> State<P> {
        let mut state = from.clone();
        for flight in std::mem::take(&mut state.flights) {
            self.carry_out(&mut state, &flight.order).ok();
        }
        state.past.clear();
        let holder = state.holder();
        state.replicas.swap(0, holder);
        state.replicas[1] = Replica::new(Lease::Standby);
        state.budget = Budget::default();
        state.fair = true;
        state
    }

    fn run(&self, from: &State<P>, mut keys: Option<&mut Vec<u64>>, told: Told<'_, P>) -> Broken {
        let mut state = self.calm(from);
        if !state.replicas[0].is_idle() {
            self.fair_turn(&mut state, told);
        }
        let (began, began_with) = (state.world.clone(), state.chain.clone());
        let forward = !began_with.record.released && P::level(self.spec(&state.wish)) != Some(Level::Released);
        let mut owes = forward && P::owes(&began, &began_with.record, &began_with.record);
        // How far time is moved when nothing happens: past W, and past what the chain remembers.
        let mut waits = vec![OLD, W + TICK, TICK];
        let (mut ready_before, mut ready) = (false, false);
        for _ in 0..BOUND {
            if state.broken.is_some() {
                return state.broken;
            }
            owes = owes && P::owes(&began, &began_with.record, &state.chain.record);
            self.canonical(&mut state);
            if let Some(keys) = keys.as_mut().filter(|_| !owes && state.replicas[0].is_fresh()) {
                // From here on it goes as with any replica that starts anew.
                let key = state.rest_key();
                if let Some(known) = self.rested.get(key) {
                    return known;
                }
                keys.push(key);
            }
            let (index, world) = (state.chain.index, state.world.hash);
            let (verdict, sent) = self.fair_turn(&mut state, told);
            let Some(verdict) = verdict else { return state.broken.or(Some(name::S10)) };
            ready = verdict.ready;
            if state.chain.index != index || state.world.hash != world || sent && verdict.ready {
                if ready_before && sent {
                    return state.broken.or(Some(name::S20));
                }
                continue;
            }
            ready_before = verdict.ready;
            // AWS completes what it has begun, however late that was.
            let more = is_pending(&state.world).then_some(TICK);
            if let Some(wait) = waits.pop().or(more) {
                self.passes(&mut state, wait);
                let mut next = state.world.clone();
                next.change(World::complete_snapshots);
                self.change(&mut state, &next);
                state.past.clear();
                continue;
            }
            return state.broken.or_else(|| self.at_rest(&state, &verdict, owes));
        }
        Some(if ready { name::S20 } else { name::L1 })
    }

    /// Looks, writes, and sends all that goes out, without a fault; or goes on from where it is. The verdict, and whether
    /// anything went out.
    fn fair_turn(&self, state: &mut State<P>, told: Told<'_, P>) -> (Option<Verdict>, bool) {
        let (mut verdict, mut sent) = (None, false);
        loop {
            let action = match &state.replicas[0].phase {
                Phase::Idle if sent || verdict.is_some() => return (verdict, sent),
                Phase::Idle => Action::Look(0, Lens::Fresh),
                Phase::Looked { .. } => Action::Write(0),
                Phase::Sending { queue, age, .. } => {
                    let leaves = queue.first().is_some_and(|next| self.fence(state, 0, &next.order.change, *age));
                    Action::Send(0, if leaves { Fate::Answered } else { Fate::Withheld })
                }
            };
            told(state, action);
            match action {
                Action::Look(..) => self.look(state, 0, Lens::Fresh),
                Action::Send(_, fate) => {
                    sent |= fate == Fate::Answered;
                    self.send(state, 0, fate);
                    state.past.clear();
                }
                _ => {
                    verdict = self.write(state, 0);
                    if verdict.is_none() {
                        return (None, sent);
                    }
                }
            }
            if state.broken.is_some() {
                return (verdict, sent);
            }
        }
    }

    fn at_rest(&self, state: &State<P>, verdict: &Verdict, owes: bool) -> Broken {
        let errors = state.replicas[0].executor.errors();
        let refused = verdict.working.iter().filter_map(|step| errors.get(step)).find(|error| error.needs_a_person());
        let stalled = verdict.stalled.or_else(|| refused.map(CloudError::reason));
        self.marks.hit(match (verdict.ready, stalled) {
            (true, _) => Mark::RestedReady,
            (_, Some(_)) => Mark::RestedStalled,
            _ => Mark::RestedWaiting,
        });
        let record = &state.chain.record;
        let accounted = stalled.is_some_and(|reason| self.scene.stalls.contains(&reason));
        if !verdict.ready && !accounted && verdict.awaiting.is_none() {
            return Some(name::L1);
        }
        if verdict.ready && record.operations.values().any(|operation| operation.outcome.is_none()) {
            return Some(name::S9);
        }
        if owes && verdict.ready {
            return Some(name::S14);
        }
        P::rest(&Rested {
            spec: self.spec(&state.wish),
            account: &self.scene.account,
            world: &state.world,
            record,
            ready: verdict.ready,
            awaiting: verdict.awaiting,
        })
    }
}
