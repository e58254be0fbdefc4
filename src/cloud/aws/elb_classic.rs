//! Classic load balancers.

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::text;
use crate::api::ids::InstanceId;

const BALANCERS: Question = ("DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers");

/// Names of those that have the instance registered. There is no filter: all of the Region are read (Classic Load
/// Balancers reference, `DescribeLoadBalancers`).
pub(super) async fn with(session: &Session, instance: &InstanceId) -> Result<Vec<String>, Fault> {
    let request = session.elb_classic.describe_load_balancers().into_paginator().items().send();
    let all = session.ask(BALANCERS, request.try_collect()).await?;
    let mut names: Vec<String> = all
        .iter()
        .filter(|balancer| balancer.instances().iter().any(|found| found.instance_id() == Some(instance.as_str())))
        .map(|balancer| text(balancer.load_balancer_name(), 255))
        .collect();
    names.sort();
    Ok(names)
}
