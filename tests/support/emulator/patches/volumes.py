"""Volumes: made once per client token, encrypted as their snapshot or the account's default says, in pages."""

import uuid

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend, Volume
from moto.ec2.responses import EC2Response

from bed import ebs
from bed.base import adds, page, refuse, wraps

Volume.data_key = None


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html
# https://docs.aws.amazon.com/ebs/latest/userguide/encryption-examples.html
# A volume of an encrypted snapshot is encrypted: of one's own snapshot under the same key, of a shared one under
# the account's default key, unless a key is named. With encryption by default every new volume is encrypted. A key
# is only named with encryption. The size is at least the snapshot's; the snapshot must be completed.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (DataEncryptionKeyId)
# Data keys "are inherited by volumes created from snapshots, and vice versa" (here under the same key only).
@wraps(EBSBackend, "create_volume")
def create_volume(former, self, size, zone_name, snapshot_id=None, encrypted=False, kms_key_id=None, **others):
    snapshot = ebs.seen(self, snapshot_id) if snapshot_id else None
    if snapshot is not None:
        ebs.usable(snapshot)
        size = snapshot.volume_size if size is None else int(size)
        if size < snapshot.volume_size:
            refuse("InvalidParameterValue", f"Volume of {size}GiB is too small for snapshot '{snapshot.id}', expect"
                                            f" size>= {snapshot.volume_size}GiB")
    encrypted = bool(encrypted or (snapshot and snapshot.encrypted)
                     or getattr(self, "ebs_encryption_by_default", False))
    if encrypted:
        if kms_key_id:
            kms_key_id = ebs.key_arn(self, kms_key_id)
        elif snapshot and snapshot.encrypted and snapshot.owner_id == self.account_id:
            kms_key_id = snapshot.kms_key_id
        else:
            kms_key_id = ebs.default_key(self)
    volume = former(self, size, zone_name, None, encrypted, kms_key_id, **others)
    volume.snapshot_id = snapshot_id
    if encrypted:
        same = snapshot is not None and snapshot.encrypted and snapshot.kms_key_id == kms_key_id
        volume.data_key = snapshot.data_key if same else str(uuid.uuid4())
    return volume


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html
# CreateVolume takes a client token: the same with the same parameters answers with the same volume.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidZone.NotFound)
@wraps(EC2Response, "create_volume")
def create(former, self):
    zone = self._get_param("AvailabilityZone")
    if zone and self.ec2_backend.get_zone_by_name(zone) is None:
        refuse("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
    token = self._get_param("ClientToken")
    if not token or self._get_param("DryRun"):
        return former(self)
    used = self.ec2_backend.__dict__.setdefault("bed_volumes", {})
    wanted = repr(sorted((name, repr(self.params[name])) for name in self.params))
    if token in used:
        before, answer = used[token]
        if before != wanted:
            refuse("IdempotentParameterMismatch",
                   f"Arguments on this idempotent request are inconsistent with arguments used in previous"
                   f" request(s) with token '{token}'.")
        return answer
    answer = former(self)
    used[token] = (wanted, answer)
    return answer


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
# Pages of 5 to 1000, not together with volume ids. An unknown id is InvalidVolume.NotFound.
@adds(EC2Response)
def describe_volumes(self):
    ids = self._get_param("VolumeIds", [])
    if ids and self._get_param("MaxResults") is not None:
        refuse("InvalidParameterCombination",
               "The parameter volumeSet cannot be used with the parameter maxResults")
    filters = self._filters_from_querystring()
    self.error_on_dryrun()
    for identifier in ids:
        self.ec2_backend.get_volume(identifier)
    found, token = page(self, self.ec2_backend.describe_volumes(list(dict.fromkeys(ids)), filters))
    return ActionResult({"Volumes": found, "NextToken": token})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html and API_Reset….html
# The key for volumes for which none is named: the one that was set, else the AWS managed key.
@adds(EC2Response)
def get_ebs_default_kms_key_id(self):
    self.error_on_dryrun()
    return ActionResult({"KmsKeyId": ebs.default_key(self.ec2_backend)})


@adds(EC2Response)
def reset_ebs_default_kms_key_id(self):
    self.error_on_dryrun()
    self.ec2_backend.default_kms_key_id = ""
    return ActionResult({"KmsKeyId": ebs.default_key(self.ec2_backend)})
