"""Auto Scaling groups: sizes that hold, and who is in the group."""

from moto.autoscaling.models import ASG_NAME_TAG, DetachInstanceActivity
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from bed import balancers
from bed.base import adds, refuse, wraps

PROCESSES = {"Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck",
             "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}


def group_named(self, name):
    group = self.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        refuse("ValidationError", f"AutoScalingGroup name not found - no such group: {name}")
    return group


def members(self, group, states):
    """The states of the named instances, all of which must be in the group and in one of these states."""
    held = {state.instance.id: state for state in group.instance_states}
    found = []
    for identifier in self._get_param("InstanceIds", []):
        if identifier not in held:
            refuse("ValidationError",
                         f"The instance {identifier} is not part of Auto Scaling group {group.name}.")
        if held[identifier].lifecycle_state not in states:
            refuse("ValidationError", f"The instance {identifier} is not in {' or '.join(states)}.")
        found.append(held[identifier])
    return found


def fits(group, change, verb, count):
    """The group after a change of its desired capacity must be within its sizes."""
    desired = group.desired_capacity + change
    if not group.min_size <= desired <= group.max_size:
        refuse("ValidationError",
                     f"AutoScalingGroup {group.name} has min-size={group.min_size}, max-size={group.max_size}, and"
                     f" desired-size={group.desired_capacity}. To {verb} {count} instance{'s' * (count > 1)}, please"
                     " update the AutoScalingGroup sizes appropriately.")


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
    for state in states:
        group.instance_states.remove(state)
        self.autoscaling_backend.ec2_backend.delete_tags([state.instance.id], {ASG_NAME_TAG: group.name})
    deregister(self, group, states)
    group.set_desired_capacity(group.desired_capacity - fall)
    self.autoscaling_backend.update_attached_elbs(group.name)
    return ActionResult({"Activities": [DetachInstanceActivity(state.instance) for state in states]})


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
# An instance that is InService becomes Standby, stays in the group and leaves the load balancers.
@wraps(AutoScalingResponse, "enter_standby")
def enter_standby(former, self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    states = members(self, group, ("InService",))
    if decrements(self):
        fits(group, -len(states), "place into standby", len(states))
    result = former(self)
    deregister(self, group, states)
    return result


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_ExitStandby.html
# The desired capacity rises by the number of instances, within the maximum.
@wraps(AutoScalingResponse, "exit_standby")
def exit_standby(former, self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    states = members(self, group, ("Standby",))
    fits(group, len(states), "exit standby with", len(states))
    result = former(self)
    self.autoscaling_backend.update_attached_elbs(group.name)
    for arn in group.target_group_arns:
        self.autoscaling_backend.elbv2_backend.register_targets(arn, [{"Id": state.instance.id} for state in states])
    return result


def decrements(self):
    given = self._get_bool_param("ShouldDecrementDesiredCapacity")
    if given is None:
        refuse("ValidationError", "1 validation error detected: Value null at 'shouldDecrementDesiredCapacity'"
                                        " failed to satisfy constraint: Member must not be null")
    return given


def deregister(self, group, states):
    for state in states:
        balancers.leave(group, state)
    self.autoscaling_backend.update_attached_elbs(group.name)


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
# A name is unique in account and Region: AlreadyExists. The minimum is at most the maximum, the desired capacity
# between them.
@wraps(AutoScalingResponse, "create_auto_scaling_group")
def create_auto_scaling_group(former, self):
    name = self._get_param("AutoScalingGroupName")
    least, most = self._get_int_param("MinSize"), self._get_int_param("MaxSize")
    desired = self._get_int_param("DesiredCapacity", least)
    if name in self.autoscaling_backend.autoscaling_groups:
        refuse("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name"
                                      f" {name} already exists")
    if least > most:
        refuse("ValidationError", "Max bound must be greater than or equal to min bound")
    if not least <= desired <= most:
        refuse("ValidationError",
                     f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")
    return former(self)


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SuspendProcesses.html (the names of processes)
def checks_processes(method):
    @wraps(AutoScalingResponse, method)
    def checked(former, self):
        group_named(self, self._get_param("AutoScalingGroupName"))
        wrong = [name for name in self._get_param("ScalingProcesses", []) if name not in PROCESSES]
        if wrong:
            refuse("ValidationError", f"Invalid scaling process: {', '.join(wrong)}")
        return former(self)


checks_processes("suspend_processes")
checks_processes("resume_processes")
