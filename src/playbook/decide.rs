//! What happens next: one pure function for every kind.

use std::collections::BTreeSet;

use super::approval::{Gate, gate};
use super::attribute::Attribute;
use super::covered::Covered;
use super::plan::{self, PlanLine};
use super::record::{Decision, Denial, Entry, Fact, PublishedPlan, Record};
use super::step::{Change, Part, Procedure, Refusal, State, Step, StepResult, Turn, View};
use crate::api::approval::Action;
use crate::api::conditions::Reason;

/// What one step wants done: stages one after another, beside the tracks of other steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Track<E> {
    /// The step.
    pub step: &'static str,
    /// Its stages.
    pub stages: Vec<Vec<E>>,
    /// The step behind whose track it goes.
    pub behind: Option<&'static str>,
}

/// The decision.
#[derive(Clone, Debug)]
pub struct Plan<P: Procedure> {
    /// Every step in table order.
    pub steps: Vec<StepResult>,
    /// What to do, after it was recorded.
    pub tracks: Vec<Track<P::Effect>>,
    /// What to record beside it.
    pub facts: Vec<Fact>,
    /// Outcomes that AWS shows though the reply was lost.
    pub outcomes: Vec<Entry>,
    /// Gates that open with this decision.
    pub decisions: Vec<Decision>,
    /// The plan that stands published, this decision's own included.
    pub published: Option<PublishedPlan>,
    /// The action for which a person is awaited.
    pub awaiting: Option<Action>,
    /// Who refuses the plan of that action.
    pub denied_by: Option<String>,
    /// Everything is given back, from the end of the table to its beginning.
    pub backwards: bool,
    /// Why nothing is done at all.
    pub refused: Option<Refusal>,
    /// Everything was given back or reported: nothing is held any more.
    pub released: bool,
    /// What was not given back, since something else than ours stood there.
    pub left: Vec<Attribute>,
    /// AWS did not answer, in a way that may pass: it is asked again soon, and more slowly each time.
    pub unanswered: bool,
    /// Seconds until the next look; none where only an event can change anything.
    pub again_in: Option<u32>,
}

impl<P: Procedure> Plan<P> {
    /// A plan to do nothing at all, and why.
    pub fn refused(refusal: Refusal) -> Self {
        Self { refused: Some(refusal), ..Self::empty() }
    }

    const fn empty() -> Self {
        Self {
            steps: Vec::new(),
            tracks: Vec::new(),
            facts: Vec::new(),
            outcomes: Vec::new(),
            decisions: Vec::new(),
            published: None,
            awaiting: None,
            denied_by: None,
            backwards: false,
            refused: None,
            released: false,
            left: Vec::new(),
            unanswered: false,
            again_in: None,
        }
    }
}

/// Runs the table: forwards, or backwards where the declaration asks to give everything back.
pub fn decide<P: Procedure>(view: &View<'_, P>) -> Plan<P> {
    if let Err(refusal) = P::admit(view) {
        let again_in = Some(view.account.recheck_seconds);
        let unanswered = refusal.reason.is_of_the_moment();
        let mut plan = Plan { released: view.record.released, again_in, unanswered, ..Plan::refused(refusal) };
        if let Some((step, turn)) = P::elsewhere(view) {
            plan.facts.extend(turn.facts);
            plan.again_in = [plan.again_in, turn.again_in].into_iter().flatten().min();
            plan.tracks.extend((!turn.stages.is_empty()).then_some(Track { step, stages: turn.stages, behind: None }));
        }
        return plan;
    }
    let plan = run(view, P::releasing(view));
    if plan.awaiting == Some(Action::Release) { keep(view, plan) } else { plan }
}

/// Who asks for a release has not got it: until others approve, what is held stays enforced. Else one person alone
/// could have a host left open that somebody reopens.
fn keep<P: Procedure>(view: &View<'_, P>, asked: Plan<P>) -> Plan<P> {
    let Some(spec) = P::unreleased(view) else { return asked };
    let standing = View { spec: &spec, ..view.copy() };
    if P::admit(&standing).is_err() {
        return asked;
    }
    let mut kept = run(&standing, false);
    kept.facts.extend(asked.facts);
    kept.again_in = [kept.again_in, asked.again_in].into_iter().flatten().min();
    Plan { published: asked.published, awaiting: asked.awaiting, denied_by: asked.denied_by, ..kept }
}

