"""Who makes a call."""

import dataclasses
import re

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends


@dataclasses.dataclass(frozen=True)
class Caller:
    account: str
    #: as GetCallerIdentity shows it: a user, or a session of a role
    arn: str
    #: as policies name it: a user, or the role of a session
    principal: str
    #: whether it is a session of a role
    session: bool = False


def of(response):
    """The caller of a request."""
    account, key, partition = response.current_account, response.access_key, response.partition
    for session in sts_backends[account][partition].assumed_roles:
        if session.access_key_id == key:
            return Caller(account, session.arn, session.role_arn, session=True)
    user = iam_backends[account][partition].get_user_from_access_key_id(key)
    arn = user.arn if user else f"arn:{partition}:iam::{account}:root"
    return Caller(account, arn, arn)


PRINCIPAL = re.compile(r"arn:[\w-]+:(iam|sts)::(\d{12}):(root|user/.+|role/.+|assumed-role/.+)")


def exists(principal):
    """Whether a principal exists: a user or a role in its account; accounts, sessions and services always do."""
    whole = PRINCIPAL.fullmatch(principal)
    if whole is None:
        return principal.endswith(".amazonaws.com")
    account, rest = whole.group(2), whole.group(3)
    if rest == "root" or rest.startswith("assumed-role/"):
        return True
    if account not in dict.keys(iam_backends):
        return False
    backend = iam_backends[account]["aws"]
    return principal in {item.arn for item in [*backend.roles.values(), *backend.users.values()]}
