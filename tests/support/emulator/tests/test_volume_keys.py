"""Encrypted volumes whose key can't be used."""

from tests.harness import REGION, client
from tests.test_snapshot_sharing import COPY_OPERATIONS, SharingTest

ZONE = "eu-west-1a"


class VolumeKeys(SharingTest):
    def state(self, volume, ec2=None):
        return (ec2 or self.ec2).describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"]

    def key(self):
        return self.kms.create_key()["KeyMetadata"]["Arn"]

    def test_made_in_vain(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html (KmsKeyId)
        "AWS authenticates the KMS key asynchronously. Therefore, if you specify an ID, alias, or ARN that is not
        valid, the action can appear to complete, but eventually fails." The same for one that is disabled."""
        host, key, off = self.launch()["InstanceId"], self.key(), self.key()
        self.kms.disable_key(KeyId=off)
        token = {"ClientToken": "once", "KmsKeyId": key}
        good = self.volume(Encrypted=True, **token)
        self.kms.disable_key(KeyId=key)
        self.assertEqual((self.volume(Encrypted=True, **token), self.state(good)), (good, "available"))
        for wrong in ("alias/nothing", key[:-12] + "0" * 12, off):
            made = self.ec2.create_volume(AvailabilityZone=ZONE, Size=1, Encrypted=True, KmsKeyId=wrong)
            self.assertEqual((made["State"], self.state(made["VolumeId"])), ("creating", "error"))
            failed = [{"Name": "status", "Values": ["error"]}]
            self.assertIn(made["VolumeId"],
                          [one["VolumeId"] for one in self.ec2.describe_volumes(Filters=failed)["Volumes"]])
            self.refused("IncorrectState", self.ec2.attach_volume, 400, VolumeId=made["VolumeId"], InstanceId=host,
                         Device="/dev/sdf")
            self.refused("IncorrectState", self.ec2.create_snapshot, 400, VolumeId=made["VolumeId"])

    def test_of_a_shared_snapshot(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
        Who makes a volume of a shared encrypted snapshot needs its key, by its policy or a grant."""
        key = self.key()
        made = self.encrypted(key)
        self.share(made, self.other)
        make = {"AvailabilityZone": ZONE, "SnapshotId": made}
        self.assertEqual(self.state(self.theirs.create_volume(**make)["VolumeId"], self.theirs), "error")
        self.kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{self.other}:root",
                              Operations=COPY_OPERATIONS)
        volume = self.theirs.create_volume(**make)
        self.assertEqual(self.state(volume["VolumeId"], self.theirs), "available")
        self.assertNotEqual(volume["KmsKeyId"], key)

    def test_a_key_that_becomes_unusable(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/unusable-kms-keys.html
        "This has no immediate effect on the EC2 instance or the EBS volume", which can be snapshotted still; "the next
        time the encrypted EBS volume is attached to an EC2 instance, the attachment fails"."""
        made, kms = self.launch(), client("kms", self.account)
        key = self.key()
        volume = self.volume(Encrypted=True, KmsKeyId=key)
        attach = {"VolumeId": volume, "InstanceId": made["InstanceId"], "Device": "/dev/sdf"}
        self.ec2.attach_volume(**attach)
        kms.schedule_key_deletion(KeyId=key)
        self.assertEqual(self.state(volume), "in-use")
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        self.assertEqual(self.shown(snapshot)["State"], "completed")
        copy = self.ec2.copy_snapshot(SourceSnapshotId=snapshot, SourceRegion=REGION)["SnapshotId"]
        self.assertEqual(self.shown(copy)["State"], "error")
        self.ec2.detach_volume(VolumeId=volume)
        self.refused("InvalidKMSKey.InvalidState", self.ec2.attach_volume, 400, **attach)
        kms.cancel_key_deletion(KeyId=key)
        kms.enable_key(KeyId=key)
        self.ec2.attach_volume(**attach)
