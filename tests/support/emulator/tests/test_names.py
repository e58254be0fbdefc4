"""Ids, filters, tags, DryRun."""

from tests.harness import AwsTest

TAG = [{"Key": "a", "Value": "b"}]


class Ids(AwsTest):
    def test_malformed(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        Ids of the wrong form: InvalidInstanceID.Malformed and its like, InvalidParameterValue for volumes and
        snapshots."""
        ec2 = self.ec2
        for code, call, parameters in (
                ("InvalidInstanceID.Malformed", ec2.describe_instances, {"InstanceIds": ["i-xyz"]}),
                ("InvalidInstanceID.Malformed", ec2.terminate_instances, {"InstanceIds": ["web"]}),
                ("InvalidInstanceID.Malformed", ec2.create_snapshots, {"InstanceSpecification": {"InstanceId": "i-1"}}),
                ("InvalidParameterValue", ec2.create_snapshot, {"VolumeId": "vol-xyz"}),
                ("InvalidParameterValue", ec2.describe_volumes, {"VolumeIds": ["volume"]}),
                ("InvalidParameterValue", ec2.describe_snapshots, {"SnapshotIds": ["snap-xyz"]}),
                ("InvalidParameterValue", ec2.delete_snapshot, {"SnapshotId": "snap-1234567"}),
                ("InvalidGroupId.Malformed", ec2.describe_security_groups, {"GroupIds": ["sg-xyz"]}),
                ("InvalidNetworkInterfaceId.Malformed", ec2.modify_network_interface_attribute,
                 {"NetworkInterfaceId": "eni-", "Groups": ["sg-12345678"]}),
                ("InvalidVpcID.Malformed", ec2.create_subnet, {"VpcId": "vpc", "CidrBlock": "10.0.0.0/24"})):
            with self.subTest(call=call.__name__, **parameters):
                self.refused(code, call, 400, **parameters)

    def test_unknown(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        Well-formed ids of nothing: InvalidInstanceID.NotFound and its like."""
        for code, call, parameters in (
                ("InvalidInstanceID.NotFound", self.ec2.describe_instances, {"InstanceIds": ["i-12345678"]}),
                ("InvalidVolume.NotFound", self.ec2.create_snapshot, {"VolumeId": "vol-12345678"}),
                ("InvalidSnapshot.NotFound", self.ec2.describe_snapshots, {"SnapshotIds": ["snap-12345678"]}),
                ("InvalidGroup.NotFound", self.ec2.describe_security_groups, {"GroupIds": ["sg-12345678"]}),
                ("InvalidAMIID.NotFound", self.ec2.run_instances,
                 {"ImageId": "ami-12345678", "MinCount": 1, "MaxCount": 1})):
            with self.subTest(call=call.__name__):
                self.refused(code, call, 400, **parameters)


class Filters(AwsTest):
    def names(self, *pairs):
        return [{"Name": name, "Values": [value] if isinstance(value, str) else value} for name, value in pairs]

    def test_unknown_names(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html and its sisters
        Each call lists its filters; another name is refused: InvalidParameterValue."""
        for call in (self.ec2.describe_instances, self.ec2.describe_volumes, self.ec2.describe_snapshots,
                     self.ec2.describe_network_interfaces, self.ec2.describe_security_groups):
            with self.subTest(call=call.__name__):
                message = self.refused("InvalidParameterValue", call, 400, Filters=self.names(("colour", "red")))
                self.assertIn("colour", message)
                call(Filters=self.names(("tag:colour", "red"), ("tag-key", "colour")))

    def test_instances_by_what_is_attached(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html (Filter.N)
        network-interface.*, block-device-mapping.*, instance-lifecycle and others choose instances."""
        vpc, subnet = self.network()
        group = self.group(vpc, "web")
        made = self.launch(SubnetId=subnet, SecurityGroupIds=[group])
        self.launch(SubnetId=subnet)
        interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        volume = made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        for name, value in (("network-interface.network-interface-id", interface),
                            ("network-interface.group-id", group), ("instance.group-id", group),
                            ("block-device-mapping.volume-id", volume),
                            ("instance-id", [made["InstanceId"], "i-12345678"]),
                            ("private-ip-address", made["PrivateIpAddress"])):
            with self.subTest(filter=name):
                found = self.ec2.describe_instances(Filters=self.names((name, value)))["Reservations"]
                self.assertEqual([one["InstanceId"] for each in found for one in each["Instances"]],
                                 [made["InstanceId"]])

    def test_wildcards_and_alternatives(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
        * and ? are wildcards, several values are alternatives, several filters must all match."""
        vpc, subnet = self.network("10.7.0.0/16")
        groups = [self.group(vpc, name) for name in ("alpha", "beta", "gamma")]
        interface = self.ec2.create_network_interface(SubnetId=subnet, Groups=groups[:2],
                                                      Description="a [b] c")["NetworkInterface"]
        found = self.ec2.describe_network_interfaces(Filters=self.names(("group-id", groups[1:])))
        self.assertEqual([one["NetworkInterfaceId"] for one in found["NetworkInterfaces"]],
                         [interface["NetworkInterfaceId"]])
        found = self.ec2.describe_network_interfaces(
            Filters=self.names(("group-id", groups[0]), ("group-id", groups[2])))["NetworkInterfaces"]
        self.assertEqual(found, [])
        for value, count in (("a [b] c", 1), ("a*", 1), ("A*", 0), ("a [b?] ?", 1), ("a b c", 0)):
            with self.subTest(value=value):
                found = self.ec2.describe_network_interfaces(
                    Filters=self.names(("vpc-id", vpc), ("description", value)))["NetworkInterfaces"]
                self.assertEqual(len(found), count)


class Tags(AwsTest):
    def test_unknown_resources(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html
        Tags are for existing resources; the call fails whole when one of them is not there."""
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        for code, identifier in (("InvalidInstanceID.NotFound", "i-12345678"),
                                 ("InvalidSnapshot.NotFound", "snap-12345678"),
                                 ("InvalidVolume.NotFound", "vol-12345678"),
                                 ("InvalidNetworkInterfaceID.NotFound", "eni-12345678")):
            with self.subTest(resource=identifier):
                self.refused(code, self.ec2.create_tags, 400, Resources=[volume, identifier], Tags=TAG)
        self.assertNotIn("Tags", self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0])

    def test_reserved_keys(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
        The prefix aws: in any case is AWS's own; also in tags at birth. 50 tags at most."""
        volume = self.ec2.create_volume(AvailabilityZone="eu-west-1a", Size=1)["VolumeId"]
        tags = [{"Key": "AWS:mine", "Value": "x"}]
        self.refused("InvalidParameterValue", self.ec2.create_tags, 400, Resources=[volume], Tags=tags)
        self.refused("InvalidParameterValue", self.ec2.create_snapshot, 400, VolumeId=volume,
                     TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}])
        many = [{"Key": f"key {number}", "Value": ""} for number in range(51)]
        self.refused("TagLimitExceeded", self.ec2.create_snapshot, 400, VolumeId=volume,
                     TagSpecifications=[{"ResourceType": "snapshot", "Tags": many}])
        self.assertEqual(self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"], [])


class DryRun(AwsTest):
    def test_every_call(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html (DryRun)
        With DryRun a call that may be made answers DryRunOperation, and has no effect."""
        vpc, subnet = self.network()
        group = self.group(vpc, "web")
        made = self.launch(SubnetId=subnet, SecurityGroupIds=[group])
        instance, interface = made["InstanceId"], made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        volume = made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        snapshot = self.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        rule = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]
        default = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        before = (self.instance(instance), self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])
        for name, parameters in {
                "describe_instances": {}, "describe_volumes": {}, "describe_snapshots": {},
                "describe_network_interfaces": {}, "describe_security_groups": {}, "describe_security_group_rules": {},
                "describe_vpcs": {}, "describe_subnets": {}, "describe_route_tables": {}, "describe_images": {},
                "describe_instance_status": {}, "describe_addresses": {}, "describe_tags": {},
                "describe_instance_types": {}, "describe_locked_snapshots": {}, "describe_regions": {},
                "describe_snapshot_attribute": {"SnapshotId": snapshot, "Attribute": "createVolumePermission"},
                "describe_instance_attribute": {"InstanceId": instance, "Attribute": "disableApiStop"},
                "get_console_output": {"InstanceId": instance}, "get_console_screenshot": {"InstanceId": instance},
                "get_snapshot_block_public_access_state": {},
                "run_instances": {"ImageId": made["ImageId"], "MinCount": 1, "MaxCount": 1},
                "stop_instances": {"InstanceIds": [instance]}, "terminate_instances": {"InstanceIds": [instance]},
                "modify_instance_attribute": {"InstanceId": instance, "DisableApiTermination": {"Value": True}},
                "modify_instance_metadata_options": {"InstanceId": instance, "HttpTokens": "required"},
                "modify_network_interface_attribute": {"NetworkInterfaceId": interface, "Groups": [group]},
                "create_security_group": {"GroupName": "x", "Description": "x", "VpcId": vpc},
                "authorize_security_group_ingress": {"GroupId": group, "IpPermissions": rule},
                "revoke_security_group_egress": {"GroupId": group, "IpPermissions": default},
                "delete_security_group": {"GroupId": group}, "create_tags": {"Resources": [instance], "Tags": TAG},
                "delete_tags": {"Resources": [instance], "Tags": TAG},
                "create_snapshot": {"VolumeId": volume},
                "create_snapshots": {"InstanceSpecification": {"InstanceId": instance}},
                "copy_snapshot": {"SourceSnapshotId": snapshot, "SourceRegion": "eu-west-1"},
                "lock_snapshot": {"SnapshotId": snapshot, "LockMode": "governance", "LockDuration": 1},
                "modify_snapshot_attribute": {"SnapshotId": snapshot, "OperationType": "add",
                                              "UserIds": ["111122223333"]},
                "delete_snapshot": {"SnapshotId": snapshot}, "detach_network_interface": {"AttachmentId": "eni-attach"},
                "create_volume": {"AvailabilityZone": "eu-west-1a", "Size": 1},
                "create_vpc": {"CidrBlock": "10.1.0.0/16"},
                "allocate_address": {}, "create_network_interface": {"SubnetId": subnet}}.items():
            with self.subTest(call=name):
                self.refused("DryRunOperation", getattr(self.ec2, name), 412, DryRun=True, **parameters)
        after = (self.instance(instance), self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])
        self.assertEqual(before, after)
