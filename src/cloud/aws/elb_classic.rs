//! Classic load balancers.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancing::types::Instance;

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use crate::api::ids::{InstanceId, LoadBalancerName};
use crate::cloud::error::CloudError;
use crate::playbook::balancers::{ClassicLoadBalancer, Health};
use crate::playbook::effect::Receipt;

const BALANCERS: Question = ("DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers");
const HEALTH: Question = ("DescribeInstanceHealth", "elasticloadbalancing:DescribeInstanceHealth");

/// A load balancer with the ids of its instances.
#[derive(Clone, Debug)]
pub(super) struct Classic {
    pub(super) name: LoadBalancerName,
    pub(super) instances: BTreeSet<String>,
}

/// All of the Region: there is no filter by instance. AWS answers with pages of up to 400 (Classic Load Balancers
/// reference, `DescribeLoadBalancers`).
pub(super) async fn all(session: &Session) -> Result<Vec<Classic>, Fault> {
    let request = session.elb_classic.describe_load_balancers().into_paginator().items().send();
    let all = session.ask(BALANCERS, request.try_collect()).await?;
    // One that is left out would be one that has the host still.
    let ours = |found: &aws_sdk_elasticloadbalancing::types::LoadBalancerDescription| {
        let name = found.load_balancer_name().and_then(|name| LoadBalancerName::parse(name).ok())?;
        Some(Classic { name, instances: ids(found.instances()) })
    };
    let read: Option<Vec<_>> = all.iter().map(ours).collect();
    read.ok_or_else(|| session.puzzled(BALANCERS, "a load balancer without a name").into())
}

/// One by its name.
pub(super) async fn one(session: &Session, name: &LoadBalancerName) -> Result<Classic, Fault> {
    let request = session.elb_classic.describe_load_balancers().load_balancer_names(name.as_str());
    let answer = session.ask(BALANCERS, request.send()).await?;
    let mut all = answer.load_balancer_descriptions().iter();
    let found = all.find(|found| found.load_balancer_name() == Some(name.as_str())).ok_or(Fault::Absent)?;
    Ok(Classic { name: name.clone(), instances: ids(found.instances()) })
}

fn ids(instances: &[Instance]) -> BTreeSet<String> {
    instances.iter().filter_map(|instance| instance.instance_id()).map(ToOwned::to_owned).collect()
}

/// How a load balancer stands to the instance. Asked for all, AWS names those that are registered; one that is not any more
/// has to be named (Classic Load Balancers reference, `DescribeInstanceHealth`).
pub(super) async fn standing(
    session: &Session,
    balancer: &Classic,
    instance: &InstanceId,
) -> Result<ClassicLoadBalancer, Fault> {
    let registered = balancer.instances.contains(instance.as_str());
    let mut request = session.elb_classic.describe_instance_health().load_balancer_name(balancer.name.as_str());
    if !registered {
        request = request.instances(named(instance));
    }
    let answer = match session.ask(HEALTH, request.send()).await {
        // It does not know the instance at all.
        Err(Fault::Failed(error)) if !registered && error.code == "InvalidInstance" => {
            return Ok(ClassicLoadBalancer::default());
        }
        other => other?,
    };
    let states = answer.instance_states();
    let drains = |text: &str| text.to_ascii_lowercase().contains("deregistration currently in progress");
    let draining = states
        .iter()
        .any(|state| state.instance_id() == Some(instance.as_str()) && state.description().is_some_and(drains));
    let others = states.iter().filter(|state| state.instance_id() != Some(instance.as_str()));
    let healthy_left = others.filter(|state| state.state() == Some("InService")).count();
    let health = registered.then_some(Health { healthy_left, all: balancer.instances.len() });
    Ok(ClassicLoadBalancer { registered: registered && !draining, draining, health })
}

fn named(instance: &InstanceId) -> Instance {
    Instance::builder().instance_id(instance.as_str()).build()
}

/// `DeregisterInstancesFromLoadBalancer`.
pub(super) async fn deregister(
    order: &Order<'_>,
    balancer: &LoadBalancerName,
    instance: &InstanceId,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .elb_classic_once
        .deregister_instances_from_load_balancer()
        .load_balancer_name(balancer.as_str())
        .instances(named(instance))
        .customize()
        .interceptor(mark.clone());
    match order.send("DeregisterInstancesFromLoadBalancer", &mark, request.send()).await {
        // It is not registered: what was asked for. The next look has the last word.
        Err(error) if error.code == "InvalidInstance" => Ok(mark.receipt()),
        other => Ok(other?.1),
    }
}

/// `RegisterInstancesWithLoadBalancer`.
pub(super) async fn register(
    order: &Order<'_>,
    balancer: &LoadBalancerName,
    instance: &InstanceId,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .elb_classic_once
        .register_instances_with_load_balancer()
        .load_balancer_name(balancer.as_str())
        .instances(named(instance))
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("RegisterInstancesWithLoadBalancer", &mark, request.send()).await?.1)
}
