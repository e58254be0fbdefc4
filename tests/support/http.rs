//! One plain HTTP request to a server on the loopback interface.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Sends it and reads the whole reply. No connection is kept: each test has a runtime of its own.
pub async fn send(request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let what = format!("{} {}", request.method(), request.uri());
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{what}: {error}{cause}")
    };
    let client = Client::builder(TokioExecutor::new()).build_http();
    let reply = client.request(request).await.map_err(|error| failed(&error))?;
    let status = reply.status();
    let body = reply.into_body().collect().await.map_err(|error| failed(&error))?;
    Ok((status, body.to_bytes()))
}

pub async fn get(url: &str) -> Result<(StatusCode, Bytes), String> {
    let request = Request::get(url).body(Full::default()).map_err(|error| format!("{url}: {error}"))?;
    send(request).await
}

pub async fn post_json(url: &str, body: &Value) -> Result<(StatusCode, Bytes), String> {
    let request = Request::post(url)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .map_err(|error| format!("{url}: {error}"))?;
    send(request).await
}
