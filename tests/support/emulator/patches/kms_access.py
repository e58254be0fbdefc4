"""Who may use a KMS key, from its own account and from others, and in which state of the key."""

from moto.kms.models import kms_backends
from moto.kms.responses import KmsResponse

from bed import identity, keys
from bed.base import refuse, wraps

# https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html ("Cross-account use")
CROSS_ACCOUNT = {
    "CreateGrant", "ListGrants", "RevokeGrant", "RetireGrant", "DescribeKey", "Encrypt", "Decrypt", "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
    "GetKeyRotationStatus", "GetPublicKey", "Sign", "Verify", "GenerateMac", "VerifyMac",
}
# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
# A disabled key (DisabledException) and one that waits for its deletion (KMSInvalidStateException) can't be used.
USES = {
    "CreateGrant", "Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext", "ReEncrypt", "Sign", "Verify", "GenerateMac", "VerifyMac",
}
# While it waits for its deletion nor can these be done to it (KMSInvalidStateException).
CHANGES = {
    "DisableKey", "EnableKey", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateKeyDescription",
    "DisableKeyRotation", "EnableKeyRotation",
}
#: Operations whose KeyId is not that of an existing key to be checked.
OTHERS = {"CreateKey", "ListKeys", "ListAliases", "CreateAlias", "UpdateAlias", "DeleteAlias", "RetireGrant"}


def owner(self):
    """The account whose key a request names."""
    whole = keys.ARN.fullmatch(self._get_param("KeyId") or "") if self.body else None
    if whole and self._get_action() in CROSS_ACCOUNT and whole.group(2) in dict.keys(kms_backends):
        return whole.group(2)
    return self.current_account


KmsResponse.kms_backend = property(lambda self: kms_backends[owner(self)][self.region])


# https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
# A call is allowed by the key policy or by a grant, and refused with AccessDeniedException otherwise; a principal
# of another account needs one of the two in the key's account. (What the caller's own IAM policies say is not
# looked at here.) https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
# With DryRun a call that would have been allowed ends in DryRunOperationException.
@wraps(KmsResponse, "call_action")
def call_action(former, self):
    action, identifier = self._get_action(), self._get_param("KeyId")
    if identifier and action not in OTHERS:
        checked(self, action, identifier)
    if action in USES | {"RevokeGrant", "RetireGrant"} and self._get_param("DryRun"):
        refuse("DryRunOperationException",
                      "The request would have succeeded, but the DryRun option is set.", 412)
    return former(self)


def checked(self, action, identifier):
    key = keys.resolve(owner(self), self.region, identifier)
    caller = identity.of(self)
    if key is None:
        if self._get_param("KeyId").startswith("alias/"):
            refuse("NotFoundException", f"Alias {self._display_arn(identifier)} is not found.")
        refuse("NotFoundException", f"Key '{self._display_arn(identifier)}' does not exist")
    tokens = self._get_param("GrantTokens") or []
    # https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html (InvalidGrantTokenException)
    if not set(tokens) <= {token for grant in key.grants.values() for token in grant.tokens}:
        refuse("InvalidGrantTokenException", "The grant token is not valid.")
    foreign = key.account_id != caller.account and action not in CROSS_ACCOUNT
    if foreign or not keys.authorized(key, caller, action, {"kms:GrantIsForAWSResource": "false"}, tokens):
        refuse("AccessDeniedException", f"User: {caller.arn} is not authorized to perform: kms:{action} on"
                                               f" resource: {key.arn} because no resource-based policy allows the"
                                               f" kms:{action} action")
    if action in USES and key.key_state == "Disabled":
        refuse("DisabledException", f"{key.arn} is disabled.")
    if action in USES | CHANGES and key.key_state == "PendingDeletion":
        refuse("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if action == "CancelKeyDeletion" and key.key_state != "PendingDeletion":
        refuse("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
