"""CopySnapshot: presigned URLs, limits, late failures, lineage."""

import json
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials

from tests.harness import REGION, bed, client, server
from tests.test_snapshot_sharing import COPY_OPERATIONS, SharingTest

FAR = "us-east-1"


def without_url(params, **_):
    """Takes away what boto3 adds to a copy."""
    del params["body"]["PresignedUrl"]


class CopyTest(SharingTest):
    def setUp(self):
        self.far = client("ec2", self.account, region=FAR)

    def copy(self, snapshot, ec2=None, **parameters):
        """A copy, by the owner in the same Region unless said otherwise: its description."""
        ec2 = ec2 or self.ec2
        made = ec2.copy_snapshot(SourceSnapshotId=snapshot, **{"SourceRegion": REGION, **parameters})
        return self.of(ec2, made["SnapshotId"])

    def of(self, ec2, snapshot):
        return ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]

    def slow(self, number):
        """Copies of the account stay pending; the time outlasts the test on any machine."""
        bed("settings", {"account": number, "copy_seconds": 600})
        self.addCleanup(bed, "settings", {"account": number, "copy_seconds": 0})

    def key(self, number=None, region=REGION):
        return client("kms", number or self.account, region=region).create_key()["KeyMetadata"]["Arn"]


class Presigned(CopyTest):
    def url(self, snapshot, region=REGION, secret=None, expires=3600, host=None, **changes):
        """As another client would build it: a GET of the source's endpoint, signed in the query."""
        _, keys = bed(f"accounts/{self.account}")
        query = {"Action": "CopySnapshot", "Version": "2016-11-15", "SourceRegion": REGION,
                 "SourceSnapshotId": snapshot, "DestinationRegion": FAR, **changes}
        where = f"{host or f'https://ec2.{REGION}.amazonaws.com'}/?{urllib.parse.urlencode(query)}"
        request = botocore.awsrequest.AWSRequest("GET", where)
        credentials = botocore.credentials.Credentials(keys["access_key_id"], secret or keys["secret_access_key"])
        botocore.auth.SigV4QueryAuth(credentials, "ec2", region, expires=expires).add_auth(request)
        return request.url

    def test_a_good_one(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (PresignedUrl)
        It "should use the snapshot source endpoint, the CopySnapshot action, and include the SourceRegion,
        SourceSnapshotId, and DestinationRegion parameters. [It] must be signed using AWS Signature Version 4."
        boto3 adds one of its own to every copy."""
        made = self.encrypted()
        self.assertEqual(self.copy(made, self.far)["State"], "completed")
        self.assertEqual(self.copy(made, self.far, PresignedUrl=self.url(made))["State"], "completed")
        role = client("iam", self.account).create_role(RoleName="copies", AssumeRolePolicyDocument=(
            '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "%s"}, "Action": "sts:AssumeRole"}]}'
            % self.account))["Role"]["Arn"]
        session = client("sts", self.account).assume_role(RoleArn=role, RoleSessionName="one")["Credentials"]
        ec2 = client("ec2", self.account, region=FAR, credentials=session)
        self.assertEqual(self.copy(made, ec2)["State"], "completed")

    def test_bad_ones(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (PresignedUrl)
        "An invalid or improperly signed PresignedUrl will cause the copy operation to fail asynchronously, and the
        snapshot will move to an error state." """
        made, other = self.encrypted(), self.snapshot()["SnapshotId"]
        good = self.url(made)
        for name, url in (("none", "nonsense"), ("snapshot", self.url(other)), ("secret", self.url(made, secret="x")),
                          ("region", self.url(made, region=FAR)), ("action", self.url(made, Action="CopyImage")),
                          ("destination", self.url(made, DestinationRegion="us-west-2")),
                          ("host", self.url(made, host=f"https://ec2.{FAR}.amazonaws.com")),
                          ("time", self.url(made, expires=0)),
                          ("changed", good.replace("Version=2016", "Version=2015")),
                          ("signature", good[:-1] + ("0" if good[-1] != "0" else "1"))):
            with self.subTest(name):
                copy = self.copy(made, self.far, PresignedUrl=url)
                self.assertEqual(copy["State"], "error")
                self.assertIn("Invalid PresignedUrl", copy["StateMessage"])

    def test_none(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (PresignedUrl)
        "Deprecated." Before, "you must supply a pre-signed URL" for an encrypted source: where the bed is set so."""
        _, keys = bed(f"accounts/{self.account}")
        ec2 = boto3.Session().client(
            "ec2", region_name=FAR, endpoint_url=server().url, aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"])
        ec2.meta.events.register_last("before-call.ec2.CopySnapshot", without_url)
        hidden, plain = self.encrypted(), self.snapshot()["SnapshotId"]
        self.assertEqual(self.copy(hidden, ec2)["State"], "completed")
        bed("settings", {"account": self.account, "presigned_url_required": 1})
        self.addCleanup(bed, "settings", {"account": self.account, "presigned_url_required": 0})
        self.assertIn("PresignedUrl", self.copy(hidden, ec2)["StateMessage"])
        self.assertEqual(self.copy(plain, ec2)["State"], "completed")


class Copying(CopyTest):
    def test_at_once(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html
        "Concurrent snapshot copies per destination Region: 20".
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (ResourceLimitExceeded)
        "For example, you might have too many snapshot copies in progress." """
        made = self.snapshot()["SnapshotId"]
        self.slow(self.account)
        copies = [self.copy(made)["SnapshotId"] for _ in range(20)]
        message = self.refused("ResourceLimitExceeded", self.copy, 400, snapshot=made)
        self.assertIn("Too many snapshot copies in progress", message)
        self.assertEqual(self.copy(made, self.far)["State"], "pending")
        self.complete(copies[0])
        copies.append(self.copy(made)["SnapshotId"])
        for one in copies:
            self.complete(one)

    def test_sources(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        InvalidSnapshot.NotFound for a source that is in another Region or not to be seen; a Region that does not
        exist is InvalidParameterValue."""
        made = self.snapshot()["SnapshotId"]
        self.refused("InvalidSnapshot.NotFound", self.copy, 400, snapshot=made, SourceRegion=FAR)
        self.refused("InvalidSnapshot.NotFound", self.copy, 400, snapshot=made, ec2=self.theirs)
        self.refused("InvalidParameterValue", self.copy, 400, snapshot=made, SourceRegion="eu-nowhere-1")

    def test_completion_duration(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/time-based-copies.html
        "Between 15 minutes and 48 hours [...] in 15 minute increments"; DescribeSnapshots shows it."""
        made = self.snapshot()["SnapshotId"]
        for minutes in (1, 20, 2895):
            self.refused("InvalidParameterValue", self.copy, snapshot=made, CompletionDurationMinutes=minutes)
        copy = self.copy(made, CompletionDurationMinutes=30)
        self.assertEqual((copy["TransferType"], copy["CompletionDurationMinutes"]), ("time-based", 30))
        plain = self.copy(made)
        self.assertEqual((plain["TransferType"], plain.get("CompletionDurationMinutes")), ("standard", None))

    def test_lineage(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (DataEncryptionKeyId)
        "Data encryption keys are inherited by volumes created from snapshots, and vice versa"; it identifies the one
        "used to encrypt the original volume or snapshot copy". "Only returned by DescribeSnapshots". A copy's volume
        id is arbitrary."""
        key = self.key()
        volume = self.volume(Encrypted=True, KmsKeyId=key)
        made = self.ec2.create_snapshot(VolumeId=volume)
        self.assertNotIn("DataEncryptionKeyId", made)
        first, second = (self.shown(one["SnapshotId"]) for one in (made, self.ec2.create_snapshot(VolumeId=volume)))
        again = self.shown(self.snapshot(VolumeId=self.volume(SnapshotId=first["SnapshotId"]))["SnapshotId"])
        self.assertEqual({one["DataEncryptionKeyId"] for one in (first, second, again)},
                         {first["DataEncryptionKeyId"]})
        copy, other = self.copy(first["SnapshotId"], KmsKeyId=key), self.shown(self.encrypted(key))
        self.assertEqual(len({one["DataEncryptionKeyId"] for one in (first, copy, other)}), 3)
        self.assertNotEqual(copy["VolumeId"], volume)
        plain = self.shown(self.snapshot()["SnapshotId"])
        self.assertNotIn("DataEncryptionKeyId", plain)

    def test_keys_of_the_destination(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
        The key of a copy is one of the destination's Region; with another "the operation fails silently and the
        snapshot copy receives the 'Given key ID is not accessible' status message". By default it is the default
        key of that Region. Pending or failed, the copy keeps the tags that it was given at birth."""
        made, near, there = self.encrypted(), self.key(), self.key(region=FAR)
        tags = [{"Key": "op", "Value": "1"}]
        self.assertEqual(self.copy(made, self.far, KmsKeyId=there)["KmsKeyId"], there)
        failed = self.copy(made, self.far, KmsKeyId=near,
                           TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
        self.assertEqual((failed["State"], failed["StateMessage"], failed["Tags"]),
                         ("error", "Given key ID is not accessible", tags))
        default = self.copy(made, self.far)["KmsKeyId"]
        managed = client("kms", self.account, region=FAR).describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
        self.assertEqual(default, managed)

    def shared(self, key):
        made = self.encrypted(key)
        self.share(made, self.other)
        return made

    def test_what_a_grant_must_hold(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
        The receiving account needs every one of the operations on the source's key; without, "the snapshot copy
        receives the 'Given key ID is not accessible' status message" (ebs-copy-snapshot.html)."""
        source, target = self.key(), self.key(self.other)
        made = self.shared(source)
        for missing in (*COPY_OPERATIONS, None):
            with self.subTest(missing=missing):
                grant = self.kms.create_grant(
                    KeyId=source, GranteePrincipal=f"arn:aws:iam::{self.other}:root",
                    Operations=[one for one in COPY_OPERATIONS if one != missing])["GrantId"]
                copy = self.copy(made, self.theirs, KmsKeyId=target)
                self.assertEqual(copy["State"], "error" if missing else "completed")
                self.kms.revoke_grant(KeyId=source, GrantId=grant)

    def test_by_key_policy(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
        https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
        Two statements let another account copy: one for the use of the key, one for grants with
        kms:GrantIsForAWSResource, which do not let it make a grant by itself. The target's policy counts as well."""
        them, us = ({"AWS": f"arn:aws:iam::{number}:root"} for number in (self.other, self.account))
        use = {"Effect": "Allow", "Principal": them, "Resource": "*", "Action": [
            "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]}
        grants = {"Effect": "Allow", "Principal": them, "Resource": "*", "Action": [
            "kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
        whole = {"Effect": "Allow", "Principal": us, "Action": "kms:*", "Resource": "*"}
        source, target = self.key(), self.key(self.other)
        made = self.shared(source)
        for statements, state in (([use], "error"), ([grants], "error"), ([use, grants], "completed")):
            self.kms.put_key_policy(KeyId=source, Policy=json.dumps({"Statement": [whole, *statements]}))
            self.assertEqual(self.copy(made, self.theirs, KmsKeyId=target)["State"], state)
        theirs = client("kms", self.other)
        self.refused("AccessDeniedException", theirs.create_grant, 400, KeyId=source, Operations=["Decrypt"],
                     GranteePrincipal=f"arn:aws:iam::{self.other}:root")
        manage = {**whole, "Principal": them, "Action": ["kms:PutKeyPolicy", "kms:DescribeKey"]}
        theirs.put_key_policy(KeyId=target, Policy=json.dumps({"Statement": [manage]}))
        self.assertEqual(self.copy(made, self.theirs, KmsKeyId=target)["State"], "error")

    def test_from_the_default_key(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
        Snapshots under the AWS managed key can't be shared: they are first copied under another key of the account,
        and that copy is shared."""
        made, transfer = self.encrypted(), self.key()
        self.refused("OperationNotPermitted", self.ec2.modify_snapshot_attribute, 400, SnapshotId=made,
                     OperationType="add", UserIds=[self.other])
        copy = self.copy(made, KmsKeyId=transfer)
        self.assertEqual((copy["State"], copy["KmsKeyId"]), ("completed", transfer))
        self.share(copy["SnapshotId"], self.other)
        self.assertEqual(self.permissions(copy["SnapshotId"]), [self.other])

    def test_a_key_that_goes_away_in_the_middle(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html (KmsKeyId)
        "AWS authenticates the KMS key asynchronously. Therefore [...] the action can appear to complete, but
        eventually fails", here when either key becomes unusable before the copy is complete; not after that."""
        for spoil in ("source", "target", "deletion"):
            with self.subTest(spoil):
                source, target = self.key(), self.key(self.other)
                made = self.shared(source)
                self.kms.create_grant(KeyId=source, GranteePrincipal=f"arn:aws:iam::{self.other}:root",
                                      Operations=COPY_OPERATIONS)
                done = self.copy(made, self.theirs, KmsKeyId=target)["SnapshotId"]
                self.slow(self.other)
                copy = self.copy(made, self.theirs, KmsKeyId=target)
                self.assertEqual((copy["State"], copy.get("StateMessage")), ("pending", None))
                if spoil == "deletion":
                    self.kms.schedule_key_deletion(KeyId=source)
                else:
                    client("kms", self.account if spoil == "source" else self.other).disable_key(
                        KeyId=source if spoil == "source" else target)
                bed(f"snapshots/{copy['SnapshotId']}", {"pending_seconds": 0})
                copy = self.of(self.theirs, copy["SnapshotId"])
                self.assertEqual((copy["State"], copy.get("StateMessage")),
                                 ("error", "Given key ID is not accessible"))
                self.assertEqual(self.of(self.theirs, done)["State"], "completed")
                bed("settings", {"account": self.other, "copy_seconds": 0})

    def test_forced_failures(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Snapshot.html (State, StateMessage)
        "If a snapshot copy operation fails [...] this field displays error state details": the copies of one
        snapshot where the bed is set so, the others not."""
        made, fine = self.snapshot()["SnapshotId"], self.snapshot()["SnapshotId"]
        bed(f"snapshots/{made}", {"copies_fail": "the copy got lost"})
        copy = self.copy(made)
        self.assertEqual((copy["State"], copy["StateMessage"]), ("error", "the copy got lost"))
        self.assertEqual((self.copy(fine)["State"], self.shown(made)["State"]), ("completed", "completed"))
        bed(f"snapshots/{made}", {"copies_fail": None})
        self.assertEqual(self.copy(made)["State"], "completed")

    def test_locks_are_the_copy_s_own(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLockedSnapshots.html
        A lock belongs to one snapshot, and is its owner's to see: the copy of a locked snapshot is not locked, and
        is locked by the account that made it."""
        made = self.snapshot()["SnapshotId"]
        self.share(made, self.other)
        self.ec2.lock_snapshot(SnapshotId=made, LockMode="governance", LockDuration=1)
        copy = self.copy(made, self.theirs)["SnapshotId"]
        self.assertEqual(self.theirs.describe_locked_snapshots()["Snapshots"], [])
        self.refused("AuthFailure", self.theirs.describe_locked_snapshots, 400, SnapshotIds=[made])
        self.theirs.lock_snapshot(SnapshotId=copy, LockMode="compliance", LockDuration=1)
        self.refused("OperationNotPermitted", self.theirs.delete_snapshot, 400, SnapshotId=copy)
        self.refused("InvalidSnapshot.NotFound", self.ec2.describe_locked_snapshots, 400, SnapshotIds=[copy])
        found = self.ec2.describe_locked_snapshots()["Snapshots"]
        self.assertEqual([one["SnapshotId"] for one in found], [made])
