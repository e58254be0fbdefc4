//! Links of a chain of custody: canonical bytes (RFC 8785), SHA-256, and the rules by which one follows another.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Time;
use super::record::{Entry, OperationId, Record};
pub use crate::api::custody_record::ObjectRef;
use crate::api::ids::Digest;

/// Version of the body's format.
pub const VERSION: u32 = 1;

/// Bytes that a body may have: the API server's own limit for the field.
pub const MAX_BODY: usize = 64 * 1024;

/// Who writes, and as whom it speaks to AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// Version of the controller.
    pub version: String,
    /// Digest of its image, where it is known.
    pub image: Option<String>,
    /// Stable identity of this replica.
    pub identity: String,
    /// AWS principal and session.
    pub principal: Option<String>,
}

/// What one custody record says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// Format version.
    pub version: u32,
    /// The object.
    pub subject: ObjectRef,
    /// Position in the chain, from 0.
    pub index: u64,
    /// Hash of the record before; none for the first.
    pub previous: Option<Digest>,
    /// Hash of the state that follows from all entries up to here.
    pub state: Digest,
    /// The controller's clock.
    pub time: Time,
    /// AWS's clock, from the last reply that was seen.
    pub server_date: Option<String>,
    /// Who wrote it.
    pub writer: Writer,
    /// What it says.
    pub entries: Vec<Entry>,
}

/// Last link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Its index.
    pub index: u64,
    /// SHA-256 of its bytes.
    pub hash: Digest,
    /// Digest of the folded state after it.
    pub state: Digest,
}

/// Why a record does not continue a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The body is not the JSON of a body.
    #[error("record {index} can't be read: {cause}")]
    Unreadable {
        /// The record.
        index: u64,
        /// The parser's words.
        cause: String,
    },
    /// The bytes are not the canonical form of what they say.
    #[error("record {0} is not in canonical form")]
    NotCanonical(u64),
    /// It says another index than its name.
    #[error("record {0} says that it is record {1}")]
    WrongIndex(u64, u64),
    /// It is about another object.
    #[error("record {0} is about another object")]
    WrongSubject(u64),
    /// It links to other bytes than the record before it has.
    #[error("record {0} does not link to the record before it")]
    WrongPrevious(u64),
    /// Folding gives another state than it says.
    #[error("record {0} states another folded state than its entries give")]
    WrongState(u64),
}

/// Canonical JSON. Values made of our types always have one; the empty text stands for none, and links to nothing.
pub fn canonical<T: Serialize>(value: &T) -> String {
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(&Sha256::digest(bytes).into())
}

/// SHA-256 of the canonical JSON of a value.
pub fn digest_of<T: Serialize>(value: &T) -> Digest {
    sha256(canonical(value).as_bytes())
}

/// Digest of a folded state. Members that say nothing are left out, so that a later version may add members without
/// changing what earlier chains state.
pub fn state_digest(record: &Record) -> Digest {
    digest_of(&without_nothing(serde_json::to_value(record).unwrap_or_default()))
}

fn without_nothing(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| says(value)).collect()),
        other => other,
    }
}

/// Name of an operation: nobody can choose it, and a repeat of the same turn gives the same.
pub fn operation_id(uid: &str, index: u64, entry: usize) -> OperationId {
    let digest = Sha256::digest(format!("{uid}/{index}/{entry}").as_bytes());
    OperationId(hex::encode(&digest[..16]))
}

/// Index that the next record has.
pub const fn next_index(head: Option<&Head>) -> u64 {
    match head {
        Some(head) => head.index + 1,
        None => 0,
    }
}

/// A record ready to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it says.
    pub body: Body,
    /// Its bytes.
    pub bytes: String,
    /// What it is once it is written.
    pub head: Head,
    /// The state after it.
    pub record: Record,
}

/// Writes the next link.
pub fn link(
    subject: &ObjectRef,
    head: Option<&Head>,
    record: &Record,
    entries: Vec<Entry>,
    time: Time,
    server_date: Option<String>,
    writer: Writer,
) -> Link {
    let mut after = record.clone();
    after.fold(&entries, time);
    let body = Body {
        version: VERSION,
        subject: subject.clone(),
        index: next_index(head),
        previous: head.map(|head| head.hash.clone()),
        state: state_digest(&after),
        time,
        server_date,
        writer,
        entries,
    };
    let bytes = canonical(&body);
    let head = Head { index: body.index, hash: sha256(bytes.as_bytes()), state: body.state.clone() };
    Link { body, bytes, head, record: after }
}

/// Reads a link and folds it, if it continues the chain.
pub fn follow(
    subject: &ObjectRef,
    head: Option<&Head>,
    record: &mut Record,
    bytes: &str,
) -> Result<(Head, Body), Broken> {
    let index = next_index(head);
    let body: Body =
        serde_json::from_str(bytes).map_err(|error| Broken::Unreadable { index, cause: error.to_string() })?;
    if canonical(&body) != bytes {
        return Err(Broken::NotCanonical(index));
    }
    if body.index != index {
        return Err(Broken::WrongIndex(index, body.index));
    }
    if body.subject.uid != subject.uid || body.subject.kind != subject.kind {
        return Err(Broken::WrongSubject(index));
    }
    if body.previous.as_ref() != head.map(|head| &head.hash) {
        return Err(Broken::WrongPrevious(index));
    }
    let mut after = record.clone();
    after.fold(&body.entries, body.time);
    if state_digest(&after) != body.state {
        return Err(Broken::WrongState(index));
    }
    *record = after;
    let head = Head { index, hash: sha256(bytes.as_bytes()), state: body.state.clone() };
    Ok((head, body))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
