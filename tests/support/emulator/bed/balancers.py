"""Registrations with load balancers: how long a departing one drains, and those of an Auto Scaling group."""

from bed import settings


def drains_until(account, left, delay):
    """Until when a registration drains here: for the delay that AWS would take, scaled by `draining_scale`."""
    return left + float(delay or 0) * settings.get(account, "draining_scale")


def _target_groups(group):
    known = group.autoscaling_backend.elbv2_backend.target_groups
    return [known[arn] for arn in group.target_group_arns if arn in known]


def _classic(group):
    known = group.autoscaling_backend.elb_backend.load_balancers
    return [known[name] for name in group.load_balancer_names if name in known]


def missing(group_backend, arns, names):
    """Those of the named target groups and Classic Load Balancers that do not exist."""
    return ([arn for arn in arns if arn not in group_backend.elbv2_backend.target_groups],
            [name for name in names if name not in group_backend.elb_backend.load_balancers])


def enter(group, state):
    """Registers an instance with what the group has attached, once for each."""
    entered = state.__dict__.setdefault("entered", set())
    identifier = state.instance.id
    for target_group in _target_groups(group):
        if target_group.arn not in entered:
            target_group.register([{"Id": identifier}])
            entered.add(target_group.arn)
    for balancer in _classic(group):
        if balancer.name not in entered:
            group.autoscaling_backend.elb_backend.register_instances(balancer.name, [identifier])
            entered.add(balancer.name)


def leave(group, state):
    """Deregisters an instance from what the group has attached, under every port."""
    state.__dict__["entered"] = set()
    identifier = state.instance.id
    for target_group in _target_groups(group):
        target_group.deregister_terminated_instances([identifier])
    for balancer in _classic(group):
        if identifier in balancer.instance_ids:
            group.autoscaling_backend.elb_backend.deregister_instances(balancer.name, [identifier])


def draining(group, state):
    """Whether the instance is still being deregistered from something that the group has attached."""
    identifier = state.instance.id
    return any(each.drains(identifier) for each in [*_target_groups(group), *_classic(group)])


def _judgements(group):
    """Of each load balancer of the group: its name or ARN, and the instances that pass and fail its checks."""
    backend = group.autoscaling_backend
    for target_group in _target_groups(group):
        health = backend.elbv2_backend.describe_target_health(target_group.arn, [])
        yield (target_group.arn, {each.instance_id for each in health if each.status == "healthy"},
               {each.instance_id for each in health if each.status == "unhealthy"})
    for balancer in _classic(group):
        health = backend.elb_backend.describe_instance_health(balancer.name, [])
        yield (balancer.name, {each["InstanceId"] for each in health if each["State"] == "InService"},
               {each["InstanceId"] for each in health if each["State"] == "OutOfService"})


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/load-balancer-status.html
# A load balancer's checks count from when at least one registered instance has passed them.
def notice(group):
    """Remembers which load balancers an instance has passed the checks of."""
    passed = group.__dict__.setdefault("passed", set())
    attached = {*group.target_group_arns, *group.load_balancer_names}
    passed &= attached
    if passed != attached:
        passed |= {name for name, passing, _ in _judgements(group) if passing}


def failing(group, state):
    """Whether a health check of a load balancer that counts finds the instance unhealthy."""
    passed = group.__dict__.get("passed", ())
    return any(name in passed and state.instance.id in failed for name, _, failed in _judgements(group))
