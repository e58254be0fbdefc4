//! Reads from an HTTP request what Kubernetes call it is: crash points lie at writes to the API server too.

use super::call::{Call, Protocol};
use super::parse::{self, form};
use hyper::Method;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

/// The call that a Kubernetes request makes; `operation` is verb and resource as RBAC names them.
pub fn call(parts: &Parts, body: &Bytes) -> Call {
    let mut parameters = form(parts.uri.query().unwrap_or_default().as_bytes());
    let words: Vec<_> = parts.uri.path().split('/').filter(|word| !word.is_empty()).collect();
    let rest = match words.as_slice() {
        ["api", _, rest @ ..] => rest,
        ["apis", group, _, rest @ ..] => {
            parameters.insert("group".into(), (*group).to_owned());
            rest
        }
        _ => &[],
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, resource, rest @ ..] if *resource != "status" && *resource != "finalize" => {
            (Some(*namespace), [&[*resource], rest].concat())
        }
        rest => (None, rest.to_vec()),
    };
    let watches = parameters.get("watch").is_some_and(|value| value == "true" || value == "1");
    let verb = match (&parts.method, rest.get(1)) {
        (&Method::GET | &Method::HEAD, _) if watches => "watch",
        (&Method::GET | &Method::HEAD, None) if !rest.is_empty() => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, None) => "deletecollection",
        (&Method::DELETE, _) => "delete",
        _ => "get",
    };
    let resource = match rest.as_slice() {
        [] => parts.uri.path().to_owned(),
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
        [resource, ..] => (*resource).to_owned(),
    };
    // What is created is named in the body alone.
    let body: Value = if verb == "create" { serde_json::from_slice(body).unwrap_or_default() } else { Value::Null };
    let name = rest.get(1).copied().or_else(|| body["metadata"]["name"].as_str());
    for (key, value) in [("namespace", namespace), ("name", name)] {
        if let Some(value) = value {
            parameters.insert(key.to_owned(), value.to_owned());
        }
    }
    let mutates = !matches!(verb, "get" | "list" | "watch") && !parameters.contains_key("dryRun");
    Call {
        service: "kubernetes".into(),
        mutates,
        ..parse::new(parts, Protocol::Kubernetes, String::new(), format!("{verb} {resource}"), parameters)
    }
}
