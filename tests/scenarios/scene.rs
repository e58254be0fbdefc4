//! What most scenarios begin with: one furnished host, both accounts declared, and names for what tests do often.

use crate::chain::Chain;
use crate::support::aws::{Aws, REGION, ok, tag, tags};
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::process::Process;
use crate::support::proxy::Call;
use crate::support::stage::{LIMIT, Stage, uid};
use crate::support::wait;
use crate::support::world::{Host, Network, groups_of, run_instance};
use serde_json::{Value, json};
use std::ops::Deref;

pub const BINARY: &str = env!("CARGO_BIN_EXE_sequester");

/// A stage with a host on it.
pub struct Scene {
    pub stage: Stage,
    pub network: Network,
    pub host: Host,
}

impl Deref for Scene {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Scene {
    /// Both accounts declared, isolation without approval; no controller yet.
    pub async fn new(prefix: &str) -> Self {
        Self::with(prefix, |_| {}).await
    }

    /// The same; `change` may alter the workload's `AwsAccount`.
    pub async fn with(prefix: &str, change: impl FnOnce(&mut Value)) -> Self {
        Self::on(Bed::shared().await, prefix, change).await
    }

    pub async fn on(bed: &'static Bed, prefix: &str, change: impl FnOnce(&mut Value)) -> Self {
        let scene = Self::undeclared(Stage::new(bed, prefix, BINARY).await).await;
        scene.stage.declare_accounts(change).await;
        scene
    }

    /// A host, and no `AwsAccount`.
    pub async fn undeclared(stage: Stage) -> Self {
        let network = Network::new(&stage.workload.admin).await;
        let instance = run_instance(&stage.workload.admin, &network).await;
        let host = Host::furnish(&stage.workload.admin, &network, &instance).await;
        Self { stage, network, host }
    }

    /// Isolation that waits for a person.
    pub async fn guarded(prefix: &str) -> Self {
        Self::with(prefix, |account| account["spec"]["approval"] = json!({"required": ["Isolate"]})).await
    }

    /// The administrator of the workload account, past the proxy.
    pub fn aws(&self) -> &Aws {
        &self.stage.workload.admin
    }

    /// alice declares a level.
    pub async fn declare(&self, name: &str, level: &str) -> Value {
        self.declare_as(Identity::Alice, name, quarantine(self, &self.host.instance, level)).await
    }

    pub async fn declare_as(&self, who: Identity, name: &str, spec: Value) -> Value {
        let applied = self.apply(who, "Quarantine", name, spec).await;
        serde_json::to_value(applied.unwrap_or_else(|error| panic!("{name}: {error}"))).unwrap()
    }

    /// A Quarantine that has settled at a level, and the controller that keeps it so.
    pub async fn held(prefix: &str, level: &str) -> (Self, Process) {
        let scene = Self::new(prefix).await;
        let controller = scene.controller("one").await;
        scene.declare("web", level).await;
        scene.until_settled("web").await;
        (scene, controller)
    }

    /// Waits until a Quarantine is ready and nothing of it is under way any more. With `Isolated` the pulse is over too:
    /// it follows when the object is ready already.
    pub async fn until_settled(&self, name: &str) -> Value {
        let ready = self.until_true("Quarantine", name, "Ready").await;
        if ready["spec"]["level"] == "Isolated" && ready["spec"]["isolation"]["pulse"] != "Never" {
            self.until_pulsed(&uid(&ready), self.host.interfaces.len()).await;
        }
        self.until_outcomes(&[uid(&ready)]).await;
        self.get("Quarantine", name).await
    }

    /// Waits until the pulse was begun on so many interfaces.
    pub async fn until_pulsed(&self, uid: &str, count: usize) {
        wait::until(&format!("{count} pulses"), LIMIT, async || match Chain::read(self, uid).await.pulses().len() {
            pulses if pulses >= count => Ok(()),
            pulses => Err(format!("{pulses} in the chain")),
        })
        .await;
    }

