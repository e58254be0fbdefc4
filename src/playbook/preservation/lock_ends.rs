//! The alarm of row D17: a lock that a hold or a retention needs ends soon, and is not renewed.

use super::lock_snapshots::is_ending;
use crate::api::conditions::Reason;
use crate::api::ids::SnapshotId;
use crate::playbook::copies::{Kept, is_failed};
use crate::playbook::effect::operation_tag;
use crate::playbook::seen::Snapshot;
use crate::playbook::step::{Refusal, State, View};
use crate::playbook::{EvidenceSnapshot, Time};

/// Which locks are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of the set.
    Set,
    /// Those of its copies.
    Copies,
}

/// Those of these snapshots that have lost the tag of their operation. The role may lock nothing without it: AWS knows no
/// other key by which its permission could tell evidence from other snapshots.
pub(super) fn untagged<'a>(
    tag_prefix: &str,
    shown: impl IntoIterator<Item = &'a Snapshot>,
    ours: impl Fn(&SnapshotId) -> bool,
) -> Option<String> {
    let lost = |snapshot: &&Snapshot| snapshot.operation.is_none() && ours(&snapshot.id);
    let ids: Vec<String> = shown.into_iter().filter(lost).map(|snapshot| snapshot.id.to_string()).collect();
    let key = operation_tag(tag_prefix);
    (!ids.is_empty()).then(|| {
        format!(
            "somebody took the tag {key} off {}, and the role may neither lock nor read what has none: put it back, with any value, \
             with aws ec2 create-tags --resources {} --tags Key={key},Value=again",
            ids.join(", "),
            ids.join(" ")
        )
    })
}

/// The first lock to end, as the chain knows them, of those that should have been renewed by now.
fn ending(view: &View<'_, EvidenceSnapshot>, of: &[Of]) -> Option<(SnapshotId, Time)> {
    let record = view.record;
    let set = record.set.iter().flat_map(|(_, set)| set.values()).chain(&record.surplus);
    let copies = record.copies.values().flat_map(Kept::all);
    let set = set.filter(|_| of.contains(&Of::Set));
    let all = set.chain(copies.filter(|_| of.contains(&Of::Copies))).filter(|id| !is_failed(record, id));
    all.filter_map(|id| Some((id.clone(), record.locked.get(id).copied()??)))
        .filter(|(_, ends)| is_ending(view, *ends))
        .min_by_key(|(_, ends)| *ends)
}

/// The refusal, as an alarm where a lock ends soon because of it.
pub fn alarm(view: &View<'_, EvidenceSnapshot>, of: &[Of], refusal: Refusal) -> Refusal {
    match ending(view, of) {
        Some((id, ends)) => Refusal::new(
            Reason::LockEnding,
            format!("the lock of {id} ends on {ends}, and is not renewed: {}", refusal.message),
        ),
        None => refusal,
    }
}

/// A state that is not what it should be, as an alarm where a lock ends soon because of it.
pub(super) fn alarmed(view: &View<'_, EvidenceSnapshot>, of: Of, state: State) -> State {
    match state {
        State::Working(refusal) => State::Working(alarm(view, &[of], refusal)),
        State::Blocked(refusal) => State::Blocked(alarm(view, &[of], refusal)),
        other => other,
    }
}

#[cfg(test)]
#[path = "lock_ends_tests.rs"]
mod tests;
