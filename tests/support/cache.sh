# What is built once and kept in the user's cache. Sourced by the scripts that build something.

# cache_folder NAME FILE...: the folder for NAME as made from these files; other contents, other folder.
cache_folder() {
    name=$1
    shift
    if command -v sha256sum >/dev/null; then
        digest=$(cat "$@" | sha256sum)
    else
        digest=$(cat "$@" | shasum -a 256)
    fi
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/sequester/$name/$(echo "$digest" | cut -c1-16)"
}

# made_once FOLDER COMMAND: runs COMMAND with a scratch folder beside FOLDER and renames that to FOLDER when it is
# whole, so that an interrupted run leaves nothing that looks finished. The lock spares a second run the work, and
# goes away with the process that holds it; where flock is missing both work and the first to finish wins.
made_once() {
    [ -d "$1" ] && return 0
    mkdir -p "$(dirname "$1")"
    if command -v flock >/dev/null; then
        exec 9>"$1.lock"
        flock -n 9 || {
            echo "waiting for another run that makes $1" >&2
            flock 9
        }
        [ -d "$1" ] && return 0
    fi
    scratch=$(mktemp -d "$1.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM
    "$2" "$scratch"
    # mv into a folder that exists would put it inside.
    [ -d "$1" ] || mv "$scratch" "$1"
}
