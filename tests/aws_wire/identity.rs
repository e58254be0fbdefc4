//! Who we become, how often, and what is said when we can't.

use crate::scene::{EXTERNAL_ID, Scene, id, impatient, port, settings, witness};
use crate::support::proxy::{Fault, When};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use sequester::api::conditions::Reason;
use sequester::cloud::aws::Aws;
use sequester::cloud::error::ErrorClass;
use sequester::cloud::{Access, AskQuarantine, Cloud, Place};
use sequester::playbook::effect::Effect;
use sequester::playbook::record::OperationId;
use sequester::playbook::seen::Read;
use serde_json::json;
use std::time::{Duration, Instant};

fn ask() -> AskQuarantine {
    AskQuarantine { group_names: vec!["baseline-a".to_owned()], ..crate::scene::ask("i-0123456789abcdef0") }
}

/// A controller in one account, a role for it in another.
async fn two_accounts() -> (Scene, Scene, Place) {
    let (controller, workload) = (Scene::new().await, Scene::new().await);
    let role = workload.role_for(&controller.account).await;
    let access =
        Access { role: Some(role), external_id: Some(EXTERNAL_ID.to_owned()), ..workload.place.access.clone() };
    let place = Place { access, ..workload.place.clone() };
    (controller, workload, place)
}

#[tokio::test]
async fn without_a_role_it_is_the_controller_itself() {
    let scene = Scene::new().await;
    let identity = scene.aws.identify(&scene.place.access).await.unwrap();
    assert_eq!(identity.account.as_str(), scene.account);
    assert!(identity.arn.starts_with(&format!("arn:aws:iam::{}:user/", scene.account)), "{}", identity.arn);
}

#[tokio::test]
async fn a_role_is_assumed_once_however_many_ask() {
    let (controller, workload, place) = two_accounts().await;
    let identity = controller.aws.identify(&place.access).await.unwrap();
    assert_eq!(identity.account.as_str(), workload.account);
    assert_eq!(identity.arn, format!("arn:aws:sts::{}:assumed-role/sequester", workload.account));

    workload.proxy.clear();
    let ask = ask();
    let looks = std::iter::repeat_with(|| controller.aws.observe_quarantine(&place, &ask)).take(4);
    for seen in futures::future::join_all(looks).await {
        assert!(matches!(seen.instance, Read::Absent { .. }), "{:?}", seen.instance);
    }
    assert_eq!(workload.count("AssumeRole"), 1, "one for this Region, shared by all");
    let assumed = workload.proxy.calls().into_iter().find(|call| call.operation == "AssumeRole").unwrap();
    assert_eq!(assumed.parameter("RoleSessionName"), Some("sequester"));
    assert_eq!(assumed.parameter("DurationSeconds"), Some("3600"));
    assert_eq!(assumed.region, place.region.as_str());
    // The session is by all that is declared: another external id is another session.
    let other = Access { external_id: Some("somebody-else".to_owned()), ..place.access.clone() };
    controller.aws.observe_quarantine(&Place { access: other, ..place }, &ask).await;
    assert!(workload.count("AssumeRole") > 1);
}

#[tokio::test]
async fn a_role_that_refuses_us_is_named_with_the_next_step() {
    let (controller, workload, mut place) = two_accounts().await;
    place.access.external_id = Some("wrong".to_owned());
    let error = controller.aws.identify(&place.access).await.unwrap_err();
    assert_eq!((error.class, error.reason()), (ErrorClass::Denied, Reason::RoleNotAssumable));

    let seen = controller.aws.observe_quarantine(&place, &ask()).await;
    let failure = seen.instance.failure().unwrap();
    assert_eq!(failure.reason, Reason::RoleNotAssumable);
    let role = format!("arn:aws:iam::{}:role/sequester", workload.account);
    assert!(failure.message.contains(&role) && failure.message.contains("externalId"), "{}", failure.message);

    let effect = Effect::SetStopProtection { instance: id("i-0123456789abcdef0"), enabled: true };
    let error = controller.aws.perform(&place, &OperationId("op".to_owned()), &effect, &witness()).await.unwrap_err();
    assert_eq!((error.class, error.reason()), (ErrorClass::Denied, Reason::RoleNotAssumable));
    assert!(workload.proxy.mutations().is_empty());
}

#[tokio::test]
async fn a_session_that_ends_early_is_replaced() {
    let (controller, workload, place) = two_accounts().await;
    assert!(matches!(controller.aws.observe_quarantine(&place, &ask()).await.instance, Read::Absent { .. }));
    let expire = format!("/bed/accounts/{}/expire-sessions", workload.account);
    workload.emulator.bed_post(&expire, &json!({})).await;
    let seen = controller.aws.observe_quarantine(&place, &ask()).await;
    assert_eq!(seen.instance.failure().map(|failure| failure.reason), Some(Reason::AwsUnavailable));
    assert!(matches!(controller.aws.observe_quarantine(&place, &ask()).await.instance, Read::Absent { .. }));
    assert_eq!(workload.count("AssumeRole"), 2);
}

#[tokio::test]
async fn an_sts_that_hangs_blocks_nobody_for_ever_and_nothing_is_sent() {
    let (controller, workload, place) = two_accounts().await;
    let aws = port(&controller.emulator.account(&controller.account).await, impatient());
    let _held = workload.proxy.rule(When::operation("AssumeRole"), Fault::HoldRequest);
    let begun = Instant::now();
    let effect = Effect::SetStopProtection { instance: id("i-0123456789abcdef0"), enabled: true };
    let error = aws.perform(&place, &OperationId("op".to_owned()), &effect, &witness()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unavailable, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(workload.proxy.mutations().is_empty());
    let seen = aws.observe_quarantine(&place, &ask()).await;
    assert_eq!(seen.instance.failure().map(|failure| failure.reason), Some(Reason::AwsUnavailable));
}

#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded_no_source()))
    }
}

#[tokio::test]
async fn a_controller_without_credentials_says_so() {
    let (_, workload, place) = two_accounts().await;
    let aws = Aws::with_credentials(settings(), SharedCredentialsProvider::new(Nobody));
    for access in [&place.access, &workload.place.access] {
        let error = aws.identify(access).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Denied, "NoCredentials"), "{error}");
        assert!(error.advice().contains("no AWS credentials of its own"), "{}", error.advice());
    }
    assert!(workload.proxy.calls().is_empty());
}
