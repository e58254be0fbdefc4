//! `kubectl explain` is the manual, `kubectl get` tells the story, and the examples work as they are.

use crate::support::identities::Identity;
use crate::support::install;
use crate::world::{ADMIN, ALICE, Who, World, accepted};
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn explain_reads_as_a_manual() {
    let world = World::new().await;
    for (path, words) in [
        ("quarantine", "Holds one EC2 instance at a level"),
        ("quarantine.spec.level", "Levels only rise, until released"),
        ("quarantine.spec.target.accountRef", "not the 12 digits"),
        ("evsnap.spec.retainUntil", "May be moved later, never earlier"),
        ("fcase.spec.evidence.moments", "Default: both"),
        ("awsacct.spec.recheck", "such as `60s`"),
        ("approval.spec.approver", "Refused unless it is the authenticated user"),
        ("custody.spec.body", "kept byte by byte"),
        ("hold.spec.holder", "The Quarantine that holds it"),
    ] {
        let text = world.kubectl(Identity::Admin, &["explain", path]).await;
        // kubectl breaks lines where it likes.
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[tokio::test]
async fn columns_tell_the_story() {
    let world = World::new().await;
    accepted("case", world.create(ALICE, world.case("miner")).await);
    accepted("quarantine", world.create(ALICE, world.quarantine("web")).await);
    accepted("evidence", world.create(ALICE, world.evidence("disk")).await);
    let summary = json!({"summary": {"targets": "1", "contained": "0/1", "evidence": "1/2", "waitingFor": "Approval: Isolate", "ready": "AwaitingApproval"}});
    accepted("status", world.change_status(Who::Controller, &world.case("miner"), summary).await);
    for (what, header, words) in [
        ("fcase", "NAME TITLE SEVERITY TARGETS CONTAINED EVIDENCE WAITING-FOR READY AGE", "Approval: Isolate"),
        ("quar", "NAME INSTANCE ACCOUNT REGION LEVEL ISOLATED FLOWS READY AGE", "Protected"),
        ("evsnap", "NAME INSTANCE ACCOUNT MOMENT VOLUMES LOCKED SHARED VERIFIED COPIED READY AGE", "AtOnce"),
    ] {
        let text = world.kubectl(Identity::Auditor, &["get", what, "-n", &world.namespace]).await;
        let first = text.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(first, header);
        assert!(text.contains(words), "{text}");
    }
    let all = world.kubectl(Identity::Alice, &["get", "forensics", "-n", &world.namespace]).await;
    assert!(all.contains("quarantine.sequester.dev/web"), "{all}");
    for (selector, found) in [
        ("spec.level=Protected", true),
        ("spec.level=Isolated", false),
        ("spec.target.instanceId=i-0123456789abcdef0", true),
    ] {
        let text = world
            .kubectl(Identity::Alice, &["get", "quar", "-n", &world.namespace, "--field-selector", selector])
            .await;
        assert_eq!(text.contains("web"), found, "{selector}: {text}");
    }
}

/// The examples are applied by the people that they name, in the order in which a reader meets them.
#[tokio::test]
async fn examples_are_accepted() {
    let world = World::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "incident-response"}});
    accepted("namespace", world.create(ADMIN, namespace).await);
    for (file, who) in [
        ("aws-account.yaml", ADMIN),
        ("compromised-web-server.yaml", ALICE),
        ("quarantine.yaml", ALICE),
        ("approval.yaml", crate::world::BOB),
    ] {
        for object in install::documents(&folder.join(file)) {
            accepted(file, world.create(who, object).await);
        }
    }
    // The release is the same Quarantine, changed.
    for object in install::documents(&folder.join("release.yaml")) {
        let change: Value = json!({"spec": object["spec"]});
        accepted("release.yaml", world.change(ALICE, &object, change).await);
    }
}
