"""The archive tier of snapshots: moving there and back takes time, and what is there can't be used."""

import datetime

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.elastic_block_store import Snapshot
from moto.ec2.responses import EC2Response

from bed import ebs, settings
from bed.base import adds, page, refuse, tag_list, wraps

#: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
#: Archived snapshots per volume; in-progress archives, and in-progress restores, per account.
MOST_ARCHIVED, MOST_ARCHIVING, MOST_RESTORING = 25, 25, 5
MOST_DAYS = 180


class Move:
    """One archival or restore of a snapshot, and the tier that it leads to."""

    def __init__(self, snapshot, kind, setting, days=None, before="standard"):
        account = snapshot.ec2_backend.account_id
        self.kind, self.days, self.before = kind, days, before
        self.started = utcnow()
        self.seconds = settings.get(account, setting)
        self.day = settings.get(account, "restore_day_seconds")
        self.failure, snapshot.tiering_fails = snapshot.tiering_fails, None
        self.settled = False

    @property
    def ends(self):
        return self.started + datetime.timedelta(seconds=self.seconds)

    @property
    def in_progress(self):
        return utcnow() < self.ends

    @property
    def progress(self):
        if not self.in_progress:
            return 100
        return min(99, int(100 * (utcnow() - self.started).total_seconds() / self.seconds))

    @property
    def status(self):
        return f"{self.kind}-{'in-progress' if self.in_progress else 'failed' if self.failure else 'completed'}"

    @property
    def expires(self):
        """When a temporary restore ends."""
        # https://docs.aws.amazon.com/ebs/latest/userguide/modify-temp-restore-period.html
        if self.days is None or self.in_progress or self.failure:
            return None
        return self.ends + datetime.timedelta(seconds=self.days * self.day)

    @property
    def tier(self):
        if self.in_progress or self.failure:
            return self.before
        if self.kind == "archival":
            return "archive"
        return "standard" if self.expires is None or utcnow() < self.expires else "archive"


Snapshot.move = Snapshot.tiering_fails = Snapshot.archived_at = None


# https://docs.aws.amazon.com/ebs/latest/userguide/archive-snapshot.html
# A snapshot can be used while its archival is in progress. Once it is completed, sharing is disabled.
def storage_tier(self):
    move = self.move
    if move is None:
        return "standard"
    if move.kind == "archival" and not (move.in_progress or move.failure or move.settled):
        move.settled, self.archived_at = True, move.ends
        self.create_volume_permission_userids.clear()
        self.create_volume_permission_groups.clear()
    return move.tier


def restore_expiry_time(self):
    expires = self.move and self.move.expires
    return expires if expires and utcnow() < expires else None


Snapshot.storage_tier = property(storage_tier, lambda self, value: None)
Snapshot.restore_expiry_time = property(restore_expiry_time, lambda self, value: None)


@wraps(Snapshot, "get_filter_value")
def get_filter_value(former, self, name, method_name=None):
    if name == "last-tiering-operation":
        return self.move and self.move.status
    return former(self, name, method_name)


def moving(backend, *kinds):
    return sum(one.move is not None and one.move.kind in kinds and one.move.in_progress
               for one in backend.snapshots.values())


