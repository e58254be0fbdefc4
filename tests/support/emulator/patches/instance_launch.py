"""RunInstances: client tokens, counts, the root volume, interfaces that end with the instance."""

from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses import EC2Response

from bed.base import refuse, wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html
# The same client token with the same parameters launches nothing again and answers as before; with other
# parameters it is IdempotentParameterMismatch. A token counts per Region.
@wraps(EC2Response, "run_instances")
def run_instances(former, self):
    checked(self)
    token = self._get_param("ClientToken")
    if not token or self._get_param("DryRun"):
        return launch(former, self)
    used = self.ec2_backend.__dict__.setdefault("bed_launches", {})
    wanted = repr(sorted((name, repr(self.params[name])) for name in self.params))
    if token in used:
        before, answer = used[token]
        if before != wanted:
            refuse("IdempotentParameterMismatch",
                   f"Arguments on this idempotent request are inconsistent with arguments used in previous"
                   f" request(s) with token '{token}'.")
        return answer
    answer = launch(former, self)
    used[token] = (wanted, answer)
    return answer


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
# As many instances as possible up to MaxCount, at least MinCount. With network interfaces in the request, groups
# and subnet are given there.
def checked(self):
    least, most = int(self._get_param("MinCount", 1)), int(self._get_param("MaxCount", 1))
    if not 1 <= least <= most:
        refuse("InvalidParameterValue", f"Invalid value '{most}' for maxCount. Must be at least minCount ({least}).")
    interfaces = self._get_param("NetworkInterfaces", [])
    if interfaces and (self._get_param("SecurityGroupIds") or self._get_param("SecurityGroups")):
        refuse("InvalidParameterCombination",
               "Network interfaces and an instance-level security groups may not be specified on the same request")


def launch(former, self):
    self.params["MinCount"] = int(self._get_param("MaxCount", 1))
    result = former(self)
    specified = self._parse_tag_specification()
    for number, instance in enumerate(result.result.instances):
        instance.disable_api_termination = bool(self._get_param("DisableApiTermination"))
        if number:
            profile(self, instance)
        for interface in instance.nics.values():
            interface.add_tags(specified.get("network-interface", {}))
    return result


def profile(self, instance):
    """moto gives the instance profile to the first instance only."""
    for name in ("Name", "Arn"):
        value = self._get_param(f"IamInstanceProfile.{name}")
        if value:
            self.ec2_backend.associate_iam_instance_profile(
                instance_id=instance.id, **{f"iam_instance_profile_{name.lower()}": value})


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configure-root-volume-delete-on-termination.html
# The AMI's root volume comes with the instance, at the AMI's root device name, whatever other devices the request
# maps; it is deleted with the instance unless the request says otherwise.
def root(backend, instance, tags):
    name = instance.root_device_name
    if name not in instance.block_device_mapping:
        volume = backend.create_volume(size=8, zone_name=instance._placement.zone)
        backend.attach_volume(volume.id, instance.id, name, True)
        volume.add_tags(tags)
    devices = instance.block_device_mapping
    for other in [device for device in devices if device != name]:
        devices[other] = devices.pop(other)  # the root volume is shown first


@wraps(InstanceBackend, "run_instances")
def run(former, self, *args, **kwargs):
    tags = (kwargs.get("tags") or {}).get("volume", {})
    reservation = former(self, *args, **kwargs)
    for instance in reservation.instances:
        root(self, instance, tags)
        platform(instance)
    return reservation


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html
# Platform is windows, or blank; PlatformDetails names the operating system in words.
def platform(instance):
    windows = (instance.platform or "").lower() == "windows"
    instance.platform = "windows" if windows else None
    instance.platform_details = "Windows" if windows else "Linux/UNIX"
    instance.ena_support = True


Instance.setup_defaults = lambda self: None


@wraps(EC2Response, "_parse_block_device_mapping")
def parse_block_device_mapping(former, self):
    image = self.ec2_backend.amis.get(self._get_param("ImageId"))
    for mapping in self._get_param("BlockDeviceMappings", []):
        ebs = mapping.get("Ebs")
        if image is not None and ebs and mapping.get("DeviceName") == image.root_device_name:
            if ebs.get("DeleteOnTermination") is None:
                ebs["DeleteOnTermination"] = True
            if ebs.get("VolumeSize") is None and ebs.get("SnapshotId") is None:
                ebs["VolumeSize"] = 8
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceNetworkInterfaceSpecification.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html
# An interface that is made at launch is deleted with the instance by default; an existing one is not.
@wraps(Instance, "prep_nics")
def prep_nics(former, self, nic_spec, *args, **kwargs):
    existing = {spec.get("NetworkInterfaceId") for spec in nic_spec}
    kept = {int(spec["DeviceIndex"]) for spec in nic_spec if spec.get("DeleteOnTermination") is False}
    former(self, nic_spec, *args, **kwargs)
    for index, interface in self.nics.items():
        if interface.id not in existing and index not in kept:
            interface.delete_on_termination = True
