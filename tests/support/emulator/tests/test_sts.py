"""AssumeRole and what sessions are."""

import json

from tests.harness import AwsTest, account, bed, client


class AssumeRole(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.home = account()
        cls.sts = client("sts", cls.home)
        cls.iam = client("iam", cls.account)

    def role(self, name, statement, **parameters):
        document = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]})
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **parameters)["Role"]["Arn"]

    def assume(self, role, sts=None, **parameters):
        return (sts or self.sts).assume_role(**{"RoleArn": role, "RoleSessionName": "session", **parameters})

    def test_session_is_in_the_roles_account(self):
        """https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
        A session is an assumed-role ARN of the role's account, and its calls are in that account."""
        role = self.role("forensics", {"Principal": {"AWS": f"arn:aws:iam::{self.home}:root"}})
        answer = self.assume(role)
        identity = client("sts", None, credentials=answer["Credentials"]).get_caller_identity()
        arn = f"arn:aws:sts::{self.account}:assumed-role/forensics/session"
        self.assertEqual((identity["Account"], identity["Arn"]), (self.account, arn))
        self.assertEqual((answer["AssumedRoleUser"]["Arn"], answer["AssumedRoleUser"]["AssumedRoleId"]),
                         (arn, identity["UserId"]))
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        seen = client("ec2", None, credentials=answer["Credentials"]).describe_volumes()["Volumes"]
        self.assertEqual([one["VolumeId"] for one in seen], [volume])

    def test_unknown_roles(self):
        """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
        A role that is not there is AccessDenied, as one that does not trust the caller is."""
        for role in (f"arn:aws:iam::{self.account}:role/nobody", "arn:aws:iam::999999999999:role/nobody"):
            self.refused("AccessDenied", self.assume, 403, role=role)

    def test_external_id(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
        With a condition on sts:ExternalId, the caller has to give that value."""
        role = self.role("external", {"Principal": {"AWS": self.home},
                                      "Condition": {"StringEquals": {"sts:ExternalId": "Xyz"}}})
        for given in ({}, {"ExternalId": "xyz"}, {"ExternalId": "other"}):
            self.refused("AccessDenied", self.assume, 403, role=role, **given)
        self.assume(role, ExternalId="Xyz")

    def test_principals(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
        An account stands for every principal in it; a user or role for itself; a service for none of them."""
        _, alice = bed(f"accounts/{self.home}", {"user": "alice"})
        keys = {"AccessKeyId": alice["access_key_id"], "SecretAccessKey": alice["secret_access_key"]}
        only = self.role("only-alice", {"Principal": {"AWS": alice["user_arn"]}})
        self.assume(only, client("sts", None, credentials=keys))
        self.refused("AccessDenied", self.assume, 403, role=only)
        for name, principal in (("stranger", {"AWS": "arn:aws:iam::999999999999:root"}),
                                ("service", {"Service": "ec2.amazonaws.com"})):
            self.refused("AccessDenied", self.assume, 403, role=self.role(name, {"Principal": principal}))
        middle = self.role("middle", {"Principal": {"AWS": self.home}})
        chained = self.role("chained", {"Principal": {"AWS": middle}})
        session = client("sts", None, credentials=self.assume(middle)["Credentials"])
        self.assume(chained, session)
        self.refused("ValidationError", self.assume, 400, role=chained, sts=session, DurationSeconds=3601)
        self.refused("AccessDenied", self.assume, 403, role=chained)

    def test_durations_and_names(self):
        """https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (DurationSeconds, RoleSessionName)
        900 seconds at least, the role's MaxSessionDuration at most; names of 2 to 64 certain characters."""
        role = self.role("short", {"Principal": {"AWS": self.home}})
        self.refused("ValidationError", self.assume, 400, role=role, DurationSeconds=7200)
        self.refused("ValidationError", self.assume, 400, role=role, RoleSessionName="no spaces")
        long = self.role("long", {"Principal": {"AWS": self.home}}, MaxSessionDuration=7200)
        self.assume(long, DurationSeconds=7200)
