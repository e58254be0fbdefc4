#!/bin/sh
# Ends what run.sh left up: the demo ends what it started, and its children end with it.
set -eu
file="${XDG_CACHE_HOME:-$HOME/.cache}/sequester/demo.pid"
if [ ! -f "$file" ]; then
    echo "No demo is up."
    exit 0
fi
pid=$(cat "$file")
kill -s TERM -- "-$pid" 2>/dev/null || true
tail -f /dev/null --pid="$pid"
rm -f "$file"
echo "Ended."
