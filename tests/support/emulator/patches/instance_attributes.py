"""ModifyInstanceAttribute and DescribeInstanceAttribute: one attribute a call, in each form of the request."""

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.elastic_block_store import VolumeAttachment
from moto.ec2.responses import EC2Response
from moto.ec2.utils import parse_user_data

from bed import groups
from bed.base import adds, refuse

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
# One attribute at a time, as Attribute and Value or in the attribute's own parameter.
NAMES = {
    "disableApiTermination": "DisableApiTermination", "disableApiStop": "DisableApiStop",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior", "instanceType": "InstanceType",
    "kernel": "Kernel", "ramdisk": "Ramdisk", "userData": "UserData", "sourceDestCheck": "SourceDestCheck",
    "ebsOptimized": "EbsOptimized", "sriovNetSupport": "SriovNetSupport", "enaSupport": "EnaSupport",
}
PLAIN = {"disableApiTermination": "disable_api_termination", "disableApiStop": "disable_api_stop",
         "instanceInitiatedShutdownBehavior": "instance_initiated_shutdown_behavior",
         "instanceType": "instance_type", "kernel": "kernel", "ramdisk": "ramdisk", "ebsOptimized": "ebs_optimized",
         "sriovNetSupport": "sriov_net_support", "enaSupport": "ena_support"}
BOOLEAN = ("disableApiTermination", "disableApiStop", "sourceDestCheck", "ebsOptimized", "enaSupport")
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingAttributesWhileInstanceStopped.html
#: To change these the instance must be stopped.
STOPPED = ("instanceType", "kernel", "ramdisk", "userData", "sriovNetSupport", "enaSupport", "ebsOptimized")


@adds(EC2Response)
def modify_instance_attribute(self):
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    given = requested(self)
    if len(given) > 1:
        refuse("InvalidParameterCombination", f"Fields for multiple attribute types specified: {', '.join(given)}")
    if not given:
        refuse("InvalidParameterCombination", "No attributes specified.")
    if instance._state.name in ("terminated", "shutting-down"):
        refuse("IncorrectInstanceState", f"The instance '{instance.id}' is in state '{instance._state.name}'.")
    (attribute, value), = given.items()
    apply = change(self, instance, attribute, value)
    self.error_on_dryrun()
    apply()
    return EmptyResult()


def requested(self):
    given = {}
    if self._get_param("Attribute") is not None:
        attribute = self._get_param("Attribute")
        if self._get_param("Value") is not None:
            given[attribute] = self._get_param("Value")
        elif attribute not in ("groupSet", "blockDeviceMapping"):
            refuse("InvalidParameterCombination", "No attributes specified.")
    for attribute, name in NAMES.items():
        if self._get_param(f"{name}.Value") is not None:
            given[attribute] = self._get_param(f"{name}.Value")
    if self._get_param("Groups"):
        given["groupSet"] = self._get_param("Groups")
    if self._get_param("BlockDeviceMappings"):
        given["blockDeviceMapping"] = self._get_param("BlockDeviceMappings")
    return given


