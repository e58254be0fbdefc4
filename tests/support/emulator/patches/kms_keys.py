"""KMS keys: those that AWS manages, and their states."""

import json

from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, KmsBackend
from moto.kms.responses import KmsResponse
from moto.kms.utils import RESERVED_ALIASES

from bed.base import wraps

# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk
# Keys behind the aliases alias/aws/… are managed by AWS: DescribeKey shows KeyManager AWS.
Key.key_manager = property(
    lambda self: "AWS" if any(name.startswith("alias/aws/") for name in getattr(self, "aliases", {})) else "CUSTOMER",
    lambda self, value: None)


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
# https://docs.aws.amazon.com/kms/latest/developerguide/aws-managed-policies-key.html
# The policy of such a key lets the account use it through the service, and otherwise only look at it.
def managed_policy(key, service):
    root = f"arn:aws:iam::{key.account_id}:root"
    return json.dumps({"Version": "2012-10-17", "Id": f"auto-{service}", "Statement": [
        {"Sid": "use through the service", "Effect": "Allow", "Principal": {"AWS": "*"},
         "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant",
                    "kms:DescribeKey"],
         "Resource": "*",
         "Condition": {"StringEquals": {"kms:CallerAccount": key.account_id,
                                        "kms:ViaService": f"ec2.{key.region}.amazonaws.com"}}},
        {"Sid": "look at it", "Effect": "Allow", "Principal": {"AWS": root},
         "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"], "Resource": "*"},
    ]})


@wraps(KmsBackend, "create_alias")
def create_alias(former, self, target_key_id, alias_name):
    alias = former(self, target_key_id, alias_name)
    if alias_name == "alias/aws/ebs":
        key = self.keys[self.get_key_id(target_key_id)]
        key.policy = managed_policy(key, "ec2")
    return alias


# https://docs.aws.amazon.com/kms/latest/APIReference/API_AliasListEntry.html
# An AWS alias has no TargetKeyId until its key is made.
@wraps(KmsResponse, "list_aliases")
def list_aliases(former, self):
    answer = json.loads(former(self))
    for alias in answer["Aliases"]:
        if alias["AliasName"] in RESERVED_ALIASES and alias["TargetKeyId"] not in self.kms_backend.keys:
            del alias["TargetKeyId"]
    return json.dumps(answer)


# https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html and its sisters
# The key is named by id or by ARN.
def takes_arns(name):
    @wraps(KmsBackend, name)
    def method(former, self, key_id, *args, **kwargs):
        return former(self, self.get_key_id(key_id), *args, **kwargs)


for operation in ("disable_key", "enable_key", "cancel_key_deletion", "schedule_key_deletion"):
    takes_arns(operation)


# https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
# The answer has the key's state and its waiting period of 7 to 30 days (30 unless given).
@wraps(KmsResponse, "schedule_key_deletion")
def schedule_key_deletion(former, self):
    days = self._get_param("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        raise JsonRESTError("ValidationException", "PendingWindowInDays must be between 7 and 30")
    answer = json.loads(former(self))
    answer.update({"KeyId": self._display_arn(answer["KeyId"]), "KeyState": "PendingDeletion",
                   "PendingWindowInDays": days})
    return json.dumps(answer)


# https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html (the ARN of the key)
@wraps(KmsResponse, "cancel_key_deletion")
def cancel_key_deletion(former, self):
    answer = json.loads(former(self))
    return json.dumps({"KeyId": self._display_arn(answer["KeyId"])})
