//! What AWS answers, before it becomes ours. Every string is somebody else's: whoever controls the host may have
//! chosen it. So each is bounded, each id is parsed, and nothing of it is written to a log.

use std::future::Future;
use std::str::FromStr;

use aws_smithy_types::DateTime;
use futures::{StreamExt, stream};

use super::errors::Fault;
use crate::playbook::Time;
use crate::playbook::seen::{Read, ReadFailure};

/// The text, cut at this many characters.
pub(super) fn text(value: Option<&str>, most: usize) -> String {
    value.unwrap_or_default().chars().take(most).collect()
}

/// The same, where an empty one means none.
pub(super) fn some_text(value: Option<&str>, most: usize) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(|value| text(Some(value), most))
}

/// The id, where there is one and it follows the rule of its kind.
pub(super) fn id<T: FromStr>(value: Option<&str>) -> Option<T> {
    value?.parse().ok()
}

/// Ids that follow the rule. Others are left out, and counted in the log: for what only describes.
pub(super) fn kept<T>(what: &'static str, found: impl IntoIterator<Item = Option<T>>) -> Vec<T> {
    let (mut kept, mut left_out) = (Vec::new(), 0_usize);
    for thing in found {
        match thing {
            Some(thing) => kept.push(thing),
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        tracing::warn!(what, left_out, "AWS answered with things that cannot be read; they are left out");
    }
    kept
}

/// The time, where it can be held.
pub(super) fn time(value: Option<&DateTime>) -> Option<Time> {
    let value = value?;
    Time::new(value.secs(), i32::try_from(value.subsec_nanos()).ok()?).ok()
}

/// The answer as the playbook takes it.
pub(super) fn read<T>(asked_at: Time, answer: Result<T, Fault>) -> Read<T> {
    match answer {
        Ok(value) => Read::Found { asked_at, value },
        Err(Fault::Absent) => Read::Absent { asked_at },
        Err(Fault::Failed(error)) => Read::Failed(ReadFailure { reason: error.reason(), message: error.advice() }),
    }
}

/// All of them, at most so many at the same time, in their order. (A list, since an iterator with a closure in it would
/// make the whole read a future that can't be sent to another thread.)
pub(super) async fn side_by_side<F: Future>(most: usize, all: Vec<F>) -> Vec<F::Output> {
    stream::iter(all).buffered(most).collect().await
}

/// A message without what changes from call to call, cut at this many characters: a condition that carried such
/// things would change at every look.
pub(super) fn normalised(message: &str, most: usize) -> String {
    let message = message.split("Encoded authorization failure message").next().unwrap_or_default();
    let mut words = Vec::new();
    for word in message.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if is_uuid(bare) || is_time(bare) || word.chars().count() > 256 {
            words.push("…");
        } else if let Some(role) = without_session(word) {
            words.push(role);
        } else {
            words.push(word);
        }
    }
    text(Some(&words.join(" ")), most)
}

/// A request id. (A key's id has the same form but stands in an ARN, and stays.)
fn is_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// `2026-01-31T…` or `20260131T…`, as signatures have it.
fn is_time(word: &str) -> bool {
    word.split_once('T').is_some_and(|(date, time)| {
        let digits = date.bytes().filter(u8::is_ascii_digit).count();
        digits == 8
            && date.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            && time.starts_with(|c: char| c.is_ascii_digit())
    })
}

/// `arn:aws:sts::111122223333:assumed-role/name`, without the session.
fn without_session(word: &str) -> Option<&str> {
    let at = word.find(":assumed-role/")? + ":assumed-role/".len();
    let end = word.get(at..)?.find('/')?;
    word.get(..at + end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ids::InstanceId;

    #[test]
    fn what_changes_from_call_to_call_is_taken_out_of_messages() {
        let cases = [
            ("The group 'sg-1' does not exist", "The group 'sg-1' does not exist"),
            ("a (Request ID: 0a1b2c3d-0000-1111-2222-333344445555) b", "a (Request ID: … b"),
            (
                "key arn:aws:kms:r:1:key/0a1b2c3d-0000-1111-2222-333344445555 is off",
                "key arn:aws:kms:r:1:key/0a1b2c3d-0000-1111-2222-333344445555 is off",
            ),
            ("expired: 20260131T100000Z is now earlier than 2026-01-31T10:15:00Z", "expired: … is now earlier than …"),
            ("User: arn:aws:sts::1:assumed-role/ops/pod-7 is not", "User: arn:aws:sts::1:assumed-role/ops is not"),
            ("No. Encoded authorization failure message: abcdef", "No."),
        ];
        for (given, expected) in cases {
            assert_eq!(normalised(given, 512), expected, "{given}");
        }
        assert_eq!(normalised(&"ä ".repeat(900), 512).chars().count(), 512);
        assert_eq!(normalised(&"x".repeat(900), 512), "…");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(text(Some("äöü"), 2), "äö");
        assert_eq!(text(None, 2), "");
        assert_eq!(some_text(Some(""), 2), None);
    }

    #[test]
    fn ids_are_parsed_or_left_out() {
        assert_eq!(id::<InstanceId>(Some("i-../../x")), None);
        let found = kept("instances", [id::<InstanceId>(Some("i-0123456789abcdef0")), id(Some("no")), id(None)]);
        assert_eq!(found.len(), 1);
    }
}
