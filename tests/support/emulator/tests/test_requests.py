"""Answers, request ids, Regions, credentials, times."""

import datetime
import json
import urllib.request

import botocore.exceptions

from tests.harness import REGION, AwsTest, account, bed, client, server


class Requests(AwsTest):
    def test_each_answer_has_its_request_id(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/making-api-requests.html
        Each answer carries the id of its request."""
        identifiers = set()
        for _ in range(2):
            answer = self.ec2.describe_instances()["ResponseMetadata"]
            self.assertEqual(answer["RequestId"], answer["HTTPHeaders"]["x-amzn-requestid"])
            identifiers.add(answer["RequestId"])
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.ec2.describe_instances(InstanceIds=["i-00000000"])
        identifiers.add(caught.exception.response["ResponseMetadata"]["RequestId"])
        self.assertEqual(len(identifiers), 3)

    def test_what_is_lacking_is_an_answer(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        Server errors are answered in XML with a code, like client errors: not with an HTML page."""
        for call in (self.ec2.describe_capacity_reservations, client("iam", self.account).generate_credential_report,
                     client("kms", self.account).list_retirable_grants):
            try:
                call(**({"RetiringPrincipal": "x"} if call.__name__ == "list_retirable_grants" else {}))
            except botocore.exceptions.ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "EmulatorLacksThis")
                self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], 501)

    def test_the_signature_tells_the_region(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        A signature is for one Region, named in its credential scope. A User-Agent says nothing."""
        request = urllib.request.Request(server().url, b"Action=DescribeAvailabilityZones&Version=2016-11-15", {
            "User-Agent": "someone region/us-east-1", "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=AKIABED0{self.account}/20260101/{REGION}/ec2/aws4_request,"
                             " SignedHeaders=host, Signature=0"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            self.assertIn(f"<regionName>{REGION}</regionName>", answer.read().decode())
        for service, call in (("ec2", "describe_instances"), ("sts", "get_caller_identity"), ("kms", "list_keys")):
            nowhere = client(service, self.account, region="eu-nowhere-1")
            self.refused("SignatureDoesNotMatch", getattr(nowhere, call), 403)


class Credentials(AwsTest):
    def test_unknown_keys(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (AuthFailure)
        https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (InvalidClientTokenId)
        Credentials that can't be validated are refused."""
        wrong = {"AccessKeyId": "AKIA0000000000000000", "SecretAccessKey": "x"}
        self.refused("AuthFailure", client("ec2", None, credentials=wrong).describe_instances, 401)
        self.refused("InvalidClientTokenId", client("sts", None, credentials=wrong).get_caller_identity, 403)
        self.refused("UnrecognizedClientException", client("kms", None, credentials=wrong).list_keys, 400)

    def session(self):
        arn = client("iam", self.account).create_role(
            RoleName=f"role-{self.id().rsplit('.', 1)[1]}", AssumeRolePolicyDocument=json.dumps({
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": self.account}, "Action": "sts:AssumeRole"}],
            }))["Role"]["Arn"]
        return client("sts", self.account).assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]

    def test_a_session_needs_its_token(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_use-resources.html
        Temporary credentials are valid only with their session token."""
        keys = self.session()
        client("ec2", None, credentials=keys).describe_instances()
        for token in (None, "another"):
            self.refused("AuthFailure", client("ec2", None, credentials={**keys, "SessionToken": token})
                         .describe_instances)

    def test_sessions_expire(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (RequestExpired)
        https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (ExpiredToken)
        A session past its end is refused."""
        keys = self.session()
        bed(f"accounts/{self.account}/expire-sessions")
        self.refused("RequestExpired", client("ec2", None, credentials=keys).describe_instances)
        self.refused("ExpiredToken", client("sts", None, credentials=keys).get_caller_identity)
        self.refused("ExpiredTokenException", client("kms", None, credentials=keys).list_keys)

    def test_keys_choose_the_account(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
        An access key belongs to one account, and sees what that account has."""
        other = account()
        client("ec2", other).create_volume(AvailabilityZone="eu-west-1a", Size=1)
        self.assertEqual(self.ec2.describe_volumes()["Volumes"], [])


class Times(AwsTest):
    def test_lock_times_have_milliseconds(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html
        ExpirationDate and LockExpiresOn have the form YYYY-MM-DDThh:mm:ss.sssZ."""
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        until = datetime.datetime(2050, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc)
        answer = self.ec2.lock_snapshot(SnapshotId=snapshot, LockMode="governance", ExpirationDate=until)
        self.assertEqual(answer["LockExpiresOn"], until)
        shown = self.ec2.describe_locked_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
        self.assertEqual(shown["LockExpiresOn"], until)
