"""Whether an account lets people connect to serial consoles in a Region."""

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from bed.base import adds

#: Account and Region of those that do.
ENABLED = set()


def shown(self):
    place = (self.ec2_backend.account_id, self.ec2_backend.region_name)
    return ActionResult({"SerialConsoleAccessEnabled": place in ENABLED, "ManagedBy": "account"})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetSerialConsoleAccessStatus.html
# By default access is disabled for the account. The setting is of a Region.
@adds(EC2Response)
def get_serial_console_access_status(self):
    self.error_on_dryrun()
    return shown(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableSerialConsoleAccess.html
@adds(EC2Response)
def enable_serial_console_access(self):
    self.error_on_dryrun()
    ENABLED.add((self.ec2_backend.account_id, self.ec2_backend.region_name))
    return shown(self)


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DisableSerialConsoleAccess.html
@adds(EC2Response)
def disable_serial_console_access(self):
    self.error_on_dryrun()
    ENABLED.discard((self.ec2_backend.account_id, self.ec2_backend.region_name))
    return shown(self)
