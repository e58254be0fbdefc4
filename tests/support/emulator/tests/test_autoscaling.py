"""Auto Scaling: instances that leave a group, and load balancers that follow."""

from tests.asg import AsgTest


class Groups(AsgTest):
    def test_minimum_holds(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html
        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html
        Decrementing below the group's minimum is refused: ValidationError, and nothing changes."""
        made = self.make("least", least=3)
        for call in (self.asg.detach_instances, self.asg.enter_standby):
            message = self.refused("ValidationError", call, 400, AutoScalingGroupName="least", InstanceIds=made[:1],
                                   ShouldDecrementDesiredCapacity=True)
            self.assertIn("min-size=3, max-size=4, and desired-size=3", message)
        self.assertEqual(sorted(self.states("least")), sorted(made))

    def test_detach(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/detach-instance-asg.html
        With a decrement the group shrinks; without, a replacement is launched. The instance lives on, outside."""
        made = self.make("detach")
        self.asg.detach_instances(AutoScalingGroupName="detach", InstanceIds=made[:1],
                                  ShouldDecrementDesiredCapacity=True)
        self.assertEqual(sorted(self.states("detach")), sorted(made[1:]))
        self.assertEqual(self.shown("detach")["DesiredCapacity"], 2)
        self.asg.detach_instances(AutoScalingGroupName="detach", InstanceIds=made[1:2],
                                  ShouldDecrementDesiredCapacity=False)
        self.assertEqual((self.shown("detach")["DesiredCapacity"], len(self.states("detach"))), (2, 2))
        self.assertEqual(self.instance(made[0])["State"]["Name"], "running")
        found = self.asg.describe_auto_scaling_instances(InstanceIds=made)["AutoScalingInstances"]
        self.assertEqual([(one["InstanceId"], one["AutoScalingGroupName"]) for one in found], [(made[2], "detach")])
        self.refused("ValidationError", self.asg.detach_instances, 400, AutoScalingGroupName="detach",
                     InstanceIds=made[:1], ShouldDecrementDesiredCapacity=True)
        self.refused("ValidationError", self.asg.detach_instances, 400, AutoScalingGroupName="nothing",
                     InstanceIds=made[2:], ShouldDecrementDesiredCapacity=True)

    def test_standby(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
        An instance in standby stays in the group; leaving standby raises the desired capacity, within the maximum;
        detaching it from standby lowers nothing."""
        made = self.make("standby", most=3)
        self.asg.enter_standby(AutoScalingGroupName="standby", InstanceIds=made[:2],
                               ShouldDecrementDesiredCapacity=True)
        self.assertEqual(self.states("standby"), {made[0]: "Standby", made[1]: "Standby", made[2]: "InService"})
        self.assertEqual(self.shown("standby")["DesiredCapacity"], 1)
        self.refused("ValidationError", self.asg.enter_standby, 400, AutoScalingGroupName="standby",
                     InstanceIds=made[:1], ShouldDecrementDesiredCapacity=True)
        self.asg.exit_standby(AutoScalingGroupName="standby", InstanceIds=made[:1])
        self.assertEqual(self.shown("standby")["DesiredCapacity"], 2)
        self.asg.detach_instances(AutoScalingGroupName="standby", InstanceIds=made[1:2],
                                  ShouldDecrementDesiredCapacity=True)
        self.assertEqual((self.shown("standby")["DesiredCapacity"], self.states("standby")),
                         (2, {made[0]: "InService", made[2]: "InService"}))

    def test_load_balancers_follow(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html
        Who leaves a group leaves its Classic Load Balancers and target groups too."""
        vpc, _ = self.network()
        self.elb.create_load_balancer(LoadBalancerName="classic", AvailabilityZones=["eu-west-1a"], Listeners=[
            {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}])
        target = self.elbv2.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
        made = self.make("balanced", LoadBalancerNames=["classic"], TargetGroupARNs=[target["TargetGroupArn"]])

        def registered():
            classic = self.elb.describe_load_balancers(LoadBalancerNames=["classic"])["LoadBalancerDescriptions"][0]
            health = self.elbv2.describe_target_health(TargetGroupArn=target["TargetGroupArn"])
            return (sorted(one["InstanceId"] for one in classic["Instances"]),
                    sorted(one["Target"]["Id"] for one in health["TargetHealthDescriptions"]))

        self.assertEqual(registered(), (sorted(made), sorted(made)))
        self.asg.detach_instances(AutoScalingGroupName="balanced", InstanceIds=made[:1],
                                  ShouldDecrementDesiredCapacity=True)
        self.assertEqual(registered(), (sorted(made[1:]), sorted(made[1:])))
        self.asg.enter_standby(AutoScalingGroupName="balanced", InstanceIds=made[1:2],
                               ShouldDecrementDesiredCapacity=True)
        self.assertEqual(registered(), (made[2:], made[2:]))

    def test_sizes_names_processes(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html
        Names are unique (AlreadyExists), the minimum at most the maximum; processes have certain names."""
        self.make("once")
        self.refused("AlreadyExists", self.make, 400, name="once")
        self.refused("ValidationError", self.make, 400, name="wrong", least=5)
        self.refused("ValidationError", self.make, 400, name="wrong", desired=5)
        self.refused("ValidationError", self.asg.suspend_processes, 400, AutoScalingGroupName="once",
                     ScalingProcesses=["Dance"])
        self.asg.suspend_processes(AutoScalingGroupName="once", ScalingProcesses=["Terminate"])
