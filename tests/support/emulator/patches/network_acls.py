"""Network ACLs: rule numbers that hold, entries that exist, and associations within one VPC."""

import ipaddress

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.network_acls import NetworkAclBackend
from moto.ec2.responses import EC2Response

from bed.base import adds, refuse, wraps

# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-nacls (rules per network ACL, for
# each direction; the one that denies what is left does not count)
MOST = 20
LAST = 32767


# https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
# Each ACL has in each direction a last rule, shown as number 32767, that denies what no other matches.
@wraps(NetworkAclBackend, "create_network_acl")
def create_network_acl(former, self, vpc_id, tags=None, default=False):
    made = former(self, vpc_id, tags=tags, default=default)
    for egress in (True, False) if not default else ():
        self.create_network_acl_entry(made.id, LAST, "-1", "deny", egress, "0.0.0.0/0", None, None, None, None, None)
    return made


def numbered(self):
    """The ACL, the rule's number, and its direction; what is numbered above 32766 is AWS's own."""
    acl = self.ec2_backend.get_network_acl(self._get_param("NetworkAclId"))
    number = int(self._get_param("RuleNumber"))
    if not 1 <= number < LAST:
        refuse("InvalidParameterValue", f"Value ({number}) for parameter ruleNumber is invalid. Must be between 1 and"
                                        f" {LAST - 1}")
    return acl, number, bool(self._get_param("Egress"))


def held(acl, number, egress):
    return next((entry for entry in acl.network_acl_entries
                 if entry.rule_number == number and bool(entry.egress) is egress), None)


def existing(acl, number, egress):
    found = held(acl, number, egress)
    if found is None:
        refuse("InvalidNetworkAclEntry.NotFound",
               f"The specified network ACL entry does not exist: {number} ({'egress' if egress else 'ingress'}).")
    return found


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
# A block is put into its canonical form; one of the two kinds is needed. TCP (6) and UDP (17) need ports, ICMP (1) a
# type and code.
def content(self, number, egress):
    protocol, action = str(self._get_param("Protocol")), self._get_param("RuleAction")
    block, wide = self._get_param("CidrBlock"), self._get_param("Ipv6CidrBlock")
    if action not in ("allow", "deny"):
        refuse("InvalidParameterValue", f"Value ({action}) for parameter ruleAction is invalid. Must be allow or deny")
    if (block is None) == (wide is None):
        refuse("MissingParameter" if block is None else "InvalidParameterCombination",
               "Exactly one of cidrBlock and ipv6CidrBlock must be given")
    if protocol in ("6", "17") and self._get_param("PortRange.From") is None:
        refuse("MissingParameter", "The request must contain the parameter portRange")
    if protocol == "1" and self._get_param("Icmp.Type") is None:
        refuse("MissingParameter", "The request must contain the parameter icmpTypeCode")
    return {
        "rule_number": number, "protocol": protocol, "rule_action": action, "egress": egress,
        "cidr_block": canonical(block, ipaddress.IPv4Network),
        "ipv6_cidr_block": canonical(wide, ipaddress.IPv6Network),
        "icmp_code": self._get_param("Icmp.Code"), "icmp_type": self._get_param("Icmp.Type"),
        "port_range_from": self._get_param("PortRange.From"), "port_range_to": self._get_param("PortRange.To")}


def canonical(block, kind):
    try:
        return block and str(kind(block, strict=False))
    except ValueError:
        refuse("InvalidParameterValue", f"Value ({block}) for parameter cidrBlock is invalid. This is not a valid CIDR"
                                        " block.")


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# NetworkAclEntryAlreadyExists for a number that is taken in this direction, NetworkAclEntryLimitExceeded for one rule
# too many.
@adds(EC2Response)
def create_network_acl_entry(self):
    acl, number, egress = numbered(self)
    given = content(self, number, egress)
    if held(acl, number, egress) is None:
        count = sum(bool(entry.egress) is egress and entry.rule_number < LAST for entry in acl.network_acl_entries)
        if count >= MOST:
            refuse("NetworkAclEntryLimitExceeded", f"The maximum number of network acl entries ({MOST}) has been"
                                                   " reached")
    self.error_on_dryrun()
    self.ec2_backend.create_network_acl_entry(acl.id, **given)
    return EmptyResult()


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclEntry.html
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkAclEntry.html
# InvalidNetworkAclEntry.NotFound for a number that is not there.
@adds(EC2Response)
def replace_network_acl_entry(self):
    acl, number, egress = numbered(self)
    former, given = existing(acl, number, egress), content(self, number, egress)
    self.error_on_dryrun()
    acl.network_acl_entries.remove(former)
    self.ec2_backend.create_network_acl_entry(acl.id, **given)
    return EmptyResult()


@adds(EC2Response)
def delete_network_acl_entry(self):
    acl, number, egress = numbered(self)
    former = existing(acl, number, egress)
    self.error_on_dryrun()
    acl.network_acl_entries.remove(former)
    return EmptyResult()


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html
# A subnet has one ACL; the association that takes the place of the former has another id. The ACL is of the subnet's
# VPC.
@adds(EC2Response)
def replace_network_acl_association(self):
    backend, identifier = self.ec2_backend, self._get_param("AssociationId")
    acl = backend.get_network_acl(self._get_param("NetworkAclId"))
    owner = next((each for each in backend.network_acls.values() if identifier in each._associations), None)
    if owner is None:
        refuse("InvalidAssociationID.NotFound", f"The association ID '{identifier}' does not exist")
    if owner.vpc_id != acl.vpc_id:
        refuse("InvalidParameterValue", f"{acl.id} and {owner._associations[identifier].subnet_id} belong to different"
                                        " networks")
    self.error_on_dryrun()
    made = backend.replace_network_acl_association(identifier, acl.id)
    return ActionResult({"NewAssociationId": made.new_association_id})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidNetworkAclID.NotFound)
@wraps(NetworkAclBackend, "describe_network_acls")
def describe_network_acls(former, self, network_acl_ids=None, filters=None):
    for identifier in network_acl_ids or []:
        self.get_network_acl(identifier)
    return former(self, network_acl_ids, filters)
