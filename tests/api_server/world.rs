//! One control plane for all tests of this binary, a namespace and an AwsAccount for each of them, and people.

use crate::support::control_plane::{ControlPlane, Options};
use crate::support::identities::Identity;
use crate::support::install;
use crate::support::wait;
use hyper::Request;
use kube::Client;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};

/// The instance of all manifests here.
pub const INSTANCE: &str = "i-0123456789abcdef0";
const GROUP: &str = "/apis/sequester.dev/v1alpha1";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Known(Identity),
    /// The controller, by its service account.
    Controller,
    /// Administers the namespaces: RBAC lets her do everything with our kinds, `actions` apart.
    Mallory,
    /// In the break-glass group, and allowed everything by RBAC.
    Breaker,
    /// Kubernetes' garbage collector, allowed everything by RBAC.
    GarbageCollector,
}

pub const ADMIN: Who = Who::Known(Identity::Admin);
pub const ALICE: Who = Who::Known(Identity::Alice);
pub const BOB: Who = Who::Known(Identity::Bob);
pub const CAROL: Who = Who::Known(Identity::Carol);
pub const AUDITOR: Who = Who::Known(Identity::Auditor);
pub const ARGO: Who = Who::Known(Identity::Argo);

/// An object, or the API server's refusal.
pub type Answer = Result<Value, String>;

/// What one test has to itself.
pub struct World {
    control_plane: &'static ControlPlane,
    /// A client belongs to the runtime of its test.
    clients: Mutex<Vec<(Who, Client)>>,
    pub namespace: String,
    /// Name of an AwsAccount that allows the namespace.
    pub account: String,
}

