"""Elastic IP addresses take the place of an automatic public address, and give it back."""

from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.responses import EC2Response

from bed import clock, settings
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


# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-eip-overview.html
# "If you disassociate the Elastic IP address, the eth0 network interface is automatically assigned a new public IPv4
# address within a few minutes. This doesn't apply if you've attached a second network interface to your instance."
# That it was launched with a public address is what the interface keeps in public_ip_auto_assign.
@wraps(ElasticAddressBackend, "disassociate_address")
def disassociate_address(former, self, address=None, association_id=None):
    found = self.address_by_ip([address]) if address else self.address_by_association([association_id])
    interface = found[0].eni
    former(self, address, association_id)
    if interface is None or interface.public_ip is None:
        return
    if interface.device_index != 0 or len(interface.instance.nics) > 1:
        interface.public_ip = None
        return
    if settings.get(self.account_id, "address_seconds"):
        interface.public_ip, interface.bare_since = None, clock.now()


@clock.step
def give_addresses(account, region):
    backend = dict.get(dict.get(ec2_backends, account) or {}, region)
    last = clock.now() - settings.get(account, "address_seconds")
    for interface in list(backend.enis.values()) if backend else []:
        if interface.bare_since is not None and interface.bare_since <= last:
            interface.bare_since = None
            runs = interface.instance is not None and interface.instance._state.name == "running"
            if runs and interface.public_ip is None:
                interface.check_auto_public_ip()


NetworkInterface.bare_since = None


# https://docs.aws.amazon.com/vpc/latest/userguide/vpc-eip-overview.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
# A stop releases the automatic address, and a start brings another; an Elastic IP address stays through both.
def keeps_elastic(name):
    @wraps(NetworkInterface, name)
    def change(former, self):
        if not self.ec2_backend.address_by_ip([self.public_ip], fail_if_not_found=False):
            former(self)


keeps_elastic("stop")
keeps_elastic("start")
