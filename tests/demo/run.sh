#!/bin/sh
# Runs the demo. With KEEP=1 all of it stays up in the background until down.sh ends it.
set -eu
cd "$(dirname "$0")/../.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sequester"
mkdir -p "$cache"
[ -d "$cache/target/debug/deps" ] ||
    echo "Builds the controller with the AWS SDK: about 12 minutes on 2 cores, once." >&2
cargo test --no-run --test demo

if [ "${KEEP:-}" != 1 ]; then
    exec cargo test --quiet --test demo
fi

if [ -f "$cache/demo.pid" ] && kill -0 "$(cat "$cache/demo.pid")" 2>/dev/null; then
    echo "A demo is up already; 'make demo-down' ends it." >&2
    exit 1
fi
log="$cache/demo.log"
: > "$log"
KEEP=1 setsid cargo test --quiet --test demo > "$log" 2>&1 &
pid=$!
echo "$pid" > "$cache/demo.pid"
tail -n +1 -f --pid="$pid" "$log" | sed '/^LEFT UP$/q' | grep -v '^LEFT UP$'
kill -0 "$pid" 2>/dev/null || exit 1
