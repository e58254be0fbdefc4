"""Checks URLs that were signed beforehand, with the secrets that the bed knows.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html
"""

import datetime
import hashlib
import hmac
import urllib.parse

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY = hashlib.sha256(b"").hexdigest()


def wrong(url, region, expected):
    """What is wrong with the URL of a GET request to EC2 in this Region with these parameters; None if nothing."""
    try:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
        given = dict(query)
        key, date, where, service, end = given["X-Amz-Credential"].split("/")
        start = datetime.datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        lasts = datetime.timedelta(seconds=int(given["X-Amz-Expires"]))
        signature, algorithm = given["X-Amz-Signature"], given["X-Amz-Algorithm"]
        signed = given["X-Amz-SignedHeaders"]
    except (KeyError, ValueError):
        return "it is not a URL with a signature of version 4"
    for name, value in expected.items():
        if given.get(name) != value:
            return f"{name} is {given.get(name)!r}, not {value!r}"
    if (algorithm, where, service, end, signed) != (ALGORITHM, region, "ec2", "aws4_request", "host"):
        return f"it is not signed for ec2 in {region}, with the header host"
    if not parts.netloc.startswith(("127.0.0.1", "localhost", f"ec2.{region}.")):
        return f"{parts.netloc} is not the endpoint of {region}"
    if not start - datetime.timedelta(minutes=15) <= utcnow() <= start + lasts:
        return "it has expired"
    secret = secret_of(key, given.get("X-Amz-Security-Token"))
    if secret is None:
        return "its credentials are not valid"
    canonical = "&".join(sorted(f"{escaped(name)}={escaped(value)}" for name, value in query
                                if name != "X-Amz-Signature"))
    request = "\n".join(["GET", parts.path or "/", canonical, f"host:{parts.netloc}\n", signed, EMPTY])
    text = "\n".join([ALGORITHM, given["X-Amz-Date"], f"{date}/{where}/{service}/{end}",
                      hashlib.sha256(request.encode()).hexdigest()])
    derived = f"AWS4{secret}".encode()
    for part in (date, where, service, end, text):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(derived.hex(), signature) else "its signature does not match"


def escaped(text):
    return urllib.parse.quote(text, safe="-_.~")


def secret_of(key, token):
    for partitions in list(dict.values(iam_backends)):
        for backend in list(dict.values(partitions)):
            if key in backend.access_keys and token is None:
                return backend.access_keys[key].secret_access_key
    for partitions in list(dict.values(sts_backends)):
        for backend in list(dict.values(partitions)):
            for session in backend.assumed_roles:
                if session.access_key_id == key and session.session_token == token and session.expiration > utcnow():
                    return session.secret_access_key
    return None
