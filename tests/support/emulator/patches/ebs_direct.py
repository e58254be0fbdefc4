"""EBS direct: the blocks of every snapshot, with their checksums, in pages, by tokens that end."""

import base64
import hashlib
import json
import re
import time

from moto.core.responses import ActionResult
from moto.ebs.responses import EBSResponse
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses import EC2Response

from bed import blocks, ebs, identity, keys, settings
from bed.base import Refusal, adds, wraps

#: https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html (Length Constraints, Pattern)
TOKEN = re.compile(r"[A-Za-z0-9+/=]{1,256}")


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-creating-snapshot.html
# A snapshot has what was written to the volume at the time of the call, whatever is written while it is pending.
@wraps(Snapshot, "__init__")
def init(former, self, ec2_backend, snapshot_id, volume, *args, **kwargs):
    former(self, ec2_backend, snapshot_id, volume, *args, **kwargs)
    self.bed_blocks, self.bed_lineage, self.bed_listed = dict(blocks.of(volume)), volume.id, 0


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html (a copy has the source's data)
@wraps(EC2Response, "copy_snapshot")
def copy_snapshot(former, self):
    answer = former(self)
    source = ebs.seen(ebs.backend_of(self.current_account, self._get_param("SourceRegion")),
                      self._get_param("SourceSnapshotId"))
    copy = self.ec2_backend.snapshots[answer.result["SnapshotId"]]
    copy.bed_blocks, copy.bed_lineage = dict(blocks.of(source)), source.bed_lineage
    return answer


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html (a volume begins as its snapshot)
@wraps(EBSBackend, "create_volume")
def create_volume(former, self, size, zone_name, snapshot_id=None, *args, **kwargs):
    volume = former(self, size, zone_name, snapshot_id, *args, **kwargs)
    source = ebs.lookup(self, snapshot_id) if snapshot_id else None
    volume.bed_blocks = dict(blocks.of(source)) if source else {}
    return volume


def invalid(reason, message):
    """https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html (ValidationException, Reason)"""
    refusal = Refusal("ValidationException", message)
    refusal.reason = reason
    raise refusal


# https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html
# A snapshot can be read only once it is completed. https://docs.aws.amazon.com/ebs/latest/userguide/readsnapshots.html
# Not while it is archived. https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-elements.html Not because it is
# public. What can't be read does not exist here: ResourceNotFoundException, SNAPSHOT_NOT_FOUND.
# https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-permissions.html ("kms:Decrypt" for encrypted ones)
# https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html (AccessDeniedException,
# DEPENDENCY_ACCESS_DENIED)
def readable(self, identifier):
    if not re.fullmatch(r"snap-[0-9a-f]+", identifier or "") or len(identifier) > 64:
        invalid("INVALID_SNAPSHOT_ID", f"The snapshot ID '{identifier}' is not valid.")
    backend = ebs.backend_of(self.current_account, self.region)
    found = ebs.lookup(backend, identifier)
    own = found is not None and (found.owner_id == self.current_account or
                                 ebs.shared_with(found, self.current_account))
    begun = self.ebs_backend.snapshots.get(identifier)
    if not own or found.status != "completed" or begun and begun.status != "completed" \
            or found.storage_tier == "archive":
        refusal = Refusal("ResourceNotFoundException", f"The snapshot '{identifier}' does not exist.", 404)
        refusal.reason = "SNAPSHOT_NOT_FOUND"
        raise refusal
    if found.encrypted:
        key, caller = keys.resolve(self.current_account, self.region, found.kms_key_id), identity.of(self)
        context = {"kms:ViaService": f"ec2.{self.region}.amazonaws.com"}
        if key is None or key.key_state != "Enabled" or not keys.authorized(key, caller, "Decrypt", context):
            refusal = Refusal("AccessDeniedException", "The key of the snapshot is not accessible.", 403)
            refusal.reason = "DEPENDENCY_ACCESS_DENIED"
            raise refusal
    if begun:  # written by PutSnapshotBlock
        found.bed_blocks = {index: block.block_data for index, block in begun.blocks.items()}
    return found


# https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-elements.html
# Block tokens are temporary: they change on their expiry, or with another list of the same snapshot. Of what is void
# then, nothing is said: here those of a list that the bed has voided, and those whose time is over.
def token(kind, *what):
    return base64.b64encode(json.dumps([kind, round(time.time(), 3), *what]).encode()).decode()


def opened(text, kind, seconds):
    """What a token says, or None where it is not good (any more)."""
    try:
        found, made, *what = json.loads(base64.b64decode(text, validate=True))
    except ValueError:
        return None
    return what if found == kind and time.time() < made + seconds else None


def life(self, name):
    return settings.get(self.current_account, name)


# https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListSnapshotBlocks.html and API_ListChangedBlocks.html
# MaxResults is from 100 to 10,000; a page may have fewer, or none, and yet lead to another. With NextToken,
# StartingBlockIndex is ignored. https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html Indexes are unique and
# in numerical order; asked for less than 100, at least 100 come where there are more. (How many indexes a page spans is
# the bed's setting; AWS does not say.)
def page(self, kind, names, indexes):
    most = int(self._get_param("MaxResults") or 10_000)
    if most > 10_000:
        invalid("INVALID_PARAMETER_VALUE", f"MaxResults is {most}, and at most 10000.")
    start, text = int(self._get_param("StartingBlockIndex") or 0), self._get_param("NextToken")
    if start < 0:
        invalid("INVALID_PARAMETER_VALUE", "StartingBlockIndex is at least 0.")
    if text is not None:
        what = TOKEN.fullmatch(text) and opened(text, kind, life(self, "page_token_seconds"))
        if not what or what[:-1] != names:
            invalid("INVALID_PAGE_TOKEN", "The page token is not valid or has expired.")
        start = what[-1]
    rest = [index for index in sorted(indexes) if index >= start]
    span = int(life(self, "ebs_page_span"))
    listed = [index for index in rest if not span or index < start + span][:max(100, most)]
    if len(listed) == len(rest):
        return listed, None
    following = start + span if span and len(listed) < max(100, most) else listed[-1] + 1
    return listed, token(kind, *names, following)


def answer(self, snapshot, **lists):
    following = lists.pop("following")
    return ActionResult({
        **lists, "VolumeSize": snapshot.volume_size, "BlockSize": blocks.SIZE, "NextToken": following,
        "ExpiryTime": time.time() + life(self, "block_token_seconds")})


@adds(EBSResponse)
def list_snapshot_blocks(self):
    snapshot = readable(self, self._get_param("SnapshotId"))
    listed, following = page(self, "list", [snapshot.id], snapshot.bed_blocks)
    return answer(self, snapshot, following=following, Blocks=[
        {"BlockIndex": index, "BlockToken": block_token(snapshot, index)} for index in listed])


def block_token(snapshot, index):
    return token("block", snapshot.id, index, snapshot.bed_listed) if index in snapshot.bed_blocks else None


# https://docs.aws.amazon.com/ebs/latest/APIReference/API_ListChangedBlocks.html and API_ChangedBlock.html
# The blocks that differ between two snapshots of the same volume or lineage, with the token that each has, where it has
# the block. Others are UNRELATED_SNAPSHOTS.
@adds(EBSResponse)
def list_changed_blocks(self):
    if not self._get_param("FirstSnapshotId"):
        invalid("INVALID_PARAMETER_VALUE", "FirstSnapshotId must be specified with SecondSnapshotId.")
    first = readable(self, self._get_param("FirstSnapshotId"))
    second = readable(self, self._get_param("SecondSnapshotId"))
    if first.bed_lineage != second.bed_lineage:
        invalid("UNRELATED_SNAPSHOTS", f"'{first.id}' and '{second.id}' are not of one lineage.")
    before, after = first.bed_blocks, second.bed_blocks
    changed = [index for index in {*before, *after} if before.get(index) != after.get(index)]
    listed, following = page(self, "changed", [first.id, second.id], changed)
    return answer(self, second, following=following, ChangedBlocks=[
        {"BlockIndex": index, "FirstBlockToken": block_token(first, index),
         "SecondBlockToken": block_token(second, index)} for index in listed])


# https://docs.aws.amazon.com/ebs/latest/APIReference/API_GetSnapshotBlock.html
# The data of a block, for a token that a list has given, with x-amz-Data-Length, and x-amz-Checksum by
# x-amz-Checksum-Algorithm: SHA256, in Base64.
@adds(EBSResponse)
def get_snapshot_block(self):
    snapshot, text = readable(self, self._get_param("SnapshotId")), self._get_param("BlockToken") or ""
    index = int(self._get_param("BlockIndex"))
    what = TOKEN.fullmatch(text) and opened(text, "block", life(self, "block_token_seconds"))
    if not what or what != [snapshot.id, index, snapshot.bed_listed]:
        invalid("INVALID_BLOCK_TOKEN", "The block token is not valid or has expired.")
    data = snapshot.bed_blocks[index]
    return ActionResult({
        "DataLength": len(data), "BlockData": data, "ChecksumAlgorithm": "SHA256",
        "Checksum": base64.b64encode(hashlib.sha256(data).digest()).decode()})
