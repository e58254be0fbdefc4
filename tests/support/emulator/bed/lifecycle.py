"""The way of an instance through an Auto Scaling group: what the group does by itself as time goes by."""

from moto.autoscaling.models import ASG_NAME_TAG, autoscaling_backends
from moto.core.exceptions import ServiceException

from bed import balancers, clock, settings

#: What counts towards the desired capacity: what is on its way into service, and what is there.
COUNTED = ("Pending", "Pending:Wait", "Pending:Proceed", "InService")
#: Called with a group and an instance that counts; tells whether the group replaces it.
HEALTH_CHECKS = []

LAUNCHING, TERMINATING = "autoscaling:EC2_INSTANCE_LAUNCHING", "autoscaling:EC2_INSTANCE_TERMINATING"


def suspended(group, *processes):
    held = {each["ProcessName"] for each in group.suspended_processes}
    return any(process in held for process in processes)


def begin(group, state, lifecycle_state):
    """Sends an instance on its way to another state. Whoever leaves service leaves the load balancers."""
    if lifecycle_state != "Pending":
        balancers.leave(group, state)
    enter(state, lifecycle_state)


def enter(state, lifecycle_state):
    state.lifecycle_state = lifecycle_state
    state.since = clock.now()
    state.actions = {}


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
# Pending, with a hook Pending:Wait and Pending:Proceed, InService; EnteringStandby, Standby, then Pending again;
# Detaching, Detached; Terminating, with a hook Terminating:Wait and Terminating:Proceed, Terminated.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/attach-load-balancer-asg.html
# With connection draining a group waits for it before an instance goes on.
def move(group, state):
    """One move of an instance; whether there was one."""
    action = MOVES.get(state.lifecycle_state)
    over = clock.now() >= getattr(state, "since", 0) + settings.get(group.account_id, "transition_seconds")
    return bool(action and over and not balancers.draining(group, state) and action(group, state))


def launched(group, state):
    returns = getattr(state, "returns", False)
    return wait(group, state, LAUNCHING, "Pending:Wait") if not returns else arrive(group, state)


def arrive(group, state):
    state.lifecycle_state, state.returns, state.arrived = "InService", False, clock.now()
    state.ill_since = None
    if not suspended(group, "AddToLoadBalancer"):
        balancers.enter(group, state)
    return True


def stand_by(_, state):
    state.lifecycle_state = "Standby"
    return True


def leave(group, state):
    group.instance_states = [each for each in group.instance_states if each is not state]
    group.ec2_backend.delete_tags([state.instance.id], {ASG_NAME_TAG: group.name})
    state.instance.__dict__.pop("autoscaling_group", None)
    return True


def terminating(group, state):
    return wait(group, state, TERMINATING, "Terminating:Wait")


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingDisableAPITermination.html
# Termination protection does not keep Auto Scaling from terminating an instance.
def end(group, state):
    instance = state.instance
    protections = instance.disable_api_termination, instance.disable_api_stop
    instance.disable_api_termination = instance.disable_api_stop = False
    group.ec2_backend.terminate_instances([instance.id])
    instance.disable_api_termination, instance.disable_api_stop = protections
    group.instance_states = [each for each in group.instance_states if each is not state]
    return True


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
# A hook keeps an instance in a wait state until it is completed, or its timeout is over: then its default result holds.
def wait(group, state, transition, waiting):
    hooks = [hook for hook in group.autoscaling_backend.lifecycle_hooks.values()
             if hook.auto_scaling_group_name == group.name and hook.lifecycle_transition == transition]
    if not hooks:
        return arrive(group, state) if transition == LAUNCHING else end(group, state)
    state.lifecycle_state = waiting
    now = clock.now()
    state.actions = {hook.name: {"hook": hook, "from": now, "beat": now, "result": None} for hook in hooks}
    return True


def timed_out(group, action):
    """Whether no heartbeat came in time, or the longest time that the hook allows is over."""
    hook, scale = action["hook"], settings.get(group.account_id, "heartbeat_scale")
    return clock.now() >= min(action["beat"] + hook.heartbeat_timeout * scale,
                              action["from"] + hook.global_timeout * scale)


def waiting(group, state):
    for action in state.actions.values():
        if action["result"] is None and timed_out(group, action):
            action["result"] = action["hook"].default_result
    results = [action["result"] for action in state.actions.values()]
    if "ABANDON" not in results and None in results:
        return False
    if state.lifecycle_state == "Pending:Wait":
        if "ABANDON" in results:
            begin(group, state, "Terminating")
            return True
        enter(state, "Pending:Proceed")
    else:
        enter(state, "Terminating:Proceed")
    return True


MOVES = {
    "Pending": launched,
    "Pending:Wait": waiting,
    "Pending:Proceed": arrive,
    "EnteringStandby": stand_by,
    "Detaching": leave,
    "Terminating": terminating,
    "Terminating:Wait": waiting,
    "Terminating:Proceed": end,
}


# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
# Launch and Terminate can be suspended: the group then neither adds nor removes instances.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html
# Scale-in takes only instances in service that are not protected from it.
def fit(group):
    """Launches or terminates what the desired capacity asks for."""
    counted = [state for state in group.instance_states if state.lifecycle_state in COUNTED]
    lacking = (group.desired_capacity or 0) - len(counted)
    if lacking > 0 and not suspended(group, "Launch"):
        try:
            group.replace_autoscaling_group_instances(lacking, group.get_propagated_tags())
        except ServiceException:
            if not getattr(group, "made", False):
                raise
    if lacking < 0 and not suspended(group, "Terminate"):
        removable = [state for state in counted if not state.protected_from_scale_in]
        for state in removable[:-lacking]:
            begin(group, state, "Terminating")


def advance(group):
    for state in list(group.instance_states):
        if state.lifecycle_state in COUNTED and any(check(group, state) for check in HEALTH_CHECKS):
            begin(group, state, "Terminating")
        for _ in MOVES:
            if not (state in group.instance_states and move(group, state)):
                break


def catch_up(account, region):
    """Does what the groups of an account and a Region would have done by now."""
    backend = dict.get(dict.get(autoscaling_backends, account) or {}, region)
    for group in list(backend.autoscaling_groups.values()) if backend else []:
        advance(group)
        if not mixed(group):
            fit(group)
            advance(group)
        balancers.notice(group)


def mixed(group):
    """Whether moto must count: a mixed group's capacity is in units of weight."""
    policy = group.mixed_instances_policy or {}
    return bool(policy.get("LaunchTemplate", {}).get("Overrides"))
