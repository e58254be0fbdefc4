"""EBS direct: blocks of snapshots, as the EBS guide and the EBS direct reference say."""

import base64
import hashlib
import os
import tempfile
import time

import botocore.exceptions

from tests.harness import account, bed, client
from tests.test_snapshots import SnapshotTest

SIZE = 512 * 1024


class Blocks(SnapshotTest):
    def setUp(self):
        self.ebs = client("ebs", self.account)

    def image(self, written, volume=None, **parameters):
        """A volume on which these blocks were written: each its index, and the byte that it is full of."""
        volume = volume or self.volume(**parameters)
        with tempfile.NamedTemporaryFile() as file:
            for index, fill in written.items():
                file.seek(index * SIZE)
                file.write(bytes([fill]) * SIZE)
            file.flush()
            status, answer = bed(f"volumes/{volume}", {"image": file.name})
            self.assertEqual((status, answer["blocks"]), (200, len(written)), answer)
        return volume

    def taken(self, written, **parameters):
        return self.snapshot(VolumeId=self.image(written, **parameters))["SnapshotId"]

    def listed(self, snapshot, call=None, **parameters):
        """All pages: indexes with tokens, and the size of each page."""
        call = call or self.ebs.list_snapshot_blocks
        found, pages, following = {}, [], {}
        while True:
            page = call(SnapshotId=snapshot, **{**parameters, **following})
            found.update((block["BlockIndex"], block["BlockToken"]) for block in page["Blocks"])
            pages.append(len(page["Blocks"]))
            if "NextToken" not in page:
                return found, pages
            following = {"NextToken": page["NextToken"]}

    def why(self, code, reason, call, status=400, **parameters):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        answer = caught.exception.response
        self.assertEqual((answer["Error"]["Code"], answer.get("Reason"), answer["ResponseMetadata"]["HTTPStatusCode"]),
                         (code, reason, status))

    def setting(self, **values):
        bed("settings", {"account": self.account, **values})
        before = {"page_token_seconds": 3600, "block_token_seconds": 7 * 24 * 3600, "ebs_page_span": 0}
        self.addCleanup(bed, "settings", {"account": self.account, **{name: before[name] for name in values}})

    def test_written_blocks_with_checksums(self):
        """https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html
        https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html
        Indexes of the written blocks, in numerical order, each with a token by which its data is got: 512 KiB, with
        their SHA-256 in Base64. A block that was written with zeros is written."""
        snapshot = self.taken({7: 0x41, 0: 0x42, 3: 0})
        page = self.ebs.list_snapshot_blocks(SnapshotId=snapshot)
        self.assertEqual([block["BlockIndex"] for block in page["Blocks"]], [0, 3, 7])
        self.assertEqual((page["VolumeSize"], page["BlockSize"]), (1, SIZE))
        self.assertGreater(page["ExpiryTime"].timestamp(), time.time() + 6 * 24 * 3600)
        for block, fill in zip(page["Blocks"], (0x42, 0, 0x41)):
            got = self.ebs.get_snapshot_block(SnapshotId=snapshot, **block)
            data = got["BlockData"].read()
            self.assertEqual(data, bytes([fill]) * SIZE)
            told = base64.b64encode(hashlib.sha256(data).digest()).decode()
            self.assertEqual((got["DataLength"], got["Checksum"], got["ChecksumAlgorithm"]), (SIZE, told, "SHA256"))

    def test_a_snapshot_keeps_the_bytes_of_its_moment(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html
        It has what was written up to the call, also while it is pending. A copy has the same; a volume begins so."""
        self.pending()
        volume = self.image({0: 1})
        first = self.snapshot(VolumeId=volume)["SnapshotId"]
        self.image({0: 2, 1: 2}, volume)
        self.complete(first)
        tokens, _ = self.listed(first)
        data = self.ebs.get_snapshot_block(SnapshotId=first, BlockIndex=0, BlockToken=tokens[0])["BlockData"].read()
        self.assertEqual((list(tokens), data[:1]), ([0], b"\1"))
        copy = self.ec2.copy_snapshot(SourceRegion="eu-west-1", SourceSnapshotId=first)["SnapshotId"]
        again = self.snapshot(VolumeId=self.volume(SnapshotId=first))["SnapshotId"]
        for one in (copy, again):
            self.complete(one)
            self.assertEqual(list(self.listed(one)[0]), [0])

    def test_pages(self):
        """https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html
        MaxResults is 100 to 10,000. A page may be empty and lead to another. StartingBlockIndex is where the list
        starts, and is ignored with NextToken. https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html"""
        snapshot = self.taken({index: 1 for index in range(0, 260, 2)})
        self.assertEqual(self.listed(snapshot, MaxResults=100)[1], [100, 30])
        some = self.ebs.list_snapshot_blocks(SnapshotId=snapshot, StartingBlockIndex=3)["Blocks"]
        self.assertEqual(some[0]["BlockIndex"], 4)
        found, pages = self.listed(snapshot, MaxResults=100, StartingBlockIndex=101)
        self.assertEqual((min(found), max(found), pages), (102, 258, [79]))
        self.why("ValidationException", "INVALID_PARAMETER_VALUE", self.ebs.list_snapshot_blocks, SnapshotId=snapshot,
                 MaxResults=10001)
        self.setting(ebs_page_span=10)
        self.assertEqual(self.listed(self.taken({0: 1, 35: 1}))[1], [1, 0, 0, 1])

    def test_tokens_end(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-elements.html
        Block tokens are temporary. https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html
        ValidationException: INVALID_BLOCK_TOKEN, INVALID_PAGE_TOKEN."""
        snapshot = self.taken({index: 1 for index in range(101)})
        tokens, _ = self.listed(snapshot)
        get, read = self.ebs.get_snapshot_block, self.ebs.list_snapshot_blocks
        page = read(SnapshotId=snapshot, MaxResults=100)["NextToken"]
        for index, wrong in ((0, tokens[1]), (0, "AAAA"), (0, page), (1000, tokens[0])):
            self.why("ValidationException", "INVALID_BLOCK_TOKEN", get, SnapshotId=snapshot, BlockIndex=index,
                     BlockToken=wrong)
        for wrong in ("AAAA", tokens[0]):
            self.why("ValidationException", "INVALID_PAGE_TOKEN", read, SnapshotId=snapshot, NextToken=wrong)
        bed(f"snapshots/{snapshot}", {"void_tokens": True})
        self.why("ValidationException", "INVALID_BLOCK_TOKEN", get, SnapshotId=snapshot, BlockIndex=0,
                 BlockToken=tokens[0])
        tokens, _ = self.listed(snapshot)
        get(SnapshotId=snapshot, BlockIndex=0, BlockToken=tokens[0])
        self.setting(page_token_seconds=0, block_token_seconds=0)
        self.why("ValidationException", "INVALID_BLOCK_TOKEN", get, SnapshotId=snapshot, BlockIndex=0,
                 BlockToken=tokens[0])
        self.why("ValidationException", "INVALID_PAGE_TOKEN", read, SnapshotId=snapshot, NextToken=page)

    def test_changed_blocks(self):
        """https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListChangedBlocks.html
        https://docs.aws.amazon.com/ebs/latest/APIReference/API_ChangedBlock.html
        The blocks that differ, with the token of each side that has the block; only within one lineage."""
        volume = self.image({0: 1, 1: 1, 2: 1})
        first = self.snapshot(VolumeId=volume)["SnapshotId"]
        self.image({0: 1, 1: 9, 5: 1}, volume)
        second = self.snapshot(VolumeId=volume)["SnapshotId"]
        changed = self.ebs.list_changed_blocks
        found = changed(FirstSnapshotId=first, SecondSnapshotId=second)["ChangedBlocks"]
        sides = [(block["BlockIndex"], "FirstBlockToken" in block, "SecondBlockToken" in block) for block in found]
        self.assertEqual(sides, [(1, True, True), (2, True, False), (5, False, True)])
        self.ebs.get_snapshot_block(SnapshotId=second, BlockIndex=5, BlockToken=found[2]["SecondBlockToken"])
        self.assertEqual(changed(FirstSnapshotId=first, SecondSnapshotId=first)["ChangedBlocks"], [])
        self.why("ValidationException", "INVALID_PARAMETER_VALUE", changed, SecondSnapshotId=second)
        self.why("ValidationException", "UNRELATED_SNAPSHOTS", changed, FirstSnapshotId=self.taken({0: 1}),
                 SecondSnapshotId=second)

    def test_only_completed_snapshots_of_ones_own_or_shared_ones(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html Only with a completed status.
        https://docs.aws.amazon.com/ebs/latest/userguide/readsnapshots.html Not archived ones.
        https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-elements.html Not public ones.
        ResourceNotFoundException: SNAPSHOT_NOT_FOUND."""
        absent = ("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND")
        self.why(*absent, self.ebs.list_snapshot_blocks, 404, SnapshotId="snap-0123456789abcdef0")
        snapshot, other = self.taken({0: 1}), account()
        foreign = client("ebs", other).list_snapshot_blocks
        self.why(*absent, foreign, 404, SnapshotId=snapshot)
        permission = {"SnapshotId": snapshot, "Attribute": "createVolumePermission", "OperationType": "add"}
        self.ec2.modify_snapshot_attribute(**permission, GroupNames=["all"])
        self.why(*absent, foreign, 404, SnapshotId=snapshot)
        self.ec2.modify_snapshot_attribute(**permission, UserIds=[other])
        self.assertEqual(len(foreign(SnapshotId=snapshot)["Blocks"]), 1)
        self.ec2.modify_snapshot_tier(SnapshotId=snapshot, StorageTier="archive")
        self.why(*absent, self.ebs.list_snapshot_blocks, 404, SnapshotId=snapshot)
        self.pending()
        self.why(*absent, self.ebs.list_snapshot_blocks, 404, SnapshotId=self.taken({0: 1}))

    def test_an_encrypted_snapshot_needs_its_key(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-permissions.html kms:Decrypt.
        https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html AccessDeniedException:
        DEPENDENCY_ACCESS_DENIED."""
        kms = client("kms", self.account)
        key = kms.create_key()["KeyMetadata"]["Arn"]
        snapshot = self.taken({0: 1}, Encrypted=True, KmsKeyId=key)
        self.assertEqual(len(self.listed(snapshot)[0]), 1)
        kms.disable_key(KeyId=key)
        self.why("AccessDeniedException", "DEPENDENCY_ACCESS_DENIED", self.ebs.list_snapshot_blocks, 403,
                 SnapshotId=snapshot)

    def test_blocks_that_were_put(self):
        """https://docs.aws.amazon.com/ebs/latest/userguide/writesnapshots.html
        A snapshot that is written by EBS direct can be read by it once it is completed."""
        begun = self.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
        data = os.urandom(SIZE)
        told = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self.ebs.put_snapshot_block(SnapshotId=begun, BlockIndex=4, BlockData=data, DataLength=SIZE, Checksum=told,
                                    ChecksumAlgorithm="SHA256")
        self.why("ResourceNotFoundException", "SNAPSHOT_NOT_FOUND", self.ebs.list_snapshot_blocks, 404,
                 SnapshotId=begun)
        self.ebs.complete_snapshot(SnapshotId=begun, ChangedBlocksCount=1)
        tokens, _ = self.listed(begun)
        got = self.ebs.get_snapshot_block(SnapshotId=begun, BlockIndex=4, BlockToken=tokens[4])
        self.assertEqual((got["BlockData"].read(), got["Checksum"]), (data, told))

    def test_an_image_fits_its_volume(self):
        """The bed's own: what can't be put onto a volume is refused."""
        volume = self.volume()
        with tempfile.NamedTemporaryFile() as file:
            file.truncate((1 << 30) + 1)
            self.assertEqual(bed(f"volumes/{volume}", {"image": file.name})[0], 400)
        self.assertEqual(bed(f"volumes/{volume}", {"image": "/nowhere"})[0], 400)
