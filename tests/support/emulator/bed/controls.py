"""Control endpoints for what AWS does by itself: snapshots that fail, instances that change."""

from bed import blocks, find, settings

SNAPSHOT_STATES = ("pending", "completed", "error", "recoverable", "recovering")
INSTANCE_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


def _only(body, *names):
    wrong = [name for name in body if name not in names]
    if wrong or not body:
        raise ValueError(f"unknown: {', '.join(wrong) or 'nothing is given'}; known: {', '.join(names)}")


def _one_of(value, allowed):
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}")
    return value


def _message(body, name):
    message = body[name]
    if message is not None and not isinstance(message, str):
        raise ValueError(f"{name} must be the message or null")
    return message


def snapshot(body, identifier):
    """Forces a state, with the message that DescribeSnapshots then shows; or makes what comes later fail."""
    _only(body, "state", "message", "pending_seconds", "void_tokens", "copies_fail", "tiering_fails")
    found = find.snapshot(identifier)
    if "state" in body or "message" in body:
        found.force(_one_of(body.get("state"), SNAPSHOT_STATES), body.get("message"))
    if "pending_seconds" in body:  # how long from its start, in place of what was set when it was made
        found.pending_seconds = settings.number("pending_seconds", body["pending_seconds"])
    if "void_tokens" in body:  # of its blocks
        found.bed_listed += 1
    if "copies_fail" in body:  # later copies of it end in error once their pending time is over; null stops that
        found.copies_fail = _message(body, "copies_fail")
    if "tiering_fails" in body:  # the next archival or restore of it
        found.tiering_fails = _message(body, "tiering_fails")
    return {"snapshot": found.id, "state": found.status, "message": found.state_message}


def volume(body, identifier):
    """What becomes of later snapshots of the volume; and the bytes of a raw image, a file on this machine, on it."""
    _only(body, "snapshots_fail", "snapshot_seconds", "image")
    found = find.volume(identifier)
    if "snapshots_fail" in body:  # they end in error once their pending time is over; null stops that
        found.snapshots_fail = _message(body, "snapshots_fail")
    if "snapshot_seconds" in body:  # how long they stay pending; null: as the account's setting says
        seconds = body["snapshot_seconds"]
        found.snapshot_seconds = None if seconds is None else settings.number("snapshot_seconds", seconds)
    if "image" in body:
        try:
            found.bed_blocks = blocks.of_image(body["image"], found.size)
        except (OSError, TypeError) as wrong:
            raise ValueError(f"image: {wrong}") from wrong
    return {"volume": found.id, "snapshots_fail": getattr(found, "snapshots_fail", None),
            "snapshot_seconds": getattr(found, "snapshot_seconds", None), "blocks": len(blocks.of(found))}


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
