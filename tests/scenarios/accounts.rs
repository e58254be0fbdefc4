//! What is wrong with an account, a target or a permission is said in a condition, and nothing is touched.

use crate::scene::{Scene, conditions, quarantine};
use crate::support::aws::ok;
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::proxy::{Call, Fault, When};
use crate::support::stage::{LIMIT, Stage, condition_of, uid};
use crate::support::wait;
use crate::support::world::run_instance;
use serde_json::{Value, json};

/// Waits until a Quarantine is refused with this reason, and checks that nothing was done for it.
async fn refused(scene: &Scene, reason: &str) -> String {
    let found = scene.until_reason("Quarantine", "web", "Ready", reason).await;
    let ready = condition_of(&found, "Ready").unwrap();
    assert_eq!(ready["status"], "False");
    assert_eq!(
        condition_of(&found, "Stalled").map(|stalled| &stalled["status"]),
        Some(&json!("True")),
        "{:?}",
        conditions(&found)
    );
    assert!(condition_of(&found, "Reconciling").is_none());
    assert!(scene.changes().is_empty(), "{:?}", scene.changes());
    assert_eq!(scene.chain(&uid(&found)).await, Vec::<Value>::new());
    let hold = format!("{}-{}-{}", scene.workload.id, scene.aws().region, scene.host.instance);
    scene.until_gone("InstanceHold", &hold).await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    ready["message"].as_str().unwrap_or_default().to_owned()
}

