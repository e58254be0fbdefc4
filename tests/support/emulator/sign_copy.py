"""What botocore signs for the copy of a snapshot: reads JSON from standard input, prints the URL."""

import datetime
import json
import sys

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

given = json.load(sys.stdin)
at = datetime.datetime.strptime(given["at"], "%Y%m%dT%H%M%SZ")
botocore.auth.get_current_datetime = lambda *_, **__: at
keys = Credentials(given["key"], given["secret"], given.get("token"))
request = AWSRequest(method="GET", url=given["endpoint"], params=given["parameters"])
botocore.auth.SigV4QueryAuth(keys, "ec2", given["region"]).add_auth(request)
print(request.url, end="")
