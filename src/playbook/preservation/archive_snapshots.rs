//! Row D17: the archive tier of EBS, after so many days, once nothing that is declared needs the bytes any more.
//!
//! An archived snapshot can't be read, copied or shared until somebody restores it, which takes up to 72 hours; so nothing
//! goes there before every declared copy stands and every declared digest is in the chain. Set and copies go by the same rule.
//! A locked snapshot may be archived, and stays locked (EBS guide, snapshot lock, considerations). Nothing is restored, and
//! what a person restored is not archived again.

use crate::api::conditions::Reason;
use crate::api::ids::SnapshotId;
use crate::playbook::containment::isolate::failed;
use crate::playbook::copies::{Destination, is_failed};
use crate::playbook::copy_change::CopyChange;
use crate::playbook::effect::Effect;
use crate::playbook::plan::PlanLine;
use crate::playbook::preservation::copy_requests;
use crate::playbook::preservation::snapshot_volumes::is_gone;
use crate::playbook::record::Fact;
use crate::playbook::seen::{Read, Snapshot, SnapshotState};
use crate::playbook::step::{Part, Refusal, State, Step, Turn, View};
use crate::playbook::tiers::{Tier, Tiering};
use crate::playbook::{EvidenceSnapshot, Time};

/// The step. What is archived is said for good, whatever is declared later.
pub const STEP: Step<EvidenceSnapshot> = Step {
    name: "Archived",
    after: &["VolumesSnapshotted", "Locked", "Copied", "Verified", "Preserved"],
    wanted: |view| view.spec.archive_after_days.is_some() || !view.record.keeping.archived.is_empty(),
    needs: None,
    next,
    undo: |_| Turn::new(State::done("what is archived stays there until a person restores it")),
    preview: |_| vec![PlanLine::about("move the set and its copies to the archive tier")],
};

/// Seconds of a day. What AWS could not archive is asked for again after one.
const DAY: i64 = 86_400;

/// What one look makes of all snapshots and copies.
#[derive(Default)]
struct Archiving {
    facts: Vec<Fact>,
    stage: Vec<Effect>,
    parts: Vec<Part>,
    all: usize,
    archived: usize,
    /// How far those are that are on their way, in percent.
    going: Vec<u8>,
    restored: Vec<String>,
    /// What AWS could not do.
    failed: Vec<String>,
    unread: Vec<State>,
}

fn next(view: &View<'_, EvidenceSnapshot>) -> Turn<EvidenceSnapshot> {
    let due = due(view);
    let mut facts = Vec::new();
    if due.is_some_and(|due| due <= view.now) && view.record.keeping.archiving.is_none() {
        facts.push(Fact::Archiving);
    }
    let mut all = Archiving::default();
    let Some((_, set)) = &view.record.set else {
        return Turn::new(State::working(Reason::Waiting, "waits for the set"));
    };
    for id in set.values().chain(&view.record.surplus).filter(|id| !is_failed(view.record, id)) {
        if !is_gone(view, id) {
            all.look(view, None, id, &view.seen.snapshots, view.seen.tiers.get(id));
        }
    }
    for (at, kept) in &view.record.copies {
        let Some(seen) = view.seen.copies.get(at) else { continue };
        if let Some(refusal) = &seen.refused {
            all.unread.push(failed::<EvidenceSnapshot>(refusal).state);
        }
        for id in kept.all().filter(|id| !is_failed(view.record, id)) {
            if !copy_requests::is_gone(view, at, seen, id) {
                all.look(view, Some(at), id, &seen.snapshots, seen.tiers.get(id));
            }
        }
    }
    let state = all.state(view, due);
    let remark = (!all.restored.is_empty())
        .then(|| format!("{} was restored by somebody, and is not archived again", all.restored.join(", ")));
    Turn::new(state).then(all.stage).noting(facts).noting(all.facts).with_parts(all.parts).remarking(remark)
}

/// From when on the set is to be archived.
fn due(view: &View<'_, EvidenceSnapshot>) -> Option<Time> {
    let days = i64::from(view.spec.archive_after_days?);
    let (operation, _) = view.record.set.as_ref()?;
    let taken = view.record.operations.get(operation).map(|operation| operation.at).or(view.record.opened)?;
    Some(Time::from_second(taken.as_second().saturating_add(days * DAY)).unwrap_or(Time::MAX))
}

