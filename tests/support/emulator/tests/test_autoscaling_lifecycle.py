"""Auto Scaling: states that take time, hooks, health checks, protection and the warm pool."""

import time

from tests.harness import bed, wait_until
from tests.asg import AsgTest


class Transitions(AsgTest):
    def test_standby_takes_time(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
        InService, EnteringStandby, Standby, and by way of Pending to InService again. A second call finds the
        instance in the wrong state, as "The instance ... is not in InService."."""
        one, *_ = self.make("slow", desired=1)
        self.set(transition_seconds=3600)
        self.asg.enter_standby(AutoScalingGroupName="slow", InstanceIds=[one], ShouldDecrementDesiredCapacity=False)
        states = self.states("slow")
        self.assertEqual((states.pop(one), list(states.values())), ("EnteringStandby", ["Pending"]))
        message = self.refused("ValidationError", self.asg.enter_standby, 400, AutoScalingGroupName="slow",
                               InstanceIds=[one], ShouldDecrementDesiredCapacity=False)
        self.assertEqual(message, f"The instance {one} is not in InService.")
        self.refused("ValidationError", self.asg.exit_standby, 400, AutoScalingGroupName="slow", InstanceIds=[one])
        self.set(transition_seconds=0)
        self.assertEqual(sorted(self.states("slow").values()), ["InService", "Standby"])
        self.assertEqual(self.shown("slow")["DesiredCapacity"], 1)
        self.set(transition_seconds=3600)
        self.asg.exit_standby(AutoScalingGroupName="slow", InstanceIds=[one])
        self.assertEqual(self.states("slow")[one], "Pending")
        self.set(transition_seconds=0.5)
        self.assertTrue(wait_until(lambda: self.states("slow")[one] == "InService"))
        self.assertEqual(self.shown("slow")["DesiredCapacity"], 2)

    def test_detach_takes_time(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
        Detaching, then Detached: no part of the group any more, and no longer tagged as such."""
        one, *_ = self.make("leaves", desired=1)
        self.set(transition_seconds=3600)
        call = {"AutoScalingGroupName": "leaves", "InstanceIds": [one], "ShouldDecrementDesiredCapacity": False}
        self.asg.detach_instances(**call)
        self.assertEqual(self.states("leaves")[one], "Detaching")
        message = self.refused("ValidationError", self.asg.detach_instances, 400, **call)
        self.assertEqual(message, f"The instance {one} is not in InService or Standby.")
        self.set(transition_seconds=0)
        self.assertNotIn(one, self.states("leaves"))
        message = self.refused("ValidationError", self.asg.detach_instances, 400, **call)
        self.assertEqual(message, f"The instance {one} is not part of Auto Scaling group leaves.")
        self.assertNotIn("aws:autoscaling:groupName", str(self.instance(one).get("Tags")))
        self.assertEqual(self.instance(one)["State"]["Name"], "running")

    def test_departures_wait_for_draining(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/load-balancer-status.html
        "If connection draining is enabled, Elastic Load Balancing waits for in-flight requests to complete or for the
        maximum timeout to expire"; the target group shows the instance as draining meanwhile. Back in service it is a
        target again."""
        vpc, _ = self.network()
        arn = self.elbv2.create_target_group(Name="drains", Protocol="HTTP", Port=80,
                                             VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        one, *_ = self.make("drains", desired=1, least=0, TargetGroupARNs=[arn])

        def target():
            found = self.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            return [each["TargetHealth"]["State"] for each in found if each["Target"]["Id"] == one]

        self.set(draining_scale=1)
        self.asg.enter_standby(AutoScalingGroupName="drains", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
        self.assertEqual((self.states("drains")[one], target()), ("EnteringStandby", ["draining"]))
        self.set(draining_scale=0)
        self.assertEqual((self.states("drains")[one], target()), ("Standby", []))
        self.asg.exit_standby(AutoScalingGroupName="drains", InstanceIds=[one])
        self.assertEqual((self.states("drains")[one], target()), ("InService", ["unused"]))
        self.elbv2.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": one}])
        self.asg.update_auto_scaling_group(AutoScalingGroupName="drains", MaxSize=3)
        self.assertEqual((self.states("drains")[one], target()), ("InService", []))

    def test_suspended_launch(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/
        understand-how-suspending-processes-affects-other-processes.html
        With Launch suspended nothing is launched. "When you resume the Launch process, Amazon EC2 Auto Scaling
        immediately replaces any instances that it terminated during the time that Launch was suspended." """
        one, *_ = self.make("idle", desired=1)
        self.asg.suspend_processes(AutoScalingGroupName="idle", ScalingProcesses=["Launch"])
        self.asg.detach_instances(AutoScalingGroupName="idle", InstanceIds=[one],
                                  ShouldDecrementDesiredCapacity=False)
        self.assertEqual(self.states("idle"), {})
        self.asg.resume_processes(AutoScalingGroupName="idle", ScalingProcesses=["Launch"])
        self.assertEqual(list(self.states("idle").values()), ["InService"])

    def test_scale_in_spares(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html
        Scale-in does not terminate protected instances, nor those in standby. Of one that is
        protected and detached "its instance scale-in protection setting is lost"."""
        one, two, three = self.make("spares", desired=3, least=0)
        self.asg.enter_standby(AutoScalingGroupName="spares", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
        self.asg.set_instance_protection(AutoScalingGroupName="spares", InstanceIds=[two], ProtectedFromScaleIn=True)
        self.asg.set_desired_capacity(AutoScalingGroupName="spares", DesiredCapacity=0)
        self.assertEqual(self.states("spares"), {one: "Standby", two: "InService"})
        self.assertEqual(self.instance(three)["State"]["Name"], "terminated")
        self.asg.update_auto_scaling_group(AutoScalingGroupName="spares", DesiredCapacity=1)
        self.asg.detach_instances(AutoScalingGroupName="spares", InstanceIds=[two],
                                  ShouldDecrementDesiredCapacity=True)
        self.assertEqual(self.states("spares"), {one: "Standby"})
        self.asg.attach_instances(AutoScalingGroupName="spares", InstanceIds=[two])
        self.assertEqual([each["ProtectedFromScaleIn"] for each in self.shown("spares")["Instances"]
                          if each["InstanceId"] == two], [False])
        self.assertEqual(self.shown("spares")["DesiredCapacity"], 1)

    def test_attach(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachInstances.html
        "When you attach instances, Amazon EC2 Auto Scaling increases the desired capacity of the group by the number
        of instances being attached. If the number of instances being attached plus the desired capacity of the group
        exceeds the maximum size of the group, the operation fails." """
        made = self.make("joins", desired=1, most=2)
        attach = self.asg.attach_instances
        self.asg.enter_standby(AutoScalingGroupName="joins", InstanceIds=made, ShouldDecrementDesiredCapacity=False)
        one, two = (self.launch(SubnetId=self.instance(made[0])["SubnetId"])["InstanceId"] for _ in range(2))
        attach(AutoScalingGroupName="joins", InstanceIds=[one])
        self.assertEqual((self.shown("joins")["DesiredCapacity"], self.states("joins")[one]), (2, "InService"))
        self.assertEqual(len(self.states("joins")), 3)
        for wrong in ([two], [one], ["i-0123456789abcdef0"]):
            self.refused("ValidationError", attach, 400, AutoScalingGroupName="joins", InstanceIds=wrong)
        self.make("others", desired=0, least=0)
        self.refused("ValidationError", attach, 400, AutoScalingGroupName="others", InstanceIds=[one])
        self.asg.detach_instances(AutoScalingGroupName="joins", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
        attach(AutoScalingGroupName="others", InstanceIds=[one])
        found = self.asg.describe_auto_scaling_instances(InstanceIds=[one])["AutoScalingInstances"]
        self.assertEqual([each["AutoScalingGroupName"] for each in found], ["others"])

    def test_protection_needs_service(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceProtection.html
        "This operation cannot be called on instances in a warm pool." They are described with the pool:
        https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeWarmPool.html"""
        one, *_ = self.make("warm", desired=1)
        self.asg.put_warm_pool(AutoScalingGroupName="warm", MinSize=1)
        self.assertEqual(bed(f"instances/{one}", {"lifecycle_state": "Warmed:Stopped"})[0], 200)
        message = self.refused("ValidationError", self.asg.set_instance_protection, 400, AutoScalingGroupName="warm",
                               InstanceIds=[one], ProtectedFromScaleIn=True)
        self.assertEqual(message, f"The instance {one} is not in InService or EnteringStandby or Standby.")
        self.assertNotIn(one, self.states("warm"))
        pool = self.asg.describe_warm_pool(AutoScalingGroupName="warm")["Instances"]
        self.assertEqual([(each["InstanceId"], each["LifecycleState"]) for each in pool], [(one, "Warmed:Stopped")])
        self.refused("ValidationError", self.asg.set_instance_protection, 400, AutoScalingGroupName="warm",
                     InstanceIds=["i-0123456789abcdef0"], ProtectedFromScaleIn=True)

    def test_terminate(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TerminateInstanceInAutoScalingGroup.html
        With or without a decrement; below the minimum it is refused.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
        "Enabling termination protection does not prevent Amazon EC2 Auto Scaling from terminating an instance when the
        instance is unhealthy or during scale-in events." """
        one, *_ = self.make("ends", desired=1)
        self.ec2.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": True})
        end = self.asg.terminate_instance_in_auto_scaling_group
        self.assertIn("min size constraint", self.refused("ValidationError", end, 400, InstanceId=one,
                                                          ShouldDecrementDesiredCapacity=True))
        end(InstanceId=one, ShouldDecrementDesiredCapacity=False)
        self.assertEqual((len(self.states("ends")), one in self.states("ends")), (1, False))
        self.assertEqual(self.instance(one)["State"]["Name"], "terminated")
        self.refused("ValidationError", end, 400, InstanceId=one, ShouldDecrementDesiredCapacity=False)

    def test_sizes_can_be_updated(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html
        "If you specify a new value for MinSize without specifying a value for DesiredCapacity, and the new MinSize is
        larger than the current size of the group, this sets the group's DesiredCapacity to the new MinSize value." """
        self.make("sizes", desired=1)
        update = self.asg.update_auto_scaling_group
        update(AutoScalingGroupName="sizes", MinSize=2)
        self.assertEqual((self.shown("sizes")["DesiredCapacity"], len(self.states("sizes"))), (2, 2))
        update(AutoScalingGroupName="sizes", MinSize=0)
        self.assertEqual((self.shown("sizes")["DesiredCapacity"], len(self.states("sizes"))), (2, 2))
        update(AutoScalingGroupName="sizes", MaxSize=1)
        self.assertEqual((self.shown("sizes")["DesiredCapacity"], len(self.states("sizes"))), (1, 1))
        for wrong in ({"MinSize": 3}, {"DesiredCapacity": 2}):
            self.refused("ValidationError", update, 400, AutoScalingGroupName="sizes", **wrong)
        self.refused("ValidationError", self.asg.set_desired_capacity, 400, AutoScalingGroupName="sizes",
                     DesiredCapacity=2)


class Hooks(AsgTest):
    def hook(self, group, **parameters):
        given = {"LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "HeartbeatTimeout": 30, **parameters}
        self.asg.put_lifecycle_hook(AutoScalingGroupName=group, LifecycleHookName="keep", **given)

    def test_described(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LifecycleHook.html
        "GlobalTimeout: The maximum time, in seconds, that an instance can remain in a wait state. The maximum is
        172800 seconds (48 hours) or 100 times HeartbeatTimeout, whichever is smaller." No role without one given."""
        self.make("hooked", desired=0, least=0)
        self.hook("hooked")
        found = self.asg.describe_lifecycle_hooks(AutoScalingGroupName="hooked")["LifecycleHooks"]
        self.assertEqual(found, [{
            "LifecycleHookName": "keep", "AutoScalingGroupName": "hooked", "HeartbeatTimeout": 30,
            "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING", "GlobalTimeout": 3000,
            "DefaultResult": "ABANDON"}])
        self.refused("ValidationError", self.hook, 400, group="hooked", HeartbeatTimeout=29)
        self.refused("ValidationError", self.hook, 400, group="hooked", DefaultResult="STAY")
        self.refused("ValidationError", self.hook, 400, group="nothing")
        self.refused("ValidationError", self.asg.describe_lifecycle_hooks, 400, AutoScalingGroupName="nothing")

    def test_terminating_waits(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html
        "Records a heartbeat for the lifecycle action associated with the specified token or instance." Without one:
        "No active Lifecycle Action found". Completed, the instance is terminated."""
        one, *_ = self.make("waits", desired=1, least=0)
        call = {"AutoScalingGroupName": "waits", "LifecycleHookName": "keep", "InstanceId": one}
        self.refused("ValidationError", self.asg.record_lifecycle_action_heartbeat, 400, **call)
        self.hook("waits")
        message = self.refused("ValidationError", self.asg.record_lifecycle_action_heartbeat, 400, **call)
        self.assertEqual(message, f"No active Lifecycle Action found with instance ID {one}")
        self.asg.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=True)
        self.assertEqual(self.states("waits"), {one: "Terminating:Wait"})
        self.assertEqual(self.instance(one)["State"]["Name"], "running")
        self.asg.record_lifecycle_action_heartbeat(**call)
        for wrong in (self.asg.enter_standby, self.asg.detach_instances):
            self.refused("ValidationError", wrong, 400, AutoScalingGroupName="waits", InstanceIds=[one],
                         ShouldDecrementDesiredCapacity=False)
        self.asg.complete_lifecycle_action(LifecycleActionResult="CONTINUE", **call)
        self.assertEqual(self.states("waits"), {})
        self.assertEqual(self.instance(one)["State"]["Name"], "terminated")

    def test_heartbeat_extends(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html
        "This extends the timeout by the length of time defined using the PutLifecycleHook API call." Once it is over,
        the default result holds. Time is scaled here, by a setting of the bed."""
        one, *_ = self.make("beats", desired=1, least=0)
        self.hook("beats")
        self.set(heartbeat_scale=0.1)  # 30 seconds last 3
        self.asg.terminate_instance_in_auto_scaling_group(InstanceId=one, ShouldDecrementDesiredCapacity=True)
        began = time.monotonic()
        self.assertEqual(self.states("beats"), {one: "Terminating:Wait"})

        def beat():
            self.asg.record_lifecycle_action_heartbeat(AutoScalingGroupName="beats", LifecycleHookName="keep",
                                                       InstanceId=one)
            return time.monotonic() > began + 3.5

        self.assertTrue(wait_until(beat))
        self.assertEqual(self.states("beats"), {one: "Terminating:Wait"})
        self.assertTrue(wait_until(lambda: self.states("beats") == {}))
        self.assertEqual(self.instance(one)["State"]["Name"], "terminated")

    def test_launching_waits(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/completing-lifecycle-hooks.html
        A launching instance waits as Pending:Wait. CONTINUE puts it into service; ABANDON terminates it, and the group
        launches another."""
        self.make("starts", desired=0, least=0)
        self.hook("starts", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING")
        self.asg.set_desired_capacity(AutoScalingGroupName="starts", DesiredCapacity=1)
        (one, state), = self.states("starts").items()
        self.assertEqual(state, "Pending:Wait")
        call = {"AutoScalingGroupName": "starts", "LifecycleHookName": "keep"}
        self.asg.complete_lifecycle_action(InstanceId=one, LifecycleActionResult="ABANDON", **call)
        (two, state), = self.states("starts").items()
        self.assertEqual((two != one, state), (True, "Pending:Wait"))
        self.assertEqual(self.instance(one)["State"]["Name"], "terminated")
        self.asg.complete_lifecycle_action(InstanceId=two, LifecycleActionResult="CONTINUE", **call)
        self.assertEqual(self.states("starts"), {two: "InService"})


class Health(AsgTest):
    def replaced(self, group, identifier):
        """Whether the instance is gone, and another is there for it."""
        states = self.states(group)
        return identifier not in states and list(states.values()) == ["InService"]

    def test_stopped(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
        "During the health check grace period, if Amazon EC2 Auto Scaling detects that an instance is no longer in the
        Amazon EC2 running state, it immediately marks the instance Unhealthy and replaces it." """
        one, *_ = self.make("stopped", desired=1, HealthCheckGracePeriod=300)
        self.set(health_check_seconds=3600)
        self.ec2.stop_instances(InstanceIds=[one])
        self.assertEqual(self.states("stopped"), {one: "InService"})
        self.set(health_check_seconds=0)
        self.assertTrue(self.replaced("stopped", one))
        self.assertEqual(self.instance(one)["State"]["Name"], "terminated")

    def test_terminated(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
        An instance that someone terminated is replaced as well."""
        one, *_ = self.make("killed", desired=1)
        self.ec2.terminate_instances(InstanceIds=[one])
        self.assertTrue(self.replaced("killed", one))

    def test_status_checks(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-checks-overview.html
        Status checks of EC2 are the default health check; a grace period keeps new instances from being replaced."""
        one, *_ = self.make("checked", desired=1, HealthCheckGracePeriod=300)
        self.assertEqual(self.states("checked"), {one: "InService"})
        bed(f"instances/{one}", {"status_checks": "impaired"})
        status = self.ec2.describe_instance_status(InstanceIds=[one])["InstanceStatuses"][0]["InstanceStatus"]
        self.assertEqual((status["Status"], status["Details"][0]["Status"]), ("impaired", "failed"))
        self.assertEqual(self.states("checked"), {one: "InService"})
        self.asg.update_auto_scaling_group(AutoScalingGroupName="checked", HealthCheckGracePeriod=0)
        self.assertTrue(self.replaced("checked", one))

    def test_standby_is_not_checked(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-enter-exit-standby.html
        "Amazon EC2 Auto Scaling does not perform health checks on instances that are in a standby state. While the
        instance is in a standby state, its health status reflects the status that it had before you put it on
        standby." """
        one, *_ = self.make("aside", desired=1, least=0)
        self.asg.enter_standby(AutoScalingGroupName="aside", InstanceIds=[one], ShouldDecrementDesiredCapacity=True)
        bed(f"instances/{one}", {"status_checks": "impaired", "fails_health_checks": True})
        self.ec2.stop_instances(InstanceIds=[one])
        self.assertEqual([(each["LifecycleState"], each["HealthStatus"]) for each in self.shown("aside")["Instances"]],
                         [("Standby", "Healthy")])
        self.asg.exit_standby(AutoScalingGroupName="aside", InstanceIds=[one])
        self.assertTrue(wait_until(lambda: self.replaced("aside", one)))

    def test_load_balancer_checks(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-checks-overview.html
        With the type ELB an instance that a load balancer finds unhealthy is replaced, otherwise not. Suspended, the
        process ReplaceUnhealthy leaves it: https://docs.aws.amazon.com/autoscaling/ec2/userguide/
        as-suspend-resume-processes.html"""
        vpc, subnet = self.network()
        self.elb.create_load_balancer(LoadBalancerName="checks", Subnets=[subnet], Listeners=[
            {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}])
        one, *_ = self.make("behind", desired=1, LoadBalancerNames=["checks"])
        bed(f"instances/{one}", {"fails_health_checks": True})
        self.assertEqual(self.states("behind"), {one: "InService"})
        self.asg.suspend_processes(AutoScalingGroupName="behind", ScalingProcesses=["ReplaceUnhealthy"])
        self.asg.update_auto_scaling_group(AutoScalingGroupName="behind", HealthCheckType="ELB")
        self.assertEqual([each["HealthStatus"] for each in self.shown("behind")["Instances"]], ["Unhealthy"])
        self.assertEqual(self.states("behind"), {one: "InService"})
        self.asg.resume_processes(AutoScalingGroupName="behind", ScalingProcesses=["ReplaceUnhealthy"])
        self.assertTrue(self.replaced("behind", one))

    def test_nothing_passed_yet(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/userguide/load-balancer-status.html
        "If no registered instances pass the health checks (for example, due to a misconfigured health check), the load
        balancer doesn't enter the InService state. Amazon EC2 Auto Scaling doesn't terminate and replace the
        instances." """
        vpc, subnet = self.network()
        arn = self.elbv2.create_target_group(Name="never", Protocol="HTTP", Port=80,
                                             VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
        made = self.elbv2.create_load_balancer(Name="never", Subnets=[subnet])["LoadBalancers"][0]
        self.elbv2.create_listener(LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
                                   DefaultActions=[{"Type": "forward", "TargetGroupArn": arn}])
        one, *_ = self.make("never", desired=1, HealthCheckType="ELB")
        bed(f"instances/{one}", {"fails_health_checks": True})
        self.asg.attach_load_balancer_target_groups(AutoScalingGroupName="never", TargetGroupARNs=[arn])
        self.assertEqual(self.states("never"), {one: "InService"})
        bed(f"instances/{one}", {"fails_health_checks": False})
        self.assertEqual(self.states("never"), {one: "InService"})
        bed(f"instances/{one}", {"fails_health_checks": True})
        self.assertTrue(self.replaced("never", one))

    def test_set(self):
        """https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetInstanceHealth.html
        "Amazon EC2 Auto Scaling terminates and replaces the unhealthy instance." "If the Auto Scaling group of the
        specified instance has a HealthCheckGracePeriod specified for the group, by default, this call respects the
        grace period." """
        one, *_ = self.make("told", desired=1, HealthCheckGracePeriod=300)
        self.assertEqual(self.states("told"), {one: "InService"})
        self.asg.set_instance_health(InstanceId=one, HealthStatus="Unhealthy")
        self.assertEqual(self.states("told"), {one: "InService"})
        self.asg.set_instance_health(InstanceId=one, HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
        self.assertTrue(self.replaced("told", one))
        self.refused("ValidationError", self.asg.set_instance_health, 400, InstanceId=one, HealthStatus="Healthy")
