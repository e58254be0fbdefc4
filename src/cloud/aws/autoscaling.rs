//! Auto Scaling: the group that would replace the host.

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::text;
use crate::api::ids::InstanceId;
use crate::playbook::seen::AutoScalingMembership;

const INSTANCES: Question = ("DescribeAutoScalingInstances", "autoscaling:DescribeAutoScalingInstances");

/// The group of the instance, where it is in one (Auto Scaling reference, `DescribeAutoScalingInstances`). Lifecycle
/// states stay as AWS spells them: there are more than any list of ours would know.
pub(super) async fn membership(
    session: &Session,
    instance: &InstanceId,
) -> Result<Option<AutoScalingMembership>, Fault> {
    let request = session.autoscaling.describe_auto_scaling_instances().instance_ids(instance.as_str());
    let answer = session.ask(INSTANCES, request.send()).await?;
    let found = answer.auto_scaling_instances().iter().find(|found| found.instance_id() == Some(instance.as_str()));
    Ok(found.map(|found| AutoScalingMembership {
        group: text(found.auto_scaling_group_name(), 255),
        lifecycle_state: text(found.lifecycle_state(), 64),
        protected_from_scale_in: found.protected_from_scale_in().unwrap_or_default(),
    }))
}
