"""Rules of security groups: each call is applied whole or not at all, IPv4 and IPv6 alike."""

import ipaddress

from moto.core.responses import ActionResult
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses import EC2Response

from bed.base import adds, refuse

#: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
#: 60 inbound and 60 outbound rules a group, counted apart for IPv4 and IPv6; a reference counts in both.
MOST = 60


def canonical(cidr, version):
    """A range as AWS stores it, with the bits past the prefix cleared."""
    try:
        network = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        refuse("InvalidParameterValue", f"CIDR block {cidr} is malformed")
    if network.version != version:
        refuse("InvalidParameterValue", f"CIDR block {cidr} is malformed")
    return str(network)


def key(rule):
    """What makes two rules the same: everything but the description."""
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html
    return (rule.ip_protocol, rule.from_port, rule.to_port, rule.cidr_ipv4, rule.cidr_ipv6,
            rule.source_group.get("GroupId"), rule.prefix_list_id)


def permissions(self):
    given = self._get_param("IpPermissions", [])
    if given:
        return given
    single = {name: self._get_param(name) for name in ("IpProtocol", "FromPort", "ToPort")}
    if self._get_param("CidrIp"):
        single["IpRanges"] = [{"CidrIp": self._get_param("CidrIp")}]
    if self._get_param("SourceSecurityGroupName"):
        single["UserIdGroupPairs"] = [{"GroupName": self._get_param("SourceSecurityGroupName")}]
    return [single] if single["IpProtocol"] is not None else []


def rules(self, group, egress):
    """The rules that a request names, one for each range, group and prefix list."""
    tags = self._parse_tag_specification().get("security-group-rule", {})
    for permission in permissions(self):
        head = (self.ec2_backend, permission.get("IpProtocol"), group.id, permission.get("FromPort"),
                permission.get("ToPort"))
        if head[1] is None:
            refuse("InvalidParameterValue", "Invalid value 'null' for protocol. VPC security group rules must specify"
                                            " protocols explicitly.")
        if str(head[1]) not in ("-1", "all") and (head[3] is None or head[4] is None):
            refuse("InvalidParameterValue",
                   "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
        sources = [({**dict(item), "CidrIp": canonical(item["CidrIp"], 4)}, None, None)
                   for item in permission.get("IpRanges") or []]
        sources += [({**dict(item), "CidrIpv6": canonical(item["CidrIpv6"], 6)}, None, None)
                    for item in permission.get("Ipv6Ranges") or []]
        sources += [(None, pair(self, group, item), None) for item in permission.get("UserIdGroupPairs") or []]
        sources += [(None, None, dict(item)) for item in permission.get("PrefixListIds") or []]
        for cidr, source, prefix in sources:
            yield SecurityGroupRule(*head, cidr, source, prefix, is_egress=egress, tags=tags)


def pair(self, group, item):
    backend = self.ec2_backend
    found = backend.get_security_group_from_id(item.get("GroupId")) if item.get("GroupId") else \
        backend.get_security_group_from_name(item.get("GroupName"), group.vpc_id)
    if found is None:
        refuse("InvalidGroup.NotFound",
               f"The security group '{item.get('GroupId') or item.get('GroupName')}' does not exist")
    shown = {"GroupId": found.id, "UserId": item.get("UserId") or self.current_account}
    if item.get("Description"):
        shown["Description"] = item["Description"]
    return shown


def named_group(self):
    name = self._get_param("GroupId") or self._get_param("GroupName")
    group = self.ec2_backend.get_security_group_by_name_or_id(name)
    if group is None:
        refuse("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
    return group


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html and …Egress.html
# Adds rules to a group. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html:
# InvalidPermission.Duplicate for a rule that is there already; RulesPerSecurityGroupLimitExceeded past the quota.
def authorize(self, egress):
    group = named_group(self)
    held = group.egress_rules if egress else group.ingress_rules
    new = list(rules(self, group, egress))
    if not new:
        refuse("InvalidParameterValue", "Either one of 'SourcePrefixListId, SourceIpv4Cidr, SourceIpv6Cidr,"
                                        " SourceSecurityGroupId' must be specified")
    known = {key(rule) for rule in held}
    for rule in new:
        if key(rule) in known:
            refuse("InvalidPermission.Duplicate", f'the specified rule "peer: {rule.cidr_ipv4 or rule.cidr_ipv6}, '
                                                  f'{rule.ip_protocol}, ALLOW" already exists')
        known.add(key(rule))
    for skipped in ("cidr_ipv6", "cidr_ipv4"):
        if sum(getattr(rule, skipped) is None for rule in held + new) > MOST:
            refuse("RulesPerSecurityGroupLimitExceeded",
                   "The maximum number of rules per security group has been reached.")
    self.error_on_dryrun()
    held.extend(new)
    return ActionResult({"Return": True, "SecurityGroupRules": new})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html and …Egress.html
# Rules are named by id or by their properties, the description left out. One that does not exist is
# InvalidPermission.NotFound, except in a default VPC, where the answer lists it as not revoked.
def revoke(self, egress):
    group = named_group(self)
    held = group.egress_rules if egress else group.ingress_rules
    ids = self._get_param("SecurityGroupRuleIds", [])
    if ids:
        by_id = {rule.id: rule for rule in held}
        for identifier in ids:
            if identifier not in by_id:
                refuse("InvalidSecurityGroupRuleId.NotFound",
                       f"The security group rule ID '{identifier}' does not exist")
        gone, unknown = [by_id[identifier] for identifier in ids], False
    else:
        by_key = {key(rule): rule for rule in held}
        wanted = [key(rule) for rule in rules(self, group, egress)]
        gone, unknown = [by_key[one] for one in wanted if one in by_key], any(one not in by_key for one in wanted)
    if unknown and group.vpc_id != getattr(self.ec2_backend.get_default_vpc(), "id", None):
        refuse("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
    self.error_on_dryrun()
    removed = {rule.id for rule in gone}
    held[:] = [rule for rule in held if rule.id not in removed]
    return ActionResult({
        "Return": True,
        "UnknownIpPermissions": permissions(self) if unknown else [],
        "RevokedSecurityGroupRules": [revoked(rule, group) for rule in gone],
    })


def revoked(rule, group):
    return {"SecurityGroupRuleId": rule.id, "GroupId": group.id, "IsEgress": rule.is_egress,
            "IpProtocol": rule.ip_protocol, "FromPort": -1 if rule.from_port is None else rule.from_port,
            "ToPort": -1 if rule.to_port is None else rule.to_port, "CidrIpv4": rule.cidr_ipv4,
            "CidrIpv6": rule.cidr_ipv6, "PrefixListId": rule.prefix_list_id,
            "ReferencedGroupId": rule.source_group.get("GroupId"), "Description": rule.description}


adds(EC2Response, "authorize_security_group_ingress")(lambda self: authorize(self, False))
adds(EC2Response, "authorize_security_group_egress")(lambda self: authorize(self, True))
adds(EC2Response, "revoke_security_group_ingress")(lambda self: revoke(self, False))
adds(EC2Response, "revoke_security_group_egress")(lambda self: revoke(self, True))
