"""Access keys: each belongs to one account, unknown ones are refused, sessions expire."""

import moto.iam.models
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import BaseResponse
from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from bed.base import refuse, wraps


def account_of(access_key):
    for account, partitions in list(dict.items(iam_backends)):
        for backend in list(dict.values(partitions)):
            if access_key in backend.access_keys:
                return account
    return None


# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
# An access key belongs to a user, and so to an account, or to a session of a role (ids that begin with ASIA).
def get_account_id_from(access_key):
    return account_of(access_key) or DEFAULT_ACCOUNT_ID


moto.iam.models.get_account_id_from = get_account_id_from


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (AuthFailure, RequestExpired)
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html (InvalidClientTokenId, ExpiredToken)
# https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html (UnrecognizedClientException)
# Credentials that AWS does not know, a session without its token, and a session past its end are refused.
UNKNOWN = {
    "ec2": ("AuthFailure", "AWS was not able to validate the provided access credentials", 401),
    "kms": ("UnrecognizedClientException", "The security token included in the request is invalid.", 400),
}
UNKNOWN_ELSEWHERE = ("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
EXPIRED = {
    "ec2": ("RequestExpired", "Request has expired.", 400),
    "kms": ("ExpiredTokenException", "The security token included in the request is expired", 400),
}
EXPIRED_ELSEWHERE = ("ExpiredToken", "The security token included in the request is expired", 403)


@wraps(BaseResponse, "call_action")
def call_action(former, self):
    check(self)
    return former(self)


def check(self):
    if "Authorization" not in self.headers or self.service_name in (None, "moto_api"):
        return
    account = account_of(self.access_key)
    if account is None:
        refuse(*UNKNOWN.get(self.service_name, UNKNOWN_ELSEWHERE))
    if not self.access_key.startswith("ASIA"):
        return
    for session in sts_backends[account][self.partition].assumed_roles:
        if session.access_key_id == self.access_key:
            if self.headers.get("X-Amz-Security-Token") != session.session_token:
                refuse(*UNKNOWN.get(self.service_name, UNKNOWN_ELSEWHERE))
            if session.expiration <= utcnow():
                refuse(*EXPIRED.get(self.service_name, EXPIRED_ELSEWHERE))
