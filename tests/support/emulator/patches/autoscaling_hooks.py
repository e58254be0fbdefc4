"""Lifecycle hooks: what they may say, and the actions that keep an instance waiting."""

from moto.autoscaling.models import LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from bed import clock, lifecycle
from bed.asg import group_named
from bed.base import adds, refuse, wraps

TRANSITIONS = (lifecycle.LAUNCHING, lifecycle.TERMINATING)
#: An instance waits for 48 hours at most, or for a hundred times the heartbeat timeout, whichever is less.
LONGEST = 172800


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html
# The heartbeat timeout is 30 to 7200 seconds, an hour by default; the default result is CONTINUE or ABANDON, the
# latter by default. An update keeps what is not named.
@adds(AutoScalingResponse)
def put_lifecycle_hook(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    name = self._get_param("LifecycleHookName")
    held = self.autoscaling_backend.lifecycle_hooks.get(f"{group.name}_{name}")
    transition = self._get_param("LifecycleTransition", held and held.lifecycle_transition)
    timeout = self._get_int_param("HeartbeatTimeout", held.heartbeat_timeout if held else 3600)
    result = self._get_param("DefaultResult", held.default_result if held else "ABANDON")
    if transition not in TRANSITIONS:
        refuse("ValidationError", f"Valid lifecycle transitions are: {', '.join(TRANSITIONS)}")
    if not 30 <= timeout <= 7200:
        refuse("ValidationError", "Heartbeat Timeout must be between 30 and 7200 seconds")
    if result not in ("CONTINUE", "ABANDON"):
        refuse("ValidationError", "Valid default results are: CONTINUE, ABANDON")
    hook = self.autoscaling_backend.create_lifecycle_hook(name, group.name, transition, timeout, result)
    hook.role_arn = self._get_param("RoleARN", held and held.role_arn)
    hook.notification_target_arn = self._get_param("NotificationTargetARN", held and held.notification_target_arn)
    return EmptyResult()


@wraps(LifecycleHook, "__init__")
def make(former, self, *args):
    former(self, *args)
    self.role_arn = self.notification_target_arn = None
    self.global_timeout = min(LONGEST, 100 * self.heartbeat_timeout)


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeLifecycleHooks.html
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteLifecycleHook.html
# The group must exist. With the hook, its outstanding actions end: terminating instances as ABANDON, launching as
# CONTINUE.
@wraps(AutoScalingResponse, "describe_lifecycle_hooks")
def describe_lifecycle_hooks(former, self):
    group_named(self, self._get_param("AutoScalingGroupName"))
    return former(self)


@wraps(AutoScalingResponse, "delete_lifecycle_hook")
def delete_lifecycle_hook(former, self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    name = self._get_param("LifecycleHookName")
    if f"{group.name}_{name}" not in self.autoscaling_backend.lifecycle_hooks:
        refuse("ValidationError", f"No Lifecycle Hook found with name: {name}")
    for state in group.instance_states:
        if name in getattr(state, "actions", {}):
            state.actions[name]["result"] = "CONTINUE" if state.lifecycle_state == "Pending:Wait" else "ABANDON"
    return former(self)


def action(self):
    """The outstanding action that a call names by instance. (Tokens come with notifications: there are none here.)"""
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    name = self._get_param("LifecycleHookName")
    identifier, token = self._get_param("InstanceId"), self._get_param("LifecycleActionToken")
    if not identifier and not token:
        refuse("ValidationError", "Either an instance ID or a lifecycle action token must be given.")
    if f"{group.name}_{name}" not in self.autoscaling_backend.lifecycle_hooks:
        refuse("ValidationError", f"No Lifecycle Hook found with name: {name}")
    for state in group.instance_states:
        found = getattr(state, "actions", {}).get(name)
        if (found and found["result"] is None and state.lifecycle_state.endswith(":Wait")
                and not token and state.instance.id == identifier):
            return found
    refuse("ValidationError", f"No active Lifecycle Action found with "
                              + (f"token {token}" if token else f"instance ID {identifier}"))


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html
# "This extends the timeout by the length of time defined using the PutLifecycleHook API call", within the longest time.
@adds(AutoScalingResponse)
def record_lifecycle_action_heartbeat(self):
    action(self)["beat"] = clock.now()
    return ActionResult({})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html
@adds(AutoScalingResponse)
def complete_lifecycle_action(self):
    result = self._get_param("LifecycleActionResult")
    if result not in ("CONTINUE", "ABANDON"):
        refuse("ValidationError", "Valid lifecycle action results are: CONTINUE, ABANDON")
    action(self)["result"] = result
    return ActionResult({})
