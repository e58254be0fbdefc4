//! Target groups of application, network and gateway load balancers.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetHealthStateEnum, TargetTypeEnum};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{some_text, text};
use crate::api::ids::TargetGroupArn;
use crate::cloud::error::CloudError;
use crate::playbook::balancers::Target;
use crate::playbook::effect::Receipt;

const GROUPS: Question = ("DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroups");
const HEALTH: Question = ("DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth");

/// A target group that may have hosts.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) arn: TargetGroupArn,
    /// Its network: an address is unique in one.
    pub(super) vpc: String,
    /// The load balancers that send to it, by type and name.
    pub(super) load_balancers: Vec<String>,
}

/// A target and how it stands.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) target: Target,
    pub(super) state: Standing,
}

/// How a target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Registered and healthy.
    Healthy,
    /// Registered.
    Other,
    /// Deregistered; its connections may last for a while.
    Draining,
}

/// All of the Region but those of functions and of load balancers, which are no hosts. AWS answers with pages of up to 400
/// (Elastic Load Balancing reference, `DescribeTargetGroups`).
pub(super) async fn groups(session: &Session) -> Result<Vec<Group>, Fault> {
    let request = session.elb_v2.describe_target_groups().into_paginator().items().send();
    let all = session.ask(GROUPS, request.try_collect()).await?;
    let hosts =
        all.iter().filter(|group| !matches!(group.target_type(), Some(TargetTypeEnum::Lambda | TargetTypeEnum::Alb)));
    let ours = |group: &aws_sdk_elasticloadbalancingv2::types::TargetGroup| {
        Some(Group {
            arn: group.target_group_arn().and_then(|arn| TargetGroupArn::parse(arn).ok())?,
            vpc: text(group.vpc_id(), 64),
            load_balancers: group.load_balancer_arns().iter().map(|arn| short(arn)).collect(),
        })
    };
    // One that is left out would be one that has the host still.
    let read: Option<Vec<_>> = hosts.map(ours).collect();
    read.ok_or_else(|| session.puzzled(GROUPS, "a target group with an ARN of another form").into())
}

/// `app/web` of `arn:…:loadbalancer/app/web/0123456789abcdef`.
fn short(arn: &str) -> String {
    let name = arn.split_once(":loadbalancer/").map_or(arn, |(_, name)| name);
    text(Some(name.rsplit_once('/').map_or(name, |(name, _)| name)), 64)
}

/// All that a group has registered or lets end: one answer without pages (Elastic Load Balancing reference,
/// `DescribeTargetHealth`).
pub(super) async fn targets(session: &Session, group: &TargetGroupArn) -> Result<Vec<Registered>, Fault> {
    let request = session.elb_v2.describe_target_health().target_group_arn(group.as_str());
    let answer = session.ask(HEALTH, request.send()).await?;
    let targets = answer.target_health_descriptions().iter().filter_map(|described| {
        let target = ours(described.target()?)?;
        let state = match described.target_health().and_then(|health| health.state()) {
            Some(TargetHealthStateEnum::Draining) => Standing::Draining,
            Some(TargetHealthStateEnum::Healthy) => Standing::Healthy,
            // `unhealthy.draining` too: registered, and unhealthy (Network Load Balancers guide, health checks).
            _ => Standing::Other,
        };
        Some(Registered { target, state })
    });
    Ok(targets.collect())
}

fn ours(found: &TargetDescription) -> Option<Target> {
    Some(Target {
        id: some_text(found.id(), 64)?,
        port: found.port().and_then(|port| u16::try_from(port).ok()),
        zone: some_text(found.availability_zone(), 64),
        server_id: some_text(found.quic_server_id(), 32),
    })
}

/// As AWS takes it: a zone is not supported for an instance (Elastic Load Balancing reference, `TargetDescription`).
fn theirs(target: &Target) -> TargetDescription {
    TargetDescription::builder()
        .id(&target.id)
        .set_port(target.port.map(i32::from))
        .set_availability_zone(target.zone.clone().filter(|_| !target.is_instance()))
        .set_quic_server_id(target.server_id.clone())
        .build()
}

/// `DeregisterTargets`: each with its port, since a group may have a host on several.
pub(super) async fn deregister(
    order: &Order<'_>,
    group: &TargetGroupArn,
    targets: &BTreeSet<Target>,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .elb_v2_once
        .deregister_targets()
        .target_group_arn(group.as_str())
        .set_targets(Some(targets.iter().map(theirs).collect()))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("DeregisterTargets", &mark, request.send()).await?.1)
}

/// `RegisterTargets`.
pub(super) async fn register(
    order: &Order<'_>,
    group: &TargetGroupArn,
    targets: &BTreeSet<Target>,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .elb_v2_once
        .register_targets()
        .target_group_arn(group.as_str())
        .set_targets(Some(targets.iter().map(theirs).collect()))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("RegisterTargets", &mark, request.send()).await?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_goes_back_to_aws_as_it_came() {
        for (text, zone) in [("10.0.0.5 80 all", Some("all")), ("i-0123456789abcdef0 80 eu-west-1a", None)] {
            let target: Target = text.parse().unwrap();
            let sent = theirs(&target);
            assert_eq!((sent.id(), sent.port(), sent.availability_zone()), (Some(target.id.as_str()), Some(80), zone));
        }
        let quic: Target = "10.0.0.5 443 eu-west-1a 0x0123456789abcdef".parse().unwrap();
        assert_eq!(ours(&theirs(&quic)), Some(quic));
    }

    #[test]
    fn load_balancers_are_named_by_type_and_name() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/edge/0123456789abcdef";
        assert_eq!(short(arn), "net/edge");
        assert_eq!(short("edge"), "edge");
    }
}
