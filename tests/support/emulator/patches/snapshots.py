"""Snapshots: pending for a time, described to those who may see them."""

import datetime

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses import EC2Response

from bed import ebs, settings
from bed.base import adds, page, refuse, wraps

#: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html (pending snapshots per account)
MOST_PENDING = 100


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html
# A snapshot is made asynchronously: it is pending until everything is copied, then completed. A snapshot of an
# encrypted volume is encrypted with the same key and data key. It keeps the size that the volume had.
@wraps(Snapshot, "__init__")
def init(former, self, ec2_backend, snapshot_id, volume, description, *args, **kwargs):
    self.forced = None
    former(self, ec2_backend, snapshot_id, volume, description, *args, **kwargs)
    self.volume_id, self.volume_size = volume.id, volume.size
    self.kms_key_id = self.kms_key_id or (volume.kms_key_id if self.encrypted else None)
    seconds = getattr(volume, "snapshot_seconds", None)
    self.pending_seconds = (0 if self.from_ami else seconds if seconds is not None
                            else settings.get(ec2_backend.account_id, "snapshot_seconds"))
    self.failure = getattr(volume, "snapshots_fail", None)
    self.transfer_type = self.completion_minutes = None
    self.data_key = volume.data_key if self.encrypted else None


def finished(self):
    """When the snapshot stops being pending by itself."""
    return self.start_time + datetime.timedelta(seconds=self.pending_seconds)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html
# State: pending, completed, error, recoverable, recovering; StateMessage tells why it is error, in
# DescribeSnapshots only; Progress is a percentage.
def status(self):
    if self.forced:
        return self.forced[0]
    if self.from_ami is None and utcnow() < finished(self):
        return "pending"
    return "error" if self.failure else "completed"


def progress(self):
    if self.status == "completed":
        return "100%"
    if self.status != "pending" or not self.pending_seconds:
        return "0%"
    age = (utcnow() - self.start_time).total_seconds()
    return f"{min(99, int(100 * age / self.pending_seconds))}%"


def completion_time(self):
    if self.status != "completed":
        return None
    return self.forced[2] if self.forced else finished(self)


def state_message(self):
    return self.forced[1] if self.forced else self.failure if self.status == "error" else None


def force(self, state, message=None):
    self.forced = (state, message, utcnow())


Snapshot.status = property(status, lambda self, value: None)
Snapshot.progress = property(progress)
Snapshot.completion_time = property(completion_time)
Snapshot.state_message = property(state_message)
Snapshot.force = force
Snapshot.volume_id = Snapshot.volume_size = None  # moto looks them up in the volume, which may change or end


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
# "When you tag public or shared resources, the tags you assign are available only to your AWS account": each account
# sees its own tags of a shared snapshot.
class Seen:
    """A snapshot as an account sees it, for filters."""

    def __init__(self, snapshot, backend):
        self.snapshot, self.tags = snapshot, backend.tags.get(snapshot.id, {})

    def get_filter_value(self, name, method_name=None):
        if name.startswith("tag:"):
            return self.tags.get(name[4:])
        if name in ("tag-key", "tag-value"):
            return list(self.tags if name == "tag-key" else self.tags.values())
        return self.snapshot.get_filter_value(name, method_name)


