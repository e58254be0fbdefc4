"""IAM roles: the size of their policies, service-linked ones, and changes that show late."""

import json

from tests.harness import AwsTest, bed, client, wait_until

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def policy(size):
    """A policy of so many characters that IAM counts, and some white space that it does not."""
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Sid": ""}]}
    short = len(json.dumps(document, separators=(",", ":")))
    document["Statement"][0]["Sid"] = "a" * (size - short)
    return json.dumps(document, indent=4)


class Roles(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.iam = client("iam", cls.account)

    def make(self, name):
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)

    def put(self, role, name, size):
        self.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy(size))

    def names(self, role):
        return self.iam.list_role_policies(RoleName=role)["PolicyNames"]

    def test_size(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        "the total aggregate policy size (the sum size of all inline policies) per entity can't exceed ... Role policy
        size can't exceed 10,240 characters." "IAM doesn't count white space". LimitExceeded has HTTP status 409."""
        self.make("full")
        self.put("full", "one", 10000)
        self.put("full", "two", 240)
        self.put("full", "two", 239)
        for name, size in (("three", 130), ("two", 241)):
            message = self.refused("LimitExceeded", self.put, 409, role="full", name=name, size=size)
            self.assertEqual(message, "Maximum policy size of 10240 bytes exceeded for role full")
        self.assertEqual(self.names("full"), ["one", "two"])

    def test_service_linked(self):
        """https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html
        UnmodifiableEntity: "The request was rejected because service-linked roles are protected AWS resources. Only the
        service that depends on the service-linked role can modify or delete the role on your behalf." """
        name = self.iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")["Role"]["RoleName"]
        self.refused("UnmodifiableEntity", self.put, 400, role=name, name="deny", size=200)
        for call, parameters in ((self.iam.delete_role_policy, {"PolicyName": "deny"}), (self.iam.delete_role, {}),
                                 (self.iam.attach_role_policy, {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
                                 (self.iam.update_assume_role_policy, {"PolicyDocument": TRUST})):
            self.refused("UnmodifiableEntity", call, 400, RoleName=name, **parameters)
        self.assertEqual(self.names(name), [])
        self.iam.update_role_description(RoleName=name, Description="said otherwise")
        self.refused("NoSuchEntity", self.put, 404, role="nobody", name="deny", size=200)

    def test_changes_show_late(self):
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html
        "IAM uses a distributed computing model called eventual consistency. Any changes that you make in IAM ... take
        time to become visible from all possible endpoints." """
        self.make("late")
        bed("settings", {"account": self.account, "iam_seconds": 3600})
        self.addCleanup(bed, "settings", {"account": self.account, "iam_seconds": 0})
        self.put("late", "deny", 200)
        self.assertEqual(self.names("late"), [])
        self.refused("NoSuchEntity", self.iam.get_role_policy, 404, RoleName="late", PolicyName="deny")
        bed("settings", {"account": self.account, "iam_seconds": 0.1})
        self.assertTrue(wait_until(lambda: self.names("late") == ["deny"]))
        bed("settings", {"account": self.account, "iam_seconds": 0})
        self.iam.delete_role_policy(RoleName="late", PolicyName="deny")
        self.assertEqual(self.names("late"), [])
