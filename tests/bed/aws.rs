//! Clients of the emulator: one small enough to see through, and boto3 as the judge of what a real SDK makes of it.

use crate::support::bed::Bed;
use crate::support::emulator::Credentials;
use crate::support::http;
use crate::support::proxy::Proxy;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use std::process::Command;

/// Sends requests that look signed, once, and never again.
#[derive(Clone)]
pub struct Aws {
    pub url: String,
    pub access_key: String,
    pub token: Option<String>,
}

/// What came back, or that nothing did.
pub type Answer = Result<(StatusCode, String), String>;

pub const REGION: &str = "eu-west-1";

impl Aws {
    pub fn new(url: impl Into<String>, credentials: &Credentials) -> Self {
        Self { url: url.into(), access_key: credentials.access_key_id.clone(), token: None }
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
    pub async fn rest(&self, service: &str, method: &str, path: &str) -> Answer {
        send(self.request(method, path, service), String::new()).await
    }

    pub async fn new_volume(&self) -> String {
        let answer = self.ec2("CreateVolume", &[("AvailabilityZone", "eu-west-1a"), ("Size", "1")]).await;
        tag(&ok(answer), "volumeId").to_owned()
    }

    pub async fn snapshot(&self, volume: &str) -> Answer {
        self.ec2("CreateSnapshot", &[("VolumeId", volume)]).await
    }

    pub async fn describe_snapshots(&self, volume: &str) -> Answer {
        self.ec2("DescribeSnapshots", &[("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volume)]).await
    }

    /// How many snapshots of a volume there are.
    pub async fn count_snapshots(&self, volume: &str) -> usize {
        ok(self.describe_snapshots(volume).await).matches("<snapshotId>").count()
    }

    fn request(&self, method: &str, path: &str, service: &str) -> hyper::http::request::Builder {
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={}/20270101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00",
            self.access_key
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
pub fn ok(answer: Answer) -> String {
    let (status, body) = answer.unwrap_or_else(|why| panic!("no reply: {why}"));
    assert!(status.is_success(), "{status}: {body}");
    body
}

/// Status and body of a reply that must not be a good one.
pub fn refused(answer: Answer) -> (u16, String) {
    let (status, body) = answer.unwrap_or_else(|why| panic!("no reply: {why}"));
    assert!(!status.is_success(), "{status}: {body}");
    (status.as_u16(), body)
}

/// What stands between the first such tags.
pub fn tag<'a>(xml: &'a str, name: &str) -> &'a str {
    let found = xml.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    found.unwrap_or_else(|| panic!("no {name} in {xml}")).0
}

/// What most tests here begin with.
pub struct Scene {
    pub bed: &'static Bed,
    pub proxy: Proxy,
    pub credentials: Credentials,
    /// Speaks to the proxy.
    pub through: Aws,
    /// Speaks to the emulator: what is really there.
    pub behind: Aws,
}

impl Scene {
    pub async fn new() -> Self {
        let bed = Bed::shared().await;
        let (proxy, credentials) = (bed.proxy(), bed.account().await);
        let through = Aws::new(proxy.url(), &credentials);
        let behind = Aws::new(bed.emulator.url(), &credentials);
        Self { bed, proxy, credentials, through, behind }
    }

    /// Python that makes boto3 clients which speak to the proxy and try once.
    pub fn boto(&self, script: &str) -> String {
        format!(
            r#"
import boto3, botocore.config, botocore.exceptions
def client(service, attempts=1):
    return boto3.client(service, region_name="{REGION}", endpoint_url="{url}",
        aws_access_key_id="{key}", aws_secret_access_key="{secret}",
        config=botocore.config.Config(retries={{"total_max_attempts": attempts, "mode": "standard"}}, read_timeout=60))
{script}"#,
            url = self.proxy.url(),
            key = self.credentials.access_key_id,
            secret = self.credentials.secret_access_key,
        )
    }

    /// Runs such a script and gives what it printed.
    pub async fn run_boto(&self, script: &str) -> String {
        let mut command = Command::new(self.bed.emulator.python());
        command.args(["-c", &self.boto(script)]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("wait for Python");
        let output = output.expect("run Python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
