"""Two inventories of one instance beside each other."""

import textwrap

from inventory_parts import render

WIDTHS = (26, 35, 35)


def facts(found):
    """An inventory as rows: a name and a short text for each fact."""
    one, guard = found["instance"], found["protection"]
    rows = {"state": one["state"], "instance profile": (one["profile"] or "none").rsplit("/", 1)[-1],
            "termination protection": render.on(guard["termination"]), "stop protection": render.on(guard["stop"]),
            "shutdown behaviour": guard["shutdown"] or ""}
    for volume in found["volumes"]:
        rows[f"{volume['device']} at termination"] = "deleted" if volume["delete_on_termination"] else "kept"
    for each in found["interfaces"]:
        name = f"interface {each['index']}"
        for number, group in enumerate(each["groups"]):
            rows[f"{name} group {number + 1}"] = (
                f"{group['name']} {group['id']} {render.rules(group['ingress'], 'in')},"
                f" {render.rules(group['egress'], 'out')}")
        rows[f"{name} public address"] = each["public"] or "none"
    rows |= dict(render.service(found["service"]))
    for tag, value in one["tags"].items():
        rows[f"tag {tag}"] = value
    for number, members in enumerate(render.sets(found["snapshots"]).values()):
        for member in members:
            rows[f"snapshot {number + 1} {member['device']}"] = render.snapshot(member)
        common = dict(set.intersection(*(set(one["tags"].items()) for one in members)))
        if common:
            rows[f"snapshot {number + 1} tags"] = render.tag_text(common)
    for grant in found["grants"]:
        rows[f"grant {grant['name'] or grant['id'][:8]}"] = f"{render.key_name(grant['key'])} to {grant['grantee']}"
    for each in found.get("bystanders", {}).get("instances", []):
        rows[f"bystander {each['id']}"] = f"{each['state']} {', '.join(each['groups'])} {each['digest']}"
    return rows


def line(*cells):
    wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) or [""] for cell, width in zip(cells, WIDTHS)]
    for number in range(max(map(len, wrapped))):
        parts = [cell[number] if number < len(cell) else "" for cell in wrapped]
        yield "  ".join(f"{part:<{width}}" for part, width in zip(parts, WIDTHS)).rstrip()


def table(before, after):
    """What changed, in three columns; and whether the bystanders did."""
    if before["instance"]["id"] != after["instance"]["id"]:
        return f"different instances: {before['instance']['id']} and {after['instance']['id']}"
    old, new = facts(before), facts(after)
    names = list(dict.fromkeys([*old, *new]))
    changed = [name for name in names if old.get(name) != new.get(name)]
    lines = [*line(before["instance"]["id"], "before", "after"), "-" * render.WIDTH]
    for name in changed:
        lines += line(name, old.get(name, "-"), new.get(name, "-"))
    lines.append("-" * render.WIDTH)
    lines.append(f"{len(changed)} changed, {len(names) - len(changed)} unchanged")
    if "bystanders" in before and "bystanders" in after:
        pair = before["bystanders"]["digest"], after["bystanders"]["digest"]
        count = len(after["bystanders"]["instances"])
        lines.append(f"bystanders: {count} instances unchanged (digest {pair[0]})" if pair[0] == pair[1]
                     else f"bystanders CHANGED: digest {pair[0]} before, {pair[1]} after")
    return "\n".join(lines)
