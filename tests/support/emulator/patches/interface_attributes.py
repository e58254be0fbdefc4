"""ModifyNetworkInterfaceAttribute: one attribute a call, the groups as a whole."""

import moto.ec2.utils as utils
from moto.core.responses import EmptyResult
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.responses import EC2Response

from bed import groups
from bed.base import adds, refuse

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
# One attribute at a time. The given set of groups replaces the present one and has at least one group. Whether
# the interface ends with the instance is changed by attachment id. AssociatePublicIpAddress gives the primary
# interface a public address or takes its automatic one. A connection tracking specification sets idle times.
ATTRIBUTES = ("Groups", "SourceDestCheck", "Description", "Attachment", "AssociatePublicIpAddress",
              "ConnectionTrackingSpecification", "EnaSrdSpecification", "EnablePrimaryIpv6", "AssociatedSubnetIds")
TRACKING = {"TcpEstablishedTimeout": (60, 432000), "UdpStreamTimeout": (60, 180), "UdpTimeout": (30, 60)}


@adds(EC2Response)
def modify_network_interface_attribute(self):
    given = [name for name in ATTRIBUTES if self._get_param(name) is not None]
    if len(given) > 1:
        refuse("InvalidParameterCombination", f"Fields for multiple attribute types specified: {', '.join(given)}")
    if not given:
        refuse("InvalidParameterCombination", "No attributes specified.")
    interface = self.ec2_backend.get_network_interface(self._get_param("NetworkInterfaceId"))
    change = CHANGES.get(given[0])
    if change is None:
        raise NotImplementedError(f"ModifyNetworkInterfaceAttribute of {given[0]}")
    apply = change(self, interface)
    self.error_on_dryrun()
    apply()
    return EmptyResult()


def change_groups(self, interface):
    new = groups.usable(self.ec2_backend, self._get_param("Groups"), interface.subnet.vpc_id)
    if not new:
        refuse("MissingParameter", "The request must contain at least one security group")
    return lambda: interface._group_set.__setitem__(slice(None), new)


def change_source_dest_check(self, interface):
    value = self._get_param("SourceDestCheck.Value")

    def apply():
        interface.source_dest_check = value
        if interface.instance and interface.device_index == 0:
            interface.instance.source_dest_check = value

    return apply


def change_description(self, interface):
    return lambda: setattr(interface, "description", self._get_param("Description.Value") or "")


def change_attachment(self, interface):
    given = self._get_param("Attachment.AttachmentId")
    if given is None:
        refuse("MissingParameter", "The request must contain the parameter attachmentId")
    if given != interface.attachment_id:
        refuse("InvalidAttachmentID.NotFound", f"The attachment ID '{given}' does not exist")
    return lambda: setattr(interface, "delete_on_termination",
                           bool(self._get_param("Attachment.DeleteOnTermination")))


def change_public_address(self, interface):
    wanted = self._get_param("AssociatePublicIpAddress")
    elastic = self.ec2_backend.address_by_ip([interface.public_ip], fail_if_not_found=False)

    def apply():
        interface.public_ip_auto_assign = wanted
        if not elastic:
            interface.public_ip = (interface.public_ip or utils.random_public_ip()) if wanted else None

    return apply


def change_tracking(self, interface):
    given = {name: self._get_param(f"ConnectionTrackingSpecification.{name}") for name in TRACKING}
    given = {name: int(value) for name, value in given.items() if value is not None}
    for name, value in given.items():
        least, most = TRACKING[name]
        if not least <= value <= most:
            refuse("InvalidParameterValue", f"{name} must be from {least} to {most} seconds, not {value}.")
    return lambda: setattr(interface, "connection_tracking_configuration",
                           {**(interface.connection_tracking_configuration or {}), **given})


CHANGES = {
    "Groups": change_groups,
    "SourceDestCheck": change_source_dest_check,
    "Description": change_description,
    "Attachment": change_attachment,
    "AssociatePublicIpAddress": change_public_address,
    "ConnectionTrackingSpecification": change_tracking,
}
NetworkInterface.connection_tracking_configuration = None
