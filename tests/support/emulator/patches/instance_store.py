"""Instance store volumes: named at launch, and seen by no call of EC2 afterwards."""

import re

from moto.ec2.responses import EC2Response
from moto.ec2.responses.instances import InstanceResponse

from bed.base import wraps

_validate = InstanceResponse._validate_block_device_mapping


def ephemeral(mapping):
    return re.fullmatch(r"ephemeral\d+", mapping.get("VirtualName") or "") is not None


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_BlockDeviceMapping.html (VirtualName)
# A virtual device ephemeralN stands for an instance store volume; it has no EBS block.
def validate(mapping):
    if not ephemeral(mapping):
        _validate(mapping)


InstanceResponse._validate_block_device_mapping = staticmethod(validate)


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
# "When you view the block device mapping for your instance, you can see only the EBS volumes, not the instance store
# volumes."
@wraps(EC2Response, "_parse_block_device_mapping")
def parse_block_device_mapping(former, self):
    return [mapping for mapping in former(self) if not ephemeral(mapping)]