fn run<P: Procedure>(view: &View<'_, P>, releasing: bool) -> Plan<P> {
    let left = view.record.given_back.iter().filter(|(_, found)| found.is_some()).map(|(of, _)| of.clone()).collect();
    let mut plan = Plan { released: view.record.released, left, backwards: releasing, ..Plan::empty() };
    let mut gates = Gates::default();
    let mut turns: Vec<(usize, Turn<P>)> = Vec::new();
    let order: Vec<usize> = if releasing { (0..P::TABLE.len()).rev().collect() } else { (0..P::TABLE.len()).collect() };
    let mut states: Vec<Option<State>> = vec![None; P::TABLE.len()];

    for position in order {
        let step = &P::TABLE[position];
        let turn = if releasing {
            Some(undo(view, step, &states[position + 1..], &mut gates))
        } else {
            forward(view, step, &states, &mut gates)
        };
        if let Some(turn) = turn {
            states[position] = Some(turn.state.clone());
            turns.push((position, turn));
        }
    }

    let preparing = turns.iter().find(|(_, turn)| turn.prepares).map(|(position, _)| *position);
    let mut told: Vec<(Vec<Part>, Option<String>)> = vec![(Vec::new(), None); P::TABLE.len()];
    for (position, turn) in turns {
        // Which step says itself when it looks again is left to it.
        let silent = matches!(&turn.state, State::Working(refusal) if refusal.reason.is_of_the_moment());
        plan.unanswered |= silent && turn.again_in.is_none();
        plan.facts.extend(turn.facts);
        plan.outcomes.extend(turn.outcomes);
        plan.again_in = [plan.again_in, turn.again_in].into_iter().flatten().min();
        told[position] = (turn.parts, turn.remark);
        let held_back = preparing.is_some_and(|first| first != position) && !turn.leads;
        if !turn.stages.is_empty() && !held_back {
            // What only prepares need not wait either.
            let behind = turn.behind.filter(|_| !turn.prepares);
            plan.tracks.push(Track { step: P::TABLE[position].name, stages: turn.stages, behind });
        }
    }
    for ((step, state), (parts, remark)) in P::TABLE.iter().zip(states).zip(told) {
        plan.steps.push(StepResult { name: step.name, state, parts, remark });
    }
    gates.into_plan(view, &mut plan);
    if P::RECHECKED && !view.record.released {
        plan.again_in = Some(plan.again_in.unwrap_or(u32::MAX).min(view.account.recheck_seconds));
    }
    let concluded = P::conclude(view, &plan.steps);
    plan.facts.extend(concluded);
    plan
}

fn forward<P: Procedure>(
    view: &View<'_, P>,
    step: &Step<P>,
    states: &[Option<State>],
    gates: &mut Gates,
) -> Option<Turn<P>> {
    if !(step.wanted)(view) {
        return None;
    }
    if let Some(first) = step.after.iter().find(|name| !settled::<P>(states, name)) {
        return Some(Turn::new(State::working(Reason::Waiting, format!("waits for {first}"))));
    }
    let turn = (step.next)(view);
    let Some(action) = step.needs else { return Some(turn) };
    let begun = is_begun(view.record, step.name, action);
    let may = |change: &P::Effect| may(view.record, begun, action, change);
    let more = turn.stages.iter().flatten().any(|change| !may(change));
    let says = is_a_word(action) && turn.stages.is_empty() && !turn.facts.is_empty() && !begun;
    let stands = begun && turn.state.is_settled();
    let state = turn.state.clone();
    if !more && !says {
        return Some(turn);
    }
    let mut turn = gates.pass(view, action, turn, forward_lines(view, action), may);
    if stands {
        // What it has done is not undone by more that waits, and steps after it go on.
        turn.state = state;
    }
    Some(turn)
}

