"""PutKeyPolicy and the Policy of CreateKey."""

import json

from tests.harness import client
from tests.test_kms import READ, KmsTest


class Policies(KmsTest):
    def document(self, *statements):
        whole = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"}, "Action": "kms:*",
                 "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [whole, *statements]})

    def put(self, key, policy, **parameters):
        return self.kms.put_key_policy(KeyId=key, Policy=policy, **parameters)

    def test_malformed(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
        A document that is not a policy, or that would lock the caller out, is MalformedPolicyDocumentException, as
        it is for CreateKey; the latter not with BypassPolicyLockoutSafetyCheck."""
        key = self.key()
        lockout = json.dumps({"Statement": [{**READ, "Principal": {"AWS": self.account}}]})
        for policy in ("no json", "{}", json.dumps({"Statement": [READ]}), lockout):
            with self.subTest(policy=policy):
                self.refused("MalformedPolicyDocumentException", self.put, 400, key=key, policy=policy)
                self.refused("MalformedPolicyDocumentException", self.kms.create_key, 400, Policy=policy)
        self.put(key, lockout, BypassPolicyLockoutSafetyCheck=True)

    def test_size(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
        "If the key policy exceeds the length constraint, KMS returns a LimitExceededException."
        https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
        "Key policy document size: 32 KB (32,768 bytes)" """
        key, policy = self.key(), self.document()
        self.put(key, policy + " " * (32768 - len(policy)))
        self.refused("LimitExceededException", self.put, 400, key=key, policy=policy + " " * (32769 - len(policy)))
        self.refused("ValidationException", self.put, 400, key=key, policy=policy.replace("kms:*", "kms:\u0100"))

    def test_principals_exist(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
        "The principals in the key policy must exist and be visible to KMS." """
        key = self.key()
        role = f"arn:aws:iam::{self.account}:role/forensics"
        policy = self.document({**READ, "Principal": {"AWS": [role, self.other]}})
        message = self.refused("MalformedPolicyDocumentException", self.put, 400, key=key, policy=policy)
        self.assertIn("invalid principals", message)
        client("iam", self.account).create_role(RoleName="forensics", AssumeRolePolicyDocument="{}")
        self.put(key, policy)
        self.assertEqual(json.loads(self.kms.get_key_policy(KeyId=key)["Policy"]), json.loads(policy))

    def test_names(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html (PolicyName)
        "If no policy name is specified, the default value is default." AWS_RAM is a ValidationException with "The
        AWS_RAM policy can only be managed by the RAM service." """
        key, policy = self.key(), self.document()
        message = self.refused("ValidationException", self.put, 400, key=key, policy=policy, PolicyName="AWS_RAM")
        self.assertEqual(message, "The AWS_RAM policy can only be managed by the RAM service.")
        self.put(key, policy, PolicyName="default")
