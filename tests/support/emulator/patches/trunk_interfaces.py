"""Trunk interfaces and their branches: how pods with security groups of their own sit on an instance."""

import itertools

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_resource_id

from bed.base import adds, page, refuse, wraps

KINDS = ("efa", "efa-only", "branch", "trunk")
_keys = itertools.count(1)


def associations(backend):
    return backend.__dict__.setdefault("trunk_associations", {})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html (InterfaceType)
# efa, efa-only, branch or trunk; without it, an ordinary interface.
@wraps(EC2Response, "create_network_interface")
def create_network_interface(former, self):
    kind = self._get_param("InterfaceType")
    if kind is not None and kind not in KINDS:
        refuse("InvalidParameterValue", f"Value ({kind}) for parameter InterfaceType is invalid.")
    answer = former(self)
    if kind is not None:
        answer.result["NetworkInterface"].interface_type = kind
    return answer


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateTrunkInterface.html
# Associates a branch network interface with a trunk network interface. With a VLAN id the protocol is VLAN, with a GRE
# key it is GRE.
@adds(EC2Response)
def associate_trunk_interface(self):
    backend = self.ec2_backend
    branch = backend.get_network_interface(self._get_param("BranchInterfaceId"))
    trunk = backend.get_network_interface(self._get_param("TrunkInterfaceId"))
    vlan, gre = self._get_int_param("VlanId"), self._get_int_param("GreKey")
    self.error_on_dryrun()
    if branch.interface_type != "branch" or trunk.interface_type != "trunk":
        refuse("InvalidParameterValue", "A branch interface is associated with a trunk interface.")
    if any(one["BranchInterfaceId"] == branch.id for one in associations(backend).values()):
        refuse("InvalidParameterValue", f"Interface: [{branch.id}] in use.")
    identifier = f"trunk-assoc-{random_resource_id(17)}"
    made = {"AssociationId": identifier, "BranchInterfaceId": branch.id, "TrunkInterfaceId": trunk.id,
            "InterfaceProtocol": "GRE" if gre is not None else "VLAN", "GreKey": gre,
            "VlanId": None if gre is not None else vlan or next(_keys)}
    associations(backend)[identifier] = {key: value for key, value in made.items() if value is not None}
    return ActionResult({"InterfaceAssociation": associations(backend)[identifier]})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateTrunkInterface.html
@adds(EC2Response)
def disassociate_trunk_interface(self):
    identifier = self._get_param("AssociationId")
    self.error_on_dryrun()
    if associations(self.ec2_backend).pop(identifier, None) is None:
        refuse("InvalidAssociationID.NotFound", f"The association ID '{identifier}' does not exist")
    return ActionResult({"Return": True})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTrunkInterfaceAssociations.html
# Pages of 5 to 255. Filters: gre-key and interface-protocol, and none on the interfaces.
@adds(EC2Response)
def describe_trunk_interface_associations(self):
    ids = self._get_param("AssociationIds", [])
    filters = self._filters_from_querystring()
    self.error_on_dryrun()
    known = {"gre-key": "GreKey", "interface-protocol": "InterfaceProtocol"}
    for name in filters:
        if name not in known:
            refuse("InvalidParameterValue", f"The filter '{name}' is invalid")
    found = [one for one in associations(self.ec2_backend).values()
             if (not ids or one["AssociationId"] in ids)
             and all(str(one.get(known[name])) in values for name, values in filters.items())]
    found, token = page(self, found, most=255)
    return ActionResult({"InterfaceAssociations": found, "NextToken": token})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkInterface.html
# An interface that is in use is not deleted, and a branch is in use while a trunk carries it.
@wraps(NetworkInterfaceBackend, "delete_network_interface")
def delete_network_interface(former, self, eni_id):
    if any(eni_id in (one["BranchInterfaceId"], one["TrunkInterfaceId"]) for one in associations(self).values()):
        refuse("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")
    return former(self, eni_id)
