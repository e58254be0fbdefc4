"""Security groups: names, duplicates, and deletion of those in use."""

import re

from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

from bed.base import page, refuse, wraps

ALLOWED = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*")


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
# GroupName: up to 255 of a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{}!$*, not beginning with sg-, unique in the VPC.
# The description has the same form. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html:
# InvalidGroup.Duplicate for a name that exists, InvalidGroup.Reserved for "default".
@wraps(EC2Response, "create_security_group")
def create_security_group(former, self):
    name, description = self._get_param("GroupName"), self._get_param("Description")
    vpc_id = self._get_param("VpcId")
    for parameter, value in (("GroupName", name), ("GroupDescription", description)):
        if not value:
            refuse("MissingParameter", f"The request must contain the parameter {parameter}")
        if len(value) > 255 or not ALLOWED.fullmatch(value):
            refuse("InvalidParameterValue", f"Value ({value}) for parameter {parameter} is invalid. Character sets"
                                            " beyond ASCII are not supported.")
    if name.lower().startswith("sg-"):
        refuse("InvalidParameterValue", f"Value ({name}) for parameter GroupName is invalid. Group names may not be"
                                        " in the format sg-*")
    if name == "default":
        refuse("InvalidGroup.Reserved", "The security group 'default' is reserved")
    if vpc_id:
        self.ec2_backend.get_vpc(vpc_id)
        if vpc_id not in self.ec2_backend.vpcs:
            refuse("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
    for group in self.ec2_backend.groups[vpc_id or self.ec2_backend.default_vpc.id].values():
        if group.name == name:
            refuse("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{group.vpc_id}'")
    return former(self)


def users(backend, group):
    """What uses a group: interfaces, rules of other groups, load balancers."""
    for interface in backend.enis.values():
        if any(held.id == group.id for held in interface._group_set):
            yield interface.id
    for groups in backend.groups.values():
        for other in groups.values():
            rules = other.ingress_rules + other.egress_rules
            if other.id != group.id and any(rule.source_group.get("GroupId") == group.id for rule in rules):
                yield other.id
    account, region = backend.account_id, backend.region_name
    for balancers in (elb_backends, elbv2_backends):
        for balancer in balancers[account][region].load_balancers.values():
            if group.id in (balancer.security_groups or []):
                yield balancer.name


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
# A group that is associated with an instance or interface, or referenced by another group in the same VPC, is not
# deleted: DependencyViolation. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html:
# CannotDelete for a VPC's default group.
@wraps(EC2Response, "delete_security_group")
def delete_security_group(former, self):
    identifier, name = self._get_param("GroupId"), self._get_param("GroupName")
    backend = ec2_backends[self.current_account][self.region]
    group = backend.get_security_group_by_name_or_id(identifier or name)
    if group is None:
        refuse("InvalidGroup.NotFound", f"The security group '{identifier or name}' does not exist")
    if group.is_default:
        refuse("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
    self.error_on_dryrun()
    if any(users(backend, group)):
        refuse("DependencyViolation", f"resource {group.id} has a dependent object")
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html (MaxResults: 5 to 1000)
@wraps(EC2Response, "describe_security_groups")
def describe_security_groups(former, self):
    self.error_on_dryrun()
    result = former(self)
    result.result["SecurityGroups"], result.result["NextToken"] = page(self, result.result["SecurityGroups"])
    return result


@wraps(EC2Response, "describe_security_group_rules")
def describe_security_group_rules(former, self):
    result = former(self)
    result.result["SecurityGroupRules"], result.result["NextToken"] = page(self, result.result["SecurityGroupRules"])
    return result
