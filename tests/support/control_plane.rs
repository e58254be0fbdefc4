//! A real Kubernetes control plane: etcd, the API server and, where asked for, the controller manager.

use super::identities::{Identity, Tokens, signing_key};
use super::process::{Process, Program};
use super::scratch;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a start may take; 3 s is usual on two cores.
const START: Duration = Duration::from_mins(1);

/// Reads of Kubernetes' own parts say nothing about us.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": [
  {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
  {"level": "Metadata"}]}"#;

/// What of Kubernetes' controllers the tests can need: deletion of namespaces, garbage collection, and the types of
/// CEL in policies.
const CONTROLLERS: &str = "namespace-controller,garbage-collector-controller,serviceaccount-controller,\
                           validatingadmissionpolicy-status-controller";

#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub controller_manager: bool,
}

/// A running control plane. Fields are dropped in this order: an API server that has lost its etcd lingers.
pub struct ControlPlane {
    controller_manager: Option<Process>,
    api_server: Process,
    etcd: Process,
    url: String,
    tokens: Tokens,
    programs: PathBuf,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts one, building its programs first where need be.
    pub async fn start(options: Options) -> Self {
        let programs = tokio::task::spawn_blocking(programs).await.expect("find the control plane's programs");
        let mut attempts = 1..=3;
        loop {
            // A port that was free can be taken before it is used.
            match Self::try_start(&programs, options).await {
                Ok(started) => return started,
                Err(why) if attempts.next().is_none() => panic!("the control plane does not start: {why}"),
                Err(_) => {}
            }
        }
    }

    async fn try_start(programs: &Path, options: Options) -> Result<Self, String> {
        let folder = scratch::folder();
        let at = |name: &str| folder.path().join(name);
        let (client_port, peer_port, secure_port) = (free_port(), free_port(), free_port());
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = Program::new(programs.join("etcd"), at("etcd.log"))
            .arg("--unsafe-no-fsync")
            .arg("--data-dir")
            .arg(at("etcd"))
            .args(["--listen-client-urls", &etcd_url, "--advertise-client-urls", &etcd_url])
            .args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            .start();

        let tokens = Tokens::new();
        write(&at("tokens.csv"), &tokens.file());
        write(&at("service-accounts.pem"), &signing_key());
        write(&at("audit-policy.yaml"), AUDIT_POLICY);
        let url = format!("https://127.0.0.1:{secure_port}");
        let api_server = Program::new(programs.join("kube-apiserver"), at("kube-apiserver.log"))
            .args(["--etcd-servers", &etcd_url])
            .args(["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"])
            .args(["--endpoint-reconciler-type", "none", "--service-cluster-ip-range", "10.0.0.0/24"])
            .args(["--secure-port", &secure_port.to_string()])
            .arg("--cert-dir")
            .arg(at("certs"))
            .args(["--authorization-mode", "RBAC", "--disable-admission-plugins", "ServiceAccount"])
            .arg("--token-auth-file")
            .arg(at("tokens.csv"))
            .args(["--service-account-issuer", "https://kubernetes.default.svc"])
            .arg("--service-account-key-file")
            .arg(at("service-accounts.pem"))
            .arg("--service-account-signing-key-file")
            .arg(at("service-accounts.pem"))
            .arg("--audit-policy-file")
            .arg(at("audit-policy.yaml"))
            .arg("--audit-log-path")
            .arg(at("audit.log"))
            .start();

        let mut started =
            Self { controller_manager: None, api_server, etcd, url, tokens, programs: programs.to_owned(), folder };
        let ready = started.api_server.alive_until("ready API server", START, async || started.ready().await);
        ready.await.map_err(|why| format!("{why}\n{}", started.etcd.log().lines().last().unwrap_or_default()))?;
        if options.controller_manager {
            let program = started.programs.join("kube-controller-manager");
            assert!(program.exists(), "{} has none; unset KUBEBUILDER_ASSETS", started.programs.display());
            let kubeconfig = started.kubeconfig(Identity::ControllerManager);
            let manager = Program::new(program, started.folder.path().join("kube-controller-manager.log"))
                .arg("--kubeconfig")
                .arg(kubeconfig)
                .args(["--controllers", CONTROLLERS, "--leader-elect=false", "--secure-port", "0"])
                .start();
            started.controller_manager = Some(manager);
        }
        Ok(started)
    }

    async fn ready(&self) -> Result<(), String> {
        if !self.certificate().exists() {
            return Err("the API server has made no certificate yet".into());
        }
        let config = self.config(self.tokens.of(Identity::Admin)).await?;
        let client = Client::try_from(config).map_err(|error| error.to_string())?;
        let request = http_request("/readyz");
        client.request_text(request).await.map(drop).map_err(|error| error.to_string())
    }

