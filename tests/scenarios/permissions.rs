//! The shipped policies are what the controller needs, and nothing else. Every other scenario runs under them, too.

use crate::copies::forensic_key;
use crate::evidence_kept::{by_key, give_away, row};
use crate::scene::{CLOSED, Scene, quarantine};
use crate::support::aws::{REGION, ok};
use crate::support::balancers::{classic_load_balancer, in_front_of, register, target_group};
use crate::support::fleet::{Fleet, autoscaling, place};
use crate::support::identities::Identity;
use crate::support::image::Image;
use crate::support::proxy::{Call, Outcome};
use crate::support::roles::Role as HostRole;
use crate::support::stage::{LIMIT, Stage, condition_of, strike, uid};
use crate::support::wait;
use crate::support::world::run_instance;
use sequester::cloud::iam::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Permissions = BTreeSet<(String, String)>;

/// Action and `Sid` of all that a role is allowed.
fn granted(stage: &Stage, role: Role) -> Permissions {
    let mut all = Permissions::new();
    for policy in stage.policies(role) {
        for statement in policy["Statement"].as_array().unwrap() {
            let sid = statement["Sid"].as_str().unwrap();
            let actions = statement["Action"].as_array().unwrap().iter();
            all.extend(actions.map(|action| (action.as_str().unwrap().to_owned(), sid.to_owned())));
        }
    }
    all
}

/// What was needed of it so far, by calls that AWS took.
fn needed(stage: &Stage, account: &str) -> Permissions {
    let taken = |call: &Call| matches!(call.outcome, Outcome::Replied { status: 200, .. });
    let calls = stage.proxy.calls().into_iter().filter(|call| call.account() == Some(account) && taken(call));
    calls.flat_map(|call| call.permissions).collect()
}

async fn evidence(scene: &Scene, name: &str) {
    let instance = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let share = json!([{"accountRef": scene.forensics_name()}]);
    let spec = json!({"requestedBy": "alice", "source": {"instance": instance}, "share": share});
    scene.apply(Identity::Alice, "EvidenceSnapshot", name, spec).await.unwrap();
}

async fn declare(scene: &Scene, name: &str, instance: &str, level: &str, auto_scaling: Value) {
    let mut spec = quarantine(scene, instance, level);
    spec["autoScaling"] = auto_scaling;
    scene.declare_as(Identity::Alice, name, spec).await;
}

async fn approve(scene: &Scene, name: &str, action: &str) {
    scene.until("Quarantine", name, action, |found| found["status"]["plan"]["action"] == action).await;
    scene.approve(Identity::Bob, "Quarantine", name).await.unwrap();
}

async fn release(scene: &Scene, name: &str, instance: &str, auto_scaling: Value) {
    declare(scene, name, instance, "Released", auto_scaling).await;
    approve(scene, name, "Release").await;
    scene.until_reason("Quarantine", name, "Ready", "Released").await;
}

/// A group that stops at the minimum: its host leaves it after an Approval, and comes back.
async fn one_that_leaves_its_group(scene: &Scene) {
    let (_, hosts) = Fleet::new(scene.aws(), &scene.network, "leaves", (2, 2, 4)).await;
    let lower = json!({"replace": false, "lowerMinimum": true});
    declare(scene, "leaves", &hosts[0], "Detached", lower.clone()).await;
    approve(scene, "leaves", "LowerMinimum").await;
    scene.until_true("Quarantine", "leaves", "Ready").await;
    release(scene, "leaves", &hosts[0], lower).await;
}

/// One that goes no further than Standby.
async fn one_that_stands_by(scene: &Scene) {
    let (_, hosts) = Fleet::new(scene.aws(), &scene.network, "stands", (1, 2, 3)).await;
    declare(scene, "stands", &hosts[0], "Protected", json!({})).await;
    scene.until_true("Quarantine", "stands", "Ready").await;
    release(scene, "stands", &hosts[0], json!({})).await;
}

