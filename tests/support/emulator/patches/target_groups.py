"""Target groups: targets by id and port, their health, and a departure that takes its time."""

import ipaddress

from moto.core.responses import EmptyResult
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup, elbv2_backends
from moto.elbv2.responses import ELBV2Response

from bed import balancers, clock, settings
from bed.base import adds, refuse, wraps


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetDescription.html
# A target may be registered several times with different ports. For an ip target of the VPC the Availability Zone is
# found; for one outside the VPC it must be given. It is not supported for instances.
def key(group, target):
    port = target.get("Port") or group.port
    return target["Id"], int(port) if port is not None else None


@adds(FakeTargetGroup)
def register(self, targets):
    for target in targets:
        self.targets[key(self, target)] = {
            "Id": target["Id"], "Port": key(self, target)[1], "since": clock.now(), "left": None, "delay": 0,
            "AvailabilityZone": target.get("AvailabilityZone") or zone_of(self, target["Id"])}


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html
# The action succeeds for a target that does not exist. One that was registered with a port of its own must be named
# with it.
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
# #deregistration-delay: the state of a departing target is draining until the delay is over, 300 seconds by default,
# whether it has connections or not; then it is unused.
@adds(FakeTargetGroup)
def deregister(self, targets):
    delay = self.attributes.get("deregistration_delay.timeout_seconds")
    for target in targets:
        found = self.targets.get(key(self, target))
        if found is not None and found["left"] is None:
            found["left"], found["delay"] = clock.now(), delay


@adds(FakeTargetGroup)
def deregister_terminated_instances(self, instance_ids):
    self.deregister([target for target in self.targets.values() if target["Id"] in instance_ids])


@adds(FakeTargetGroup)
def drains(self, identifier):
    forget_departed(self)
    return any(target["Id"] == identifier and target["left"] is not None for target in self.targets.values())


def forget_departed(group):
    for each, target in list(group.targets.items()):
        left = target["left"]
        if left is not None and clock.now() >= balancers.drains_until(group.account_id, left, target["delay"]):
            del group.targets[each]


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
# Each state with the reason codes that belong to it; a healthy target has none.
@adds(FakeTargetGroup)
def health_for(self, target, ec2_backend):
    found = self.targets.get(key(self, target))
    status = FakeHealthStatus(target["Id"], key(self, target)[1], self.health_check_port,
                              *health(self, found, ec2_backend))
    status.zone = found and found["AvailabilityZone"]
    return status


def health(group, found, ec2_backend):
    if found is None:
        return "unused", "Target.NotRegistered", "Target is not registered to the target group"
    if found["left"] is not None:
        return "draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"
    instance = instance_of(group, found["Id"], ec2_backend)
    zones = enabled_zones(group)
    if not zones:
        return ("unused", "Target.NotInUse",
                "Target group is not configured to receive traffic from the load balancer")
    if (instance._placement.zone if instance else found["AvailabilityZone"]) not in (*zones, "all", None):
        return ("unused", "Target.NotInUse",
                "Target is in an Availability Zone that is not enabled for the load balancer")
    if instance is not None and instance._state.name in ("stopped", "terminated"):
        return "unused", "Target.InvalidState", f"Target is in the {instance._state.name} state"
    if clock.now() < found["since"] + settings.get(group.account_id, "target_initial_seconds"):
        return "initial", "Elb.InitialHealthChecking", "Initial health checks in progress"
    if instance is not None and getattr(instance, "fails_health_checks", None):
        return "unhealthy", "Target.FailedHealthChecks", "Health checks failed"
    return ("healthy",)


def enabled_zones(group):
    """The Availability Zones of the load balancers that use the group."""
    known = elbv2_backends[group.account_id][group.region_name].load_balancers
    return {subnet.availability_zone for arn in group.load_balancer_arns if arn in known
            for subnet in known[arn].subnets}


def instance_of(group, identifier, ec2_backend):
    """The instance behind a target, by id or by one of its addresses in the VPC."""
    if identifier.startswith("i-"):
        return ec2_backend.get_instance_by_id(identifier)
    for interface in ec2_backend.enis.values():
        held = [each.get("PrivateIpAddress") for each in interface.private_ip_addresses]
        known = identifier in held or identifier in (interface.ipv6_addresses or [])
        if known and interface.subnet.vpc_id == group.vpc_id:
            return interface.instance
    return None


