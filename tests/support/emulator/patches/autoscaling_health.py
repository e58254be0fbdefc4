"""Health checks of Auto Scaling groups: an unhealthy instance is terminated and replaced."""

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult
from moto.ec2.models.instances import Instance

from bed import balancers, clock, lifecycle, settings
from bed.asg import member
from bed.base import adds, refuse


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
# "When Amazon EC2 Auto Scaling determines that an InService instance is unhealthy, it replaces it with a new instance."
# One that is no longer running is replaced during the grace period too.
def replaces(group, state):
    """Whether an instance is to be terminated because of its health."""
    if lifecycle.suspended(group, "HealthCheck") and state.health_status == "Healthy":
        return False
    ill = state.health_status == "Unhealthy" or not runs(state) or (
        state.lifecycle_state == "InService" and not in_grace(group, state)
        and (impaired(state) or "ELB" in group.health_check_type and balancers.failing(group, state)))
    if not ill:
        state.ill_since = None
        return False
    if getattr(state, "ill_since", None) is None:
        state.ill_since = clock.now()
    if clock.now() < state.ill_since + settings.get(group.account_id, "health_check_seconds"):
        return False
    state.health_status = "Unhealthy"
    return not lifecycle.suspended(group, "ReplaceUnhealthy", "Terminate")


def runs(state):
    return state.instance._state.name in ("pending", "running")


def impaired(state):
    return getattr(state.instance, "status_checks", "ok") == "impaired"


def in_grace(group, state):
    return clock.now() < getattr(state, "arrived", 0) + (group.health_check_grace_period or 0)


lifecycle.HEALTH_CHECKS.append(replaces)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceStatusSummary.html
# A running instance whose checks fail is shown as impaired, with the reachability check as failed.
def shows_impairment(name):
    former = getattr(Instance, name).fget

    def summary(self):
        shown = former(self)
        if getattr(self, "status_checks", "ok") == "impaired" and self._state.name == "running":
            shown = {"Status": "impaired", "Details": [{"Name": "reachability", "Status": "failed"}]}
        return shown

    setattr(Instance, name, property(summary))


shows_impairment("instance_status")


# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html
# Healthy or Unhealthy; the group's grace period is respected unless ShouldRespectGracePeriod is false.
@adds(AutoScalingResponse)
def set_instance_health(self):
    status = self._get_param("HealthStatus")
    if status not in ("Healthy", "Unhealthy"):
        refuse("ValidationError", f"Valid instance health states are: [Healthy, Unhealthy], not {status}")
    group, state = member(self, self._get_param("InstanceId"))
    respects = self._get_bool_param("ShouldRespectGracePeriod", True)
    if not (status == "Unhealthy" and respects and in_grace(group, state)):
        state.health_status = status
    return EmptyResult()
