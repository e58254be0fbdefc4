//! The inline policy by which sessions of a role are denied what the role allows: one for all hosts of the role that are
//! held, by whichever Quarantine of whichever controller.
//!
//! IAM knows no conditional write, so that who writes reads before, changes the one host that it is about, and looks again
//! later. A document that is not word for word of this form is somebody else's: it is never written.
//!
//! A deny holds for sessions that exist (IAM guide, disabling permissions for temporary credentials). `aws:userid` of a
//! session of an instance is `<id of the role>:<id of the instance>` (IAM guide, policy variables, principal key values);
//! `aws:TokenIssueTime` says when a session was issued (IAM guide, revoke role sessions).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Time;
use super::attribute::Value;
use super::project::whole_seconds;
use crate::api::ids::{InstanceId, RoleName};

/// Characters that all inline policies of a role may have together, white space left out (IAM guide, quotas).
pub const CHARACTERS: usize = 10_240;

/// What the SSM agent calls to take commands and to say how they ended (Systems Manager guide, instance permissions; the
/// managed policy `AmazonSSMManagedInstanceCore`). Parameters are not among it: they hold secrets.
const AGENT: [&str; 9] = [
    "ec2messages:*",
    "ssm:DescribeAssociation",
    "ssm:DescribeDocument",
    "ssm:GetDocument",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:*",
];

/// Statements by their ids. Neutral, as names are that can be read from inside the instance.
const BUT_AGENT: &str = "A";
const ALL: &str = "B";
const BEFORE: &str = "C";

/// An inline policy, by its role and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InlinePolicy {
    /// The role.
    pub role: RoleName,
    /// Its name among the policies of the role.
    pub name: String,
}

impl fmt::Display for InlinePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.role, self.name)
    }
}

/// Name of our policy.
pub fn policy_name(prefix: &str) -> String {
    format!("{prefix}-c")
}

/// What the sessions of one instance are denied. The order is that of how much it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Nothing.
    #[default]
    Nothing,
    /// All but what the SSM agent needs to capture memory.
    AllButAgent,
    /// All.
    All,
}

/// What is denied for one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// To its own sessions.
    pub scope: Scope,
    /// To all sessions of the role that were issued before this time: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<Time>,
}

impl Denied {
    /// As the value of an attribute.
    pub fn as_value(self) -> Value {
        let scope = match self.scope {
            Scope::Nothing => "nothing",
            Scope::AllButAgent => "allButAgent",
            Scope::All => "all",
        };
        let before = self.issued_before.map(|time| format!(", and all of the role before {time}")).unwrap_or_default();
        Value::Text(format!("{scope}{before}"))
    }

    /// What such a value says.
    pub fn of_value(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        let (scope, before) = match text.split_once(", and all of the role before ") {
            Some((scope, time)) => (scope, Some(time.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let scope = match scope {
            "nothing" => Scope::Nothing,
            "allButAgent" => Scope::AllButAgent,
            "all" => Scope::All,
            _ => return None,
        };
        Some(Self { scope, issued_before: before })
    }
}

/// The first time at which a session that is issued is no older one. IAM compares whole seconds.
pub fn cut_off(now: Time) -> Time {
    Time::from_second(now.as_second() + 1).unwrap_or_else(|_| whole_seconds(now))
}

/// The document: every host that it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RolePolicy {
    hosts: BTreeMap<InstanceId, Denied>,
}

impl RolePolicy {
    /// What is denied for an instance.
    pub fn of(&self, instance: &InstanceId) -> Denied {
        self.hosts.get(instance).copied().unwrap_or_default()
    }

    /// The same with another word about one instance, and about no other.
    #[must_use]
    pub fn with(&self, instance: &InstanceId, denied: Denied) -> Self {
        let mut hosts = self.hosts.clone();
        hosts.remove(instance);
        if denied != Denied::default() {
            hosts.insert(instance.clone(), denied);
        }
        Self { hosts }
    }

    /// Whether it denies nothing to anybody: IAM takes no policy without a statement.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// How many hosts it is about.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// As IAM takes it, without white space.
    pub fn document(&self, role_id: &str) -> String {
        self.json(role_id).to_string()
    }

    /// Characters of it that count.
    pub fn characters(&self, role_id: &str) -> usize {
        if self.is_empty() { 0 } else { counted(&self.document(role_id)) }
    }

    fn json(&self, role_id: &str) -> Json {
        let users = |scope: Scope| -> Vec<String> {
            let of = self.hosts.iter().filter(|(_, denied)| denied.scope == scope);
            of.map(|(instance, _)| format!("{role_id}:{instance}")).collect()
        };
        let mut statements = Vec::new();
        for (sid, scope, what, actions) in
            [(BUT_AGENT, Scope::AllButAgent, "NotAction", json!(AGENT)), (ALL, Scope::All, "Action", json!("*"))]
        {
            let users = users(scope);
            if !users.is_empty() {
                let condition = json!({"StringEquals": {"aws:userid": users}});
                statements.push(statement(sid, what, &actions, &condition));
            }
        }
        for (instance, time) in
            self.hosts.iter().filter_map(|(instance, denied)| Some((instance, denied.issued_before?)))
        {
            let sid = format!("{BEFORE}{}", instance.as_str().trim_start_matches("i-"));
            let condition = json!({"DateLessThan": {"aws:TokenIssueTime": time.to_string()}});
            statements.push(statement(&sid, "Action", &json!("*"), &condition));
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    /// Reads a document. None where it is not of this form to the word, whatever the order of its members.
    pub fn parse(document: &str, role_id: &str) -> Option<Self> {
        let given: Json = serde_json::from_str(document).ok()?;
        let mut hosts: BTreeMap<InstanceId, Denied> = BTreeMap::new();
        for statement in given.get("Statement")?.as_array()? {
            let condition = statement.get("Condition")?;
            let sid = statement.get("Sid")?.as_str()?;
            let scope = match sid {
                BUT_AGENT => Scope::AllButAgent,
                ALL => Scope::All,
                _ => {
                    let instance = InstanceId::parse(&format!("i-{}", sid.strip_prefix(BEFORE)?)).ok()?;
                    let time = condition.get("DateLessThan")?.get("aws:TokenIssueTime")?.as_str()?.parse().ok()?;
                    hosts.entry(instance).or_default().issued_before = Some(time);
                    continue;
                }
            };
            for user in condition.get("StringEquals")?.get("aws:userid")?.as_array()? {
                let (role, instance) = user.as_str()?.split_once(':')?;
                let instance = InstanceId::parse(instance).ok().filter(|_| role == role_id)?;
                hosts.entry(instance).or_default().scope = scope;
            }
        }
        let policy = Self { hosts };
        (sorted(&given) == sorted(&policy.json(role_id)) && !policy.is_empty()).then_some(policy)
    }
}

fn statement(sid: &str, what: &str, actions: &Json, condition: &Json) -> Json {
    json!({"Sid": sid, "Effect": "Deny", what: actions, "Resource": "*", "Condition": condition})
}

/// Characters of a policy that IAM counts.
pub fn counted(document: &str) -> usize {
    document.chars().filter(|character| !character.is_whitespace()).count()
}

/// The same for a comparison: lists of a policy have no order.
fn sorted(json: &Json) -> Json {
    match json {
        Json::Array(all) => {
            let all: BTreeSet<String> = all.iter().map(|one| sorted(one).to_string()).collect();
            json!(all)
        }
        Json::Object(members) => members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "role_policy_tests.rs"]
mod tests;
