//! From an order to AWS and back: what may leave, what becomes of it, and what the executor makes of the reply.

use std::sync::Arc;

use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::sim::World;
use sequester::playbook::chain::canonical;
use sequester::playbook::effect::{Effect, Receipt};
use sequester::playbook::executor::Executor;
use sequester::playbook::record::OperationId;

use super::action::Fate;
use super::checks::{self, Rules};
use super::kind::{Broken, Kind};
use super::machine::System;
use super::marks::Mark;
use super::mutants::Mutation;
use super::state::{Flight, Held, Lease, Node, Order, Phase, Snap, State, TICK, hash_of};

/// What a change made of a world.
pub struct Applied {
    pub next: Snap,
    pub reply: Result<Receipt, CloudError>,
    pub broken: Broken,
}

/// What an executor makes of a reply: what it remembers, and what goes out next.
pub struct Replied<P: Kind> {
    pub executor: Held<Executor<P>>,
    pub more: Vec<Order>,
}

fn parts(order: &Order) -> (&Effect, &OperationId) {
    (&order.order.change, order.order.id.as_ref().unwrap())
}

impl<P: Kind> System<P> {
    pub(super) fn carry_out(&self, state: &mut State<P>, order: &Order) -> Result<Receipt, CloudError> {
        let (effect, id) = parts(order);
        let applied = self.changes.or_make(hash_of(&(state.world.hash, order.hash)), || {
            let mut world = World::clone(&state.world);
            let reply = world.apply(effect, id);
            let broken = checks::evidence_is_safe(&state.world, &world);
            Arc::new(Applied { next: Snap::new(world), reply, broken })
        });
        if applied.reply.is_ok() && !state.chain.closed.contains(id) {
            state.carried_out.insert(id.clone());
        }
        self.flag(state, applied.broken);
        self.change(state, &applied.next);
        applied.reply.clone()
    }

    /// Whether the fence lets a change go: nothing without the lease, and what may not be sent twice only with the whole
    /// request deadline left of it, which is also why it leaves soon after its intent or not at all.
    pub(super) fn fence(&self, state: &State<P>, r: usize, effect: &Effect, age: i64) -> bool {
        let slow = self.is(Mutation::SlowSend);
        match state.replicas[r].lease {
            Lease::Standby => false,
            Lease::Holder => effect.is_idempotent() || slow || age <= TICK,
            Lease::Deposed(_) => effect.is_idempotent() || slow,
        }
    }

    pub(super) fn send(&self, state: &mut State<P>, r: usize, fate: Fate) {
        state.replicas[r].paused = false;
        let Phase::Sending { queue, node, age } = state.replicas[r].phase.clone() else { return };
        let Some((order, rest)) = queue.split_first() else { return };
        let more = if fate == Fate::Withheld {
            self.marks.hit(Mark::Withheld);
            let more = state.replicas[r].executor.change(|executor| executor.withheld(order));
            more.into_iter().map(Held::new).collect()
        } else {
            self.leaves(state, order);
            self.marks.hit_if(Mark::DeposedSent, matches!(state.replicas[r].lease, Lease::Deposed(_)));
            let reply = self.reply(state, order, fate);
            let replied = self.replied(&state.replicas[r].executor, &node, order, &reply);
            state.replicas[r].executor = replied.executor.clone();
            replied.more.clone()
        };
        let queue: Vec<Order> = rest.iter().cloned().chain(more).collect();
        if queue.is_empty() {
            Self::finished(state, r);
        } else {
            state.replicas[r].phase = Phase::Sending { queue, node, age };
        }
    }

    fn replied(
        &self,
        executor: &Held<Executor<P>>,
        node: &Node,
        order: &Order,
        reply: &Result<Receipt, CloudError>,
    ) -> Arc<Replied<P>> {
        let key = hash_of(&(executor.hash, node.hash, order.hash, reply));
        let make = || {
            let mut executor = executor.clone();
            let more = executor.change(|executor| executor.replied(&node.record, order, reply));
            Arc::new(Replied { executor, more: more.into_iter().map(Held::new).collect() })
        };
        self.replies.or_make(key, make)
    }

    pub(super) fn finished(state: &mut State<P>, r: usize) {
        let replica = &mut state.replicas[r];
        replica.phase = Phase::Idle;
        if let Some(node) = replica.unwritten.take() {
            state.chain = node;
        }
        // What is left of tracks that have ended means nothing, nor to a decision what AWS refused; a count of repeats does.
        let errs = state.fair && !replica.executor.errors().is_empty();
        let drifts = !(state.chain.record.drift.is_empty() && state.chain.record.foreign_rules.is_empty());
        if !errs && !drifts && !replica.executor.owes() {
            replica.executor = Held::new(Executor::default());
        }
    }

    fn reply(&self, state: &mut State<P>, order: &Order, fate: Fate) -> Result<Receipt, CloudError> {
        let (effect, _) = parts(order);
        if fate != Fate::Answered {
            state.budget.faults -= 1;
        }
        match fate {
            Fate::Throttled if self.is(Mutation::ThrottleIsFailure) => {
                state.dropped.insert(canonical(effect));
                Ok(Receipt::default())
            }
            Fate::Throttled => Err(error(effect, ErrorClass::Throttled)),
            Fate::Lost => {
                let first = self.carry_out(state, order);
                if self.is(Mutation::SdkRetry) && !effect.is_idempotent() {
                    return first.and_then(|_| self.carry_out(state, order));
                }
                Err(error(effect, ErrorClass::Ambiguous))
            }
            Fate::Late => {
                Self::flies(state, order);
                Err(error(effect, ErrorClass::Ambiguous))
            }
            Fate::Answered | Fate::Withheld => {
                if !state.dropped.is_empty() && state.dropped.contains(&canonical(effect)) {
                    return Ok(Receipt::default());
                }
                self.carry_out(state, order)
            }
        }
    }

    fn flies(state: &mut State<P>, order: &Order) {
        state.flights.push(Flight { order: order.clone(), age: 0 });
        state.flights.sort_by_key(|flight| (flight.order.hash, flight.age));
    }

    pub(super) fn crash_sent(&self, state: &mut State<P>, r: usize) {
        state.budget.faults -= 1;
        let Phase::Sending { queue, age, .. } = state.replicas[r].phase.clone() else { return };
        for order in &queue {
            if self.fence(state, r, &order.order.change, age) {
                self.leaves(state, order);
                Self::flies(state, order);
            }
        }
        Self::ends(state, r);
    }

    /// A change leaves: whether it may.
    fn leaves(&self, state: &mut State<P>, order: &Order) {
        let (effect, id) = parts(order);
        let approved = |action| state.wish.approvals.iter().any(|yes| yes.action == action);
        let rules = Rules {
            destinations: &self.destinations,
            isolation_waits: self.scene.account.required.contains_key(&sequester::api::approval::Action::Isolate),
            level: P::level(self.spec(&state.wish)),
            approved: &approved,
        };
        let broken = checks::sent(state, &rules, effect, id);
        self.flag(state, broken);
    }
}

fn error(effect: &Effect, class: ErrorClass) -> CloudError {
    CloudError {
        class,
        operation: effect.operation().to_owned(),
        code: format!("{class}"),
        message: String::new(),
        action: None,
    }
}
