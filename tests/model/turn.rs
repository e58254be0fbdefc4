//! One turn of a replica: it looks, and it decides and writes.

use std::sync::Arc;

use sequester::api::approval::Action as Approved;
use sequester::api::conditions::Reason;
use sequester::playbook::chain::{Link, Writer, link, next_index};
use sequester::playbook::executor::{Decided, Executor};
use sequester::playbook::project::verdict;
use sequester::playbook::record::{Entry, Fact, OutcomeKind, Record};
use sequester::playbook::step::{Holder, State as StepState, View};

use super::action::Lens;
use super::checks;
use super::kind::{Broken, Judged, Kind, Lies};
use super::links;
use super::machine::{System, yes};
use super::marks::Mark;
use super::mutants::Mutation;
use super::stage;
use super::state::{Held, Lease, Look, Node, Order, Phase, State, Wish, ago, hash_of, head_at};

/// What a replica makes of a look: all that follows from what it knows, whatever the world is by then.
pub struct Thought<P: Kind> {
    /// What the decision or its link breaks by itself.
    pub broken: Broken,
    /// The chain with the link behind it; none where there is nothing to say.
    pub link: Option<Arc<Node>>,
    pub executor: Held<Executor<P>>,
    pub sends: Vec<Order>,
    pub verdict: Verdict,
}

/// Where the object stands, as it would be told.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub ready: bool,
    pub stalled: Option<Reason>,
    pub awaiting: Option<Approved>,
    /// Steps on their way: what AWS refuses for good makes these stall.
    pub working: Vec<&'static str>,
}

/// What a replica has looked at, and what it knows by then.
struct Known<'a, P: Kind> {
    executor: &'a Held<Executor<P>>,
    node: &'a Node,
    look: &'a Look,
    age: i64,
    wish: &'a Held<Wish>,
}

impl<P: Kind> System<P> {
    pub(super) fn look(&self, state: &mut State<P>, r: usize, lens: Lens) {
        let old = match lens {
            Lens::Fresh => None,
            Lens::Stale(n) => Some((state.past[usize::from(n)].1.clone(), true)),
            Lens::Mixed(n) => Some((state.past[usize::from(n)].1.clone(), false)),
        };
        // A replica that was deposed finishes its turn; that it begins another one is a fault of its own.
        let deposed = matches!(state.replicas[r].lease, Lease::Deposed(_));
        state.budget.faults -= u8::from(old.is_some() || deposed);
        let replica = &mut state.replicas[r];
        let mut node = state.chain.clone();
        if self.is(Mutation::StatusAsLog) && replica.known.is_none() && node.index.is_some() {
            node = Arc::new(Node::new(node.index, Record::default(), node.intents.clone(), node.closed.clone()));
        }
        if replica.known != state.chain.index {
            // What it was owed may have been settled by the other.
            if replica.known.is_some() {
                self.marks.hit(Mark::Relearned);
                replica.executor = Held::new(Executor::default());
            }
            replica.known = state.chain.index;
        }
        self.marks.hit_if(Mark::FoundOpen, stage::is_open_for_pulse(&state.world));
        let look = Look { fresh: state.world.clone(), old };
        replica.phase = Phase::Looked { look, age: 0, node, wish: state.wish.clone() };
    }

    /// Decides on what was looked at and writes the link. The verdict, unless somebody else wrote first.
    pub(super) fn write(&self, state: &mut State<P>, r: usize) -> Option<Verdict> {
        state.replicas[r].paused = false;
        let phase = std::mem::replace(&mut state.replicas[r].phase, Phase::Idle);
        let Phase::Looked { look, age, node, wish } = phase else { return None };
        let executor = state.replicas[r].executor.clone();
        let key = hash_of(&(executor.hash, node.hash, look.key(), age, wish.hash));
        let think = || {
            let known = Known { executor: &executor, node: &node, look: &look, age, wish: &wish };
            Arc::new(self.think(&known))
        };
        let thought = self.thoughts.or_make(key, think);
        self.marks.hit_if(Mark::StaleDecision, look.old.is_some());
        self.flag(state, thought.broken);

        let node = match &thought.link {
            None => node,
            Some(link) if self.is(Mutation::IntentAfterSend) => {
                state.replicas[r].unwritten = Some(link.clone());
                link.clone()
            }
            Some(link) => {
                if state.chain.index != node.index {
                    self.marks.hit(Mark::Refused);
                    if !self.is(Mutation::UnfencedAppend) {
                        // Somebody else wrote this index: all that was thought is void.
                        Self::ends(state, r);
                        return None;
                    }
                }
                let broken = checks::linked(state, link);
                self.flag(state, broken);
                state.carried_out.retain(|id| !link.closed.contains(id));
                state.replicas[r].known = link.index;
                link.marks.iter().for_each(|mark| self.marks.hit(*mark));
                state.chain = link.clone();
                link.clone()
            }
        };
        state.replicas[r].executor = thought.executor.clone();
        if thought.sends.is_empty() {
            Self::finished(state, r);
        } else {
            state.replicas[r].phase = Phase::Sending { queue: thought.sends.clone(), age: 0, node };
        }
        Some(thought.verdict.clone())
    }

