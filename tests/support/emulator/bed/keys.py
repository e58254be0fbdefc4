"""KMS keys as other services and other accounts see them."""

import re

from moto.kms.models import kms_backends

from bed import policy

ARN = re.compile(r"arn:[\w-]+:kms:([\w-]+):(\d{12}):(key/|alias/)(.+)")

#: What a principal needs on the key of an encrypted snapshot to copy it, or to make a volume of it:
#: https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
EBS_ACTIONS = ("DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext")


def resolve(account, region, identifier):
    """The key that an id, an ARN, an alias or the ARN of an alias names; None if there is none."""
    if not identifier:
        return None
    whole = ARN.fullmatch(identifier)
    if whole:
        named, account, kind, rest = whole.groups()
        if named != region:
            return None
        identifier = rest if kind == "key/" else kind + rest
    if account not in dict.keys(kms_backends) and not identifier.startswith("alias/aws/"):
        return None
    backend = kms_backends[account][region]
    if identifier.startswith("alias/"):
        identifier = backend.get_key_id_from_alias(identifier)
    return backend.keys.get(identifier)


def grantee_matches(grantee, caller):
    return policy.principal_matches({"AWS": grantee}, caller)


def granted(key, grant):
    """Adds a grant to its key."""
    key.grants[grant.id] = grant


def grants_in_force(key, tokens):
    """The grants that have their effect for a request with these grant tokens."""
    return key.grants.values()


def policy_in_force(key):
    return key.policy


def authorized(key, caller, action, context=None, tokens=()):
    """Whether key policy or a grant let the caller do this. `action` without "kms:".

    https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
    """
    context = {"kms:CallerAccount": caller.account, **(context or {})}
    decision = policy.decide(policy_in_force(key), f"kms:{action}", caller, context)
    if decision is not None:
        return decision
    return any(action in grant.operations and grantee_matches(grant.grantee_principal, caller)
               for grant in grants_in_force(key, tokens))


def usable_by_ebs(key, caller, region):
    """Whether EBS can use the key for the caller."""
    if key is None or key.key_state != "Enabled" or key.key_spec != "SYMMETRIC_DEFAULT":
        return False
    context = {"kms:ViaService": f"ec2.{region}.amazonaws.com", "kms:GrantIsForAWSResource": "true"}
    return all(authorized(key, caller, action, context) for action in EBS_ACTIONS)


def aws_managed(account, region, identifier):
    """Whether this is the key that AWS made for EBS in an account."""
    key = resolve(account, region, identifier)
    return key is not None and any(name.startswith("alias/aws/") for name in key.aliases)
