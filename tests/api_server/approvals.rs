//! Who approves is who they say they are, is a person, is not the requester, and may.

use crate::support::wait::until;
use crate::world::{ADMIN, ALICE, ARGO, AUDITOR, BOB, CAROL, Who, World, accepted, refused, with};
use sequester::api::approval::{Action, Approval, ApprovalSpec, Decision, Subject, SubjectKind};
use sequester::api::ids::Digest;
use sequester::api::policies::APPROVER_REFUSAL;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn an_approver_is_who_they_are() {
    let world = World::new().await;
    let approval = world.approval("ok");
    for who in [CAROL, ADMIN, Who::Mallory, Who::Breaker] {
        let answer = world.create(who, approval.clone()).await;
        refused(&format!("{who:?} as bob"), answer, &[APPROVER_REFUSAL, "is 'bob'", "write approver: "]);
    }
    // RBAC comes first.
    for who in [ALICE, ARGO, AUDITOR] {
        refused(&format!("{who:?} as bob"), world.create(who, approval.clone()).await, &["cannot create resource"]);
    }
    accepted("bob", world.create(BOB, approval).await);
}

#[tokio::test]
async fn a_requester_does_not_approve_alone() {
    let world = World::new().await;
    let own = with(world.approval("own"), "/spec/requester", Some(json!("bob")));
    let words = ["spec.approver must differ from spec.requester", "both are 'bob'", "a second person must approve"];
    refused("his own request", world.create(BOB, own).await, &words);
    let unnamed = with(world.approval("unnamed"), "/spec/requester", None);
    accepted("asked for by a service account", world.create(BOB, unnamed).await);
}

#[tokio::test]
async fn an_approver_needs_the_verb() {
    let world = World::new().await;
    for action in Action::ALL {
        let name = action.as_str().to_lowercase();
        let mine = with(world.approval(&name), "/spec/action", Some(json!(action)));
        accepted(action.as_str(), world.create(BOB, mine.clone()).await);
        // She may create Approvals, and every other object; `actions` she may not.
        let hers = with(mine, "/spec/approver", Some(json!("mallory")));
        let words = [format!("may not approve actions/{name} of sequester.dev in namespace {}", world.namespace)];
        refused(action.as_str(), world.create(Who::Mallory, hers).await, &[&words[0], "'mallory'"]);
    }
}

#[tokio::test]
async fn breaking_the_glass_needs_a_verb_of_its_own() {
    let world = World::new().await;
    let own = with(world.approval("alone"), "/spec/requester", Some(json!("bob")));
    let own = with(own, "/spec/breakGlass", Some(json!(true)));
    let words = ["'bob' may not breakglass actions/isolate"];
    refused("without the verb", world.create(BOB, own.clone()).await, &words);
    let bind = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "glass"}, "subjects": [{"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sequester-break-glass"}});
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", world.namespace);
    accepted("bind", world.send(ADMIN, "POST", &path, Some(bind)).await);
    // The API server takes a moment to know of a binding.
    until("the verb", Duration::from_secs(30), || world.create(BOB, own.clone())).await;
    let forged = with(world.approval("forged"), "/spec/breakGlass", Some(json!(true)));
    refused("in another's name", world.create(CAROL, forged).await, &[APPROVER_REFUSAL]);
}

#[tokio::test]
async fn only_a_person_approves() {
    let world = World::new().await;
    let controller = "system:serviceaccount:sequester-system:sequester";
    let own = with(world.approval("machine"), "/spec/approver", Some(json!(controller)));
    let words = ["is no person: only a person can approve", controller];
    refused("the controller", world.create(Who::Controller, own).await, &words);
}

/// The probe by which the controller proves that the policies are enforced.
#[tokio::test]
async fn a_forged_approval_in_dry_run_comes_back_in_known_words() {
    let world = World::new().await;
    let probe = Approval::new(
        "probe",
        ApprovalSpec {
            subject: Subject { kind: SubjectKind::Quarantine, name: "probe".into(), uid: "probe".into() },
            action: Action::Release,
            plan_hash: Digest::parse(&format!("sha256:{}", "0".repeat(64))).unwrap(),
            requester: None,
            approver: "nobody".into(),
            decision: Decision::Approve,
            break_glass: false,
            reason: "probe".into(),
        },
    );
    let mut probe = serde_json::to_value(probe).unwrap();
    probe["metadata"]["namespace"] = json!("sequester-system");
    refused(
        "the probe",
        world.dry_run(Who::Controller, probe).await,
        &[&format!("denied request: {APPROVER_REFUSAL}")],
    );
}

#[tokio::test]
async fn an_approval_is_taken_back_by_its_approver_only() {
    let world = World::new().await;
    let deny = with(world.approval("deny"), "/spec/decision", Some(json!("Deny")));
    accepted("deny", world.create(BOB, deny.clone()).await);
    for who in [CAROL, Who::Mallory, ADMIN, Who::GarbageCollector, Who::Controller] {
        let answer = world.delete(who, &deny).await;
        if who == Who::Controller {
            refused("the controller", answer, &["cannot delete resource"]);
        } else {
            refused(&format!("{who:?}"), answer, &["can be deleted by its approver only", "'bob'"]);
        }
    }
    let all = world.delete_all(Who::Mallory, &deny).await;
    refused("deletecollection", all, &["Approval 'deny' can be deleted by its approver only"]);
    accepted("bob", world.delete(BOB, &deny).await);
}
