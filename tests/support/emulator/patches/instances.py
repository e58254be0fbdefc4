"""Instances: what is shown, in pages, and what stop, start and terminate do and refuse."""

import copy

from moto.core.responses import ActionResult
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response

from bed.base import adds, page, refuse, wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
# MaxResults counts instances (5 to 1000), so a reservation may go over several pages; it is refused together with
# instance ids. An unknown id fails the call: InvalidInstanceID.NotFound.
@adds(EC2Response)
def describe_instances(self):
    self.error_on_dryrun()
    ids = list(dict.fromkeys(self._get_param("InstanceIds", [])))
    if ids and self._get_param("MaxResults") is not None:
        refuse("InvalidParameterCombination",
               "The parameter instancesSet cannot be used with the parameter maxResults")
    filters = self._filters_from_querystring()
    if ids:
        existing(self.ec2_backend, ids)
        reservations = self.ec2_backend.get_reservations_by_instance_ids(ids, filters=filters)
    else:
        reservations = self.ec2_backend.describe_instances(filters=filters)
    pairs = [(reservation, instance) for reservation in reservations for instance in reservation.instances]
    shown, token = page(self, pairs)
    grouped = {}
    for reservation, instance in shown:
        if reservation.id not in grouped:
            grouped[reservation.id] = copy.copy(reservation)
            grouped[reservation.id].instances = []
        grouped[reservation.id].instances.append(instance)
    return ActionResult({"Reservations": list(grouped.values()), "NextToken": token})


def existing(backend, ids):
    missing = [identifier for identifier in ids if backend.get_instance_by_id(identifier) is None]
    if len(missing) == 1:
        refuse("InvalidInstanceID.NotFound", f"The instance ID '{missing[0]}' does not exist")
    if missing:
        refuse("InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(missing)}' do not exist")
    return [backend.get_instance_by_id(identifier) for identifier in ids]


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html
# A protected instance is not terminated, and neither is any other of the same request in its Availability Zone;
# stop protection prevents termination through the API as well. Terminating twice succeeds.
@wraps(InstanceBackend, "terminate_instances")
def terminate_instances(former, self, instance_ids):
    for instance in existing(self, instance_ids):
        if instance._state.name == "terminated":
            continue
        for attribute, value in (("disableApiTermination", instance.disable_api_termination),
                                 ("disableApiStop", instance.disable_api_stop)):
            if value is True:
                refuse("OperationNotPermitted", f"The instance '{instance.id}' may not be terminated. Modify its"
                                                f" '{attribute}' instance attribute and try again.")
    return former(self, instance_ids)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (IncorrectInstanceState)
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
# A terminated instance can be neither stopped nor started again.
def needs_life(operation, verb):
    @wraps(InstanceBackend, operation)
    def operate(former, self, instance_ids):
        for instance in existing(self, instance_ids):
            if instance._state.name in ("terminated", "shutting-down"):
                refuse("IncorrectInstanceState",
                       f"The instance '{instance.id}' is not in a state from which it can be {verb}.")
        return former(self, instance_ids)


needs_life("start_instances", "started")
needs_life("stop_instances", "stopped")
needs_life("reboot_instances", "rebooted")


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ec2-instance-termination-works.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html
# At its end an instance loses its interfaces: those marked so are deleted, the others detached. What is left of it
# is shown without addresses, subnet, VPC and groups. Its elastic IP addresses are released from it.
@wraps(Instance, "terminate")
def terminate(former, self):
    if self._state.name == "terminated":
        return copy.copy(self._state)
    interfaces = list(self.nics.values())
    for address in list(self.ec2_backend.addresses):
        if address.eni in interfaces:
            address.eni.public_ip = None
            address.eni = address.instance = address.association_id = None
    result = former(self)
    for interface in interfaces:
        self.detach_eni(interface)
    self.nics.clear()
    self.__dict__["launch_groups"] = []
    self._subnet_id = None
    return result


Instance.private_ip = Instance.private_ip_address = property(
    lambda self: self.nics[0].private_ip_address if 0 in self.nics else None)
Instance.public_ip = Instance.public_ip_address = property(
    lambda self: self.nics[0].public_ip if 0 in self.nics else None)
Instance.network_interfaces = property(lambda self: [self.nics[index] for index in sorted(self.nics)])
Instance.private_dns_name = property(lambda self: private_name(self))


# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html
# ip-a-b-c-d.ec2.internal in us-east-1, ip-a-b-c-d.region.compute.internal elsewhere.
def private_name(instance):
    if instance.private_ip is None:
        return ""
    region = instance.ec2_backend.region_name
    zone = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{instance.private_ip.replace('.', '-')}.{zone}"
