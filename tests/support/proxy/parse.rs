//! Reads from an HTTP request what AWS call it is.

use super::call::{Call, Outcome, Protocol};
use super::principals::Principals;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Instant, SystemTime};

/// Actions that begin so change nothing. `AssumeRole` gives out keys and leaves the account as it is.
const READS: [&str; 5] = ["Describe", "Get", "List", "Head", "AssumeRole"];

/// The call that an AWS request makes.
pub fn aws(parts: &Parts, body: &Bytes, principals: &Principals) -> Call {
    let mut parameters = form(parts.uri.query().unwrap_or_default().as_bytes());
    let (access_key, region, service) = scope(parts, &parameters);
    let target = header(parts, "x-amz-target");
    let content_type = header(parts, "content-type");
    let (protocol, operation) = if !target.is_empty() {
        flatten("", &serde_json::from_slice(body).unwrap_or(Value::Null), &mut parameters);
        (Protocol::Json, target.rsplit('.').next().unwrap_or_default().to_owned())
    } else if content_type.starts_with("application/x-www-form-urlencoded") || parameters.contains_key("Action") {
        parameters.extend(form(body));
        let protocol = if service == "ec2" { Protocol::Ec2 } else { Protocol::Query };
        (protocol, parameters.get("Action").cloned().unwrap_or_default())
    } else {
        if content_type.starts_with("application/json") {
            flatten("", &serde_json::from_slice(body).unwrap_or(Value::Null), &mut parameters);
        }
        let protocol = if service == "s3" { Protocol::S3 } else { Protocol::RestJson };
        (protocol, format!("{} {}", parts.method, parts.uri.path()))
    };
    let reads = match protocol {
        Protocol::S3 | Protocol::RestJson => parts.method.is_safe(),
        _ => READS.iter().any(|prefix| operation.starts_with(prefix)),
    };
    let dry_run = parameters.get("DryRun").is_some_and(|value| value == "true");
    Call {
        service: if service.is_empty() && protocol == Protocol::Query { "sts".into() } else { service },
        principal: principals.of(&access_key),
        mutates: !reads && !dry_run,
        ..new(parts, protocol, region, operation, parameters)
    }
}

/// A call that has just arrived.
pub fn new(
    parts: &Parts,
    protocol: Protocol,
    region: String,
    operation: String,
    parameters: BTreeMap<String, String>,
) -> Call {
    Call {
        sequence: 0,
        started: Instant::now(),
        ended: None,
        at: SystemTime::now(),
        protocol,
        principal: super::Principal::default(),
        region,
        service: String::new(),
        operation,
        parameters,
        user_agent: header(parts, "user-agent").to_owned(),
        mutates: false,
        applied: None,
        outcome: Outcome::InFlight,
        permissions: BTreeSet::new(),
        faults: Vec::new(),
        delivered: true,
    }
}

pub fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub fn form(bytes: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// Access key, Region and service of the signature's credential scope, in the header or, when presigned, in the query.
fn scope(parts: &Parts, query: &BTreeMap<String, String>) -> (String, String, String) {
    let signed = header(parts, "authorization").split_once("Credential=").map(|(_, rest)| rest);
    let scope = signed.or(query.get("X-Amz-Credential").map(String::as_str)).unwrap_or_default();
    let mut words = scope.split(',').next().unwrap_or_default().split('/').map(str::to_owned);
    let access_key = words.next().unwrap_or_default();
    let mut words = words.skip(1);
    (access_key, words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let inner = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| flatten(&inner(key), value, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| flatten(&inner(&(index + 1).to_string()), item, into));
        }
        Value::Null => {}
        Value::String(text) => drop(into.insert(name.to_owned(), text.clone())),
        other => drop(into.insert(name.to_owned(), other.to_string())),
    }
}
