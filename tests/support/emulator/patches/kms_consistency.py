"""Grants and key policies that take time to have their effect, where the bed's settings say so."""

import datetime

from moto.core.utils import utcnow
from moto.kms.models import Key, KmsBackend

from bed import keys, settings
from bed.base import wraps

# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
# "When you create, retire, or revoke a grant, there might be a brief delay, usually less than five minutes, until
# the grant is available throughout KMS." Its token lets the grantee use it at once.
# https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency
# Key policies are eventually consistent likewise: until then the former one is in force.


def after(key, setting):
    return utcnow() + datetime.timedelta(seconds=settings.get(key.account_id, setting))


Key.former_policy, Key.policy_effective = None, datetime.datetime.min


@wraps(keys, "granted")
def granted(former, key, grant):
    grant.effective = after(key, "grant_seconds")
    former(key, grant)


def leaving(key):
    """Grants that were revoked or retired and still have their effect, with the time of its end."""
    kept = key.__dict__["leaving"] = [pair for pair in key.__dict__.get("leaving", []) if utcnow() < pair[1]]
    return kept


def lingers(name):
    @wraps(Key, name)
    def method(former, self, *args):
        before = dict(self.grants)
        answer = former(self, *args)
        until = after(self, "grant_seconds")
        for identifier, grant in before.items():
            if identifier not in self.grants and grant.effective <= utcnow():  # else it never gets any effect
                leaving(self).append((grant, until))
        return answer


for operation in ("revoke_grant", "retire_grant", "retire_grant_by_token"):
    lingers(operation)


@wraps(keys, "grants_in_force")
def grants_in_force(former, key, tokens):
    for grant in former(key, tokens):
        if grant.effective <= utcnow() or grant.tokens & set(tokens):
            yield grant
    for grant, _ in leaving(key):
        yield grant


@wraps(KmsBackend, "put_key_policy")
def put_key_policy(former, self, key_id, policy):
    key = self.keys[self.get_key_id(key_id)]
    key.former_policy, key.policy_effective = keys.policy_in_force(key), after(key, "key_policy_seconds")
    return former(self, key_id, policy)


@wraps(keys, "policy_in_force")
def policy_in_force(former, key):
    return key.former_policy if utcnow() < key.policy_effective else former(key)
