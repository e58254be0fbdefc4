"""The Region of a call is the one that it was signed for."""

import re

import boto3
from moto.core.responses import BaseResponse

from bed.base import refuse, wraps

_session = boto3.Session()
KNOWN = {region for partition in _session.get_available_partitions()
         for region in _session.get_available_regions("ec2", partition)}

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
# The credential scope names the Region; a signature is good for that Region only. moto prefers what the
# User-Agent says, which any client may fill as it likes.
@wraps(BaseResponse, "get_region_from_url")
def get_region_from_url(former, self, request, full_url):
    scope = SCOPE.search(request.headers.get("Authorization", ""))
    return scope.group(1) if scope else former(self, request, full_url)


# A Region that does not exist makes no valid signature.
@wraps(BaseResponse, "call_action")
def call_action(former, self):
    scope = SCOPE.search(self.headers.get("Authorization", ""))
    if scope and scope.group(1) not in KNOWN:
        refuse("SignatureDoesNotMatch", "Credential should be scoped to a valid region.", 403)
    return former(self)
