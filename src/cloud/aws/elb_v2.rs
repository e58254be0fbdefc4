//! Target groups of application, network and gateway load balancers.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{TargetGroup, TargetTypeEnum};

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{side_by_side, some_text, text};
use crate::api::ids::InstanceId;
use crate::playbook::seen::{Interface, TargetRegistration};

const GROUPS: Question = ("DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroups");
const HEALTH: Question = ("DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth");

/// Groups asked at the same time: the whole account has 40 calls and 10 a second (ELB, request throttling).
const AT_ONCE: usize = 4;

/// Where the instance is registered, by its id or by one of its addresses: a target is one or the other, IPv6 and
/// secondary addresses included (Elastic Load Balancing reference, `TargetDescription`). An address is unique in its
/// network only, so the zone of the registration is kept with it.
pub(super) async fn registrations(
    session: &Session,
    instance: &InstanceId,
    interfaces: &[Interface],
) -> Result<Vec<TargetRegistration>, Fault> {
    let request = session.elb_v2.describe_target_groups().into_paginator().items().send();
    let groups = session.ask(GROUPS, request.try_collect()).await?;
    let names: BTreeSet<&str> = interfaces
        .iter()
        .flat_map(|interface| interface.private_ips.iter().chain(&interface.ipv6))
        .map(String::as_str)
        .chain([instance.as_str()])
        .collect();
    let asked = groups
        .iter()
        .filter(|group| may_hold(group, interfaces))
        .filter_map(TargetGroup::target_group_arn)
        .map(|group| registered(session, group, &names))
        .collect();
    let answers = side_by_side(AT_ONCE, asked).await;
    let mut found = Vec::new();
    for answer in answers {
        match answer {
            // Deleted between the two questions.
            Err(Fault::Absent) => {}
            other => found.extend(other?),
        }
    }
    found.sort();
    Ok(found)
}

/// Instances are registered in the group's own VPC; functions and load balancers are no hosts.
fn may_hold(group: &TargetGroup, interfaces: &[Interface]) -> bool {
    match group.target_type() {
        Some(TargetTypeEnum::Lambda | TargetTypeEnum::Alb) => false,
        Some(TargetTypeEnum::Instance) => {
            interfaces.is_empty() || interfaces.iter().any(|interface| group.vpc_id() == Some(interface.vpc.as_str()))
        }
        _ => true,
    }
}

async fn registered(session: &Session, group: &str, names: &BTreeSet<&str>) -> Result<Vec<TargetRegistration>, Fault> {
    let request = session.elb_v2.describe_target_health().target_group_arn(group);
    let answer = session.ask(HEALTH, request.send()).await?;
    let targets = answer.target_health_descriptions().iter().filter_map(|described| described.target());
    Ok(targets
        .filter(|target| target.id().is_some_and(|id| names.contains(id)))
        .map(|target| TargetRegistration {
            target_group: text(Some(group), 256),
            target: text(target.id(), 64),
            port: target.port(),
            zone: some_text(target.availability_zone(), 64),
        })
        .collect())
}
