//! Rows D4 and D9: evidence can be shown to be what it was: the SHA-256 of each snapshot's whole image, in the chain.
//!
//! The bytes are read by EBS direct, each block with the service's checksum. That is a read, and hours of it for a large
//! volume: it goes on beside the turns, and a look shows how far it is. What was reached is written down hourly, and each
//! time that much was read, so that another controller goes on from there. A block that is not what its checksum says, or a
//! copy with another digest than its source, contradicts the evidence: both values go into the chain, nothing is deleted,
//! and the rest is read to its end.

use std::collections::BTreeSet;

use crate::api::conditions::Reason;
use crate::api::exhibits::Verify;
use crate::api::ids::SnapshotId;
use crate::playbook::EvidenceSnapshot;
use crate::playbook::containment::isolate::failed;
use crate::playbook::copies::{Destination, destinations, is_failed, own, standing};
use crate::playbook::exhibit::{Contradiction, Digesting, Exhibit, Exhibits, PartOfDigest};
use crate::playbook::image::{BLOCK, Part, blocks};
use crate::playbook::plan::PlanLine;
use crate::playbook::preservation::snapshot_volumes::missing;
use crate::playbook::record::{Fact, Record};
use crate::playbook::seen::{Read, ReadFailure};
use crate::playbook::step::{State, Step, Turn, View};

/// The step. What contradicts the evidence is said for good, whatever is declared later.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Verified",
    // Each snapshot waits for its own lock alone: one that is lost leaves the others to be read.
    after: &["VolumesSnapshotted"],
    wanted: |view| view.spec.verify == Verify::Digest || !view.record.exhibits.contradicted.is_empty(),
    needs: None,
    next,
    undo: |_| Turn::new(State::done("what was read is in the chain")),
    preview: |_| vec![PlanLine::about("read every byte of the set, and write its SHA-256 down")],
};

/// An image is written down in no more parts than this, and one more each hour.
const PARTS: u64 = 16;

/// Blocks read between two parts, at least: 8 GiB.
const LEAST: u64 = 16 * 1024;

/// Snapshots of the set that are complete.
fn complete(record: &Record) -> impl Iterator<Item = &SnapshotId> {
    let set = record.set.iter().flat_map(|(_, set)| set.values());
    set.filter(|id| record.settled.get(*id).is_some_and(|state| state == "completed"))
}

/// Snapshots whose bytes are to be digested: those of the set that are complete and locked, once all have ended.
pub fn whole(record: &Record) -> Vec<&SnapshotId> {
    complete(record).filter(|id| record.may_leave(id)).collect()
}

/// Copies that are complete and locked: where each lies, what it is a copy of, and the copy.
fn copies<'a>(record: &'a Record, whole: &[&'a SnapshotId]) -> Vec<(&'a Destination, &'a SnapshotId, &'a SnapshotId)> {
    let at = |at: &'a Destination| whole.iter().filter_map(move |of| Some((at, *of, standing(record, at, of)?)));
    record.copies.keys().flat_map(at).collect()
}

/// Declared copies that are neither there nor failed.
fn to_come(view: &View<'_, EvidenceSnapshot>, whole: &[&SnapshotId]) -> usize {
    let open = |at: &Destination, of: &SnapshotId| {
        let made = view.record.copies.get(at).and_then(|kept| kept.made.get(of));
        standing(view.record, at, of).is_none() && !made.is_some_and(|copy| is_failed(view.record, copy))
    };
    destinations(view).keys().map(|at| whole.iter().filter(|of| open(at, of)).count()).sum()
}

/// What one look makes of all snapshots.
#[derive(Default)]
struct Verifying<'a> {
    facts: Vec<Fact>,
    digested: usize,
    contradicted: Vec<Contradiction>,
    /// Under way, each with the seconds in which it may end.
    going: Vec<Option<i64>>,
    unread: Vec<&'a ReadFailure>,
    /// Not asked for yet.
    unasked: usize,
    /// Declared copies that do not stand yet, and may.
    to_come: usize,
    /// Complete, and not locked: not read yet.
    unlocked: usize,
    parts: Vec<(&'a SnapshotId, &'a Part)>,
    due: bool,
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let whole = whole(view.record);
    let unlocked = complete(view.record).count() - whole.len();
    if whole.is_empty() && unlocked == 0 {
        return Turn::new(State::skipped(Reason::SnapshotFailed, "no snapshot of the set is left to read"));
    }
    let mut all = Verifying { unlocked, ..Verifying::default() };
    let own = own(view.spec, view.account);
    for id in &whole {
        all.look(view, &own, id);
    }
    let pairs = copies(view.record, &whole);
    for (at, _, copy) in &pairs {
        all.look(view, at, copy);
    }
    let differing = differing(&view.record.exhibits, pairs.iter().map(|(_, of, copy)| (*of, *copy)));
    all.facts.extend(differing.iter().cloned().map(Fact::Contradicted));
    all.contradicted.extend(differing);
    all.to_come = to_come(view, &whole);
    if all.due {
        let part = |(id, part): (&SnapshotId, &Part)| PartOfDigest { snapshot: id.clone(), part: part.clone() };
        all.facts.extend(all.parts.drain(..).map(part).map(Box::new).map(Fact::DigestPart));
    }
    let turn = Turn::new(all.state(view, whole.len(), pairs.len())).noting(std::mem::take(&mut all.facts));
    let soonest = all.going.iter().flatten().min();
    match soonest {
        _ if all.unasked > 0 => turn.again_in(view.limits.poll_seconds),
        // What ends soon is looked for then, and what takes hours each time that all else is.
        Some(seconds) => {
            let seconds = u32::try_from(*seconds).unwrap_or(u32::MAX).max(view.limits.poll_seconds);
            turn.again_in(seconds.min(view.account.recheck_seconds))
        }
        None => turn,
    }
}

