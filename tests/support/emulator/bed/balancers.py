"""Registrations with load balancers: how long a departing one drains, and those of an Auto Scaling group."""

from bed import clock, settings


def draining_seconds(account, delay):
    """How long a registration drains here: the delay that AWS would take, scaled by `draining_scale`."""
    return float(delay or 0) * settings.get(account, "draining_scale")


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
    identifier, now = state.instance.id, clock.now()
    return (any(until > now for target_group in _target_groups(group)
                for until in [target_group.drains_until(identifier)])
            or any(balancer.__dict__.get("draining", {}).get(identifier, 0) > now for balancer in _classic(group)))


def failing(group, state):
    """Whether a health check of a load balancer finds the instance unhealthy."""
    identifier = state.instance.id
    backend = group.autoscaling_backend
    for target_group in _target_groups(group):
        for health in backend.elbv2_backend.describe_target_health(target_group.arn, []):
            if health.instance_id == identifier and health.status == "unhealthy":
                return True
    return any(each["State"] == "OutOfService" for balancer in _classic(group) if identifier in balancer.instance_ids
               for each in backend.elb_backend.describe_instance_health(balancer.name, [{"InstanceId": identifier}]))
