//! The policy of a KMS key, and the two statements in it by which another account may use the key: row D12.
//!
//! KMS knows no conditional write: who writes a key policy replaces all of it. So what is ours is told by its `Sid` and by
//! every word of it; all other text stays as it is, to the byte; and who writes reads at the last moment. What somebody else
//! wrote within that moment would be lost, and neither KMS nor a look can tell: the chain has the digest of what we left
//! standing, and CloudTrail has both writes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Time;
use super::attribute::Value;
use super::chain::digest_of;
use super::drift::Drift;
use super::record::Record;
use crate::api::ids::{AccountId, Digest, KeyArn};

/// Bytes that a key policy may have (KMS guide, resource quotas). Not adjustable.
pub const BYTES: usize = 32_768;

/// Digits of an account's id.
const ACCOUNT: usize = 12;

/// Letters and digits of a uid.
const UID: usize = 32;

/// What of a changed statement is written down, in bytes.
const WORDS: usize = 512;

/// A key policy, as KMS shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPolicy(pub String);

/// Who manages a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyManager {
    /// AWS: snapshots under such a key can't be shared.
    Aws,
    /// The account.
    Customer,
}

/// What we know of a KMS key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Who manages it.
    pub manager: KeyManager,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The grants on it: their ids, by name.
    pub grants: BTreeMap<String, String>,
    /// Its policy, where that was asked for.
    pub policy: Option<KeyPolicy>,
}

/// A policy that was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The key.
    pub key: KeyArn,
    /// Digest of what others have in it, as it was put.
    pub others: Digest,
}

/// Names what is ours in the policy of one key: the statements of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours<'a> {
    /// The key.
    pub key: &'a KeyArn,
    /// What our `Sid`s begin with.
    pub sid: &'a str,
}

/// What our `Sid`s begin with. Letters and digits, since IAM takes no others; neutral, since whoever may read the policy
/// reads it.
pub fn sid(prefix: &str, uid: &str) -> String {
    prefix.chars().chain(uid.chars()).filter(char::is_ascii_alphanumeric).collect()
}

/// One statement of ours, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// To the word.
    AsWritten,
    /// Somebody changed it: into this.
    Changed(String),
}

impl Ours<'_> {
    /// Both statements for an account, by their `Sid`s: to use the key, and to let AWS services use it.
    fn statements(&self, account: &AccountId) -> [(String, Json); 2] {
        let partition = self.key.as_str().split(':').nth(1).unwrap_or("aws");
        let principal = json!({"AWS": format!("arn:{partition}:iam::{account}:root")});
        let sids = ["A", "B"].map(|which| format!("{}{account}{which}", self.sid));
        let uses = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"];
        let uses = json!({"Sid": sids[0], "Effect": "Allow", "Principal": principal, "Action": uses, "Resource": "*"});
        let lets = json!({
            "Sid": sids[1], "Effect": "Allow", "Principal": principal,
            "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"], "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        });
        let [first, second] = sids;
        [(first, uses), (second, lets)]
    }

    /// The account that a `Sid` of ours is about.
    fn account(&self, sid: &str) -> Option<AccountId> {
        let rest = sid.strip_prefix(self.sid)?.strip_suffix(['A', 'B'])?;
        AccountId::parse(rest).ok()
    }

    /// How one statement was found, where it has a `Sid` of ours.
    fn judge(&self, statement: &Json) -> Option<(String, AccountId, Found)> {
        let sid = statement.get("Sid")?.as_str()?;
        let account = self.account(sid)?;
        let written = self.statements(&account).into_iter().find(|(known, _)| known == sid);
        let same = written.is_some_and(|(_, written)| plain(&written) == plain(statement));
        let found = if same { Found::AsWritten } else { Found::Changed(clipped(&plain(statement).to_string())) };
        Some((sid.to_owned(), account, found))
    }

    /// The account of a statement that stands, to the word, as other evidence writes it: under a `Sid` that ends in the uid
    /// of an object and the account.
    fn of_other_evidence(&self, statement: &Json) -> Option<AccountId> {
        let sid = statement.get("Sid")?.as_str().filter(|sid| sid.is_ascii())?;
        let head = sid.get(..sid.len().checked_sub(1 + ACCOUNT)?)?;
        let uid = head.get(head.len().checked_sub(UID)?..)?;
        let other = Ours { key: self.key, sid: head };
        let written = uid.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (_, account, found) = other.judge(statement).filter(|_| written)?;
        (found == Found::AsWritten).then_some(account)
    }

    /// The `Sid`s that stand where these accounts may use the key: the value of the attribute.
    pub fn value<'b>(&self, accounts: impl IntoIterator<Item = &'b AccountId>) -> Value {
        let sids = accounts.into_iter().flat_map(|account| self.statements(account)).map(|(sid, _)| sid);
        Value::Set(sids.collect())
    }
}

