//! The floor: each kind of call on the way to containment, alone.

use super::LATENCY;
use crate::support::aws::{Aws, ok};
use crate::support::bed::Bed;
use crate::support::emulator::Credentials;
use crate::support::identities::Identity;
use crate::support::world::{Account, EXTERNAL_ID, Network, run_instance};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, PostParams};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

/// Medians.
pub struct Parts {
    assume: Duration,
    describe: Duration,
    put: Duration,
    create_group: Duration,
    swap: Duration,
}

impl Parts {
    /// Describe, write the intent, swap.
    pub fn warm(&self) -> Duration {
        self.describe + self.put + self.swap
    }

    /// Assume the role, describe, write, make the group, look again, write, swap and empty it side by side.
    pub fn cold(&self) -> Duration {
        self.assume + self.describe + self.put + self.create_group + self.describe + self.put + self.swap
    }
}

pub async fn measure(bed: &'static Bed) -> Parts {
    let (id, controller) = ("410000000001", "410000000002");
    let keys: Credentials = bed.emulator.account(controller).await;
    let account = Account::new(bed, id, controller).await;
    let proxy = bed.proxy();
    proxy.latency(LATENCY);
    let network = Network::new(&account.admin).await;
    let instance = run_instance(&account.admin, &network).await;
    let through = Aws { url: proxy.url(), ..account.admin.clone() };
    let own = Aws::new(proxy.url(), &keys);
    let interface = {
        let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance.as_str())];
        let xml = ok(account.admin.ec2("DescribeNetworkInterfaces", &filter).await);
        crate::support::aws::tag(&xml, "networkInterfaceId").to_owned()
    };
    let namespace = bed.namespace("bench-floor").await;
    let maps: Api<ConfigMap> = Api::namespaced(bed.control_plane.client(Identity::Admin).await, &namespace);

    let role = [("RoleArn", account.role_arn.as_str()), ("RoleSessionName", "bench"), ("ExternalId", EXTERNAL_ID)];
    let assume = median(async |_| drop(ok(own.query("sts", "2011-06-15", "AssumeRole", &role).await))).await;
    let by_id = [("InstanceId.1", instance.as_str())];
    let describe = median(async |_| drop(ok(through.ec2("DescribeInstances", &by_id).await))).await;
    let put = median(async |n| {
        let metadata = ObjectMeta { name: Some(format!("record-{n}")), ..ObjectMeta::default() };
        let data = Some([("body".to_owned(), "x".repeat(4096))].into());
        maps.create(&PostParams::default(), &ConfigMap { metadata, data, ..ConfigMap::default() })
            .await
            .expect("create");
    })
    .await;
    let create_group = median(async |n| {
        let name = format!("bench-{n}");
        let group = [("GroupName", name.as_str()), ("GroupDescription", "bench"), ("VpcId", network.vpc.as_str())];
        ok(through.ec2("CreateSecurityGroup", &group).await);
    })
    .await;
    let swap = [("NetworkInterfaceId", interface.as_str()), ("SecurityGroupId.1", network.web.as_str())];
    let swap = median(async |_| drop(ok(through.ec2("ModifyNetworkInterfaceAttribute", &swap).await))).await;
    Parts { assume, describe, put, create_group, swap }
}

async fn median(mut act: impl AsyncFnMut(usize)) -> Duration {
    let mut times = Vec::new();
    for n in 0..ROUNDS {
        let began = Instant::now();
        act(n).await;
        times.push(began.elapsed());
    }
    times.sort();
    times[ROUNDS / 2]
}