/// To lift a hold, or to waive a lock, is a word in the chain, and no change in AWS.
const fn is_a_word(action: Action) -> bool {
    matches!(action, Action::LiftHold | Action::WaiveLock)
}

/// Whether the first change of a gated step was made: from then on repair needs no approval. What only a later version does
/// under the same action is no repair of what an earlier one did.
fn is_begun(record: &Record, step: &str, action: Action) -> bool {
    match step {
        "CredentialsCut" => record.in_force.contains(&action) || record.applied.keys().any(Attribute::is_credential),
        // It may come after the host is closed, when the plan has other words by then.
        "Detached" => {
            record.applied.contains_key(&Attribute::AutoScalingGroup)
                || covers(record, action, Covered::AutoScalingGroup)
        }
        "Deregistered" => {
            record.applied.keys().any(Attribute::is_registration) || covers(record, action, Covered::LoadBalancers)
        }
        _ => record.in_force.contains(&action),
    }
}

/// Whether the plan that was approved, and is being carried out, says so.
fn covers(record: &Record, action: Action, covered: Covered) -> bool {
    let approved = record.decisions.get(&action).is_some_and(|decision| decision.covers.contains(&covered));
    approved && record.in_force.contains(&action)
}

/// Whether a change of a step goes out without another approval: the closing itself, once it has begun; beside it what was
/// begun, and what the plan covers that was approved. What touches others is told in a plan of its own.
fn may<E: Change>(record: &Record, begun: bool, action: Action, change: &E) -> bool {
    let Some(effect) = change.intent() else { return begun };
    match Covered::needed_for(effect) {
        None => begun,
        Some(covered) => {
            !effect.reaches_others(record) && (covers(record, action, covered) || covered.is_begun(record))
        }
    }
}

/// Releases step by step from the end of the table; a step waits for all that came after it.
fn undo<P: Procedure>(view: &View<'_, P>, step: &Step<P>, later: &[Option<State>], gates: &mut Gates) -> Turn<P> {
    let turn = (step.undo)(view);
    if turn.state.is_settled() && turn.stages.is_empty() && turn.facts.is_empty() {
        return turn;
    }
    if later.iter().flatten().any(|state| !state.is_settled()) {
        return Turn::new(State::working(Reason::Waiting, "waits for the steps after it"));
    }
    let lines = || P::TABLE.iter().rev().flat_map(|step| (step.preview)(view)).collect();
    gates.pass(view, Action::Release, turn, lines, |_| false)
}

fn forward_lines<P: Procedure>(view: &View<'_, P>, action: Action) -> impl FnOnce() -> Vec<PlanLine> {
    let lines: Vec<PlanLine> = P::TABLE
        .iter()
        .filter(|step| step.needs == Some(action) && (step.wanted)(view) && !is_over(view.record, step.name, action))
        .flat_map(|step| (step.preview)(view))
        .collect();
    move || lines
}

/// Whether what a step does to others was done under an earlier plan: a later one says nothing of it, and does not change when
/// they do.
fn is_over(record: &Record, step: &str, action: Action) -> bool {
    let others = matches!(step, "Detached" | "Deregistered");
    others && record.in_force.contains(&action) && is_begun(record, step, action)
}

fn settled<P: Procedure>(states: &[Option<State>], name: &str) -> bool {
    P::TABLE
        .iter()
        .position(|step| step.name == name)
        .is_none_or(|at| states[at].as_ref().is_none_or(State::is_settled))
}

