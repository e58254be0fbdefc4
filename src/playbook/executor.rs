//! The order of a turn: decide, write, send stage after stage, keep what is owed to the chain.
//!
//! A machine without a client: the controller and the model feed it the same replies and get the same
//! orders. Nothing is sent before the link that says so is known to be written.

use std::collections::BTreeMap;

use super::Time;
use super::attribute::Attribute;
use super::chain::{Head, Link, ObjectRef, Writer, link};
use super::decide::{Plan, Track, decide};
use super::effect::{Effect, Receipt};
use super::ledger::{Order, draft, is_settled, not_sent, settle};
use super::record::{Entry, OperationId, Record};
use super::step::{Change, Procedure, View};
use crate::cloud::error::CloudError;

/// What a replica remembers of one object between turns. All of it may be lost: a crash loses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Executor<P: Procedure> {
    /// Outcomes that are not written yet.
    owed: Vec<Entry>,
    /// Foreign values seen again since they were last written.
    repeats: BTreeMap<Attribute, u64>,
    /// What AWS said last to a step's changes, where it refused.
    errors: BTreeMap<&'static str, CloudError>,
    /// Tracks that are under way.
    tracks: Vec<Running<P::Effect>>,
    /// AWS's clock, from the last reply.
    server_date: Option<String>,
}

/// One track: the stages to come, and how many replies the present one still lacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Running<E> {
    step: &'static str,
    waiting: usize,
    failed: bool,
    /// The present stage opens something for a moment: the next one closes it.
    opens: bool,
    /// The step behind whose track it goes.
    behind: Option<&'static str>,
    /// Nothing waits for it any more: all was accepted, or only a person can mend what was refused.
    over: bool,
    stages: std::collections::VecDeque<Vec<Order<E>>>,
}

/// A turn, decided and not yet written.
#[derive(Clone, Debug)]
pub struct Decided<P: Procedure> {
    /// The decision.
    pub plan: Plan<P>,
    /// What must be created in the API server before anything is sent; none where there is nothing to say.
    pub link: Option<Link>,
    tracks: Vec<Track<Order<P::Effect>>>,
    repeats: Vec<Attribute>,
}

impl<P: Procedure> Decided<P> {
    /// The changes that it wants.
    pub fn wanted(&self) -> Vec<&P::Effect> {
        self.tracks.iter().flat_map(|track| &track.stages).flatten().map(|order| &order.change).collect()
    }

    /// Whether everything that goes out repeats what was sent before: then there is no hurry to look again.
    pub fn only_repeats(&self) -> bool {
        let link = self.link.as_ref();
        !link.is_some_and(|link| link.body.entries.iter().any(|entry| matches!(entry, Entry::Intent { .. })))
            && self.tracks.iter().flat_map(|track| &track.stages).flatten().any(|order| order.id.is_some())
    }
}

/// One change to send, with the track that wants it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Send<E> {
    /// Position of its track.
    pub track: usize,
    /// The step.
    pub step: &'static str,
    /// The change and its intent.
    pub order: Order<E>,
}

/// What of a decision only keeps up what the record says was set, under the intents that say so: all that may go out
/// where nothing can be recorded.
pub fn standing_orders<P: Procedure>(plan: &Plan<P>, record: &Record) -> Vec<Send<P::Effect>> {
    let mut orders = Vec::new();
    for track in &plan.tracks {
        for change in track.stages.iter().flatten() {
            if let Some(id) = change.intent().and_then(|effect| stands(record, effect)) {
                let order = Order { id: Some(id), first: false, change: change.clone() };
                orders.push(Send { track: orders.len(), step: track.step, order });
            }
        }
    }
    orders
}

/// The intent by which a change only keeps up what stands: it sets the value that was set, or empties a closed group that
/// this chain made, for which it was made. Nothing of it lets anything through.
fn stands(record: &Record, effect: &Effect) -> Option<OperationId> {
    if let Effect::RevokeRules { group, .. } = effect {
        return record.made(group).cloned();
    }
    let (attribute, value) = effect.sets().filter(|_| effect.is_idempotent())?;
    record.applied.get(&attribute).filter(|applied| applied.value == value).map(|applied| applied.operation.clone())
}

impl<P: Procedure> Default for Executor<P> {
    fn default() -> Self {
        Self {
            owed: Vec::new(),
            repeats: BTreeMap::new(),
            errors: BTreeMap::new(),
            tracks: Vec::new(),
            server_date: None,
        }
    }
}

impl<P: Procedure> Executor<P> {
    /// Decides, and drafts what must be written first.
    pub fn decide(&self, view: &View<'_, P>, object: &ObjectRef, head: Option<&Head>, writer: &Writer) -> Decided<P> {
        // Outcomes that are owed are known already: deciding without them would do things twice.
        let owed = self.owed(view.record);
        let record = self.informed(view.record, view.now);
        let informed = View { record: &record, ..view.copy() };
        let plan = decide(&informed);
        let drafted = draft(&informed, &plan, &owed, &self.repeats);
        let link = (!drafted.entries.is_empty()).then(|| {
            link(object, head, view.record, drafted.entries, view.now, self.server_date.clone(), writer.clone())
        });
        Decided { plan, link, tracks: drafted.tracks, repeats: drafted.repeats }
    }

    /// Outcomes that a record does not know yet.
    fn owed(&self, record: &Record) -> Vec<Entry> {
        self.owed.iter().filter(|entry| !is_settled(record, entry)).cloned().collect()
    }

    /// What is known when something is decided: the chain, and the replies since.
    pub fn informed(&self, record: &Record, now: Time) -> Record {
        let mut informed = record.clone();
        informed.fold(&self.owed(record), now);
        informed
    }

