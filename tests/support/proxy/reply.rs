//! A whole reply, and each protocol's way to say that something went wrong.

use super::call::{Call, Protocol};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// A reply, buffered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// With another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With every occurrence of a text replaced. A rewrite that changes nothing would prove nothing.
    #[must_use]
    pub fn replace(self, from: &str, to: &str) -> Self {
        let text = self.text();
        assert!(text.contains(from), "nothing to rewrite: no {from:?} in {text}");
        self.with_body(text.replace(from, to))
    }

    /// The error code, where it is an error.
    pub fn code(&self) -> Option<String> {
        if self.status.is_success() {
            return None;
        }
        let text = self.text();
        let in_xml =
            || text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
        let json: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let in_json = || ["__type", "code", "Code", "reason"].iter().find_map(|name| json[name].as_str());
        let in_header = || self.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let code = in_xml().or_else(in_json).or_else(in_header)?;
        // Some send `namespace#Code` or `Code:link`.
        let code = code.rsplit('#').next().unwrap_or(code);
        Some(code.split(':').next().unwrap_or(code).to_owned())
    }

    /// An error as the call's service would send it.
    pub fn error(call: &Call, status: u16, code: &str, message: &str) -> Self {
        let id = request_id(call);
        let (code_text, message_text) = (xml(code), xml(message));
        let (content_type, body) = match call.protocol {
            Protocol::Ec2 => (
                "text/xml;charset=UTF-8",
                format!(
                    r#"<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>{code_text}</Code><Message>{message_text}</Message></Error></Errors><RequestID>{id}</RequestID></Response>"#
                ),
            ),
            Protocol::Query => {
                let kind = if status < 500 { "Sender" } else { "Receiver" };
                (
                    "text/xml",
                    format!(
                        "<ErrorResponse><Error><Type>{kind}</Type><Code>{code_text}</Code>\
                         <Message>{message_text}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>"
                    ),
                )
            }
            Protocol::S3 => (
                "application/xml",
                format!(
                    r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code_text}</Code><Message>{message_text}</Message><RequestId>{id}</RequestId><HostId>bed</HostId></Error>"#
                ),
            ),
            Protocol::Json => ("application/x-amz-json-1.1", json!({"__type": code, "message": message}).to_string()),
            Protocol::RestJson => ("application/json", json!({"message": message}).to_string()),
            Protocol::Kubernetes => (
                "application/json",
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                    "message": message, "reason": code, "code": status})
                .to_string(),
            ),
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert("x-amzn-requestid", HeaderValue::from_str(&id).expect("plain"));
        if call.protocol == Protocol::RestJson {
            headers.insert("x-amzn-errortype", HeaderValue::from_str(code).expect("a code is plain"));
        }
        Self { status: StatusCode::from_u16(status).expect("an HTTP status"), headers, body: body.into() }
    }

    /// The service asks to slow down.
    pub fn throttle(call: &Call) -> Self {
        let (status, code, message) = match (call.protocol, call.service.as_str()) {
            (Protocol::Ec2, _) => (503, "RequestLimitExceeded", "Request limit exceeded."),
            (Protocol::Query, _) => (400, "Throttling", "Rate exceeded"),
            (Protocol::S3, _) => (503, "SlowDown", "Please reduce your request rate."),
            (Protocol::RestJson, "ebs") => (400, "RequestThrottledException", "Rate exceeded"),
            (Protocol::Json | Protocol::RestJson, _) => (400, "ThrottlingException", "Rate exceeded"),
            (Protocol::Kubernetes, _) => (429, "TooManyRequests", "the server has asked to slow down"),
        };
        Self::error(call, status, code, message)
    }

    /// The principal lacks the permission for the call itself.
    pub fn unauthorized(call: &Call) -> Self {
        Self::denied(call, &format!("{}:{}", call.service, call.operation))
    }

    /// The principal lacks a permission; the message names the action as IAM does.
    pub fn denied(call: &Call, action: &str) -> Self {
        let user = call.principal.arn();
        let because = format!("because no identity-based policy allows the {action} action");
        match call.protocol {
            Protocol::Ec2 => {
                let message = format!(
                    "You are not authorized to perform this operation. \
                     User: {user} is not authorized to perform: {action} {because}"
                );
                Self::error(call, 403, "UnauthorizedOperation", &message)
            }
            Protocol::Json => {
                let message = format!("User: {user} is not authorized to perform: {action} {because}");
                Self::error(call, 400, "AccessDeniedException", &message)
            }
            Protocol::RestJson => {
                let message = format!("User: {user} is not authorized to perform: {action}");
                Self::error(call, 403, "AccessDeniedException", &message)
            }
            Protocol::Query => {
                let on = call.parameter("RoleArn").map(|role| format!(" on resource: {role}")).unwrap_or_default();
                let message = format!("User: {user} is not authorized to perform: {action}{on} {because}");
                Self::error(call, 403, "AccessDenied", &message)
            }
            Protocol::S3 => Self::error(call, 403, "AccessDenied", "Access Denied"),
            Protocol::Kubernetes => Self::error(call, 403, "Forbidden", &format!("cannot {}", call.operation)),
        }
    }
}

fn request_id(call: &Call) -> String {
    format!("00000000-0000-4000-8000-{:012}", call.sequence)
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
