"""Control endpoints for what AWS does by itself: snapshots that fail, instances that change."""

from bed import blocks, find

SNAPSHOT_STATES = ("pending", "completed", "error", "recoverable", "recovering")
INSTANCE_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def _only(body, *names):
    wrong = [name for name in body if name not in names]
    if wrong:
        raise ValueError(f"unknown: {', '.join(wrong)}; known: {', '.join(names)}")


def _one_of(value, allowed):
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def snapshot(body, identifier):
    """Forces a state, with the message that DescribeSnapshots then shows; makes the tokens of its blocks void."""
    _only(body, "state", "message", "void_tokens")
    found = find.snapshot(identifier)
    if "void_tokens" in body:
        found.bed_listed += 1
    if "state" in body or "void_tokens" not in body:
        found.force(_one_of(body.get("state"), SNAPSHOT_STATES), body.get("message"))
    return {"snapshot": found.id, "state": found.status, "message": found.state_message}


def volume(body, identifier):
    """Makes every later snapshot of the volume end in error once its pending time is over (null stops that); puts the
    bytes of a raw image, a file on this machine, onto the volume."""
    _only(body, "snapshots_fail", "image")
    if not body:
        raise KeyError("snapshots_fail or image")
    found = find.volume(identifier)
    if "snapshots_fail" in body:
        message = body["snapshots_fail"]
        if message is not None and not isinstance(message, str):
            raise ValueError("snapshots_fail must be the message or null")
        found.snapshots_fail = message
    if "image" in body:
        try:
            found.bed_blocks = blocks.of_image(body["image"], found.size)
        except (OSError, TypeError) as wrong:
            raise ValueError(f"image: {wrong}") from wrong
    return {"volume": found.id, "snapshots_fail": getattr(found, "snapshots_fail", None),
            "blocks": len(blocks.of(found))}


def instance(body, identifier):
    """Sets what only AWS sets."""
    _only(body, "spot", "state", "root_device_type", "platform", "architecture", "fails_health_checks",
          "status_checks", "lifecycle_state")
    found = find.instance(identifier)
    if "spot" in body:
        found.lifecycle = "spot" if body["spot"] else None
    if "state" in body:
        found._state.name = _one_of(body["state"], INSTANCE_STATES)
        found._state.code = INSTANCE_STATES[body["state"]]
    if "root_device_type" in body:
        found.root_device_type = _one_of(body["root_device_type"], ("ebs", "instance-store"))
    if "fails_health_checks" in body:
        found.fails_health_checks = bool(body["fails_health_checks"])
    if "status_checks" in body:
        found.status_checks = _one_of(body["status_checks"], ("ok", "impaired"))
    if "lifecycle_state" in body:
        if not (isinstance(body["lifecycle_state"], str) and body["lifecycle_state"]):
            raise ValueError("lifecycle_state must be the name of a state")
        find.member(identifier).lifecycle_state = body["lifecycle_state"]
    for name in ("platform", "architecture"):
        if name in body:
            setattr(found, name, body[name])
    return {"instance": found.id, "spot": found.lifecycle == "spot", "state": found._state.name,
            "root_device_type": found.root_device_type, "platform": found.platform,
            "architecture": found.architecture}
