"""CreateSnapshots: one set of all volumes of an instance, made whole or not at all."""

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.responses import EC2Response

from bed.base import adds, refuse, tag_list

MOST_EXCLUDED = 40


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSpecification.html
# One snapshot of each attached volume, all started at the same time. ExcludeBootVolume leaves out the root volume;
# ExcludeDataVolumeIds up to 40 others: naming the root volume there fails the request. TagSpecifications apply to
# every snapshot; CopyTagsFromSource copies the tags of each volume to its own.
@adds(EC2Response)
def create_snapshots(self):
    backend = self.ec2_backend
    instance = backend.get_instance(self._get_param("InstanceSpecification.InstanceId"))
    if instance._state.name in ("terminated", "shutting-down"):
        refuse("IncorrectInstanceState", f"The instance '{instance.id}' is in state '{instance._state.name}'.")
    volumes = chosen(self, instance)
    copied = self._get_param("CopyTagsFromSource")
    if copied not in (None, "volume"):
        refuse("InvalidParameterValue", f"Value ({copied}) for parameter CopyTagsFromSource is invalid.")
    specified = self._parse_tag_specification().get("snapshot", {})
    self.error_on_dryrun()
    snapshots = []
    try:
        for volume in volumes:
            snapshots.append(backend.create_snapshot(volume.id, self._get_param("Description", "")))
    except Exception:
        for snapshot in snapshots:  # all or none
            del backend.snapshots[snapshot.id]
        raise
    start = utcnow()
    for snapshot, volume in zip(snapshots, volumes):
        snapshot.start_time = start
        tags = {tag["Key"]: tag["Value"] for tag in tag_list(volume)
                if copied and not tag["Key"].startswith("aws:")}
        snapshot.add_tags({**tags, **specified})
    return ActionResult({"Snapshots": [entry(snapshot) for snapshot in snapshots]})


def chosen(self, instance):
    excluded = self._get_param("InstanceSpecification.ExcludeDataVolumeIds", []) or []
    attached = {name: self.ec2_backend.get_volume(block.volume_id)
                for name, block in instance.get_block_device_mapping}
    root = attached.get(instance.root_device_name)
    if len(excluded) > MOST_EXCLUDED:
        refuse("InvalidParameterValue", f"At most {MOST_EXCLUDED} volumes can be excluded.")
    for identifier in excluded:
        if root is not None and identifier == root.id:
            refuse("InvalidParameterValue", f"The volume '{identifier}' is the root volume. To exclude it, use"
                                            " ExcludeBootVolume.")
        if identifier not in {volume.id for volume in attached.values()}:
            refuse("InvalidParameterValue", f"The volume '{identifier}' is not attached to '{instance.id}'.")
    without_root = bool(self._get_param("InstanceSpecification.ExcludeBootVolume"))
    volumes = [volume for volume in attached.values()
               if volume.id not in excluded and not (without_root and volume is root)]
    if not volumes:
        refuse("InvalidParameterValue", "There is no volume left to snapshot.")
    return volumes


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SnapshotInfo.html
def entry(snapshot):
    return {"SnapshotId": snapshot.id, "VolumeId": snapshot.volume_id, "VolumeSize": snapshot.volume_size,
            "State": "pending", "Progress": "", "StartTime": snapshot.start_time, "OwnerId": snapshot.owner_id,
            "Description": snapshot.description, "Encrypted": snapshot.encrypted, "Tags": tag_list(snapshot)}
