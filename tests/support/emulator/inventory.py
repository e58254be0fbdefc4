"""What AWS holds about one instance, read by a client that changes nothing.

    python inventory.py --endpoint URL --region eu-west-1 --instance i-… [--bystanders] [--json]
    python inventory.py diff BEFORE.json AFTER.json

Credentials come from --access-key and --secret-key, or from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN. Without --endpoint it asks AWS itself.
"""

import argparse
import json
import os
import sys

from inventory_parts import compare, render


def arguments(given):
    parser = argparse.ArgumentParser(prog="inventory.py", description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL"))
    parser.add_argument("--region", default=os.environ.get("AWS_REGION"), required="AWS_REGION" not in os.environ)
    parser.add_argument("--access-key", default=os.environ.get("AWS_ACCESS_KEY_ID"))
    parser.add_argument("--secret-key", default=os.environ.get("AWS_SECRET_ACCESS_KEY"))
    parser.add_argument("--session-token", default=os.environ.get("AWS_SESSION_TOKEN"))
    parser.add_argument("--instance", required=True, help="the id of the instance")
    parser.add_argument("--set-tag", help="group snapshots by this tag's value (else by time and description)")
    parser.add_argument("--bystanders", action="store_true", help="all other instances too, with a digest")
    parser.add_argument("--json", action="store_true", help="for `inventory.py diff`")
    return parser.parse_args(given)


def differences(given):
    parser = argparse.ArgumentParser(prog="inventory.py diff", description="A table of what changed.")
    parser.add_argument("before")
    parser.add_argument("after")
    options = parser.parse_args(given)
    pair = []
    for path in (options.before, options.after):
        with open(path, encoding="utf-8") as file:
            pair.append(json.load(file))
    print(compare.table(*pair))


def main(given):
    if given[:1] == ["diff"]:
        return differences(given[1:])
    options = arguments(given)
    from inventory_parts import collect

    try:
        found = collect.everything(options)
    except collect.Failed as failure:
        sys.exit(f"inventory: {failure}")
    print(json.dumps(found, indent=1, sort_keys=True) if options.json else render.text(found))


if __name__ == "__main__":
    main(sys.argv[1:])
