//! Whoever creates or changes a spec stands in it.

use crate::world::{ADMIN, ALICE, ARGO, Who, World, accepted, refused, with};
use serde_json::{Value, json};

const RULE: &str = "spec.requestedBy must be the authenticated user";

#[tokio::test]
async fn a_requester_is_who_they_are() {
    let world = World::new().await;
    for object in [world.quarantine("web"), world.case("miner"), world.evidence("disk")] {
        let as_bob = with(object.clone(), "/spec/requestedBy", Some(json!("bob")));
        refused(
            "in another's name",
            world.create(ALICE, as_bob).await,
            &[RULE, "is 'bob'", "write requestedBy: alice"],
        );
        let unnamed = with(object.clone(), "/spec/requestedBy", None);
        refused("nameless", world.create(ALICE, unnamed).await, &[RULE, "is missing", "write requestedBy: alice"]);
        let even_admin = world.create(ADMIN, object.clone()).await;
        refused("an administrator", even_admin, &[RULE, "is 'alice'", "write requestedBy: admin"]);
        accepted("herself", world.create(ALICE, object).await);
    }
}

#[tokio::test]
async fn a_service_account_leaves_it_out() {
    let world = World::new().await;
    for object in [world.quarantine("web"), world.case("miner"), world.evidence("disk")] {
        let named = world.create(ARGO, object.clone()).await;
        refused("named", named, &["spec.requestedBy must be left out by a service account", "'alice'", "two people"]);
        let own = "system:serviceaccount:argocd:argocd-application-controller";
        let own = with(object.clone(), "/spec/requestedBy", Some(json!(own)));
        refused("its own name", world.create(ARGO, own).await, &["must be left out by a service account"]);
        let unnamed = accepted("unnamed", world.create(ARGO, with(object, "/spec/requestedBy", None)).await);
        // A person may take it over, under their name; then Git can't change it without giving the name up.
        let taken = json!({"spec": {"requestedBy": "alice"}});
        accepted("taken over", world.change(ALICE, &unnamed, taken).await);
    }
    let web = world.quarantine("web");
    let level = json!({"spec": {"level": "Isolated"}});
    refused("Git", world.change(ARGO, &web, level).await, &["must be left out by a service account", "'alice'"]);
    let level = json!({"spec": {"level": "Isolated", "requestedBy": null}});
    accepted("Git, nameless", world.change(ARGO, &web, level).await);
}

/// Otherwise an approver could change what somebody else asked for, and approve it under that name.
#[tokio::test]
async fn who_changes_the_spec_takes_its_name() {
    let world = World::new().await;
    let changes: [(Value, Value); 6] = [
        (world.quarantine("web"), json!({"level": "Isolated"})),
        (world.quarantine("web"), json!({"isolation": {"pulse": "Never"}})),
        (world.quarantine("web"), json!({"level": "Released"})),
        (world.evidence("disk"), json!({"legalHold": false})),
        (world.case("miner"), json!({"containment": {"level": "Released"}})),
        (
            world.case("miner"),
            json!({"targets": [world.target(), {"accountRef": world.account, "region": "eu-west-1", "instanceId": "i-1a2b3c4d"}]}),
        ),
    ];
    for (object, _) in &changes {
        // The first of a kind is made, the others are the same object.
        let _ = world.create(ALICE, object.clone()).await;
    }
    for (object, change) in changes {
        let what = format!("{} {change}", object["kind"]);
        let answer = world.change(Who::Mallory, &object, json!({"spec": change})).await;
        refused(&what, answer, &[RULE, "is 'alice'", "write requestedBy: mallory"]);
        let own = with(json!({"spec": change}), "/spec/requestedBy", Some(json!("mallory")));
        let path = format!("{what} in her own name");
        accepted(&path, world.change(Who::Mallory, &object, own).await);
        let back = json!({"spec": {"requestedBy": "alice"}});
        refused("blame alice", world.change(Who::Mallory, &object, back.clone()).await, &[RULE]);
        accepted("alice takes it back", world.change(ALICE, &object, back).await);
    }
    let web = world.quarantine("web");
    let unname = json!({"spec": {"requestedBy": null}});
    refused("removed", world.change(Who::Mallory, &web, unname).await, &[RULE, "is missing"]);
    let label = json!({"metadata": {"labels": {"team": "web"}, "annotations": {"note": "x"}}});
    accepted("labels are no request", world.change(Who::Mallory, &web, label).await);
}

#[tokio::test]
async fn the_controller_makes_children_in_the_name_of_whoever_asked() {
    let world = World::new().await;
    let child = with(world.quarantine("child"), "/metadata/labels", Some(json!({"sequester.dev/case": "miner"})));
    accepted("child", world.create(Who::Controller, child.clone()).await);
    accepted("raised", world.change(Who::Controller, &child, json!({"spec": {"level": "Isolated"}})).await);
    let nameless = with(world.evidence("child"), "/spec/requestedBy", None);
    accepted("nameless child", world.create(Who::Controller, nameless).await);
}
