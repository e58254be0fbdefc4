"""What the tests of Auto Scaling share: clients, a launch configuration, and a way to make a group."""

from tests.harness import IMAGE, AwsTest, bed, client

NONE = {"draining_scale": 0, "transition_seconds": 0, "health_check_seconds": 0, "heartbeat_scale": 1}


class AsgTest(AwsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.asg = client("autoscaling", cls.account)
        cls.elb, cls.elbv2 = client("elb", cls.account), client("elbv2", cls.account)
        cls.asg.create_launch_configuration(LaunchConfigurationName="web", ImageId=IMAGE, InstanceType="t3.micro")

    def make(self, name, least=1, desired=3, most=4, **parameters):
        """A group, and its instances' ids."""
        _, subnet = self.network()
        self.asg.create_auto_scaling_group(
            AutoScalingGroupName=name, LaunchConfigurationName="web", MinSize=least, MaxSize=most,
            DesiredCapacity=desired, VPCZoneIdentifier=subnet, **parameters)
        return list(self.states(name))

    def shown(self, name):
        return self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]

    def states(self, name):
        return {one["InstanceId"]: one["LifecycleState"] for one in self.shown(name)["Instances"]}

    def setUp(self):
        self.set(**NONE)

    def set(self, **values):
        """Settings of the account."""
        self.assertEqual(bed("settings", {"account": self.account, **values})[0], 200)
