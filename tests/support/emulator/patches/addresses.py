"""Public addresses that can be public."""

import ipaddress
import random

import moto.ec2.models.elastic_ip_addresses as elastic
import moto.ec2.models.elastic_network_interfaces as interfaces
import moto.ec2.utils as utils

#: Nobody's: https://www.rfc-editor.org/rfc/rfc2544 sets it aside for measurements.
POOL = ipaddress.ip_network("198.18.0.0/15")


# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-instance-addressing.html#concepts-public-addresses
# A public address is reachable from the internet; moto draws from 127.0.0.0/8, which is the machine itself.
def public_address():
    return str(POOL[random.randrange(1, POOL.num_addresses - 1)])


for module, name in ((utils, "random_ip"), (elastic, "random_ip"), (utils, "random_public_ip"),
                     (interfaces, "random_public_ip")):
    setattr(module, name, public_address)
