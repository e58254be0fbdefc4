"""Snapshots as accounts see them: their own, those shared with them, and public ones."""

from moto.ec2.models import ec2_backends

from bed import find, keys
from bed.base import refuse


def block_of_public_access(backend):
    """Per account and Region: block-all-sharing, block-new-sharing or unblocked."""
    return backend.__dict__.get("bed_block_public_access", "unblocked")


def public(snapshot):
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSnapshotBlockPublicAccess.html
    # With block-all-sharing those that are shared publicly already are treated as private; the attribute stays.
    return (not archived(snapshot) and "all" in snapshot.create_volume_permission_groups
            and block_of_public_access(snapshot.ec2_backend) != "block-all-sharing")


def shared_with(snapshot, account):
    return not archived(snapshot) and account in snapshot.create_volume_permission_userids


def archived(snapshot):
    return snapshot.storage_tier == "archive"


def usable(snapshot):
    """Refuses a snapshot that can't be used at the moment."""
    if snapshot.status != "completed":
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (IncorrectState)
        refuse("IncorrectState", f"Snapshot is in invalid state - {snapshot.status}")
    if archived(snapshot):
        # https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-archive-considerations.html
        # An archived snapshot must be restored before a volume is made of it, or it is copied or shared.
        refuse("IncorrectState", f"The snapshot '{snapshot.id}' is archived. Restore it to the standard tier first.")


def visible(backend):
    """Every snapshot that the backend's account can describe, its own first."""
    yield from list(backend.snapshots.values())
    for other in find.backends(backend.region_name):
        if other is not backend:
            for snapshot in list(other.snapshots.values()):
                if snapshot.from_ami is None and (public(snapshot) or shared_with(snapshot, backend.account_id)):
                    yield snapshot


def lookup(backend, identifier):
    """The snapshot with this id if the backend's account can see it, else None."""
    if identifier in backend.snapshots:
        return backend.snapshots[identifier]
    for other in find.backends(backend.region_name):
        snapshot = other.snapshots.get(identifier)
        if snapshot is not None and (public(snapshot) or shared_with(snapshot, backend.account_id)):
            return snapshot
    return None


def known(backend, identifier):
    """Whether some account has a snapshot with this id in the backend's Region."""
    return any(identifier in other.snapshots for other in find.backends(backend.region_name))


def seen(backend, identifier):
    """As `lookup`, refusing the call when there is none."""
    snapshot = lookup(backend, identifier)
    if snapshot is None:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidSnapshot.NotFound)
        refuse("InvalidSnapshot.NotFound", f"The snapshot '{identifier}' does not exist.")
    return snapshot


def own(backend, identifier):
    """The account's own snapshot; another's that it can see is AuthFailure."""
    snapshot = seen(backend, identifier)
    if snapshot.owner_id != backend.account_id or snapshot.ec2_backend is not backend:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (AuthFailure)
        refuse("AuthFailure", f"Not authorized for snapshot {identifier}")
    return snapshot


def default_key(backend):
    """The ARN of the key that EBS uses when none is named."""
    # https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html
    return backend.default_kms_key_id or backend._create_default_encryption_key()


def key_arn(backend, identifier):
    """The ARN of a named key; what was given if there is no such key."""
    key = keys.resolve(backend.account_id, backend.region_name, identifier)
    return key.arn if key else identifier


def backend_of(account, region):
    return ec2_backends[account][region]
