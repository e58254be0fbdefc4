"""The console of an instance: a picture of it, and its text."""

import base64

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from bed.base import adds, refuse, wraps

#: A JPEG of one grey pixel.
PICTURE = base64.b64encode(bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a"
    "1f1e1d1a1c1c20242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001f"
    "0000010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000017d010203"
    "00041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a343536373839"
    "3a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4"
    "a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    "ffda0008010100003f00fbd0ffd9")).decode()


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleScreenshot.html
# A JPG of a running instance, base64 encoded.
@adds(EC2Response)
def get_console_screenshot(self):
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    if instance._state.name != "running":
        refuse("IncorrectInstanceState", f"The instance '{instance.id}' is not in the 'running' state.")
    self.error_on_dryrun()
    return ActionResult({"InstanceId": instance.id, "ImageData": PICTURE})


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html (DryRun)
@wraps(EC2Response, "get_console_output")
def get_console_output(former, self):
    self.ec2_backend.get_instance(self._get_param("InstanceId"))
    self.error_on_dryrun()
    return former(self)