impl World {
    pub async fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (namespace, account) = (format!("case-{number}"), format!("account-{number}"));
        let world = Self { control_plane: control_plane().await, clients: Mutex::default(), namespace, account };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
        world.create(ADMIN, namespace).await.expect("make a namespace");
        world.create(ADMIN, world.aws_account()).await.expect("make an AwsAccount");
        world
    }

    /// A minimal AwsAccount.
    pub fn aws_account(&self) -> Value {
        json!({"apiVersion": "sequester.dev/v1alpha1", "kind": "AwsAccount", "metadata": {"name": self.account},
            "spec": {"accountId": "111122223333", "regions": ["eu-west-1"], "allowedNamespaces": [self.namespace]}})
    }

    /// A Quarantine that alice may make.
    pub fn quarantine(&self, name: &str) -> Value {
        self.object("Quarantine", name, json!({"requestedBy": "alice", "level": "Protected", "target": self.target()}))
    }

    /// An EvidenceSnapshot that alice may make.
    pub fn evidence(&self, name: &str) -> Value {
        self.object("EvidenceSnapshot", name, json!({"requestedBy": "alice", "source": {"instance": self.target()}}))
    }

    /// A ForensicCase that alice may make.
    pub fn case(&self, name: &str) -> Value {
        let spec = json!({"requestedBy": "alice", "title": "Miner on the web server", "targets": [self.target()]});
        self.object("ForensicCase", name, spec)
    }

    /// An Approval that bob may make.
    pub fn approval(&self, name: &str) -> Value {
        self.object(
            "Approval",
            name,
            json!({"subject": {"kind": "Quarantine", "name": "web", "uid": "3f0a7d7e-7b2e-4a77-9d6b-1d0a3f1d2c3b"},
                "action": "Isolate", "planHash": format!("sha256:{}", "0".repeat(64)), "requester": "alice",
                "approver": "bob", "decision": "Approve", "reason": "spoke with the owner"}),
        )
    }

    pub fn object(&self, kind: &str, name: &str, spec: Value) -> Value {
        json!({"apiVersion": "sequester.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec})
    }

    pub fn target(&self) -> Value {
        json!({"accountRef": self.account, "region": "eu-west-1", "instanceId": INSTANCE})
    }

    /// Creates, as `kubectl create` does: unknown fields are an error.
    pub async fn create(&self, who: Who, object: Value) -> Answer {
        let path = path(&object, false);
        self.send(who, "POST", &format!("{path}?fieldValidation=Strict"), Some(object)).await
    }

    /// Creates in dry-run.
    pub async fn dry_run(&self, who: Who, object: Value) -> Answer {
        let path = path(&object, false);
        self.send(who, "POST", &format!("{path}?fieldValidation=Strict&dryRun=All"), Some(object)).await
    }

    /// Merges a change into an object.
    pub async fn change(&self, who: Who, object: &Value, change: Value) -> Answer {
        self.send(who, "PATCH", &format!("{}?fieldValidation=Strict", path(object, true)), Some(change)).await
    }

    /// Merges a change into its status.
    pub async fn change_status(&self, who: Who, object: &Value, status: Value) -> Answer {
        self.send(who, "PATCH", &format!("{}/status", path(object, true)), Some(json!({"status": status}))).await
    }

    pub async fn delete(&self, who: Who, object: &Value) -> Answer {
        self.send(who, "DELETE", &path(object, true), None).await
    }

    /// Deletes what an AwsAccount protected until now: the policy sees accounts as the API server's own watch has them,
    /// which may be a moment behind.
    pub async fn until_deleted(&self, object: &Value) {
        let limit = Duration::from_secs(30);
        wait::until("policy that has seen the account", limit, async || self.delete(ADMIN, object).await).await;
    }

    /// Deletes every object of the kind in the namespace, in one request.
    pub async fn delete_all(&self, who: Who, kind_of: &Value) -> Answer {
        self.send(who, "DELETE", &path(kind_of, false), None).await
    }

    pub async fn get(&self, who: Who, object: &Value) -> Answer {
        self.send(who, "GET", &path(object, true), None).await
    }

    /// Makes an object held, as the controller does before it touches anything.
    pub async fn hold(&self, object: &Value) {
        let held = json!({"metadata": {"finalizers": ["sequester.dev/held"]}});
        self.change(Who::Controller, object, held).await.expect("the controller sets its finalizer");
    }

    pub async fn send(&self, who: Who, method: &str, path: &str, body: Option<Value>) -> Answer {
        let client = self.client(who).await;
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let content = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let mut request = Request::builder().method(method).uri(path).header("content-type", content);
        if let Some((user, groups)) = impersonated(who) {
            request = request.header("impersonate-user", user);
            for group in groups {
                request = request.header("impersonate-group", *group);
            }
        }
        let request = request.body(body).expect("a request of our own");
        client.request::<Value>(request).await.map_err(|error| match error {
            kube::Error::Api(status) => status.message.clone(),
            error => format!("no answer: {error}"),
        })
    }

    pub async fn kubectl(&self, who: Identity, args: &[&str]) -> String {
        let output = self.control_plane.run_kubectl(who, args).await;
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    async fn client(&self, who: Who) -> Client {
        let mut clients = self.clients.lock().await;
        if let Some((_, client)) = clients.iter().find(|(of, _)| *of == who) {
            return client.clone();
        }
        let client = match who {
            Who::Known(identity) => self.control_plane.client(identity).await,
            Who::Controller => {
                let token = self.control_plane.service_account_token("sequester-system", "sequester").await;
                self.control_plane.client_with_token(&token).await
            }
            Who::Mallory | Who::Breaker | Who::GarbageCollector => self.control_plane.client(Identity::Admin).await,
        };
        clients.push((who, client.clone()));
        client
    }
}

/// User and groups of those for whom the administrator speaks.
fn impersonated(who: Who) -> Option<(&'static str, &'static [&'static str])> {
    match who {
        Who::Mallory => Some(("mallory", &["system:authenticated", "tyrants"])),
        Who::Breaker => Some(("dora", &["system:authenticated", "system:masters", "sequester.dev:break-glass"])),
        Who::GarbageCollector => {
            Some(("system:serviceaccount:kube-system:generic-garbage-collector", &["system:masters"]))
        }
        Who::Known(_) | Who::Controller => None,
    }
}

/// Asserts that the API server refused, in words that contain all of these.
#[track_caller]
pub fn refused(what: &str, answer: Answer, words: &[&str]) {
    match answer {
        Ok(object) => panic!("{what}: accepted: {object}"),
        Err(message) => {
            for word in words {
                assert!(message.contains(word), "{what}: {word:?} is not in {message:?}");
            }
        }
    }
}

/// Asserts that the API server accepted.
#[track_caller]
pub fn accepted(what: &str, answer: Answer) -> Value {
    answer.unwrap_or_else(|message| panic!("{what}: refused: {message}"))
}

/// Sets one field, or removes it.
pub fn with(mut object: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, field) = pointer.rsplit_once('/').expect("a JSON pointer");
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    match (parent, value) {
        (Value::Object(map), Some(value)) => drop(map.insert(field.into(), value)),
        (Value::Object(map), None) => drop(map.remove(field)),
        (Value::Array(list), Some(value)) => list[field.parse::<usize>().expect("an index")] = value,
        (other, _) => panic!("cannot change {other}"),
    }
    object
}

fn path(object: &Value, one: bool) -> String {
    let text = |value: &Value| value.as_str().expect("a manifest of our own").to_owned();
    let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
    let plural = format!("{}s", kind.to_lowercase());
    let prefix = if object["apiVersion"] == "v1" { "/api/v1" } else { GROUP };
    let namespace = metadata.get("namespace").map(|n| format!("/namespaces/{}", text(n))).unwrap_or_default();
    let name = if one { format!("/{}", text(&metadata["name"])) } else { String::new() };
    format!("{prefix}{namespace}/{plural}{name}")
}

async fn control_plane() -> &'static ControlPlane {
    static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let started = ControlPlane::start(Options { controller_manager: true }).await;
            let client = started.client(Identity::Admin).await;
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            for role in roles() {
                install::apply(&client, &role).await;
            }
            install::install(&client, &root.join("crds")).await;
            started
        })
        .await
}

/// Binds people to the shipped roles, and mallory to everything.
fn roles() -> Vec<Value> {
    let bind = |name: &str, role: &str, subject: Value| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": [subject]})
    };
    let group = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name});
    let tyrant: Vec<String> = ["quarantines", "forensiccases", "evidencesnapshots", "approvals", "awsaccounts"]
        .iter()
        .flat_map(|plural| [(*plural).to_owned(), format!("{plural}/status")])
        .chain(["custodyrecords".into(), "instanceholds".into()])
        .collect();
    vec![
        bind("test-requesters", "sequester-requester", group("responders")),
        bind("test-approvers", "sequester-approver", group("approvers")),
        bind("test-auditors", "sequester-viewer", group("auditors")),
        bind(
            "test-argo",
            "sequester-requester",
            json!({"kind": "ServiceAccount", "namespace": "argocd", "name": "argocd-application-controller"}),
        ),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "test-tyrant"},
            "rules": [{"apiGroups": ["sequester.dev"], "resources": tyrant, "verbs": ["*"]}]}),
        bind("test-tyrants", "test-tyrant", group("tyrants")),
    ]
}
