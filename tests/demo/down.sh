#!/bin/sh
# Ends what run.sh left up, and removes its folder.
set -eu
. "$(dirname "$0")/kept.sh"
if [ ! -f "$kept" ]; then
    echo "No demo is up."
    exit 0
fi
if is_up; then said="Ended."; else said="It had ended already; what it left is removed."; fi
end_kept
echo "$said"
