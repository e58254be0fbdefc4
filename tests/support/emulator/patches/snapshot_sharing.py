"""Sharing of snapshots: with accounts, with all, and what AWS refuses to share."""

import re

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.responses import EC2Response

from bed import ebs, keys
from bed.base import adds, refuse

ATTRIBUTE = "createVolumePermission"
MOST = 500


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html
# Accounts or the group "all" are added to or removed from the create volume permissions, as CreateVolumePermission
# or as OperationType with UserIds and GroupNames; not both in one call, at most 500 a call. What is there already
# can be added, and what is not there removed, without effect.
@adds(EC2Response)
def modify_snapshot_attribute(self):
    snapshot = ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    if self._get_param("Attribute") not in (None, ATTRIBUTE):
        refuse("InvalidParameterValue", f"Value ({self._get_param('Attribute')}) for parameter attribute is invalid.")
    add, remove = changes(self)
    if add and remove:
        refuse("InvalidParameterCombination", "Permissions can't be added and removed in the same request.")
    if not add and not remove:
        refuse("MissingParameter", "The request must contain user ids or groups to add or to remove")
    if len(add) + len(remove) > MOST:
        refuse("InvalidParameterValue", f"At most {MOST} modifications can be made in one request.")
    for kind, value in add + remove:
        if kind == "UserId" and not re.fullmatch(r"\d{12}", value):
            refuse("InvalidUserID.Malformed", f'Invalid user id: "{value}"')
        if kind == "Group" and value != "all":
            refuse("InvalidParameterValue", f"Value ({value}) for parameter group is invalid. Use: all.")
    shareable(self.ec2_backend, snapshot, add)
    self.error_on_dryrun()
    for kind, value in add:
        held(snapshot, kind).add(value)
    for kind, value in remove:
        held(snapshot, kind).discard(value)
    return EmptyResult()


def held(snapshot, kind):
    return snapshot.create_volume_permission_userids if kind == "UserId" else snapshot.create_volume_permission_groups


def changes(self):
    found = {}
    for operation in ("Add", "Remove"):
        items = self._get_param(f"CreateVolumePermission.{operation}", []) or []
        found[operation] = [(kind, item.get(kind)) for item in items for kind in ("UserId", "Group")
                            if item.get(kind) is not None]
    operation = self._get_param("OperationType")
    flat = [("UserId", user) for user in self._get_param("UserIds", [])]
    flat += [("Group", group) for group in self._get_param("GroupNames", [])]
    if flat:
        if operation not in ("add", "remove"):
            refuse("InvalidParameterValue", f"Value ({operation}) for parameter operationType is invalid.")
        found[operation.capitalize()] += flat
    return found["Add"], found["Remove"]


# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modifying-snapshot-permissions.html
# Encrypted snapshots can't be made public; those encrypted with the AWS managed key can't be shared at all.
# https://docs.aws.amazon.com/ebs/latest/userguide/block-public-access-snapshots.html
# With block public access on, no snapshot can be newly made public.
# https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
# Archived snapshots can't be shared.
def shareable(backend, snapshot, add):
    if add and ebs.archived(snapshot):
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is archived. Restore it to the standard tier first.")
    public = any(kind == "Group" for kind, _ in add)
    if public and snapshot.encrypted:
        refuse("OperationNotPermitted", "Encrypted snapshots can't be made public")
    if public and ebs.block_of_public_access(backend) != "unblocked":
        refuse("OperationNotPermitted", "Public sharing of snapshots is blocked in this account and Region")
    if add and snapshot.encrypted and keys.aws_managed(backend.account_id, backend.region_name, snapshot.kms_key_id):
        refuse("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotAttribute.html (the owner's to see)
@adds(EC2Response)
def describe_snapshot_attribute(self):
    snapshot = ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    attribute = self._get_param("Attribute")
    self.error_on_dryrun()
    if attribute == "productCodes":
        return ActionResult({"SnapshotId": snapshot.id, "ProductCodes": []})
    if attribute != ATTRIBUTE:
        refuse("InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid.")
    ebs.archived(snapshot)  # an archival that has ended in the meantime took the permissions away
    permissions = [{"Group": group} for group in sorted(snapshot.create_volume_permission_groups)]
    permissions += [{"UserId": user} for user in sorted(snapshot.create_volume_permission_userids)]
    return ActionResult({"SnapshotId": snapshot.id, "CreateVolumePermissions": permissions})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ResetSnapshotAttribute.html (to no permissions)
@adds(EC2Response)
def reset_snapshot_attribute(self):
    snapshot = ebs.own(self.ec2_backend, self._get_param("SnapshotId"))
    if self._get_param("Attribute") != ATTRIBUTE:
        refuse("InvalidParameterValue", f"Value ({self._get_param('Attribute')}) for parameter attribute is invalid.")
    self.error_on_dryrun()
    snapshot.create_volume_permission_userids.clear()
    snapshot.create_volume_permission_groups.clear()
    return EmptyResult()


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html, Disable…, and
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSnapshotBlockPublicAccessState.html
# Per account and Region: block-all-sharing, block-new-sharing or unblocked.
@adds(EC2Response)
def enable_snapshot_block_public_access(self):
    wanted = self._get_param("State")
    if wanted not in ("block-all-sharing", "block-new-sharing"):
        refuse("InvalidParameterValue", f"Value ({wanted}) for parameter State is invalid.")
    self.error_on_dryrun()
    self.ec2_backend.bed_block_public_access = wanted
    return ActionResult({"State": wanted})


@adds(EC2Response)
def disable_snapshot_block_public_access(self):
    self.error_on_dryrun()
    self.ec2_backend.bed_block_public_access = "unblocked"
    return ActionResult({"State": "unblocked"})


@adds(EC2Response)
def get_snapshot_block_public_access_state(self):
    self.error_on_dryrun()
    return ActionResult({"State": ebs.block_of_public_access(self.ec2_backend), "ManagedBy": "account"})
