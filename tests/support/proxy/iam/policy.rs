//! A policy document: identity-based, as far as ours go. Anything else in one is a panic.

use super::asked::Ask;
use serde_json::{Map, Value};

/// One document.
#[derive(Debug)]
pub struct Policy(Vec<Statement>);

#[derive(Debug)]
struct Statement {
    sid: String,
    denies: bool,
    actions: Vec<String>,
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    set: Set,
    operator: Operator,
    key: String,
    values: Vec<String>,
}

/// How the values of a request count (IAM guide, multivalued context keys).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// There may be one at most.
    Single,
    /// Each of them; also where there is none.
    All,
    /// One of them.
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringLike,
    Null,
}

/// A statement that speaks of what is asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    pub sid: String,
    pub denies: bool,
}

impl Policy {
    pub fn parse(text: &str) -> Self {
        let document: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("a policy: {error}\n{text}"));
        let document = members(&document, &["Version", "Statement"]);
        assert_eq!(document.get("Version"), Some(&Value::from("2012-10-17")), "another policy language");
        Self(listed(document.get("Statement")).into_iter().map(Statement::parse).collect())
    }

    pub fn matches<'a>(&'a self, ask: &'a Ask) -> impl Iterator<Item = Match> + 'a {
        let of = self.0.iter().filter(|statement| statement.speaks_of(ask));
        of.map(|statement| Match { sid: statement.sid.clone(), denies: statement.denies })
    }
}

impl Statement {
    fn parse(value: &Value) -> Self {
        let members = members(value, &["Sid", "Effect", "Action", "Resource", "Condition"]);
        let denies = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => false,
            Some("Deny") => true,
            other => panic!("Effect {other:?}"),
        };
        let operators = members.get("Condition").and_then(Value::as_object).into_iter().flatten();
        let conditions = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().unwrap_or_else(|| panic!("{operator} of {keys}"));
            keys.iter().map(|(key, values)| Condition::parse(operator, key, values)).collect::<Vec<_>>()
        });
        let statement = Self {
            sid: members.get("Sid").and_then(Value::as_str).expect("each of ours has a Sid").to_owned(),
            denies,
            actions: texts(members.get("Action")),
            resources: texts(members.get("Resource")),
            conditions: conditions.collect(),
        };
        assert!(!statement.actions.is_empty() && !statement.resources.is_empty(), "{value}");
        statement
    }

    fn speaks_of(&self, ask: &Ask) -> bool {
        let action = ask.action.to_lowercase();
        self.actions.iter().any(|pattern| like(&pattern.to_lowercase(), &action))
            && self.resources.iter().any(|pattern| covers(pattern, &ask.resource))
            && self.conditions.iter().all(|condition| condition.holds(ask))
    }
}

impl Condition {
    fn parse(operator: &str, key: &str, values: &Value) -> Self {
        let (set, plain) = match operator.split_once(':') {
            Some(("ForAllValues", plain)) => (Set::All, plain),
            Some(("ForAnyValue", plain)) => (Set::Any, plain),
            Some(_) => panic!("condition operator {operator}"),
            None => (Set::Single, operator),
        };
        let operator = match plain {
            "StringEquals" | "Bool" => Operator::StringEquals,
            "StringLike" => Operator::StringLike,
            "Null" if set == Set::Single => Operator::Null,
            _ => panic!("condition operator {operator}"),
        };
        let values = texts(Some(values));
        assert!(!values.is_empty() && values.iter().all(|value| !value.contains('$')), "{key}: {values:?}");
        assert!(operator != Operator::Null || values == ["true"] || values == ["false"], "{key}: {values:?}");
        Self { set, operator, key: key.to_lowercase(), values }
    }

    /// Names of keys are compared without case, values with it (IAM guide, condition element).
    fn holds(&self, ask: &Ask) -> bool {
        let found = ask.keys.iter().find(|(key, _)| key.to_lowercase() == self.key).map(|(_, values)| values);
        let none = Vec::new();
        let given = found.unwrap_or(&none);
        let one = |value: &String| match self.operator {
            Operator::StringEquals => self.values.contains(value),
            Operator::StringLike => self.values.iter().any(|pattern| like(pattern, value)),
            Operator::Null => unreachable!("asks for no value"),
        };
        match (self.operator, self.set) {
            (Operator::Null, _) => (self.values == ["true"]) == given.is_empty(),
            (_, Set::All) => given.iter().all(one),
            (_, Set::Any) => given.iter().any(one),
            (_, Set::Single) => {
                assert!(given.len() < 2, "{} has several values, and is compared as if it had one", self.key);
                given.first().is_some_and(one)
            }
        }
    }
}

/// A member that is not known is not passed over.
fn members<'a>(value: &'a Value, known: &[&str]) -> &'a Map<String, Value> {
    let members = value.as_object().unwrap_or_else(|| panic!("not an object: {value}"));
    let unknown: Vec<_> = members.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "not understood in a policy: {unknown:?}");
    members
}

fn listed(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(all)) => all.iter().collect(),
        other => other.into_iter().collect(),
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    listed(value)
        .into_iter()
        .map(|text| text.as_str().unwrap_or_else(|| panic!("no text: {text}")).to_owned())
        .collect()
}

/// Segment by segment: a pattern in one does not reach into the next (IAM guide, ARNs with wildcards).
fn covers(pattern: &str, resource: &str) -> bool {
    if pattern == "*" || resource == "*" {
        return pattern == "*";
    }
    let segments = |arn: &str| arn.splitn(6, ':').map(ToOwned::to_owned).collect::<Vec<_>>();
    let (patterns, parts) = (segments(pattern), segments(resource));
    patterns.len() == 6 && parts.len() == 6 && patterns.iter().zip(&parts).all(|(pattern, part)| like(pattern, part))
}

/// `*` is any text, `?` any character.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| like(&pattern[1..], &text[at..]))
        }
        Some(wanted) => text.chars().next().is_some_and(|found| {
            (wanted == '?' || wanted == found) && like(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..])
        }),
    }
}
