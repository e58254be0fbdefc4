//! The fair run: faults off, a replica that starts anew, and time. It must come to rest as declared, or say why not, and
//! then stay at rest.

use sequester::api::quarantine::Level;
use sequester::playbook::chain::{Writer, next_index};
use sequester::playbook::executor::Executor;
use sequester::playbook::project::verdict;
use sequester::playbook::step::{Holder, View};

use super::checks;
use super::kind::{Broken, Judged, Kind, Lies, Rested, name};
use super::machine::{System, informed};
use super::marks::Mark;
use super::stage;
use super::state::{Node, State, TICK, W, rest_key, time};

/// Turns after which a run that did not come to rest never will.
const BOUND: usize = 80;

impl<P: Kind> System<P>
where
    P::Spec: Clone,
{
    /// What a fair run from here breaks, if anything. Remembered, since many states go on the same way.
    pub fn rest(&self, state: &State<P>) -> Broken {
        if state.broken.is_some() || state.wish.deleted {
            return None;
        }
        let key = rest_key(state);
        if let Some(known) = self.rested.lock().unwrap().get(&key) {
            return *known;
        }
        let mut keys = vec![key];
        let broken = self.run(state, &mut keys).filter(|name| self.watched.is_none_or(|watched| watched == *name));
        let mut rested = self.rested.lock().unwrap();
        for key in keys {
            rested.insert(key, broken);
        }
        broken
    }

    fn run(&self, from: &State<P>, keys: &mut Vec<u64>) -> Broken {
        let mut state = from.clone();
        state.past.clear();
        for flight in std::mem::take(&mut state.flights) {
            if state.world.change(|world| world.apply(&flight.effect, &flight.id)).is_ok() {
                state.carried_out.change(|all| all.insert(flight.id));
            }
        }
        let (began, began_with) = (state.world.clone(), state.record());
        let forward = |state: &State<P>| !began_with.released && P::level(self.spec(&state.wish)) != Some(Level::Released);
        let mut owes = forward(&state) && P::owes(&began, &began_with, &began_with);
        let mut executor = Executor::<P>::default();
        // How far time is moved when nothing happens: past W, past what the chain remembers, and past coalescing.
        let mut waits = vec![5 * TICK, 6 * TICK, W + TICK, TICK];
        let mut ready_before = false;
        for turn in 0..BOUND {
            let spec = self.spec(&state.wish);
            let record = state.record();
            owes = owes && P::owes(&began, &began_with, &record);
            if turn > 0 && !owes && executor == Executor::default() {
                // From here on it goes as with any replica that starts anew.
                let key = rest_key(&state);
                if let Some(known) = self.rested.lock().unwrap().get(&key) {
                    return *known;
                }
                keys.push(key);
            }
            let head = state.chain.as_ref().map(|node| node.head.clone());
            let now = time(state.now);
            let (mut account, mut limits) = (self.scene.account.clone(), self.scene.limits);
            let seen = P::look(&state.world, spec, &account, &record, now);
            let (mut shown, mut told) = (P::look(&state.world, spec, &account, &record, now), record.clone());
            if let Some(mutation) = self.mutation {
                let world = &*state.world;
                P::lie(mutation, &mut Lies {
                    seen: &mut shown,
                    record: &mut told,
                    account: &mut account,
                    limits: &mut limits,
                    world,
                    now,
                });
            }
            let view = View {
                subject: &stage::subject(P::KIND),
                spec,
                account: &account,
                holder: &Holder::Mine,
                approvals: &state.wish.approvals,
                seen: &shown,
                record: &told,
                next_index: next_index(head.as_ref()),
                now,
                limits: &limits,
            };
            let object = stage::object(P::KIND);
            let mut decided = executor.decide(&view, &object, head.as_ref(), &Writer::default());
            let informed = informed(&record, decided.link.as_ref());
            let account = &self.scene.account;
            let judged = Judged { spec, account, seen: &seen, record: &informed, plan: &decided.plan };
            if let Some(broken) = P::judge(&judged) {
                return Some(broken);
            }
            decided.link = self.rewritten(decided.link, &view, head.as_ref());
            if let Some(link) = &decided.link {
                if let Some(broken) = checks::linked(&state, link) {
                    return Some(broken);
                }
                state.chain = Some(std::sync::Arc::new(Node::after(state.chain.as_deref(), link, 0)));
            }
            let before = state.world.hash;
            let mut queue = executor.written(&decided);
            let sends = !queue.is_empty();
            let now_record = state.record();
            while let Some(send) = (!queue.is_empty()).then(|| queue.remove(0)) {
                let (effect, id) = (send.order.change.clone(), send.order.id.clone()?);
                self.leaves(&mut state, &effect, &id);
                let reply = self.answered(&mut state, &effect, &id);
                if state.broken.is_some() {
                    return state.broken;
                }
                queue.extend(executor.replied(&now_record, &send, &reply));
            }
            let whole = verdict(&decided.plan, executor.errors());
            let acted = decided.link.is_some() || state.world.hash != before || sends && whole.ready;
            if acted {
                if ready_before && sends {
                    return Some(name::S20);
                }
                state.now += 1;
                continue;
            }
            ready_before = whole.ready;
            if let Some(wait) = waits.pop() {
                state.now += wait;
                state.world.change(sequester::cloud::sim::World::complete_snapshots);
                continue;
            }
            let awaiting = decided.plan.awaiting.is_some();
            if !whole.ready && !whole.stalled && !awaiting {
                return Some(name::L1);
            }
            self.marks.hit(match (whole.ready, whole.stalled) {
                (true, _) => Mark::RestedReady,
                (_, true) => Mark::RestedStalled,
                _ => Mark::RestedWaiting,
            });
            let (world, record) = (&*state.world, state.record());
            if whole.ready && record.operations.values().any(|operation| operation.outcome.is_none()) {
                return Some(name::S9);
            }
            if owes && whole.ready {
                return Some(name::S14);
            }
            return P::rest(&Rested { spec, account: &self.scene.account, world, record: &record, ready: whole.ready });
        }
        Some(name::L1)
    }
}
