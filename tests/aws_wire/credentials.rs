//! Credentials of a host: what is seen of its role, and each change, in a document that is about others too.

use crate::changes::{attempt, perform};
use crate::scene::{Scene, id, product};
use crate::support::roles::{Role, metadata_of, profile_of, put_policy};
use crate::support::world::{self, Network, run_instance};
use sequester::api::ids::{InstanceId, RoleName};
use sequester::cloud::error::{CloudError, ErrorClass};
use sequester::cloud::{AskCredentials, AskQuarantine, Cloud};
use sequester::playbook::credential_change::CredentialChange;
use sequester::playbook::credentials::Credentials;
use sequester::playbook::effect::{Effect, Receipt};
use sequester::playbook::role_policy::{Denied, InlinePolicy, Scope, counted};
use sequester::playbook::seen::Read;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const POLICY: &str = "baseline-c";
const ALL: Denied = Denied { scope: Scope::All, issued_before: None };

fn policy(role: &str) -> InlinePolicy {
    InlinePolicy { role: id::<RoleName>(role), name: POLICY.to_owned() }
}

fn ask(instance: &str, credentials: AskCredentials) -> AskQuarantine {
    AskQuarantine { credentials: Some(credentials), ..crate::scene::ask(instance) }
}

fn wanted() -> AskCredentials {
    AskCredentials { policy: POLICY.to_owned(), known: BTreeSet::new(), association: true, siblings: true }
}

async fn look(scene: &Scene, instance: &str, wanted: AskCredentials) -> Credentials {
    match scene.aws.observe_quarantine(&scene.place, &ask(instance, wanted)).await.credentials {
        Read::Found { value, .. } => value,
        other => panic!("{other:?}"),
    }
}

fn deny(role: &Role, instance: &str, denied: Denied) -> Effect {
    let (policy, role_id, instance) = (policy(&role.name), role.id.clone(), id::<InstanceId>(instance));
    Effect::Credentials(CredentialChange::PutRolePolicy { policy, role_id, instance, denied })
}

fn allow(role: &Role, instance: &str) -> Effect {
    let (policy, role_id, instance) = (policy(&role.name), role.id.clone(), id::<InstanceId>(instance));
    Effect::Credentials(CredentialChange::DeleteRolePolicy { policy, role_id, instance })
}

async fn write(scene: &Scene, effect: &Effect) -> Result<Receipt, CloudError> {
    attempt(scene, "op", effect).await
}

/// Ids of instances that nobody runs: a policy does not ask.
fn host(n: usize) -> String {
    format!("i-{n:017x}")
}

async fn lag(scene: &Scene, seconds: u64) {
    scene.emulator.settings(&json!({"account": scene.account, "iam_seconds": seconds})).await;
}

#[tokio::test]
async fn a_role_and_who_else_has_it() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let (instance, sibling) = (run_instance(&scene.admin, &network).await, run_instance(&scene.admin, &network).await);
    let bare = look(&scene, &instance, wanted()).await;
    assert_eq!(bare, Credentials { siblings: None, ..Credentials::default() }, "no profile, no role");
    assert!(scene.proxy.calls().iter().all(|call| call.service != "iam"), "and nothing to ask IAM");

    let role = Role::new(&scene.admin, "web").await;
    for host in [&instance, &sibling] {
        role.give(&scene.admin, host).await;
    }
    let seen = look(&scene, &instance, wanted()).await;
    assert_eq!(seen.current, Some(id("web")));
    assert_eq!(seen.siblings, Some(BTreeSet::from([id(&sibling)])));
    let profile = profile_of(&scene.admin, &instance).await.unwrap();
    assert_eq!(seen.association.as_ref().map(|association| &association.profile), Some(&profile));
    let found = seen.roles[&policy("web")].as_ref().unwrap();
    let own = role.policy(&scene.admin, "app").await.unwrap();
    assert_eq!((&found.id, found.service_linked, found.others), (&role.id, false, Some(counted(&own.to_string()))));
    assert!(found.policy.as_ref().is_some_and(sequester::playbook::role_policy::RolePolicy::is_empty));

    // Known by the chain: looked at without the profile, and also where it is gone.
    let gone = policy("gone");
    let known = AskCredentials { known: [policy("web"), gone.clone()].into(), association: false, ..wanted() };
    write(&scene, &deny(&role, &instance, ALL)).await.unwrap();
    let nobody = look(&scene, &host(1), known).await;
    assert_eq!((nobody.current, nobody.association, &nobody.roles[&gone]), (None, None, &None));
    let document = nobody.roles[&policy("web")].as_ref().unwrap().policy.clone().unwrap();
    assert_eq!((document.of(&id(&instance)), document.len()), (ALL, 1));

    put_policy(&scene.admin, "web", POLICY, &own.to_string()).await;
    let seen = look(&scene, &instance, wanted()).await;
    assert_eq!(seen.roles[&policy("web")].as_ref().unwrap().policy, None, "not of our form");
}