/// One whose group is ending it already, held up by a hook.
async fn one_that_ends(scene: &Scene) {
    let (_, hosts) = Fleet::new(scene.aws(), &scene.network, "ends", (1, 2, 3)).await;
    let hook = [
        ("AutoScalingGroupName", "ends"),
        ("LifecycleHookName", "drain"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_TERMINATING"),
        ("HeartbeatTimeout", "30"),
    ];
    autoscaling(scene.aws(), "PutLifecycleHook", &hook).await;
    let end = [("InstanceId", hosts[0].as_str()), ("ShouldDecrementDesiredCapacity", "false")];
    autoscaling(scene.aws(), "TerminateInstanceInAutoScalingGroup", &end).await;
    wait::until("Terminating:Wait", LIMIT, async || match place(scene.aws(), &hosts[0]).await {
        Some((state, _)) if state == "Terminating:Wait" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    declare(scene, "ends", &hosts[0], "Protected", json!({})).await;
    scene.until_reason("Quarantine", "ends", "ReplacementStopped", "TerminatingInGroup").await;
}

/// One behind load balancers, with interfaces of pods, whose closed group somebody opens.
async fn one_that_is_isolated(scene: &Scene) {
    let (aws, host) = (scene.aws(), scene.host.instance.as_str());
    let targets = target_group(aws, &scene.network.vpc, "targets", "instance").await;
    in_front_of(aws, &scene.network, "front", &targets).await;
    register(aws, &targets, &format!("{host} 80")).await;
    classic_load_balancer(aws, &scene.network, "old", &[host]).await;
    crate::pods::branch(scene, &crate::pods::trunk(scene, host, "2").await).await;
    crate::flows::elastic(scene, &scene.host.interfaces[0]).await;

    declare(scene, "web", host, "Isolated", json!({})).await;
    scene.until_settled("web").await;
    let closed = scene.closed_group().await;
    let opened = [
        ("GroupId", closed.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    ok(aws.ec2("AuthorizeSecurityGroupIngress", &opened).await);
    wait::until(&format!("no rule in {CLOSED}"), LIMIT, async || {
        let xml = ok(aws.ec2("DescribeSecurityGroups", &[("GroupId.1", &closed)]).await);
        if xml.contains("<ipProtocol>") { Err(xml) } else { Ok(()) }
    })
    .await;
    release(scene, "web", host, json!({})).await;
}

/// One with a role that is taken from it.
async fn one_that_has_a_role(scene: &Scene) {
    let host = run_instance(scene.aws(), &scene.network).await;
    HostRole::new(scene.aws(), "app").await.give(scene.aws(), &host).await;
    let declare = async |level: &str| {
        let mut spec = quarantine(scene, &host, level);
        spec["isolation"] = json!({"credentials": {"profile": "Remove"}});
        scene.declare_as(Identity::Alice, "role", spec).await;
    };
    declare("Isolated").await;
    scene.until_true("Quarantine", "role", "Ready").await;
    declare("Released").await;
    approve(scene, "role", "Release").await;
    scene.until_reason("Quarantine", "role", "Ready", "Released").await;
}

/// A set that is copied, and one that is shared and read, under a customer's key, too; somebody gives one of it away.
async fn one_that_is_kept(scene: &Scene) {
    let [plain, keyed, _] = by_key(scene).await;
    let image = Image::new(1);
    image.write([7], 0);
    scene.bed.emulator.bed_post(&format!("/bed/volumes/{keyed}"), &json!({"image": image.path})).await;
    let (key, transfer) = (forensic_key(scene, false).await, forensic_key(scene, true).await);
    let rules = json!({
        "destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}], "transferKeyArn": transfer,
    });
    scene.declare_accounts(|account| account["spec"]["evidence"] = rules).await;
    let copies = json!([{"accountRef": scene.forensics_name(), "region": REGION, "kmsKeyArn": key}]);
    crate::keeping::ask(scene, "copies", json!({"copies": copies, "archiveAfterDays": 0})).await;
    scene.until_true("EvidenceSnapshot", "copies", "Archived").await;
    crate::key_policy::ask(scene, "policies", &key).await;
    scene.until_true("EvidenceSnapshot", "policies", "Ready").await;
    evidence(scene, "disks").await;
    let object = scene.until_true("EvidenceSnapshot", "disks", "Ready").await;
    give_away(scene, row(&object, &plain)["snapshotId"].as_str().unwrap()).await;
    let removed = |call: &Call| call.operation == "ModifySnapshotAttribute" && call.parameter("UserGroup.1").is_some();
    scene.proxy.wait_for(|call| removed(call) && call.ended.is_some(), LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_is_what_is_needed() {
    let scene = Scene::new("permissions").await;
    let _controller = scene.controller("one").await;
    tokio::join!(
        one_that_leaves_its_group(&scene),
        one_that_stands_by(&scene),
        one_that_ends(&scene),
        one_that_is_isolated(&scene),
        one_that_has_a_role(&scene),
        one_that_is_kept(&scene),
    );
    let beats = |call: &Call| call.operation == "RecordLifecycleActionHeartbeat" && call.ended.is_some();
    scene.proxy.wait_for(beats, LIMIT).await.unwrap();
    for (role, account) in [(Role::Responder, &scene.workload.id), (Role::Forensics, &scene.forensics.id)] {
        let (granted, needed) = (granted(&scene, role), needed(&scene, account));
        let idle: Vec<_> = granted.difference(&needed).collect();
        assert!(idle.is_empty(), "{role:?}: granted, and never needed: {idle:?}");
        assert_eq!(granted, needed);
    }
    let refused: Vec<_> = scene.proxy.calls().into_iter().filter(|c| c.faults.contains(&"not permitted")).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

fn message(object: &Value, condition: &str) -> String {
    condition_of(object, condition).unwrap_or_else(|| panic!("no {condition}"))["message"].to_string()
}

/// No call is named `CreateTags`: AWS checks it behind two that are.
#[tokio::test(flavor = "multi_thread")]
async fn a_dependent_action_that_is_missing_is_named() {
    let scene = Scene::new("untaggable").await;
    scene.permit(|policy| strike(policy, "ec2:CreateTags"));
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    evidence(&scene, "disks").await;
    for (kind, name, condition) in
        [("Quarantine", "web", "Isolated"), ("EvidenceSnapshot", "disks", "VolumesSnapshotted")]
    {
        let found = scene.until_reason(kind, name, condition, "PermissionMissing").await;
        assert!(message(&found, condition).contains("grant ec2:CreateTags to"), "{}", message(&found, condition));
    }
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
    scene.permit(|_| {});
    scene.until_true("Quarantine", "web", "Ready").await;
    scene.until_true("EvidenceSnapshot", "disks", "Ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_missing_is_named_whatever_the_service() {
    let scene = Scene::new("lacking").await;
    let lacking = ["kms:CreateGrant", "autoscaling:EnterStandby", "elasticloadbalancing:DeregisterTargets"];
    scene.permit(|policy| lacking.iter().for_each(|action| strike(policy, action)));
    let (_, hosts) = Fleet::new(scene.aws(), &scene.network, "fleet", (1, 2, 3)).await;
    let targets = target_group(scene.aws(), &scene.network.vpc, "targets", "instance").await;
    in_front_of(scene.aws(), &scene.network, "front", &targets).await;
    register(scene.aws(), &targets, &format!("{} 80", hosts[0])).await;
    let _controller = scene.controller("one").await;
    declare(&scene, "web", &hosts[0], "Isolated", json!({})).await;
    evidence(&scene, "disks").await;
    for (kind, name, condition, action) in [
        ("EvidenceSnapshot", "disks", "Shared", lacking[0]),
        ("Quarantine", "web", "ReplacementStopped", lacking[1]),
        ("Quarantine", "web", "Deregistered", lacking[2]),
    ] {
        let found = scene.until_reason(kind, name, condition, "PermissionMissing").await;
        assert!(message(&found, condition).contains(&format!("grant {action} to")), "{}", message(&found, condition));
    }
    // The rest goes on.
    let isolated = scene.until_true("Quarantine", "web", "Isolated").await;
    scene.permit(|_| {});
    scene.until_true("Quarantine", "web", "Ready").await;
    scene.until_reason("EvidenceSnapshot", "disks", "Shared", "DefaultKey").await;
    crate::chain::Chain::read(&scene, &uid(&isolated)).await.assert_sound();
}
