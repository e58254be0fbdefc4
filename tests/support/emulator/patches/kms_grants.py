"""Grants of KMS keys: named ones are made once, and each shows who issued it."""

import json
import re
import secrets

from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time
from moto.kms.models import Grant, Key
from moto.kms.responses import KmsResponse

from bed import identity, keys
from bed.base import adds, wraps

OPERATIONS = {
    "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
    "Sign", "Verify", "GetPublicKey", "CreateGrant", "RetireGrant", "DescribeKey", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "DeriveSharedSecret",
}
NAME = re.compile(r"[a-zA-Z0-9:/_-]{1,256}")


# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
# With a Name, a request that is identical in every parameter gives the grant that exists, with its id and a new
# token; without, each request makes a grant. The grantee must be a principal that exists: InvalidArnException.
@adds(KmsResponse)
def create_grant(self):
    name, grantee = self._get_param("Name"), self._get_param("GranteePrincipal")
    retiring, operations = self._get_param("RetiringPrincipal"), self._get_param("Operations") or []
    constraints = self._get_param("Constraints")
    if name is not None and not NAME.fullmatch(name):
        raise JsonRESTError("ValidationException", f"Value '{name}' at 'name' failed to satisfy constraint")
    wrong = [operation for operation in operations if operation not in OPERATIONS]
    if wrong or not operations:
        raise JsonRESTError("ValidationException", f"Value '{operations}' at 'operations' failed to satisfy constraint")
    for principal in filter(None, (grantee, retiring)):
        if not identity.exists(principal):
            raise JsonRESTError("InvalidArnException", f"ARN does not refer to a valid principal: {principal}")
    key = self.kms_backend.describe_key(self._get_param("KeyId"))
    wanted = (name, grantee, retiring, sorted(operations), constraints)
    for grant in key.grants.values():
        if name and wanted == (grant.name, grant.grantee_principal, grant.retiring_principal,
                               sorted(grant.operations), grant.constraints):
            break
    else:
        grant = Grant(key.id, name, grantee, operations, constraints, retiring)
        grant.id, grant.tokens = secrets.token_hex(32), set()
        grant.creation_date = unix_time()
        grant.issuer = identity.of(self).account
        grant.key_arn = key.arn
        keys.granted(key, grant)
    token = secrets.token_urlsafe(128)
    grant.tokens.add(token)
    return json.dumps({"GrantId": grant.id, "GrantToken": token})


# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html (Name)
# "All grant tokens for the same grant ID can be used interchangeably."
@adds(Key)
def retire_grant_by_token(self, grant_token):
    self.grants = {name: grant for name, grant in self.grants.items() if grant_token not in grant.tokens}


# https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html
# KeyId is the ARN of the key; the entry has the issuing account and the time of creation.
@wraps(Grant, "to_json")
def to_json(former, self):
    shown = former(self)
    if hasattr(self, "issuer"):
        shown.update({"KeyId": self.key_arn, "IssuingAccount": f"arn:aws:iam::{self.issuer}:root",
                      "CreationDate": self.creation_date})
    return {name: value for name, value in shown.items() if value is not None}


# https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
# Grants may be chosen by id or by grantee, and come in pages of Limit (1 to 100, 50 unless given) with a Marker.
@adds(KmsResponse)
def list_grants(self):
    grants = self.kms_backend.list_grants(self._get_param("KeyId"), self._get_param("GrantId"))
    grantee, limit = self._get_param("GranteePrincipal"), self._get_param("Limit", 50)
    if grantee:
        grants = [grant for grant in grants if grant.grantee_principal == grantee]
    if not 1 <= limit <= 100:
        raise JsonRESTError("ValidationException", f"Value '{limit}' at 'limit' failed to satisfy constraint")
    marker = self._get_param("Marker") or "0"
    if not marker.isdigit():
        raise JsonRESTError("InvalidMarkerException", "The marker is not valid")
    start, end = int(marker), int(marker) + limit
    answer = {"Grants": [grant.to_json() for grant in grants[start:end]], "Truncated": end < len(grants)}
    if answer["Truncated"]:
        answer["NextMarker"] = str(end)
    return json.dumps(answer)
