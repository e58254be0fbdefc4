//! Auto Scaling: the group that would replace the host, and its place in it.

use aws_sdk_autoscaling::types::{LaunchTemplateSpecification, LifecycleState};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{read, text};
use crate::api::ids::InstanceId;
use crate::clock::now;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::auto_scaling::{AutoScaling, AutoScalingGroup, LifecycleHook, Phase};
use crate::playbook::effect::Receipt;
use crate::playbook::group_change::GroupChange;
use crate::playbook::seen::{AutoScalingMembership, Read};

const INSTANCES: Question = ("DescribeAutoScalingInstances", "autoscaling:DescribeAutoScalingInstances");
const GROUPS: Question = ("DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingGroups");
const HOOKS: Question = ("DescribeLifecycleHooks", "autoscaling:DescribeLifecycleHooks");

/// Hooks that apply when an instance is terminated (Auto Scaling reference, `LifecycleHook`).
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

/// Longest name of a group or a hook (Auto Scaling reference).
const NAME: usize = 255;

/// Seconds of a hook that says nothing (Auto Scaling reference, `PutLifecycleHook`).
const TIMEOUT: i32 = 3600;

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
        group: text(found.auto_scaling_group_name(), NAME),
        lifecycle_state: text(found.lifecycle_state(), 64),
        protected_from_scale_in: found.protected_from_scale_in().unwrap_or_default(),
    }))
}

/// The place of the instance in its group, and the sizes of the group: of the one that the chain knows at the same time, of
/// another one after it.
pub(super) async fn look(session: &Session, instance: &InstanceId, former: Option<&str>) -> Read<AutoScaling> {
    let asked_at = now();
    let known = async {
        match former {
            Some(name) => group(session, name).await,
            None => Ok(None),
        }
    };
    let answer = async {
        let (membership, known) = tokio::join!(membership(session, instance), known);
        let (membership, known) = (membership?, known?);
        let Some(member) = &membership else {
            return Ok(AutoScaling { membership, group: known, hooks: Vec::new() });
        };
        let hooks = async {
            match member.phase() {
                Phase::Terminating => hooks(session, &member.group).await,
                _ => Ok(Vec::new()),
            }
        };
        let group = async {
            if former == Some(member.group.as_str()) { Ok(known) } else { group(session, &member.group).await }
        };
        let (group, hooks) = tokio::try_join!(group, hooks)?;
        Ok(AutoScaling { membership, group, hooks })
    };
    read(asked_at, answer.await)
}

/// Auto Scaling `DescribeAutoScalingGroups`, by name. A group that is gone is not in the answer.
async fn group(session: &Session, name: &str) -> Result<Option<AutoScalingGroup>, Fault> {
    let request = session.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name);
    let answer = session.ask(GROUPS, request.send()).await?;
    let Some(found) = answer.auto_scaling_groups().iter().find(|found| found.auto_scaling_group_name() == Some(name))
    else {
        return Ok(None);
    };
    // Sizes decide what is done: without them the answer is none.
    let size = |size: Option<i32>, what| size.ok_or_else(|| Fault::from(session.puzzled(GROUPS, what)));
    let in_service = found.instances().iter().filter(|one| one.lifecycle_state() == Some(&LifecycleState::InService));
    let template = found.launch_template().or_else(|| {
        let policy = found.mixed_instances_policy()?.launch_template()?;
        policy.launch_template_specification()
    });
    Ok(Some(AutoScalingGroup {
        name: text(Some(name), NAME),
        minimum: size(found.min_size(), "no MinSize")?,
        maximum: size(found.max_size(), "no MaxSize")?,
        desired: size(found.desired_capacity(), "no DesiredCapacity")?,
        in_service: i32::try_from(in_service.count()).unwrap_or(i32::MAX),
        launch_source: template.map_or_else(|| text(found.launch_configuration_name(), NAME), source),
    }))
}

fn source(template: &LaunchTemplateSpecification) -> String {
    let name = template.launch_template_id().or_else(|| template.launch_template_name());
    format!("{}/{}", text(name, NAME), text(template.version(), NAME))
}

async fn hooks(session: &Session, group: &str) -> Result<Vec<LifecycleHook>, Fault> {
    let request = session.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(group);
    let answer = session.ask(HOOKS, request.send()).await?;
    let applies = answer.lifecycle_hooks().iter().filter(|hook| hook.lifecycle_transition() == Some(TERMINATING));
    Ok(applies
        .map(|hook| LifecycleHook {
            name: text(hook.lifecycle_hook_name(), NAME),
            timeout: hook.heartbeat_timeout().unwrap_or(TIMEOUT),
        })
        .collect())
}

/// Makes one change.
pub(super) async fn change(order: &Order<'_>, change: &GroupChange) -> Result<Receipt, CloudError> {
    let (client, mark, name) = (&order.session.autoscaling_once, order.mark(), change.operation());
    let marked = mark.clone();
    let receipt = match change {
        GroupChange::SetInstanceProtection { group, instance, enabled } => {
            let request = client
                .set_instance_protection()
                .auto_scaling_group_name(group)
                .instance_ids(instance.as_str())
                .protected_from_scale_in(*enabled);
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::EnterStandby { group, instance, decrement } => {
            let request = client
                .enter_standby()
                .auto_scaling_group_name(group)
                .instance_ids(instance.as_str())
                .should_decrement_desired_capacity(*decrement);
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::ExitStandby { group, instance } => {
            let request = client.exit_standby().auto_scaling_group_name(group).instance_ids(instance.as_str());
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::DetachInstances { group, instance, decrement } => {
            let request = client
                .detach_instances()
                .auto_scaling_group_name(group)
                .instance_ids(instance.as_str())
                .should_decrement_desired_capacity(*decrement);
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::AttachInstances { group, instance } => {
            let request = client.attach_instances().auto_scaling_group_name(group).instance_ids(instance.as_str());
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::UpdateAutoScalingGroup { group, min_size } => {
            let request = client.update_auto_scaling_group().auto_scaling_group_name(group).min_size(*min_size);
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::SetDesiredCapacity { group, desired } => {
            let request = client
                .set_desired_capacity()
                .auto_scaling_group_name(group)
                .desired_capacity(*desired)
                .honor_cooldown(false);
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
        GroupChange::RecordLifecycleActionHeartbeat { group, instance, hook } => {
            let request = client
                .record_lifecycle_action_heartbeat()
                .auto_scaling_group_name(group)
                .lifecycle_hook_name(hook)
                .instance_id(instance.as_str());
            order.send(name, &mark, request.customize().interceptor(marked).send()).await.map(|(_, receipt)| receipt)
        }
    };
    receipt.map_err(sorted)
}

/// Auto Scaling has one code for what is wrong and for what is not so any more. The latter is a matter of looking again:
/// a repeat after a lost reply meets it.
fn sorted(error: CloudError) -> CloudError {
    const OF_THE_MOMENT: [&str; 5] = [
        "is not in InService",
        "is not in Standby",
        "is not part of Auto Scaling group",
        "is already part of AutoScalingGroup",
        "name not found",
    ];
    let moved = error.code == "ValidationError" && OF_THE_MOMENT.iter().any(|words| error.message.contains(words));
    if moved { CloudError { class: ErrorClass::Conflict, ..error } } else { error }
}
