//! Auto Scaling groups: made, and looked at, as their owner does.

use super::aws::{Aws, ok, tag, tags};
use super::world::{Network, image};

/// An Auto Scaling group.
pub struct Fleet {
    pub name: String,
}

/// What a group is, in its owner's eyes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub minimum: i32,
    pub desired: i32,
    pub maximum: i32,
    /// Instances that are in service.
    pub in_service: usize,
}

/// A call of Auto Scaling.
pub async fn autoscaling(aws: &Aws, action: &str, parameters: &[(&str, &str)]) -> String {
    ok(aws.query("autoscaling", "2011-01-01", action, parameters).await)
}

impl Fleet {
    /// A group of these sizes, with all of its instances in service: minimum, desired, maximum.
    pub async fn new(aws: &Aws, network: &Network, name: &str, sizes: (i32, i32, i32)) -> (Self, Vec<String>) {
        let image = image(aws).await;
        let launch = format!("{name}-launch");
        let template =
            [("LaunchConfigurationName", launch.as_str()), ("ImageId", &image), ("InstanceType", "m5.large")];
        autoscaling(aws, "CreateLaunchConfiguration", &template).await;
        let [least, desired, most] = [sizes.0, sizes.1, sizes.2].map(|size| size.to_string());
        let group = [
            ("AutoScalingGroupName", name),
            ("LaunchConfigurationName", &launch),
            ("MinSize", &least),
            ("DesiredCapacity", &desired),
            ("MaxSize", &most),
            ("VPCZoneIdentifier", &network.subnet),
        ];
        autoscaling(aws, "CreateAutoScalingGroup", &group).await;
        let fleet = Self { name: name.to_owned() };
        let described = fleet.describe(aws).await;
        let instances = tags(&described, "InstanceId").into_iter().map(ToOwned::to_owned).collect();
        (fleet, instances)
    }

    async fn describe(&self, aws: &Aws) -> String {
        autoscaling(aws, "DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", &self.name)]).await
    }

    pub async fn sizes(&self, aws: &Aws) -> Sizes {
        let described = self.describe(aws).await;
        let number = |name: &str| tag(&described, name).parse().unwrap();
        Sizes {
            minimum: number("MinSize"),
            desired: number("DesiredCapacity"),
            maximum: number("MaxSize"),
            in_service: described.matches("<LifecycleState>InService</LifecycleState>").count(),
        }
    }

    /// Changes a size, as its owner may.
    pub async fn set(&self, aws: &Aws, size: &str, value: &str) {
        autoscaling(aws, "UpdateAutoScalingGroup", &[("AutoScalingGroupName", &self.name), (size, value)]).await;
    }
}

/// Lifecycle state of an instance and whether scale-in spares it; none where it is in no group.
pub async fn place(aws: &Aws, instance: &str) -> Option<(String, bool)> {
    let xml = autoscaling(aws, "DescribeAutoScalingInstances", &[("InstanceIds.member.1", instance)]).await;
    let state = tags(&xml, "LifecycleState").first().map(|state| (*state).to_owned())?;
    Some((state, tag(&xml, "ProtectedFromScaleIn") == "true"))
}
