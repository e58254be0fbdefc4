"""Security groups as interfaces use them."""

from bed.base import refuse

#: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
MOST_PER_INTERFACE = 5


def usable(backend, ids, vpc_id, foreign="InvalidGroup.NotFound"):
    """The groups with these ids, for an interface in this VPC."""
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
    # InvalidGroup.NotFound: the group does not exist. InvalidParameter: a group and a subnet of different VPCs.
    found = []
    for identifier in dict.fromkeys(ids):
        group = backend.get_security_group_from_id(identifier)
        if group is None:
            refuse("InvalidGroup.NotFound", f"The security group '{identifier}' does not exist")
        if group.vpc_id != vpc_id:
            if foreign == "InvalidParameter":
                refuse(foreign, f"Security group {identifier} and the subnet belong to different networks.")
            refuse(foreign, "You have specified two resources that belong to different networks.")
        found.append(group)
    if len(found) > MOST_PER_INTERFACE:
        refuse("SecurityGroupsPerInterfaceLimitExceeded",
               f"You have exceeded the maximum number of security groups ({MOST_PER_INTERFACE}) allowed per network"
               " interface.")
    return found
