"""Filters: those that AWS documents, each value with its wildcards, several values as alternatives."""

import functools
import re
from datetime import datetime

import botocore.loaders
import moto.ec2.utils as utils
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response

from bed.base import refuse, wraps


@functools.lru_cache(None)
def documented():
    """For each operation the filters that its API reference lists, read from the service model."""
    model = botocore.loaders.Loader().load_service_model("ec2", "service-2")
    shapes, found = model["shapes"], {}
    for name, operation in model["operations"].items():
        members = shapes.get(operation.get("input", {}).get("shape"), {}).get("members", {})
        for member in ("Filters", "Filter"):
            text = members.get(member, {}).get("documentation", "")
            names = set(re.findall(r"<li>\s*<p>\s*<code>\s*([^<]+?)\s*</code>", text))
            if names:
                found[name] = {n.replace("&lt;", "<").split(":<")[0] if n.startswith("tag:") else n for n in names}
    return found


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidParameterValue)
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html and its sisters
# Each call lists its filters; another name is refused.
@wraps(EC2Response, "_filters_from_querystring")
def filters_from_querystring(former, self):
    filters = former(self)
    known = documented().get(self._get_action())
    for name in filters:
        plain = "tag" if name.startswith("tag:") else name
        if known and plain not in known and f"{plain}:" not in known:
            refuse("InvalidParameterValue", f"The filter '{name}' is invalid")
    return filters


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html
# Names and values are case-sensitive; a filter matches when any one of its values does.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
# * stands for zero or more characters, ? for zero or one, and a backslash takes that away.
@functools.lru_cache(4096)
def pattern(value):
    parts = re.findall(r"\\.|[*?]|[^*?\\]+|\\", value, re.DOTALL)
    joined = "".join({"*": ".*", "?": ".?"}.get(part) or re.escape(part[1:] if part[:1] == "\\" else part)
                     for part in parts)
    return re.compile(joined, re.DOTALL)


def flat(value):
    """A value, or each of nested lists of them, in the form in which a filter names it."""
    if value is None:
        return
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, datetime):
        yield utils.format_timestamp(value)
    elif isinstance(value, (list, tuple, set, frozenset, type({}.keys()))):
        for item in value:
            yield from flat(item)
    else:
        yield str(value)


def matches(value, wanted):
    wanted = [wanted] if isinstance(wanted, str) else wanted or []
    return any(pattern(want).fullmatch(item) for item in flat(value) for want in wanted)


def is_filter_matching(obj, name, wanted):
    return matches(obj.get_filter_value(name), wanted)


def instance_value_in_filter_values(value, wanted):
    return matches(value, wanted)


utils.is_filter_matching = is_filter_matching
utils.instance_value_in_filter_values = instance_value_in_filter_values

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
# Filters that moto lacks.
Instance.attached_volume_ids = property(lambda self: [block.volume_id for _, block in self.get_block_device_mapping])
Instance.profile_arn = property(lambda self: (self.iam_instance_profile or {}).get("Arn"))
utils.filter_dict_attribute_mapping.update({
    "block-device-mapping.volume-id": "attached_volume_ids",
    "block-device-mapping.device-name": "block_device_mapping_names",
    "iam-instance-profile.arn": "profile_arn",
    "instance-lifecycle": "lifecycle",
    "instance-state-code": "state_code",
    "network-interface.group-id": "network_interfaces._group_set.id",
    "network-interface.network-interface-id": "network_interfaces.id",
    "network-interface.subnet-id": "network_interfaces.subnet_id",
    "network-interface.vpc-id": "network_interfaces.vpc_id",
    "root-device-type": "root_device_type",
})
Instance.block_device_mapping_names = property(lambda self: [name for name, _ in self.get_block_device_mapping])
