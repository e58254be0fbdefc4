"""What the calls on Auto Scaling groups share: the group, its members, and the sizes that must hold."""

from bed.base import refuse


def group_named(self, name):
    group = self.autoscaling_backend.autoscaling_groups.get(name)
    if group is None:
        refuse("ValidationError", f"AutoScalingGroup name not found - no such group: {name}")
    return group


def members(self, group, states):
    """The states of the named instances, all of which must be in the group and in one of these states."""
    held = {state.instance.id: state for state in group.instance_states}
    found = []
    for identifier in self._get_param("InstanceIds", []):
        if identifier not in held:
            refuse("ValidationError",
                         f"The instance {identifier} is not part of Auto Scaling group {group.name}.")
        if held[identifier].lifecycle_state not in states:
            refuse("ValidationError", f"The instance {identifier} is not in {' or '.join(states)}.")
        found.append(held[identifier])
    return found


def fits(group, change, verb, count):
    """The group after a change of its desired capacity must be within its sizes."""
    desired = group.desired_capacity + change
    if not group.min_size <= desired <= group.max_size:
        refuse("ValidationError",
                     f"AutoScalingGroup {group.name} has min-size={group.min_size}, max-size={group.max_size}, and"
                     f" desired-size={group.desired_capacity}. To {verb} {count} instance{'s' * (count > 1)}, please"
                     " update the AutoScalingGroup sizes appropriately.")


def decrements(self):
    given = self._get_bool_param("ShouldDecrementDesiredCapacity")
    if given is None:
        refuse("ValidationError", "1 validation error detected: Value null at 'shouldDecrementDesiredCapacity'"
                                        " failed to satisfy constraint: Member must not be null")
    return given


def member(self, identifier):
    """The group and the state of an instance that some group of the Region holds."""
    for group in self.autoscaling_backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == identifier:
                return group, state
    refuse("ValidationError", f"Instance Id not found - No managed instance found for instance ID: {identifier}")