    /// The API server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the API server and of whoever signed it, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certs/apiserver.crt")
    }

    /// Logs, certificates and kubeconfig files are in here.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where `kubectl` is.
    pub fn kubectl(&self) -> PathBuf {
        self.programs.join("kubectl")
    }

    /// The bearer token of one of the identities.
    pub fn token(&self, identity: Identity) -> &str {
        self.tokens.of(identity)
    }

    /// A client for one of the identities. It belongs to the calling test's runtime: make one a test.
    pub async fn client(&self, identity: Identity) -> Client {
        self.client_with_token(self.tokens.of(identity)).await
    }

    /// A client for whoever has this token.
    pub async fn client_with_token(&self, token: &str) -> Client {
        let config = self.config(token).await.expect("a configuration of our own");
        Client::try_from(config).expect("a client from a configuration of our own")
    }

    /// A kubeconfig file for one of the identities.
    pub fn kubeconfig(&self, identity: Identity) -> PathBuf {
        let name = identity.user().rsplit(':').next().unwrap_or_default();
        self.kubeconfig_with_token(name, self.tokens.of(identity))
    }

    /// A kubeconfig file for whoever has this token.
    pub fn kubeconfig_with_token(&self, name: &str, token: &str) -> PathBuf {
        self.kubeconfig_through(&self.url, name, token)
    }

    /// A kubeconfig file for whoever has this token and speaks to the API server through a proxy at this address.
    pub fn kubeconfig_through(&self, url: &str, name: &str, token: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        // Two tests may write the same one, while a third has it read.
        let fresh = tempfile::NamedTempFile::new_in(self.folder.path()).expect("make a file for a kubeconfig");
        write(fresh.path(), &self.kubeconfig_text(url, token).to_string());
        fresh.persist(&path).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        path
    }

    /// Runs `kubectl` as one of the identities.
    pub async fn run_kubectl(&self, identity: Identity, args: &[&str]) -> Output {
        let mut command = Command::new(self.kubectl());
        command.arg("--kubeconfig").arg(self.kubeconfig(identity)).args(args).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("wait for kubectl");
        output.expect("run kubectl")
    }

    /// A token for a service account, which is made, with its namespace, where it does not exist.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> String {
        let client = self.client(Identity::Admin).await;
        let new = |name: &str| ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
        let made = Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &Namespace { metadata: new(namespace), ..Namespace::default() })
            .await;
        made.map(drop).or_else(unless_exists).unwrap_or_else(|error| panic!("make namespace {namespace}: {error}"));
        let accounts = Api::<ServiceAccount>::namespaced(client, namespace);
        let account = ServiceAccount { metadata: new(name), ..ServiceAccount::default() };
        let made = accounts.create(&PostParams::default(), &account).await;
        made.map(drop).or_else(unless_exists).unwrap_or_else(|error| panic!("make service account {name}: {error}"));
        let spec = TokenRequestSpec { expiration_seconds: Some(24 * 3600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.unwrap_or_else(|error| panic!("ask for a token of {name}: {error}"));
        answer.status.expect("a token request is answered at once").token
    }

    /// The API server's audit log so far: who did what.
    pub fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap_or_default();
        // The last line may be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Where the API server is and how to know it, for whoever brings a token of their own.
    pub async fn anonymous_config(&self) -> Config {
        let mut config = self.config("").await.expect("a configuration of our own");
        config.auth_info = kube::config::AuthInfo::default();
        config
    }

    async fn config(&self, token: &str) -> Result<Config, String> {
        let text = self.kubeconfig_text(&self.url, token);
        let kubeconfig: Kubeconfig = serde_json::from_value(text).map_err(|error| error.to_string())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        config.map_err(|error| error.to_string())
    }

    /// JSON is YAML too.
    fn kubeconfig_text(&self, url: &str, token: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bed",
            "clusters": [{"name": "bed", "cluster": {"server": url, "certificate-authority": self.certificate()}}],
            "users": [{"name": "bed", "user": {"token": token}}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": "bed"}}],
        })
    }
}

fn unless_exists(error: kube::Error) -> Result<(), kube::Error> {
    match error {
        kube::Error::Api(status) if status.code == 409 => Ok(()),
        error => Err(error),
    }
}

fn http_request(path: &str) -> hyper::Request<Vec<u8>> {
    hyper::Request::get(path).body(Vec::new()).expect("a path of our own")
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
}

/// A port that is free now, chosen by the operating system.
fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).expect("listen on the loopback interface");
    probe.local_addr().expect("a listener has an address").port()
}

/// The folder of the programs; minutes where they must be built.
fn programs() -> PathBuf {
    super::run_script("control-plane/build.sh")
}
