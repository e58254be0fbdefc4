#!/bin/sh
# Prints the path of the Python that has the AWS emulator; makes its virtual environment first where nobody has.
# Standard output carries that one line, so that a caller can take it as it is; all else goes to standard error.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements="$here/emulator/requirements.txt"

. "$here/cache.sh"
cache=$(cache_folder emulator "$requirements")

build() {
    command -v python3 >/dev/null || { echo "the AWS emulator needs Python 3" >&2; exit 1; }
    echo "emulator: installing moto into $cache (about a minute, once)" >&2
    # The folder is renamed afterwards: its python survives that, the other programs in bin/ don't and aren't used.
    python3 -m venv "$1" >&2
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" >&2
}

made_once "$cache" build
echo "$cache/bin/python"
