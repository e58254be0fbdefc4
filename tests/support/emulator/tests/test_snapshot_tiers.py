"""ModifySnapshotTier, RestoreSnapshotTier, DescribeSnapshotTierStatus."""

import datetime

from tests.harness import REGION, account, bed, client, wait_until
from tests.test_snapshots import TAGS, SnapshotTest

PERMISSION = "createVolumePermission"


class Tiers(SnapshotTest):
    def setUp(self):
        """An account for each test: what one leaves in progress would count for the next."""
        self.account = account()
        self.ec2 = client("ec2", self.account)

    def setting(self, **seconds):
        bed("settings", {"account": self.account, **seconds})

    def archive(self, snapshot):
        return self.ec2.modify_snapshot_tier(SnapshotId=snapshot, StorageTier="archive")

    def archived(self):
        """A snapshot that is archived already."""
        made = self.snapshot()["SnapshotId"]
        self.archive(made)
        return made

    def tier(self, snapshot):
        """The status of one snapshot."""
        filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
        (one,) = self.ec2.describe_snapshot_tier_status(Filters=filters)["SnapshotTierStatuses"]
        return one

    def test_archival_takes_time(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/archive-snapshot.html
        "You can continue to use the snapshot while the archive is in process." An archived snapshot keeps its id,
        owner and tags. https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
        "You can't cancel the snapshot archive or snapshot restore process after it has been started." """
        made = self.snapshot(TagSpecifications=TAGS)["SnapshotId"]
        self.setting(archive_seconds=600)
        answer = self.archive(made)
        shown = self.tier(made)
        self.assertEqual((answer["SnapshotId"], shown["StorageTier"], shown["LastTieringOperationStatus"]),
                         (made, "standard", "archival-in-progress"))
        self.assertEqual(shown["LastTieringStartTime"], answer["TieringStartTime"])
        self.assertLess(shown["LastTieringProgress"], 100)
        self.assertNotIn("ArchivalCompleteTime", shown)
        self.volume(SnapshotId=made)
        self.refused("IncorrectState", self.archive, 400, snapshot=made)
        self.refused("IncorrectState", self.ec2.restore_snapshot_tier, 400, SnapshotId=made)
        made = self.snapshot(TagSpecifications=TAGS)["SnapshotId"]
        self.setting(archive_seconds=0.2)
        self.archive(made)
        self.assertTrue(wait_until(lambda: self.tier(made)["StorageTier"] == "archive"))
        self.assertEqual(self.shown(made)["StorageTier"], "archive")
        shown = self.tier(made)
        self.assertEqual((shown["LastTieringOperationStatus"], shown["LastTieringProgress"], shown["Status"],
                          shown["OwnerId"], shown["Tags"]),
                         ("archival-completed", 100, "completed", self.account, TAGS[0]["Tags"]))
        self.assertGreater(shown["ArchivalCompleteTime"], shown["LastTieringStartTime"])
        self.refused("IncorrectState", self.archive, 400, snapshot=made)

    def test_archived_can_not_be_used(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
        "Before you can use an archived snapshot, you must first restore it to the standard tier", to make a volume
        of it, share it or copy it; accounts with which it was shared lose access."""
        made, other = self.snapshot()["SnapshotId"], account()
        share = {"SnapshotId": made, "Attribute": PERMISSION, "OperationType": "add", "UserIds": [other]}
        self.ec2.modify_snapshot_attribute(**share)
        self.archive(made)
        self.refused("IncorrectState", self.volume, 400, SnapshotId=made)
        self.refused("IncorrectState", self.ec2.copy_snapshot, 400, SourceSnapshotId=made, SourceRegion=REGION)
        self.refused("IncorrectState", self.ec2.modify_snapshot_attribute, 400, **share)
        self.assertEqual(client("ec2", other).describe_snapshots(RestorableByUserIds=["self"])["Snapshots"], [])
        answer = self.ec2.describe_snapshot_attribute(SnapshotId=made, Attribute=PERMISSION)
        self.assertEqual(answer["CreateVolumePermissions"], [])
        self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        self.volume(SnapshotId=made)

    def test_what_can_not_be_archived(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
        "You can archive snapshots that are in the completed state only", "only snapshots that you own in your
        account", and those of AMIs only when these are disabled."""
        host = self.launch()["InstanceId"]
        image = self.ec2.create_image(InstanceId=host, Name="of a host")["ImageId"]
        blocks = self.ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
        self.refused("InvalidSnapshot.InUse", self.archive, 400, snapshot=blocks[0]["Ebs"]["SnapshotId"])
        self.ec2.disable_image(ImageId=image)
        self.archive(blocks[0]["Ebs"]["SnapshotId"])
        other = account()
        theirs = client("ec2", other)
        made = self.snapshot()["SnapshotId"]
        self.refused("InvalidSnapshot.NotFound", theirs.modify_snapshot_tier, 400, SnapshotId=made)
        self.ec2.modify_snapshot_attribute(SnapshotId=made, OperationType="add", UserIds=[other])
        self.refused("AuthFailure", theirs.modify_snapshot_tier, 400, SnapshotId=made)
        self.assertEqual(theirs.describe_snapshot_tier_status()["SnapshotTierStatuses"], [])
        self.refused("InvalidParameterValue", self.ec2.modify_snapshot_tier, 400, SnapshotId=made,
                     StorageTier="standard")
        self.pending()
        for state in (None, "error"):
            made = self.snapshot()["SnapshotId"]
            if state:
                bed(f"snapshots/{made}", {"state": state})
            self.refused("IncorrectState", self.archive, 400, snapshot=made)

    def test_permanent_restore(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/restore-archived-snapshot.html
        Restored permanently "the snapshot is moved from the archive tier to the standard tier"; in progress it is
        not usable. Only an archived snapshot can be restored.
        https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-pricing.html
        Before the minimum of 90 days that is billed, not refused."""
        made = self.archived()
        self.setting(restore_seconds=0.5)
        answer = self.ec2.restore_snapshot_tier(SnapshotId=made, PermanentRestore=True)
        self.assertTrue(answer["IsPermanentRestore"])
        self.assertNotIn("RestoreDuration", answer)
        self.assertTrue(wait_until(lambda: self.tier(made)["StorageTier"] == "standard"))
        shown = self.tier(made)
        self.assertEqual(shown["LastTieringOperationStatus"], "permanent-restore-completed")
        self.assertGreaterEqual(shown["LastTieringStartTime"], shown["ArchivalCompleteTime"])
        self.assertNotIn("RestoreExpiryTime", shown)
        self.refused("IncorrectState", self.ec2.restore_snapshot_tier, 400, SnapshotId=made, PermanentRestore=True)
        self.setting(restore_seconds=600)
        again = self.archived()
        self.ec2.restore_snapshot_tier(SnapshotId=again, PermanentRestore=True)
        self.assertEqual(self.tier(again)["StorageTier"], "archive")
        self.refused("IncorrectState", self.volume, 400, SnapshotId=again)
        states = [{"Name": "last-tiering-operation", "Values": ["permanent-restore-in-progress"]}]
        found = self.ec2.describe_snapshot_tier_status(Filters=states)["SnapshotTierStatuses"]
        self.assertEqual([one["SnapshotId"] for one in found], [again])

    def test_temporary_restore(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/restore-archived-snapshot.html
        For 1 to 180 days, 1 unless given; then "the snapshot is automatically removed from the standard tier".
        https://docs.aws.amazon.com/ebs/latest/userguide/modify-temp-restore-period.html
        "The new restore period is effective from the current date"; it may become permanent."""
        made = self.archived()
        restore = self.ec2.restore_snapshot_tier
        for days in (0, 181):
            self.refused("InvalidParameterValue", restore, 400, SnapshotId=made, TemporaryRestoreDays=days)
        self.refused("InvalidParameterCombination", restore, 400, SnapshotId=made, TemporaryRestoreDays=1,
                     PermanentRestore=True)
        for days in (5, 2):
            answer = restore(SnapshotId=made, TemporaryRestoreDays=days)
            self.assertEqual((answer["RestoreDuration"], answer["IsPermanentRestore"]), (days, False))
            shown = self.tier(made)
            self.assertEqual(shown["LastTieringOperationStatus"], "temporary-restore-completed")
            self.assertEqual(shown["RestoreExpiryTime"] - shown["LastTieringStartTime"],
                             datetime.timedelta(days=days))
            self.assertEqual(self.shown(made)["RestoreExpiryTime"], shown["RestoreExpiryTime"])
        restore(SnapshotId=made, PermanentRestore=True)
        self.assertNotIn("RestoreExpiryTime", self.tier(made))
        short = self.archived()
        self.setting(restore_day_seconds=1)
        self.assertEqual(restore(SnapshotId=short)["RestoreDuration"], 1)
        self.assertTrue(wait_until(lambda: self.tier(short)["StorageTier"] == "archive"))
        self.assertNotIn("RestoreExpiryTime", self.shown(short))

    def test_failures(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SnapshotTierStatus.html
        A move may fail, with a LastTieringOperationStatusDetail; the snapshot stays where it was."""
        made = self.snapshot()["SnapshotId"]
        for tier, move, status in (("standard", self.archive, "archival-failed"),
                                   ("archive", lambda one: self.ec2.restore_snapshot_tier(SnapshotId=one),
                                    "temporary-restore-failed")):
            bed(f"snapshots/{made}", {"tiering_fails": "no room"})
            move(made)
            shown = self.tier(made)
            self.assertEqual((shown["StorageTier"], shown["LastTieringOperationStatus"],
                              shown["LastTieringOperationStatusDetail"]), (tier, status, "no room"))
            move(made) if tier == "archive" else self.archive(made)

    def test_quotas(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
        At most 25 archived snapshots of a volume, and 5 restores in progress in an account: ResourceLimitExceeded
        (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html)."""
        volume = self.volume()
        made = [self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(26)]
        for one in made[:25]:
            self.archive(one)
        self.refused("ResourceLimitExceeded", self.archive, 400, snapshot=made[25])
        self.setting(restore_seconds=600)
        for one in made[:5]:
            self.ec2.restore_snapshot_tier(SnapshotId=one)
        self.refused("ResourceLimitExceeded", self.ec2.restore_snapshot_tier, 400, SnapshotId=made[5])

    def test_locks_go_with_it(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-lock-considerations.html
        "You can lock archived snapshots. And you can archive locked snapshots." """
        made, later = self.snapshot()["SnapshotId"], self.archived()
        self.ec2.lock_snapshot(SnapshotId=made, LockMode="compliance", LockDuration=1)
        self.archive(made)
        self.ec2.lock_snapshot(SnapshotId=later, LockMode="governance", LockDuration=1)
        for one in (made, later):
            self.assertEqual(self.tier(one)["StorageTier"], "archive")
            self.refused("OperationNotPermitted", self.ec2.delete_snapshot, 400, SnapshotId=one)
