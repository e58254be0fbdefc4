"""Classic Load Balancers: who is registered, what is said of it, and the attributes."""

from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.elb.models import ELBBackend, LoadBalancer
from moto.elb.responses import ELBResponse

from bed import balancers, clock
from bed.base import adds, refuse, wraps

NOT_REGISTERED = "Instance is not currently registered with the LoadBalancer."
LEAVING = "Instance deregistration currently in progress."
FAILING = "Instance has failed at least the UnhealthyThreshold number of health checks consecutively."


# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_DescribeLoadBalancers.html
# LoadBalancerNotFound for a name that does not exist, in every action; moto crashes in most.
@wraps(ELBBackend, "get_load_balancer")
def get_load_balancer(former, self, load_balancer_name):
    found = former(self, load_balancer_name)
    if found is None:
        refuse("LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{load_balancer_name}'")
    return found


# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_RegisterInstancesWithLoadBalancer.html
# InvalidInstance: the instance does not exist, does not run, or is in another network. Who is registered already stays
# so.
@adds(ELBResponse)
def register_instances_with_load_balancer(self):
    balancer = self.elb_backend.get_load_balancer(self._get_param("LoadBalancerName"))
    ids = [each["InstanceId"] for each in self._get_param("Instances", [])]
    for identifier in ids:
        instance = existing(self.elb_backend, identifier)
        if instance._state.name not in ("running", "pending"):
            refuse("InvalidInstance", f"Instance {identifier} is not in a running state.")
        if balancer.vpc_id and instance.vpc_id != balancer.vpc_id:
            refuse("InvalidInstance", f"EC2 instance {identifier} is not in the same VPC as load balancer.")
    return shown(self.elb_backend.register_instances(balancer.name, ids))


# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_DeregisterInstancesFromLoadBalancer.html
# InvalidInstance for who is not registered; an instance that an Auto Scaling group registered leaves like any other.
@adds(ELBResponse)
def deregister_instances_from_load_balancer(self):
    balancer = self.elb_backend.get_load_balancer(self._get_param("LoadBalancerName"))
    ids = [each["InstanceId"] for each in self._get_param("Instances", [])]
    for identifier in ids:
        if identifier not in balancer.instance_ids:
            refuse("InvalidInstance", f"Could not find EC2 instance {identifier}.")
    return shown(self.elb_backend.deregister_instances(balancer.name, ids))


def shown(balancer):
    return ActionResult({"Instances": balancer.instances})


def existing(backend, identifier):
    found = ec2_backends[backend.account_id][backend.region_name].get_instance_by_id(identifier)
    if found is None:
        refuse("InvalidInstance", f"Could not find EC2 instance {identifier}.")
    return found


@adds(ELBBackend)
def register_instances(self, load_balancer_name, instance_ids, from_autoscaling=False):
    balancer = self.get_load_balancer(load_balancer_name)
    for identifier in instance_ids:
        if identifier not in balancer.instance_ids:
            balancer.instance_sparse_ids.append(identifier)
        balancer.__dict__.setdefault("draining", {}).pop(identifier, None)
    return balancer


# https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/config-conn-drain.html
# With connection draining, off by default, an instance that leaves is reported as InService, "Instance deregistration
# currently in progress", for as long as the timeout at most, and as OutOfService then.
@adds(ELBBackend)
def deregister_instances(self, load_balancer_name, instance_ids, from_autoscaling=False):
    balancer = self.get_load_balancer(load_balancer_name)
    option = balancer.attributes["connection_draining"]
    delay = (option.get("timeout") or option.get("Timeout") or 300) if is_on(option) else 0
    for identifier in [each for each in balancer.instance_ids if each in list(instance_ids)]:
        balancer.__dict__.setdefault("draining", {})[identifier] = clock.now(), delay
    balancer.instance_sparse_ids = [each for each in balancer.instance_sparse_ids if each not in list(instance_ids)]
    balancer.instance_autoscaling_ids = [each for each in balancer.instance_autoscaling_ids
                                         if each not in list(instance_ids)]
    return balancer


@adds(LoadBalancer)
def drains(self, identifier):
    left, delay = self.__dict__.get("draining", {}).get(identifier, (0, 0))
    return clock.now() < balancers.drains_until(self.account_id, left, delay)


def is_on(option):
    return str(option.get("enabled", option.get("Enabled", False))).lower() == "true"


# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_DescribeInstanceHealth.html
# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_InstanceState.html
# Named instances are described when they are no longer registered too; terminated ones are not. The reason code tells
# whether the cause of OutOfService is the balancer (ELB) or the instance (Instance). InvalidInstance for one that does
# not exist.
@adds(ELBBackend)
def describe_instance_health(self, lb_name, instances):
    balancer = self.get_load_balancer(lb_name)
    named = [each["InstanceId"] for each in instances]
    states = [state_of(self, balancer, identifier) for identifier in named or balancer.instance_ids]
    return [state for state in states if state is not None]


def state_of(backend, balancer, identifier):
    instance = existing(backend, identifier)
    if instance._state.name == "terminated":
        return None
    state, code, text = "InService", "N/A", "N/A"
    if balancer.drains(identifier):
        text = LEAVING
    elif identifier not in balancer.instance_ids:
        state, code, text = "OutOfService", "Instance", NOT_REGISTERED
    elif instance._state.name not in ("running", "pending"):
        state, code, text = "OutOfService", "Instance", f"Instance is in {instance._state.name} state."
    elif getattr(instance, "fails_health_checks", None):
        state, code, text = "OutOfService", "Instance", FAILING
    return {"InstanceId": identifier, "State": state, "ReasonCode": code, "Description": text}


@adds(ELBResponse, "describe_instance_health")
def describe_states(self):
    return ActionResult({"InstanceStates": self.elb_backend.describe_instance_health(
        self._get_param("LoadBalancerName"), self._get_param("Instances", []))})