impl<'a> Verifying<'a> {
    fn look(&mut self, view: &View<'a, EvidenceSnapshot>, at: &Destination, id: &'a SnapshotId) {
        let exhibits = &view.record.exhibits;
        if let Some(contradiction) = exhibits.contradicted.get(id) {
            self.contradicted.push(contradiction.clone());
            return;
        }
        if exhibits.digested.contains_key(id) {
            self.digested += 1;
            return;
        }
        match view.seen.digests.get(id) {
            Some(Read::Found { value: Digesting::Done(digests), .. }) => {
                // Counted, and compared, once the chain says so.
                self.facts.push(Fact::Digested(Exhibit::new(id, at, digests)));
                self.going.push(Some(0));
            }
            Some(Read::Found { value: Digesting::Contradicted(fault), .. }) => {
                let contradiction = Contradiction::of_block(id, fault);
                self.facts.push(Fact::Contradicted(contradiction.clone()));
                self.contradicted.push(contradiction);
            }
            Some(Read::Found { value: Digesting::Going { since, from, part }, .. }) => {
                let noted = exhibits.parts.get(id);
                if part.next > noted.map_or(0, |noted| noted.part.next) {
                    self.parts.push((id, part));
                }
                let last = noted.map_or(*since, |noted| noted.at.max(*since));
                let read = part.written - noted.map_or(0, |noted| noted.part.written.min(part.written));
                self.due |= read >= (blocks(part.image) / PARTS).max(LEAST)
                    || view.now.as_second() - last.as_second() >= view.limits.coalesce_seconds;
                let (done, rest) = (part.next.saturating_sub(*from), blocks(part.image).saturating_sub(part.next));
                let took = view.now.as_second().saturating_sub(since.as_second()).unsigned_abs();
                let left = u128::from(rest) * u128::from(took) / u128::from(done.max(1));
                self.going.push(Some(i64::try_from(left).unwrap_or(i64::MAX)));
            }
            Some(Read::Found { value: Digesting::Waiting, .. }) => self.going.push(None),
            Some(Read::Failed(failure)) => self.unread.push(failure),
            Some(Read::NotRead | Read::Absent { .. }) | None => self.unasked += 1,
        }
    }

    fn state(&self, view: &View<'_, EvidenceSnapshot>, set: usize, copies: usize) -> State {
        let (all, what) = (set + copies, if copies > 0 { "snapshots and copies" } else { "snapshots" });
        let so_far = format!("{} of {all} {what} are read and digested", self.digested);
        if !self.contradicted.is_empty() {
            let told: Vec<String> = self.contradicted.iter().map(Contradiction::told).collect();
            return State::blocked(
                Reason::Contradicted,
                format!("{}. Nothing is deleted, and the rest is verified: {so_far}", told.join("; ")),
            );
        }
        // What a person must mend is said before what passes.
        let unread = self.unread.iter().min_by_key(|failure| failure.reason.is_of_the_moment());
        if let Some(failure) = unread {
            let message = format!("{so_far}; {}", failure.message);
            let failure = ReadFailure { reason: failure.reason, message };
            return match failed::<EvidenceSnapshot>(&failure).state {
                State::Working(refusal) if !refusal.reason.is_of_the_moment() => State::Blocked(refusal),
                state => state,
            };
        }
        if self.digested < all {
            return State::working(Reason::InProgress, so_far);
        }
        if self.unlocked > 0 {
            return State::working(Reason::Waiting, format!("{so_far}; {} wait for their lock", self.unlocked));
        }
        if self.to_come > 0 {
            return State::working(Reason::Waiting, format!("{so_far}; {} copies are still to come", self.to_come));
        }
        let lost = view.record.set.iter().map(|(_, all)| all.len()).sum::<usize>() - set + missing(view.record).len();
        if lost > 0 {
            return State::skipped(Reason::PartialFailure, format!("{so_far}; of {lost} volumes there is none"));
        }
        let agree = if copies > 0 { "; each copy has the bytes of its source" } else { "" };
        State::done(format!("{so_far}, each block with the service's checksum{agree}"))
    }
}

/// Copies whose bytes are others than those of their source, of pairs of source and copy: said once.
fn differing<'a>(
    exhibits: &'a Exhibits,
    copies: impl IntoIterator<Item = (&'a SnapshotId, &'a SnapshotId)>,
) -> Vec<Contradiction> {
    let mut seen = BTreeSet::new();
    let pairs = copies.into_iter().filter(|(_, copy)| !exhibits.contradicted.contains_key(*copy) && seen.insert(*copy));
    let differs = |(source, copy): (&SnapshotId, &SnapshotId)| {
        let (of, is) = (exhibits.digested.get(source)?, exhibits.digested.get(copy)?);
        (of.digest != is.digest).then(|| Contradiction {
            snapshot: copy.clone(),
            what: format!("as a copy of {source}"),
            told: of.digest.to_string(),
            found: is.digest.to_string(),
        })
    };
    pairs.filter_map(differs).collect()
}

/// How much of an image is read, in per cent and in steps of 5: a status is written for each of them.
pub fn percent(part: &Part) -> u8 {
    let done = part.next.saturating_mul(BLOCK).min(part.image);
    u8::try_from(u128::from(done) * 20 / u128::from(part.image.max(1)) * 5).unwrap_or(100)
}

#[cfg(test)]
#[path = "verify_blocks_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "verify_copies_tests.rs"]
mod copies_tests;
