"""The launcher and the control endpoints."""

import concurrent.futures
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import boto3

from tests.harness import HERE, IMAGE, AwsTest, account, bed, client, server, wait_until


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


class Launcher(unittest.TestCase):
    def test_health(self):
        self.assertEqual(bed("health", method="GET"), (200, {"status": "ok"}))

    def test_connections_stay_open(self):
        """A second request goes over the connection of the first, whatever was answered."""
        connection = http.client.HTTPConnection("127.0.0.1", server().port, timeout=5)
        connection.connect()
        socket = connection.sock
        for method, path, body in (("GET", "/bed/health", None), ("POST", "/bed/nothing", b"{}"),
                                   ("POST", "/", b"Action=Nothing"), ("GET", "/bed/health", None)):
            connection.request(method, path, body)
            answer = connection.getresponse()
            answer.read()
            self.assertIs(connection.sock, socket)
        self.assertEqual(answer.status, 200)
        connection.close()

    def test_loopback_only(self):
        """The socket listens on 127.0.0.1, not on every address."""
        rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{server().port:04X}")]
        self.assertEqual(listening, [f"0100007F:{server().port:04X}"])

    def test_quiet_and_ends_on_sigterm(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "port")
            process = subprocess.Popen([sys.executable, str(HERE / "launcher.py"), "--port-file", str(file)],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertTrue(wait_until(file.exists))
            self.assertEqual([entry.name for entry in pathlib.Path(folder).iterdir()], ["port"])
            with urllib.request.urlopen(f"http://127.0.0.1:{int(file.read_text())}/bed/health") as answer:
                self.assertEqual(answer.status, 200)
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=5)
        self.assertEqual((out, err, process.returncode), (b"", b"", 0))

    def test_ends_with_its_parent(self):
        """Also when the parent is killed, and though the thread that started it has ended long before."""
        script = ("import subprocess, sys, threading, time\n"
                  "def start():\n"
                  "    child = subprocess.Popen([sys.executable, *sys.argv[1:]])\n"
                  "    print(child.pid, flush=True)\n"
                  "thread = threading.Thread(target=start); thread.start(); thread.join()\n"
                  "time.sleep(60)\n")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "port")
            parent = subprocess.Popen([sys.executable, "-c", script, str(HERE / "launcher.py"),
                                       "--port-file", str(file)], stdout=subprocess.PIPE, text=True)
            child = int(parent.stdout.readline())
            self.assertTrue(wait_until(file.exists))
            self.assertTrue(alive(child))
            parent.kill()
            parent.wait()
            parent.stdout.close()
            self.assertTrue(wait_until(lambda: not alive(child)))


