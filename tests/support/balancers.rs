//! Load balancers: made, and looked at, as their owner does.

use std::collections::BTreeSet;

use super::aws::{Aws, ok, tag, tags};
use super::world::Network;

/// A call about target groups.
pub async fn elb(aws: &Aws, action: &str, parameters: &[(&str, &str)]) -> String {
    ok(aws.query("elasticloadbalancing", "2015-12-01", action, parameters).await)
}

/// A call about classic load balancers.
pub async fn classic(aws: &Aws, action: &str, parameters: &[(&str, &str)]) -> String {
    ok(aws.query("elasticloadbalancing", "2012-06-01", action, parameters).await)
}

/// A target group of this type in a network; gives its ARN.
pub async fn target_group(aws: &Aws, vpc: &str, name: &str, kind: &str) -> String {
    let group = [("Name", name), ("TargetType", kind), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", vpc)];
    tag(&elb(aws, "CreateTargetGroup", &group).await, "TargetGroupArn").to_owned()
}

/// An application load balancer in both zones that sends to a group: only then its targets are healthy.
pub async fn in_front_of(aws: &Aws, network: &Network, name: &str, group: &str) {
    let balancer =
        [("Name", name), ("Subnets.member.1", &network.subnet), ("Subnets.member.2", &network.second_subnet)];
    let made = elb(aws, "CreateLoadBalancer", &balancer).await;
    let listener = [
        ("LoadBalancerArn", tag(&made, "LoadBalancerArn")),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", group),
    ];
    elb(aws, "CreateListener", &listener).await;
}

/// Registers a target: its id, port and zone, each where it is not empty.
pub async fn register(aws: &Aws, group: &str, target: &str) {
    let mut parameters = vec![("TargetGroupArn", group)];
    let names = ["Targets.member.1.Id", "Targets.member.1.Port", "Targets.member.1.AvailabilityZone"];
    parameters.extend(names.into_iter().zip(target.split(' ')));
    elb(aws, "RegisterTargets", &parameters).await;
}

/// What is registered and does not drain: id, port and zone.
pub async fn targets(aws: &Aws, group: &str) -> BTreeSet<String> {
    let xml = elb(aws, "DescribeTargetHealth", &[("TargetGroupArn", group)]).await;
    let described = tags(&xml, "TargetHealthDescriptions");
    let members = described.first().map(|all| members(all)).unwrap_or_default();
    let stands = members.into_iter().filter(|member| !tags(member, "State").contains(&"draining"));
    stands
        .map(|member| {
            let target = tag(&member, "Target").to_owned();
            let words =
                ["Id", "Port", "AvailabilityZone"].map(|name| tags(&target, name).first().map(|w| (*w).to_owned()));
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn members(xml: &str) -> Vec<String> {
    xml.split("</member>").filter(|member| member.contains("<Target>")).map(ToOwned::to_owned).collect()
}

/// A classic load balancer that has these instances.
pub async fn classic_load_balancer(aws: &Aws, network: &Network, name: &str, instances: &[&str]) {
    let made = [
        ("LoadBalancerName", name),
        ("Subnets.member.1", network.subnet.as_str()),
        ("Listeners.member.1.Protocol", "HTTP"),
        ("Listeners.member.1.LoadBalancerPort", "80"),
        ("Listeners.member.1.InstancePort", "80"),
    ];
    classic(aws, "CreateLoadBalancer", &made).await;
    for instance in instances {
        register_with_classic(aws, name, instance).await;
    }
}

/// Registers an instance with a classic load balancer.
pub async fn register_with_classic(aws: &Aws, name: &str, instance: &str) {
    let registered = [("LoadBalancerName", name), ("Instances.member.1.InstanceId", instance)];
    classic(aws, "RegisterInstancesWithLoadBalancer", &registered).await;
}

/// Instances of a classic load balancer.
pub async fn instances_of(aws: &Aws, name: &str) -> BTreeSet<String> {
    let xml = classic(aws, "DescribeLoadBalancers", &[("LoadBalancerNames.member.1", name)]).await;
    tags(&xml, "InstanceId").into_iter().map(ToOwned::to_owned).collect()
}

/// Private IPv4 addresses of an instance, of all its interfaces.
pub async fn addresses(aws: &Aws, instance: &str) -> Vec<String> {
    let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance)];
    let xml = ok(aws.ec2("DescribeNetworkInterfaces", &filter).await);
    let mut seen: Vec<String> = Vec::new();
    for address in tags(&xml, "privateIpAddress").into_iter().filter(|address| !address.contains('<')) {
        if !seen.iter().any(|known| known == address) {
            seen.push(address.to_owned());
        }
    }
    seen
}
