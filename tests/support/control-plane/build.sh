#!/bin/sh
# Prints the folder that holds kube-apiserver, etcd and kubectl; builds them first where nobody has.
# Standard output carries that one line, so that a caller can take it as it is; all else goes to standard error.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

# Users of envtest have the programs already.
if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    for program in kube-apiserver etcd kubectl; do
        [ -x "$KUBEBUILDER_ASSETS/$program" ] || {
            echo "KUBEBUILDER_ASSETS is $KUBEBUILDER_ASSETS, which has no $program; unset it to have the control plane built" >&2
            exit 1
        }
    done
    echo "$KUBEBUILDER_ASSETS"
    exit 0
fi

# go.mod is the only place that names the version.
version=$(sed -n 's/^[[:space:]]*k8s\.io\/kubernetes \(v[0-9][0-9.]*\).*$/\1/p' "$here/go.mod")
[ -n "$version" ] || { echo "$here/go.mod requires no k8s.io/kubernetes" >&2; exit 1; }
major=${version#v}; major=${major%%.*}
minor=${version#*.}; minor=${minor%%.*}

. "$here/../cache.sh"
cache=$(cache_folder control-plane "$here/go.mod" "$here/go.sum")

build() {
    command -v go >/dev/null || { echo "building the control plane needs Go: https://go.dev/dl" >&2; exit 1; }
    echo "control plane: building Kubernetes $version and etcd into $cache (about 6 minutes on 2 cores, once)" >&2
    stamp=k8s.io/component-base/version
    # A workspace or flags of the user's would change what is built. `tool` means every program of go.mod.
    (cd "$here" && GOWORK=off GOFLAGS='' go build -trimpath \
        -ldflags "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor" \
        -o "$1/" tool) >&2
    mv "$1/server" "$1/etcd"
}

made_once "$cache" build
echo "$cache"