/// Takes from a turn what waits for a person, and what it would note of what is not held yet. A stage that loses something is
/// the last: what comes after it needs the whole of it.
fn withhold<P: Procedure>(record: &Record, turn: &mut Turn<P>, may: impl Fn(&P::Effect) -> bool) {
    let mut withheld: BTreeSet<Option<Covered>> = BTreeSet::new();
    let mut whole = true;
    for stage in &mut turn.stages {
        let waits = stage.iter().filter(|change| !(whole && may(change)));
        withheld.extend(waits.map(|change| change.intent().and_then(Covered::needed_for)));
        stage.retain(|change| whole && may(change));
        whole &= withheld.is_empty();
    }
    turn.stages.retain(|stage| !stage.is_empty());
    let waits = |attribute: &Attribute| turn.stages.is_empty() || withheld.contains(&Covered::of(attribute));
    turn.facts.retain(|fact| match fact {
        Fact::Baseline { attribute, .. } => !waits(attribute),
        Fact::Verified { attribute } => record.applied.contains_key(attribute) || !waits(attribute),
        _ => true,
    });
}

/// What the gates said in this decision, each asked once.
#[derive(Default)]
struct Gates {
    asked: Vec<(Action, Gate)>,
    published: Vec<PublishedPlan>,
    awaiting: Option<Action>,
}

impl Gates {
    /// Lets a turn through, or takes from it the changes that nobody approved. A closed gate keeps the facts of a step that goes forward, but
    /// not its baselines: what is given back is what stood when the gate opened, and who flaps a group while a person
    /// thinks must not fill the chain. A release that waits states nothing.
    fn pass<P: Procedure>(
        &mut self,
        view: &View<'_, P>,
        action: Action,
        mut turn: Turn<P>,
        lines: impl FnOnce() -> Vec<PlanLine>,
        may: impl Fn(&P::Effect) -> bool,
    ) -> Turn<P> {
        if !self.asked.iter().any(|(asked, _)| *asked == action) {
            let published = plan::publish(view, action, lines());
            let gate = gate(view, action, &published);
            if matches!(gate, Gate::Closed { .. }) || view.record.plans.get(&action) == Some(&published) {
                self.published.push(published);
            }
            self.asked.push((action, gate));
        }
        let closed = self.asked.iter().find_map(|(asked, gate)| match gate {
            Gate::Closed { .. } if *asked == action => Some(()),
            _ => None,
        });
        if closed.is_some() {
            // Isolation is what a person must hear of first.
            if self.awaiting.is_none() || action == Action::Isolate {
                self.awaiting = Some(action);
            }
            turn.prepares = false;
            withhold(view.record, &mut turn, may);
            if action == Action::Release || is_a_word(action) {
                turn.facts.clear();
            }
            turn.state = State::Awaiting(action);
        }
        turn
    }

    fn into_plan<P: Procedure>(self, view: &View<'_, P>, plan: &mut Plan<P>) {
        for (action, gate) in self.asked {
            match gate {
                Gate::Open => {}
                Gate::Opens(decision) => {
                    let withdrawn = view.record.denied.get(&action).filter(|d| d.plan_hash == decision.plan_hash);
                    let who: BTreeSet<_> =
                        withdrawn.into_iter().flat_map(|d| d.approvals.values().chain([&d.approver])).collect();
                    plan.facts.extend(who.into_iter().map(|who| Fact::DenyWithdrawn { action, approver: who.clone() }));
                    plan.decisions.push(decision);
                }
                Gate::Closed { publish, denied } => {
                    if publish {
                        let new = self.published.iter().find(|p| p.action == action);
                        plan.facts.extend(new.cloned().map(Fact::PlanPublished));
                    }
                    if Some(action) == self.awaiting {
                        plan.denied_by = denied.as_ref().map(|denial| denial.approver.clone());
                    }
                    let known = view.record.denied.get(&action);
                    if let Some(Denial { plan_hash, approvals, .. }) = denied {
                        let written = known.filter(|known| known.plan_hash == plan_hash).map(|known| &known.approvals);
                        let new =
                            approvals.into_iter().filter(|(uid, _)| !written.is_some_and(|of| of.contains_key(uid)));
                        plan.facts.extend(new.map(|(uid, approver)| Fact::Denied {
                            action,
                            approver,
                            plan_hash: plan_hash.clone(),
                            approval: Some(uid),
                        }));
                    }
                }
            }
        }
        plan.awaiting = self.awaiting;
        plan.published = self.published.into_iter().find(|p| Some(p.action) == self.awaiting);
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
