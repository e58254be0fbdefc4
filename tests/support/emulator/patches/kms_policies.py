"""Key policies: whole documents, of bounded size, that name principals which exist and lock nobody out."""

import json
import re

from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

from bed import identity, policy
from bed.base import refuse, wraps

#: https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html (key policy document size)
MOST_BYTES = 32768
CHARACTERS = re.compile(r"[\u0009\u000A\u000D\u0020-\u00FF]+")
MALFORMED = "MalformedPolicyDocumentException"


# https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
# "If the key policy exceeds the length constraint, KMS returns a LimitExceededException." It must be valid, name
# principals that exist, and leave the caller able to change it again: MalformedPolicyDocumentException. Only the
# default policy is put; the name AWS_RAM is a ValidationException.
@wraps(KmsResponse, "put_key_policy")
def put_key_policy(former, self):
    if self._get_param("PolicyName") == "AWS_RAM":
        refuse("ValidationException", "The AWS_RAM policy can only be managed by the RAM service.")
    check(self, self._get_param("Policy"))
    return with_default_name(former, self)


# https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html (PolicyName: default unless given)
@wraps(KmsResponse, "get_key_policy")
def get_key_policy(former, self):
    return with_default_name(former, self)


def with_default_name(former, self):
    if self._get_param("PolicyName") is None:
        self.body = json.dumps({**json.loads(self.body), "PolicyName": "default"})
    return former(self)


# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html (Policy: as for PutKeyPolicy)
@wraps(KmsResponse, "create_key")
def create_key(former, self):
    document = self._get_param("Policy")
    if document is not None:
        check(self, document)
    return former(self)


def check(self, document):
    if not isinstance(document, str) or not CHARACTERS.fullmatch(document):
        raise JsonRESTError("ValidationException", "Value at 'policy' failed to satisfy constraint")
    if len(document.encode()) > MOST_BYTES:
        raise JsonRESTError("LimitExceededException", f"The key policy exceeds {MOST_BYTES} bytes")
    if not valid(document):
        raise JsonRESTError(MALFORMED, "The policy document is not valid")
    if not all(identity.exists(name) for name in named(document)):
        raise JsonRESTError(MALFORMED, "Policy contains a statement with one or more invalid principals.")
    if not self._get_param("BypassPolicyLockoutSafetyCheck") and not policy.decide(
            document, "kms:PutKeyPolicy", identity.of(self)):
        raise JsonRESTError(MALFORMED, "The new key policy will not allow you to update the key policy in the future.")


def named(document):
    """The principals of AWS that a document names: neither all nor accounts by id."""
    for statement in policy.listed(json.loads(document)["Statement"]):
        for kind in ("Principal", "NotPrincipal"):
            principals = statement.get(kind)
            for name in policy.listed(principals.get("AWS")) if isinstance(principals, dict) else []:
                if name != "*" and not re.fullmatch(r"\d{12}", name):
                    yield name


def valid(document):
    try:
        statements = policy.listed(json.loads(document)["Statement"])
    except (ValueError, TypeError, KeyError):
        return False
    return bool(statements) and all(
        isinstance(one, dict) and one.get("Effect") in ("Allow", "Deny") and ("Principal" in one
                                                                              or "NotPrincipal" in one)
        for one in statements)
