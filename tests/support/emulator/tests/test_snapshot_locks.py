"""LockSnapshot, UnlockSnapshot, DescribeLockedSnapshots."""

import datetime

import botocore.exceptions

from tests.harness import bed, client, wait_until
from tests.test_snapshots import SnapshotTest

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


class Locks(SnapshotTest):
    def lock(self, snapshot, mode="governance", **parameters):
        return self.ec2.lock_snapshot(SnapshotId=snapshot, LockMode=mode, **parameters)

    def lock_shortly(self, snapshot):
        """A compliance lock that ends soon. A machine that is so slow that the date has passed gets a later one."""
        for seconds in (0.5, 5, 20):
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            try:
                return self.lock(snapshot, "compliance", ExpirationDate=end)
            except botocore.exceptions.ClientError as error:
                self.assertIn("must be in the future", str(error))
        self.fail("no date was in the future")

    def described(self, snapshot):
        found = self.ec2.describe_locked_snapshots(SnapshotIds=[snapshot])["Snapshots"]
        return found[0] if found else None

    def test_governance(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
        Locked in governance mode a snapshot can't be deleted; the lock can be made shorter, and removed."""
        made = self.snapshot()["SnapshotId"]
        self.assertEqual(self.lock(made, LockDuration=10)["LockState"], "governance")
        self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=made)
        shown = self.described(made)
        self.assertEqual((shown["LockState"], shown["LockDuration"], shown["OwnerId"]),
                         ("governance", 10, self.account))
        self.assertEqual(shown["LockExpiresOn"] - shown["LockDurationStartTime"], 10 * DAY)
        until = NOW.replace(microsecond=0) + 3 * DAY
        for _ in range(2):  # an expiration date can be sent again without moving the end
            self.lock(made, ExpirationDate=until)
            self.assertEqual(self.described(made)["LockExpiresOn"], until)
        self.ec2.unlock_snapshot(SnapshotId=made)
        self.assertIsNone(self.described(made))
        self.ec2.delete_snapshot(SnapshotId=made)

    def test_compliance(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
        Locked in compliance mode it can't be unlocked; the lock can be extended, not shortened or weakened."""
        made = self.snapshot()["SnapshotId"]
        self.assertEqual(self.lock(made, "compliance", LockDuration=10)["LockState"], "compliance")
        self.refused("OperationNotPermitted", self.ec2.unlock_snapshot, 400, SnapshotId=made)
        self.refused("OperationNotPermitted", self.lock, 400, snapshot=made, mode="compliance", LockDuration=9)
        self.refused("OperationNotPermitted", self.lock, 400, snapshot=made, mode="compliance",
                     ExpirationDate=NOW + 9 * DAY)
        self.refused("OperationNotPermitted", self.lock, 400, snapshot=made, LockDuration=20)
        self.refused("InvalidParameterCombination", self.lock, 400, snapshot=made, mode="compliance",
                     LockDuration=20, CoolOffPeriod=1)
        self.lock(made, "compliance", LockDuration=20)
        self.assertEqual(self.described(made)["LockDuration"], 20)
        self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=made)

    def test_cooling_off(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-concepts.html
        In the cooling-off period (1 to 72 hours) a compliance lock can be changed and removed, the snapshot not
        deleted. Governance mode has none."""
        made = self.snapshot()["SnapshotId"]
        answer = self.lock(made, "compliance", LockDuration=10, CoolOffPeriod=2)
        self.assertEqual((answer["LockState"], answer["CoolOffPeriod"]), ("compliance-cooloff", 2))
        self.assertEqual(answer["CoolOffPeriodExpiresOn"] - answer["LockCreatedOn"], datetime.timedelta(hours=2))
        self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=made)
        self.lock(made, LockDuration=1)
        self.lock(made, "compliance", LockDuration=10, CoolOffPeriod=72)
        self.ec2.unlock_snapshot(SnapshotId=made)
        self.refused("InvalidParameterCombination", self.lock, 400, snapshot=made, LockDuration=1, CoolOffPeriod=1)
        self.refused("InvalidParameterValue", self.lock, 400, snapshot=made, mode="compliance", LockDuration=1,
                     CoolOffPeriod=73)

    def test_the_end_of_the_cooling_off_period(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-concepts.html
        "After the cooling-off period expires, users can't unlock the snapshot, change the lock mode, reinstate the
        cooling-off period, or decrease the lock duration, regardless of their permissions." """
        bed("settings", {"account": self.account, "cool_off_hour_seconds": 0.3})
        self.addCleanup(bed, "settings", {"account": self.account, "cool_off_hour_seconds": 3600})
        made = self.snapshot()["SnapshotId"]
        self.lock(made, "compliance", LockDuration=10, CoolOffPeriod=1)
        self.assertTrue(wait_until(lambda: self.described(made)["LockState"] == "compliance"))
        self.refused("OperationNotPermitted", self.ec2.unlock_snapshot, 400, SnapshotId=made)
        self.refused("OperationNotPermitted", self.lock, 400, snapshot=made, LockDuration=10)
        self.refused("OperationNotPermitted", self.lock, 400, snapshot=made, mode="compliance", LockDuration=9)
        self.refused("InvalidParameterCombination", self.lock, 400, snapshot=made, mode="compliance",
                     LockDuration=20, CoolOffPeriod=1)
        self.lock(made, "compliance", LockDuration=20)

    def test_locked_and_its_key(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-considerations.html
        "You can delete the KMS key used to encrypt a locked snapshot": the lock keeps the snapshot, not its key."""
        kms = client("kms", self.account)
        key = kms.create_key()["KeyMetadata"]["Arn"]
        made = self.snapshot(VolumeId=self.volume(Encrypted=True, KmsKeyId=key))["SnapshotId"]
        self.lock(made, "compliance", LockDuration=10)
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
        self.assertEqual((self.described(made)["LockState"], self.shown(made)["State"]), ("compliance", "completed"))

    def test_pending_snapshots(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockedSnapshotsInfo.html
        A pending snapshot can be locked; the duration starts when it is completed.
        https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-considerations.html
        If it ends in error there is no lock."""
        self.pending()
        made, failing = self.snapshot()["SnapshotId"], self.snapshot()["SnapshotId"]
        for one in (made, failing):
            self.assertEqual(self.lock(one, LockDuration=5)["LockState"], "governance")
        self.assertNotIn("LockDurationStartTime", self.described(made))
        self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=made)
        bed(f"snapshots/{failing}", {"state": "error", "message": "x"})
        self.complete(made)
        shown = self.described(made)
        self.assertEqual(shown["LockExpiresOn"] - shown["LockDurationStartTime"], 5 * DAY)
        self.assertEqual(shown["LockDurationStartTime"], self.shown(made)["CompletionTime"])
        self.assertGreater(shown["LockDurationStartTime"], shown["LockCreatedOn"])
        self.assertIsNone(self.described(failing))
        self.refused("IncorrectState", self.lock, 400, snapshot=failing, LockDuration=1)
        self.ec2.delete_snapshot(SnapshotId=failing)

    def test_expiry(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockedSnapshotsInfo.html (LockState)
        After its end a lock is shown as expired, and no longer holds."""
        made = self.snapshot()["SnapshotId"]
        self.lock(made, ExpirationDate=NOW + DAY)
        self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=made)
        self.lock_shortly(made)
        self.assertTrue(wait_until(lambda: self.described(made)["LockState"] == "expired"))
        states = [{"Name": "lock-state", "Values": ["expired"]}]
        found = self.ec2.describe_locked_snapshots(Filters=states)["Snapshots"]
        self.assertEqual([one["SnapshotId"] for one in found], [made])
        self.ec2.delete_snapshot(SnapshotId=made)

    def test_either_duration_or_date(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
        Exactly one of LockDuration (1 to 36500 days) and ExpirationDate."""
        made = self.snapshot()["SnapshotId"]
        self.refused("InvalidParameterCombination", self.lock, 400, snapshot=made)
        self.refused("InvalidParameterCombination", self.lock, 400, snapshot=made, LockDuration=1,
                     ExpirationDate=NOW + DAY)
        self.refused("InvalidParameterValue", self.lock, 400, snapshot=made, ExpirationDate=NOW - DAY)
        self.refused("InvalidParameterValue", self.lock, 400, snapshot=made, LockDuration=36501)
        self.refused("InvalidSnapshot.NotFound", self.lock, 400, snapshot="snap-12345678", LockDuration=1)
        self.assertIsNone(self.described(made))
