"""Chapter 6: what changed between two inventories, and in few words what did not.

    python changes.py BEFORE.json AFTER.json

Ends with 1 when a bystander changed or is gone. One that is new is none: a group that loses a host starts another.
"""

import json
import pathlib
import sys
import textwrap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support" / "emulator"))

from inventory_parts import compare  # noqa: E402

WIDTHS = (26, 24, 62)
RULE = "-" * (sum(WIDTHS) + 4)


def line(*cells):
    """One row. Words stay whole, and so can be copied: only the last column may be too narrow for one, and runs on."""
    wrapped = [textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False) or [""]
               for cell, width in zip(cells, WIDTHS)]
    for number in range(max(map(len, wrapped))):
        parts = [cell[number] if number < len(cell) else "" for cell in wrapped]
        yield "  ".join(f"{part:<{width}}" for part, width in zip(parts, WIDTHS)).rstrip()


def rows(found):
    """The inventory's facts; a grant's name, which is long, is part of what is said of it."""
    for name, value in compare.facts(found).items():
        if name.startswith("grant "):
            yield name, "grant", f"{name.removeprefix('grant ')}, {value}"
        else:
            yield name, name, value


def bystanders(found):
    return {one["id"]: one["digest"] for one in found["bystanders"]["instances"]}


def table(before, after):
    old, new = ({key: (name, value) for key, name, value in rows(one) if not key.startswith("bystander ")}
                for one in (before, after))
    keys = list(dict.fromkeys([*old, *new]))
    changed = [key for key in keys if old.get(key) != new.get(key)]
    yield from line(before["instance"]["id"], "before", "after")
    yield RULE
    for key in changed:
        name = (new.get(key) or old[key])[0]
        yield from line(name, *(one[key][1] if key in one else "-" for one in (old, new)))
    yield RULE
    same = [key for key in keys if key not in changed]
    said = f"{len(changed)} changed, {len(same)} unchanged: " + ", ".join(f"{key} ({old[key][1]})" for key in same)
    yield from textwrap.wrap(said, len(RULE), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def main(given):
    before, after = (json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in given)
    print("\n".join(table(before, after)))
    old, new = bystanders(before), bystanders(after)
    differ = sorted(one for one in old if old[one] != new.get(one))
    if differ:
        sys.exit(f"bystanders changed: {', '.join(differ)}")
    added = sorted({*new} - {*old})
    if added:
        print(f"{len(added)} new, started by the Auto Scaling group in the place of the host: {', '.join(added)}")
    print(f"{len(old)} unchanged bystanders: {', '.join(sorted(old))} (instance, volumes, interfaces, rules, protections)")


if __name__ == "__main__":
    main(sys.argv[1:])