    /// The link is written (or there was none to write): what may go out now.
    pub fn written(&mut self, decided: &Decided<P>) -> Vec<Send<P::Effect>> {
        // All of it is in the link; where there is none, it was said by somebody else.
        self.owed.clear();
        for attribute in &decided.repeats {
            *self.repeats.entry(attribute.clone()).or_default() += 1;
        }
        if let Some(link) = &decided.link {
            for entry in &link.body.entries {
                if let Entry::Fact(super::record::Fact::Drift { attribute, .. }) = entry {
                    self.repeats.remove(attribute);
                }
            }
        }
        // A step that wants nothing has nothing to be refused.
        let busy: Vec<&str> = decided.tracks.iter().map(|track| track.step).collect();
        self.errors.retain(|step, _| busy.contains(step));
        self.tracks = decided
            .tracks
            .iter()
            .map(|track| Running {
                step: track.step,
                waiting: 0,
                failed: false,
                opens: false,
                behind: track.behind,
                // What was refused so before goes out again when its time has come.
                over: self.errors.get(track.step).is_some_and(CloudError::needs_a_person),
                stages: track.stages.iter().cloned().collect(),
            })
            .collect();
        let free: Vec<usize> = (0..self.tracks.len()).filter(|position| !self.waits(*position)).collect();
        free.into_iter().flat_map(|position| self.advance(position)).collect()
    }

    /// Whether a track goes behind another one that is not over.
    fn waits(&self, position: usize) -> bool {
        let behind = self.tracks.get(position).and_then(|track| track.behind);
        behind.is_some_and(|step| self.tracks.iter().any(|track| track.step == step && !track.over))
    }

    /// A track may be over: then those behind it go out.
    fn follow(&mut self, position: usize, refused: bool) -> Vec<Send<P::Effect>> {
        let Some(track) = self.tracks.get_mut(position).filter(|track| !track.over) else { return Vec::new() };
        track.over = refused || !track.failed && track.waiting == 0 && track.stages.is_empty();
        if !track.over {
            return Vec::new();
        }
        let step = track.step;
        let mut sends = Vec::new();
        for next in 0..self.tracks.len() {
            if self.tracks[next].behind == Some(step) {
                sends.extend(self.advance(next));
            }
        }
        sends
    }

    /// A reply came, or the certainty that none will: what may go out now.
    pub fn replied(
        &mut self,
        record: &Record,
        sent: &Send<P::Effect>,
        reply: &Result<Receipt, CloudError>,
    ) -> Vec<Send<P::Effect>> {
        if let Some(id) = &sent.order.id {
            let said = self.owed.iter().any(|entry| matches!(entry, Entry::Outcome { id: of, .. } if of == id));
            self.owed.extend(settle(record, id, sent.order.first, reply).filter(|_| !said));
        }
        match reply {
            Ok(receipt) => {
                if receipt.server_date.is_some() {
                    self.server_date.clone_from(&receipt.server_date);
                }
            }
            Err(error) => {
                self.errors.insert(sent.step, error.clone());
            }
        }
        let Some(track) = self.tracks.get_mut(sent.track) else { return Vec::new() };
        track.failed |= reply.is_err();
        let refused = reply.as_ref().is_err_and(CloudError::needs_a_person);
        let mut sends = self.heard(sent.track);
        sends.extend(self.follow(sent.track, refused));
        sends
    }

    /// The lease is about to end: this one is not sent by us, and the chain says so. What may go out now all the same.
    pub fn withheld(&mut self, sent: &Send<P::Effect>) -> Vec<Send<P::Effect>> {
        self.owed.extend(sent.order.id.as_ref().filter(|_| sent.order.first).map(not_sent));
        let Some(track) = self.tracks.get_mut(sent.track) else { return Vec::new() };
        track.failed = true;
        self.heard(sent.track)
    }

    /// Refused a short time ago, and not sent again yet. What may not be sent twice goes out again because it is known that
    /// it was refused: that knowledge is kept until then.
    pub fn held_back(&mut self, record: &Record, sent: &Send<P::Effect>) {
        if let (Some(id), Some(error)) = (&sent.order.id, self.errors.get(sent.step)) {
            self.owed.extend(settle(record, id, false, &Err(error.clone())));
        }
        if let Some(track) = self.tracks.get_mut(sent.track) {
            track.failed = true;
        }
    }

    /// One less to wait for. A stage that failed is the last, unless it opened something for a moment: that is closed
    /// again whatever became of the opening, which may have been applied, or have opened a part.
    fn heard(&mut self, position: usize) -> Vec<Send<P::Effect>> {
        let Some(track) = self.tracks.get_mut(position) else { return Vec::new() };
        track.waiting = track.waiting.saturating_sub(1);
        if track.waiting > 0 || track.failed && !track.opens {
            return Vec::new();
        }
        self.advance(position)
    }

    fn advance(&mut self, position: usize) -> Vec<Send<P::Effect>> {
        let Some(track) = self.tracks.get_mut(position) else { return Vec::new() };
        let stage = track.stages.pop_front().unwrap_or_default();
        track.waiting = stage.len();
        track.opens = stage.iter().any(|order| order.change.intent().is_some_and(Effect::opens));
        if track.stages.is_empty() && stage.is_empty() {
            self.errors.remove(track.step);
        }
        stage.into_iter().map(|order| Send { track: position, step: self.tracks[position].step, order }).collect()
    }

    /// What AWS refused, by step.
    pub const fn errors(&self) -> &BTreeMap<&'static str, CloudError> {
        &self.errors
    }

    /// Whether outcomes wait to be written.
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
