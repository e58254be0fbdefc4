"""Each call is done by itself, and every answer is one that an AWS client can read."""

import functools
import re
import sys
import traceback
import uuid

import moto.core.responses
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from bed import clock
from bed.base import LOCK, Refusal, wraps

#: moto looks for its methods anew on each request; they do not change.
moto.core.responses.method_names_from_class = functools.lru_cache(None)(moto.core.responses.method_names_from_class)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
# Client errors are answered with a 4xx code and server errors with a 5xx code, both as an XML body with code,
# message and request id. moto answers what it lacks, and its own crashes, with an HTML page that clients retry.
@wraps(BaseResponse, "_dispatch")
def dispatch(former, self, request, full_url=None, headers=None):
    with LOCK:
        try:
            return former(self, request, full_url, headers)
        except ServiceException as error:
            return answer(self, error)
        except NotImplementedError as error:
            return answer(self, Refusal("EmulatorLacksThis", f"moto: {error}", 501))
        except Exception as error:
            if not hasattr(self, "response_headers"):
                raise
            traceback.print_exc(file=sys.stderr)
            return answer(self, Refusal("InternalFailure", f"the emulator failed: {error!r}", 500))


#: The services whose answers show what AWS does by itself: see `bed/clock.py`.
SEEING = ("autoscaling", "ec2", "elb", "elbv2")


@wraps(BaseResponse, "call_action")
def call_action(former, self):
    if self.service_name in SEEING:
        clock.catch_up(self.current_account, self.region)
    return former(self)


def answer(self, error):
    status, headers, body = self.serialized(ActionResult(error))
    headers["status"] = status
    headers, body = self._enrich_response(headers, body)
    return status, headers, body


@wraps(BaseResponse, "serialized")
def serialized(former, self, result):
    """An error that names its HTTP status is answered with it."""
    code, headers, body = former(self, result)
    return (result.result.status if isinstance(result.result, Refusal) else code), headers, body


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/making-api-requests.html
# Every answer has a request id of its own, in the body as in the header. EC2 writes requestId, and RequestID in
# errors; moto fills only RequestId.
def enrich_response(headers, body):
    if "status" in headers:
        headers["status"] = str(headers["status"])
    identifier = str(uuid.uuid4())
    headers["x-amzn-requestid"] = identifier
    if isinstance(body, str):
        body = re.sub(r"<(RequestId|RequestID|requestId)>[^<]*</", rf"<\1>{identifier}</", body)
    return headers, body


BaseResponse._enrich_response = staticmethod(enrich_response)
