"""Network interfaces, their groups and their addresses."""

import ipaddress

from tests.harness import AwsTest, bed, ids, wait_until


class InterfaceGroups(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vpc, cls.subnet = cls().network()
        cls.web, cls.closed = (cls().group(cls.vpc, name) for name in ("web", "closed"))

    def two_interfaces(self):
        made = self.launch(NetworkInterfaces=[
            {"DeviceIndex": 0, "SubnetId": self.subnet, "Groups": [self.web]},
            {"DeviceIndex": 1, "SubnetId": self.subnet, "Groups": [self.web, self.closed]}])
        first, second = sorted(made["NetworkInterfaces"], key=lambda one: one["Attachment"]["DeviceIndex"])
        return made["InstanceId"], first["NetworkInterfaceId"], second["NetworkInterfaceId"]

    def test_one_list_of_groups(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
        The new groups replace the old ones, of this interface only; every call then shows the new ones, and the
        groups of the instance are those of its primary interface."""
        instance, first, second = self.two_interfaces()
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=first, Groups=[self.closed])
        self.assertEqual(ids(self.interface(first)["Groups"]), [self.closed])
        self.assertEqual(ids(self.interface(second)["Groups"]), sorted([self.web, self.closed]))
        shown = self.instance(instance)
        self.assertEqual(ids(shown["SecurityGroups"]), [self.closed])
        by_id = {one["NetworkInterfaceId"]: ids(one["Groups"]) for one in shown["NetworkInterfaces"]}
        self.assertEqual(by_id, {first: [self.closed], second: sorted([self.web, self.closed])})
        groups = self.ec2.describe_instance_attribute(InstanceId=instance, Attribute="groupSet")["Groups"]
        self.assertEqual(ids(groups), [self.closed])
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=second, Groups=[self.web])
        self.assertEqual(ids(self.instance(instance)["SecurityGroups"]), [self.closed])

    def test_groups_of_an_instance(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html (GroupId.N)
        Replaces the groups of the instance's one interface; an error for an instance with several."""
        made = self.launch(SubnetId=self.subnet, SecurityGroupIds=[self.web])
        self.ec2.modify_instance_attribute(InstanceId=made["InstanceId"], Groups=[self.closed])
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.assertEqual(ids(self.interface(interface)["Groups"]), [self.closed])
        several, first, _ = self.two_interfaces()
        self.refused("InvalidInstanceID", self.ec2.modify_instance_attribute, 400, InstanceId=several,
                     Groups=[self.closed])
        self.assertEqual(ids(self.interface(first)["Groups"]), [self.web])

    def test_groups_that_can_not_be_used(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        InvalidGroup.NotFound for a group that is not there (or not in the VPC), InvalidParameter at launch for a
        group and a subnet of different VPCs; at most five groups an interface."""
        other, _ = self.network("10.9.0.0/16")
        foreign = self.group(other, "foreign")
        made = self.launch(SubnetId=self.subnet, SecurityGroupIds=[self.web])
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        modify = self.ec2.modify_network_interface_attribute
        for group in ("sg-12345678", foreign):
            self.refused("InvalidGroup.NotFound", modify, 400, NetworkInterfaceId=interface, Groups=[group])
            self.refused("InvalidGroup.NotFound", self.ec2.modify_instance_attribute, 400,
                         InstanceId=made["InstanceId"], Groups=[group])
        many = [self.group(self.vpc, f"many {number}") for number in range(6)]
        self.refused("SecurityGroupsPerInterfaceLimitExceeded", modify, 400, NetworkInterfaceId=interface, Groups=many)
        self.refused("InvalidParameter", self.ec2.create_network_interface, 400, SubnetId=self.subnet, Groups=[foreign])
        self.refused("InvalidGroup.NotFound", self.ec2.create_network_interface, 400, SubnetId=self.subnet,
                     Groups=["sg-12345678"])
        self.assertEqual(ids(self.interface(interface)["Groups"]), [self.web])

    def test_one_attribute_a_call(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
        You can specify only one attribute at a time. DeleteOnTermination goes by attachment id."""
        instance, first, second = self.two_interfaces()
        modify = self.ec2.modify_network_interface_attribute
        self.refused("InvalidParameterCombination", modify, 400, NetworkInterfaceId=first, Groups=[self.closed],
                     Description={"Value": "x"})
        self.assertEqual(ids(self.interface(first)["Groups"]), [self.web])
        attachment = self.interface(second)["Attachment"]
        self.assertTrue(attachment["DeleteOnTermination"])
        modify(NetworkInterfaceId=second, Attachment={"AttachmentId": attachment["AttachmentId"],
                                                      "DeleteOnTermination": False})
        self.assertFalse(self.interface(second)["Attachment"]["DeleteOnTermination"])
        self.refused("InvalidAttachmentID.NotFound", modify, 400, NetworkInterfaceId=first,
                     Attachment={"AttachmentId": attachment["AttachmentId"], "DeleteOnTermination": False})
        modify(NetworkInterfaceId=first, ConnectionTrackingSpecification={"TcpEstablishedTimeout": 60})
        self.assertEqual(self.interface(first)["ConnectionTrackingConfiguration"]["TcpEstablishedTimeout"], 60)
        modify(NetworkInterfaceId=first, SourceDestCheck={"Value": False})
        self.assertFalse(self.instance(instance)["SourceDestCheck"])


class Attachments(AwsTest):
    def test_attach_and_detach(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html
        A secondary interface may be attached at a free index in the instance's zone, and detached; the primary
        may not be detached. An attached one is not deleted."""
        _, subnet = self.network()
        made = self.launch(SubnetId=subnet)
        primary = made["NetworkInterfaces"][0]
        extra = self.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        attach = {"NetworkInterfaceId": extra, "InstanceId": made["InstanceId"]}
        self.refused("InvalidParameterValue", self.ec2.attach_network_interface, 400, DeviceIndex=0, **attach)
        attachment = self.ec2.attach_network_interface(DeviceIndex=1, **attach)["AttachmentId"]
        self.refused("InvalidParameterValue", self.ec2.attach_network_interface, 400, DeviceIndex=2, **attach)
        self.refused("InvalidParameterValue", self.ec2.delete_network_interface, 400, NetworkInterfaceId=extra)
        self.refused("OperationNotPermitted", self.ec2.detach_network_interface, 400,
                     AttachmentId=primary["Attachment"]["AttachmentId"])
        self.ec2.detach_network_interface(AttachmentId=attachment)
        self.assertEqual(self.interface(extra)["Status"], "available")
        self.ec2.delete_network_interface(NetworkInterfaceId=extra)

    def test_pages(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html
        MaxResults of 5 to 1000, not with interface ids."""
        _, subnet = self.network()
        made = [self.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
                for _ in range(6)]
        first = self.ec2.describe_network_interfaces(MaxResults=5)
        rest = self.ec2.describe_network_interfaces(MaxResults=5, NextToken=first["NextToken"])
        self.assertEqual(len(first["NetworkInterfaces"]), 5)
        self.assertGreaterEqual(len(rest["NetworkInterfaces"]), 1)
        self.refused("InvalidParameterCombination", self.ec2.describe_network_interfaces, 400, MaxResults=5,
                     NetworkInterfaceIds=made)


class PublicAddresses(AwsTest):
    def test_addresses_are_public(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
        A public address is not one of the machine itself, whichever way it was assigned."""
        made = self.launch()
        given = [made["PublicIpAddress"], self.ec2.allocate_address(Domain="vpc")["PublicIp"]]
        self.assertEqual([ipaddress.ip_address(one).is_loopback for one in given], [False, False])

    def test_elastic_address(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateAddress.html
        The address goes to the named interface, and moves only with AllowReassociation; every call shows it.
        https://docs.aws.amazon.com/vpc/latest/userguide/vpc-ip-addressing.html
        Where it is taken away from an instance with an automatic address, that one gets a new automatic address."""
        _, subnet = self.network()
        made = self.launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}])
        automatic = made["PublicIpAddress"]
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        address = self.ec2.allocate_address(Domain="vpc")
        association = self.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
        shown = self.instance(made["InstanceId"])
        self.assertEqual(shown["PublicIpAddress"], address["PublicIp"])
        self.assertEqual(self.interface(interface)["Association"]["AllocationId"], address["AllocationId"])
        described = self.ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
        self.assertEqual((described["InstanceId"], described["NetworkInterfaceId"]), (made["InstanceId"], interface))
        other = self.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        self.refused("Resource.AlreadyAssociated", self.ec2.associate_address, 400,
                     AllocationId=address["AllocationId"], NetworkInterfaceId=other)
        self.ec2.disassociate_address(AssociationId=association["AssociationId"])
        self.assertNotIn(self.instance(made["InstanceId"])["PublicIpAddress"], (automatic, address["PublicIp"]))

    def test_automatic_address_taken_and_given(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
        AssociatePublicIpAddress takes the primary interface's automatic address away, or gives it one."""
        _, subnet = self.network()
        made = self.launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}])
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, AssociatePublicIpAddress=False)
        self.assertNotIn("PublicIpAddress", self.instance(made["InstanceId"]))
        self.assertNotIn("Association", self.interface(interface))
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, AssociatePublicIpAddress=True)
        self.assertIn("PublicIpAddress", self.instance(made["InstanceId"]))

    def with_elastic(self):
        """An instance with an automatic address that gave way to an elastic one: it, its interface, and that one."""
        _, subnet = self.network()
        made = self.launch(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}])
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        address = self.ec2.allocate_address(Domain="vpc")
        self.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=interface)
        return made["InstanceId"], interface, self.interface(interface)["Association"]

    def test_automatic_address_comes_back_later(self):
        """https://docs.aws.amazon.com/vpc/latest/userguide/vpc-eip-overview.html
        "If you disassociate the Elastic IP address, the eth0 network interface is automatically assigned a new public
        IPv4 address within a few minutes." Taken away meanwhile, it does not come."""
        bed("settings", {"account": self.account, "address_seconds": 3600})
        self.addCleanup(bed, "settings", {"account": self.account, "address_seconds": 0})
        barred, barred_interface, association = self.with_elastic()
        self.ec2.disassociate_address(AssociationId=association["AssociationId"])
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=barred_interface,
                                                    AssociatePublicIpAddress=False)
        made, interface, association = self.with_elastic()
        self.ec2.disassociate_address(AssociationId=association["AssociationId"])
        self.assertNotIn("Association", self.interface(interface))
        bed("settings", {"account": self.account, "address_seconds": 0.1})
        self.assertTrue(wait_until(lambda: "Association" in self.interface(interface)))
        self.assertNotEqual(self.instance(made)["PublicIpAddress"], association["PublicIp"])
        self.assertNotIn("PublicIpAddress", self.instance(barred))

    def test_two_interfaces_get_none(self):
        """https://docs.aws.amazon.com/vpc/latest/userguide/vpc-eip-overview.html
        "This doesn't apply if you've attached a second network interface to your instance." """
        made, interface, association = self.with_elastic()
        second = self.ec2.create_network_interface(
            SubnetId=self.instance(made)["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=made, DeviceIndex=1)
        self.ec2.disassociate_address(AssociationId=association["AssociationId"])
        self.assertNotIn("PublicIpAddress", self.instance(made))

    def test_stop_and_start(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html
        A stopped instance loses its automatic address, and gets another when it is started. An elastic one stays."""
        made, _, association = self.with_elastic()
        self.ec2.stop_instances(InstanceIds=[made])
        self.assertEqual(self.instance(made)["PublicIpAddress"], association["PublicIp"])
        self.ec2.start_instances(InstanceIds=[made])
        self.assertEqual(self.instance(made)["PublicIpAddress"], association["PublicIp"])
        self.ec2.disassociate_address(AssociationId=association["AssociationId"])
        given = self.instance(made)["PublicIpAddress"]
        self.ec2.stop_instances(InstanceIds=[made])
        self.assertNotIn("PublicIpAddress", self.instance(made))
        self.ec2.start_instances(InstanceIds=[made])
        self.assertNotIn(self.instance(made)["PublicIpAddress"], (given, association["PublicIp"]))
