//! Instance profiles of instances: which one an instance has, and who else has it.

use std::collections::BTreeSet;

use aws_sdk_ec2::operation::describe_instances::DescribeInstancesOutput;
use aws_sdk_ec2::types::{Filter, IamInstanceProfileAssociationState, IamInstanceProfileSpecification, Reservation};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, kept, text};
use crate::api::ids::InstanceId;
use crate::cloud::error::CloudError;
use crate::playbook::credentials::Association;
use crate::playbook::effect::Receipt;

const ASSOCIATIONS: Question = ("DescribeIamInstanceProfileAssociations", "ec2:DescribeIamInstanceProfileAssociations");
const INSTANCES: Question = ("DescribeInstances", "ec2:DescribeInstances");

fn filter(name: &str, values: &[&str]) -> Filter {
    values.iter().fold(Filter::builder().name(name), |filter, value| filter.values(*value)).build()
}

/// The association of an instance that stands.
pub(super) async fn association(session: &Session, instance: &InstanceId) -> Result<Option<Association>, Fault> {
    let request =
        session.ec2.describe_iam_instance_profile_associations().filters(filter("instance-id", &[instance.as_str()]));
    let answer = match session.ask(ASSOCIATIONS, request.send()).await {
        Ok(answer) => answer,
        Err(Fault::Absent) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let stands = answer.iam_instance_profile_associations().iter().find(|association| {
        association.instance_id() == Some(instance.as_str())
            && matches!(
                association.state(),
                Some(IamInstanceProfileAssociationState::Associated | IamInstanceProfileAssociationState::Associating)
            )
    });
    Ok(stands.map(|association| Association {
        id: text(association.association_id(), 64),
        profile: text(association.iam_instance_profile().and_then(|profile| profile.arn()), 2048),
    }))
}

/// Other instances of the Region that have an instance profile, and are not terminated.
pub(super) async fn siblings(
    session: &Session,
    instance: &InstanceId,
    profile: &str,
) -> Result<BTreeSet<InstanceId>, Fault> {
    let request = session
        .ec2
        .describe_instances()
        .filters(filter("iam-instance-profile.arn", &[profile]))
        .filters(filter("instance-state-name", &["pending", "running", "stopping", "stopped"]));
    let pages = request.into_paginator().send();
    let pages = session.ask(INSTANCES, pages.try_collect()).await?;
    let all = pages.iter().flat_map(DescribeInstancesOutput::reservations).flat_map(Reservation::instances);
    let others = kept("instances", all.map(|found| id::<InstanceId>(found.instance_id())));
    Ok(others.into_iter().filter(|other| other != instance).collect())
}

/// EC2 `DisassociateIamInstanceProfile`.
pub(super) async fn disassociate(order: &Order<'_>, association: &str) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .disassociate_iam_instance_profile()
        .association_id(association)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("DisassociateIamInstanceProfile", &mark, request.send()).await?.1)
}

/// EC2 `AssociateIamInstanceProfile`.
pub(super) async fn associate(order: &Order<'_>, instance: &InstanceId, profile: &str) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .associate_iam_instance_profile()
        .instance_id(instance.as_str())
        .iam_instance_profile(IamInstanceProfileSpecification::builder().arn(profile).build())
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("AssociateIamInstanceProfile", &mark, request.send()).await?.1)
}