FakeHealthStatus.zone = None
FakeHealthStatus.target = property(lambda self: {
    name: value for name, value in (("Id", self.instance_id), ("Port", self.port), ("AvailabilityZone", self.zone))
    if value is not None})


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
# All targets without any named: those that drain among them, those that are gone not.
@wraps(ELBv2Backend, "describe_target_health")
def describe_target_health(former, self, target_group_arn, targets):
    if target_group_arn in self.target_groups:
        forget_departed(self.target_groups[target_group_arn])
    return former(self, target_group_arn, targets)


def zone_of(group, address):
    """The Availability Zone of an address of the VPC."""
    if group.target_type != "ip":
        return None
    for subnet in [each for zone in group.ec2_backend.subnets.values() for each in zone.values()]:
        ranges = [subnet.cidr_block, *(each["ipv6CidrBlock"] for each in
                                       subnet.ipv6_cidr_block_associations.values())]
        if subnet.vpc_id == group.vpc_id and any(
                ipaddress.ip_address(address) in ipaddress.ip_network(each, strict=False) for each in ranges):
            return subnet.availability_zone
    return None


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
# InvalidTarget: the target does not exist, is not in the VPC of the target group, or is not running.
@adds(ELBV2Response)
def register_targets(self):
    arn, targets = self._get_param("TargetGroupArn"), self._get_param("Targets", [])
    group = self.elbv2_backend.target_groups.get(arn)
    for target in targets if group is not None else []:
        {"instance": check_instance, "ip": check_address}.get(group.target_type, lambda *_: None)(group, target)
    self.elbv2_backend.register_targets(arn, targets)
    return EmptyResult()


def check_instance(group, target):
    instance = group.ec2_backend.get_instance_by_id(target["Id"])
    if instance is None:
        refuse("InvalidTarget", f"Instance ID '{target['Id']}' is not valid")
    if instance._state.name not in ("running", "pending"):
        refuse("InvalidTarget",
               f"The following targets are not in a running state and cannot be registered: '{target['Id']}'")
    if group.vpc_id and instance.vpc_id != group.vpc_id:
        refuse("InvalidTarget",
               f"The following targets are not in the target group VPC '{group.vpc_id}': '{target['Id']}'")
    if target.get("AvailabilityZone"):
        refuse("ValidationError", "You cannot specify an Availability Zone for a target of type 'instance'")


# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-register-targets.html
# "When you deregister a target that was registered by IP address, you must wait for the deregistration delay to
# complete before you can register the same IP address again."
def check_address(group, target):
    forget_departed(group)
    if any(held["Id"] == target["Id"] and held["left"] is not None for held in group.targets.values()):
        refuse("InvalidTarget", f"The following targets are draining and cannot be registered: '{target['Id']}'")
    try:
        ipaddress.ip_address(target["Id"])
    except ValueError:
        refuse("ValidationError", f"The IP address '{target['Id']}' is not valid")
    if not target.get("AvailabilityZone") and zone_of(group, target["Id"]) is None:
        refuse("ValidationError", f"You must specify an Availability Zone for '{target['Id']}', which is not within the"
                                  " VPC of the target group")


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
# deregistration_delay.timeout_seconds is from 0 to 3600; moto refuses 3600.
@wraps(ELBv2Backend, "modify_target_group_attributes")
def modify_target_group_attributes(former, self, target_group_arn, attributes):
    name = "deregistration_delay.timeout_seconds"
    group = self.target_groups.get(target_group_arn)
    if group is not None and group.target_type != "lambda" and name in attributes:
        if not (str(attributes[name]).isdigit() and int(attributes[name]) <= 3600):
            refuse("ValidationError", f"'{name}' value '{attributes[name]}' must be between '0-3600' inclusive")
        group.attributes[name] = attributes[name]
        attributes = {each: value for each, value in attributes.items() if each != name}
    return former(self, target_group_arn, attributes)
