"""Auto Scaling groups act with time: instances move from state to state, and the group keeps its capacity."""

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup

from bed import balancers, clock, lifecycle
from bed.base import adds, wraps

clock.step(lifecycle.catch_up)


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
# An instance starts as Pending. What the desired capacity counts is on its way into service or there: not in standby,
# not departing.
@adds(FakeAutoScalingGroup)
def active_instances(self):
    return [state for state in self.instance_states if state.lifecycle_state in lifecycle.COUNTED]


@wraps(FakeAutoScalingGroup, "replace_autoscaling_group_instances")
def replace_autoscaling_group_instances(former, self, count_needed, propagated_tags):
    before = list(self.instance_states)
    former(self, count_needed, propagated_tags)
    for state in self.instance_states:
        if state not in before:
            lifecycle.begin(self, state, "Pending")


@wraps(FakeAutoScalingGroup, "set_desired_capacity")
def set_desired_capacity(former, self, new_capacity):
    if lifecycle.mixed(self):
        former(self, new_capacity)
    else:
        self.desired_capacity = self.min_size if new_capacity is None else new_capacity
        lifecycle.fit(self)
    self.made = True


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
# A group finds by its health checks that an instance was terminated. One in standby has none: it is gone then.
@adds(AutoScalingBackend)
def notify_terminate_instances(self, instance_ids):
    for group in self.autoscaling_groups.values():
        group.instance_states = [
            state for state in group.instance_states
            if state.instance.id not in instance_ids or state.lifecycle_state in lifecycle.COUNTED
            or state.lifecycle_state.startswith("Terminating")]


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DeleteAutoScalingGroup.html
# With ForceDelete the group goes with all its instances, without waiting for lifecycle actions.
@wraps(AutoScalingBackend, "delete_auto_scaling_group")
def delete_auto_scaling_group(former, self, group_name):
    group = self.autoscaling_groups.get(group_name)
    for state in list(group.instance_states) if group else []:
        lifecycle.begin(group, state, "Terminating")
        lifecycle.end(group, state)
    if group:
        group.desired_capacity = 0
    former(self, group_name)


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-load-balancer-asg.html
# Instances are registered when they come into service, and when a load balancer is attached. Who was deregistered by
# another stays so.
@adds(AutoScalingBackend)
def update_attached_elbs(self, group_name):
    follow(self.autoscaling_groups[group_name])


@adds(AutoScalingBackend)
def update_attached_target_groups(self, group_name):
    follow(self.autoscaling_groups[group_name])


def follow(group):
    for state in group.instance_states:
        if state.lifecycle_state == "InService" and not lifecycle.suspended(group, "AddToLoadBalancer"):
            balancers.enter(group, state)
