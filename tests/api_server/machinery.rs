//! Kubernetes' own controllers delete as well: they take nothing that is held.

use crate::support::wait;
use crate::world::{ADMIN, ALICE, Answer, BOB, Who, World, accepted, with};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);

fn gone(answer: Answer) -> Result<(), String> {
    match answer {
        Err(message) if message.contains("not found") => Ok(()),
        Err(message) => Err(message),
        Ok(object) => Err(format!("still there: {}", object["metadata"])),
    }
}

fn namespace(world: &World) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}})
}

/// Whoever may change an object may make it the child of something that they then delete.
#[tokio::test]
async fn garbage_collection_leaves_what_is_held() {
    let world = World::new().await;
    let owner =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": world.namespace}});
    let made = accepted("owner", world.create(ADMIN, owner.clone()).await);
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made["metadata"]["uid"]}]);
    let child = |object: Value| with(object, "/metadata/ownerReferences", Some(reference.clone()));
    let (held, free) = (child(world.quarantine("held")), child(world.quarantine("free")));
    let evidence = child(world.evidence("held"));
    for object in [&held, &free, &evidence] {
        accepted("owned", world.create(ALICE, object.clone()).await);
    }
    world.hold(&held).await;
    world.hold(&evidence).await;
    accepted("the owner goes", world.delete(ADMIN, &owner).await);
    wait::until("collection of what is free", LIMIT, async || gone(world.get(ADMIN, &free).await)).await;
    for object in [&held, &evidence] {
        let kept = accepted("kept", world.get(ADMIN, object).await);
        assert!(kept["metadata"]["deletionTimestamp"].is_null(), "{kept}");
    }
}

/// The policy on namespaces is the first barrier; this is what stands behind it, once the AwsAccount is edited.
#[tokio::test]
async fn a_terminating_namespace_keeps_what_is_held() {
    let world = World::new().await;
    let (held, free) = (world.quarantine("held"), world.quarantine("free"));
    for object in [&held, &free] {
        accepted("make", world.create(ALICE, object.clone()).await);
    }
    world.hold(&held).await;
    let unlisted = json!({"spec": {"allowedNamespaces": null}});
    accepted("the account is edited", world.change(ADMIN, &world.aws_account(), unlisted).await);
    world.until_deleted(&namespace(&world)).await;
    wait::until("deletion of what is free", LIMIT, async || gone(world.get(ADMIN, &free).await)).await;
    let kept = accepted("kept", world.get(ADMIN, &held).await);
    assert!(kept["metadata"]["deletionTimestamp"].is_null(), "{kept}");
    // It can still be worked on: only creating is over.
    let level = json!({"spec": {"level": "Isolated"}});
    accepted("raised", world.change(ALICE, &held, level).await);
    let unheld = json!({"metadata": {"finalizers": []}});
    accepted("break glass", world.change(Who::Breaker, &held, unheld).await);
    wait::until("end of the namespace", LIMIT, async || gone(world.get(ADMIN, &namespace(&world)).await)).await;
}

#[tokio::test]
async fn a_namespace_that_nobody_lists_goes_with_its_approvals() {
    let world = World::new().await;
    accepted("approval", world.create(BOB, world.approval("ok")).await);
    accepted("case", world.create(ALICE, world.case("miner")).await);
    accepted("the account goes", world.delete(ADMIN, &world.aws_account()).await);
    world.until_deleted(&namespace(&world)).await;
    wait::until("end of the namespace", LIMIT, async || gone(world.get(ADMIN, &namespace(&world)).await)).await;
}

/// Names made by the API server are no reason for a policy to stumble.
#[tokio::test]
async fn generated_names() {
    let world = World::new().await;
    for (who, object) in [
        (ALICE, world.case("x")),
        (ALICE, world.quarantine("x")),
        (BOB, world.approval("x")),
        (Who::Breaker, world.quarantine("x")),
    ] {
        let mut object = with(with(object, "/metadata/name", None), "/metadata/generateName", Some(json!("made-")));
        if who == Who::Breaker {
            object = with(object, "/spec/requestedBy", Some(json!("dora")));
        }
        let made = accepted("generated", world.create(who, object).await);
        assert!(made["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("made-")));
    }
}
