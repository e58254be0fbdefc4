"""Ids of the wrong form are refused before anything is looked up."""

import re

from moto.ec2.responses import EC2Response

from bed.base import refuse, wraps

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# Per kind, an id that is not of the right form: InvalidInstanceID.Malformed, InvalidGroupId.Malformed,
# InvalidNetworkInterfaceId.Malformed, InvalidVpcID.Malformed, InvalidSubnetID.Malformed, InvalidAMIID.Malformed;
# for volumes and snapshots InvalidParameterValue, whose text says to give the full id of a resource.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
# An id is a prefix, a hyphen, and 8 or 17 characters 0 to 9 and a to f.
KINDS = {
    "i": ("InvalidInstanceID.Malformed", 'Invalid id: "{id}" (expecting "i-...")'),
    "vol": ("InvalidParameterValue", "Value ({id}) for parameter volumeId is invalid. Expected: 'vol-...'."),
    "snap": ("InvalidParameterValue", "Value ({id}) for parameter snapshotId is invalid. Expected: 'snap-...'."),
    "sg": ("InvalidGroupId.Malformed", 'Invalid id: "{id}" (expecting "sg-...")'),
    "eni": ("InvalidNetworkInterfaceId.Malformed", 'Invalid id: "{id}" (expecting "eni-...")'),
    "vpc": ("InvalidVpcID.Malformed", 'Invalid id: "{id}" (expecting "vpc-...")'),
    "subnet": ("InvalidSubnetID.Malformed", 'Invalid id: "{id}" (expecting "subnet-...")'),
    "ami": ("InvalidAMIID.Malformed", 'Invalid id: "{id}" (expecting "ami-...")'),
}
PARAMETERS = {
    "InstanceId": "i", "InstanceIds": "i", "InstanceSpecification.InstanceId": "i",
    "VolumeId": "vol", "VolumeIds": "vol", "InstanceSpecification.ExcludeDataVolumeIds": "vol",
    "SnapshotId": "snap", "SnapshotIds": "snap", "SourceSnapshotId": "snap",
    "GroupId": "sg", "GroupIds": "sg", "Groups": "sg", "SecurityGroupIds": "sg",
    "NetworkInterfaceId": "eni", "NetworkInterfaceIds": "eni",
    "VpcId": "vpc", "VpcIds": "vpc", "SubnetId": "subnet", "SubnetIds": "subnet",
    "ImageId": "ami", "ImageIds": "ami",
}
FORMS = {kind: re.compile(rf"{kind}-([0-9a-f]{{8}}|[0-9a-f]{{17}})") for kind in KINDS}


@wraps(EC2Response, "call_action")
def call_action(former, self):
    for parameter, kind in PARAMETERS.items():
        value = self._get_param(parameter)
        for identifier in value if isinstance(value, list) else [value]:
            if isinstance(identifier, str) and not FORMS[kind].fullmatch(identifier):
                if kind == "ami" and identifier.startswith("resolve:"):
                    continue
                code, message = KINDS[kind]
                refuse(code, message.format(id=identifier))
    return former(self)
