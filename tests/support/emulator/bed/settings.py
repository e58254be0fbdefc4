"""Settings of the bed, for one account or for all."""

import os

from moto.moto_api._internal.models import MotoAPIBackend

from bed.base import LOCK, wraps


def _seconds(name, default):
    return float(os.environ.get(name, default))


#: Each setting with its default. All are times in seconds, but for the scales and the span, and none may be negative.
KNOWN = {
    # how long a snapshot stays pending
    "snapshot_seconds": _seconds("MOTO_SNAPSHOT_SECONDS", "0"),
    # how long a copy of a snapshot stays pending
    "copy_seconds": _seconds("MOTO_COPY_SECONDS", os.environ.get("MOTO_SNAPSHOT_SECONDS", "0")),
    # how soon another snapshot of the same volume may follow one that is still pending (AWS: 15)
    "snapshot_interval_seconds": _seconds("MOTO_SNAPSHOT_INTERVAL_SECONDS", "0"),
    # how much of its deregistration delay a departing target drains (AWS: all of it, 1)
    "draining_scale": _seconds("MOTO_DRAINING_SCALE", "0"),
    # how long the first health checks of a registered target take
    "target_initial_seconds": _seconds("MOTO_TARGET_INITIAL_SECONDS", "0"),
    # how long an instance of an Auto Scaling group stays in each of the states on its way
    "transition_seconds": _seconds("MOTO_TRANSITION_SECONDS", "0"),
    # how soon an instance gets another automatic public address (AWS: within a few minutes)
    "address_seconds": _seconds("MOTO_ADDRESS_SECONDS", "0"),
    # how long changed metadata options stay pending
    "metadata_seconds": _seconds("MOTO_METADATA_SECONDS", "0"),
    # how long reads show the inline policies that a role had before a change
    "iam_seconds": _seconds("MOTO_IAM_SECONDS", "0"),
    # how much of its heartbeat timeout a lifecycle hook waits
    "heartbeat_scale": _seconds("MOTO_HEARTBEAT_SCALE", "1"),
    # how long after an instance of a group began to fail its health checks it counts as unhealthy
    "health_check_seconds": _seconds("MOTO_HEALTH_CHECK_SECONDS", "0"),
    # how long an hour of the cooling-off period of a lock is (AWS: 3600)
    "cool_off_hour_seconds": _seconds("MOTO_COOL_OFF_HOUR_SECONDS", "3600"),
    # whether the copy of an encrypted snapshot to another Region needs a PresignedUrl (1), as the reference once said
    "presigned_url_required": _seconds("MOTO_PRESIGNED_URL_REQUIRED", "0"),
    # how long it takes to archive a snapshot, and to restore it (AWS: up to 72 hours)
    "archive_seconds": _seconds("MOTO_ARCHIVE_SECONDS", "0"),
    "restore_seconds": _seconds("MOTO_RESTORE_SECONDS", "0"),
    # how long a day of a temporary restore is (AWS: 86400)
    "restore_day_seconds": _seconds("MOTO_RESTORE_DAY_SECONDS", "86400"),
    # how long a grant of a key that was made, revoked or retired, and a new key policy, take to have their effect
    # (AWS: usually less than 300)
    "grant_seconds": _seconds("MOTO_GRANT_SECONDS", "0"),
    "key_policy_seconds": _seconds("MOTO_KEY_POLICY_SECONDS", "0"),
    # how long the tokens of EBS direct are good (AWS: an hour, and 7 days)
    "page_token_seconds": 3600.0,
    "block_token_seconds": 7 * 24 * 3600.0,
    # how many block indexes a page of EBS direct looks at, so that it may be empty; 0: no bound
    "ebs_page_span": 0.0,
}

_values = {}


def get(account, name):
    """The value for an account: its own, else the one for all accounts, else the default."""
    for scope in (account, None):
        if (scope, name) in _values:
            return _values[scope, name]
    return KNOWN[name]


def put(account, values):
    """Sets values for one account, or for all with None."""
    wrong = [name for name in values if name not in KNOWN]
    if wrong:
        raise ValueError(f"no such setting: {', '.join(wrong)}; there are: {', '.join(KNOWN)}")
    checked = {}
    for name, value in values.items():
        checked[account, name] = number(name, value)
    _values.update(checked)


def number(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"{name}: {value!r} is not a number of at least 0")
    return float(value)


def shown(account):
    return {name: get(account, name) for name in KNOWN}


def forget(account):
    for scope, name in list(_values):
        if scope == account:
            del _values[scope, name]


@wraps(MotoAPIBackend, "reset")
def reset(former, self):
    """`POST /moto-api/reset` forgets the settings too."""
    with LOCK:
        _values.clear()
        return former(self)
