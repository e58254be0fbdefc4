//! What is held stays: statuses, records, holds, finalizers, labels, objects, namespaces and CRDs.

use crate::support::wait;
use crate::world::{ADMIN, ALICE, INSTANCE, Who, World, accepted, refused, with};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

fn condition(reason: &str) -> Value {
    json!({"type": "Ready", "status": "True", "reason": reason, "message": "", "lastTransitionTime": "2026-11-24T00:00:00Z"})
}

#[tokio::test]
async fn a_status_is_written_by_the_controller_alone() {
    let world = World::new().await;
    for object in [world.quarantine("web"), world.case("miner"), world.evidence("disk"), world.aws_account()] {
        if object["kind"] != "AwsAccount" {
            accepted("make", world.create(ALICE, object.clone()).await);
        }
        for (who, user) in [(Who::Mallory, "mallory"), (ADMIN, "admin"), (Who::Breaker, "dora")] {
            let answer = world.change_status(who, &object, json!({"conditions": [condition("Released")]})).await;
            refused(
                &format!("{} by {user}", object["kind"]),
                answer,
                &["status is written by the controller alone", user],
            );
        }
        let done = world.change_status(Who::Controller, &object, json!({"observedGeneration": 1})).await;
        assert_eq!(accepted("the controller", done)["status"]["observedGeneration"], 1);
        // A write of the object leaves the status as it is.
        let around = world.change(Who::Mallory, &object, json!({"status": {"observedGeneration": 7}})).await;
        assert_eq!(accepted("around", around)["status"]["observedGeneration"], 1);
    }
    let approval = world.approval("ok");
    accepted("approval", world.create(crate::world::BOB, approval.clone()).await);
    let forged = world.change_status(Who::Mallory, &approval, json!({"state": "Accepted"})).await;
    refused("approval", forged, &["status is written by the controller alone"]);
    accepted("approval", world.change_status(Who::Controller, &approval, json!({"state": "Accepted"})).await);
    let born = with(world.quarantine("born"), "/status", Some(json!({"conditions": [condition("Released")]})));
    let born = accepted("born with a status", world.create(ALICE, born).await);
    assert_eq!(born["status"], json!({"observedGeneration": -1}));
}

