"""Auto Scaling groups: sizes that hold, names, processes, and what is attached."""

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from bed import balancers
from bed.asg import group_named
from bed.base import refuse, wraps

PROCESSES = {"Launch", "Terminate", "AddToLoadBalancer", "AlarmNotification", "AZRebalance", "HealthCheck",
             "InstanceRefresh", "ReplaceUnhealthy", "ScheduledActions"}


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
    attachable(self, self._get_param("TargetGroupARNs", []), self._get_param("LoadBalancerNames", []))
    former(self)
    # Its default is 0 seconds; moto takes 300 for none and for 0.
    group = group_named(self, name)
    group.health_check_grace_period = self._get_int_param("HealthCheckGracePeriod", 0)
    return EmptyResult()


def attachable(self, arns, names):
    missing, unknown = balancers.missing(self.autoscaling_backend, arns, names)
    for kind in ("Target Groups",) * bool(missing) + ("Load Balancers",) * bool(unknown):
        refuse("ValidationError", f"Provided {kind} may not be valid. Please ensure they exist and try again.")


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachLoadBalancerTargetGroups.html
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachLoadBalancers.html
# What is attached must exist.
@wraps(AutoScalingResponse, "attach_load_balancer_target_groups")
def attach_load_balancer_target_groups(former, self):
    group_named(self, self._get_param("AutoScalingGroupName"))
    attachable(self, self._get_param("TargetGroupARNs", []), [])
    return former(self)


@wraps(AutoScalingResponse, "attach_load_balancers")
def attach_load_balancers(former, self):
    group_named(self, self._get_param("AutoScalingGroupName"))
    attachable(self, [], self._get_param("LoadBalancerNames", []))
    return former(self)


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
# A minimum above the current size raises the desired capacity to it, a maximum below it lowers it; the desired
# capacity is within the sizes that hold afterwards. Attributes that are not named stay as they are.
@wraps(AutoScalingResponse, "update_auto_scaling_group")
def update_auto_scaling_group(former, self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    least = self._get_int_param("MinSize", group.min_size)
    most = self._get_int_param("MaxSize", group.max_size)
    desired = self._get_int_param("DesiredCapacity")
    if least > most:
        refuse("ValidationError", "Max bound must be greater than or equal to min bound")
    if desired is not None and not least <= desired <= most:
        refuse("ValidationError",
               f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")
    before, policy = group.desired_capacity, group.mixed_instances_policy
    former(self)
    if self._get_param("MixedInstancesPolicy") is None:
        group.mixed_instances_policy = policy
    group.set_desired_capacity(min(max(before if desired is None else desired, least), most))
    return EmptyResult()


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html
# The capacity is within the group's sizes.
@wraps(AutoScalingResponse, "set_desired_capacity")
def set_desired_capacity(former, self):
    group = group_named(self, self._get_param("AutoScalingGroupName"))
    desired = self._get_int_param("DesiredCapacity")
    if desired > group.max_size:
        refuse("ValidationError", f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the"
                                  " AutoScalingGroup.")
    if desired < group.min_size:
        refuse("ValidationError", f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the"
                                  " AutoScalingGroup.")
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
