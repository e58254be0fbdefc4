//! A client of AWS small enough to see through: requests that look signed, sent once, never again.

use super::emulator::Credentials;
use super::http;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};

/// Speaks to the emulator or to a proxy before it.
#[derive(Clone)]
pub struct Aws {
    pub url: String,
    pub access_key: String,
    pub token: Option<String>,
    pub region: String,
}

/// What came back, or that nothing did.
pub type Answer = Result<(StatusCode, String), String>;

pub const REGION: &str = "eu-west-1";

impl Aws {
    pub fn new(url: impl Into<String>, credentials: &Credentials) -> Self {
        Self { url: url.into(), access_key: credentials.access_key_id.clone(), token: None, region: REGION.to_owned() }
    }

    pub async fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query("ec2", "2016-11-15", action, parameters).await
    }

    /// A call of the query protocol.
    pub async fn query(&self, service: &str, version: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("Action", action), ("Version", version)])
            .extend_pairs(parameters)
            .finish();
        let request = self.request("POST", "/", service).header("content-type", "application/x-www-form-urlencoded");
        send(request, body).await
    }

    /// A call of the JSON protocol; the target is such as `TrentService.ListKeys`.
    pub async fn json(&self, service: &str, target: &str, body: &str) -> Answer {
        let request = self.request("POST", "/", service).header("x-amz-target", target);
        send(request.header("content-type", "application/x-amz-json-1.1"), body.to_owned()).await
    }

    /// A call of a REST protocol.
    pub async fn rest(&self, service: &str, method: &str, path: &str, body: &str) -> Answer {
        send(self.request(method, path, service), body.to_owned()).await
    }

    fn request(&self, method: &str, path: &str, service: &str) -> hyper::http::request::Builder {
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={}/20270101/{}/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00",
            self.access_key, self.region
        );
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", signature)
            .header("x-amz-date", "20270101T000000Z")
            .header("user-agent", "bed-test/1 head#abc");
        match &self.token {
            Some(token) => request.header("x-amz-security-token", token),
            None => request,
        }
    }
}

async fn send(request: hyper::http::request::Builder, body: String) -> Answer {
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let (status, body) = http::send(request).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The body of a reply that must be a good one.
#[track_caller]
pub fn ok(answer: Answer) -> String {
    let (status, body) = answer.unwrap_or_else(|why| panic!("no reply: {why}"));
    assert!(status.is_success(), "{status}: {body}");
    body
}

/// Status and body of a reply that must not be a good one.
#[track_caller]
pub fn refused(answer: Answer) -> (u16, String) {
    let (status, body) = answer.unwrap_or_else(|why| panic!("no reply: {why}"));
    assert!(!status.is_success(), "{status}: {body}");
    (status.as_u16(), body)
}

/// What stands between the first such tags.
#[track_caller]
pub fn tag<'a>(xml: &'a str, name: &str) -> &'a str {
    tags(xml, name).into_iter().next().unwrap_or_else(|| panic!("no {name} in {xml}"))
}

/// What stands between each pair of such tags.
pub fn tags<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split_once(&close).map(|(value, _)| value)).collect()
}
