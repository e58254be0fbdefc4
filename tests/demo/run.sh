#!/bin/sh
# Runs the demo. With KEEP=1 all of it stays up in the background until down.sh ends it.
set -eu
cd "$(dirname "$0")/../.."
. tests/demo/kept.sh
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
mkdir -p "$cache"

if [ "${KEEP:-}" = 1 ] && is_up; then
    echo "A demo is up already; 'make demo-down' ends it." >&2
    exit 1
fi

# A line for each part, when it is there. Where one must be built, that is said before, and how long it takes.
if [ -t 1 ]; then printf '\n\033[1m1. Prepare\033[0m\n'; else printf '\n1. Prepare\n'; fi
programs=$(sh tests/support/control-plane/build.sh)
echo "  control plane: ready ($("$programs/kube-apiserver" --version), etcd)"
python=$(sh tests/support/emulator.sh)
moto=$("$python" -c 'from importlib.metadata import version; print(version("moto"))')
echo "  emulator: ready (moto $moto, with our patches)"
ls "$CARGO_TARGET_DIR"/debug/deps/libaws_sdk_ec2-*.rlib >/dev/null 2>&1 ||
    echo "controller: building it with the AWS SDK into $CARGO_TARGET_DIR (about 12 minutes on 2 cores, once)" >&2
cargo test --no-run --test demo
echo "  controller: ready (with the AWS SDK)"

# Logs, kubeconfigs and their tokens go into a folder of this run, and with it.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/sequester-demo.XXXXXX")
export TMPDIR

if [ "${KEEP:-}" != 1 ]; then
    trap 'remove_folder "$TMPDIR"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    cargo test --quiet --test demo
    exit
fi

: > "$log"
setsid cargo test --quiet --test demo > "$log" 2>&1 &
pid=$!
echo "$pid $(started "$pid") $TMPDIR" > "$kept"
# Whatever comes before the end of its telling (a failure, Ctrl-C) ends the demo too.
trap end_kept EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# -u: each line when it is written.
tail -n +1 -f --pid="$pid" "$log" | sed -u '/^LEFT UP$/Q'
grep -q '^LEFT UP$' "$log" || exit 1
trap - EXIT
