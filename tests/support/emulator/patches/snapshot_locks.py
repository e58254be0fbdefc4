"""LockSnapshot and its family: both modes, the cooling-off period, and time."""

import datetime
import math

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses import EC2Response

from bed import ebs, settings
from bed.base import adds, page, refuse, wraps

DAY = datetime.timedelta(days=1)
Snapshot.lock = None


class Lock:
    """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-concepts.html"""

    def __init__(self, snapshot, mode, days, expires, cooling):
        self.snapshot, self.mode, self.days, self.expires, self.cooling = snapshot, mode, days, expires, cooling
        self.created = utcnow()
        self.hour = settings.get(snapshot.ec2_backend.account_id, "cool_off_hour_seconds")

    @property
    def starts(self):
        """The duration of a lock that was put on a pending snapshot starts when the snapshot is completed."""
        completed = self.snapshot.completion_time
        return None if completed is None else max(self.created, completed)

    @property
    def expires_on(self):
        if self.expires is not None:
            return self.expires
        return None if self.starts is None else self.starts + self.days * DAY

    @property
    def cooling_ends(self):
        return None if self.cooling is None else self.created + datetime.timedelta(seconds=self.cooling * self.hour)

    @property
    def state(self):
        now = utcnow()
        if self.expires_on is not None and self.expires_on <= now:
            return "expired"
        if self.mode == "compliance" and self.cooling_ends is not None and now < self.cooling_ends:
            return "compliance-cooloff"
        return self.mode

    @property
    def duration(self):
        if self.expires is None:
            return self.days
        return math.ceil((self.expires - (self.starts or self.created)) / DAY)

    def shown(self):
        return {"SnapshotId": self.snapshot.id, "OwnerId": self.snapshot.owner_id, "LockState": self.state,
                "LockDuration": self.duration, "CoolOffPeriod": self.cooling,
                "CoolOffPeriodExpiresOn": self.cooling_ends, "LockCreatedOn": self.created,
                "LockDurationStartTime": self.starts, "LockExpiresOn": self.expires_on}


def lock_of(snapshot):
    """The lock; there is none any more when the making of the snapshot failed."""
    # https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-considerations.html
    return None if snapshot.status == "error" else snapshot.lock


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
# A snapshot that is pending or completed is locked in a mode, for 1 to 36500 days or until a date: exactly one of
# the two. A cooling-off period of 1 to 72 hours goes with compliance only. A lock in governance mode or in its
# cooling-off period can be changed at will; in compliance mode after that it can only be extended.
@adds(EC2Response)
def lock_snapshot(self):
    snapshot = ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    mode = self._get_param("LockMode")
    days, expires, cooling = (self._get_param(name) for name in ("LockDuration", "ExpirationDate", "CoolOffPeriod"))
    expires = expires.replace(tzinfo=None) if isinstance(expires, datetime.datetime) else expires
    days, cooling = (None if value is None else int(value) for value in (days, cooling))
    checked(mode, days, expires, cooling)
    if snapshot.status not in ("pending", "completed"):
        refuse("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
    new = Lock(snapshot, mode, days, expires, cooling)
    old = lock_of(snapshot)
    if old is not None and old.state == "compliance":
        extends(old, new, cooling)
    self.error_on_dryrun()
    snapshot.lock = new
    return ActionResult(new.shown())


def checked(mode, days, expires, cooling):
    if mode not in ("governance", "compliance"):
        refuse("InvalidParameterValue", f"Value ({mode}) for parameter LockMode is invalid.")
    if (days is None) == (expires is None):
        refuse("InvalidParameterCombination", "Specify either LockDuration or ExpirationDate, but not both.")
    if days is not None and not 1 <= days <= 36500:
        refuse("InvalidParameterValue", f"Value ({days}) for parameter LockDuration is invalid. 1 to 36500 days.")
    if expires is not None and expires <= utcnow():
        refuse("InvalidParameterValue", "ExpirationDate must be in the future.")
    if cooling is not None and mode != "compliance":
        refuse("InvalidParameterCombination", "CoolOffPeriod can be specified for compliance mode only.")
    if cooling is not None and not 1 <= cooling <= 72:
        refuse("InvalidParameterValue", f"Value ({cooling}) for parameter CoolOffPeriod is invalid. 1 to 72 hours.")


# The codes of these refusals are not documented.
def extends(old, new, cooling):
    if new.mode != "compliance":
        refuse("OperationNotPermitted", "The lock mode of a snapshot locked in compliance mode can't be changed.")
    if cooling is not None:
        refuse("InvalidParameterCombination", "CoolOffPeriod can't be specified when extending a lock.")
    far = datetime.datetime.max
    ends = (new.expires_on or far) if new.expires is not None or new.starts else new.created + new.days * DAY
    before = old.expires_on or old.created + old.days * DAY
    if ends < before:
        refuse("OperationNotPermitted", "The lock of a snapshot locked in compliance mode can only be extended.")


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnlockSnapshot.html
# Ends a lock in governance mode or within its cooling-off period, not one in compliance mode after that.
@adds(EC2Response)
def unlock_snapshot(self):
    snapshot = ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    lock = lock_of(snapshot)
    if lock is None:
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is not locked.")
    if lock.state == "compliance":
        refuse("OperationNotPermitted", f"The snapshot '{snapshot.id}' is locked in compliance mode.")
    self.error_on_dryrun()
    snapshot.lock = None
    return ActionResult({"SnapshotId": snapshot.id})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLockedSnapshots.html
# Lock state of one's snapshots, expired ones too; lock-state is the only filter.
@adds(EC2Response)
def describe_locked_snapshots(self):
    backend, ids = self.ec2_backend, self._get_param("SnapshotIds", [])
    states = self._filters_from_querystring().get("lock-state")
    self.error_on_dryrun()
    held = [ebs.own(backend, identifier) for identifier in dict.fromkeys(ids)] if ids else backend.snapshots.values()
    locks = [lock_of(snapshot) for snapshot in held if snapshot.lock and lock_of(snapshot)]
    locks = [lock.shown() for lock in locks if states is None or lock.state in states]
    locks, token = page(self, locks)
    return ActionResult({"Snapshots": locks, "NextToken": token})


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-snapshot-lock.html
# A locked snapshot can't be deleted until its lock has expired or, where that is allowed, was removed.
@wraps(EBSBackend, "delete_snapshot")
def delete_snapshot(former, self, snapshot_id):
    snapshot = self.snapshots.get(snapshot_id)
    lock = snapshot and snapshot.lock and lock_of(snapshot)
    if lock and lock.state != "expired":
        refuse("OperationNotPermitted", f"The snapshot '{snapshot_id}' is locked and can't be deleted.")
    return former(self, snapshot_id)
