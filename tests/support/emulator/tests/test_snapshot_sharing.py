"""Snapshots across accounts: permissions, what others see, copies."""

from tests.harness import REGION, account, bed, client, wait_until
from tests.test_snapshots import TAGS, SnapshotTest

PERMISSION = "createVolumePermission"
COPY_OPERATIONS = ["DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext"]


class SharingTest(SnapshotTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = account()
        cls.theirs = client("ec2", cls.other)
        cls.kms = client("kms", cls.account)

    def share(self, snapshot, *users):
        self.ec2.modify_snapshot_attribute(SnapshotId=snapshot, Attribute=PERMISSION, OperationType="add",
                                           UserIds=list(users))

    def permissions(self, snapshot):
        answer = self.ec2.describe_snapshot_attribute(SnapshotId=snapshot, Attribute=PERMISSION)
        return sorted(one.get("UserId") or one["Group"] for one in answer["CreateVolumePermissions"])

    def encrypted(self, key=None):
        """A snapshot of an encrypted volume, under a key or the account's default key."""
        return self.snapshot(VolumeId=self.volume(Encrypted=True, **({"KmsKeyId": key} if key else {})))["SnapshotId"]


class Sharing(SharingTest):
    def test_both_forms_are_set_like(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html
        Accounts are added and removed by OperationType with UserIds or by CreateVolumePermission; twice is as once."""
        made = self.snapshot()["SnapshotId"]
        modify = self.ec2.modify_snapshot_attribute
        for _ in range(2):
            self.share(made, "111122223333")
            modify(SnapshotId=made, CreateVolumePermission={"Add": [{"UserId": "444455556666"}]})
            self.assertEqual(self.permissions(made), ["111122223333", "444455556666"])
        for _ in range(2):
            modify(SnapshotId=made, CreateVolumePermission={"Remove": [{"UserId": "111122223333"}]})
            self.assertEqual(self.permissions(made), ["444455556666"])
        self.ec2.reset_snapshot_attribute(SnapshotId=made, Attribute=PERMISSION)
        self.assertEqual(self.permissions(made), [])

    def test_wrong_requests(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html
        Add and remove not in one operation; account ids have 12 digits (InvalidUserID.Malformed); at most 500."""
        made = self.snapshot()["SnapshotId"]
        modify = self.ec2.modify_snapshot_attribute
        self.refused("InvalidParameterCombination", modify, 400, SnapshotId=made, CreateVolumePermission={
            "Add": [{"UserId": "111122223333"}], "Remove": [{"UserId": "444455556666"}]})
        for user in ("abc", "11112222333", "self"):
            self.refused("InvalidUserID.Malformed", modify, 400, SnapshotId=made, OperationType="add", UserIds=[user])
        self.refused("InvalidParameterValue", modify, 400, SnapshotId=made, OperationType="add",
                     UserIds=[f"{number:012}" for number in range(501)])
        self.refused("InvalidParameterValue", modify, 400, SnapshotId=made, OperationType="add", GroupNames=["some"])
        self.assertEqual(self.permissions(made), [])
        self.share(made, self.other)
        self.refused("AuthFailure", self.theirs.modify_snapshot_attribute, 400, SnapshotId=made, OperationType="add",
                     UserIds=["111122223333"])
        self.refused("AuthFailure", self.theirs.lock_snapshot, 400, SnapshotId=made, LockMode="governance",
                     LockDuration=1)
        self.refused("AuthFailure", self.theirs.delete_snapshot, 400, SnapshotId=made)

    def test_what_can_not_be_shared(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
        Encrypted snapshots can't be public; those under the AWS managed key can't be shared with anyone."""
        key = self.kms.create_key()["KeyMetadata"]["Arn"]
        own, default = self.encrypted(key), self.encrypted()
        modify = self.ec2.modify_snapshot_attribute
        for snapshot in (own, default):
            self.refused("OperationNotPermitted", modify, 400, SnapshotId=snapshot, OperationType="add",
                         GroupNames=["all"])
        self.refused("OperationNotPermitted", modify, 400, SnapshotId=default, OperationType="add",
                     UserIds=[self.other])
        self.share(own, self.other)
        self.assertEqual((self.permissions(own), self.permissions(default)), ([self.other], []))

    def test_block_public_access(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/block-public-access-snapshots.html
        While public access is blocked in the account no snapshot is made public; accounts may be added."""
        made = self.snapshot()["SnapshotId"]
        self.assertEqual(self.ec2.get_snapshot_block_public_access_state()["State"], "unblocked")
        self.ec2.enable_snapshot_block_public_access(State="block-new-sharing")
        self.addCleanup(self.ec2.disable_snapshot_block_public_access)
        self.assertEqual(self.ec2.get_snapshot_block_public_access_state()["State"], "block-new-sharing")
        self.refused("OperationNotPermitted", self.ec2.modify_snapshot_attribute, 400, SnapshotId=made,
                     OperationType="add", GroupNames=["all"])
        self.share(made, self.other)

    def test_block_all_sharing(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html
        In block-all-sharing mode "snapshots that are already publicly shared are treated as private"; "the attributes
        for these snapshots still indicate that they are publicly shared", and they "will become publicly available
        again" in the other mode. Those shared with an account stay so. Not a State here: unblocked."""
        made, named = self.snapshot()["SnapshotId"], self.snapshot()["SnapshotId"]
        self.ec2.modify_snapshot_attribute(SnapshotId=made, OperationType="add", GroupNames=["all"])
        self.share(named, self.other)
        enable, third = self.ec2.enable_snapshot_block_public_access, client("ec2", account())
        self.addCleanup(self.ec2.disable_snapshot_block_public_access)

        def seen(ec2):
            return {one["SnapshotId"] for one in ec2.describe_snapshots()["Snapshots"]} & {made, named}

        self.assertEqual((seen(third), seen(self.theirs)), ({made}, {made, named}))
        enable(State="block-new-sharing")
        self.assertEqual(seen(third), {made})
        enable(State="block-all-sharing")
        self.assertEqual((seen(third), seen(self.theirs), seen(self.ec2)), (set(), {named}, {made, named}))
        self.refused("InvalidSnapshot.NotFound", third.copy_snapshot, 400, SourceSnapshotId=made, SourceRegion=REGION)
        self.assertEqual(self.permissions(made), ["all"])
        public = self.ec2.describe_snapshots(RestorableByUserIds=["all"], OwnerIds=["self"])["Snapshots"]
        self.assertEqual(public, [])
        enable(State="block-new-sharing")
        self.assertEqual(seen(third), {made})
        self.refused("InvalidParameterValue", enable, 400, State="unblocked")
        self.assertEqual(client("ec2", self.account, region="us-east-1")
                         .get_snapshot_block_public_access_state()["State"], "unblocked")

    def test_who_may_look(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
        "If you specify a snapshot ID for which you do not have access, it is not included in the returned results."
        RestorableByUserIds takes "AWS account IDs (if you own the snapshots)".
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotAttribute.html: the permissions
        are the owner's to see."""
        made, secret = self.snapshot()["SnapshotId"], self.snapshot()["SnapshotId"]
        third = account()
        self.share(made, self.other, third)
        found = self.theirs.describe_snapshots(SnapshotIds=[made, secret])["Snapshots"]
        self.assertEqual([one["SnapshotId"] for one in found], [made])
        self.refused("InvalidSnapshot.NotFound", self.theirs.describe_snapshots, 400,
                     SnapshotIds=[made, "snap-0123456789abcdef0"])
        restorable = {"RestorableByUserIds": [third]}
        self.assertEqual(self.theirs.describe_snapshots(**restorable)["Snapshots"], [])
        found = self.ec2.describe_snapshots(**restorable)["Snapshots"]
        self.assertEqual([one["SnapshotId"] for one in found], [made])
        for call in (self.theirs.describe_snapshot_attribute, self.theirs.reset_snapshot_attribute):
            self.refused("AuthFailure", call, 400, SnapshotId=made, Attribute=PERMISSION)
            self.refused("InvalidSnapshot.NotFound", call, 400, SnapshotId=secret, Attribute=PERMISSION)

    def test_each_account_has_its_own_tags(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
        "When you tag public or shared resources, the tags you assign are available only to your AWS account; no other
        AWS account will have access to those tags." """
        made, secret = self.snapshot(TagSpecifications=TAGS)["SnapshotId"], self.snapshot()["SnapshotId"]
        self.share(made, self.other)
        tags = [{"Key": "seen", "Value": "yes"}]
        self.theirs.create_tags(Resources=[made], Tags=tags)
        self.refused("InvalidSnapshot.NotFound", self.theirs.create_tags, 400, Resources=[secret], Tags=tags)
        shown = self.theirs.describe_snapshots(SnapshotIds=[made])["Snapshots"][0]
        self.assertEqual((shown["Tags"], self.shown(made)["Tags"]), (tags, TAGS[0]["Tags"]))
        for ec2, name, values, found in ((self.theirs, "tag:seen", ["yes"], 1), (self.theirs, "tag-key", ["case"], 0),
                                         (self.ec2, "tag:seen", ["yes"], 0), (self.ec2, "tag-key", ["case"], 1)):
            filters = [{"Name": name, "Values": values}, {"Name": "snapshot-id", "Values": [made]}]
            self.assertEqual(len(ec2.describe_snapshots(Filters=filters)["Snapshots"]), found, (name, values))

    def test_visible_only_when_shared(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
        Others see a snapshot with explicit permission, by id, by RestorableByUserIds self, by OwnerIds; without
        the owner's tags. https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html"""
        made = self.snapshot(TagSpecifications=[
            {"ResourceType": "snapshot", "Tags": [{"Key": "case", "Value": "7"}]}])["SnapshotId"]
        self.assertEqual(self.theirs.describe_snapshots(SnapshotIds=[made])["Snapshots"], [])
        self.share(made, self.other)
        shown = self.theirs.describe_snapshots(SnapshotIds=[made])["Snapshots"][0]
        self.assertEqual((shown["OwnerId"], shown.get("Tags", [])), (self.account, []))
        for scope in ({"RestorableByUserIds": ["self"]}, {"OwnerIds": [self.account]}):
            found = [one["SnapshotId"] for one in self.theirs.describe_snapshots(**scope)["Snapshots"]]
            self.assertIn(made, found)
        self.assertEqual(self.theirs.describe_snapshots(OwnerIds=["self"])["Snapshots"], [])
        tagged = [{"Name": "tag:case", "Values": ["7"]}]
        self.assertEqual(self.theirs.describe_snapshots(Filters=tagged)["Snapshots"], [])
        found = self.ec2.describe_snapshots(OwnerIds=["self"], RestorableByUserIds=[self.other])["Snapshots"]
        self.assertIn(made, [one["SnapshotId"] for one in found])
        self.ec2.modify_snapshot_attribute(SnapshotId=made, OperationType="remove", UserIds=[self.other])
        self.assertEqual(self.theirs.describe_snapshots(SnapshotIds=[made])["Snapshots"], [])


class Copies(SharingTest):
    def copy(self, snapshot, ec2=None, **parameters):
        ec2 = ec2 or self.theirs
        made = ec2.copy_snapshot(SourceSnapshotId=snapshot, SourceRegion=REGION, **parameters)
        return ec2.describe_snapshots(SnapshotIds=[made["SnapshotId"]])["Snapshots"][0]

    def test_copy_of_a_shared_snapshot(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html
        A shared snapshot is copied into the caller's account, with the request's description and tags only, and a
        volume id that means nothing; it is pending for a time."""
        bed("settings", {"account": self.other, "copy_seconds": 600})
        self.addCleanup(bed, "settings", {"account": self.other, "copy_seconds": 0})
        made = self.snapshot()["SnapshotId"]
        self.refused("InvalidSnapshot.NotFound", self.theirs.copy_snapshot, 400, SourceSnapshotId=made,
                     SourceRegion=REGION)
        self.share(made, self.other)
        tags = [{"Key": "op", "Value": "1"}]
        copy = self.copy(made, Description="evidence",
                         TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
        self.assertEqual((copy["State"], copy["OwnerId"], copy["VolumeId"], copy["Description"], copy["Tags"]),
                         ("pending", self.other, "vol-ffffffff", "evidence", tags))
        self.complete(copy["SnapshotId"])
        shown = self.theirs.describe_snapshots(SnapshotIds=[copy["SnapshotId"]])["Snapshots"][0]
        self.assertEqual((shown["State"], shown["VolumeSize"]), ("completed", 1))
        bed("settings", {"account": self.other, "copy_seconds": 0.2})
        short = self.copy(made)["SnapshotId"]
        self.assertTrue(wait_until(lambda: self.theirs.describe_snapshots(SnapshotIds=[short])["Snapshots"][0]["State"]
                                   == "completed"))

    def test_to_another_region(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html
        The copy is made in the Region of the call, from SourceRegion."""
        made = self.snapshot()["SnapshotId"]
        there = client("ec2", self.account, region="us-east-1")
        copy = self.copy(made, there)
        self.assertEqual(copy["OwnerId"], self.account)
        self.refused("InvalidSnapshot.NotFound", self.ec2.describe_snapshots, 400, SnapshotIds=[copy["SnapshotId"]])

    def test_pending_and_failed_sources(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (IncorrectState)
        Only a completed snapshot can be copied."""
        self.pending()
        made = self.snapshot()["SnapshotId"]
        self.refused("IncorrectState", self.ec2.copy_snapshot, 400, SourceSnapshotId=made, SourceRegion=REGION)

    def test_under_another_key(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
        To copy a shared encrypted snapshot the caller needs the source's key, by its policy or a grant, and the
        named key of its own. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html: without, the
        call succeeds and the copy ends in error later."""
        source = self.kms.create_key()["KeyMetadata"]["Arn"]
        target = client("kms", self.other).create_key()["KeyMetadata"]["Arn"]
        made = self.encrypted(source)
        self.share(made, self.other)
        failed = self.copy(made, Encrypted=True, KmsKeyId=target)
        self.assertEqual((failed["State"], failed["StateMessage"]), ("error", "Given key ID is not accessible"))
        grant = self.kms.create_grant(KeyId=source, GranteePrincipal=f"arn:aws:iam::{self.other}:root",
                                      Operations=COPY_OPERATIONS, Name="copy")
        copied = self.copy(made, Encrypted=True, KmsKeyId=target)
        self.assertEqual((copied["State"], copied["Encrypted"], copied["KmsKeyId"]), ("completed", True, target))
        unknown = target[:-12] + "0" * 12
        self.assertEqual(self.copy(made, Encrypted=True, KmsKeyId=unknown)["State"], "error")
        default = self.copy(made)
        self.assertEqual((default["State"], default["Encrypted"]), ("completed", True))
        self.assertEqual(client("kms", self.other).describe_key(KeyId=default["KmsKeyId"])["KeyMetadata"]["KeyManager"],
                         "AWS")
        self.kms.revoke_grant(KeyId=source, GrantId=grant["GrantId"])
        self.assertEqual(self.copy(made, Encrypted=True, KmsKeyId=target)["State"], "error")

    def test_disabled_key(self):
        """https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
        A disabled key can't be used by EBS either: the copy ends in error."""
        key = self.kms.create_key()["KeyMetadata"]["Arn"]
        made = self.encrypted(key)
        self.kms.disable_key(KeyId=key)
        self.assertEqual(self.copy(made, self.ec2)["State"], "error")
        self.kms.enable_key(KeyId=key)
        self.assertEqual(self.copy(made, self.ec2)["State"], "completed")

    def test_key_needs_encryption(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (KmsKeyId, Encrypted)
        A key is named only for a copy that is encrypted; a copy of an encrypted snapshot always is."""
        key = self.kms.create_key()["KeyMetadata"]["Arn"]
        plain, hidden = self.snapshot()["SnapshotId"], self.encrypted(key)
        self.refused("InvalidParameterDependency", self.ec2.copy_snapshot, 400, SourceSnapshotId=plain,
                     SourceRegion=REGION, KmsKeyId=key)
        self.refused("InvalidParameterValue", self.ec2.copy_snapshot, 400, SourceSnapshotId=hidden,
                     SourceRegion=REGION, Encrypted=False)
        self.assertEqual(self.copy(plain, self.ec2, Encrypted=True, KmsKeyId=key)["KmsKeyId"], key)
        self.assertTrue(self.copy(hidden, self.ec2, KmsKeyId=key)["Encrypted"])
