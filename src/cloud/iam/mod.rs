//! The IAM policies of the roles that the controller assumes: the source of `docs/iam/`, and of `sequester policy`.
//!
//! Which actions there are, effects and reads say ([`Effect::iam_actions`](crate::playbook::effect::Effect::iam_actions),
//! [`READ_ACTIONS`]). [`STATEMENTS`] says on what and on which condition each is allowed, and why. Tests hold the two
//! equal.

mod page;
mod reads;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{READ_ACTIONS, operation_tag};
use crate::api::aws_account::{AwsAccountSpec, Partition};
use crate::api::ids::AccountId;
pub use page::page;
pub use reads::{NARROW, READERS};
use statements::POLICIES_OF_KEYS;
pub use statements::STATEMENTS;

/// Characters that a managed policy may have, white space not counted (IAM guide, IAM and AWS STS quotas).
pub const LIMIT: usize = 6144;

/// What another account needs of a key to copy a snapshot under one of its own (EBS guide, sharing the KMS key).
pub const GRANT_OPERATIONS: &[&str] =
    &["DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKeyWithoutPlaintext"];

/// What an account is to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "aws", derive(clap::ValueEnum))]
pub enum Role {
    /// The account of the hosts: they are contained there, and their evidence is taken.
    Responder,
    /// The account that evidence goes to.
    Forensics,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Responder, Self::Forensics];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Responder => "responder",
            Self::Forensics => "forensics",
        }
    }
}

/// Condition operator, condition key, and values; as in a policy, with the placeholders of [`Names`].
pub type Condition = (&'static str, &'static str, &'static [&'static str]);

/// Changes that are allowed alike, and why so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its `Sid`.
    pub sid: &'static str,
    /// Who may.
    pub roles: &'static [Role],
    /// What.
    pub actions: &'static [&'static str],
    /// On what: ARNs, with the placeholders of [`Names`].
    pub on: &'static [&'static str],
    /// Only so.
    pub when: &'static [Condition],
    /// For a person who reviews it.
    pub why: &'static str,
    /// Page of AWS that says what can be bound so.
    pub page: &'static str,
}

/// Reads that AWS lets be bound to a kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrow {
    /// Its `Sid`.
    pub sid: &'static str,
    /// What.
    pub actions: &'static [&'static str],
    /// On what.
    pub on: &'static [&'static str],
    /// Only so.
    pub when: &'static [Condition],
}

/// What stands for the placeholders: `{partition}`, `{account}`, `{operation}`, `{destination}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Partition of the account.
    pub partition: Partition,
    /// The account.
    pub account: AccountId,
    /// `naming.tagPrefix`.
    pub tag_prefix: String,
    /// Accounts that evidence may be shared with. Without any, what is for sharing is left out.
    pub destinations: Vec<AccountId>,
}

impl Names {
    /// Those of an `AwsAccount`; who its destinations are, their own `AwsAccount`s say.
    #[must_use]
    pub fn of(account: &AwsAccountSpec, destinations: Vec<AccountId>) -> Self {
        Self {
            partition: account.partition,
            account: account.account_id.clone(),
            tag_prefix: account.naming.tag_prefix.clone(),
            destinations,
        }
    }

    fn fill(&self, text: &str) -> Vec<String> {
        let text = text
            .replace("{partition}", self.partition.as_str())
            .replace("{account}", self.account.as_str())
            .replace("{operation}", &operation_tag(&self.tag_prefix));
        if !text.contains("{destination}") {
            return vec![text];
        }
        self.destinations.iter().map(|destination| text.replace("{destination}", destination.as_str())).collect()
    }

    /// None where it speaks of destinations, and there are none.
    fn fill_all(&self, texts: &[&str]) -> Option<Vec<String>> {
        let filled: Vec<String> = texts.iter().flat_map(|text| self.fill(text)).collect();
        (!filled.is_empty()).then_some(filled)
    }
}

/// A policy, as IAM reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Allowed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Allowed {
    sid: &'static str,
    effect: &'static str,
    action: Vec<String>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Policy {
    /// What a role needs, and nothing else: in as many policies as IAM's limit makes of it, mostly one.
    #[must_use]
    pub fn of(role: Role, names: &Names) -> Vec<Self> {
        let reads = looks(role).into_iter();
        let reads = reads.filter_map(|(sid, actions, on, when)| allowed(names, sid, &actions, on, when));
        let alone = names.destinations.is_empty();
        let changes = STATEMENTS.iter().filter(|statement| statement.roles.contains(&role));
        let changes = changes.filter(|statement| !(alone && statement.sid == POLICIES_OF_KEYS));
        let changes = changes.filter_map(|s| allowed(names, s.sid, s.actions, s.on, s.when));
        let mut all = vec![Self { version: "2012-10-17", statement: Vec::new() }];
        for statement in reads.chain(changes) {
            let Some(last) = all.last_mut() else { break };
            last.statement.push(statement);
            if last.size() >= LIMIT
                && last.statement.len() > 1
                && let Some(statement) = last.statement.pop()
            {
                all.push(Self { version: "2012-10-17", statement: vec![statement] });
            }
        }
        all
    }

    /// Name of the file of the n-th of a role, from 0.
    #[must_use]
    pub fn file(role: Role, n: usize) -> String {
        if n == 0 { format!("{}.json", role.name()) } else { format!("{}-{}.json", role.name(), n + 1) }
    }

    /// As a file.
    ///
    /// # Errors
    /// None that can occur with these types.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Characters that IAM counts.
    #[must_use]
    pub fn size(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |text| text.split_whitespace().map(str::len).sum())
    }
}

fn allowed(names: &Names, sid: &'static str, actions: &[&str], on: &[&str], when: &[Condition]) -> Option<Allowed> {
    let mut condition: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (operator, key, values) in when {
        let key = names.fill(key).concat();
        condition.entry((*operator).to_owned()).or_default().insert(key, names.fill_all(values)?);
    }
    let action = actions.iter().map(ToString::to_string).collect();
    Some(Allowed { sid, effect: "Allow", action, resource: names.fill_all(on)?, condition })
}

/// A statement of reads.
type Look = (&'static str, Vec<&'static str>, &'static [&'static str], &'static [Condition]);

/// Statements of the reads: what can be bound to a kind of resource, and the rest.
fn looks(role: Role) -> Vec<Look> {
    let of_role = |reader: &&str| READERS.iter().any(|(name, roles)| *name == *reader && roles.contains(&role));
    let asked = READ_ACTIONS.iter().filter(|(reader, _)| of_role(reader)).flat_map(|(_, actions)| *actions);
    let mut rest: BTreeSet<&'static str> = asked.copied().collect();
    let mut all = Vec::new();
    for narrow in NARROW {
        let actions: Vec<_> = narrow.actions.iter().copied().filter(|action| rest.remove(action)).collect();
        if !actions.is_empty() {
            all.push((narrow.sid, actions, narrow.on, narrow.when));
        }
    }
    if !rest.is_empty() {
        all.insert(0, ("Look", rest.into_iter().collect(), ["*"].as_slice(), [].as_slice()));
    }
    all
}

#[cfg(test)]
#[path = "iam_tests.rs"]
mod tests;