def change(self, instance, attribute, value):
    """Checks the change, and returns what makes it."""
    if attribute == "groupSet":
        return change_groups(self, instance, value)
    if attribute == "blockDeviceMapping":
        return change_devices(instance, value)
    if attribute not in NAMES:
        refuse("InvalidParameterValue",
               f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    if attribute in BOOLEAN:
        if str(value).lower() not in ("true", "false"):
            refuse("InvalidParameterValue", f"Value ({value}) for parameter value is invalid. Expecting a Boolean.")
        value = str(value).lower() == "true"
    if attribute in STOPPED and instance._state.name != "stopped":
        refuse("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'stopped' state.")
    protections(instance, attribute, value)
    if attribute == "sourceDestCheck":
        return lambda: [setattr(item, "source_dest_check", value) for item in (instance, instance.nics[0])]
    if attribute == "userData":
        return lambda: setattr(instance, "user_data", parse_user_data(value) if value else None)
    return lambda: setattr(instance, PLAIN[attribute], value)


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html
# Neither protection is to be had for Spot Instances; stop protection not for an instance-store root. The shutdown
# behaviour is stop or terminate; an instance with an instance-store root can only terminate.
def protections(instance, attribute, value):
    if attribute in ("disableApiTermination", "disableApiStop") and instance.lifecycle == "spot":
        refuse("UnsupportedOperation", f"Modifying '{attribute}' is not supported for spot instances.")
    if instance.root_device_type == "instance-store" and (
            attribute == "disableApiStop" or attribute == "instanceInitiatedShutdownBehavior" and value == "stop"):
        refuse("UnsupportedOperation",
               f"Modifying '{attribute}' is not supported for instances with an instance store root volume.")
    if attribute == "instanceInitiatedShutdownBehavior" and value not in ("stop", "terminate"):
        refuse("InvalidParameterValue", f"Value ({value}) for parameter instanceInitiatedShutdownBehavior is invalid."
                                        " Use: stop, terminate.")


# The groups are those of the one interface; with several interfaces AWS wants ModifyNetworkInterfaceAttribute.
def change_groups(self, instance, ids):
    if len(instance.nics) > 1:
        refuse("InvalidInstanceID", f"There are multiple interfaces attached to instance '{instance.id}'. Please"
                                    " specify an interface ID for the operation instead.")
    new = groups.usable(self.ec2_backend, ids, instance.nics[0].subnet.vpc_id)
    return lambda: instance.nics[0]._group_set.__setitem__(slice(None), new)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceBlockDeviceMappingSpecification.html
# DeleteOnTermination of attached volumes, by device; left out it is true.
# InvalidInstanceAttributeValue when no volume is at the device.
def change_devices(instance, mappings):
    for mapping in mappings:
        if mapping.get("DeviceName") not in instance.block_device_mapping:
            refuse("InvalidInstanceAttributeValue", f"No device is currently mapped at {mapping.get('DeviceName')}")

    def apply():
        for mapping in mappings:
            value = (mapping.get("Ebs") or {}).get("DeleteOnTermination")
            instance.block_device_mapping[mapping["DeviceName"]].delete_on_termination = value is not False

    return apply


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VolumeAttachment.html (DeleteOnTermination)
VolumeAttachment.delete_on_termination = property(
    lambda self: bool(getattr(self.instance.block_device_mapping.get(self.device), "delete_on_termination", False)))


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
# One attribute of: the names below; enaSupport is not supported.
@adds(EC2Response)
def describe_instance_attribute(self):
    attribute = self._get_param("Attribute")
    self.error_on_dryrun()
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    shown = {
        "blockDeviceMapping": lambda: ("BlockDeviceMappings", devices(instance)),
        "groupSet": lambda: ("Groups", [{"GroupId": group.id, "GroupName": group.name}
                                        for group in instance.security_groups]),
        "productCodes": lambda: ("ProductCodes", []),
        "userData": lambda: ("UserData", {"Value": instance.user_data} if instance.user_data else {}),
        "sourceDestCheck": lambda: ("SourceDestCheck", {"Value": instance.source_dest_check}),
        "rootDeviceName": lambda: ("RootDeviceName", {"Value": instance.root_device_name}),
        "enclaveOptions": lambda: ("EnclaveOptions", {"Enabled": False}),
        "kernel": lambda: ("KernelId", {"Value": instance.kernel} if instance.kernel else {}),
        "ramdisk": lambda: ("RamdiskId", {"Value": instance.ramdisk} if instance.ramdisk else {}),
    }
    for name, held in PLAIN.items():
        if name not in shown and name != "enaSupport":
            shown[name] = lambda name=name, held=held: (NAMES[name], {"Value": getattr(instance, held)})
    if attribute not in shown:
        refuse("InvalidParameterValue",
               f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    name, value = shown[attribute]()
    return ActionResult({"InstanceId": instance.id, name: value})


def devices(instance):
    return [{"DeviceName": name,
             "Ebs": {"VolumeId": block.volume_id, "Status": "attached", "AttachTime": block.attach_time,
                     "DeleteOnTermination": bool(block.delete_on_termination)}}
            for name, block in instance.get_block_device_mapping]