def settled(snapshot):
    # https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
    # An archival or a restore can't be canceled once it has started.
    if snapshot.move is not None and snapshot.move.in_progress:
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is in state {snapshot.move.status}.")


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotTier.html
# https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
# Only one's own completed snapshots are archived, a locked one too; one of an AMI only when that is disabled.
@adds(EC2Response)
def modify_snapshot_tier(self):
    backend = self.ec2_backend
    snapshot = ebs.own(backend, self._get_param("SnapshotId"))
    tier = self._get_param("StorageTier") or "archive"
    if tier != "archive":
        refuse("InvalidParameterValue", f"Value ({tier}) for parameter StorageTier is invalid. Use: archive.")
    if snapshot.status != "completed":
        refuse("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
    settled(snapshot)
    if snapshot.storage_tier == "archive" or snapshot.restore_expiry_time:
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is in the archive tier already.")
    image = backend.amis.get(snapshot.from_ami)
    if image is not None and image.state != "disabled":
        refuse("InvalidSnapshot.InUse", f"The snapshot {snapshot.id} is currently in use by {image.id}")
    if moving(backend, "archival") >= MOST_ARCHIVING:
        refuse("ResourceLimitExceeded", f"At most {MOST_ARCHIVING} archivals can be in progress.")
    if snapshot.transfer_type is None and sum(
            one.volume_id == snapshot.volume_id and one.move is not None and one.move.kind != "permanent-restore"
            for one in backend.snapshots.values()) >= MOST_ARCHIVED:
        refuse("ResourceLimitExceeded", f"At most {MOST_ARCHIVED} snapshots of a volume can be archived.")
    self.error_on_dryrun()
    snapshot.move = Move(snapshot, "archival", "archive_seconds")
    return ActionResult({"SnapshotId": snapshot.id, "TieringStartTime": snapshot.move.started})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RestoreSnapshotTier.html
# https://docs.aws.amazon.com/ebs/latest/userguide/restore-archived-snapshot.html
# An archived snapshot is restored for good, or for 1 to 180 days (1 unless given). Of one that is restored for a
# time, the days can be changed, counted anew from now, or it can be made permanent.
@adds(EC2Response)
def restore_snapshot_tier(self):
    backend = self.ec2_backend
    snapshot = ebs.own(backend, self._get_param("SnapshotId"))
    days, forever = self._get_param("TemporaryRestoreDays"), bool(self._get_param("PermanentRestore"))
    if forever and days is not None:
        refuse("InvalidParameterCombination", "TemporaryRestoreDays can't be given with PermanentRestore.")
    days = None if forever else 1 if days is None else int(days)
    if days is not None and not 1 <= days <= MOST_DAYS:
        refuse("InvalidParameterValue", f"Value ({days}) for parameter TemporaryRestoreDays is invalid. 1 to"
                                        f" {MOST_DAYS} days.")
    settled(snapshot)
    restored = snapshot.restore_expiry_time is not None
    if snapshot.storage_tier != "archive" and not restored:
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is not archived.")
    if not restored and moving(backend, "permanent-restore", "temporary-restore") >= MOST_RESTORING:
        refuse("ResourceLimitExceeded", f"At most {MOST_RESTORING} restores can be in progress.")
    self.error_on_dryrun()
    move = Move(snapshot, "permanent-restore" if forever else "temporary-restore", "restore_seconds", days, "archive")
    if restored:  # the data is in the standard tier already
        move.seconds, move.before = 0, "standard"
    snapshot.move = move
    return ActionResult({"SnapshotId": snapshot.id, "RestoreStartTime": move.started, "RestoreDuration": days,
                         "IsPermanentRestore": forever})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotTierStatus.html
@adds(EC2Response)
def describe_snapshot_tier_status(self):
    from moto.ec2.utils import is_filter_matching

    filters = self._filters_from_querystring()
    self.error_on_dryrun()
    found = [one for one in self.ec2_backend.snapshots.values() if one.owner_id == self.current_account
             and all(is_filter_matching(one, name, wanted) for name, wanted in filters.items())]
    found, token = page(self, found)
    return ActionResult({"SnapshotTierStatuses": [entry(one) for one in found], "NextToken": token})


def entry(snapshot):
    tier, move = snapshot.storage_tier, snapshot.move
    shown = {"SnapshotId": snapshot.id, "VolumeId": snapshot.volume_id, "Status": snapshot.status,
             "OwnerId": snapshot.owner_id, "Tags": tag_list(snapshot), "StorageTier": tier,
             "ArchivalCompleteTime": snapshot.archived_at, "RestoreExpiryTime": snapshot.restore_expiry_time}
    if move is not None:
        shown.update({"LastTieringStartTime": move.started, "LastTieringProgress": move.progress,
                      "LastTieringOperationStatus": move.status,
                      "LastTieringOperationStatusDetail": None if move.in_progress else move.failure})
    return shown
