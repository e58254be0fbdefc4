"""Leaves each patch out in turn, and tells whether a test notices.

    python tests/without.py [PATCH …]

Takes some minutes, and is not part of the tests. Ends with 1 if a patch is not missed by any test.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

import patches  # noqa: E402

#: Where the tests of a patch are.
MODULES = {
    "requests": "requests", "credentials": "requests", "regions": "requests", "times": "requests",
    "filters": "names", "ids": "names", "tags": "names", "dry_run": "names", "kms_keys": "kms", "kms_access": "kms",
    "kms_grants": "kms", "kms_policies": "kms_policies", "kms_consistency": "kms_consistency",
    "sts": "sts", "security_groups": "security_groups",
    "security_group_rules": "security_groups", "network_interfaces": "interfaces",
    "addresses": "interfaces", "interface_attributes": "interfaces", "elastic_ips": "interfaces", "volumes": "volumes",
    "volume_attachments": "volumes", "instances": "instances", "instance_launch": "instances",
    "instance_store": "snapshots", "volume_keys": "volume_keys", "trunk_interfaces": "trunk_interfaces",
    "instance_attributes": "instances", "metadata_options": "instances", "instance_profiles": "instances",
    "console": "instances", "snapshots": "snapshots", "snapshot_sets": "snapshots",
    "snapshot_copies": "snapshot_copies", "snapshot_locks": "snapshot_locks", "snapshot_tiers": "snapshot_tiers",
    "snapshot_sharing": "snapshot_sharing", "ebs_direct": "ebs_direct", "autoscaling": "autoscaling",
    "autoscaling_lifecycle": "autoscaling_lifecycle", "autoscaling_members": "autoscaling_lifecycle",
    "autoscaling_hooks": "autoscaling_lifecycle", "autoscaling_health": "autoscaling_lifecycle",
    "network_acls": "network_acls", "iam_roles": "iam_roles",
    "target_groups": "load_balancers", "classic_balancers": "load_balancers", "balancer_attributes": "load_balancers",
}


def run(patch):
    """The patch, whether a test missed it, and the last line that the tests printed."""
    done = subprocess.run(
        [sys.executable, "-m", "unittest", f"tests.test_{MODULES[patch]}"], cwd=HERE, text=True, check=False,
        env={**os.environ, "EMULATOR_WITHOUT": patch}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return patch, done.returncode != 0, (done.stderr.strip().splitlines() or ["no output"])[-1]


def main():
    wanted = sys.argv[1:] or patches.ALL
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run, wanted))
    for patch, missed, line in results:
        print(f"{patch:24} {'missed: ' + line if missed else 'NOT MISSED'}")
    return 0 if all(missed for _, missed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
