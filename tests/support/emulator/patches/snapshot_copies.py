"""CopySnapshot: from other accounts where shared, under another key, and failing late when a key can't be used."""

import uuid

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.responses import EC2Response
from moto.ec2.utils import random_snapshot_id
from moto.kms.models import KmsBackend

from bed import ebs, find, identity, keys, presigned, settings
from bed.base import adds, refuse, tag_list, wraps

#: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html (copies to one destination Region)
MOST_AT_ONCE = 20
#: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
NO_KEY = "Given key ID is not accessible"
Snapshot.copies_fail, Snapshot.copied_under = None, ()


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
# One's own snapshots and shared ones can be copied; the copy belongs to the caller, with its own tags only. A copy
# of an encrypted snapshot is encrypted, under the named key or the account's default key; naming a key for a copy
# that would not be encrypted is refused. AWS looks at keys asynchronously: with a key that is unknown or not usable
# the call succeeds and the copy ends in error, with a StateMessage. A copy's volume id means nothing.
@adds(EC2Response)
def copy_snapshot(self):
    backend, region = self.ec2_backend, self._get_param("SourceRegion")
    source, minutes = source_of(self, region), duration(self)
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
    copy.data_key = str(uuid.uuid4()) if encrypted else None
    copy.pending_seconds = settings.get(self.current_account, "copy_seconds")
    copy.transfer_type, copy.completion_minutes = "time-based" if minutes else "standard", minutes
    copy.copied_under = (source.kms_key_id if source.encrypted else None, arn)
    copy.failure = unsigned(self, source) or failure(identity.of(self), source, region, arn, backend.region_name) \
        or source.copies_fail
    backend.snapshots[copy.id] = copy
    copy.add_tags(tags)
    return ActionResult({"SnapshotId": copy.id, "Tags": tag_list(copy)})


def source_of(self, region):
    if not region:
        refuse("MissingParameter", "The request must contain the parameter sourceRegion")
    if region not in {one.name for one in self.ec2_backend.describe_regions()}:
        refuse("InvalidParameterValue", f"Invalid value '{region}' for parameter sourceRegion.")
    return ebs.seen(ebs.backend_of(self.current_account, region), self._get_param("SourceSnapshotId"))


# https://docs.aws.amazon.com/ebs/latest/userguide/time-based-copies.html
# A completion duration is between 15 minutes and 48 hours, in steps of 15 minutes.
def duration(self):
    minutes = self._get_param("CompletionDurationMinutes")
    if minutes is not None and (not 15 <= int(minutes) <= 2880 or int(minutes) % 15):
        refuse("InvalidParameterValue", f"Value ({minutes}) for parameter CompletionDurationMinutes is invalid. It"
                                        " must be 15 to 2880, in increments of 15.")
    return None if minutes is None else int(minutes)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (PresignedUrl, deprecated by now)
# Once a copy of an encrypted snapshot had to come with a URL for the source's endpoint, of the action CopySnapshot,
# with SourceRegion, SourceSnapshotId and DestinationRegion, signed with version 4: "An invalid or improperly signed
# PresignedUrl will cause the copy operation to fail asynchronously, and the snapshot will move to an error state."
# That holds here for any that is given; to another Region one is needed only where the bed's setting says so.
def unsigned(self, source):
    url, here = self._get_param("PresignedUrl"), self.ec2_backend.region_name
    region = self._get_param("SourceRegion")
    if not url:
        needed = source.encrypted and region != here and settings.get(self.current_account, "presigned_url_required")
        return "PresignedUrl must be specified for the copy of an encrypted snapshot" if needed else None
    expected = {"Action": "CopySnapshot", "SourceRegion": region, "DestinationRegion": here,
                "SourceSnapshotId": self._get_param("SourceSnapshotId")}
    wrong = presigned.wrong(url, region, expected)
    return f"Invalid PresignedUrl: {wrong}" if wrong else None


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (StateMessage)
# https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
# The caller needs the key of the source, by its policy or a grant, and the key of the copy.
def failure(caller, source, source_region, arn, region):
    for encrypted, name, where in ((source.encrypted, source.kms_key_id, source_region), (arn, arn, region)):
        if encrypted:
            key = keys.resolve(caller.account, where, name)
            if not keys.usable_by_ebs(key, caller, where):
                return NO_KEY
    return None


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (KmsKeyId)
# "AWS authenticates the KMS key asynchronously": one of the two keys that becomes unusable while the copy is pending
# makes it fail. https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
def spoils_copies(name):
    @wraps(KmsBackend, name)
    def method(former, self, key_id, *args):
        answer = former(self, key_id, *args)
        arn = self.keys[self.get_key_id(key_id)].arn
        for backend in find.backends():
            for snapshot in backend.snapshots.values():
                if arn in snapshot.copied_under and snapshot.status == "pending":
                    snapshot.failure = snapshot.failure or NO_KEY
        return answer


for operation in ("disable_key", "schedule_key_deletion"):
    spoils_copies(operation)
