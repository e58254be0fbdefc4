//! Sessions of a held host are denied by a policy of its role, which other hosts of the role share, and given back.

use crate::chain::{Chain, assert_witnessed};
use crate::scene::{CLOSED, Scene, quarantine};
use crate::support::aws::ok;
use crate::support::identities::Identity;
use crate::support::roles::{Role, metadata_of, profile_of, put_policy};
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use crate::support::world::{iam, run_instance};
use serde_json::{Value, json};

const POLICY: &str = "baseline-c";

/// Two hosts of one role.
struct Shared {
    scene: Scene,
    role: Role,
    second: String,
}

impl Shared {
    async fn on(scene: Scene) -> Self {
        let second = run_instance(scene.aws(), &scene.network).await;
        let role = Role::new(scene.aws(), "web").await;
        for host in [&scene.host.instance, &second] {
            role.give(scene.aws(), host).await;
        }
        Self { scene, role, second }
    }

    fn hosts(&self) -> [(&'static str, &str); 2] {
        [("web", &self.scene.host.instance), ("db", &self.second)]
    }

    async fn declare(&self, level: &str, isolation: &Value) {
        for (name, host) in self.hosts() {
            self.declare_one(name, host, level, isolation).await;
        }
    }

    async fn declare_one(&self, name: &str, host: &str, level: &str, isolation: &Value) {
        let mut spec = quarantine(&self.scene, host, level);
        spec["isolation"] = isolation.clone();
        self.scene.declare_as(Identity::Alice, name, spec).await;
    }

    /// Waits until these hosts, and no others, are denied everything.
    async fn until_denied(&self, hosts: &[&str]) {
        let mut expected: Vec<String> = hosts.iter().map(|host| self.role.user(host)).collect();
        expected.sort_unstable();
        wait::until("who is denied", LIMIT, async || match self.role.denied(self.scene.aws(), POLICY).await {
            found if found == expected => Ok(()),
            found => Err(format!("{found:?}, {:?}", self.said("web").await)),
        })
        .await;
    }

    async fn said(&self, name: &str) -> (String, String) {
        let found = self.scene.get("Quarantine", name).await;
        let word = |condition: &Value, of: &str| condition[of].as_str().unwrap_or_default().to_owned();
        condition_of(&found, "CredentialsCut")
            .map_or_else(Default::default, |condition| (word(condition, "reason"), word(condition, "message")))
    }

    async fn chain(&self, name: &str) -> Chain {
        Chain::read(&self.scene, &uid(&self.scene.get("Quarantine", name).await)).await
    }

    async fn release(&self, name: &str, host: &str, isolation: &Value) {
        self.declare_one(name, host, "Released", isolation).await;
        self.scene.until_reason("Quarantine", name, "Ready", "AwaitingApproval").await;
        self.scene.approve(Identity::Bob, "Quarantine", name).await.unwrap();
        self.scene.until_reason("Quarantine", name, "Ready", "Released").await;
    }
}

/// Looked at each second.
async fn scene(prefix: &str) -> Scene {
    Scene::with(prefix, |account| account["spec"]["recheck"] = json!("1s")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_of_a_role_are_cut_off_and_given_back() {
    let shared = Shared::on(scene("role").await).await;
    let (scene, isolation) = (&shared.scene, json!({"pulse": "Never"}));
    let _controller = scene.controller("one").await;
    shared.declare("Isolated", &isolation).await;
    for (name, _) in shared.hosts() {
        scene.until_true("Quarantine", name, "CredentialsCut").await;
        let ready = scene.until_true("Quarantine", name, "Ready").await;
        let message = condition_of(&ready, "Ready").unwrap()["message"].as_str().unwrap();
        assert!(message.contains("AssumeRole") && message.contains(&shared.role.id), "{message}");
        let memory = condition_of(&ready, "MemoryCaptured").unwrap();
        assert_eq!((&memory["status"], &memory["reason"]), (&json!("False"), &json!("NotBuilt")));
    }
    shared.until_denied(&[&scene.host.instance, &shared.second]).await;
    assert_eq!(scene.groups().await, [[CLOSED], [CLOSED]]);
    assert_eq!(metadata_of(scene.aws(), &scene.host.instance).await.0, "disabled");
    assert_eq!(metadata_of(scene.aws(), &shared.second).await.0, "disabled");
    assert!(shared.role.policy(scene.aws(), "app").await.is_some(), "what the role has else is none of ours");

    // Somebody takes the policy away, and switches the metadata service on.
    iam(scene.aws(), "DeleteRolePolicy", &[("RoleName", "web"), ("PolicyName", POLICY)]).await;
    let on = [("InstanceId", scene.host.instance.as_str()), ("HttpEndpoint", "enabled")];
    ok(scene.aws().ec2("ModifyInstanceMetadataOptions", &on).await);
    shared.until_denied(&[&scene.host.instance, &shared.second]).await;
    wait::until("the metadata service off again, and said", LIMIT, async || {
        let off = metadata_of(scene.aws(), &scene.host.instance).await.0 == "disabled";
        // Whichever of the two looks first says it, and puts both back.
        let chains = [shared.chain("web").await, shared.chain("db").await];
        let drift = chains.iter().flat_map(|chain| chain.facts("drift"));
        let foreign: Vec<String> = drift.map(|fact| format!("{}={}", fact["attribute"], fact["foreign"])).collect();
        let said = foreign.contains(&r#""sessions/web/baseline-c"="nothing""#.to_owned())
            && foreign.contains(&r#""metadataService"=true"#.to_owned());
        if off && said { Ok(()) } else { Err(format!("{off}, {foreign:?}")) }
    })
    .await;

    // One is given back, and the other stays.
    shared.release("web", &scene.host.instance, &isolation).await;
    shared.until_denied(&[&shared.second]).await;
    assert_eq!(metadata_of(scene.aws(), &scene.host.instance).await.0, "enabled");
    assert_eq!(metadata_of(scene.aws(), &shared.second).await.0, "disabled");
    shared.release("db", &shared.second, &isolation).await;
    assert_eq!(shared.role.policy(scene.aws(), POLICY).await, None, "nothing of it is left behind");
    let chains = [shared.chain("web").await, shared.chain("db").await];
    for chain in &chains {
        chain.assert_sound();
        assert_eq!(chain.left(), Vec::<&Value>::new());
    }
    assert_witnessed(&scene.proxy.calls(), &chains, None);
    let changes: Vec<String> = scene.changes().into_iter().map(|call| call.operation).collect();
    let last = |name: &str| changes.iter().rposition(|operation| operation == name);
    assert!(last("DeleteRolePolicy") < last("ModifyNetworkInterfaceAttribute"), "the network comes last: {changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_covers_who_loses_sessions_beside_the_host() {
    let shared = Shared::on(Scene::guarded("role-plan").await).await;
    let scene = &shared.scene;
    let isolation = json!({"pulse": "Never", "credentials": {"sessions": "RevokeRole", "profile": "Remove"}});
    let _controller = scene.controller("one").await;
    shared.declare_one("web", &scene.host.instance, "Isolated", &isolation).await;
    let asked =
        scene.until("Quarantine", "web", "a plan", |found| found["status"]["plan"]["action"] == "Isolate").await;
    let plan = asked["status"]["plan"]["lines"].to_string();
    for word in ["every session of role web", &shared.second, "take the instance profile", "metadata service"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }
    assert_eq!(shared.role.policy(scene.aws(), POLICY).await, None, "nothing before somebody says so");
    scene.approve(Identity::Bob, "Quarantine", "web").await.unwrap();
    scene.until_true("Quarantine", "web", "CredentialsCut").await;
    shared.until_denied(&[&scene.host.instance]).await;
    let document = shared.role.policy(scene.aws(), POLICY).await.unwrap().to_string();
    assert!(document.contains("aws:TokenIssueTime"), "{document}");
    assert_eq!(profile_of(scene.aws(), &scene.host.instance).await, None);
    let profile = profile_of(scene.aws(), &shared.second).await;
    assert!(profile.is_some(), "the neighbour keeps its own");

    shared.release("web", &scene.host.instance, &isolation).await;
    assert_eq!(profile_of(scene.aws(), &scene.host.instance).await, profile);
    assert_eq!(shared.role.policy(scene.aws(), POLICY).await, None);
    let chain = shared.chain("web").await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_room_holds_up_nothing_else() {
    let shared = Shared::on(scene("role-full").await).await;
    let scene = &shared.scene;
    let long = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}", "a".repeat(10_000))}]});
    put_policy(scene.aws(), "web", "app", &long.to_string()).await;
    let _controller = scene.controller("one").await;
    shared.declare_one("web", &scene.host.instance, "Isolated", &json!({"pulse": "Never"})).await;
    scene.until_true("Quarantine", "web", "Isolated").await;
    scene.until_reason("Quarantine", "web", "Ready", "QuotaExceeded").await;
    let (_, message) = shared.said("web").await;
    assert!(message.contains("inline policies of role web have") && message.contains("10240"), "{message}");
    assert_eq!(metadata_of(scene.aws(), &scene.host.instance).await.0, "disabled");
    // The owner makes room.
    iam(scene.aws(), "DeleteRolePolicy", &[("RoleName", "web"), ("PolicyName", "app")]).await;
    scene.until_true("Quarantine", "web", "CredentialsCut").await;
    shared.until_denied(&[&scene.host.instance]).await;
}
