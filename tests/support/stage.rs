//! One test's own corner of the bed: a namespace, two AWS accounts, a proxy, and a controller that works there alone.

use super::bed::Bed;
use super::identities::Identity;
use super::install;
use super::process::{Process, Program};
use super::proxy::Proxy;
use super::wait;
use super::world::{Account, aws_account};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use sequester::api::aws_account::{Naming, Partition};
use sequester::api::ids::AccountId;
use sequester::cloud::iam::{Names, Policy, Role};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long anything may take that takes moments: generous, since a machine may be busy.
pub const LIMIT: Duration = Duration::from_secs(90);

/// A stage.
pub struct Stage {
    pub bed: &'static Bed,
    pub namespace: String,
    /// Where the hosts are; in Kubernetes under [`Stage::account_name`].
    pub workload: Account,
    /// Where evidence goes; in Kubernetes under [`Stage::forensics_name`].
    pub forensics: Account,
    /// Between the controller and the emulator.
    pub proxy: Proxy,
    names: [String; 2],
    /// The controller's own credentials.
    controller: super::emulator::Credentials,
    binary: PathBuf,
    folder: tempfile::TempDir,
}

/// Numbers for accounts that nobody else has.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Stage {
    /// A stage with people bound to their roles; no `AwsAccount` and no controller yet.
    pub async fn new(bed: &'static Bed, prefix: &str, binary: &str) -> Self {
        let n = next();
        let ids = [format!("31{n:010}"), format!("32{n:010}"), format!("33{n:010}")];
        let namespace = bed.namespace(prefix).await;
        let names = ["workload", "forensics"].map(|role| format!("{namespace}-{role}"));
        Self::set(bed, namespace, names, binary, &ids).await
    }

    /// A stage whose names and numbers are given: workload, forensic and controller's account.
    pub async fn set(
        bed: &'static Bed,
        namespace: String,
        names: [String; 2],
        binary: &str,
        ids: &[String; 3],
    ) -> Self {
        let controller = bed.emulator.account(&ids[2]).await;
        let workload = Account::new(bed, &ids[0], &ids[2]).await;
        let forensics = Account::new(bed, &ids[1], &ids[2]).await;
        let stage = Self {
            bed,
            namespace,
            workload,
            forensics,
            names,
            proxy: bed.proxy(),
            controller,
            binary: PathBuf::from(binary),
            folder: tempfile::tempdir().expect("make a scratch folder"),
        };
        stage.permit(|_| {});
        stage.bind_people().await;
        stage
    }

    async fn bind_people(&self) {
        let admin = self.client(Identity::Admin).await;
        let bindings = [
            (
                "responders",
                "sequester-requester",
                json!({"kind": "Group", "name": "responders", "apiGroup": "rbac.authorization.k8s.io"}),
            ),
            (
                "approvers",
                "sequester-approver",
                json!({"kind": "Group", "name": "approvers", "apiGroup": "rbac.authorization.k8s.io"}),
            ),
            (
                "auditors",
                "sequester-viewer",
                json!({"kind": "User", "name": "auditor", "apiGroup": "rbac.authorization.k8s.io"}),
            ),
            (
                "argo",
                "sequester-requester",
                json!({"kind": "ServiceAccount", "name": "argocd-application-controller", "namespace": "argocd"}),
            ),
        ];
        for (name, role, subject) in bindings {
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": name, "namespace": self.namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [subject],
            });
            install::apply(&admin, &binding).await;
        }
    }

    /// Name of the workload account's `AwsAccount`.
    pub fn account_name(&self) -> String {
        self.names[0].clone()
    }

    /// Name of the forensic account's `AwsAccount`.
    pub fn forensics_name(&self) -> String {
        self.names[1].clone()
    }

    /// The shipped policies of a role, with this stage's accounts in them.
    pub fn policies(&self, role: Role) -> Vec<Value> {
        let id = |account: &Account| AccountId::parse(&account.id).expect("an account id");
        let (account, destinations) = match role {
            Role::Responder => (id(&self.workload), vec![id(&self.forensics)]),
            Role::Forensics => (id(&self.forensics), Vec::new()),
        };
        let names =
            Names { partition: Partition::Aws, account, tag_prefix: Naming::default().tag_prefix, destinations };
        Policy::of(role, &names).iter().map(|policy| serde_json::to_value(policy).expect("a policy")).collect()
    }

    /// Gives both roles the shipped policies; `change` may take something from the responder's.
    pub fn permit(&self, change: impl Fn(&mut Value)) {
        for (role, account) in [(Role::Responder, &self.workload), (Role::Forensics, &self.forensics)] {
            let mut policies = self.policies(role);
            if role == Role::Responder {
                policies.iter_mut().for_each(&change);
            }
            let texts: Vec<String> = policies.iter().map(ToString::to_string).collect();
            self.bed.emulator.principals().roles.may(&account.role_arn, texts.iter().map(String::as_str));
        }
    }

    /// Applies both accounts; `change` may alter the workload's.
    pub async fn declare_accounts(&self, change: impl FnOnce(&mut Value)) {
        let admin = self.client(Identity::Admin).await;
        let forensics = aws_account(&self.forensics_name(), &self.forensics, &self.proxy.url(), &self.namespace);
        let mut workload = aws_account(&self.account_name(), &self.workload, &self.proxy.url(), &self.namespace);
        workload["spec"]["evidence"] = json!({
            "destinations": [{"accountRef": self.forensics_name(), "regions": [super::aws::REGION]}],
        });
        change(&mut workload);
        install::apply(&admin, &forensics).await;
        install::apply(&admin, &workload).await;
    }

    /// A controller for this namespace alone, with times scaled to the bed's own lags.
    pub async fn controller(&self, identity: &str) -> Process {
        let process = self.start_controller(identity, &[]).await;
        process.0.wait_ready(&process.1, LIMIT).await;
        process.0
    }

    /// Starts a controller without waiting for it; gives its readiness address too.
    pub async fn start_controller(&self, identity: &str, more: &[&str]) -> (Process, String) {
        let token = self.bed.control_plane.service_account_token("sequester-system", "sequester").await;
        let kubeconfig =
            self.bed.control_plane.kubeconfig_with_token(&format!("{}-{identity}", self.namespace), &token);
        self.start_with(identity, &kubeconfig, more)
    }

    /// Starts a controller with a given kubeconfig.
    pub fn start_with(&self, identity: &str, kubeconfig: &std::path::Path, more: &[&str]) -> (Process, String) {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("find a free port").port();
        let log = self.folder.path().join(format!("{identity}.log"));
        let process = Program::new(&self.binary, log)
            .args(["--namespaces", &self.namespace, "--lease-name", &self.namespace, "--identity", identity])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--log", "human"])
            .args(["--lease", "9", "--lease-margin", "7", "--request-deadline", "3", "--visibility-lag", "1"])
            .args(["--clock-skew", "0.5", "--settle", "14", "--poll", "1", "--backoff", "0.2", "--backoff-limit", "2"])
            .args(["--patience", "3"])
            .args(more)
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ACCESS_KEY_ID", &self.controller.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.controller.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_LOG", "warn,sequester=debug")
            .start();
        (process, format!("http://127.0.0.1:{port}/readyz"))
    }

    /// A folder that goes when the stage goes.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Runs kubectl as somebody and gives what it says on both outputs.
    pub async fn run_kubectl(&self, identity: Identity, arguments: &[&str]) -> String {
        let output = self.bed.control_plane.run_kubectl(identity, arguments).await;
        [output.stdout, output.stderr].iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Runs kubectl as somebody with something on its standard input.
    pub async fn kubectl_stdin(&self, identity: Identity, arguments: &[&str], input: &str) -> String {
        let file = self.folder.path().join(format!("input-{}.yaml", next()));
        std::fs::write(&file, input).expect("write the input");
        let path = file.to_string_lossy().into_owned();
        let arguments: Vec<&str> =
            arguments.iter().map(|word| if *word == "-" { path.as_str() } else { word }).collect();
        self.run_kubectl(identity, &arguments).await
    }

    /// Kubeconfigs of people, for somebody who goes on by hand.
    pub fn kubeconfigs(&self) -> Vec<(&'static str, PathBuf)> {
        [Identity::Alice, Identity::Bob, Identity::Admin]
            .into_iter()
            .map(|identity| (identity.user(), self.bed.control_plane.kubeconfig(identity)))
            .collect()
    }

    pub async fn client(&self, identity: Identity) -> Client {
        self.bed.control_plane.client(identity).await
    }

    /// An API of one of our kinds in this namespace.
    pub async fn api(&self, identity: Identity, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("sequester.dev", "v1alpha1", kind));
        let client = self.client(identity).await;
        if matches!(kind, "AwsAccount" | "InstanceHold") {
            Api::all_with(client, &resource)
        } else {
            Api::namespaced_with(client, &self.namespace, &resource)
        }
    }

    /// Applies an object as a person would; what the API server says is given back.
    pub async fn apply(&self, identity: Identity, kind: &str, name: &str, spec: Value) -> kube::Result<DynamicObject> {
        self.apply_through(&self.api(identity, kind).await, identity, kind, name, spec).await
    }

    /// The same through a connection that is open already.
    pub async fn apply_through(
        &self,
        api: &Api<DynamicObject>,
        identity: Identity,
        kind: &str,
        name: &str,
        spec: Value,
    ) -> kube::Result<DynamicObject> {
        let object = json!({
            "apiVersion": "sequester.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        });
        let params = PatchParams::apply(identity.user()).force();
        api.patch(name, &params, &Patch::Apply(&object)).await
    }

    pub async fn get(&self, kind: &str, name: &str) -> Value {
        let found = self.api(Identity::Admin, kind).await.get(name).await;
        serde_json::to_value(found.unwrap_or_else(|error| panic!("get {kind} {name}: {error}"))).unwrap()
    }

    /// Waits until an object is as it should be, and gives it.
    pub async fn until(&self, kind: &str, name: &str, what: &str, meets: impl Fn(&Value) -> bool) -> Value {
        let api = self.api(Identity::Admin, kind).await;
        wait::until(&format!("{kind} {name}: {what}"), LIMIT, async || {
            let object = api.get_opt(name).await.map_err(|error| error.to_string())?.ok_or("is not there")?;
            let object = serde_json::to_value(object).unwrap();
            if meets(&object) { Ok(object) } else { Err(format!("{:#}", object["status"])) }
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn until_gone(&self, kind: &str, name: &str) {
        let api = self.api(Identity::Admin, kind).await;
        wait::until(&format!("end of {kind} {name}"), LIMIT, async || match api.get_opt(name).await {
            Ok(None) => Ok(()),
            Ok(Some(object)) => Err(format!("{:?}", object.metadata)),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// Waits until a condition of an object has a status, and gives the object.
    pub async fn until_condition(
        &self,
        kind: &str,
        name: &str,
        condition: &str,
        meets: impl Fn(&Value) -> bool,
    ) -> Value {
        let api = self.api(Identity::Admin, kind).await;
        wait::until(&format!("{kind} {name}: {condition}"), LIMIT, async || {
            let object = api.get_opt(name).await.map_err(|error| error.to_string())?.ok_or("is not there")?;
            let object = serde_json::to_value(object).unwrap();
            let found = condition_of(&object, condition).cloned();
            match found {
                Some(found) if meets(&found) => Ok(object),
                _ => Err(format!("{:#}", object["status"]["conditions"])),
            }
        })
        .await
    }

    /// Waits until a condition is True.
    pub async fn until_true(&self, kind: &str, name: &str, condition: &str) -> Value {
        self.until_condition(kind, name, condition, |found| found["status"] == "True").await
    }

    /// Waits until a condition has a reason.
    pub async fn until_reason(&self, kind: &str, name: &str, condition: &str, reason: &str) -> Value {
        self.until_condition(kind, name, condition, |found| found["reason"] == reason).await
    }

    /// Bodies of an object's chain, in order.
    pub async fn chain(&self, uid: &str) -> Vec<Value> {
        let params = ListParams::default().labels(&format!("sequester.dev/subject={uid}"));
        let records = self.api(Identity::Admin, "CustodyRecord").await.list(&params).await.expect("list records");
        let mut bodies: Vec<(i64, Value)> = records
            .iter()
            .map(|record| {
                let spec = &record.data["spec"];
                let body = serde_json::from_str(spec["body"].as_str().unwrap()).unwrap();
                (spec["index"].as_i64().unwrap(), body)
            })
            .collect();
        bodies.sort_by_key(|(index, _)| *index);
        bodies.into_iter().map(|(_, body)| body).collect()
    }

    /// Approves the plan that an object's status shows now.
    pub async fn approve(&self, identity: Identity, kind: &str, name: &str) -> kube::Result<DynamicObject> {
        let object = self.get(kind, name).await;
        self.approve_with(identity, &approval_of(identity, kind, &object)).await
    }

    /// Creates an Approval.
    pub async fn approve_with(&self, identity: Identity, spec: &Value) -> kube::Result<DynamicObject> {
        let approval = json!({
            "apiVersion": "sequester.dev/v1alpha1", "kind": "Approval",
            "metadata": {"name": format!("approval-{}", next()), "namespace": self.namespace}, "spec": spec,
        });
        let approval = serde_json::from_value(approval).unwrap();
        self.api(identity, "Approval").await.create(&PostParams::default(), &approval).await
    }
}

/// Takes an action from a policy.
pub fn strike(policy: &mut Value, action: &str) {
    let statements = policy["Statement"].as_array_mut().expect("statements");
    for statement in &mut *statements {
        statement["Action"].as_array_mut().expect("actions").retain(|one| one != action);
    }
    statements.retain(|statement| statement["Action"] != json!([]));
}

/// What somebody writes who approves the plan that an object shows.
pub fn approval_of(identity: Identity, kind: &str, object: &Value) -> Value {
    let plan = &object["status"]["plan"];
    strip_nulls(json!({
        "subject": {"kind": kind, "name": object["metadata"]["name"], "uid": object["metadata"]["uid"]},
        "action": plan["action"], "planHash": plan["hash"],
        "requester": object["spec"].get("requestedBy"), "approver": identity.user(),
        "decision": "Approve", "reason": "read and agreed",
    }))
}

fn strip_nulls(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    value
}

/// A condition of an object.
pub fn condition_of<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}

/// The uid of an object.
pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}
