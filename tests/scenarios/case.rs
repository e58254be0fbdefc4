//! A case of several hosts: one plan, one signature, and what becomes of each host.

use crate::chain::Chain;
use crate::scene::{CLOSED, Scene};
use crate::support::aws::{REGION, ok, tags};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, approval_of, uid};
use crate::support::wait;
use crate::support::world::{Host, groups_of, run_instance};
use serde_json::{Value, json};

fn target(scene: &Scene, host: &Host) -> Value {
    json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": host.instance})
}

/// Names of the groups of a host's interfaces, as AWS has them.
async fn names_of_groups(scene: &Scene, host: &Host) -> Vec<String> {
    let mut names = Vec::new();
    for interface in &host.interfaces {
        for group in groups_of(scene.aws(), interface).await {
            let xml = ok(scene.aws().ec2("DescribeSecurityGroups", &[("GroupId.1", &group)]).await);
            names.extend(tags(&xml, "groupName").first().map(|name| (*name).to_owned()));
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signature_of_the_case_is_one_for_each_of_its_hosts() {
    let scene = Scene::guarded("two-hosts").await;
    let instance = run_instance(scene.aws(), &scene.network).await;
    let second = Host::furnish(scene.aws(), &scene.network, &instance).await;
    let hosts = [&scene.host, &second];
    let _controller = scene.controller("one").await;
    let spec = json!({
        "requestedBy": "alice", "title": "Two web servers mine coins", "severity": "High",
        "targets": hosts.map(|host| target(&scene, host)),
    });
    scene.apply(Identity::Alice, "ForensicCase", "case", spec).await.expect("apply the case");

    let waiting = scene
        .until("ForensicCase", "case", "a plan of both hosts", |found| {
            found["status"]["plan"]["leaves"].as_array().is_some_and(|leaves| leaves.len() == 2)
        })
        .await;
    assert_eq!(waiting["status"]["summary"]["waitingFor"], "approval of Isolate");
    let lines = waiting["status"]["plan"]["lines"].to_string();
    for host in hosts {
        assert!(lines.contains(&host.instance), "{lines}");
        assert!(!names_of_groups(&scene, host).await.iter().any(|name| name == CLOSED), "closed without a signature");
        // Nobody waits for a signature to keep evidence.
        scene.until_true("EvidenceSnapshot", &format!("case-{}-at-once", host.instance), "VolumesSnapshotted").await;
    }

    let approval = scene.approve(Identity::Bob, "ForensicCase", "case").await.expect("approve the case");
    let name = approval.metadata.name.clone().unwrap();
    scene.until("Approval", &name, "an answer", |found| found["status"]["state"] == "Accepted").await;
    let ready = scene.until_true("ForensicCase", "case", "Ready").await;
    assert_eq!(ready["status"]["summary"]["contained"], "2/2");
    assert_eq!(ready["status"]["summary"]["evidence"], "4/4");
    for host in hosts {
        wait::until(&format!("a closed {}", host.instance), LIMIT, async || {
            let names = names_of_groups(&scene, host).await;
            if names.iter().all(|name| name == CLOSED) { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
        let child = scene.get("Quarantine", &format!("case-{}", host.instance)).await;
        let chain = Chain::read(&scene, &uid(&child)).await;
        chain.assert_sound();
        let decisions: Vec<&Value> =
            chain.entries().map(|(_, entry)| entry).filter(|entry| entry["entry"] == "decision").collect();
        assert_eq!(decisions.len(), 1, "{decisions:#?}");
        assert_eq!(decisions[0]["approvals"], json!({"bob": approval.metadata.uid}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deny_of_the_case_stands_for_its_host_when_another_host_is_added() {
    let scene = Scene::guarded("denied-case").await;
    let instance = run_instance(scene.aws(), &scene.network).await;
    let second = Host::furnish(scene.aws(), &scene.network, &instance).await;
    let _controller = scene.controller("one").await;
    let spec = |hosts: &[&Host]| {
        let targets: Vec<Value> = hosts.iter().map(|host| target(&scene, host)).collect();
        json!({"requestedBy": "alice", "title": "Web servers mine coins", "severity": "High", "targets": targets})
    };
    let planned = async |count: usize| {
        let leaves = |found: &Value| found["status"]["plan"]["leaves"].as_array().map_or(0, Vec::len);
        scene.until("ForensicCase", "case", "a plan of its hosts", |found| leaves(found) == count).await
    };
    scene.apply(Identity::Alice, "ForensicCase", "case", spec(&[&scene.host])).await.expect("apply the case");
    let one = planned(1).await;
    let mut denial = approval_of(Identity::Carol, "ForensicCase", &one);
    denial["decision"] = json!("Deny");
    let denial = scene.approve_with(Identity::Carol, &denial).await.unwrap();
    let child = format!("case-{}", scene.host.instance);
    scene.until_reason("Quarantine", &child, "Ready", "Denied").await;

    scene.apply(Identity::Alice, "ForensicCase", "case", spec(&[&scene.host, &second])).await.expect("add a host");
    planned(2).await;
    scene.approve(Identity::Bob, "ForensicCase", "case").await.expect("approve the new plan");
    wait::until(&format!("a closed {}", second.instance), LIMIT, async || {
        let names = names_of_groups(&scene, &second).await;
        if names.iter().all(|name| name == CLOSED) { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await;
    let looks = scene.looks();
    scene.until_looked(looks + 4).await;
    assert!(!names_of_groups(&scene, &scene.host).await.contains(&CLOSED.to_owned()), "carol has taken nothing back");
    scene.until_reason("Quarantine", &child, "Ready", "Denied").await;

    let approvals = scene.api(Identity::Carol, "Approval").await;
    approvals.delete(&denial.metadata.name.unwrap(), &kube::api::DeleteParams::default()).await.expect("take it back");
    scene.until_groups(CLOSED).await;
}