class Accounts(AwsTest):
    def test_create_is_idempotent(self):
        first, second = bed(f"accounts/{self.account}"), bed(f"accounts/{self.account}")
        self.assertEqual(first, second)
        identity = client("sts", self.account).get_caller_identity()
        self.assertEqual((identity["Account"], identity["Arn"]), (self.account, first[1]["user_arn"]))

    def test_second_user(self):
        _, keys = bed(f"accounts/{self.account}", {"user": "alice"})
        self.assertEqual(keys["user_arn"], f"arn:aws:iam::{self.account}:user/alice")
        credentials = {"AccessKeyId": keys["access_key_id"], "SecretAccessKey": keys["secret_access_key"]}
        identity = client("sts", self.account, credentials=credentials).get_caller_identity()
        self.assertEqual(identity["Arn"], keys["user_arn"])

    def test_wipe_empties_one_account_only(self):
        other = account()
        client("ec2", other).create_volume(AvailabilityZone="eu-west-1a", Size=1)
        self.launch()
        bed("settings", {"account": self.account, "snapshot_seconds": 50})
        self.assertEqual(bed(f"accounts/{self.account}/wipe")[0], 200)
        self.assertEqual(self.ec2.describe_instances()["Reservations"], [])
        self.assertEqual(self.ec2.describe_volumes()["Volumes"], [])
        self.assertEqual(len(client("ec2", other).describe_volumes()["Volumes"]), 1)
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        self.assertEqual(self.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["State"], "completed")

    def test_instances_change_as_aws_would(self):
        made = self.launch()["InstanceId"]
        status, answer = bed(f"instances/{made}", {"spot": True, "state": "stopping"})
        self.assertEqual((status, answer["spot"], answer["state"]), (200, True, "stopping"))
        shown = self.instance(made)
        self.assertEqual((shown["InstanceLifecycle"], shown["State"]["Name"]), ("spot", "stopping"))

    def test_bad_input_is_refused_with_a_reason(self):
        made = self.launch()["InstanceId"]
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        for path, body, status, part in (
                ("accounts/12", {}, 400, "12 digits"),
                ("settings", {"snapshot_seconds": -1}, 400, "snapshot_seconds"),
                ("settings", {"nonsense": 1}, 400, "no such setting"),
                ("settings", {"account": "x", "snapshot_seconds": 1}, 400, "12 digits"),
                ("snapshots/snap-00000000", {"state": "error"}, 404, "snap-00000000"),
                ("instances/i-00000000", {"spot": True}, 404, "i-00000000"),
                (f"snapshots/{snapshot}", {}, 400, "nothing is given"),
                (f"snapshots/{snapshot}", {"pending_seconds": -1}, 400, "pending_seconds"),
                (f"snapshots/{snapshot}", {"copies_fail": 5}, 400, "copies_fail"),
                (f"snapshots/{snapshot}", {"message": "x"}, 400, "None is none of"),
                (f"volumes/{volume}", {"snapshot_seconds": "x"}, 400, "snapshot_seconds"),
                (f"instances/{made}", {"state": "asleep"}, 400, "asleep"),
                (f"instances/{made}", {"colour": "red"}, 400, "colour"),
                (f"instances/{made}", {"status_checks": "poor"}, 400, "poor"),
                (f"instances/{made}", {"lifecycle_state": ""}, 400, "lifecycle_state"),
                (f"instances/{made}", {"lifecycle_state": "Standby"}, 404, "Auto Scaling group"),
                ("settings", {"draining_scale": "all"}, 400, "draining_scale"),
                ("nothing", {}, 404, "no control endpoint")):
            with self.subTest(path=path, body=body):
                answer = bed(path, body)
                self.assertEqual(answer[0], status, answer)
                self.assertIn(part, answer[1]["error"])

    def test_settings_are_per_account(self):
        other = account()
        bed("settings", {"account": other, "snapshot_seconds": 9, "copy_seconds": 8})
        self.assertEqual(bed("settings", {"account": other})[1]["snapshot_seconds"], 9)
        self.assertEqual(bed("settings", {"account": self.account})[1]["snapshot_seconds"], 0)


class Parallel(AwsTest):
    def test_many_clients_at_once(self):
        """Each of 60 calls from 12 threads has its effect, once."""
        vpc, subnet = self.network()

        def work(number):
            ec2 = boto3.Session().client("ec2", **{
                "region_name": "eu-west-1", "endpoint_url": server().url,
                "aws_access_key_id": f"AKIABED0{self.account}", "aws_secret_access_key": "x"})
            group = ec2.create_security_group(GroupName=f"group {number}", Description="x", VpcId=vpc)["GroupId"]
            made = ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet,
                                     SecurityGroupIds=[group])["Instances"][0]["InstanceId"]
            ec2.create_snapshots(InstanceSpecification={"InstanceId": made})
            ec2.create_tags(Resources=[made], Tags=[{"Key": "number", "Value": str(number)}])
            return ec2.describe_instances(InstanceIds=[made])["Reservations"][0]["Instances"][0]["SecurityGroups"]

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            groups = list(pool.map(work, range(12)))
        self.assertEqual(len({group[0]["GroupId"] for group in groups}), 12)
        self.assertEqual(len(self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]), 12)
