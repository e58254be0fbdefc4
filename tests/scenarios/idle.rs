//! A controller that has nothing to do writes nothing.

use crate::scene::{BINARY, CLOSED, quarantine};
use crate::support::aws::{ok, tags};
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::proxy::Call;
use crate::support::stage::{LIMIT, Stage, uid};
use crate::support::wait;
use crate::support::world::{Network, groups_of, image};
use std::collections::BTreeMap;

/// `SEQUESTER_IDLE` for another number of objects.
const OBJECTS: usize = 20;

async fn fleet(stage: &Stage, count: usize) -> Vec<String> {
    let aws = &stage.workload.admin;
    let (network, image, count) = (Network::new(aws).await, image(aws).await, count.to_string());
    let parameters = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.micro"),
        ("MinCount", &count),
        ("MaxCount", &count),
        ("SubnetId", &network.subnet),
        ("SecurityGroupId.1", &network.web),
    ];
    let xml = ok(aws.ec2("RunInstances", &parameters).await);
    tags(&xml, "instanceId").into_iter().map(ToOwned::to_owned).collect()
}

/// How often each instance was looked at.
fn looks(stage: &Stage) -> BTreeMap<String, usize> {
    let mut looks = BTreeMap::new();
    for call in stage.proxy.calls().into_iter().filter(|call| call.operation == "DescribeInstances") {
        for (name, value) in call.parameters {
            if name.starts_with("InstanceId.") {
                *looks.entry(value).or_default() += 1;
            }
        }
    }
    looks
}

/// Waits until every instance was looked at so often again.
async fn until_rechecked(stage: &Stage, instances: &[String], times: usize) {
    let before = looks(stage);
    let count = |looks: &BTreeMap<String, usize>, instance: &String| looks.get(instance).copied().unwrap_or_default();
    wait::until(&format!("{times} more looks at each instance"), LIMIT, async || {
        let now = looks(stage);
        let late = instances.iter().filter(|i| count(&now, i) < count(&before, i) + times).count();
        if late == 0 { Ok(()) } else { Err(format!("{late} instances lack some")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settled_objects_are_looked_at_and_not_written() {
    let count = std::env::var("SEQUESTER_IDLE").ok().and_then(|count| count.parse().ok()).unwrap_or(OBJECTS);
    let stage = Stage::new(Bed::shared().await, "idle", BINARY).await;
    let instances = fleet(&stage, count).await;
    assert_eq!(instances.len(), count);
    stage.declare_accounts(|_| {}).await;
    let kubernetes = stage.bed.kubernetes_proxy().await;
    let token = stage.bed.control_plane.service_account_token("sequester-system", "sequester").await;
    let kubeconfig = stage.bed.control_plane.kubeconfig_through(&kubernetes.url(), &stage.namespace, &token);
    let (controller, url) = stage.start_with("one", &kubeconfig, &[]);
    controller.wait_ready(&url, LIMIT).await;
    for instance in &instances {
        stage.apply(Identity::Alice, "Quarantine", instance, quarantine(&stage, instance, "Isolated")).await.unwrap();
    }
    for instance in &instances {
        let settled = stage.until_true("Quarantine", instance, "Ready").await;
        let chain = wait::until("the pulse", LIMIT, async || {
            let chain = crate::chain::Chain::read(&stage, &uid(&settled)).await;
            if chain.pulses().len() == 1 && chain.open().is_empty() { Ok(chain) } else { Err(String::new()) }
        });
        chain.await.assert_sound();
    }
    // What was on its way, events among it, has a whole round to arrive.
    until_rechecked(&stage, &instances, 1).await;
    stage.proxy.clear();
    kubernetes.clear();
    until_rechecked(&stage, &instances, 3).await;

    let changes: Vec<Call> = stage.proxy.mutations();
    assert!(changes.is_empty(), "{changes:#?}");
    let leases = |call: &Call| call.operation.ends_with(" leases");
    let writes: Vec<String> = kubernetes
        .mutations()
        .iter()
        .filter(|call| !leases(call))
        .map(|call| format!("{} {:?}", call.operation, call.parameters))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
    assert!(kubernetes.mutations().iter().any(leases), "not even the lease: was it running?");
    // And they are held indeed.
    let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instances[0].as_str())];
    let xml = ok(stage.workload.admin.ec2("DescribeNetworkInterfaces", &filter).await);
    let groups = groups_of(&stage.workload.admin, tags(&xml, "networkInterfaceId")[0]).await;
    let described = ok(stage.workload.admin.ec2("DescribeSecurityGroups", &[("GroupId.1", &groups[0])]).await);
    assert_eq!(tags(&described, "groupName"), [CLOSED]);
}
