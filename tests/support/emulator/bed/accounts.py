"""AWS accounts of the bed: an administrator for each, and a way to empty one."""

import base64
import hashlib
import json
import re

from moto.core.base_backend import BackendDict, backend_lock
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.sts.models import sts_backends

from bed import settings

ADMINISTRATOR = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
})
DEFAULT_USER = "bed-admin"
PARTITION = "aws"


def check(account):
    if not re.fullmatch(r"\d{12}", account):
        raise ValueError(f"{account!r} is not an account id: 12 digits are")
    return account


def _digest(account, user, length):
    return base64.b32encode(hashlib.sha256(f"{account}/{user}".encode()).digest()).decode()[:length]


def create(account, user=DEFAULT_USER):
    """An administrator of the account, made when missing. The same account and user give the same keys."""
    backend = iam_backends[check(account)][PARTITION]
    key_id = f"AKIABED0{account}" if user == DEFAULT_USER else f"AKIA{_digest(account, user, 16)}"
    secret = _digest(account, f"secret of {user}", 40)
    if user not in backend.users:
        backend.create_user("aws", user)
        backend.put_user_policy(user, "administrator", ADMINISTRATOR)
    if key_id not in backend.access_keys:
        key = backend.create_access_key(user)
        del backend.access_keys[key.access_key_id]
        key.access_key_id, key.secret_access_key = key_id, secret
        backend.access_keys[key_id] = key
    return {
        "account": account,
        "user_arn": backend.users[user].arn,
        "access_key_id": key_id,
        "secret_access_key": secret,
    }


def known(account):
    return account in dict.keys(iam_backends)


def wipe(account):
    """Drops everything that the account holds. Its administrators of the bed stay, with the same keys."""
    users = []
    if known(check(account)):
        users = [user.name for user in iam_backends[account][PARTITION].users.values()
                 if any(key.access_key_id.startswith("AKIA") and _is_ours(account, user.name, key.access_key_id)
                        for key in user.access_keys)]
    with backend_lock:
        for backends in list(BackendDict._instances):
            backends.pop(account, None)
    for bucket, owner in list(s3_backends.bucket_accounts.items()):
        if account in (owner, *(owner if isinstance(owner, (tuple, list)) else ())):
            del s3_backends.bucket_accounts[bucket]  # names of buckets are known to all accounts
    settings.forget(account)
    for user in users:
        create(account, user)


def _is_ours(account, user, key_id):
    return key_id in (f"AKIABED0{account}", f"AKIA{_digest(account, user, 16)}")


def expire_sessions(account):
    """Makes every session of the account's roles expire now."""
    sessions = sts_backends[check(account)][PARTITION].assumed_roles
    for session in sessions:
        session.expiration = utcnow()
    return len(sessions)
