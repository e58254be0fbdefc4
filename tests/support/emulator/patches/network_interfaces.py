"""Network interfaces: each has one list of groups, and the instance shows that of its primary interface."""

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response

from bed import groups
from bed.base import page, refuse, wraps

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html (Groups)
# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
# A security group is associated with an interface; the groups of an instance are those of its primary interface.
NetworkInterface.group_set = property(lambda self: list(self._group_set))


def primary(instance):
    return getattr(instance, "nics", {}).get(0)


def security_groups(self):
    interface = primary(self)
    return list(interface._group_set) if interface else self.__dict__.get("launch_groups", [])


def set_security_groups(self, value):
    interface = primary(self)
    if interface:
        interface._group_set = list(value)
    else:
        self.__dict__["launch_groups"] = list(value)


Instance.security_groups = property(security_groups, set_security_groups)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html (SecurityGroupId.N)
# The groups are existing ones of the subnet's VPC; without any, it is the VPC's default group.
@wraps(NetworkInterfaceBackend, "create_network_interface")
def create_network_interface(former, self, subnet, private_ip_address, *args, **kwargs):
    ids = kwargs.get("group_ids") or (args[1] if len(args) > 1 else None)
    vpc_id = (self.get_subnet(subnet) if isinstance(subnet, str) else subnet).vpc_id
    groups.usable(self, ids or [], vpc_id, foreign="InvalidParameter")
    return former(self, subnet, private_ip_address, *args, **kwargs)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkInterface.html
# The interface must be detached before it is deleted. (An instance's own end deletes it: see `instances`.)
@wraps(EC2Response, "delete_network_interface")
def delete_network_interface(former, self):
    interface = self.ec2_backend.get_network_interface(self._get_param("NetworkInterfaceId"))
    if interface.attachment_id:
        refuse("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachNetworkInterface.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html
# An interface is attached to one instance, at a free device index, in the Availability Zone of the instance. One
# that is attached later is kept when the instance is terminated, unless told otherwise.
@wraps(EC2Response, "attach_network_interface")
def attach_network_interface(former, self):
    backend = self.ec2_backend
    interface = backend.get_network_interface(self._get_param("NetworkInterfaceId"))
    instance = backend.get_instance(self._get_param("InstanceId"))
    index = int(self._get_param("DeviceIndex"))
    if instance._state.name not in ("running", "stopped"):
        refuse("IncorrectState", f"The instance '{instance.id}' is not in the 'running' or 'stopped' state.")
    if interface.attachment_id:
        refuse("InvalidParameterValue", f"Interface: [{interface.id}] in use.")
    if index in instance.nics:
        refuse("InvalidParameterValue",
               f"Instance '{instance.id}' already has an interface attached at device index '{index}'.")
    if interface.subnet.availability_zone != instance._placement.zone:
        refuse("InvalidParameterCombination",
               f"You may not attach a network interface to an instance if they are not in the same availability"
               f" zone ({interface.subnet.availability_zone}, {instance._placement.zone})")
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html
# The primary interface can't be detached.
@wraps(NetworkInterfaceBackend, "detach_network_interface")
def detach_network_interface(former, self, attachment_id):
    for interface in self.enis.values():
        if interface.attachment_id == attachment_id and interface.device_index == 0:
            refuse("OperationNotPermitted",
                   "The network interface at device index 0 and networkCard index 0 cannot be detached.")
    return former(self, attachment_id)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
# Pages of 5 to 1000; not together with interface ids. Filters on attachment, groups, addresses and association.
@wraps(EC2Response, "describe_network_interfaces")
def describe_network_interfaces(former, self):
    ids = self._get_param("NetworkInterfaceIds", [])
    if ids and self._get_param("MaxResults") is not None:
        refuse("InvalidParameterCombination",
               "The parameter NetworkInterfaceIds cannot be used with the parameter MaxResults")
    filters = self._filters_from_querystring()
    self.error_on_dryrun()
    found, token = page(self, self.ec2_backend.get_all_network_interfaces(ids, filters))
    return ActionResult({"NetworkInterfaces": found, "NextToken": token})


@wraps(NetworkInterface, "get_filter_value")
def get_filter_value(former, self, name, method_name=None):
    attachment = self.attachment
    special = {
        "association.public-ip": self.public_ip,
        "attachment.delete-on-termination": attachment and attachment.delete_on_termination,
        "attachment.device-index": attachment and attachment.device_index,
        "attachment.status": attachment and attachment.status,
        "addresses.private-ip-address": [address.get("PrivateIpAddress") for address in self.private_ip_addresses],
        "ipv6-addresses.ipv6-address": self.ipv6_addresses,
        "interface-type": self.interface_type,
        "requester-managed": self.requester_managed,
    }
    return special[name] if name in special else former(self, name, method_name)
