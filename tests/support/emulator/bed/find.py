"""Finds resources in every account and Region, for the control endpoints and for what crosses accounts."""

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends


def backends(region=None):
    """Every EC2 backend that exists, without making new ones."""
    for account in list(dict.values(ec2_backends)):
        for name, backend in list(dict.items(account)):
            if region in (None, name):
                yield backend


def _first(identifier, look):
    for backend in backends():
        found = look(backend)
        if found is not None:
            return found
    raise KeyError(identifier)


def snapshot(identifier):
    return _first(identifier, lambda backend: backend.snapshots.get(identifier))


def volume(identifier):
    return _first(identifier, lambda backend: backend.volumes.get(identifier))


def instance(identifier):
    return _first(identifier, lambda backend: backend.get_instance_by_id(identifier))


def member(identifier):
    """The state of an instance in its Auto Scaling group."""
    for account in list(dict.values(autoscaling_backends)):
        for backend in list(dict.values(account)):
            for group in backend.autoscaling_groups.values():
                for state in group.instance_states:
                    if state.instance.id == identifier:
                        return state
    raise KeyError(f"{identifier} in an Auto Scaling group")
