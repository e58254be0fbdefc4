"""IAM roles: inline policies that fit, roles of services that stay as they are, and changes that take time to show."""

import re

from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.iam.models import IAMBackend, Role
from moto.iam.responses import IamResponse

from bed import clock, settings
from bed.base import refuse, wraps

#: Characters of all inline policies of a role.
MOST = 10240


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# "Role policy size can't exceed 10,240 characters", the sum of all inline policies. "IAM doesn't count white space when
# calculating the size of a policy against these quotas." The code of PutRolePolicy is LimitExceeded, HTTP 409.
@wraps(IAMBackend, "put_role_policy")
def put_role_policy(former, self, role_name, policy_name, policy_json):
    role = self.get_role(role_name)
    after = {**role.policies, policy_name: policy_json}
    if sum(len(re.sub(r"\s", "", document)) for document in after.values()) > MOST:
        refuse("LimitExceeded", f"Maximum policy size of {MOST} bytes exceeded for role {role_name}", 409)
    return former(self, role_name, policy_name, policy_json)


# https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutRolePolicy.html (Errors)
# UnmodifiableEntity: service-linked roles are protected; only their service changes them. Their description is the
# exception: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-service-linked-role.html
def protect(operation):
    @wraps(IamResponse, camelcase_to_underscores(operation))
    def checked(former, self):
        role = self.backend.get_role(self._get_param("RoleName"))
        if role.path and role.path.startswith("/aws-service-role/"):
            service = role.path.split("/")[2]
            refuse("UnmodifiableEntity", f"Cannot perform the operation on the protected role '{role.name}' - this role"
                                         f" is only modifiable by AWS ({service})")
        return former(self)


def protected_operations():
    model = get_service_model("iam")
    for name in model.operation_names:
        operation = model.operation_model(name)
        errors = {shape.metadata.get("error", {}).get("code") for shape in operation.error_shapes}
        if "UnmodifiableEntity" in errors and name not in ("UpdateRole", "UpdateRoleDescription"):
            yield name


for each in list(protected_operations()):
    protect(each)


# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
# A change may not be visible at once: for `iam_seconds` reads show what was there before it.
def remember(name):
    @wraps(Role, name)
    def change(former, self, *args):
        before = dict(self.policies)
        former(self, *args)
        self.__dict__.setdefault("past", []).append((clock.now(), before))


remember("put_policy")
remember("delete_policy")


def shown(role, account):
    """The policies as reads show them: those before the first change that is still on its way."""
    since = clock.now() - settings.get(account, "iam_seconds")
    for at, before in role.__dict__.get("past", []):
        if at > since:
            return before
    return role.policies


def reads(name):
    @wraps(IAMBackend, name)
    def read(former, self, role_name, *args):
        role = self.get_role(role_name)
        now, role.policies = role.policies, shown(role, self.account_id)
        try:
            return former(self, role_name, *args)
        finally:
            role.policies = now


reads("get_role_policy")
reads("list_role_policies")
