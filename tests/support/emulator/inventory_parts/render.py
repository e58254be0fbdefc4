"""An inventory as text for a terminal of 100 columns."""

import textwrap

WIDTH = 100
INDENT = 13


def on(value):
    return "on" if value else "off"


def key_name(arn):
    return f"key {arn.rsplit('/', 1)[-1][:8]}" if arn else "plain"


def moment(text):
    return text[:19].replace("T", " ") if text else ""


def block(title, lines):
    """Lines under a title, each wrapped with a hanging indent."""
    shown = []
    for line in lines or ["none"]:
        depth = len(line) - len(line.lstrip())
        shown += textwrap.wrap(line.strip(), WIDTH - INDENT, initial_indent=" " * depth,
                               subsequent_indent=" " * (depth + 4), break_long_words=True, break_on_hyphens=False)
    return [f"{title if not number else '':<{INDENT}}{line}".rstrip() for number, line in enumerate(shown)]


def rules(count, way):
    return f"{way} closed" if count == 0 else f"{way} {count} rule{'' if count == 1 else 's'}"


def text(found):
    one, guard = found["instance"], found["protection"]
    lines = block("instance", [
        f"{one['id']} {one['name']}  {one['state']}  {one['type']}  {one['image']}",
        f"account {found['account']}, {found['region']}" + (f", profile {one['profile'].rsplit('/', 1)[-1]}"
                                                            if one["profile"] else "")])
    lines += block("protection", [f"termination {on(guard['termination'])}, stop {on(guard['stop'])},"
                                  f" shutdown behaviour {guard['shutdown']}"])
    lines += block("volumes", [
        f"{volume['device']:<10} {volume['id']}  {volume['size']:>4} GiB  {key_name(volume['key']):<13}"
        f" {'deleted with' if volume['delete_on_termination'] else 'outlives'} the instance"
        for volume in found["volumes"]])
    lines += block("interfaces", [line for each in found["interfaces"] for line in interface(each)])
    lines += block("in service", [f"{name}: {state}" for name, state in service(found["service"])])
    lines += block("snapshots", list(snapshots(found["snapshots"])))
    lines += block("grants", [
        f"{key_name(grant['key'])}: {grant['name'] or grant['id'][:8]} to {grant['grantee']}"
        f" ({', '.join(grant['operations'])})" for grant in found["grants"]])
    if "bystanders" in found:
        lines += block("bystanders", [
            f"{each['id']}  {each['state']:<10} {each['name'][:24]:<24} {', '.join(each['groups'])}"
            for each in found["bystanders"]["instances"]] + [f"digest {found['bystanders']['digest']}"])
    return "\n".join(lines)


def service(found):
    """A name and a short text for its place in a group, and for each load balancer that has it."""
    yield "Auto Scaling group", ", ".join(f"{one['name']} {one['state']}" for one in found["groups"]) or "none"
    for one in found["targets"]:
        yield f"target group {one['group']}", f"port {one['port']}, {one['state']}"
    for name in found["classic"]:
        yield f"load balancer {name}", "registered"


def interface(one):
    public = f"  public {one['public']}{' (elastic)' if one['elastic'] else ''}" if one["public"] else ""
    yield f"{one['index']} {one['id']}  {', '.join(one['private'] + one['ipv6'])}{public}"
    for group in one["groups"]:
        yield f"    {group['name']} {group['id']}  {rules(group['ingress'], 'in')}, {rules(group['egress'], 'out')}"


def sets(found):
    grouped = {}
    for one in found:
        grouped.setdefault(one["set"], []).append(one)
    return grouped


def snapshots(found):
    for members in sets(found).values():
        yield f"set of {len(members)}, {moment(members[0]['started'])}  {members[0]['description']}".rstrip()
        common = dict(set.intersection(*(set(one["tags"].items()) for one in members)))
        for one in members:
            yield f"    {snapshot(one)}"
            own = {name: value for name, value in one["tags"].items() if name not in common}
            if own:
                yield "        " + tag_text(own)
        if common:
            yield "    tags " + tag_text(common)


def snapshot(one):
    parts = [f"{one['id']} of {one['device']}", key_name(one["key"]),
             one["state"] + (f" {one['progress']}" if one["state"] == "pending" else "")]
    if one["message"]:
        parts.append(one["message"])
    lock = one["lock"]
    parts.append(f"locked {lock['state']}" + (f" until {moment(lock['expires'])[:16]}" if lock["expires"] else "")
                 if lock else "not locked")
    if one["shared"]:
        parts.append(f"shared {', '.join(one['shared'])}")
    return ", ".join(parts)


def tag_text(tags):
    return ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))
