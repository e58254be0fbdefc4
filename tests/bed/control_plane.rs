//! The API server is a real one, knows who is who, and forgets nothing.

use crate::support::bed::Bed;
use crate::support::control_plane::{ControlPlane, Options};
use crate::support::identities::Identity;
use crate::support::wait;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use std::time::Duration;

async fn who_am_i(client: Client) -> (String, Vec<String>) {
    let reviews: Api<SelfSubjectReview> = Api::all(client);
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = review.expect("a review of oneself").status.and_then(|status| status.user_info);
    let user = user.expect("a user");
    (user.username.unwrap_or_default(), user.groups.unwrap_or_default())
}

#[tokio::test]
async fn everybody_is_who_they_are() {
    let bed = Bed::shared().await;
    for identity in Identity::ALL {
        let (user, groups) = who_am_i(bed.control_plane.client(identity).await).await;
        assert_eq!(user, identity.user());
        for group in identity.groups() {
            assert!(groups.iter().any(|has| has == group), "{user} is not in {group}: {groups:?}");
        }
    }
}

#[tokio::test]
async fn a_service_account_gets_a_token_that_is_its_own() {
    let control_plane = &Bed::shared().await.control_plane;
    // Twice, as for a second controller.
    control_plane.service_account_token("sequester-system", "sequester").await;
    let token = control_plane.service_account_token("sequester-system", "sequester").await;
    let (user, groups) = who_am_i(control_plane.client_with_token(&token).await).await;
    assert_eq!(user, "system:serviceaccount:sequester-system:sequester");
    assert!(groups.contains(&"system:serviceaccounts:sequester-system".to_owned()), "{groups:?}");
}

#[tokio::test]
async fn kubectl_works_by_kubeconfig_and_rbac_is_on() {
    let control_plane = &Bed::shared().await.control_plane;
    let admin = control_plane.run_kubectl(Identity::Admin, &["get", "namespace", "default", "--output=name"]).await;
    assert_eq!(String::from_utf8_lossy(&admin.stdout).trim(), "namespace/default", "{admin:?}");
    let alice = control_plane.run_kubectl(Identity::Alice, &["get", "secrets", "--namespace=default"]).await;
    let message = String::from_utf8_lossy(&alice.stderr).into_owned();
    assert!(message.contains(r#"User "alice" cannot list resource "secrets""#), "{message}");
}

#[tokio::test]
async fn the_audit_log_says_who_did_what() {
    let bed = Bed::shared().await;
    let namespace = bed.namespace("audited").await;
    let namespaces: Api<Namespace> = Api::all(bed.control_plane.client(Identity::Alice).await);
    namespaces.delete(&namespace, &DeleteParams::default()).await.expect_err("alice may not delete namespaces");
    wait::until("audit event", Duration::from_secs(10), async || {
        let is_it = |event: &serde_json::Value| {
            event["user"]["username"] == "alice"
                && event["verb"] == "delete"
                && event["objectRef"]["name"] == *namespace
                && event["responseStatus"]["code"] == 403
        };
        bed.control_plane.audit().iter().any(is_it).then_some(()).ok_or_else(|| "not there".into())
    })
    .await;
}

/// With the controller manager, on a control plane of its own, beside the shared one.
#[tokio::test]
async fn a_namespace_goes_away_where_controllers_run() {
    let control_plane = ControlPlane::start(Options { controller_manager: true }).await;
    let namespaces: Api<Namespace> = Api::all(control_plane.client(Identity::Admin).await);
    let metadata = ObjectMeta { name: Some("short-lived".into()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    namespaces.create(&PostParams::default(), &namespace).await.expect("make a namespace");
    namespaces.delete("short-lived", &DeleteParams::default()).await.expect("delete it");
    wait::until("end of the namespace", Duration::from_mins(1), async || {
        match namespaces.get_opt("short-lived").await.map_err(|error| error.to_string())? {
            None => Ok(()),
            Some(still) => Err(format!("{:?}", still.status)),
        }
    })
    .await;
}
