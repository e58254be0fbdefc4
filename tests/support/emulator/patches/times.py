"""Times: to the millisecond where the service model says so."""

import datetime

from moto.core.serialize import EC2Serializer

from bed.base import wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LockSnapshot.html (ExpirationDate, LockExpiresOn)
# The times of a lock have the form YYYY-MM-DDThh:mm:ss.sssZ; moto writes .000 always.
@wraps(EC2Serializer, "_serialize_type_timestamp")
def serialize_type_timestamp(former, self, serialized, value, shape, key):
    if shape.name == "MillisecondDateTime" and isinstance(value, datetime.datetime):
        text = f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
        return self._default_serialize(serialized, text, shape, key)
    return former(self, serialized, value, shape, key)
