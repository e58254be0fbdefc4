"""CopySnapshot: from other accounts where shared, under another key, and failing late when a key can't be used."""

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_snapshot_id

from bed import ebs, identity, keys, settings
from bed.base import adds, refuse, tag_list

#: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html (copies to one destination Region)
MOST_AT_ONCE = 20


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
# One's own snapshots and shared ones can be copied; the copy belongs to the caller, with its own tags only. A copy
# of an encrypted snapshot is encrypted, under the named key or the account's default key; naming a key for a copy
# that would not be encrypted is refused. AWS looks at keys asynchronously: with a key that is unknown or not usable
# the call succeeds and the copy ends in error, with a StateMessage. A copy's volume id means nothing.
@adds(EC2Response)
def copy_snapshot(self):
    backend, region = self.ec2_backend, self._get_param("SourceRegion")
    if not region:
        refuse("MissingParameter", "The request must contain the parameter sourceRegion")
    source = ebs.seen(ebs.backend_of(self.current_account, region), self._get_param("SourceSnapshotId"))
    wanted, key = self._get_param("Encrypted"), self._get_param("KmsKeyId")
    if source.encrypted and wanted is False:
        refuse("InvalidParameterValue", "A copy of an encrypted snapshot can't be unencrypted.")
    encrypted = bool(source.encrypted or wanted or backend.ebs_encryption_by_default)
    if key and not encrypted:
        refuse("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
    ebs.usable(source)
    if sum(one.transfer_type is not None and one.status == "pending" for one in backend.snapshots.values()) \
            >= MOST_AT_ONCE:
        refuse("ResourceLimitExceeded", f"Too many snapshot copies in progress. The limit is {MOST_AT_ONCE} for this"
                                        " destination region.")
    tags = self._parse_tag_specification().get("snapshot", {})
    self.error_on_dryrun()
    arn = (ebs.key_arn(backend, key) if key else ebs.default_key(backend)) if encrypted else None
    copy = Snapshot(backend, random_snapshot_id(), source.volume, self._get_param("Description") or "",
                    encrypted=encrypted, kms_key_id=arn)
    copy.volume_id, copy.volume_size = "vol-ffffffff", source.volume_size
    copy.pending_seconds = settings.get(self.current_account, "copy_seconds")
    copy.transfer_type = "time-based" if self._get_param("CompletionDurationMinutes") else "standard"
    copy.failure = failure(identity.of(self), source, region, arn, backend.region_name)
    backend.snapshots[copy.id] = copy
    copy.add_tags(tags)
    return ActionResult({"SnapshotId": copy.id, "Tags": tag_list(copy)})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (StateMessage)
# https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
# The caller needs the key of the source, by its policy or a grant, and the key of the copy.
def failure(caller, source, source_region, arn, region):
    for encrypted, name, where in ((source.encrypted, source.kms_key_id, source_region), (arn, arn, region)):
        if encrypted:
            key = keys.resolve(caller.account, where, name)
            if not keys.usable_by_ebs(key, caller, where):
                return "Given key ID is not accessible"
    return None
