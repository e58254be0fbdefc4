"""Members of an Auto Scaling group: out of service and back, protected, detached, terminated."""

from moto.autoscaling.models import (ASG_NAME_TAG, DetachInstanceActivity, EnterStandbyActivity, ExitStandbyActivity,
                                     FakeAutoScalingGroup, InstanceState, TerminateInstanceActivity)
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from bed import lifecycle
from bed.asg import decrements, fits, group_named, member, members
from bed.base import adds, refuse


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html
# Instances leave the group; with ShouldDecrementDesiredCapacity the desired capacity falls by their number, and may
# not fall below the minimum; without, replacements are launched. They are deregistered from the group's Classic
# Load Balancers and target groups. ShouldDecrementDesiredCapacity is required.
@adds(AutoScalingResponse)
def detach_instances(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    states = members(self, group, ("InService", "Standby"))
    active = sum(state.lifecycle_state == "InService" for state in states)
    fall = active if decrements(self) else 0
    fits(group, -fall, "detach", len(states))
    activities = [DetachInstanceActivity(state.instance) for state in states]
    for state in states:
        lifecycle.begin(group, state, "Detaching")
    group.set_desired_capacity(group.desired_capacity - fall)
    return ActionResult({"Activities": activities})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
# An instance that is InService becomes Standby, stays in the group and leaves the load balancers. The desired capacity
# falls, within the minimum, or replacements are launched.
@adds(AutoScalingResponse)
def enter_standby(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    states = members(self, group, ("InService",))
    before, fall = group.desired_capacity, len(states) if decrements(self) else 0
    if fall:
        fits(group, -fall, "place into standby", len(states))
    for state in states:
        lifecycle.begin(group, state, "EnteringStandby")
    group.set_desired_capacity(before - fall)
    return ActionResult({"Activities": [EnterStandbyActivity(state.instance, before) for state in states]})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ExitStandby.html
# The desired capacity rises by the number of instances, within the maximum. On their way back into service they are
# Pending, and in the load balancers once they are there.
@adds(AutoScalingResponse)
def exit_standby(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    states = members(self, group, ("Standby",))
    fits(group, len(states), "exit standby with", len(states))
    before = group.desired_capacity
    for state in states:
        lifecycle.begin(group, state, "Pending")
        state.returns = True
    group.set_desired_capacity(before + len(states))
    return ActionResult({"Activities": [ExitStandbyActivity(state.instance, before) for state in states]})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachInstances.html
# The desired capacity rises by the number of instances, within the maximum. They run, and are in no group yet.
@adds(AutoScalingResponse)
def attach_instances(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    found = [attachable(self, identifier) for identifier in self._get_param("InstanceIds", [])]
    fits(group, len(found), "attach", len(found))
    for instance in found:
        instance.autoscaling_group = group
        state = InstanceState(instance, protected_from_scale_in=group.new_instances_protected_from_scale_in)
        group.instance_states.append(state)
        group.ec2_backend.create_tags([instance.id], {ASG_NAME_TAG: group.name})
        lifecycle.begin(group, state, "Pending")
    group.set_desired_capacity(group.desired_capacity + len(found))
    return EmptyResult()


def attachable(self, identifier):
    instance = self.autoscaling_backend.ec2_backend.get_instance_by_id(identifier)
    if instance is None:
        refuse("ValidationError", f"Invalid Instance ID(s): [{identifier}] specified")
    if instance._state.name not in ("pending", "running"):
        refuse("ValidationError", f"Instance {identifier} is not in running state")
    for group in self.autoscaling_backend.autoscaling_groups.values():
        if any(state.instance.id == identifier for state in group.instance_states):
            refuse("ValidationError", f"Instance {identifier} is already part of AutoScalingGroup:{group.name}")
    return instance


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html
# At most 50 instances; not for those in a warm pool, nor for those on their way in or out.
@adds(AutoScalingResponse)
def set_instance_protection(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    if len(self._get_param("InstanceIds", [])) > 50:
        refuse("ValidationError", "The number of instance ids that can be passed in is limited to 50.")
    for state in members(self, group, ("InService", "EnteringStandby", "Standby")):
        state.protected_from_scale_in = self._get_bool_param("ProtectedFromScaleIn")
    return EmptyResult()


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html
# The instance is replaced, unless the desired capacity falls with it, within the minimum.
@adds(AutoScalingResponse)
def terminate_instance_in_auto_scaling_group(self):
    group, state = member(self, self._get_param("InstanceId"))
    before, counted = group.desired_capacity, state.lifecycle_state in lifecycle.COUNTED
    fall = int(bool(decrements(self)) and counted)
    if before - fall < group.min_size:
        refuse("ValidationError", "Terminating instance without replacement will violate group's min size constraint."
                                  " Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.")
    if not state.lifecycle_state.startswith("Terminating"):
        lifecycle.begin(group, state, "Terminating")
    group.set_desired_capacity(before - fall)
    return ActionResult({"Activity": TerminateInstanceActivity(state.instance, before)})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeWarmPool.html
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-warm-pools.html
# Instances of the warm pool are described with the pool, and not with the group.
@adds(AutoScalingResponse)
def describe_warm_pool(self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    warm = [state for state in group.instance_states if state.lifecycle_state.startswith("Warmed:")]
    return ActionResult({"WarmPoolConfiguration": group.warm_pool, "Instances": warm})


FakeAutoScalingGroup.instances = property(lambda self: [
    state for state in self.instance_states if not state.lifecycle_state.startswith("Warmed:")])
