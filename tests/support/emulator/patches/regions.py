"""The Region of a call is the one that it was signed for."""

import re

from moto.core.responses import BaseResponse

from bed.base import wraps

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
# The credential scope names the Region; a signature is good for that Region only. moto prefers what the
# User-Agent says, which any client may fill as it likes.
@wraps(BaseResponse, "get_region_from_url")
def get_region_from_url(former, self, request, full_url):
    scope = SCOPE.search(request.headers.get("Authorization", ""))
    return scope.group(1) if scope else former(self, request, full_url)
