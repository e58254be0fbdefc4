"""Tags: on things that exist, never with AWS's own prefix."""

from moto.ec2.exceptions import TagLimitExceeded
from moto.ec2.models import EC2Backend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.responses import EC2Response

from bed import ebs
from bed.base import adds, refuse, tag_list, wraps


@adds(TaggedEC2Resource)
def get_tags(self):
    """As moto's, without searching the tags of every resource for each."""
    if not self.id:
        return []
    return [{"resource_id": self.id, "key": tag["Key"], "value": tag["Value"]} for tag in tag_list(self)]


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
# At most 50 tags a resource; keys of 1 to 128 characters, values of up to 256; a key may not begin with aws:,
# in any mix of upper and lower case: those are made by AWS only, and do not count.
def check(tags):
    for tag in tags:
        key, value = tag.get("Key") or "", tag.get("Value") or ""
        if key.lower().startswith("aws:"):
            refuse("InvalidParameterValue",
                   f"Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for"
                   " internal use")
        if not 1 <= len(key) <= 128:
            refuse("InvalidParameterValue", f"Tag key '{key}' must have 1 to 128 characters")
        if len(value) > 256:
            refuse("InvalidParameterValue", f"The value of tag '{key}' exceeds the maximum length of 256 characters")
    if len({tag.get("Key") for tag in tags}) != len(tags):
        refuse("InvalidParameterValue", "Duplicate tag keys are not allowed")
    if len(tags) > 50:
        raise TagLimitExceeded()


@wraps(EC2Response, "_parse_tag_specification")
def parse_tag_specification(former, self, expected_type=None):
    for name in ("TagSpecification", "TagSpecifications"):
        for specification in self._get_param(name, []) or []:
            check(specification.get("Tags") or [])
    return former(self, expected_type)


@wraps(EC2Response, "create_tags")
def create_tags(former, self):
    check(self._get_param("Tags", []))
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
# Tags go to existing resources; a call that names an unknown one fails as a whole, with that kind's NotFound error.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html: "You can tag public or shared resources".
@wraps(EC2Backend, "do_resources_exist")
def do_resources_exist(former, self, resource_ids):
    for identifier in resource_ids:
        if identifier.startswith("i-"):
            if self.get_instance_by_id(identifier) is None:
                refuse("InvalidInstanceID.NotFound", f"The instance ID '{identifier}' does not exist")
        elif identifier.startswith("eni-") and not identifier.startswith("eni-attach-"):
            self.get_network_interface(identifier)
    return former(self, [one for one in resource_ids if not (one.startswith("snap-") and ebs.lookup(self, one))])
