"""Snapshots of volumes, and sets of them."""

from tests.harness import AwsTest, account, bed, client, wait_until

TAGS = [{"ResourceType": "snapshot", "Tags": [{"Key": "case", "Value": "7"}]}]


class SnapshotTest(AwsTest):
    def volume(self, **parameters):
        return self.ec2.create_volume(**{"AvailabilityZone": "eu-west-1a", "Size": 1, **parameters})["VolumeId"]

    def snapshot(self, **parameters):
        return self.ec2.create_snapshot(**{"VolumeId": self.volume(), **parameters})

    def shown(self, identifier):
        return self.ec2.describe_snapshots(SnapshotIds=[identifier])["Snapshots"][0]

    def completes(self, identifier):
        """Completed by itself, however long that takes on this machine."""
        return wait_until(lambda: self.shown(identifier)["State"] == "completed")

    def complete(self, identifier):
        """Completed now, in place of a long time."""
        bed(f"snapshots/{identifier}", {"state": "completed"})

    def pending(self, seconds=600):
        """Snapshots made from now on stay pending so long; the default outlasts the test on any machine."""
        bed("settings", {"account": self.account, "snapshot_seconds": seconds})
        self.addCleanup(bed, "settings", {"account": self.account, "snapshot_seconds": 0})


class Snapshots(SnapshotTest):
    def test_pending_then_completed(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html
        A snapshot is pending, with its progress in percent, and completed in the end; it keeps the volume's size."""
        self.pending(60)
        volume = self.volume(Size=3)
        made = self.ec2.create_snapshot(VolumeId=volume, Description="why", TagSpecifications=TAGS)
        self.assertEqual((made["State"], made["VolumeId"], made["VolumeSize"], made["OwnerId"], made["Tags"]),
                         ("pending", volume, 3, self.account, TAGS[0]["Tags"]))
        self.ec2.modify_volume(VolumeId=volume, Size=5)
        # A percent is 0.6 s here: time enough to see one.
        self.assertTrue(wait_until(lambda: self.shown(made["SnapshotId"])["Progress"] not in ("", "0%")))
        early = self.shown(made["SnapshotId"])
        self.assertEqual((early["State"], early["VolumeSize"], early["StartTime"]), ("pending", 3, made["StartTime"]))
        self.assertTrue(0 < int(early["Progress"].rstrip("%")) < 100, early["Progress"])
        self.assertNotIn("CompletionTime", early)
        self.pending(0.2)
        short = self.snapshot()["SnapshotId"]
        self.assertTrue(self.completes(short))
        self.complete(made["SnapshotId"])
        for one in (short, made["SnapshotId"]):
            late = self.shown(one)
            self.assertEqual((late["State"], late["Progress"]), ("completed", "100%"))
            self.assertGreater(late["CompletionTime"], late["StartTime"])

    def test_create_always_answers_pending(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html
        The answer says pending: snapshots are made asynchronously."""
        made = self.snapshot()
        self.assertEqual((made["State"], self.shown(made["SnapshotId"])["State"]), ("pending", "completed"))

    def test_forced_failure(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (State, StateMessage)
        A snapshot may end in error, later than its creation; DescribeSnapshots tells why."""
        made = self.snapshot()["SnapshotId"]
        bed(f"snapshots/{made}", {"state": "error", "message": "no space"})
        shown = self.shown(made)
        self.assertEqual((shown["State"], shown["StateMessage"]), ("error", "no space"))
        self.refused("IncorrectState", self.ec2.copy_snapshot, 400, SourceSnapshotId=made, SourceRegion="eu-west-1")
        volume = self.volume()
        bed(f"volumes/{volume}", {"snapshots_fail": "bad disk"})
        failing = self.ec2.create_snapshot(VolumeId=volume)
        self.assertEqual(failing["State"], "pending")
        self.assertEqual(self.shown(failing["SnapshotId"])["StateMessage"], "bad disk")
        bed(f"volumes/{volume}", {"snapshots_fail": None})
        self.assertEqual(self.shown(self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"])["State"], "completed")

    def test_each_volume_takes_its_time(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
        https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html: a snapshot "remains in the pending
        state until all of data has been transferred", which differs by volume: here as the bed is set."""
        slow, fast = self.volume(), self.volume()
        bed(f"volumes/{slow}", {"snapshot_seconds": 600})
        made = [self.ec2.create_snapshot(VolumeId=one)["SnapshotId"] for one in (slow, fast)]
        self.assertEqual([self.shown(one)["State"] for one in made], ["pending", "completed"])
        bed(f"snapshots/{made[0]}", {"pending_seconds": 0})
        bed(f"volumes/{slow}", {"snapshot_seconds": None})
        made.append(self.ec2.create_snapshot(VolumeId=slow)["SnapshotId"])
        self.assertEqual([self.shown(one)["State"] for one in made], ["completed"] * 3)

    def test_owners_filters_pages(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
        OwnerIds self keeps one's own; filters by tag, volume and state; MaxResults from 5 on, not with ids."""
        made = [self.snapshot(TagSpecifications=TAGS)["SnapshotId"] for _ in range(6)]
        other = self.snapshot()["SnapshotId"]
        own = self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
        self.assertEqual({one["OwnerId"] for one in own}, {self.account})
        self.assertLessEqual({*made, other}, {one["SnapshotId"] for one in own})
        self.assertEqual(self.ec2.describe_snapshots(OwnerIds=["999999999999"])["Snapshots"], [])
        filters = [{"Name": "tag:case", "Values": ["7"]}, {"Name": "tag-key", "Values": ["c*"]},
                   {"Name": "status", "Values": ["completed"]}, {"Name": "volume-size", "Values": ["1"]}]
        first = self.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters, MaxResults=5)
        rest = self.ec2.describe_snapshots(OwnerIds=["self"], Filters=filters, MaxResults=5,
                                           NextToken=first["NextToken"])
        self.assertEqual(sorted(one["SnapshotId"] for one in first["Snapshots"] + rest["Snapshots"]), sorted(made))
        self.assertEqual((len(first["Snapshots"]), rest.get("NextToken")), (5, None))
        self.refused("InvalidParameterCombination", self.ec2.describe_snapshots, 400, SnapshotIds=made, MaxResults=5)

    def test_snapshots_at_once(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
        Of one volume at most five snapshots are pending, of a st1 or sc1 volume one: ConcurrentSnapshotLimitExceeded.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        SnapshotCreationPerVolumeRateExceeded when one follows another too soon, where the bed is set so."""
        self.pending()
        volume = self.volume()
        for _ in range(5):
            self.ec2.create_snapshot(VolumeId=volume)
        self.refused("ConcurrentSnapshotLimitExceeded", self.ec2.create_snapshot, 400, VolumeId=volume)
        for kind in ("st1", "sc1"):
            volume = self.volume(VolumeType=kind, Size=125)
            self.ec2.create_snapshot(VolumeId=volume)
            self.refused("ConcurrentSnapshotLimitExceeded", self.ec2.create_snapshot, 400, VolumeId=volume)
        bed("settings", {"account": self.account, "snapshot_interval_seconds": 15})
        self.addCleanup(bed, "settings", {"account": self.account, "snapshot_interval_seconds": 0})
        volume = self.volume()
        self.ec2.create_snapshot(VolumeId=volume)
        self.refused("SnapshotCreationPerVolumeRateExceeded", self.ec2.create_snapshot, 400, VolumeId=volume)


    def test_snapshots_of_an_account_at_once(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
        Pending snapshots per account: 100.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (PendingSnapshotLimitExceeded)
        "You've reached the limit on the number of Amazon EBS snapshots that you can have in the pending state." """
        number = account()
        ec2 = client("ec2", number)
        bed("settings", {"account": number, "snapshot_seconds": 600})
        volumes = [ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"] for _ in range(21)]
        for volume in volumes[:20]:
            made = [ec2.create_snapshot(VolumeId=volume)["SnapshotId"] for _ in range(5)]
        self.refused("PendingSnapshotLimitExceeded", ec2.create_snapshot, 400, VolumeId=volumes[20])
        self.complete(made[0])
        ec2.create_snapshot(VolumeId=volumes[20])


class Sets(SnapshotTest):
    def host(self):
        """An instance with a root volume and two tagged data volumes: its id, and the volumes by device."""
        made = self.launch(
            BlockDeviceMappings=[{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 2}} for letter in "fg"],
            TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "web"}]}])
        return made["InstanceId"], {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in made["BlockDeviceMappings"]}

    def take(self, instance, **parameters):
        specification = {"InstanceId": instance, **parameters.pop("InstanceSpecification", {})}
        return self.ec2.create_snapshots(InstanceSpecification=specification, **parameters)["Snapshots"]

    def test_one_of_each_volume(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
        One snapshot of each attached volume, with one start time, the description and the tags of the request."""
        instance, volumes = self.host()
        made = self.take(instance, Description="set", TagSpecifications=TAGS)
        self.assertEqual({one["VolumeId"] for one in made}, set(volumes.values()))
        self.assertEqual(len({one["StartTime"] for one in made}), 1)
        for one in made:
            self.assertEqual((one["State"], one["OwnerId"], one["Description"], one["Tags"], one["Encrypted"]),
                             ("pending", self.account, "set", TAGS[0]["Tags"], False))
            shown = self.shown(one["SnapshotId"])
            self.assertEqual((shown["Tags"], shown["Description"]), (TAGS[0]["Tags"], "set"))

    def test_exclusions(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceSpecification.html
        The root volume is left out by ExcludeBootVolume, others by id; the root's id among them is refused."""
        instance, volumes = self.host()
        without_root = self.take(instance, InstanceSpecification={"ExcludeBootVolume": True})
        self.assertEqual({one["VolumeId"] for one in without_root}, {volumes["/dev/sdf"], volumes["/dev/sdg"]})
        without_data = self.take(instance, InstanceSpecification={"ExcludeDataVolumeIds": [volumes["/dev/sdf"]]})
        self.assertEqual({one["VolumeId"] for one in without_data}, {volumes["/dev/xvda"], volumes["/dev/sdg"]})
        for excluded in ([volumes["/dev/xvda"]], ["vol-12345678"]):
            self.refused("InvalidParameterValue", self.ec2.create_snapshots, 400, InstanceSpecification={
                "InstanceId": instance, "ExcludeDataVolumeIds": excluded})
        self.refused("InvalidParameterValue", self.ec2.create_snapshots, 400, InstanceSpecification={
            "InstanceId": instance, "ExcludeBootVolume": True,
            "ExcludeDataVolumeIds": [volumes["/dev/sdf"], volumes["/dev/sdg"]]})

    def test_instance_store(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
        "When you view the block device mapping for your instance, you can see only the EBS volumes, not the instance
        store volumes." https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html: snapshots
        are of "specified EBS volumes"."""
        made = self.launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
                                                {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2}}])
        volumes = {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in made["BlockDeviceMappings"]}
        self.assertEqual(set(volumes), {"/dev/xvda", "/dev/sdf"})
        self.assertEqual({one["VolumeId"] for one in self.take(made["InstanceId"])}, set(volumes.values()))

    def test_copied_tags(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html (CopyTagsFromSource)
        Copies each volume's tags to its snapshot, beside those of the request."""
        instance, _ = self.host()
        for one in self.take(instance, CopyTagsFromSource="volume", TagSpecifications=TAGS):
            self.assertEqual({tag["Key"]: tag["Value"] for tag in self.shown(one["SnapshotId"])["Tags"]},
                             {"disk": "web", "case": "7"})

    def test_whole_or_not_at_all(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html (multi-volume snapshots)
        All snapshots of a set are made, or the call fails."""
        self.pending()
        instance, volumes = self.host()
        for _ in range(5):
            self.ec2.create_snapshot(VolumeId=volumes["/dev/sdg"])
        before = len(self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])
        self.refused("ConcurrentSnapshotLimitExceeded", self.ec2.create_snapshots, 400,
                     InstanceSpecification={"InstanceId": instance})
        self.assertEqual(len(self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]), before)
