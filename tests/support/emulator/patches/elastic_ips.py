"""Elastic IP addresses take the place of an automatic public address, and give it back."""

from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.responses import EC2Response

from bed.base import refuse, wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html
# An instance with several interfaces needs the interface named; the address goes to the primary one otherwise.
# An address that is associated with another resource is moved only with AllowReassociation.
@wraps(EC2Response, "associate_address")
def associate_address(former, self):
    if self._get_param("InstanceId") and not self._get_param("NetworkInterfaceId"):
        instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
        if len(instance.nics) > 1:
            refuse("InvalidInstanceID", f"There are multiple interfaces attached to instance '{instance.id}'. Please"
                                        " specify an interface ID for the operation instead.")
        if instance._state.name not in ("running", "stopped", "pending"):
            refuse("InvalidInstanceID", f"The instance '{instance.id}' is not in a valid state for this operation.")
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Address.html
# An association with an interface that is attached names the instance too; one with an instance names the interface.
@wraps(ElasticAddressBackend, "associate_address")
def associate(former, self, instance=None, eni=None, address=None, allocation_id=None, reassociate=False):
    before = {held.eni.id: held for held in self.addresses if held.eni}
    result = former(self, instance, eni, address, allocation_id, reassociate)
    if result.eni:
        result.instance = result.eni.instance
        displaced = before.get(result.eni.id)
        if displaced is not None and displaced is not result:
            displaced.instance = displaced.eni = displaced.association_id = None
        for identifier, held in before.items():
            if held is result and identifier != result.eni.id:
                self.get_network_interface(identifier).public_ip = None
    return result
