"""Starts the launcher once for all tests, and gives each test class accounts of its own."""

import atexit
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import boto3
import botocore.config
import botocore.exceptions

HERE = pathlib.Path(__file__).resolve().parent.parent
REGION = "eu-west-1"
#: Amazon Linux 2, root device /dev/xvda: moto has it in every account and Region
IMAGE = "ami-04681a1dbd79675a5"
_accounts = itertools.count(100000000001)
_clients = {}
_config = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20)


class Server:
    def __init__(self, *arguments):
        self.folder = tempfile.TemporaryDirectory()
        file = pathlib.Path(self.folder.name, "port")
        #: what to leave out, to see tests fail: EMULATOR_WITHOUT=snapshots,ids
        without = [f"--without={name}" for name in os.environ.get("EMULATOR_WITHOUT", "").split(",") if name]
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "launcher.py"), "--port", "0", "--port-file", str(file),
             "--parent-pid", str(os.getpid()), *without, *arguments], stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while not file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the launcher did not start")
            time.sleep(0.02)
        self.port = int(file.read_text())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        self.folder.cleanup()


_server = None


def server():
    global _server
    if _server is None:
        _server = Server()
        atexit.register(_server.stop)
    return _server


def wait_until(holds, seconds=30):
    """Asks until it holds; whether it did in time. The limit is generous, since a machine may be busy."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def bed(path, body=None, method="POST"):
    """Calls a control endpoint; the status and the answer."""
    data = None if body is None and method == "GET" else json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{server().url}/bed/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def account():
    """A new account: its id."""
    number = str(next(_accounts))
    bed(f"accounts/{number}")
    return number


def client(service, number, region=REGION, credentials=None):
    """A client of an account's administrator, or with other credentials."""
    if credentials is None:
        _, keys = bed(f"accounts/{number}")
        credentials = {"AccessKeyId": keys["access_key_id"], "SecretAccessKey": keys["secret_access_key"]}
    name = (service, region, credentials["AccessKeyId"], credentials.get("SessionToken"))
    if name not in _clients:
        _clients[name] = boto3.Session().client(
            service, region_name=region, endpoint_url=server().url, config=_config,
            aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"))
    return _clients[name]


class AwsTest(unittest.TestCase):
    """A test class with an account of its own."""

    @classmethod
    def setUpClass(cls):
        cls.account = account()
        cls.ec2 = client("ec2", cls.account)

    def refused(self, code, call, status=None, **parameters):
        """The call is refused with this code; the error."""
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            call(**parameters)
        answer = caught.exception.response
        self.assertEqual(answer["Error"]["Code"], code, answer["Error"].get("Message"))
        if status is not None:
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
        return answer["Error"].get("Message", "")

    def network(self, cidr="10.0.0.0/16", zone="eu-west-1a"):
        """A VPC with a subnet: their ids."""
        vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        return vpc, subnet

    def group(self, vpc, name):
        return self.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]

    def launch(self, **parameters):
        """One instance: its description."""
        given = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro", **parameters}
        made = self.ec2.run_instances(**given)["Instances"][0]["InstanceId"]
        return self.instance(made)

    def instance(self, identifier):
        return self.ec2.describe_instances(InstanceIds=[identifier])["Reservations"][0]["Instances"][0]

    def interface(self, identifier):
        return self.ec2.describe_network_interfaces(NetworkInterfaceIds=[identifier])["NetworkInterfaces"][0]


def ids(groups):
    return sorted(group["GroupId"] for group in groups)