impl KeyPolicy {
    /// Bytes of it that count.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// What of ours stands in it, by `Sid`; none where it is not a policy.
    pub fn find(&self, ours: Ours<'_>) -> Option<BTreeMap<String, Found>> {
        let judged = self.statements()?.into_iter().filter_map(|(_, statement)| ours.judge(&statement));
        // A second one of the same name hides no change of the first.
        let mut all: BTreeMap<String, Found> = BTreeMap::new();
        for (sid, _, found) in judged {
            let known = all.entry(sid).or_insert_with(|| found.clone());
            if found != Found::AsWritten {
                *known = found;
            }
        }
        Some(all)
    }

    /// The digest of what others have in it; none where it is not a policy. What other evidence of ours has in it comes and
    /// goes as it is needed, and is nobody's change.
    pub fn others(&self, ours: Ours<'_>) -> Option<Digest> {
        self.others_but(ours, |_| true)
    }

    /// The same, where statements as of other evidence count as ours for these accounts alone: who writes one of them for
    /// another account hides nothing by it.
    pub fn others_but(&self, ours: Ours<'_>, known: impl Fn(&AccountId) -> bool) -> Option<Digest> {
        let mut whole: Json = serde_json::from_str(&self.0).ok()?;
        let all = self.statements()?.into_iter().map(|(_, statement)| statement);
        let theirs = |statement: &Json| {
            ours.judge(statement).is_none() && !ours.of_other_evidence(statement).is_some_and(|account| known(&account))
        };
        let others: Vec<Json> = all.filter(theirs).collect();
        whole.as_object_mut()?.insert("Statement".to_owned(), Json::Array(others));
        Some(digest_of(&plain(&whole)))
    }

    /// The same policy in which these accounts, and of ours no others, may use the key; none where it is not a policy. A
    /// statement of ours that somebody changed is put back where it is wished for, and else left to who did.
    #[must_use]
    pub fn with(&self, ours: Ours<'_>, accounts: &BTreeSet<AccountId>) -> Option<Self> {
        let mut policy = self.clone();
        let mut kept = BTreeSet::new();
        let mut place = 0;
        loop {
            let statements = policy.statements()?;
            let Some((_, statement)) = statements.get(place) else { break };
            let goes = ours.judge(statement).is_some_and(|(sid, account, found)| {
                let wanted = accounts.contains(&account);
                if found == Found::AsWritten { !wanted || !kept.insert(sid) } else { wanted }
            });
            if goes {
                policy = policy.without(place)?;
            } else {
                place += 1;
            }
        }
        for (sid, statement) in accounts.iter().flat_map(|account| ours.statements(account)) {
            if !kept.contains(&sid) {
                policy = policy.and(&statement.to_string())?;
            }
        }
        Some(policy)
    }

    /// The statements, each with its place in the text.
    fn statements(&self) -> Option<Vec<(Range<usize>, Json)>> {
        let read = |span: Range<usize>| Some((span.clone(), serde_json::from_str(self.0.get(span)?).ok()?));
        self.spans()?.1.into_iter().map(read).collect()
    }

    /// The place of all statements in the text, and of each of them.
    fn spans(&self) -> Option<(Range<usize>, Vec<Range<usize>>)> {
        // One member of a name, and no text behind it: what KMS reads in another way than we do is left alone.
        let whole: Json = serde_json::from_str(&self.0).ok()?;
        let members = members(&self.0)?;
        let names: BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let known = whole.as_object().is_some_and(|whole| whole.len() == members.len() && names.len() == whole.len());
        let (_, all) = members.iter().find(|(name, _)| known && name == "Statement")?;
        if self.0.as_bytes().get(all.start) == Some(&b'{') {
            return Some((all.clone(), vec![all.clone()]));
        }
        Some((all.clone(), elements(&self.0, all)?))
    }

