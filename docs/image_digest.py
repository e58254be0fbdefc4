#!/usr/bin/env python3
"""Digests a raw image as `sequester digest` does a snapshot: the SHA-256 of all its bytes, and that of its manifest.

    image_digest.py IMAGE [--manifest FILE]

IMAGE is a file or a block device, such as /dev/nvme1n1. Only the standard library is used, and nothing of Sequester:
who gets the same values from both has them from two sources. docs/digest.md says what they are.
"""

import argparse
import hashlib
import os
import sys

BLOCK = 512 * 1024


def blocks(image):
    while block := image.read(BLOCK):
        while len(block) < BLOCK and (more := image.read(BLOCK - len(block))):
            block += more
        yield block


def digest(path, keep):
    with open(path, "rb", buffering=0) as image:
        size = image.seek(0, os.SEEK_END)
        image.seek(0)
        whole, manifest, zeros = hashlib.sha256(), hashlib.sha256(), bytes(BLOCK)
        lines = 0

        def add(line):
            manifest.update(line.encode("ascii"))
            keep(line)

        add(f"image {size} block {BLOCK}\n")
        done = 0
        for index, block in enumerate(blocks(image)):
            whole.update(block)
            done += len(block)
            if block != zeros[:len(block)]:
                add(f"{index} {hashlib.sha256(block).hexdigest()}\n")
                lines += 1
        if done != size:
            raise OSError(f"{done} of {size} bytes could be read")
    return size, lines, whole.hexdigest(), manifest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", help="file or block device")
    parser.add_argument("--manifest", help="file for the manifest; it must not exist")
    options = parser.parse_args()
    try:
        if options.manifest:
            with open(options.manifest, "x", encoding="ascii", newline="\n") as file:
                size, lines, whole, manifest = digest(options.image, file.write)
        else:
            size, lines, whole, manifest = digest(options.image, lambda line: None)
    except OSError as error:
        sys.exit(f"image_digest.py: {error}")
    print(f"bytes            {size}")
    print(f"blocks not zero  {lines}")
    print(f"image sha256     {whole}")
    print(f"manifest sha256  {manifest}")


if __name__ == "__main__":
    main()
