"""KMS: managed keys, states, access from other accounts, grants."""

import json

from tests.harness import AwsTest, account, client

READ = {"Effect": "Allow", "Action": ["kms:DescribeKey"], "Resource": "*"}


class KmsTest(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = account()
        cls.kms, cls.theirs = client("kms", cls.account), client("kms", cls.other)

    def key(self, *statements):
        """A new key, whose policy has these statements beside that of its account."""
        whole = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"}, "Action": "kms:*",
                 "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [whole, *statements]})
        return self.kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]

    def grant(self, key, **parameters):
        return self.kms.create_grant(**{"KeyId": key, "GranteePrincipal": f"arn:aws:iam::{self.other}:root",
                                        "Operations": ["DescribeKey", "Decrypt"], **parameters})


class Keys(KmsTest):
    def test_aws_managed_key(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-cmk
        The key behind alias/aws/ebs has KeyManager AWS, and a policy that its account can't change; a customer's
        key has KeyManager CUSTOMER."""
        managed = self.kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]
        self.assertEqual((managed["KeyManager"], managed["AWSAccountId"]), ("AWS", self.account))
        own = self.kms.describe_key(KeyId=self.key())["KeyMetadata"]
        self.assertEqual(own["KeyManager"], "CUSTOMER")
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, Encrypted=True)
        self.assertEqual(volume["KmsKeyId"], managed["Arn"])
        self.refused("AccessDeniedException", self.grant, 400, key=managed["Arn"])
        self.refused("AccessDeniedException", self.kms.schedule_key_deletion, 400, KeyId=managed["KeyId"])

    def test_states(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
        A disabled key can't be used (DisabledException), nor one that waits for its deletion
        (KMSInvalidStateException); both can be described."""
        key = self.key()
        self.kms.disable_key(KeyId=key.split("/")[1])
        self.refused("DisabledException", self.kms.encrypt, 400, KeyId=key, Plaintext=b"x")
        self.refused("DisabledException", self.grant, 400, key=key)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
        self.kms.enable_key(KeyId=key.split("/")[1])
        answer = self.kms.schedule_key_deletion(KeyId=key.split("/")[1], PendingWindowInDays=7)
        self.assertEqual((answer["KeyState"], answer["PendingWindowInDays"]), ("PendingDeletion", 7))
        self.refused("KMSInvalidStateException", self.kms.generate_data_key, 400, KeyId=key, KeySpec="AES_256")

    def test_a_key_that_waits_for_its_deletion(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
        Pending deletion it can't be enabled, disabled, scheduled again or used by a grant ("KMSInvalidStateException:
        <key ARN> is pending deletion"); its policy and grants can be read, changed and revoked; the deletion can be
        canceled, and only then ("is not pending deletion"). After that it is disabled."""
        key = self.key()
        grant = self.grant(key)["GrantId"]
        self.refused("KMSInvalidStateException", self.kms.cancel_key_deletion, 400, KeyId=key)
        self.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        for call in (self.kms.enable_key, self.kms.disable_key, self.kms.schedule_key_deletion):
            self.assertIn("is pending deletion", self.refused("KMSInvalidStateException", call, 400, KeyId=key))
        self.refused("KMSInvalidStateException", self.grant, 400, key=key)
        self.refused("KMSInvalidStateException", self.theirs.decrypt, 400, KeyId=key, CiphertextBlob=b"x")
        policy = self.kms.get_key_policy(KeyId=key)["Policy"]
        self.kms.put_key_policy(KeyId=key, Policy=policy)
        self.kms.revoke_grant(KeyId=key, GrantId=grant)
        self.assertEqual(self.kms.cancel_key_deletion(KeyId=key.split("/")[1])["KeyId"], key)
        self.assertEqual(self.kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")

    def test_unknown_keys(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html (NotFoundException)"""
        for key in ("12345678-1234-1234-1234-123456789012", "alias/nothing"):
            self.refused("NotFoundException", self.kms.describe_key, 400, KeyId=key)
            self.refused("NotFoundException", self.grant, 400, key=key)


class OtherAccounts(KmsTest):
    def test_by_policy(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
        Another account uses a key, by its ARN, only where the key policy (or a grant) allows it."""
        self.refused("AccessDeniedException", self.theirs.describe_key, 400, KeyId=self.key())
        shared = self.key({**READ, "Principal": {"AWS": self.other}})
        shown = self.theirs.describe_key(KeyId=shared)["KeyMetadata"]
        self.assertEqual((shown["Arn"], shown["AWSAccountId"]), (shared, self.account))
        self.refused("AccessDeniedException", self.theirs.generate_data_key, 400, KeyId=shared, KeySpec="AES_256")
        self.refused("NotFoundException", self.theirs.describe_key, 400, KeyId=shared.split("/")[1])

    def test_by_grant(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
        A grant allows its operations to its grantee, until it is revoked."""
        key = self.key()
        made = self.grant(key, Operations=["DescribeKey", "GenerateDataKeyWithoutPlaintext"])
        self.theirs.describe_key(KeyId=key)
        self.theirs.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
        self.refused("AccessDeniedException", self.theirs.encrypt, 400, KeyId=key, Plaintext=b"x")
        self.kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
        self.refused("AccessDeniedException", self.theirs.describe_key, 400, KeyId=key)

    def test_some_calls_stay_in_the_account(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
        "Cross-account use: No", whatever the key policy says; likewise DisableKey and GetKeyPolicy."""
        key = self.key({"Effect": "Allow", "Principal": {"AWS": self.other}, "Action": "kms:*", "Resource": "*"})
        self.theirs.describe_key(KeyId=key)
        for call, more in ((self.theirs.get_key_policy, {}), (self.theirs.disable_key, {}),
                           (self.theirs.put_key_policy, {"Policy": "{}"})):
            self.refused("AccessDeniedException", call, 400, KeyId=key, **more)

    def test_deny_and_conditions(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
        An explicit deny wins. https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html: a statement
        for grants by AWS services (kms:GrantIsForAWSResource) does not allow a direct CreateGrant."""
        denied = self.key({**READ, "Principal": {"AWS": self.other}}, {**READ, "Effect": "Deny", "Principal": "*"})
        self.refused("AccessDeniedException", self.theirs.describe_key, 400, KeyId=denied)
        services = self.key({"Effect": "Allow", "Principal": {"AWS": self.other}, "Action": "kms:CreateGrant",
                             "Resource": "*", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}})
        self.refused("AccessDeniedException", self.theirs.create_grant, 400, KeyId=services, Operations=["Decrypt"],
                     GranteePrincipal=f"arn:aws:iam::{self.other}:root")


class Grants(KmsTest):
    def test_named_grants_are_made_once(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html (Name)
        The same name and parameters give the same grant id; other parameters, or no name, a new grant."""
        key = self.key()
        first, second = (self.grant(key, Name="copy") for _ in range(2))
        self.assertEqual(first["GrantId"], second["GrantId"])
        self.assertNotEqual(first["GrantToken"], second["GrantToken"])
        self.grant(key, Name="copy", Operations=["Decrypt"])
        self.grant(key)
        self.grant(key)
        self.assertEqual(len(self.kms.list_grants(KeyId=key)["Grants"]), 4)

    def test_what_a_grant_shows(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html
        The key's ARN, the issuing account, the time; grants are listed by id or grantee, in pages."""
        key = self.key()
        made = self.grant(key, Name="copy")["GrantId"]
        self.grant(key, GranteePrincipal=f"arn:aws:iam::{self.account}:root")
        shown = self.kms.list_grants(KeyId=key, GrantId=made)["Grants"]
        self.assertEqual([(one["KeyId"], one["IssuingAccount"], one["Name"]) for one in shown],
                         [(key, f"arn:aws:iam::{self.account}:root", "copy")])
        self.assertIn("CreationDate", shown[0])
        grantee = f"arn:aws:iam::{self.other}:root"
        theirs = self.kms.list_grants(KeyId=key, GranteePrincipal=grantee)["Grants"]
        self.assertEqual([one["GrantId"] for one in theirs], [made])
        first = self.kms.list_grants(KeyId=key, Limit=1)
        rest = self.kms.list_grants(KeyId=key, Limit=1, Marker=first["NextMarker"])
        self.assertEqual((first["Truncated"], rest["Truncated"], len(rest["Grants"])), (True, False, 1))

    def test_grantees_exist(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html (InvalidArnException)
        The grantee is an existing principal, the operations are those of grants."""
        key = self.key()
        for grantee in ("someone", f"arn:aws:iam::{self.other}:role/nobody"):
            self.refused("InvalidArnException", self.grant, 400, key=key, GranteePrincipal=grantee)
        self.refused("ValidationException", self.grant, 400, key=key, Operations=["Delete"])

    def test_dry_run(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
        With DryRun a permitted call is DryRunOperationException, another is refused as it would be; no effect."""
        key = self.key()
        self.refused("DryRunOperationException", self.grant, 412, key=key, DryRun=True)
        self.assertEqual(self.kms.list_grants(KeyId=key)["Grants"], [])
        self.refused("AccessDeniedException", self.theirs.create_grant, 400, KeyId=key, Operations=["Decrypt"],
                     GranteePrincipal=f"arn:aws:iam::{self.other}:root", DryRun=True)