    /// Waits until every intent of these chains has its outcome.
    pub async fn until_outcomes(&self, uids: &[String]) {
        for uid in uids {
            wait::until(&format!("an outcome for each intent of {uid}"), LIMIT, async || {
                let chain = Chain::read(self, uid).await;
                let open = chain.open();
                if open.is_empty() { Ok(()) } else { Err(format!("{open:#?}")) }
            })
            .await;
        }
    }

    /// Names of the groups of each interface, as AWS has them.
    pub async fn groups(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for interface in &self.host.interfaces {
            let mut names = Vec::new();
            for group in groups_of(self.aws(), interface).await {
                let xml = ok(self.aws().ec2("DescribeSecurityGroups", &[("GroupId.1", &group)]).await);
                names.extend(tags(&xml, "groupName").first().map(|name| (*name).to_owned()));
            }
            all.push(names);
        }
        all
    }

    /// Waits until every interface has exactly the group of this name.
    pub async fn until_groups(&self, name: &str) {
        wait::until(&format!("only {name} on every interface"), LIMIT, async || match self.groups().await {
            groups if groups.iter().all(|names| *names == [name]) => Ok(()),
            groups => Err(format!("{groups:?}")),
        })
        .await;
    }

    /// Gives an interface groups, as somebody else would.
    pub async fn set_groups(&self, interface: &str, groups: &[&str]) {
        let keys: Vec<String> = (1..=groups.len()).map(|n| format!("SecurityGroupId.{n}")).collect();
        let mut parameters = vec![("NetworkInterfaceId", interface)];
        parameters.extend(keys.iter().map(String::as_str).zip(groups.iter().copied()));
        ok(self.aws().ec2("ModifyNetworkInterfaceAttribute", &parameters).await);
    }

    /// The VPC's own group, which is none of ours.
    pub async fn default_group(&self) -> String {
        let filters = [
            ("Filter.1.Name", "group-name"),
            ("Filter.1.Value.1", "default"),
            ("Filter.2.Name", "vpc-id"),
            ("Filter.2.Value.1", &self.network.vpc),
        ];
        tag(&ok(self.aws().ec2("DescribeSecurityGroups", &filters).await), "groupId").to_owned()
    }

    /// The id of the closed group.
    pub async fn closed_group(&self) -> String {
        let filter = [("Filter.1.Name", "group-name"), ("Filter.1.Value.1", CLOSED)];
        let xml = ok(self.aws().ec2("DescribeSecurityGroups", &filter).await);
        tags(&xml, "groupId").first().unwrap_or_else(|| panic!("no {CLOSED} in {xml}")).to_string()
    }

    /// Changes that reached AWS through the proxy so far.
    pub fn changes(&self) -> Vec<Call> {
        self.proxy.mutations()
    }

    /// How often the controller has looked at the instance so far.
    pub fn looks(&self) -> usize {
        self.proxy.calls().iter().filter(|call| call.operation == "DescribeInstances").count()
    }

    /// Waits until it has looked so often.
    pub async fn until_looked(&self, count: usize) {
        wait::until(&format!("look {count}"), LIMIT, async || match self.looks() {
            looks if looks >= count => Ok(()),
            looks => Err(format!("{looks} so far")),
        })
        .await;
    }
}

/// Name of the group without rules, and of the one that lets everything through.
pub const CLOSED: &str = "baseline-a";
pub const OPEN: &str = "baseline-b";

/// What alice declares.
pub fn quarantine(stage: &Stage, instance: &str, level: &str) -> Value {
    json!({
        "requestedBy": "alice", "level": level,
        "target": {"accountRef": stage.account_name(), "region": REGION, "instanceId": instance},
    })
}

/// The conditions of an object as `type=status/reason`, for messages.
pub fn conditions(object: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    all.map(|c| format!("{}={}/{}", word(&c["type"]), word(&c["status"]), word(&c["reason"]))).collect()
}
