//! What fits into one custody record.
//!
//! The API server takes a body of at most [`MAX_BODY`] bytes, and nothing is done that is not written first. So a host with
//! many volumes is held in more turns than one: what does not fit waits for the next, which follows at once.

use serde::Serialize;

use super::chain::{MAX_BODY, canonical, digest_of};
use super::decide::Track;
use super::effect::Effect;
use super::record::{Entry, Fact, Record};
use super::step::Change;

/// For entries: what is left beside the body's other members, the writer's names included.
const ROOM: usize = MAX_BODY - 4 * 1024;

/// What an intent says beside its effect and the value that stood before: ids and digest.
const AROUND: usize = 700;

/// Bytes of it in a list.
pub(super) fn size<T: Serialize>(value: &T) -> usize {
    canonical(value).len() + 1
}

/// Whether a record can say all of it.
pub(super) fn holds(entries: &[Entry]) -> bool {
    entries.iter().map(size).sum::<usize>() <= ROOM
}

/// The entries as they can be said. A fact that alone is larger than a record is said as its digest and size, once: else it
/// would stop every turn after it. Facts are bounded where they are made, so that this keeps a host held which nobody thought
/// of, and keeps evidence of nothing.
pub(super) fn sayable(entries: Vec<Entry>, record: &Record) -> Vec<Entry> {
    let say = |entry: Entry| match entry {
        entry if size(&entry) <= ROOM => Some(entry),
        Entry::Fact(fact) => {
            let (digest, bytes) = (digest_of(&fact), size(&fact) as u64 - 1);
            let of = serde_json::to_value(&fact).ok().and_then(|fact| Some(fact.get("fact")?.as_str()?.to_owned()));
            let known = record.not_kept.contains(&digest);
            (!known).then(|| Entry::Fact(Fact::NotKept { of: of.unwrap_or_default(), digest, bytes }))
        }
        // An outcome that is not said is a lost reply, and is found again as one.
        _ => None,
    };
    entries.into_iter().filter_map(say).collect()
}

/// As many entries as fit, from the first on. Their order is kept: what was seen comes before what follows from it.
pub(super) fn first_of(entries: Vec<Entry>) -> Vec<Entry> {
    let mut left = ROOM;
    let fits = |entry: &Entry| {
        left = left.checked_sub(size(entry))?;
        Some(())
    };
    let count = entries.iter().map_while(fits).count();
    entries.into_iter().take(count).collect()
}

fn opens<E: Change>(track: &Track<E>) -> bool {
    track.stages.iter().flatten().filter_map(Change::intent).any(Effect::opens)
}

/// The tracks whose intents fit beside what is said already: short ones first, so that a host with a hundred volumes to
/// protect is isolated all the same. Of a long one a part of its first stage goes.
pub(super) fn tracks_beside<E: Change>(entries: &[Entry], tracks: &[Track<E>], record: &Record) -> Vec<Track<E>> {
    let mut left = ROOM.saturating_sub(entries.iter().map(size).sum());
    let before =
        |effect: &Effect| effect.sets().and_then(|(attribute, _)| record.baseline.get(&attribute)).map_or(0, size);
    let cost = |change: &E| change.intent().map_or(0, |effect| size(effect) + before(effect) + AROUND);
    let all = |track: &Track<E>| track.stages.iter().flatten().map(cost).sum::<usize>();
    let mut short_first: Vec<&Track<E>> = tracks.iter().collect();
    short_first.sort_by_key(|track| all(track));
    let mut fitting = Vec::new();
    for track in short_first {
        let stages = match track.stages.as_slice() {
            _ if all(track) <= left => track.stages.clone(),
            // Both halves of a pulse are said before its first goes out.
            _ if opens(track) => continue,
            [first, ..] => {
                let mut free = left;
                let mut fits = |change: &E| {
                    free = free.checked_sub(cost(change))?;
                    Some(())
                };
                let count = first.iter().map_while(&mut fits).count();
                vec![first.iter().take(count).cloned().collect()]
            }
            [] => continue,
        };
        let track = Track { step: track.step, stages, behind: track.behind };
        left = left.saturating_sub(all(&track));
        fitting.push(track);
    }
    fitting.retain(|track| track.stages.iter().any(|stage| !stage.is_empty()));
    fitting
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
