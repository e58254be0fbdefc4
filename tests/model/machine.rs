//! The steps of the model: the shipped executor, moved by a shell that can be interrupted anywhere.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use sequester::api::approval::{Action as Approved, Decision};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::sim::World;
use sequester::playbook::approval::Candidate;
use sequester::playbook::chain::{Head, Link, Writer, canonical, link, next_index};
use sequester::playbook::effect::{Effect, Receipt};
use sequester::playbook::executor::{Executor, Send};
use sequester::playbook::record::{Entry, Fact, OperationId, OutcomeKind, Record};
use sequester::playbook::step::{Holder, View};

use super::checks::{self, Rules};
use super::kind::{Broken, Judged, Kind, Lies, changes, name};
use super::marks::{Mark, Marks};
use super::mutants::Mutation;
use super::stage::{self, Scene};
use super::state::{Budget, Flight, Held, Lease, Look, Node, Phase, Replica, OLD, Snap, State, TICK, Wish, time};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A replica reads its chain, its object and AWS; which worlds the answer is of.
    Look(u8, Lens),
    /// It decides, and writes the link.
    Write(u8),
    /// It sends the next change.
    Send(u8, Fate),
    /// It dies.
    Crash(u8),
    /// It dies with all that it was about to send on its way.
    CrashSent(u8),
    /// It stands still in the middle of its turn, for as long as time likes.
    Pause(u8),
    /// The other replica gets the lease; the first does not know.
    Move,
    /// A late request arrives.
    Land(u8),
    /// Time passes: one step of it.
    Tick,
    /// So much time passes that nothing is recent any more.
    Age,
    /// The next spec is declared.
    Edit,
    /// A second person approves the plan that stands published.
    Approve(Approved),
    /// The object is deleted.
    Delete,
    /// Somebody else does something.
    Foreign(u8),
    /// AWS does its own work.
    Aws(u8),
}

/// Which worlds an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lens {
    Fresh,
    /// All of it is as old as this one of the past worlds.
    Stale(u8),
    /// Some of it is.
    Mixed(u8),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Carried out and answered, or refused by AWS.
    Answered,
    /// Carried out; the reply is lost.
    Lost,
    /// No reply in time; carried out later, or never.
    Late,
    Throttled,
    /// The fence does not let it go.
    Withheld,
}

/// A model: a scene, and the bug in it, if any.
pub struct System<P: Kind> {
    pub scene: Scene<P::Spec>,
    pub mutation: Option<Mutation>,
    /// With a mutation: the property that is to find it. The others are not looked at.
    pub watched: Option<&'static str>,
    pub marks: Marks,
    pub(super) rested: Mutex<HashMap<u64, Broken>>,
    deeds: Mutex<HashMap<u64, Arc<Vec<Option<Snap>>>>>,
}