    /// Without the statement of a place, and without the comma that it leaves.
    fn without(&self, place: usize) -> Option<Self> {
        let (_, each) = self.spans()?;
        let one = each.get(place)?;
        let gap = match (each.get(place + 1), place.checked_sub(1).and_then(|before| each.get(before))) {
            (Some(next), _) => one.start..next.start,
            (None, Some(before)) => before.end..one.end,
            (None, None) => one.clone(),
        };
        let (head, tail) = (self.0.get(..gap.start)?, self.0.get(gap.end..)?);
        Some(Self(format!("{head}{tail}")))
    }

    /// With one statement more, at the end.
    fn and(&self, statement: &str) -> Option<Self> {
        let (all, each) = self.spans()?;
        let Some(last) = each.last() else {
            let (head, tail) = (self.0.get(..=all.start)?, self.0.get(all.start + 1..)?);
            return Some(Self(format!("{head}{statement}{tail}")));
        };
        let (head, one, tail) = (self.0.get(..last.start)?, self.0.get(last.clone())?, self.0.get(last.end..)?);
        // A single statement may stand without a list.
        let (opens, closes) = if all == *last { ("[", "]") } else { ("", "") };
        Some(Self(format!("{head}{opens}{one},{statement}{closes}{tail}")))
    }
}

/// The value that begins at or behind a place.
fn value(text: &str, from: usize) -> Option<Range<usize>> {
    let mut values = serde_json::Deserializer::from_str(text.get(from..)?).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    let start = from + space(text.get(from..)?);
    Some(start..from + values.byte_offset())
}

fn space(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// Behind a sign of punctuation.
fn behind(text: &str, from: usize, sign: char) -> Option<usize> {
    let at = from + space(text.get(from..)?);
    text.get(at..)?.starts_with(sign).then_some(at + 1)
}

/// The members of the object that a text is: name, and place of the value.
fn members(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut at = behind(text, 0, '{')?;
    let mut all = Vec::new();
    while behind(text, at, '}').is_none() {
        let name = value(text, at)?;
        let value = value(text, behind(text, name.end, ':')?)?;
        at = behind(text, value.end, ',').unwrap_or(value.end);
        all.push((serde_json::from_str(text.get(name)?).ok()?, value));
    }
    Some(all)
}

/// The elements of a list at a place.
fn elements(text: &str, list: &Range<usize>) -> Option<Vec<Range<usize>>> {
    let mut at = behind(text, list.start, '[')?;
    let mut all = Vec::new();
    while behind(text, at, ']').is_none() {
        let value = value(text, at)?;
        at = behind(text, value.end, ',').unwrap_or(value.end);
        all.push(value);
    }
    Some(all)
}

/// The same for a comparison: lists of a policy have no order, a list of one is its member, and what is true may be
/// written as a word (IAM guide, grammar of policies).
fn plain(json: &Json) -> Json {
    match json {
        Json::Array(all) if all.len() == 1 => plain(&all[0]),
        Json::Array(all) => {
            let all: BTreeSet<String> = all.iter().map(|one| plain(one).to_string()).collect();
            json!(all)
        }
        Json::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Json::Bool(flag) => Json::String(flag.to_string()),
        other => other.clone(),
    }
}

fn clipped(text: &str) -> String {
    let mut end = text.len().min(WORDS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// What the chain says of the policy of a key that we wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// What others have in it, as we left it or last found it.
    pub others: Digest,
    /// What they have made of it since, as long as that is not worth a record of its own again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Drift>,
}

impl Record {
    /// A policy was written: so it stands.
    pub(super) fn wrote_key_policy(&mut self, Written { key, others }: &Written) {
        let changed = self.key_policies.remove(key).and_then(|kept| kept.changed);
        self.key_policies.insert(key.clone(), Kept { others: others.clone(), changed });
    }

    /// A grant is not there any more.
    pub(super) fn end_grant(&mut self, key: &KeyArn, grantee: &AccountId) {
        if let Some(grantees) = self.grants.get_mut(key) {
            grantees.remove(grantee);
        }
        self.grants.retain(|_, grantees| !grantees.is_empty());
    }

    /// Somebody changed what others have in it.
    pub(super) fn note_key_policy(&mut self, key: &KeyArn, found: &Digest, at: Time) {
        if let Some(kept) = self.key_policies.get_mut(key) {
            kept.others = found.clone();
            kept.changed.get_or_insert_with(|| Drift::new(at)).note(&Value::Text(found.to_string()), at);
        }
    }
}

#[cfg(test)]
#[path = "key_policy_tests.rs"]
mod tests;