def shown(snapshot, backend):
    """A snapshot in the form of an answer to the account of the backend."""
    tags = backend.tags.get(snapshot.id, {})
    return {
        "SnapshotId": snapshot.id, "VolumeId": snapshot.volume_id, "VolumeSize": snapshot.volume_size,
        "State": snapshot.status, "StateMessage": snapshot.state_message, "StartTime": snapshot.start_time,
        "CompletionTime": snapshot.completion_time, "Progress": snapshot.progress, "OwnerId": snapshot.owner_id,
        "Description": snapshot.description or "", "Encrypted": snapshot.encrypted, "KmsKeyId": snapshot.kms_key_id,
        "StorageTier": snapshot.storage_tier, "RestoreExpiryTime": snapshot.restore_expiry_time,
        "TransferType": snapshot.transfer_type, "CompletionDurationMinutes": snapshot.completion_minutes,
        "DataEncryptionKeyId": snapshot.data_key, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


@wraps(Snapshot, "get_filter_value")
def get_filter_value(former, self, name, method_name=None):
    special = {"volume-id": self.volume_id, "volume-size": self.volume_size, "progress": self.progress,
               "owner-alias": None, "completion-time": self.completion_time, "transfer-type": self.transfer_type}
    return special[name] if name in special else former(self, name, method_name)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
# Shown are public snapshots, one's own, and those of others with explicit permission. OwnerIds keeps those of the
# named accounts, self or amazon. RestorableByUserIds keeps those that the named accounts have explicit permission
# for (self: one's own too; all: public ones; "AWS account IDs (if you own the snapshots)"). "If you specify a
# snapshot ID for which you do not have access, it is not included in the returned results"; an id that no snapshot
# has is an error. Pages of 5 to 1000, not together with snapshot ids.
@adds(EC2Response)
def describe_snapshots(self):
    backend, account = self.ec2_backend, self.current_account
    ids = list(dict.fromkeys(self._get_param("SnapshotIds", [])))
    owners, restorable = self._get_param("OwnerIds", []), self._get_param("RestorableByUserIds", [])
    filters = self._filters_from_querystring()
    if ids and self._get_param("MaxResults") is not None:
        refuse("InvalidParameterCombination",
               "The parameter snapshotSet cannot be used with the parameter maxResults")
    self.error_on_dryrun()
    found = named(backend, ids) if ids else candidates(backend, owners)
    if owners:
        names = {account if owner == "self" else owner for owner in owners}
        found = [one for one in found if one.owner_id in names or "amazon" in names and one.from_ami]
    if restorable:
        found = [one for one in found if any(restorable_by(one, who, account) for who in restorable)]
    found = [one for one in found if kept(Seen(one, backend), filters)]
    found, token = page(self, found)
    return ActionResult({"Snapshots": [shown(one, backend) for one in found], "NextToken": token})


def named(backend, ids):
    found = [ebs.lookup(backend, one) if ebs.known(backend, one) else ebs.seen(backend, one) for one in ids]
    return [one for one in found if one is not None]


def candidates(backend, owners):
    if owners and set(owners) <= {"self", backend.account_id}:
        return list(backend.snapshots.values())
    return list(ebs.visible(backend))


def restorable_by(snapshot, who, account):
    if who == "all":
        return ebs.public(snapshot)
    if who == "self":
        return snapshot.owner_id == account or ebs.shared_with(snapshot, account)
    return snapshot.owner_id == account and ebs.shared_with(snapshot, who)


def kept(seen, filters):
    from moto.ec2.utils import is_filter_matching

    return all(is_filter_matching(seen, name, wanted) for name, wanted in filters.items())


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
# At most 5 snapshots of a volume are pending at once, 1 of a st1 or sc1 volume: ConcurrentSnapshotLimitExceeded.
# At most 100 of an account are pending: PendingSnapshotLimitExceeded.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# SnapshotCreationPerVolumeRateExceeded: wait 15 seconds between concurrent snapshots of a volume. (Only where the
# bed's setting says so: it is 0 unless set.)
def room(backend, volume):
    of_account = [one for one in backend.snapshots.values()
                  if one.from_ami is None and not one.transfer_type and one.status == "pending"]
    pending = [one for one in of_account if one.volume is volume]
    if len(pending) >= (1 if volume.volume_type in ("st1", "sc1") else 5):
        refuse("ConcurrentSnapshotLimitExceeded",
               f"Maximum allowed in-progress snapshots for a single volume exceeded: {volume.id}")
    if len(of_account) >= MOST_PENDING:
        refuse("PendingSnapshotLimitExceeded", f"At most {MOST_PENDING} snapshots can be pending at once.")
    interval = settings.get(backend.account_id, "snapshot_interval_seconds")
    if any((utcnow() - one.start_time).total_seconds() < interval for one in pending):
        refuse("SnapshotCreationPerVolumeRateExceeded", "The maximum per volume CreateSnapshot request rate has been"
                                                        " exceeded. Use an increasing or variable sleep interval"
                                                        " between requests.")


@wraps(EBSBackend, "create_snapshot")
def create_snapshot(former, self, volume_id, description, owner_id=None, from_ami=None):
    if from_ami is None:
        room(self, self.get_volume(volume_id))
    return former(self, volume_id, description, owner_id, from_ami)


@wraps(EC2Response, "create_snapshot")
def create(former, self):
    snapshot = former(self).result
    return ActionResult({**shown(snapshot, self.ec2_backend), "State": "pending", "Progress": "",
                         "StateMessage": None, "CompletionTime": None, "DataEncryptionKeyId": None})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSnapshot.html (one's own, not those of AMIs)
@wraps(EC2Response, "delete_snapshot")
def delete_snapshot(former, self):
    ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    return former(self)
