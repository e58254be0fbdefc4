# The demo that KEEP=1 left up. Sourced by run.sh and down.sh.
cache="${XDG_CACHE_HOME:-$HOME/.cache}/sequester"
log="$cache/demo.log"
# Process id, time of its start and folder of the demo that is up.
kept="$cache/demo.pid"

# When a process started, in ticks since the machine did: with its number this names it for good.
started() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# Whether the demo is up. A process that got its number later is not it.
is_up() {
    [ -f "$kept" ] || return 1
    read -r pid since folder < "$kept" || return 1
    [ -n "$since" ] && [ "$(started "$pid")" = "$since" ]
}

# Ends it, if it is up, and removes what it left: servers end with the demo, which leads their process group.
end_kept() {
    if is_up; then
        kill -s TERM -- "-$pid" 2>/dev/null || true
        # Asked of the whole group: cargo ends before the demo, which it started.
        while kill -s 0 -- "-$pid" 2>/dev/null; do sleep 0.1; done
    fi
    [ -f "$kept" ] || return 0
    read -r pid since folder < "$kept" || true
    rm -f "$kept"
    remove_folder "$folder"
}

# Removes a run's folder. A server that was just killed may still write: then it is done again.
remove_folder() {
    case "$1" in
    */sequester-demo.*) ;;
    *) return 0 ;;
    esac
    for _ in 1 2 3 4 5; do
        rm -rf "$1" 2>/dev/null && return 0
        sleep 0.2
    done
    echo "can't remove $1, which holds tokens of the demo" >&2
}
