"""What makes moto answer as AWS documents. One module for each AWS noun, applied when it is imported.

Every patch names, in a comment, the AWS page that it follows. A patch never makes moto do what a client
would like to see: only what AWS says of itself.
"""

import importlib

#: In the order in which they are applied: a later one may build on an earlier one.
ALL = (
    "requests",
    "credentials",
    "regions",
    "times",
    "filters",
    "ids",
    "tags",
    "kms_keys",
    "kms_policies",
    "kms_access",
    "kms_grants",
    "kms_consistency",
    "sts",
    "security_groups",
    "security_group_rules",
    "addresses",
    "network_interfaces",
    "trunk_interfaces",
    "interface_attributes",
    "elastic_ips",
    "network_acls",
    "iam_roles",
    "volumes",
    "volume_attachments",
    "instances",
    "instance_launch",
    "instance_store",
    "instance_attributes",
    "metadata_options",
    "instance_profiles",
    "console",
    "serial_console",
    "snapshots",
    "volume_keys",
    "snapshot_sets",
    "snapshot_copies",
    "snapshot_locks",
    "snapshot_tiers",
    "snapshot_sharing",
    "ebs_direct",
    "target_groups",
    "classic_balancers",
    "balancer_attributes",
    "autoscaling_lifecycle",
    "autoscaling",
    "autoscaling_members",
    "autoscaling_hooks",
    "autoscaling_health",
    "dry_run",
)


def load(without=()):
    """Applies every patch but those named."""
    unknown = set(without) - set(ALL)
    if unknown:
        raise SystemExit(f"no such patch: {', '.join(sorted(unknown))}; there are: {', '.join(ALL)}")
    for name in ALL:
        if name not in without:
            importlib.import_module(f"patches.{name}")
