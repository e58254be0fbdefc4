"""DryRun for the calls for which moto forgets it."""

import inspect

from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.ec2.responses import EC2Response

from bed.base import wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html (DryRun)
# Every action checks with DryRun whether the caller may do it, and answers DryRunOperation (HTTP 412) if so,
# without an effect. About 140 of moto's methods do not look at it. (Methods that the patches write do.)
def forgotten():
    model = get_service_model("ec2")
    for operation in model.operation_names:
        name = camelcase_to_underscores(operation)
        method = getattr(EC2Response, name, None)
        members = getattr(model.operation_model(operation).input_shape, "members", {})
        if (inspect.isfunction(method) and "DryRun" in members and not method.__module__.startswith("patches.")
                and "error_on_dryrun" not in inspect.getsource(method)):
            yield name


def heed(name):
    @wraps(EC2Response, name)
    def method(former, self):
        self.error_on_dryrun()
        return former(self)


for each in list(forgotten()):
    heed(each)
