"""inventory.py against the emulator: what it reads, how wide it prints, that it changes nothing."""

import json
import pathlib
import subprocess
import sys
import tempfile

from tests.harness import HERE, REGION, AwsTest, client, server


class Inventory(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls()
        cls.vpc, cls.subnet = self.network()
        cls.web, cls.closed = (self.group(cls.vpc, name) for name in ("web", "closed"))
        cls.ec2.revoke_security_group_egress(GroupId=cls.closed, IpPermissions=[
            {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        cls.key = client("kms", cls.account).create_key()["KeyMetadata"]["Arn"]
        cls.host, cls.other = (self.launch(
            SubnetId=cls.subnet, SecurityGroupIds=[cls.web], BlockDeviceMappings=[
                {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "Encrypted": True, "KmsKeyId": cls.key}}],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}])
            for name in ("web-1", "web-2"))

    def run_inventory(self, *arguments):
        done = subprocess.run([sys.executable, str(HERE / "inventory.py"), *arguments], text=True,
                              capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def inventory(self, *more):
        return self.run_inventory(
            "--endpoint", server().url, "--access-key", f"AKIABED0{self.account}", "--secret-key", "x",
            "--region", REGION, "--instance", self.host["InstanceId"], *more)

    def respond(self):
        """What a responder would do: protect, close, take and lock a set, share it, grant the key."""
        host, interface = self.host["InstanceId"], self.host["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.ec2.modify_instance_attribute(InstanceId=host, DisableApiTermination={"Value": True})
        self.ec2.modify_instance_attribute(InstanceId=host, BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}])
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[self.closed])
        for one in self.ec2.create_snapshots(InstanceSpecification={"InstanceId": host}, Description="evidence",
                                             TagSpecifications=[{"ResourceType": "snapshot", "Tags": [
                                                 {"Key": "case", "Value": "7"}]}])["Snapshots"]:
            self.ec2.lock_snapshot(SnapshotId=one["SnapshotId"], LockMode="governance", LockDuration=30)
            self.ec2.modify_snapshot_attribute(SnapshotId=one["SnapshotId"], OperationType="add",
                                               UserIds=["444455556666"])
        client("kms", self.account).create_grant(
            KeyId=self.key, GranteePrincipal="arn:aws:iam::444455556666:root", Operations=["Decrypt"], Name="copy")

    def test_before_and_after(self):
        before = self.inventory("--json", "--bystanders")
        self.assertEqual(self.inventory("--json", "--bystanders"), before)
        self.respond()
        after, shown = self.inventory("--json", "--bystanders"), self.inventory("--bystanders")
        for part in ("termination on, stop off", "outlives the instance", "closed sg-", "in closed, out closed",
                     "set of 2", "locked governance until", "shared 444455556666", "tags case=7",
                     "copy to arn:aws:iam::444455556666:root", "web-2"):
            self.assertIn(part, shown)
        with tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(folder, name) for name in ("before", "after")]
            for path, content in zip(paths, (before, after)):
                path.write_text(content, encoding="utf-8")
            table = self.run_inventory("diff", *map(str, paths))
        for part in ("termination protection      off", "/dev/xvda at termination    deleted",
                     "bystanders: 1 instances unchanged"):
            self.assertIn(part, table)
        for output in (shown, table):
            self.assertLessEqual(max(map(len, output.splitlines())), 100)
        found = json.loads(after)
        self.assertEqual([one["name"] for one in found["interfaces"][0]["groups"]], ["closed"])
        self.ec2.create_tags(Resources=[self.other["InstanceId"]], Tags=[{"Key": "x", "Value": "y"}])
        changed = json.loads(self.inventory("--json", "--bystanders"))
        self.assertNotEqual(changed["bystanders"]["digest"], found["bystanders"]["digest"])

    def test_unknown_instance(self):
        done = subprocess.run(
            [sys.executable, str(HERE / "inventory.py"), "--endpoint", server().url, "--access-key",
             f"AKIABED0{self.account}", "--secret-key", "x", "--region", REGION, "--instance", "i-12345678"],
            text=True, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("InvalidInstanceID.NotFound", done.stderr)
