"""Trunk interfaces and their branches."""

from tests.harness import AwsTest, ids


class TrunkInterfaces(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vpc, cls.subnet = cls().network()
        cls.web = cls().group(cls.vpc, "web")

    def made(self, kind):
        made = self.ec2.create_network_interface(SubnetId=self.subnet, InterfaceType=kind, Groups=[self.web])
        return made["NetworkInterface"]["NetworkInterfaceId"]

    def trunk(self):
        trunk = self.made("trunk")
        host = self.launch(SubnetId=self.subnet)["InstanceId"]
        self.ec2.attach_network_interface(NetworkInterfaceId=trunk, InstanceId=host, DeviceIndex=1)
        return host, trunk

    def test_kinds_of_interfaces(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkInterface.html (InterfaceType)
        efa, efa-only, branch or trunk; DescribeNetworkInterfaces tells it."""
        self.assertEqual(self.interface(self.made("trunk"))["InterfaceType"], "trunk")
        self.assertEqual(self.interface(self.made("branch"))["InterfaceType"], "branch")
        plain = self.ec2.create_network_interface(SubnetId=self.subnet)["NetworkInterface"]["NetworkInterfaceId"]
        self.assertEqual(self.interface(plain)["InterfaceType"], "interface")
        self.refused("InvalidParameterValue", self.ec2.create_network_interface, 400, SubnetId=self.subnet,
                     InterfaceType="bridge")

    def test_branches_of_a_trunk(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTrunkInterfaceAssociations.html
        Branches are found through the association, in pages; they are not listed with the instance, and have groups of
        their own."""
        host, trunk = self.trunk()
        branches = [self.made("branch") for _ in range(6)]
        for branch in branches:
            made = self.ec2.associate_trunk_interface(BranchInterfaceId=branch, TrunkInterfaceId=trunk)
            self.assertEqual(made["InterfaceAssociation"]["InterfaceProtocol"], "VLAN")
        pages = self.ec2.get_paginator("describe_trunk_interface_associations").paginate(
            PaginationConfig={"PageSize": 5})
        found = [one["BranchInterfaceId"] for page in pages for one in page["InterfaceAssociations"]
                 if one["TrunkInterfaceId"] == trunk]
        self.assertEqual(sorted(found), sorted(branches))
        attached = self.ec2.describe_network_interfaces(
            Filters=[{"Name": "attachment.instance-id", "Values": [host]}])["NetworkInterfaces"]
        self.assertNotIn(branches[0], [one["NetworkInterfaceId"] for one in attached])
        closed = self.group(self.vpc, "closed")
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=branches[0], Groups=[closed])
        self.assertEqual(ids(self.interface(branches[0])["Groups"]), [closed])
        self.assertEqual(ids(self.interface(trunk)["Groups"]), [self.web])

    def test_an_association_ends(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisassociateTrunkInterface.html
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteNetworkInterface.html
        A branch in use is neither associated again nor deleted; once disassociated it is free."""
        _, trunk = self.trunk()
        branch = self.made("branch")
        made = self.ec2.associate_trunk_interface(BranchInterfaceId=branch, TrunkInterfaceId=trunk)
        self.refused("InvalidParameterValue", self.ec2.associate_trunk_interface, 400, BranchInterfaceId=branch,
                     TrunkInterfaceId=trunk)
        self.refused("InvalidParameterValue", self.ec2.delete_network_interface, 400, NetworkInterfaceId=branch)
        identifier = made["InterfaceAssociation"]["AssociationId"]
        self.ec2.disassociate_trunk_interface(AssociationId=identifier)
        self.refused("InvalidAssociationID.NotFound", self.ec2.disassociate_trunk_interface, 400,
                     AssociationId=identifier)
        self.ec2.delete_network_interface(NetworkInterfaceId=branch)
