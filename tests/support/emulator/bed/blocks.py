"""The bytes behind volumes and snapshots, in the blocks in which EBS gives them out."""

import hashlib
import os

#: https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-elements.html ("Block indexes")
SIZE = 512 * 1024
GIB = 1 << 30

_kept = {}


def keep(data):
    """The same bytes are held once, however many snapshots have them."""
    return _kept.setdefault(hashlib.sha256(data).digest(), data)


def of_image(path, gib):
    """The blocks of a raw image that were written: those in which the file has data. Holes were never written."""
    blocks = {}
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        if end > gib * GIB:
            raise ValueError(f"the image has {end} bytes, and the volume {gib * GIB}")
        at = 0
        while at < end:
            try:
                start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                break
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            for index in range(start // SIZE, -(-at // SIZE)):
                if index not in blocks:
                    file.seek(index * SIZE)
                    blocks[index] = keep(file.read(SIZE).ljust(SIZE, b"\0"))
    return blocks


def of(resource):
    """The blocks of a volume or a snapshot."""
    return getattr(resource, "bed_blocks", {})
