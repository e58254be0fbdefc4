"""Grants and key policies that take time to have their effect."""

import json

from tests.harness import REGION, bed, client, wait_until
from tests.test_kms import READ, KmsTest
from tests.test_snapshot_sharing import COPY_OPERATIONS

LONG = 600


class Consistency(KmsTest):
    def delay(self, **seconds):
        """The default outlasts the test on any machine."""
        bed("settings", {"account": self.account, **seconds})
        self.addCleanup(bed, "settings", {"account": self.account, "grant_seconds": 0, "key_policy_seconds": 0})

    def allowed(self, key):
        try:
            self.theirs.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
            return True
        except self.theirs.exceptions.ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], "AccessDeniedException")
            return False

    def test_a_new_grant(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
        "When you create, retire, or revoke a grant, there might be a brief delay, usually less than five minutes,
        until the grant is available throughout KMS." Listed it is at once."""
        key = self.key()
        self.delay(grant_seconds=LONG)
        made = self.grant(key, Operations=COPY_OPERATIONS)["GrantId"]
        self.assertEqual([one["GrantId"] for one in self.kms.list_grants(KeyId=key)["Grants"]], [made])
        self.refused("AccessDeniedException", self.theirs.describe_key, 400, KeyId=key)
        self.assertFalse(self.allowed(key))
        other = self.key()
        self.delay(grant_seconds=0.3)
        self.grant(other, Operations=COPY_OPERATIONS)
        self.assertTrue(wait_until(lambda: self.allowed(other)))
        self.theirs.describe_key(KeyId=other)

    def test_its_token(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
        "To use the permissions in the grant immediately, use the GrantToken that CreateGrant returns." "All grant
        tokens for the same grant ID can be used interchangeably." Another is InvalidGrantTokenException."""
        key = self.key()
        self.delay(grant_seconds=LONG)
        tokens = [self.grant(key, Name="copy")["GrantToken"] for _ in range(2)]
        for token in tokens:
            self.theirs.describe_key(KeyId=key, GrantTokens=[token])
        self.refused("InvalidGrantTokenException", self.theirs.describe_key, 400, KeyId=key, GrantTokens=["x"])
        self.refused("AccessDeniedException", self.theirs.encrypt, 400, KeyId=key, Plaintext=b"x",
                     GrantTokens=tokens)
        self.kms.retire_grant(GrantToken=tokens[1])
        self.assertEqual(self.kms.list_grants(KeyId=key)["Grants"], [])

    def test_a_revoked_grant(self):
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html
        "When you create, retire, or revoke a grant, there might be a brief delay": it is not listed any more, and
        has its effect still."""
        key = self.key()
        kept, early = (self.grant(key, Operations=operations)["GrantId"]
                       for operations in (COPY_OPERATIONS, ["DescribeKey"]))
        self.delay(grant_seconds=0.5)
        self.kms.revoke_grant(KeyId=key, GrantId=kept)
        self.kms.revoke_grant(KeyId=key, GrantId=early)
        self.assertEqual(self.kms.list_grants(KeyId=key)["Grants"], [])
        self.assertTrue(wait_until(lambda: not self.allowed(key)))
        again = self.key()
        kept = self.grant(again, Operations=COPY_OPERATIONS)["GrantId"]
        self.assertTrue(wait_until(lambda: self.allowed(again)))
        self.delay(grant_seconds=LONG)
        self.kms.revoke_grant(KeyId=again, GrantId=kept)
        self.assertTrue(self.allowed(again))

    def test_a_new_policy(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency
        Key policies are eventually consistent: until then the former one is in force."""
        key = self.key()
        policy = json.loads(self.kms.get_key_policy(KeyId=key)["Policy"])
        policy["Statement"].append({**READ, "Principal": {"AWS": self.other}})
        self.delay(key_policy_seconds=0.5)
        self.kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
        self.assertEqual(json.loads(self.kms.get_key_policy(KeyId=key)["Policy"]), policy)

        def described():
            try:
                return bool(self.theirs.describe_key(KeyId=key))
            except self.theirs.exceptions.ClientError:
                return False

        self.assertTrue(wait_until(described))
        self.delay(key_policy_seconds=LONG)
        policy["Statement"].pop()
        self.kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
        self.assertTrue(described())
        late = self.key()
        policy["Statement"].append({**READ, "Principal": {"AWS": self.other}})
        self.kms.put_key_policy(KeyId=late, Policy=json.dumps(policy))
        self.refused("AccessDeniedException", self.theirs.describe_key, 400, KeyId=late)

    def test_copies_wait_for_it(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (StateMessage)
        "If a snapshot copy operation fails (for example, if the proper KMS permissions are not obtained)": CopySnapshot
        takes no grant token, so that a copy asked for too early ends in error."""
        key = self.key()
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1, Encrypted=True, KmsKeyId=key)
        made = self.ec2.create_snapshot(VolumeId=volume["VolumeId"])["SnapshotId"]
        self.ec2.modify_snapshot_attribute(SnapshotId=made, OperationType="add", UserIds=[self.other])
        ec2 = client("ec2", self.other)

        def copied():
            copy = ec2.copy_snapshot(SourceSnapshotId=made, SourceRegion=REGION)["SnapshotId"]
            return ec2.describe_snapshots(SnapshotIds=[copy])["Snapshots"][0]["State"]

        self.delay(grant_seconds=LONG)
        self.grant(key, Operations=COPY_OPERATIONS)
        self.assertEqual(copied(), "error")
        self.delay(grant_seconds=0)
        self.grant(key, Operations=COPY_OPERATIONS)
        self.assertEqual(copied(), "completed")