impl Archiving {
    fn look(
        &mut self,
        view: &View<'_, EvidenceSnapshot>,
        at: Option<&Destination>,
        id: &SnapshotId,
        shown: &Read<Vec<Snapshot>>,
        tier: Option<&Read<Tier>>,
    ) {
        self.all += 1;
        let shown = shown.value().and_then(|all| all.iter().find(|snapshot| snapshot.id == *id));
        if view.record.keeping.archived.contains(id) {
            self.archived += 1;
            self.restored.extend(shown.filter(|snapshot| !snapshot.archived).map(|snapshot| snapshot.id.to_string()));
            return self.part(id, "archived", String::new());
        }
        if shown.is_some_and(|snapshot| snapshot.archived) {
            self.facts.push(Fact::Archived { snapshot: id.clone() });
            return self.part(id, "archived", String::new());
        }
        let goes = view.spec.archive_after_days.is_some() && view.record.keeping.archiving.is_some();
        if !goes || shown.is_none_or(|snapshot| snapshot.state != SnapshotState::Completed) {
            return self.part(id, "standard", String::new());
        }
        match tier {
            Some(Read::Found { value: Tier { archived: true, .. }, .. }) => {
                self.part(id, "archiving", "100%".to_owned());
                self.going.push(100);
            }
            Some(Read::Found { value: Tier { tiering: Tiering::Archiving, progress, .. }, .. }) => {
                // Whole quarters: a status that is written at each percent would be written a hundred times.
                let progress = (progress / 25 * 25).min(100);
                self.part(id, "archiving", format!("{progress}%"));
                self.going.push(progress);
            }
            Some(Read::Found { value, .. }) if is_fresh_failure(view, id, value) => {
                let detail = value.detail.as_deref().unwrap_or("AWS gave no reason");
                self.part(id, "archival-failed", detail.to_owned());
                self.failed.push(format!("{id} ({detail})"));
            }
            Some(Read::Found { .. } | Read::Absent { .. }) => {
                self.part(id, "standard", String::new());
                let snapshot = id.clone();
                self.stage.push(match at {
                    Some(at) => Effect::Copying(CopyChange::ArchiveCopy { destination: at.clone(), snapshot }),
                    None => Effect::ArchiveSnapshot { snapshot },
                });
            }
            Some(Read::Failed(failure)) => self.unread.push(failed::<EvidenceSnapshot>(failure).state),
            Some(Read::NotRead) | None => {}
        }
    }

    fn part(&mut self, id: &SnapshotId, state: &str, message: String) {
        self.parts.push(Part { kind: "archive", name: id.to_string(), state: state.to_owned(), message });
    }

    fn state(&mut self, view: &View<'_, EvidenceSnapshot>, due: Option<Time>) -> State {
        let so_far = format!("{} of {} snapshots and copies are in the archive tier", self.archived, self.all);
        if self.archived == self.all {
            return State::done(so_far);
        }
        let Some(due) = due else {
            return State::Skipped(Refusal::new(
                Reason::NotDeclared,
                format!("{so_far}; the others stay where they are"),
            ));
        };
        if due > view.now && view.record.keeping.archiving.is_none() {
            return State::working(Reason::Waiting, format!("{so_far}; they go there from {due} on"));
        }
        let stuck = self.unread.iter().position(|state| matches!(state, State::Blocked(_)));
        if let Some(position) = stuck.or_else(|| (!self.unread.is_empty()).then_some(0)) {
            return self.unread.swap_remove(position);
        }
        if !self.failed.is_empty() {
            let told = self.failed.join(", ");
            return State::working(
                Reason::ArchivalFailed,
                format!(
                    "{so_far}; AWS could not archive {told}: they are where they were, and asked for again in a day"
                ),
            );
        }
        let on_the_way: usize = self.going.iter().copied().map(usize::from).sum();
        let percent = match self.going.len() {
            0 => String::new(),
            going => format!("; {going} are on their way ({}%)", on_the_way / going / 25 * 25),
        };
        State::working(Reason::InProgress, format!("{so_far}{percent}"))
    }
}

/// AWS could not archive it, less than a day ago. Where AWS does not say when it began, it was when it was last asked for,
/// as far as the chain knows.
fn is_fresh_failure(view: &View<'_, EvidenceSnapshot>, id: &SnapshotId, tier: &Tier) -> bool {
    let asked = view.record.operations.values().filter(|operation| match &operation.effect {
        Effect::ArchiveSnapshot { snapshot } | Effect::Copying(CopyChange::ArchiveCopy { snapshot, .. }) => {
            snapshot == id
        }
        _ => false,
    });
    let asked = asked.map(|operation| operation.at).max().or(view.record.keeping.archiving);
    let began = tier.began.or(asked).map_or(0, Time::as_second);
    tier.tiering == Tiering::ArchivalFailed && view.now.as_second() - began < DAY
}

#[cfg(test)]
#[path = "archive_snapshots_tests.rs"]
mod tests;
