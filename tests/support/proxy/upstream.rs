//! What stands behind the proxy.

use super::super::aws;
use super::call::Call;
use super::iam::{Tags, Verdict, tagged};
use super::principals::Principals;
use super::reply::Reply;
use super::{kubernetes, parse};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use std::collections::BTreeMap;

pub type Error = std::io::Error;
pub type Body = UnsyncBoxBody<Bytes, Error>;

/// A server, and how the calls to it are read.
#[allow(clippy::large_enum_variant, reason = "there is one for each proxy")]
pub enum Upstream {
    Aws { url: String, client: Client<HttpConnector, Full<Bytes>>, principals: Principals },
    Kubernetes(kube::Client),
}

impl Upstream {
    pub fn call(&self, parts: &Parts, body: &Bytes) -> Call {
        match self {
            Self::Aws { principals, .. } => parse::aws(parts, body, principals),
            Self::Kubernetes(_) => kubernetes::call(parts, body),
        }
    }

    /// Forwards a request. The signature covers the Host header and is sent along, though nobody checks it.
    pub async fn send(&self, parts: &Parts, body: &Bytes) -> Result<Response<Body>, Error> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers.clone();
        remove_hop_by_hop(&mut headers);
        let response = match self {
            Self::Aws { url, client, .. } => {
                let mut request = Request::new(Full::new(body.clone()));
                *request.uri_mut() = format!("{url}{path}").parse().map_err(Error::other)?;
                *request.method_mut() = parts.method.clone();
                *request.headers_mut() = headers;
                client
                    .request(request)
                    .await
                    .map_err(Error::other)?
                    .map(|body| body.map_err(Error::other).boxed_unsync())
            }
            Self::Kubernetes(client) => {
                headers.remove(HOST);
                let mut request = Request::new(kube::client::Body::from(body.clone()));
                *request.uri_mut() = path.parse().map_err(Error::other)?;
                *request.method_mut() = parts.method.clone();
                *request.headers_mut() = headers;
                client.send(request).await.map_err(Error::other)?.map(|body| body.map_err(Error::other).boxed_unsync())
            }
        };
        let (mut head, body) = response.into_parts();
        // The answer to HEAD has a length and no body; for others it is set anew.
        let length = head.headers.get(CONTENT_LENGTH).cloned();
        remove_hop_by_hop(&mut head.headers);
        if let (&hyper::Method::HEAD, Some(length)) = (&parts.method, length) {
            head.headers.insert(CONTENT_LENGTH, length);
        }
        Ok(Response::from_parts(head, body))
    }

    /// Judges a call where its role has policies. The error is what the upstream answered instead of tags.
    pub async fn judge(&self, call: &Call, parts: &Parts) -> Result<Option<Verdict>, Reply> {
        let Self::Aws { principals, .. } = self else { return Ok(None) };
        let Some(judge) = principals.roles.of(call) else { return Ok(None) };
        let mut tags = Tags::new();
        for id in tagged(call) {
            let found = self.tags_of(parts, &id).await?;
            tags.insert(id, found);
        }
        Ok(Some(judge.verdict(call, &tags)))
    }

    /// As the caller would see them: nobody checks the signature, and the keys say which account.
    async fn tags_of(&self, parts: &Parts, id: &str) -> Result<BTreeMap<String, String>, Reply> {
        let mut asking = Request::new(()).into_parts().0;
        asking.method = hyper::Method::POST;
        for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
            if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
                // Tags are EC2's to tell, whatever service is called.
                let value = value.replace("/ebs/aws4_request", "/ec2/aws4_request");
                asking.headers.insert(name, HeaderValue::try_from(value).expect("a header"));
            }
        }
        asking.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("Action", "DescribeTags"), ("Version", "2016-11-15")])
            .extend_pairs([("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", id)])
            .finish();
        let answer = self.send(&asking, &body.into()).await.expect("an upstream");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole answer").to_bytes();
        let reply = Reply { status: head.status, headers: head.headers, body };
        if !reply.status.is_success() {
            return Err(reply);
        }
        let xml = reply.text();
        let items = aws::tags(&xml, "item").into_iter();
        Ok(items.map(|item| (aws::tag(item, "key").to_owned(), aws::tag(item, "value").to_owned())).collect())
    }

    /// Learns what a reply tells about principals.
    pub fn learn(&self, call: &Call, reply: &str) {
        let Self::Aws { principals, .. } = self else { return };
        if let (true, Some(role), Some(session)) =
            (call.operation.starts_with("AssumeRole"), call.parameter("RoleArn"), call.parameter("RoleSessionName"))
        {
            principals.learn_assumed(role, session, reply);
        }
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}