fn record(world: &World, index: u32) -> Value {
    let uid = "3f0a7d7e-7b2e-4a77-9d6b-1d0a3f1d2c3b";
    let subject = json!({"kind": "Quarantine", "namespace": world.namespace, "name": "web", "uid": uid});
    let spec = json!({"index": index, "subject": subject, "body": r#"{"a":1.0,"b":null}"#});
    let record = world.object("CustodyRecord", &format!("quar-{uid}-{index:06}"), spec);
    with(record, "/metadata/finalizers", Some(json!(["sequester.dev/held"])))
}

#[tokio::test]
async fn custody_records() {
    let world = World::new().await;
    let first = record(&world, 1);
    for who in [Who::Mallory, ADMIN, Who::Breaker] {
        let answer = world.create(who, first.clone()).await;
        refused(&format!("made by {who:?}"), answer, &["by the controller alone"]);
    }
    let kept = accepted("made", world.create(Who::Controller, first.clone()).await);
    assert_eq!(kept["spec"]["body"], r#"{"a":1.0,"b":null}"#, "the bytes are kept");
    refused("twice", world.create(Who::Controller, first.clone()).await, &["already exists"]);
    for change in [
        json!({"spec": {"body": "{}"}}),
        json!({"metadata": {"finalizers": []}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
    ] {
        for who in [Who::Mallory, ADMIN, Who::Breaker] {
            refused(&format!("{who:?} {change}"), world.change(who, &first, change.clone()).await, &["orbidden"]);
        }
    }
    for who in [Who::Mallory, ADMIN, Who::Breaker, Who::GarbageCollector] {
        let words = ["cannot be deleted: a chain of custody has no gaps"];
        refused(&format!("{who:?}"), world.delete(who, &first).await, &words);
        refused(&format!("{who:?}, all"), world.delete_all(who, &first).await, &words);
    }
    refused("the controller", world.delete(Who::Controller, &first).await, &["cannot delete resource"]);

    let rule = "metadata.name must be <short kind>-<uid of the subject>-<index, 6 digits>";
    for (what, pointer, value) in [
        ("another index", "/spec/index", json!(3)),
        ("another subject", "/spec/subject/uid", json!("00000000-0000-0000-0000-000000000000")),
        ("no index", "/metadata/name", json!("quar-3f0a7d7e-7b2e-4a77-9d6b-1d0a3f1d2c3b-second")),
    ] {
        let wrong = with(record(&world, 2), pointer, Some(value));
        refused(what, world.create(Who::Controller, wrong).await, &[rule]);
    }
    let large = with(record(&world, 2), "/spec/body", Some(json!("x".repeat(65_537))));
    refused("large", world.create(Who::Controller, large).await, &["spec.body", "Too long", "65536"]);
}

#[tokio::test]
async fn instance_holds() {
    let world = World::new().await;
    let number: String = world.namespace.chars().filter(char::is_ascii_digit).collect();
    let account = format!("{number:0>12}");
    let holder = json!({"kind": "Quarantine", "namespace": world.namespace, "name": "web", "uid": "3f0a7d7e"});
    let hold = json!({"apiVersion": "sequester.dev/v1alpha1", "kind": "InstanceHold",
        "metadata": {"name": format!("{account}-eu-west-1-{INSTANCE}"), "finalizers": ["sequester.dev/held"]},
        "spec": {"accountId": account, "region": "eu-west-1", "instanceId": INSTANCE, "holder": holder}});
    for who in [Who::Mallory, ADMIN, Who::Breaker] {
        refused("made", world.create(who, hold.clone()).await, &["by the controller alone"]);
    }
    let elsewhere = with(hold.clone(), "/metadata/name", Some(json!("mine")));
    let words = ["metadata.name must be", hold["metadata"]["name"].as_str().unwrap()];
    refused("misnamed", world.create(Who::Controller, elsewhere).await, &words);
    accepted("made", world.create(Who::Controller, hold.clone()).await);
    refused("a second holder", world.create(Who::Controller, hold.clone()).await, &["already exists"]);
    let usurped = json!({"spec": {"holder": {"name": "mine"}}});
    refused(
        "changed",
        world.change(Who::Controller, &hold, usurped.clone()).await,
        &["spec is immutable: a hold is made and removed"],
    );
    refused("usurped", world.change(Who::Mallory, &hold, usurped).await, &["orbidden"]);
    for who in [Who::Mallory, ADMIN, Who::GarbageCollector] {
        refused("deleted", world.delete(who, &hold).await, &["InstanceHold is written by the controller alone"]);
        let stripped = world.change(who, &hold, json!({"metadata": {"finalizers": []}})).await;
        refused("stripped", stripped, &["is forbidden"]);
    }
    accepted("break glass", world.change(Who::Breaker, &hold, json!({"metadata": {"finalizers": []}})).await);
    accepted("released", world.delete(Who::Controller, &hold).await);
}

#[tokio::test]
async fn our_finalizers_and_labels() {
    let world = World::new().await;
    let web = world.quarantine("web");
    for (pointer, value, words) in [
        ("/metadata/finalizers", json!(["sequester.dev/held"]), "they were [] and cannot become [sequester.dev/held]"),
        (
            "/metadata/labels",
            json!({"sequester.dev/case": "x"}),
            "they were [] and cannot become [sequester.dev/case=x]",
        ),
    ] {
        let marked = with(web.clone(), pointer, Some(value));
        refused(pointer, world.create(ALICE, marked).await, &[words, "by the controller alone"]);
    }
    accepted("unmarked", world.create(ALICE, web.clone()).await);
    let marks = json!({"metadata": {"finalizers": ["sequester.dev/held"], "labels": {"sequester.dev/case": "miner"}}});
    accepted("marked", world.change(Who::Controller, &web, marks).await);
    for who in [ALICE, Who::Mallory, ADMIN, Who::GarbageCollector] {
        for finalizers in [json!([]), json!(null), json!(["other.dev/x"])] {
            let answer = world.change(who, &web, json!({"metadata": {"finalizers": finalizers}})).await;
            refused(
                &format!("{who:?}"),
                answer,
                &["finalizers that begin with sequester.dev/", "they were [sequester.dev/held]"],
            );
        }
        for label in [json!(null), json!("other")] {
            let answer = world.change(who, &web, json!({"metadata": {"labels": {"sequester.dev/case": label}}})).await;
            refused(
                &format!("{who:?}"),
                answer,
                &["labels that begin with sequester.dev/", "they were [sequester.dev/case=miner]"],
            );
        }
    }
    let foreign = json!({"metadata": {"finalizers": ["sequester.dev/held", "other.dev/x"], "labels": {"team": "web"}}});
    accepted("other people's marks", world.change(Who::Mallory, &web, foreign).await);
    accepted("break glass", world.change(Who::Breaker, &web, json!({"metadata": {"finalizers": []}})).await);
}

#[tokio::test]
async fn what_is_held_is_not_deleted() {
    let world = World::new().await;
    for (object, instead) in [
        (world.quarantine("web"), "set spec.level: Released"),
        (
            world.evidence("disk"),
            "it stays while it is under legal hold, which spec.legalHold: false and an Approval of LiftHold lift",
        ),
        (world.aws_account(), "release what is held in it first"),
    ] {
        if object["kind"] != "AwsAccount" {
            accepted("make", world.create(ALICE, object.clone()).await);
        }
        world.hold(&object).await;
        for who in [Who::Mallory, ADMIN, Who::GarbageCollector] {
            let words = ["cannot be deleted while something is held", instead];
            refused(&format!("{who:?}"), world.delete(who, &object).await, &words);
        }
        if object["kind"] != "AwsAccount" {
            refused(
                "all",
                world.delete_all(Who::Mallory, &object).await,
                &["cannot be deleted while something is held"],
            );
            // Foreground deletion of an owner asks for the same verb.
            let owner = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}});
            accepted("owned", world.change(Who::Mallory, &object, owner).await);
        }
        assert!(accepted("still there", world.get(ADMIN, &object).await)["metadata"]["deletionTimestamp"].is_null());
    }
    let web = world.quarantine("web");
    for (reason, deletable) in [("Settled", false), ("Released", true)] {
        let status = json!({"conditions": [condition(reason)]});
        accepted("status", world.change_status(Who::Controller, &web, status).await);
        let answer = world.delete(ALICE, &web).await;
        if deletable { drop(accepted(reason, answer)) } else { refused(reason, answer, &["while something is held"]) }
    }
    let disk = world.evidence("disk");
    accepted("break glass", world.delete_all(Who::Breaker, &disk).await);
    let going = accepted("the finalizer is the second barrier", world.get(ADMIN, &disk).await);
    assert!(going["metadata"]["deletionTimestamp"].is_string(), "{going}");
    accepted("break glass", world.change(Who::Breaker, &disk, json!({"metadata": {"finalizers": []}})).await);
    refused("gone", world.get(ADMIN, &disk).await, &["not found"]);
}

#[tokio::test]
async fn what_holds_nothing_can_be_deleted() {
    let world = World::new().await;
    for object in [world.quarantine("web"), world.case("miner"), world.evidence("disk")] {
        accepted("make", world.create(ALICE, object.clone()).await);
        accepted("delete", world.delete(ALICE, &object).await);
    }
    accepted("account", world.delete(ADMIN, &world.aws_account()).await);
}

#[tokio::test]
async fn namespaces_and_definitions() {
    let world = World::new().await;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}});
    // The policy sees accounts as the API server's own watch has them, which may be a moment behind.
    let dry = format!("/api/v1/namespaces/{}?dryRun=All", world.namespace);
    wait::until("policy that has seen the account", LIMIT, async || {
        match world.send(ADMIN, "DELETE", &dry, None).await {
            Err(message) if message.contains("cannot be deleted") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    for who in [ADMIN, Who::GarbageCollector] {
        let words = ["cannot be deleted", &format!("AwsAccount '{}' lists it", world.account)];
        refused("an allowed namespace", world.delete(who, &namespace).await, &words);
        let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sequester-system"}});
        refused(
            "the controller's",
            world.delete(who, &home).await,
            &["Namespace 'sequester-system' cannot be deleted"],
        );
        for plural in ["quarantines", "custodyrecords", "awsaccounts"] {
            let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.sequester.dev");
            let words = [&format!("CustomResourceDefinition '{plural}.sequester.dev' cannot be deleted")[..]];
            refused(plural, world.send(who, "DELETE", &path, None).await, &words);
        }
    }
    let all = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    refused("all definitions", world.send(ADMIN, "DELETE", all, None).await, &["cannot be deleted"]);
    // One that is not allowed any more and still holds something stays as well.
    let delisted = json!({"spec": {"allowedNamespaces": null}});
    accepted("delisted", world.change(ADMIN, &world.aws_account(), delisted).await);
    let used = json!({"namespacesInUse": [world.namespace]});
    accepted("in use", world.change_status(Who::Controller, &world.aws_account(), used).await);
    wait::until("policy that has seen what is in use", LIMIT, async || {
        match world.send(ADMIN, "DELETE", &dry, None).await {
            Err(message)
                if message.contains(&format!("hosts or evidence of AwsAccount '{}' are held in it", world.account)) =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let dry = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/quarantines.sequester.dev?dryRun=All";
    accepted("break glass", world.send(Who::Breaker, "DELETE", dry, None).await);
    accepted("the account goes", world.delete(ADMIN, &world.aws_account()).await);
    world.until_deleted(&namespace).await;
}