    /// What a look shows.
    fn seen(&self, known: &Known<'_, P>, spec: &P::Spec) -> P::Seen {
        let show = |snap| P::look(snap, spec, &self.scene.account, &known.node.record, ago(known.age));
        match &known.look.old {
            None => show(&known.look.fresh),
            Some((old, true)) => show(old),
            Some((old, false)) => P::mix(show(&known.look.fresh), show(old)),
        }
    }

    fn think(&self, known: &Known<'_, P>) -> Thought<P> {
        let node = known.node;
        let finalizes = known.wish.deleted && self.is(Mutation::ReopenOnDelete);
        let spec = if finalizes { self.scene.specs.last().unwrap() } else { self.spec(known.wish) };
        let seen = self.seen(known, spec);
        let (mut lied, mut record) = (self.mutation.map(|_| self.seen(known, spec)), node.record.clone());
        let (mut account, mut limits) = (self.scene.account.clone(), self.scene.limits);
        if let (Some(mutation), Some(seen)) = (self.mutation, &mut lied) {
            let (world, now) = (&*known.look.fresh, ago(0));
            let record = &mut record;
            P::lie(mutation, &mut Lies { seen, record, account: &mut account, limits: &mut limits, world, now });
        }
        let mut approvals = known.wish.approvals.clone();
        if finalizes && node.record.plans.contains_key(&Approved::Release) {
            approvals.push(yes(&node.record, Approved::Release));
        }
        let view = View {
            subject: &stage::subject(P::KIND),
            spec,
            account: &account,
            holder: &Holder::Mine,
            approvals: &approvals,
            seen: lied.as_ref().unwrap_or(&seen),
            record: &record,
            next_index: next_index(head_at(node.index).as_ref()),
            now: ago(0),
            limits: &limits,
        };
        let (object, head) = (stage::object(P::KIND), head_at(node.index));
        let mut decided = known.executor.decide(&view, &object, head.as_ref(), &Writer::default());
        let informed = known.executor.informed(&node.record, ago(0));
        let judged = Judged { spec, seen: &seen, record: &informed, plan: &decided.plan };
        let mut broken = P::judge(&judged);
        decided.link = self.rewritten(decided.link, &view);

        let link = decided.link.as_ref().map(|link| {
            let mut record = link.record.clone();
            if self.is(Mutation::BaselineAgain) {
                reread(&mut record, known.look);
            }
            let after = links::after(node, link, record, self.tells);
            broken = broken.or_else(|| checks::follows(node, &after, link));
            self.known(after)
        });
        let mut executor = known.executor.clone();
        let sends = executor.change(|executor| executor.written(&decided));
        let sends = sends.into_iter().map(Held::new).collect();
        Thought { broken, link, executor, sends, verdict: told(&decided) }
    }

    /// A link as a mutation would have written it.
    fn rewritten(&self, by_product: Option<Link>, view: &View<'_, P>) -> Option<Link> {
        let mut entries = by_product.as_ref().map(|link| link.body.entries.clone()).unwrap_or_default();
        match self.mutation {
            Some(Mutation::AlwaysWrites) if entries.is_empty() => entries.push(Entry::Fact(Fact::Contained)),
            Some(Mutation::OutcomeBeforeReply) => {
                let intents: Vec<_> = entries
                    .iter()
                    .filter_map(|entry| match entry {
                        Entry::Intent { id, .. } => Some(id.clone()),
                        _ => None,
                    })
                    .collect();
                entries.extend(intents.into_iter().map(|id| Entry::Outcome {
                    id,
                    result: OutcomeKind::Done,
                    created: Vec::new(),
                    request_id: None,
                    server_date: None,
                    error: None,
                }));
            }
            _ => return by_product,
        }
        let object = stage::object(P::KIND);
        let head = head_at(view.next_index.checked_sub(1));
        (!entries.is_empty())
            .then(|| link(&object, head.as_ref(), view.record, entries, view.now, None, Writer::default()))
    }
}

/// Without what AWS refused since: that is the executor's to say.
fn told<P: Kind>(decided: &Decided<P>) -> Verdict {
    let whole = verdict(&decided.plan, &std::collections::BTreeMap::new());
    let working = decided.plan.steps.iter().filter(|step| matches!(step.state, Some(StepState::Working(_))));
    Verdict {
        ready: whole.ready,
        stalled: whole.stalled.then_some(whole.reason),
        awaiting: decided.plan.awaiting,
        working: working.map(|step| step.name).collect(),
    }
}

/// The second pass reads the pre-state again, over the first.
fn reread(record: &mut Record, look: &Look) {
    let attributes: Vec<_> = record.verified.iter().cloned().collect();
    for attribute in attributes {
        if let Some(value) = look.fresh.value(&stage::instance(), &attribute) {
            record.baseline.insert(attribute, value);
        }
    }
}
