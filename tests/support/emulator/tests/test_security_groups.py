"""Security groups and their rules."""

from tests.harness import AwsTest, ids

WEB = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
ALL = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


class Groups(AwsTest):
    def test_names(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
        Names are unique in their VPC, don't begin with sg-, and have up to 255 of certain characters."""
        vpc, _ = self.network()
        other, _ = self.network()
        self.group(vpc, "web")
        self.group(other, "web")
        for code, name in (("InvalidGroup.Duplicate", "web"), ("InvalidParameterValue", "sg-web"),
                           ("InvalidGroup.Reserved", "default"), ("InvalidParameterValue", "a" * 256),
                           ("InvalidParameterValue", "wéb")):
            with self.subTest(name=name):
                self.refused(code, self.ec2.create_security_group, 400, GroupName=name, Description="x", VpcId=vpc)
        self.refused("InvalidParameterValue", self.ec2.create_security_group, 400, GroupName="x",
                     Description="naïve", VpcId=vpc)
        self.refused("InvalidVpcID.NotFound", self.ec2.create_security_group, 400, GroupName="x", Description="x",
                     VpcId="vpc-12345678")

    def test_new_group_lets_everything_out(self):
        """https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
        A new group has no inbound rule, and one outbound rule that allows everything."""
        vpc, _ = self.network()
        made = self.group(vpc, "new")
        group = self.ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]
        self.assertEqual(group["IpPermissions"], [])
        self.assertEqual([(one["IpProtocol"], one["IpRanges"]) for one in group["IpPermissionsEgress"]],
                         [("-1", [{"CidrIp": "0.0.0.0/0"}])])

    def test_groups_in_use_stay(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html
        DependencyViolation for a group on an interface or referenced by another; CannotDelete for the default."""
        vpc, subnet = self.network()
        used, referenced, referring = (self.group(vpc, name) for name in ("used", "referenced", "referring"))
        interface = self.ec2.create_network_interface(SubnetId=subnet, Groups=[used])["NetworkInterface"]
        self.ec2.authorize_security_group_ingress(
            GroupId=referring, IpPermissions=[{**WEB, "UserIdGroupPairs": [{"GroupId": referenced}]}])
        for group in (used, referenced):
            self.refused("DependencyViolation", self.ec2.delete_security_group, 400, GroupId=group)
        self.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
        self.ec2.delete_security_group(GroupId=used)
        self.ec2.delete_security_group(GroupId=referring)
        self.ec2.delete_security_group(GroupId=referenced)
        default = self.ec2.describe_security_groups(
            Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"][0]["GroupId"]
        self.refused("CannotDelete", self.ec2.delete_security_group, 400, GroupId=default)


class Rules(AwsTest):
    def setUp(self):
        self.vpc, _ = self.network()
        self.made = self.group(self.vpc, "web")

    def permissions(self, name="IpPermissions"):
        return self.ec2.describe_security_groups(GroupIds=[self.made])["SecurityGroups"][0][name]

    def test_duplicate_rules(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (InvalidPermission.Duplicate)
        A rule that is there is refused, whatever its description; and the other rules of the request with it."""
        first = {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "office"}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.made, IpPermissions=[first])
        again = [{**WEB, "IpRanges": [{"CidrIp": "192.0.2.0/24"}, {"CidrIp": "10.1.2.3/8"}]}]
        self.refused("InvalidPermission.Duplicate", self.ec2.authorize_security_group_ingress, 400,
                     GroupId=self.made, IpPermissions=again)
        self.assertEqual(self.permissions()[0]["IpRanges"], first["IpRanges"])
        self.refused("InvalidPermission.Duplicate", self.ec2.authorize_security_group_egress, 400,
                     GroupId=self.made, IpPermissions=[ALL])

    def test_both_ip_versions(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
        A rule may have IPv4 and IPv6 ranges, in a VPC without IPv6 too; each is added and revoked for itself."""
        rule = {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}
        for direction in ("ingress", "egress"):
            authorize = getattr(self.ec2, f"authorize_security_group_{direction}")
            revoke = getattr(self.ec2, f"revoke_security_group_{direction}")
            name = "IpPermissions" + ("Egress" if direction == "egress" else "")
            added = authorize(GroupId=self.made, IpPermissions=[rule])["SecurityGroupRules"]
            self.assertEqual(len(added), 2)
            revoke(GroupId=self.made, IpPermissions=[{**WEB, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}])
            left = [one for one in self.permissions(name) if one["IpProtocol"] == "tcp"][0]
            self.assertEqual((left["IpRanges"], left["Ipv6Ranges"]), ([{"CidrIp": "10.0.0.0/8"}], []))

    def test_rules_that_are_not_there(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupEgress.html
        InvalidPermission.NotFound, and nothing is revoked; in a default VPC no error: the answer lists the rule."""
        self.refused("InvalidPermission.NotFound", self.ec2.revoke_security_group_egress, 400, GroupId=self.made,
                     IpPermissions=[ALL, {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}])
        self.assertEqual(len(self.permissions("IpPermissionsEgress")), 1)
        default = self.ec2.create_security_group(GroupName=self.id()[-60:], Description="x")["GroupId"]
        answer = self.ec2.revoke_security_group_ingress(
            GroupId=default, IpPermissions=[{**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}])
        self.assertEqual([one["FromPort"] for one in answer["UnknownIpPermissions"]], [443])

    def test_rules_have_ids(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupRules.html
        Every rule has an id by which it is described and revoked; the answer names what was revoked."""
        rules = self.ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [self.made]}])["SecurityGroupRules"]
        self.assertEqual([(one["IsEgress"], one["CidrIpv4"], one["FromPort"]) for one in rules],
                         [(True, "0.0.0.0/0", -1)])
        answer = self.ec2.revoke_security_group_egress(
            GroupId=self.made, SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])
        self.assertEqual([one["SecurityGroupRuleId"] for one in answer["RevokedSecurityGroupRules"]],
                         [rules[0]["SecurityGroupRuleId"]])
        self.assertEqual(self.permissions("IpPermissionsEgress"), [])
        self.refused("InvalidSecurityGroupRuleId.NotFound", self.ec2.revoke_security_group_egress, 400,
                     GroupId=self.made, SecurityGroupRuleIds=[rules[0]["SecurityGroupRuleId"]])

    def test_pages(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
        MaxResults of 5 to 1000 limits a page; NextToken leads on; a wrong token is refused."""
        made = [self.group(self.vpc, f"page {number}") for number in range(7)]
        filters = [{"Name": "group-name", "Values": ["page *"]}]
        first = self.ec2.describe_security_groups(Filters=filters, MaxResults=5)
        second = self.ec2.describe_security_groups(Filters=filters, MaxResults=5, NextToken=first["NextToken"])
        self.assertEqual(ids(first["SecurityGroups"] + second["SecurityGroups"]), sorted(made))
        self.assertEqual((len(first["SecurityGroups"]), second.get("NextToken")), (5, None))
        self.refused("InvalidPaginationToken", self.ec2.describe_security_groups, 400, NextToken="x", MaxResults=5)
