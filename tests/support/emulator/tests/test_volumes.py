"""Volumes: encryption, tokens, attachments, pages."""

from tests.harness import AwsTest, account, client

ZONE = "eu-west-1a"


class Volumes(AwsTest):
    def volume(self, **parameters):
        return self.ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 1, **parameters})

    def shown(self, identifier):
        return self.ec2.describe_volumes(VolumeIds=[identifier])["Volumes"][0]

    def test_encryption_follows_the_snapshot(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption.html
        A volume of an encrypted snapshot is encrypted, under the same key; a snapshot of an encrypted volume too."""
        key = client("kms", self.account).create_key()["KeyMetadata"]
        volume = self.volume(Encrypted=True, KmsKeyId=key["KeyId"])
        self.assertEqual(volume["KmsKeyId"], key["Arn"])
        snapshot = self.ec2.create_snapshot(VolumeId=volume["VolumeId"])
        self.assertEqual((snapshot["Encrypted"], snapshot["KmsKeyId"]), (True, key["Arn"]))
        again = self.volume(SnapshotId=snapshot["SnapshotId"])
        self.assertEqual((again["Encrypted"], again["KmsKeyId"], again["SnapshotId"]),
                         (True, key["Arn"], snapshot["SnapshotId"]))
        self.refused("InvalidParameterDependency", self.ec2.create_volume, 400, AvailabilityZone=ZONE, Size=1,
                     KmsKeyId=key["KeyId"])

    def test_encryption_by_default(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
        Once enabled, every new volume and copy of a snapshot is encrypted, under the default key."""
        plain = self.volume()["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=plain)["SnapshotId"]
        self.ec2.enable_ebs_encryption_by_default()
        default = self.ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
        made = self.launch()["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        self.assertEqual([(one["Encrypted"], one.get("KmsKeyId")) for one in map(self.shown, (plain, made))],
                         [(False, None), (True, default)])
        copy = self.ec2.copy_snapshot(SourceSnapshotId=snapshot, SourceRegion="eu-west-1")["SnapshotId"]
        copied = self.ec2.describe_snapshots(SnapshotIds=[copy])["Snapshots"][0]
        self.assertEqual((copied["Encrypted"], copied["KmsKeyId"]), (True, default))
        key = client("kms", self.account).create_key()["KeyMetadata"]["Arn"]
        self.ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
        self.assertEqual(self.volume()["KmsKeyId"], key)
        self.assertEqual(self.ec2.reset_ebs_default_kms_key_id()["KmsKeyId"], default)
        self.ec2.disable_ebs_encryption_by_default()

    def test_tokens_sizes_zones(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
        The same client token makes the same volume; the size is at least the snapshot's; the zone exists; the
        snapshot is one's own or shared."""
        first, second = (self.volume(ClientToken="one")["VolumeId"] for _ in range(2))
        self.assertEqual(first, second)
        self.refused("IdempotentParameterMismatch", self.ec2.create_volume, 400, AvailabilityZone=ZONE, Size=2,
                     ClientToken="one")
        big = self.volume(Size=5)["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=big)["SnapshotId"]
        self.assertEqual(self.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["Size"], 5)
        self.refused("InvalidParameterValue", self.ec2.create_volume, 400, AvailabilityZone=ZONE, Size=4,
                     SnapshotId=snapshot)
        self.refused("InvalidZone.NotFound", self.ec2.create_volume, 400, AvailabilityZone="eu-west-1z", Size=1)
        other = client("ec2", account())
        self.refused("InvalidSnapshot.NotFound", other.create_volume, 400, AvailabilityZone=ZONE, SnapshotId=snapshot)
        self.ec2.modify_snapshot_attribute(SnapshotId=snapshot, OperationType="add", GroupNames=["all"])
        self.assertEqual(other.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["Size"], 5)

    def test_attach_refusals(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html
        Another zone, an attached volume, a taken device and an ended instance are refused."""
        made = self.launch(Placement={"AvailabilityZone": ZONE})["InstanceId"]
        volume, second = self.volume()["VolumeId"], self.volume()["VolumeId"]
        attach = self.ec2.attach_volume
        far = self.volume(AvailabilityZone="eu-west-1b")["VolumeId"]
        self.refused("InvalidVolume.ZoneMismatch", attach, 400, VolumeId=far, InstanceId=made, Device="/dev/sdf")
        attach(VolumeId=volume, InstanceId=made, Device="/dev/sdf")
        self.refused("VolumeInUse", attach, 400, VolumeId=volume, InstanceId=made, Device="/dev/sdg")
        self.refused("InvalidParameterValue", attach, 400, VolumeId=second, InstanceId=made, Device="/dev/sdf")
        self.ec2.terminate_instances(InstanceIds=[made])
        self.refused("IncorrectState", attach, 400, VolumeId=second, InstanceId=made, Device="/dev/sdg")

    def test_detach(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DetachVolume.html
        The volume id is enough; an available volume is IncorrectState; the root volume of a running instance
        stays."""
        made = self.launch(Placement={"AvailabilityZone": ZONE})
        root, volume = made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"], self.volume()["VolumeId"]
        self.ec2.attach_volume(VolumeId=volume, InstanceId=made["InstanceId"], Device="/dev/sdf")
        self.refused("InvalidAttachment.NotFound", self.ec2.detach_volume, 400, VolumeId=volume, Device="/dev/sdg")
        answer = self.ec2.detach_volume(VolumeId=volume)
        self.assertEqual((answer["InstanceId"], answer["Device"]), (made["InstanceId"], "/dev/sdf"))
        self.refused("IncorrectState", self.ec2.detach_volume, 400, VolumeId=volume)
        self.refused("OperationNotPermitted", self.ec2.detach_volume, 400, VolumeId=root)
        self.ec2.stop_instances(InstanceIds=[made["InstanceId"]])
        self.ec2.detach_volume(VolumeId=root)

    def test_pages(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
        MaxResults from 5 on, not with volume ids."""
        for _ in range(6):
            self.volume(TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "page", "Value": "1"}]}])
        filters = [{"Name": "tag:page", "Values": ["1"]}]
        first = self.ec2.describe_volumes(Filters=filters, MaxResults=5)
        rest = self.ec2.describe_volumes(Filters=filters, MaxResults=5, NextToken=first["NextToken"])
        self.assertEqual((len(first["Volumes"]), len(rest["Volumes"]), rest.get("NextToken")), (5, 1, None))
        self.refused("InvalidParameterCombination", self.ec2.describe_volumes, 400, MaxResults=5,
                     VolumeIds=[first["Volumes"][0]["VolumeId"]])