/// What the controller asked in the account, beside who it is there.
fn questions(scene: &Scene) -> Vec<Call> {
    scene.proxy.calls().into_iter().filter(|call| call.service != "sts").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_account_do_nothing() {
    // Without a role the controller is itself, in an account of its own.
    let scene = Scene::with("identity", |account| drop(account["spec"].as_object_mut().unwrap().remove("role"))).await;
    let _controller = scene.controller("one").await;
    let account = scene.until_reason("AwsAccount", &scene.account_name(), "IdentityVerified", "IdentityMismatch").await;
    assert_eq!(condition_of(&account, "Ready").unwrap()["status"], "False");
    scene.declare("web", "Isolated").await;
    let message = refused(&scene, "IdentityMismatch").await;
    assert!(message.contains(&scene.workload.id), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_trusts_somebody_else_is_not_assumable() {
    let scene = Scene::with("role", |account| account["spec"]["role"]["externalId"] = json!("not-ours")).await;
    let _controller = scene.controller("one").await;
    scene.until_reason("AwsAccount", &scene.account_name(), "IdentityVerified", "RoleNotAssumable").await;
    scene.declare("web", "Isolated").await;
    refused(&scene, "RoleNotAssumable").await;
    assert_eq!(questions(&scene).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_the_account_does_not_list_is_not_asked() {
    let scene = Scene::new("region").await;
    let _controller = scene.controller("one").await;
    let mut spec = quarantine(&scene, &scene.host.instance, "Isolated");
    spec["target"]["region"] = json!("eu-central-1");
    scene.declare_as(Identity::Alice, "web", spec).await;
    let message = refused(&scene, "RegionNotAllowed").await;
    assert!(message.contains("eu-central-1") && message.contains(&scene.account_name()), "{message}");
    assert_eq!(questions(&scene).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_allowed_learns_nothing() {
    let other = |account: &mut Value| account["spec"]["allowedNamespaces"] = json!(["somewhere-else"]);
    let scene = Scene::with("stranger", other).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let message = refused(&scene, "NamespaceNotAllowed").await;
    assert!(message.contains(&scene.namespace) && !message.contains("somewhere-else"), "{message}");
    assert_eq!(questions(&scene).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_nobody_declared() {
    let scene = Scene::undeclared(Stage::new(Bed::shared().await, "nobody", crate::scene::BINARY).await).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    refused(&scene, "AccountNotFound").await;
    assert_eq!(scene.proxy.calls().len(), 0);
    // As soon as somebody declares it, the work begins.
    scene.declare_accounts(|_| {}).await;
    scene.until_settled("web").await;
}

async fn of_instance(scene: &Scene, instance: &str) {
    scene.declare_as(Identity::Alice, "web", quarantine(scene, instance, "Isolated")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_not_there() {
    let scene = Scene::new("absent").await;
    let _controller = scene.controller("one").await;
    of_instance(&scene, "i-0123456789abcdef0").await;
    let message = refused(&scene, "InstanceNotFound").await;
    assert!(message.contains("i-0123456789abcdef0") && message.contains(&scene.workload.id), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_terminated() {
    let scene = Scene::new("terminated").await;
    let other = run_instance(scene.aws(), &scene.network).await;
    ok(scene.aws().ec2("TerminateInstances", &[("InstanceId.1", &other)]).await);
    let _controller = scene.controller("one").await;
    of_instance(&scene, &other).await;
    refused(&scene, "InstanceTerminated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_in_another_account() {
    let scene = Scene::new("elsewhere").await;
    let (mine, other) = (scene.workload.id.clone(), scene.forensics.id.clone());
    scene.proxy.rule(
        When::operation("DescribeInstances"),
        Fault::rewrite(move |_, reply| {
            reply.replace(&format!("<ownerId>{mine}</ownerId>"), &format!("<ownerId>{other}</ownerId>"))
        }),
    );
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    refused(&scene, "WrongAccount").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named() {
    let scene = Scene::new("denied").await;
    let denied = scene.proxy.rule(When::operation("ModifyNetworkInterfaceAttribute"), Fault::Unauthorized);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let found = scene.until_reason("Quarantine", "web", "Isolated", "PermissionMissing").await;
    let message = condition_of(&found, "Isolated").unwrap()["message"].to_string();
    assert!(message.contains("ec2:ModifyNetworkInterfaceAttribute"), "{message}");
    assert_eq!(condition_of(&found, "Stalled").unwrap()["reason"], "PermissionMissing");
    // The rest goes on.
    scene.until_true("Quarantine", "web", "Protected").await;
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    denied.remove();
    let settled = scene.until_settled("web").await;
    assert!(condition_of(&settled, "Stalled").is_none());
    // Trying again and again did not fill the chain.
    let chain = crate::chain::Chain::read(&scene, &uid(&settled)).await;
    chain.assert_sound();
    assert!(chain.links.len() < 12, "{} links", chain.links.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_to_look_that_is_missing_is_named_too() {
    let scene = Scene::new("blind").await;
    scene.proxy.rule(When::operation("DescribeInstances"), Fault::Unauthorized);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let message = refused(&scene, "PermissionMissing").await;
    assert!(message.contains("ec2:DescribeInstances"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_delays_and_is_told() {
    let scene = Scene::new("throttled").await;
    let throttled = scene.proxy.rule(When::mutations(), Fault::Throttle);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let told = scene.until_reason("Quarantine", "web", "Reconciling", "Throttled").await;
    assert!(condition_of(&told, "Stalled").is_none(), "{:?}", conditions(&told));
    wait::until("more refusals", LIMIT, async || match throttled.hits() {
        hits if hits > 8 => Ok(()),
        hits => Err(format!("{hits}")),
    })
    .await;
    throttled.remove();
    let settled = scene.until_settled("web").await;
    assert!(condition_of(&settled, "Reconciling").is_none());
    let chain = crate::chain::Chain::read(&scene, &uid(&settled)).await;
    chain.assert_sound();
    crate::chain::assert_witnessed(&scene.proxy.calls(), std::slice::from_ref(&chain), None);
    // Each change was recorded once, however often it was refused.
    let mut intents: Vec<String> = chain.intents().iter().map(|intent| intent["effect"].to_string()).collect();
    let all = intents.len();
    intents.sort();
    intents.dedup();
    // Closing an interface comes twice by right: before the pulse, and as its second half.
    assert!(all - intents.len() <= scene.host.interfaces.len(), "{all} intents, {} different", intents.len());
}

/// Nothing listens there any more.
async fn dead_end() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_answer() {
    let nowhere = dead_end().await;
    let scene = Scene::with("unreachable", |account| account["spec"]["endpointUrl"] = json!(nowhere)).await;
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let found = scene.until_reason("Quarantine", "web", "Ready", "AwsUnavailable").await;
    assert_eq!(condition_of(&found, "Reconciling").unwrap()["status"], "True", "{:?}", conditions(&found));
    assert!(condition_of(&found, "Stalled").is_none());
    assert_eq!(scene.chain(&uid(&found)).await, Vec::<Value>::new());
    scene.until_reason("AwsAccount", &scene.account_name(), "IdentityVerified", "AwsUnavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_taken_away_later_stops_the_work_and_gives_it_back_when_it_returns() {
    let (scene, _controller) = Scene::held("revoked", "Protected").await;
    let assume = scene.proxy.rule(When::operation("AssumeRole"), Fault::Unauthorized);
    let path = format!("/bed/accounts/{}/expire-sessions", scene.workload.id);
    scene.bed.emulator.bed_post(&path, &json!({})).await;
    scene.until_reason("AwsAccount", &scene.account_name(), "IdentityVerified", "RoleNotAssumable").await;
    scene.until_reason("Quarantine", "web", "Ready", "RoleNotAssumable").await;
    assume.remove();
    scene.until_true("Quarantine", "web", "Ready").await;
}