#[tokio::test]
async fn one_host_enters_and_leaves_a_document_and_the_others_stay() {
    let scene = Scene::new().await;
    let role = Role::new(&scene.admin, "web").await;
    let denied = async || role.denied(&scene.admin, POLICY).await;
    for n in [1, 2] {
        scene.proxy.clear();
        let receipt = write(&scene, &deny(&role, &host(n), ALL)).await.unwrap();
        let calls = scene.proxy.calls();
        let operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        assert_eq!(operations, ["GetRolePolicy", "PutRolePolicy"]);
        assert!(calls[1].user_agent.ends_with(&format!(" {}", product())), "{}", calls[1].user_agent);
        assert!(receipt.request_id.is_some());
    }
    assert_eq!(denied().await, [role.user(&host(1)), role.user(&host(2))]);
    scene.proxy.clear();
    write(&scene, &deny(&role, &host(2), ALL)).await.unwrap();
    assert_eq!(scene.proxy.mutations().len(), 0, "it says so already");

    let agent = Denied { scope: Scope::AllButAgent, issued_before: Some("2026-11-24T12:00:00Z".parse().unwrap()) };
    write(&scene, &deny(&role, &host(2), agent)).await.unwrap();
    let document = role.policy(&scene.admin, POLICY).await.unwrap();
    let but_agent: Vec<&Value> = document["Statement"].as_array().unwrap().iter().filter(|s| s["Sid"] == "A").collect();
    assert_eq!(but_agent[0]["Condition"], json!({"StringEquals": {"aws:userid": [role.user(&host(2))]}}));
    assert!(document.to_string().contains(r#""DateLessThan":{"aws:TokenIssueTime":"2026-11-24T12:00:00Z"}"#));

    write(&scene, &allow(&role, &host(2))).await.unwrap();
    assert_eq!(denied().await, [role.user(&host(1))]);
    scene.proxy.clear();
    write(&scene, &allow(&role, &host(1))).await.unwrap();
    assert_eq!(scene.count("DeleteRolePolicy"), 1);
    assert_eq!(role.policy(&scene.admin, POLICY).await, None);
    write(&scene, &allow(&role, &host(1))).await.expect("what is not there is what was asked for");
    assert!(role.policy(&scene.admin, "app").await.is_some());
}

/// A lost update would leave a host with its credentials, until the next look.
#[tokio::test]
async fn hosts_of_a_role_that_are_cut_off_at_the_same_time_lose_no_update() {
    let scene = Scene::new().await;
    let role = Role::new(&scene.admin, "web").await;
    let all: Vec<Effect> = (0..12).map(|n| deny(&role, &host(n), ALL)).collect();
    let replies = futures::future::join_all(all.iter().map(|effect| write(&scene, effect))).await;
    assert!(replies.iter().all(Result::is_ok), "{replies:?}");
    assert_eq!(role.denied(&scene.admin, POLICY).await.len(), 12);

    // Reads show what was there before: nobody comes back, and nobody is lost.
    lag(&scene, 3600).await;
    write(&scene, &allow(&role, &host(3))).await.unwrap();
    write(&scene, &deny(&role, &host(20), ALL)).await.unwrap();
    write(&scene, &deny(&role, &host(21), ALL)).await.unwrap();
    assert_eq!(role.denied(&scene.admin, POLICY).await.len(), 0, "reads show none of it yet");
    write(&scene, &deny(&role, &host(21), ALL)).await.expect("again, since reads do not show it");
    lag(&scene, 0).await;
    let now = role.denied(&scene.admin, POLICY).await;
    assert!(!now.contains(&role.user(&host(3))), "{now:?}");
    assert!(now.contains(&role.user(&host(20))) && now.contains(&role.user(&host(21))), "{now:?}");
    assert_eq!(now.len(), 13);

    // Who takes the whole policy away makes it no old version.
    world::iam(&scene.admin, "DeleteRolePolicy", &[("RoleName", "web"), ("PolicyName", POLICY)]).await;
    write(&scene, &deny(&role, &host(20), ALL)).await.unwrap();
    assert!(role.denied(&scene.admin, POLICY).await.contains(&role.user(&host(20))));
}

#[tokio::test]
async fn what_iam_refuses_is_sorted_and_what_is_not_ours_is_never_written() {
    let scene = Scene::new().await;
    let role = Role::new(&scene.admin, "web").await;
    let refused = async |effect: &Effect| {
        let error = write(&scene, effect).await.unwrap_err();
        (error.class, error.code)
    };
    let own = role.policy(&scene.admin, "app").await.unwrap();
    put_policy(&scene.admin, "web", POLICY, &own.to_string()).await;
    for effect in [deny(&role, &host(1), ALL), allow(&role, &host(1))] {
        scene.proxy.clear();
        assert_eq!(refused(&effect).await, (ErrorClass::Invalid, "NotOurPolicy".to_owned()));
        assert_eq!(scene.proxy.mutations().len(), 0);
    }
    assert_eq!(role.policy(&scene.admin, POLICY).await, Some(own));

    let full = Role::new(&scene.admin, "full").await;
    let long = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{}", "a".repeat(10_000))}]});
    put_policy(&scene.admin, "full", "app", &long.to_string()).await;
    assert_eq!(refused(&deny(&full, &host(1), ALL)).await, (ErrorClass::Quota, "LimitExceeded".to_owned()));

    let nobody = Role { name: "nobody".to_owned(), id: role.id.clone() };
    assert_eq!(refused(&deny(&nobody, &host(1), ALL)).await, (ErrorClass::Conflict, "NoSuchEntity".to_owned()));

    let made =
        world::iam(&scene.admin, "CreateServiceLinkedRole", &[("AWSServiceName", "autoscaling.amazonaws.com")]).await;
    let tag = |name| crate::support::aws::tag(&made, name).to_owned();
    let linked = Role { name: tag("RoleName"), id: tag("RoleId") };
    assert_eq!(refused(&deny(&linked, &host(1), ALL)).await, (ErrorClass::Invalid, "UnmodifiableEntity".to_owned()));
    let known = AskCredentials { known: [policy(&linked.name)].into(), ..wanted() };
    assert!(look(&scene, &host(1), known).await.roles[&policy(&linked.name)].as_ref().unwrap().service_linked);
}

#[tokio::test]
async fn the_metadata_service_and_the_instance_profile() {
    let scene = Scene::new().await;
    let network = Network::new(&scene.admin).await;
    let instance = run_instance(&scene.admin, &network).await;
    let hops = [("InstanceId", instance.as_str()), ("HttpPutResponseHopLimit", "3"), ("HttpEndpoint", "enabled")];
    crate::support::aws::ok(scene.admin.ec2("ModifyInstanceMetadataOptions", &hops).await);
    let credentials = |change| Effect::Credentials(change);
    let seen = async || {
        let seen = scene.aws.observe_quarantine(&scene.place, &ask(&instance, wanted())).await;
        seen.instance.value().unwrap().metadata.clone().unwrap()
    };
    let found = seen().await;
    assert!(found.enabled);
    assert_eq!(found.others["httpPutResponseHopLimit"], "3");
    for (enabled, says) in [(false, "disabled"), (true, "enabled")] {
        let switch = credentials(CredentialChange::ModifyInstanceMetadataOptions { instance: id(&instance), enabled });
        perform(&scene, "op-m", &switch, &["ModifyInstanceMetadataOptions"]).await;
        assert_eq!(
            metadata_of(&scene.admin, &instance).await,
            (says.to_owned(), "3".to_owned()),
            "and no other option"
        );
        assert_eq!(seen().await.enabled, enabled);
    }

    let role = Role::new(&scene.admin, "web").await;
    role.give(&scene.admin, &instance).await;
    let profile = profile_of(&scene.admin, &instance).await.unwrap();
    let association = look(&scene, &instance, wanted()).await.association.unwrap().id;
    let take = credentials(CredentialChange::DisassociateIamInstanceProfile { instance: id(&instance), association });
    perform(&scene, "op-d", &take, &["DisassociateIamInstanceProfile"]).await;
    let seen = look(&scene, &instance, wanted()).await;
    assert_eq!((seen.association, seen.current, profile_of(&scene.admin, &instance).await), (None, None, None));
    let again = write(&scene, &take).await.unwrap_err();
    assert_eq!(again.class, ErrorClass::Conflict, "looked at again: {again}");
    let give = credentials(CredentialChange::AssociateIamInstanceProfile {
        instance: id(&instance),
        profile: profile.clone(),
    });
    perform(&scene, "op-a", &give, &["AssociateIamInstanceProfile"]).await;
    assert_eq!(look(&scene, &instance, wanted()).await.association.map(|found| found.profile), Some(profile));
    let again = write(&scene, &give).await.unwrap_err();
    assert_eq!(again.class, ErrorClass::Conflict, "looked at again: {again}");
}
