"""Network ACLs: numbers, entries and associations."""

from tests.harness import AwsTest


class NetworkAcls(AwsTest):
    def setUp(self):
        self.vpc, self.subnet = self.network()
        self.acl = self.ec2.create_network_acl(VpcId=self.vpc)["NetworkAcl"]["NetworkAclId"]

    def rule(self, number, **changes):
        return {"NetworkAclId": self.acl, "RuleNumber": number, "Protocol": "-1", "RuleAction": "deny", "Egress": True,
                "CidrBlock": "10.0.0.9/32", **changes}

    def entries(self, egress=True):
        found = self.ec2.describe_network_acls(NetworkAclIds=[self.acl])["NetworkAcls"][0]["Entries"]
        return [(each["RuleNumber"], each["RuleAction"], each["CidrBlock"]) for each in found
                if each["Egress"] is egress]

    def test_last_rule(self):
        """https://docs.aws.amazon.com/vpc/latest/userguide/nacl-basics.html
        A new ACL denies everything, by a rule that can neither be changed nor removed. Numbers of one's own:
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
        "Constraints: Positive integer from 1 to 32766. The range 32767 to 65535 is reserved for internal use." """
        for egress in (True, False):
            self.assertEqual(self.entries(egress), [(32767, "deny", "0.0.0.0/0")])
        for call in (self.ec2.create_network_acl_entry, self.ec2.replace_network_acl_entry):
            for number in (0, 32767):
                self.refused("InvalidParameterValue", call, 400, **self.rule(number))
        self.refused("InvalidParameterValue", self.ec2.delete_network_acl_entry, 400, NetworkAclId=self.acl,
                     RuleNumber=32767, Egress=True)

    def test_numbers_are_taken_or_missing(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        NetworkAclEntryAlreadyExists: "The specified rule number already exists in this network ACL."
        InvalidNetworkAclEntry.NotFound: "The specified network ACL entry does not exist." Directions are separate."""
        self.ec2.create_network_acl_entry(**self.rule(100))
        self.refused("NetworkAclEntryAlreadyExists", self.ec2.create_network_acl_entry, 400, **self.rule(100))
        self.ec2.create_network_acl_entry(**self.rule(100, Egress=False))
        self.refused("InvalidNetworkAclEntry.NotFound", self.ec2.replace_network_acl_entry, 400, **self.rule(101))
        self.ec2.replace_network_acl_entry(**self.rule(100, RuleAction="allow"))
        self.assertIn((100, "allow", "10.0.0.9/32"), self.entries())
        self.refused("InvalidParameterValue", self.ec2.replace_network_acl_entry, 400,
                     **self.rule(100, CidrBlock="10.0.0"))
        self.assertIn((100, "allow", "10.0.0.9/32"), self.entries())
        gone = {"NetworkAclId": self.acl, "RuleNumber": 100, "Egress": True}
        self.ec2.delete_network_acl_entry(**gone)
        self.refused("InvalidNetworkAclEntry.NotFound", self.ec2.delete_network_acl_entry, 400, **gone)
        self.assertIn((100, "deny", "10.0.0.9/32"), self.entries(egress=False))

    def test_contents(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
        "We modify the specified CIDR block to its canonical form; for example, if you specify 100.68.0.18/18, we modify
        it to 100.68.0.0/18." Ports are "Required if specifying protocol 6 (TCP) or 17 (UDP)"."""
        create = self.ec2.create_network_acl_entry
        create(**self.rule(1, CidrBlock="100.68.0.18/18"))
        self.assertIn((1, "deny", "100.68.0.0/18"), self.entries())
        self.refused("MissingParameter", create, 400, **self.rule(2, Protocol="6"))
        create(**self.rule(2, Protocol="6", PortRange={"From": 22, "To": 22}))
        without = self.rule(3)
        del without["CidrBlock"]
        self.refused("MissingParameter", create, 400, **without)
        self.refused("InvalidParameterValue", create, 400, **self.rule(3, RuleAction="drop"))

    def test_twenty_rules(self):
        """https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
        Rules per network ACL: 20 for each direction. NetworkAclEntryLimitExceeded beyond."""
        for number in range(1, 21):
            self.ec2.create_network_acl_entry(**self.rule(number))
        self.refused("NetworkAclEntryLimitExceeded", self.ec2.create_network_acl_entry, 400, **self.rule(21))
        self.ec2.create_network_acl_entry(**self.rule(21, Egress=False))

    def test_associations(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceNetworkAclAssociation.html
        "Changes which network ACL a subnet is associated with." The association has a new id; unknown ones, and ACLs
        that do not exist, change nothing."""

        def association():
            found = self.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id",
                                                             "Values": [self.subnet]}])["NetworkAcls"]
            (acl, held), = [(each["NetworkAclId"], one) for each in found for one in each["Associations"]
                            if one["SubnetId"] == self.subnet]
            return acl, held["NetworkAclAssociationId"]

        default, first = association()
        replace = self.ec2.replace_network_acl_association
        self.refused("InvalidNetworkAclID.NotFound", replace, 400, AssociationId=first,
                     NetworkAclId="acl-0123456789abcdef0")
        self.assertEqual(association(), (default, first))
        elsewhere, _ = self.network("10.9.0.0/16")
        foreign = self.ec2.create_network_acl(VpcId=elsewhere)["NetworkAcl"]["NetworkAclId"]
        self.refused("InvalidParameterValue", replace, 400, AssociationId=first, NetworkAclId=foreign)
        made = replace(AssociationId=first, NetworkAclId=self.acl)["NewAssociationId"]
        self.assertEqual((association(), made != first), ((self.acl, made), True))
        self.refused("InvalidAssociationID.NotFound", replace, 400, AssociationId=first, NetworkAclId=default)
        self.refused("InvalidNetworkAclID.NotFound", self.ec2.describe_network_acls, 400,
                     NetworkAclIds=["acl-0123456789abcdef0"])
        self.refused("DryRunOperation", replace, 412, AssociationId=made, NetworkAclId=default, DryRun=True)
        self.assertEqual(association(), (self.acl, made))
