//! The AWS emulator as a child process, and what a test may tell it.

use super::process::{Process, Program};
use super::proxy::Principals;
use super::{http, scratch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Loading moto takes seconds.
const START: Duration = Duration::from_mins(1);

/// Keys of an account's administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub account: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// A running emulator. Dropped in this order.
pub struct Emulator {
    process: Process,
    url: String,
    python: PathBuf,
    principals: Principals,
    folder: TempDir,
}

impl Emulator {
    /// Starts one, installing it first where need be.
    pub async fn start() -> Self {
        let python = tokio::task::spawn_blocking(|| super::run_script("emulator.sh"));
        let python = python.await.expect("find the emulator's Python");
        let folder = scratch::folder();
        let port_file = folder.path().join("port");
        let process = Program::new(&python, folder.path().join("emulator.log"))
            .arg(super::path("emulator/launcher.py"))
            .args(["--port", "0", "--port-file"])
            .arg(&port_file)
            .start();
        let found = process.alive_until("port of the emulator", START, async || {
            let text = std::fs::read_to_string(&port_file).map_err(|error| error.to_string())?;
            text.trim().parse::<u16>().map_err(|error| format!("{text:?}: {error}"))
        });
        let port = found.await.unwrap_or_else(|why| panic!("{why}"));
        let url = format!("http://127.0.0.1:{port}");
        process.wait_ready(&format!("{url}/bed/health"), START).await;
        Self { process, url, python, principals: Principals::default(), folder }
    }

    /// The emulator itself; tests mostly speak to a proxy before it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The Python that has boto3, for a client that is not ours.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// Whose access keys are whose, as far as the bed has seen.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Keys for an account of twelve digits. Every account is there, and empty.
    pub async fn account(&self, account: &str) -> Credentials {
        let answer = self.bed_post(&format!("/bed/accounts/{account}"), &json!({})).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned();
        let credentials = Credentials {
            account: account.to_owned(),
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
        };
        self.principals.is_user(&credentials.access_key_id, account, &text("user_arn"));
        credentials
    }

    /// Changes how the emulator behaves, for one account where `settings` names one.
    pub async fn settings(&self, settings: &Value) {
        self.bed_post("/bed/settings", settings).await;
    }

    /// Calls one of the emulator's own doors under `/bed`.
    pub async fn bed_post(&self, path: &str, body: &Value) -> Value {
        let answer = http::post_json(&format!("{}{path}", self.url), body).await;
        let (status, body) = answer.unwrap_or_else(|why| panic!("{why}"));
        let text = String::from_utf8_lossy(&body);
        assert!(status.is_success(), "POST {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}
