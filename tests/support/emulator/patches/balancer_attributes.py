"""Attributes of load balancers: the idle timeout has bounds, and a default that is shown."""

from moto.core.responses import ActionResult
from moto.elb.responses import ELBResponse
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer

from bed.base import refuse, wraps

IDLE = "idle_timeout.timeout_seconds"


# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
# idle_timeout.timeout_seconds: 1 to 4000, 60 by default, only for Application Load Balancers.
@wraps(FakeLoadBalancer, "__init__")
def make(former, self, *args, **kwargs):
    former(self, *args, **kwargs)
    if self.type == "application":
        self.attrs[IDLE] = "60"


@wraps(ELBv2Backend, "modify_load_balancer_attributes")
def modify_load_balancer_attributes(former, self, arn, attrs):
    balancer = self.load_balancers.get(arn)
    if balancer is not None and IDLE in attrs:
        if balancer.type != "application":
            refuse("InvalidConfigurationRequest", f"Load balancer attribute key '{IDLE}' is not supported on load"
                                                  f" balancers with type '{balancer.type}'")
        if not (str(attrs[IDLE]).isdigit() and 1 <= int(attrs[IDLE]) <= 4000):
            refuse("InvalidConfigurationRequest", f"'{IDLE}' value '{attrs[IDLE]}' must be between '1-4000' inclusive")
    return former(self, arn, attrs)


# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_ConnectionSettings.html
# https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/API_ConnectionDraining.html
# IdleTimeout: 1 to 3600 seconds, 60 by default. The timeout of connection draining: 1 to 3600
# (https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/config-conn-drain.html), 300 when it is not given.
@wraps(ELBResponse, "modify_load_balancer_attributes")
def modify_classic_attributes(former, self):
    balancer = self.elb_backend.get_load_balancer(self._get_param("LoadBalancerName"))
    idle = self._get_param("LoadBalancerAttributes.ConnectionSettings.IdleTimeout")
    drain = self._get_param("LoadBalancerAttributes.ConnectionDraining.Timeout")
    for name, value in (("IdleTimeout", idle), ("ConnectionDraining.Timeout", drain)):
        if value is not None and not 1 <= int(value) <= 3600:
            refuse("ValidationError", f"{name} must be between 1 and 3600 seconds, not {value}")
    former(self)
    return ActionResult({"LoadBalancerName": balancer.name, "LoadBalancerAttributes": balancer.attributes})
