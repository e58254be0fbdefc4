"""Load balancers: who is registered, in which health, and how long it takes to leave."""

from tests.harness import AwsTest, bed, client, wait_until

#: As on AWS: the default delay takes 300 seconds, until a test ends it.
REAL = {"draining_scale": 1}


class Balancers(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elb, cls.elbv2 = client("elb", cls.account), client("elbv2", cls.account)

    def setUp(self):
        self.set(draining_scale=0, target_initial_seconds=0)

    def set(self, **values):
        self.assertEqual(bed("settings", {"account": self.account, **values})[0], 200)


class TargetGroups(Balancers):
    def make(self, name, used=True, **parameters):
        """A target group of a new VPC, with a load balancer or not, its subnet, and an instance in it."""
        vpc, subnet = self.network()
        arn = self.elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc,
                                             **parameters)["TargetGroups"][0]["TargetGroupArn"]
        if used:
            self.use(arn, name, [subnet])
        return arn, subnet, self.launch(SubnetId=subnet)

    def use(self, arn, name, subnets, kind="application"):
        made = self.elbv2.create_load_balancer(Name=name, Subnets=subnets, Type=kind)["LoadBalancers"][0]
        self.elbv2.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
                                   DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}])
        return made["LoadBalancerArn"]

    def health(self, arn, *targets):
        """Of each target: id, port, state and reason."""
        found = self.elbv2.describe_target_health(TargetGroupArn=arn, **({"Targets": targets} if targets else {}))
        return [(each["Target"]["Id"], each["Target"]["Port"], each["TargetHealth"]["State"],
                 each["TargetHealth"].get("Reason")) for each in found["TargetHealthDescriptions"]]

    def test_draining(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
        "The initial state of a deregistering target is draining. After the deregistration delay elapses, ... the state
        of the target is unused." By default that takes 300 seconds."""
        arn, _, instance = self.make("drain")
        target = {"Id": instance["InstanceId"]}
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[target])
        self.assertEqual(self.health(arn), [(target["Id"], 80, "healthy", None)])
        self.set(**REAL)
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[target])
        leaving = [(target["Id"], 80, "draining", "Target.DeregistrationInProgress")]
        self.assertEqual((self.health(arn), self.health(arn, target)), (leaving, leaving))
        self.set(draining_scale=0.005)
        self.assertTrue(wait_until(lambda: self.health(arn) == []))
        self.assertEqual(self.health(arn, target), [(target["Id"], 80, "unused", "Target.NotRegistered")])

    def test_delay_is_the_groups(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
        "deregistration_delay.timeout_seconds - ... The range is 0-3600 seconds. The default value is 300 seconds." """
        arn, _, instance = self.make("delays")
        name = "deregistration_delay.timeout_seconds"

        def delay(value):
            return self.elbv2.modify_target_group_attributes(
                TargetGroupArn=arn, Attributes=[{"Key": name, "Value": value}])

        self.refused("ValidationError", lambda: delay("3601"), 400)
        self.set(draining_scale=1)
        target = {"Id": instance["InstanceId"]}
        for value, shown in (("0", []), ("3600", ["draining"])):
            delay(value)
            held = self.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
            self.assertIn({"Key": name, "Value": value}, held)
            self.elbv2.register_targets(TargetGroupArn=arn, Targets=[target])
            self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[target])
            self.assertEqual([state for _, _, state, _ in self.health(arn)], shown)
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[target])
        self.assertEqual(self.health(arn), [(target["Id"], 80, "healthy", None)])

    def test_not_registered(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html
        "If the specified target does not exist, the action returns successfully." And: "If you specified a port
        override when you registered a target, you must specify both the target ID and the port." """
        arn, _, instance = self.make("ports")
        identifier = instance["InstanceId"]
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": identifier}])
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": identifier, "Port": port}
                                                                 for port in (8080, 8081)])
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": identifier}])
        self.assertEqual([port for _, port, _, _ in self.health(arn)], [8080, 8081])
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": identifier, "Port": 8081}])
        self.assertEqual([port for _, port, _, _ in self.health(arn)], [8080])

    def test_states(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
        "Target.NotInUse - The target group is not used by any load balancer", "Elb.InitialHealthChecking" while
        initial, "Target.InvalidState - The target is in the stopped or terminated state"."""
        arn, subnet, instance = self.make("states", used=False)
        identifier = instance["InstanceId"]
        self.set(target_initial_seconds=3600)
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": identifier}])
        self.assertEqual(self.health(arn), [(identifier, 80, "unused", "Target.NotInUse")])
        self.use(arn, "states", [subnet])
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": identifier}])
        self.assertEqual(self.health(arn), [(identifier, 80, "initial", "Elb.InitialHealthChecking")])
        self.set(target_initial_seconds=0.1)
        self.assertTrue(wait_until(lambda: self.health(arn) == [(identifier, 80, "healthy", None)]))
        bed(f"instances/{identifier}", {"fails_health_checks": True})
        self.assertEqual(self.health(arn), [(identifier, 80, "unhealthy", "Target.FailedHealthChecks")])
        bed(f"instances/{identifier}", {"state": "stopped"})
        self.assertEqual(self.health(arn), [(identifier, 80, "unused", "Target.InvalidState")])

    def test_zones(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html
        "Target.NotInUse - The target group is not used by any load balancer or the target is in an Availability Zone
        that is not enabled for its load balancer." """
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)
                   ["Subnet"]["SubnetId"] for number, zone in enumerate(("eu-west-1a", "eu-west-1b"))]
        arn = self.elbv2.create_target_group(Name="zones", Protocol="HTTP", Port=80,
                                             VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        balancer = self.use(arn, "zones", subnets[:1])
        made = [self.launch(SubnetId=subnet)["InstanceId"] for subnet in subnets]
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": each} for each in made])
        self.assertEqual(self.health(arn), [(made[0], 80, "healthy", None), (made[1], 80, "unused", "Target.NotInUse")])
        self.elbv2.delete_load_balancer(LoadBalancerArn=balancer)
        self.assertEqual([state for _, _, state, _ in self.health(arn)], ["unused", "unused"])

    def test_invalid_targets(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
        "InvalidTarget: The specified target does not exist, is not in the same VPC as the target group, or has an
        unsupported instance type." """
        arn, _, _ = self.make("invalid")
        _, elsewhere = self.network("10.9.0.0/16")
        stranger = self.launch(SubnetId=elsewhere)["InstanceId"]
        for wrong in ("i-0123456789abcdef0", stranger):
            self.refused("InvalidTarget", self.elbv2.register_targets, 400, TargetGroupArn=arn,
                         Targets=[{"Id": wrong}])
        self.assertEqual(self.health(arn), [])

    def test_addresses(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetDescription.html
        "If the target type is ip and the IP address is in a subnet of the VPC for the target group, the Availability
        Zone is automatically detected ... If the IP address is outside the VPC, this parameter is required." """
        arn, _, instance = self.make("addresses", TargetType="ip")
        inside, outside = instance["PrivateIpAddress"], "192.168.7.7"
        self.refused("ValidationError", self.elbv2.register_targets, 400, TargetGroupArn=arn,
                     Targets=[{"Id": outside}])
        self.refused("ValidationError", self.elbv2.register_targets, 400, TargetGroupArn=arn,
                     Targets=[{"Id": "10.0.0.999"}])
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[
            {"Id": inside}, {"Id": outside, "AvailabilityZone": "all"}])
        found = self.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        self.assertEqual([each["Target"] for each in found], [
            {"Id": inside, "Port": 80, "AvailabilityZone": "eu-west-1a"},
            {"Id": outside, "Port": 80, "AvailabilityZone": "all"}])
        bed(f"instances/{instance['InstanceId']}", {"fails_health_checks": True})
        self.assertEqual([state for _, _, state, _ in self.health(arn)], ["unhealthy", "healthy"])

    def test_draining_address_cannot_return(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-register-targets.html
        "When you deregister a target that was registered by IP address, you must wait for the deregistration delay to
        complete before you can register the same IP address again." """
        arn, _, instance = self.make("returns", TargetType="ip")
        target = {"TargetGroupArn": arn, "Targets": [{"Id": instance["PrivateIpAddress"]}]}
        self.elbv2.register_targets(**target)
        self.set(**REAL)
        self.elbv2.deregister_targets(**target)
        self.refused("InvalidTarget", self.elbv2.register_targets, 400, **target)
        self.set(draining_scale=0)
        self.elbv2.register_targets(**target)
        self.assertEqual([state for _, _, state, _ in self.health(arn)], ["healthy"])

    def test_terminated(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
        A terminated instance leaves its target groups, under each port, and drains like any other that leaves."""
        arn, _, instance = self.make("ended")
        self.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": instance["InstanceId"], "Port": 8080}])
        self.set(**REAL)
        self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
        self.assertEqual([state for _, _, state, _ in self.health(arn)], ["draining"])
        self.set(draining_scale=0)
        self.assertEqual(self.health(arn), [])

    def test_idle_timeout(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
        "idle_timeout.timeout_seconds - The idle timeout value, in seconds. The valid range is 1-4000 seconds. The
        default is 60 seconds." Only Application Load Balancers have it."""
        arn, subnet, _ = self.make("idle", used=False)
        name = "idle_timeout.timeout_seconds"
        made = self.use(arn, "idle", [subnet])

        def modify(value, balancer=made):
            return self.elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=balancer, Attributes=[{"Key": name, "Value": value}])

        def held():
            found = self.elbv2.describe_load_balancer_attributes(LoadBalancerArn=made)["Attributes"]
            return [each["Value"] for each in found if each["Key"] == name]

        self.assertEqual(held(), ["60"])
        modify("1")
        for wrong in ("0", "4001", "soon"):
            self.refused("InvalidConfigurationRequest", lambda wrong=wrong: modify(wrong), 400)
        self.assertEqual(held(), ["1"])
        network = self.elbv2.create_load_balancer(Name="net", Subnets=[subnet], Type="network")["LoadBalancers"][0]
        self.refused("InvalidConfigurationRequest", lambda: modify("1", network["LoadBalancerArn"]), 400)


class Classic(Balancers):
    def make(self, name):
        """A balancer's name, with an instance registered, and one that is not."""
        _, subnet = self.network()
        self.elb.create_load_balancer(LoadBalancerName=name, Subnets=[subnet], Listeners=[
            {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}])
        made = [self.launch(SubnetId=subnet)["InstanceId"] for _ in range(2)]
        self.elb.register_instances_with_load_balancer(LoadBalancerName=name, Instances=[{"InstanceId": made[0]}])
        return made

    def leave(self, name, identifier):
        return self.elb.deregister_instances_from_load_balancer(
            LoadBalancerName=name, Instances=[{"InstanceId": identifier}])["Instances"]

    def health(self, name, *ids):
        named = {"Instances": [{"InstanceId": each} for each in ids]} if ids else {}
        found = self.elb.describe_instance_health(LoadBalancerName=name, **named)["InstanceStates"]
        return [(each["InstanceId"], each["State"], each["ReasonCode"], each["Description"]) for each in found]

    def test_deregister(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_DescribeInstanceHealth.html
        "If instances are specified, their state is returned even if they are no longer registered with the load
        balancer. The state of terminated instances is not returned." InvalidInstance: "The specified endpoint is not
        valid." """
        one, other = self.make("plain")
        self.assertEqual(self.health("plain"), [(one, "InService", "N/A", "N/A")])
        again = self.elb.register_instances_with_load_balancer(
            LoadBalancerName="plain", Instances=[{"InstanceId": one}])["Instances"]
        self.assertEqual(again, [{"InstanceId": one}])
        for wrong in (other, "i-0123456789abcdef0"):
            self.refused("InvalidInstance", self.leave, 400, name="plain", identifier=wrong)
        self.assertEqual(self.leave("plain", one), [])
        gone = "Instance is not currently registered with the LoadBalancer."
        self.assertEqual(self.health("plain", one), [(one, "OutOfService", "Instance", gone)])
        self.assertEqual(self.health("plain"), [])
        self.refused("InvalidInstance", self.leave, 400, name="plain", identifier=one)
        self.ec2.terminate_instances(InstanceIds=[one])
        self.assertEqual(self.health("plain", one), [])
        self.refused("LoadBalancerNotFound", self.leave, 400, name="nothing", identifier=other)

    def test_connection_draining(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/config-conn-drain.html
        "the load balancer reports the state of a de-registering instance as InService: Instance deregistration
        currently in progress", then as "OutOfService: Instance is not currently registered with the LoadBalancer"."""
        one, _ = self.make("drains")

        def drain(seconds):
            return self.elb.modify_load_balancer_attributes(LoadBalancerName="drains", LoadBalancerAttributes={
                "ConnectionDraining": {"Enabled": True, "Timeout": seconds}})

        self.refused("ValidationError", lambda: drain(3601), 400)
        drain(150)
        held = self.elb.describe_load_balancer_attributes(LoadBalancerName="drains")["LoadBalancerAttributes"]
        self.assertEqual(held["ConnectionDraining"], {"Enabled": True, "Timeout": 150})
        self.set(**REAL)
        self.leave("drains", one)
        self.assertEqual(self.health("drains", one),
                         [(one, "InService", "N/A", "Instance deregistration currently in progress.")])
        self.set(draining_scale=0.001)
        self.assertTrue(wait_until(lambda: self.health("drains", one)[0][1] == "OutOfService"))

    def test_idle_timeout(self):
        """https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_ConnectionSettings.html
        "IdleTimeout ... Valid Range: Minimum value of 1. Maximum value of 3600." 60 by default."""
        self.make("idle")

        def modify(seconds):
            return self.elb.modify_load_balancer_attributes(
                LoadBalancerName="idle", LoadBalancerAttributes={"ConnectionSettings": {"IdleTimeout": seconds}})

        def held():
            found = self.elb.describe_load_balancer_attributes(LoadBalancerName="idle")["LoadBalancerAttributes"]
            return found["ConnectionSettings"]["IdleTimeout"]

        self.assertEqual(held(), 60)
        modify(1)
        self.refused("ValidationError", lambda: modify(3601), 400)
        self.assertEqual(held(), 1)
