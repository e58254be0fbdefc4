"""ModifyInstanceMetadataOptions: what is not named stays as it is."""

import math

from moto.core.responses import ActionResult
from moto.ec2.models.instances import Instance, MetadataOptions
from moto.ec2.responses import EC2Response

from bed import clock, settings
from bed.base import adds, refuse, wraps

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceMetadataOptions.html
# For a running or stopped instance. An option that is not named keeps its value. The hop limit is 1 to 64.
OPTIONS = {
    "HttpTokens": ("http_tokens", ("optional", "required")),
    "HttpEndpoint": ("http_endpoint", ("enabled", "disabled")),
    "HttpProtocolIpv6": ("http_protocol_ipv6", ("enabled", "disabled")),
    "InstanceMetadataTags": ("instance_metadata_tags", ("enabled", "disabled")),
}
SHOWN = ("state", "http_put_response_hop_limit", *(held for held, _ in OPTIONS.values()))


@adds(EC2Response)
def modify_instance_metadata_options(self):
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    if instance._state.name not in ("running", "stopped", "pending", "stopping"):
        refuse("IncorrectInstanceState", f"The instance '{instance.id}' is in state '{instance._state.name}'.")
    changes = {}
    for name, (held, allowed) in OPTIONS.items():
        value = self._get_param(name)
        if value is not None and value not in allowed:
            refuse("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
        if value is not None:
            changes[held] = value
    hops = self._get_param("HttpPutResponseHopLimit")
    if hops is not None:
        if not 1 <= int(hops) <= 64:
            refuse("InvalidParameterValue", f"Value ({hops}) for parameter HttpPutResponseHopLimit is invalid.")
        changes["http_put_response_hop_limit"] = int(hops)
    self.error_on_dryrun()
    for held, value in changes.items():
        setattr(instance.metadata_options, held, value)
    applies(instance)
    shown = {**vars(instance.metadata_options), "state": "pending"}
    return ActionResult({"InstanceId": instance.id, "InstanceMetadataOptions": {
        "".join(word.capitalize() for word in name.split("_")): value for name, value in shown.items()
        if name in SHOWN}})


# "When you modify the parameters on a stopped instance, they are applied when the instance is started. When you modify
# the parameters on a running instance, the API responds with a state of "pending". After the parameter modifications
# are successfully applied to the instance, the state of the modifications changes from "pending" to "applied" in
# subsequent describe-instances API calls."
def applies(instance):
    runs = instance._state.name in ("running", "pending")
    instance.metadata_options.changed = clock.now() if runs else math.inf
    instance.metadata_options.account = instance.ec2_backend.account_id


@wraps(Instance, "start")
def start(former, self):
    previous = former(self)
    if self.metadata_options.changed == math.inf:
        applies(self)
    return previous


def state(self):
    pending = clock.now() < self.changed + settings.get(self.account, "metadata_seconds")
    return "pending" if pending else "applied"


MetadataOptions.changed, MetadataOptions.account = 0, None
MetadataOptions.state = property(state, lambda self, value: None)
