"""Instances: launch, pages, ends, attributes, console."""

import base64

from tests.harness import IMAGE, AwsTest, account, bed, client, wait_until


class Launch(AwsTest):
    def test_client_token(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html
        The same token and parameters launch nothing again; with others it is IdempotentParameterMismatch."""
        given = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "ClientToken": "one"}
        first, second = (self.ec2.run_instances(**given)["Instances"][0]["InstanceId"] for _ in range(2))
        self.assertEqual(first, second)
        other = {**given, "InstanceType": "t3.large"}
        self.refused("IdempotentParameterMismatch", self.ec2.run_instances, 400, **other)
        self.ec2.run_instances(**{**given, "ClientToken": "two"})
        found = self.ec2.describe_instances()["Reservations"]
        self.assertEqual(sum(len(one["Instances"]) for one in found), 2)

    def test_counts(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html (MinCount, MaxCount)
        As many as possible up to MaxCount are launched; MinCount may not be larger."""
        self.assertEqual(len(self.ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=3)["Instances"]), 3)
        self.refused("InvalidParameterValue", self.ec2.run_instances, 400, ImageId=IMAGE, MinCount=2, MaxCount=1)

    def test_root_volume(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
        The AMI's root volume is there whatever else is mapped, at the root device name, and is deleted with the
        instance by default."""
        made = self.launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3}}])
        self.assertEqual(made["RootDeviceName"], "/dev/xvda")
        self.assertEqual([(one["DeviceName"], one["Ebs"]["DeleteOnTermination"])
                          for one in made["BlockDeviceMappings"]], [("/dev/xvda", True), ("/dev/sdf", False)])
        kept = self.launch(BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "DeleteOnTermination": False}}])
        self.assertEqual([one["Ebs"]["DeleteOnTermination"] for one in kept["BlockDeviceMappings"]], [False])


class Pages(AwsTest):
    def test_pages_count_instances(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html (MaxResults)
        At most MaxResults instances a page, also of one reservation; from 5 on; not with instance ids."""
        made = {one["InstanceId"] for one in self.ec2.run_instances(ImageId=IMAGE, MinCount=7, MaxCount=7)["Instances"]}
        seen, token = [], {}
        while token is not None:
            answer = self.ec2.describe_instances(MaxResults=5, **token)
            seen.append([one["InstanceId"] for each in answer["Reservations"] for one in each["Instances"]])
            token = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else None
        self.assertEqual([len(page) for page in seen], [5, 2])
        self.assertEqual({one for page in seen for one in page}, made)
        self.refused("InvalidParameterValue", self.ec2.describe_instances, 400, MaxResults=4)
        self.refused("InvalidPaginationToken", self.ec2.describe_instances, 400, NextToken="x")
        self.refused("InvalidParameterCombination", self.ec2.describe_instances, 400, MaxResults=5,
                     InstanceIds=list(made))


class Ends(AwsTest):
    def test_what_is_left_of_a_terminated_instance(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-ec2-instance-termination-works.html
        Its interfaces and its volumes marked so are deleted, the others are free. It has no addresses and no
        groups any more, and can be neither changed nor started nor stopped."""
        vpc, subnet = self.network()
        group = self.group(vpc, "web")
        made = self.launch(SubnetId=subnet, SecurityGroupIds=[group],
                           BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3}}])
        root, data = (one["Ebs"]["VolumeId"] for one in made["BlockDeviceMappings"])
        interface, instance = made["NetworkInterfaces"][0]["NetworkInterfaceId"], made["InstanceId"]
        extra = self.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.attach_network_interface(NetworkInterfaceId=extra, InstanceId=instance, DeviceIndex=1)
        self.ec2.terminate_instances(InstanceIds=[instance])
        shown = self.instance(instance)
        self.assertEqual((shown["State"]["Name"], shown["NetworkInterfaces"], shown["SecurityGroups"]),
                         ("terminated", [], []))
        self.assertFalse({"VpcId", "SubnetId", "PrivateIpAddress", "PublicIpAddress"} & set(shown))
        self.refused("InvalidNetworkInterfaceID.NotFound", self.ec2.modify_network_interface_attribute, 400,
                     NetworkInterfaceId=interface, Groups=[group])
        self.assertEqual(self.interface(extra)["Status"], "available")
        self.refused("InvalidVolume.NotFound", self.ec2.describe_volumes, 400, VolumeIds=[root])
        self.assertEqual(self.ec2.describe_volumes(VolumeIds=[data])["Volumes"][0]["State"], "available")
        for call in (self.ec2.start_instances, self.ec2.stop_instances, self.ec2.reboot_instances):
            self.refused("IncorrectInstanceState", call, 400, InstanceIds=[instance])
        self.refused("IncorrectInstanceState", self.ec2.modify_instance_attribute, 400, InstanceId=instance,
                     DisableApiTermination={"Value": True})
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.ec2.delete_security_group(GroupId=group)

    def test_termination_protection(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
        A protected instance is not terminated (OperationNotPermitted), nor the others of the same request."""
        made = self.launch(DisableApiTermination=True)["InstanceId"]
        other = self.launch()["InstanceId"]
        self.refused("OperationNotPermitted", self.ec2.terminate_instances, 400, InstanceIds=[other, made])
        self.assertEqual(self.instance(other)["State"]["Name"], "running")
        self.ec2.modify_instance_attribute(InstanceId=made, Attribute="disableApiTermination", Value="false")
        self.ec2.terminate_instances(InstanceIds=[made])

    def test_stop_protection(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html
        A protected instance is neither stopped nor terminated through the API."""
        made = self.launch()["InstanceId"]
        self.ec2.modify_instance_attribute(InstanceId=made, DisableApiStop={"Value": True})
        self.refused("OperationNotPermitted", self.ec2.stop_instances, 400, InstanceIds=[made])
        self.refused("OperationNotPermitted", self.ec2.terminate_instances, 400, InstanceIds=[made])


class Attributes(AwsTest):
    def attribute(self, instance, name):
        answer = self.ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)
        return answer[{"blockDeviceMapping": "BlockDeviceMappings"}.get(name, name[0].upper() + name[1:])]

    def test_each_form_changes_only_its_attribute(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        An attribute is changed by Attribute and Value, or by its own parameter; nothing else changes."""
        vpc, subnet = self.network()
        group = self.group(vpc, "web")
        made = self.launch(SubnetId=subnet, SecurityGroupIds=[group])["InstanceId"]
        self.assertEqual(self.attribute(made, "instanceInitiatedShutdownBehavior"), {"Value": "stop"})
        self.ec2.modify_instance_attribute(InstanceId=made, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
        self.assertEqual(self.attribute(made, "instanceInitiatedShutdownBehavior"), {"Value": "terminate"})
        self.ec2.modify_instance_attribute(InstanceId=made, Attribute="instanceInitiatedShutdownBehavior", Value="stop")
        self.assertEqual(self.attribute(made, "instanceInitiatedShutdownBehavior"), {"Value": "stop"})
        self.ec2.modify_instance_attribute(InstanceId=made, Attribute="disableApiStop", Value="true")
        self.assertEqual(self.attribute(made, "disableApiStop"), {"Value": True})
        self.assertEqual([one["GroupId"] for one in self.instance(made)["SecurityGroups"]], [group])

    def test_one_attribute_a_call(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        You can specify only one attribute at a time; some need a stopped instance; values are checked."""
        made = self.launch(UserData="echo hello")["InstanceId"]
        modify = self.ec2.modify_instance_attribute
        self.refused("InvalidParameterCombination", modify, 400, InstanceId=made,
                     DisableApiStop={"Value": True}, DisableApiTermination={"Value": True})
        self.refused("InvalidParameterCombination", modify, 400, InstanceId=made)
        self.refused("IncorrectInstanceState", modify, 400, InstanceId=made, InstanceType={"Value": "t3.large"})
        self.refused("InvalidParameterValue", modify, 400, InstanceId=made,
                     InstanceInitiatedShutdownBehavior={"Value": "sleep"})
        self.refused("InvalidInstanceID.NotFound", modify, 400, InstanceId="i-12345678",
                     DisableApiStop={"Value": True})
        data = self.attribute(made, "userData")["Value"]
        self.assertEqual(base64.b64decode(data), b"echo hello")

    def test_delete_on_termination(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        (BlockDeviceMapping.N) DeleteOnTermination of attached volumes, shown by DescribeInstances,
        DescribeInstanceAttribute and DescribeVolumes alike; a device without a volume is refused."""
        made = self.launch()
        instance, volume = made["InstanceId"], made["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
        shown = [self.attribute(instance, "blockDeviceMapping")[0]["Ebs"]["DeleteOnTermination"]]
        self.ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}])
        shown.append(self.attribute(instance, "blockDeviceMapping")[0]["Ebs"]["DeleteOnTermination"])
        shown.append(self.instance(instance)["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"])
        attachment = self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]
        shown.append(attachment["DeleteOnTermination"])
        self.assertEqual(shown, [True, False, False, False])
        self.refused("InvalidInstanceAttributeValue", self.ec2.modify_instance_attribute, 400, InstanceId=instance,
                     BlockDeviceMappings=[{"DeviceName": "/dev/sdz", "Ebs": {"DeleteOnTermination": False}}])
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.assertEqual(self.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"], "available")

    def test_spot_instances_have_no_protection(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
        You can't enable termination protection for Spot Instances."""
        made = self.launch()["InstanceId"]
        bed(f"instances/{made}", {"spot": True})
        for attribute in ("DisableApiTermination", "DisableApiStop"):
            self.refused("UnsupportedOperation", self.ec2.modify_instance_attribute, 400, InstanceId=made,
                         **{attribute: {"Value": True}})

    def test_metadata_options_that_are_not_named(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html
        An option that is not named keeps its value."""
        made = self.launch()["InstanceId"]
        self.ec2.modify_instance_metadata_options(InstanceId=made, HttpTokens="required")
        self.ec2.modify_instance_metadata_options(InstanceId=made, HttpEndpoint="disabled")
        options = self.instance(made)["MetadataOptions"]
        self.assertEqual((options["HttpTokens"], options["HttpEndpoint"], options["HttpPutResponseHopLimit"]),
                         ("required", "disabled", 1))
        self.refused("InvalidParameterValue", self.ec2.modify_instance_metadata_options, 400, InstanceId=made,
                     HttpPutResponseHopLimit=65)

    def test_metadata_options_are_pending(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html
        "When you modify the parameters on a running instance, the API responds with a state of "pending". After the
        parameter modifications are successfully applied to the instance, the state of the modifications changes from
        "pending" to "applied" in subsequent describe-instances API calls." On a stopped one they are applied "when the
        instance is started"."""
        made = self.launch()["InstanceId"]

        def disable():
            return self.ec2.modify_instance_metadata_options(
                InstanceId=made, HttpEndpoint="disabled")["InstanceMetadataOptions"]

        def state():
            return self.instance(made)["MetadataOptions"]["State"]

        self.assertEqual(state(), "applied")
        self.assertEqual((disable()["State"], disable()["HttpEndpoint"], state()), ("pending", "disabled", "applied"))
        bed("settings", {"account": self.account, "metadata_seconds": 3600})
        self.addCleanup(bed, "settings", {"account": self.account, "metadata_seconds": 0})
        disable()
        self.assertEqual(state(), "pending")
        bed("settings", {"account": self.account, "metadata_seconds": 0.1})
        self.assertTrue(wait_until(lambda: state() == "applied"))
        bed("settings", {"account": self.account, "metadata_seconds": 0})
        self.ec2.stop_instances(InstanceIds=[made])
        disable()
        self.assertEqual(state(), "pending")
        self.ec2.start_instances(InstanceIds=[made])
        self.assertEqual(state(), "applied")


class Console(AwsTest):
    def test_screenshot_and_output(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleScreenshot.html
        A JPG of a running instance, base64 encoded."""
        made = self.launch()["InstanceId"]
        picture = base64.b64decode(self.ec2.get_console_screenshot(InstanceId=made)["ImageData"])
        self.assertEqual((picture[:3], picture[-2:]), (b"\xff\xd8\xff", b"\xff\xd9"))
        self.assertIn("Linux", self.ec2.get_console_output(InstanceId=made)["Output"])
        self.ec2.stop_instances(InstanceIds=[made])
        self.refused("IncorrectInstanceState", self.ec2.get_console_screenshot, 400, InstanceId=made)

    def test_serial_console(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSerialConsoleAccessStatus.html
        Disabled by default, and set for the account in a Region."""
        def status(ec2):
            return ec2.get_serial_console_access_status()["SerialConsoleAccessEnabled"]

        self.assertFalse(status(self.ec2))
        self.assertTrue(self.ec2.enable_serial_console_access()["SerialConsoleAccessEnabled"])
        other = client("ec2", account())
        self.assertEqual((status(self.ec2), status(other)), (True, False))
        self.ec2.disable_serial_console_access()
        self.assertFalse(status(self.ec2))


class Profiles(AwsTest):
    def test_replaced_profile(self):
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html
        The instance has the new profile from then on."""
        iam = client("iam", self.account)
        arns = [iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
                for name in ("old", "new")]
        made = self.launch(IamInstanceProfile={"Name": "old"})
        self.assertEqual(made["IamInstanceProfile"]["Arn"], arns[0])
        association = self.ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"][0]
        self.ec2.replace_iam_instance_profile_association(
            AssociationId=association["AssociationId"], IamInstanceProfile={"Name": "new"})
        self.assertEqual(self.instance(made["InstanceId"])["IamInstanceProfile"]["Arn"], arns[1])
