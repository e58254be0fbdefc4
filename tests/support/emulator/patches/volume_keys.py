"""Encrypted volumes whose key can't be used: made in vain, and not attached."""

import copy

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend, Volume
from moto.ec2.responses import EC2Response

from bed import ebs, identity, keys
from bed.base import refuse, wraps

Volume.judged, Volume.failed, Volume.said = False, False, None
_status = Volume.status


def status(self):
    return self.said or ("error" if self.failed else _status.fget(self))


Volume.status = property(status)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html (KmsKeyId)
# "AWS authenticates the KMS key asynchronously. Therefore, if you specify an ID, alias, or ARN that is not valid, the
# action can appear to complete, but eventually fails." The caller needs the key of an encrypted snapshot too:
# https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
@wraps(EC2Response, "create_volume")
def create_volume(former, self):
    answer = former(self)
    volume = answer.result
    if volume.judged or not volume.encrypted:  # a client token that is sent again makes nothing
        return answer
    volume.judged = True
    caller, region = identity.of(self), self.ec2_backend.region_name
    snapshot = ebs.lookup(self.ec2_backend, volume.snapshot_id) if volume.snapshot_id else None
    names = [volume.kms_key_id, *([snapshot.kms_key_id] if snapshot and snapshot.encrypted else [])]
    if not all(keys.usable_by_ebs(keys.resolve(caller.account, region, name), caller, region) for name in names):
        volume.failed = True
        shown = copy.copy(volume)
        shown.said = "creating"
        return ActionResult(shown)
    return answer


# https://docs.aws.amazon.com/kms/latest/developerguide/unusable-kms-keys.html
# A key that becomes unusable has no effect while a volume is attached; "the next time the encrypted EBS volume is
# attached to an EC2 instance, the attachment fails".
@wraps(EC2Response, "attach_volume")
def attach_volume(former, self):
    volume = self.ec2_backend.get_volume(self._get_param("VolumeId"))
    if volume.failed:
        refuse("IncorrectState", f"{volume.id} is in the 'error' state.")
    if volume.encrypted:
        key = keys.resolve(self.current_account, self.ec2_backend.region_name, volume.kms_key_id)
        if key is None or key.key_state != "Enabled":
            refuse("InvalidKMSKey.InvalidState", "The KMS key provided is in an incorrect state")
    return former(self)


@wraps(EBSBackend, "create_snapshot")
def create_snapshot(former, self, volume_id, *args, **kwargs):
    if self.get_volume(volume_id).failed:
        refuse("IncorrectState", f"{volume_id} is in the 'error' state.")
    return former(self, volume_id, *args, **kwargs)