impl<P: Kind> System<P>
where
    P::Spec: Clone,
{
    pub fn new(scene: Scene<P::Spec>) -> Self {
        Self { scene, mutation: None, watched: None, marks: Marks::default(), rested: Mutex::default(), deeds: Mutex::default() }
    }

    pub fn with(scene: Scene<P::Spec>, mutation: Mutation, watched: &'static str) -> Self {
        Self { mutation: Some(mutation), watched: Some(watched), ..Self::new(scene) }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn spec(&self, wish: &Wish) -> &P::Spec {
        &self.scene.specs[usize::from(wish.spec)]
    }

    pub fn first(&self) -> State<P> {
        State {
            now: 0,
            world: Snap::new(self.scene.world.clone()),
            past: Vec::new(),
            chain: None,
            replicas: [Replica::new(Lease::Holder), Replica::new(Lease::Standby)],
            flights: Vec::new(),
            wish: Held::new(Wish { spec: 0, approvals: Vec::new(), deleted: false }),
            budget: self.scene.budget,
            carried_out: Held::new(BTreeSet::new()),
            dropped: Held::new(BTreeSet::new()),
            broken: None,
        }
    }

    /// A property that a step broke, if it is one that is looked at.
    fn flag(&self, state: &mut State<P>, broken: Broken) {
        if state.broken.is_none() {
            state.broken = broken.filter(|name| self.watched.is_none_or(|watched| watched == *name));
        }
    }

    fn change(&self, state: &mut State<P>, next: Snap) {
        if next.hash != state.world.hash {
            let old = std::mem::replace(&mut state.world, next);
            let until = state.now + TICK;
            state.past.retain(|(_, snap)| snap.hash != old.hash);
            state.past.push((until, old));
            // The last one and the oldest: those between differ from these in no new way.
            if state.past.len() > 2 {
                state.past.remove(1);
            }
            let broken = checks::stands(state);
            self.flag(state, broken);
        }
    }

    /// What the deeds of others would make of a world; nothing where they change nothing.
    pub(super) fn deeds(&self, snap: &Snap) -> Arc<Vec<Option<Snap>>> {
        let mut known = self.deeds.lock().unwrap();
        let deeds = known.entry(snap.hash).or_insert_with(|| {
            let all = self.scene.foreign.iter().chain(&self.scene.aws);
            let done = all.map(|deed| {
                let mut world = World::clone(snap);
                (deed.act)(&mut world);
                (world != **snap).then(|| Snap::new(world))
            });
            Arc::new(done.collect())
        });
        deeds.clone()
    }

    fn carry_out(&self, state: &mut State<P>, effect: &Effect, id: &OperationId) -> Result<Receipt, CloudError> {
        let mut world = World::clone(&state.world);
        let reply = world.apply(effect, id);
        if reply.is_ok() && !state.carried_out.contains(id) {
            state.carried_out.change(|all| all.insert(id.clone()));
        }
        self.change(state, Snap::new(world));
        reply
    }

    pub fn step(&self, last: &State<P>, action: Action) -> Option<State<P>> {
        let mut state = last.clone();
        match action {
            Action::Look(r, lens) => self.look(&mut state, usize::from(r), lens),
            Action::Write(r) => self.write(&mut state, usize::from(r)),
            Action::Send(r, fate) => self.send(&mut state, usize::from(r), fate),
            Action::Crash(r) => {
                state.budget.faults -= 1;
                let lease = state.replicas[usize::from(r)].lease;
                state.replicas[usize::from(r)].ends(lease);
            }
            Action::CrashSent(r) => self.crash_sent(&mut state, usize::from(r)),
            Action::Pause(r) => {
                state.budget.faults -= 1;
                state.replicas[usize::from(r)].paused = true;
            }
            Action::Move => {
                state.budget.moves -= 1;
                state.replicas[0].lease = Lease::Deposed(state.now);
                state.replicas[1].lease = Lease::Holder;
            }
            Action::Land(flight) => {
                let flight = state.flights.remove(usize::from(flight));
                self.marks.hit(Mark::Landed);
                let _ = self.carry_out(&mut state, &flight.effect, &flight.id);
            }
            Action::Tick => Self::passes(&mut state, TICK),
            Action::Age => Self::passes(&mut state, OLD),
            Action::Edit => {
                state.budget.operator -= 1;
                state.wish.change(|wish| wish.spec += 1);
            }
            Action::Approve(action) => {
                state.budget.operator -= 1;
                let yes = yes(&state.record(), action);
                state.wish.change(|wish| wish.approvals.push(yes));
            }
            Action::Delete => {
                state.budget.operator -= 1;
                state.wish.change(|wish| wish.deleted = true);
            }
            Action::Foreign(n) => {
                state.budget.foreign -= 1;
                let next = self.deeds(&state.world)[usize::from(n)].clone()?;
                self.change(&mut state, next);
            }
            Action::Aws(n) => {
                let next = self.deeds(&state.world)[self.scene.foreign.len() + usize::from(n)].clone()?;
                self.change(&mut state, next);
            }
        }
        Some(state)
    }

    fn passes(state: &mut State<P>, seconds: i64) {
        state.now += seconds;
        let now = state.now;
        state.past.retain(|(until, _)| *until >= now);
        state.flights.retain(|flight| now - flight.sent <= TICK);
        for replica in &mut state.replicas {
            // A process that lost its lease ends; the fence lets it do nothing after that anyway.
            if matches!(replica.lease, Lease::Deposed(since) if now - since > TICK) {
                replica.ends(Lease::Standby);
            }
        }
    }

    fn look(&self, state: &mut State<P>, r: usize, lens: Lens) {
        let old = match lens {
            Lens::Fresh => None,
            Lens::Stale(n) => Some((state.past[usize::from(n)].1.clone(), true)),
            Lens::Mixed(n) => Some((state.past[usize::from(n)].1.clone(), false)),
        };
        // A replica that was deposed finishes its turn; that it begins another one is a fault of its own.
        let deposed = matches!(state.replicas[r].lease, Lease::Deposed(_));
        state.budget.faults -= u8::from(old.is_some() || deposed);
        let index = state.chain.as_ref().map(|node| node.head.index);
        let replica = &mut state.replicas[r];
        if replica.known != index {
            // What it was owed may have been settled by the other.
            if replica.known.is_some() {
                self.marks.hit(Mark::Relearned);
                replica.executor = Held::new(Executor::default());
            }
            replica.known = index;
        }
        replica.phase = Phase::Looked {
            look: Look { fresh: state.world.clone(), old },
            asked: state.now,
            node: state.chain.clone(),
            wish: state.wish.clone(),
        };
    }

    /// What a look shows.
    fn seen(&self, look: &Look, spec: &P::Spec, record: &Record, asked: i64) -> P::Seen {
        let show = |snap: &Snap| P::look(snap, spec, &self.scene.account, record, time(asked));
        match &look.old {
            None => show(&look.fresh),
            Some((old, true)) => show(old),
            Some((old, false)) => P::mix(show(&look.fresh), show(old)),
        }
    }

    fn write(&self, state: &mut State<P>, r: usize) {
        state.replicas[r].paused = false;
        let phase = std::mem::replace(&mut state.replicas[r].phase, Phase::Idle);
        let Phase::Looked { look, asked, node, wish } = phase else { return };
        let now = time(state.now);
        let known = node.as_ref().map(|node| node.record.clone()).unwrap_or_default();
        let head = node.as_ref().map(|node| node.head.clone());
        let finalizes = wish.deleted && self.is(Mutation::ReopenOnDelete);
        let spec = if finalizes { self.scene.specs.last().unwrap() } else { self.spec(&wish) };
        let seen = self.seen(&look, spec, &known, asked);
        let (mut shown, mut record) = (self.seen(&look, spec, &known, asked), known.clone());
        let (mut account, mut limits) = (self.scene.account.clone(), self.scene.limits);
        if let Some(mutation) = self.mutation {
            let world = &*look.fresh;
            P::lie(mutation, &mut Lies {
                seen: &mut shown,
                record: &mut record,
                account: &mut account,
                limits: &mut limits,
                world,
                now,
            });
        }
        let mut approvals = wish.approvals.clone();
        if finalizes && known.plans.contains_key(&Approved::Release) {
            approvals.push(yes(&known, Approved::Release));
        }
        let view = View {
            subject: &stage::subject(P::KIND),
            spec,
            account: &account,
            holder: &Holder::Mine,
            approvals: &approvals,
            seen: &shown,
            record: &record,
            next_index: next_index(head.as_ref()),
            now,
            limits: &limits,
        };
        let object = stage::object(P::KIND);
        let mut decided = state.replicas[r].executor.decide(&view, &object, head.as_ref(), &Writer::default());
        self.marks.hit_if(Mark::StaleDecision, look.old.is_some());
        let takes = changes(&decided.plan).any(|effect| matches!(effect, Effect::CreateSnapshots { .. }));
        self.marks.hit_if(Mark::Resent, takes && !known.operations.is_empty());
        let informed = informed(&known, decided.link.as_ref());
        let judged = Judged { spec, account: &self.scene.account, seen: &seen, record: &informed, plan: &decided.plan };
        let broken = P::judge(&judged);
        self.flag(state, broken);
        decided.link = self.rewritten(decided.link, &view, head.as_ref());

        let Some(link) = decided.link.clone() else {
            let sends = state.replicas[r].executor.change(|executor| executor.written(&decided));
            self.to_send(state, r, sends, node, None);
            return;
        };
        if self.is(Mutation::IntentAfterSend) {
            let written = Arc::new(Node::after(node.as_deref(), &link, u8::try_from(r).unwrap()));
            let sends = state.replicas[r].executor.change(|executor| executor.written(&decided));
            self.to_send(state, r, sends, node, Some(written));
            return;
        }
        if state.chain.as_ref().map(|node| &node.head) != head.as_ref() {
            self.marks.hit(Mark::Refused);
            if !self.is(Mutation::UnfencedAppend) {
                // Somebody else wrote this index: all that was thought is void.
                let lease = state.replicas[r].lease;
                state.replicas[r].ends(lease);
                return;
            }
        }
        self.append(state, r, &link, node.as_deref());
        let sends = state.replicas[r].executor.change(|executor| executor.written(&decided));
        let node = state.chain.clone();
        self.to_send(state, r, sends, node, None);
    }

    /// A link as a mutation would have written it.
    pub(super) fn rewritten(&self, link_: Option<Link>, view: &View<'_, P>, head: Option<&Head>) -> Option<Link> {
        let mut entries = link_.as_ref().map(|link| link.body.entries.clone()).unwrap_or_default();
        match self.mutation {
            Some(Mutation::AlwaysWrites) if entries.is_empty() => {
                entries.push(Entry::Fact(Fact::Contained));
            }
            Some(Mutation::OutcomeBeforeReply) => {
                let done: Vec<Entry> = entries
                    .iter()
                    .filter_map(|entry| match entry {
                        Entry::Intent { id, .. } => Some(Entry::Outcome {
                            id: id.clone(),
                            result: OutcomeKind::Done,
                            created: Vec::new(),
                            request_id: None,
                            server_date: None,
                            error: None,
                        }),
                        _ => None,
                    })
                    .collect();
                entries.extend(done);
            }
            _ => return link_,
        }
        let object = stage::object(P::KIND);
        (!entries.is_empty()).then(|| link(&object, head, view.record, entries, view.now, None, Writer::default()))
    }

    fn append(&self, state: &mut State<P>, r: usize, link: &Link, before: Option<&Node>) {
        let broken = checks::linked(state, link);
        self.flag(state, broken);
        self.count(link);
        let mut node = Node::after(before, link, u8::try_from(r).unwrap());
        if self.is(Mutation::BaselineAgain) {
            reread(&mut node.record, state);
            let broken = checks::linked(state, &Link { record: node.record.clone(), ..link.clone() });
            self.flag(state, broken);
        }
        state.replicas[r].known = Some(link.head.index);
        state.chain = Some(Arc::new(node));
    }

    fn to_send(&self, state: &mut State<P>, r: usize, sends: Vec<Send<Effect>>, node: Option<Arc<Node>>, unwritten: Option<Arc<Node>>) {
        state.replicas[r].unwritten = unwritten;
        let node = state.replicas[r].unwritten.clone().or(node);
        match node {
            Some(node) if !sends.is_empty() => {
                state.replicas[r].phase = Phase::Sending { queue: Held::new(sends), node, written: state.now };
            }
            _ => self.finished(state, r),
        }
    }

    fn finished(&self, state: &mut State<P>, r: usize) {
        state.replicas[r].phase = Phase::Idle;
        if let Some(node) = state.replicas[r].unwritten.take() {
            state.chain = Some(node);
        }
    }

    /// Whether the fence lets a change go: nothing without the lease, and what may not be sent twice only with the whole
    /// request deadline left of it, which is also why it leaves soon after its intent or not at all.
    pub(super) fn fence(&self, state: &State<P>, r: usize, effect: &Effect, written: i64) -> bool {
        let slow = self.is(Mutation::SlowSend);
        match state.replicas[r].lease {
            Lease::Standby => false,
            Lease::Holder => effect.is_idempotent() || slow || state.now - written <= TICK,
            Lease::Deposed(_) => effect.is_idempotent() || slow,
        }
    }

    fn send(&self, state: &mut State<P>, r: usize, fate: Fate) {
        state.replicas[r].paused = false;
        let Phase::Sending { queue, node, written } = state.replicas[r].phase.clone() else { return };
        let Some((send, rest)) = queue.split_first() else { return };
        let (effect, id) = (send.order.change.clone(), send.order.id.clone().unwrap());
        let more = if fate == Fate::Withheld {
            self.marks.hit(Mark::Withheld);
            state.replicas[r].executor.change(|executor| executor.withheld(send));
            Vec::new()
        } else {
            self.leaves(state, &effect, &id);
            self.marks.hit_if(Mark::DeposedSent, matches!(state.replicas[r].lease, Lease::Deposed(_)));
            let reply = self.reply(state, &effect, &id, fate);
            state.replicas[r].executor.change(|executor| executor.replied(&node.record, send, &reply))
        };
        let queue: Vec<_> = rest.iter().cloned().chain(more).collect();
        if queue.is_empty() {
            self.finished(state, r);
        } else {
            state.replicas[r].phase = Phase::Sending { queue: Held::new(queue), node, written };
        }
    }

    /// An answer without a fault.
    pub(super) fn answered(&self, state: &mut State<P>, effect: &Effect, id: &OperationId) -> Result<Receipt, CloudError> {
        if !state.dropped.is_empty() && state.dropped.contains(&canonical(effect)) {
            return Ok(Receipt::default());
        }
        self.carry_out(state, effect, id)
    }

    fn reply(&self, state: &mut State<P>, effect: &Effect, id: &OperationId, fate: Fate) -> Result<Receipt, CloudError> {
        if fate != Fate::Answered {
            state.budget.faults -= 1;
        }
        if self.is(Mutation::ThrottleIsFailure) && fate == Fate::Throttled {
            state.dropped.change(|dropped| dropped.insert(canonical(effect)));
            return Ok(Receipt::default());
        }
        match fate {
            Fate::Throttled => Err(error(effect, ErrorClass::Throttled)),
            Fate::Lost => {
                let first = self.carry_out(state, effect, id);
                if self.is(Mutation::SdkRetry) && !effect.is_idempotent() {
                    return first.and_then(|_| self.carry_out(state, effect, id));
                }
                Err(error(effect, ErrorClass::Ambiguous))
            }
            Fate::Late => {
                state.flights.push(Flight { id: id.clone(), effect: effect.clone(), sent: state.now });
                Err(error(effect, ErrorClass::Ambiguous))
            }
            Fate::Answered | Fate::Withheld => self.answered(state, effect, id),
        }
    }

    fn crash_sent(&self, state: &mut State<P>, r: usize) {
        state.budget.faults -= 1;
        let Phase::Sending { queue, written, .. } = state.replicas[r].phase.clone() else { return };
        for send in &*queue {
            let (effect, id) = (send.order.change.clone(), send.order.id.clone().unwrap());
            if self.fence(state, r, &effect, written) {
                self.leaves(state, &effect, &id);
                state.flights.push(Flight { id, effect, sent: state.now });
            }
        }
        let lease = state.replicas[r].lease;
        state.replicas[r].ends(lease);
        self.marks.hit(Mark::DiedSending);
    }

    /// A change leaves: whether it may.
    pub(super) fn leaves(&self, state: &mut State<P>, effect: &Effect, id: &OperationId) {
        let approved = |action| state.wish.approvals.iter().any(|yes| yes.action == action);
        let account = &self.scene.account;
        let rules = Rules {
            destinations: account.destinations.values().map(ToString::to_string).collect(),
            isolation_waits: account.required.contains_key(&Approved::Isolate),
            level: P::level(self.spec(&state.wish)),
            approved: &approved,
        };
        let broken = checks::sent(state, &rules, effect, id);
        self.flag(state, broken);
    }

    fn count(&self, link: &Link) {
        for entry in &link.body.entries {
            let mark = match entry {
                Entry::Outcome { result: OutcomeKind::Adopted, .. } => Mark::Adopted,
                Entry::Outcome { result: OutcomeKind::Unknown, .. } => Mark::Unknown,
                Entry::Outcome { result: OutcomeKind::Failed, .. } => Mark::Failed,
                Entry::Intent { effect, .. } => match effect {
                    Effect::CreateSecurityGroup { .. } => Mark::GroupMade,
                    Effect::ReplaceSecurityGroups { .. } => Mark::Isolated,
                    Effect::RevokeRules { .. } => Mark::RulesRevoked,
                    Effect::OpenForPulse { .. } => Mark::Opened,
                    Effect::SetDeleteOnTermination { .. } => Mark::Protected,
                    Effect::UnshareSnapshot { .. } => Mark::StrangersOut,
                    Effect::CreateGrant { .. } => Mark::Granted,
                    Effect::CreateSnapshots { .. } => Mark::SetTaken,
                    _ => continue,
                },
                Entry::Decision(_) => Mark::Decided,
                Entry::Fact(fact) => match fact {
                    Fact::Contained => Mark::Contained,
                    Fact::Drift { .. } => Mark::Drift,
                    Fact::ForeignRules { .. } => Mark::ForeignRules,
                    Fact::PlanPublished(_) => Mark::PlanPublished,
                    Fact::Restored { .. } => Mark::Restored,
                    Fact::LeftAsFound { .. } => Mark::Left,
                    Fact::Released => Mark::Released,
                    Fact::SnapshotSettled { .. } => Mark::SnapshotSettled,
                    Fact::Locked { .. } => Mark::Locked,
                    Fact::EvidencePreserved => Mark::Preserved,
                    Fact::Shared { .. } => Mark::Shared,
                    _ => continue,
                },
                _ => continue,
            };
            self.marks.hit(mark);
        }
    }
}

/// A yes of bob's to the plan that stands published.
fn yes(record: &Record, action: Approved) -> Candidate {
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

fn error(effect: &Effect, class: ErrorClass) -> CloudError {
    CloudError {
        class,
        operation: effect.operation().to_owned(),
        code: format!("{class}"),
        message: String::new(),
        action: None,
    }
}

/// What is known when a link is decided on: the chain, and the replies since.
pub(super) fn informed(record: &Record, link: Option<&Link>) -> Record {
    let replies = link.iter().flat_map(|link| &link.body.entries).filter(|entry| {
        matches!(entry, Entry::Outcome { result: OutcomeKind::Done | OutcomeKind::Failed | OutcomeKind::NotSent, .. })
    });
    let replies: Vec<Entry> = replies.cloned().collect();
    let mut record = record.clone();
    record.fold(&replies, link.map_or_else(|| time(0), |link| link.body.time));
    record
}

/// The second pass reads the pre-state again, over the first.
fn reread<P: Kind>(record: &mut Record, state: &State<P>) {
    let attributes: Vec<_> = record.verified.iter().cloned().collect();
    for attribute in attributes {
        if let Some(value) = state.world.value(&stage::instance(), &attribute) {
            record.baseline.insert(attribute, value);
        }
    }
}
