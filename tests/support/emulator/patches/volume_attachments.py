"""AttachVolume and DetachVolume: what they refuse, and detaching by volume id alone."""

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from bed.base import adds, refuse, wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# Volume and instance are in the same Availability Zone (InvalidVolume.ZoneMismatch), the volume is attached to
# nothing (VolumeInUse), the device name is free (InvalidParameterValue), the instance runs or is stopped
# (IncorrectState).
@wraps(EC2Response, "attach_volume")
def attach_volume(former, self):
    volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    device = self._get_param("Device")
    if instance._state.name not in ("running", "stopped"):
        refuse("IncorrectState", f"Instance '{instance.id}' is not 'running'.")
    if volume.attachment:
        refuse("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.zone and volume.zone.name != instance._placement.zone:
        refuse("InvalidVolume.ZoneMismatch",
               f"The volume '{volume.id}' is not in the same availability zone as instance '{instance.id}'")
    if device in instance.block_device_mapping:
        refuse("InvalidParameterValue",
               f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use")
    return former(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVolume.html
# The volume id is enough. An available volume is IncorrectState; another instance or device than the volume's is
# InvalidAttachment.NotFound; the root volume of an instance that runs is not detached.
@adds(EC2Response)
def detach_volume(self):
    volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
    attachment = volume.attachment
    if not attachment:
        refuse("IncorrectState", f"Volume '{volume.id}' is in the 'available' state.")
    instance, device = attachment.instance, attachment.device
    if (self._get_param("InstanceId") or instance.id) != instance.id or (
            self._get_param("Device") or device) != device:
        refuse("InvalidAttachment.NotFound",
               f"Volume '{volume.id}' is not attached to instance '{self._get_param('InstanceId') or instance.id}' as"
               f" device {self._get_param('Device') or device}")
    if device == instance.root_device_name and instance._state.name != "stopped":
        refuse("OperationNotPermitted", f"Unable to detach root volume '{device}' from instance '{instance.id}'")
    self.error_on_dryrun()
    self.ec2_backend.detach_volume(volume.id, instance.id, device)
    return ActionResult({"VolumeId": volume.id, "InstanceId": instance.id, "Device": device, "State": "detaching",
                         "AttachTime": attachment.attach_time})
