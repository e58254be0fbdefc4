"""AssumeRole: as the role's trust policy says."""

import re

from moto.iam.models import iam_backends
from moto.sts.responses import TokenResponse

from bed import identity, policy
from bed.base import refuse, wraps


# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html (role trust policy)
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html (external id)
# The role exists, and its trust policy allows sts:AssumeRole to the caller under its conditions; otherwise the call
# is AccessDenied, which does not tell whether the role exists. DurationSeconds is from 900 to the role's
# MaxSessionDuration, and at most 3600 for a caller that is itself a session.
@wraps(TokenResponse, "assume_role")
def assume_role(former, self):
    arn = self._get_param("RoleArn") or ""
    caller = identity.of(self)
    role = trusted_role(self, arn, caller)
    name = self._get_param("RoleSessionName") or ""
    if not re.fullmatch(r"[\w+=,.@-]{2,64}", name):
        refuse("ValidationError", f"1 validation error detected: Value '{name}' at 'roleSessionName' failed to"
                                        " satisfy constraint: Member must satisfy regular expression pattern:"
                                        " [\\w+=,.@-]*")
    duration = self._get_int_param("DurationSeconds", 3600)
    if not 900 <= duration <= 43200:
        refuse("ValidationError", f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed"
                                        " to satisfy constraint: Member must have value greater than or equal to 900")
    if duration > int(role.max_session_duration or 3600):
        refuse("ValidationError",
                     "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if caller.session and duration > 3600:
        refuse("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles"
                                        " assumed by role chaining.")
    return former(self)


def trusted_role(self, arn, caller):
    whole = re.fullmatch(r"arn:[\w-]+:iam::(\d{12}):role/(?:.*/)?([\w+=,.@-]+)", arn)
    role = None
    if whole and whole.group(1) in dict.keys(iam_backends):
        roles = iam_backends[whole.group(1)][self.partition].roles.values()
        role = next((one for one in roles if one.arn == arn), None)
    context = {"aws:userid": caller.arn}
    if self._get_param("ExternalId") is not None:
        context["sts:ExternalId"] = self._get_param("ExternalId")
    if role is None or not policy.decide(role.assume_role_policy_document, "sts:AssumeRole", caller, context):
        refuse("AccessDenied",
                     f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}", 403)
    return role
