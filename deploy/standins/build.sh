#!/bin/sh
# Builds stand-ins for base images that cannot be pulled; see README.md. As root, on Debian.
# Nothing runs inside a container here: trees are made on the host and imported, which takes a
# fraction of the time where Docker's file system is slow.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

haproxy=haproxy:2.6
postgres=postgres:15
etcd=gcr.io/etcd-development/etcd:v3.7.3
golang=golang:1.26-bookworm
debian=session-manager-standin:debian

present() { docker image inspect "$1" >/dev/null 2>&1; }
have() { present "$1" || timeout 120 docker pull -q "$1" >/dev/null 2>&1; }
build() { docker build -q --label session-manager.standin="${4:-1}" -t "$1" -f "$2.Dockerfile" "$3" >/dev/null && echo "stand-in for $1: built"; }
label() { docker image inspect -f '{{index .Config.Labels "session-manager.standin"}}' "$1" 2>/dev/null || true; }

# One Debian with what all of them need: haproxy, postgres and Go each take their part of it.
need_debian() {
    present $debian && return
    command -v debootstrap >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends debootstrap; } >/dev/null
    root=$work/debian
    debootstrap --variant=minbase --include=ca-certificates,haproxy,postgresql-15 bookworm "$root" http://deb.debian.org/debian >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    # Files cost time with each layer: documentation, archives, the cluster that the package made, and
    # the compiler that Postgres would use for long queries.
    rm -rf "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/zoneinfo/right \
        "$root"/var/cache/apt/archives "$root"/var/lib/apt/lists "$root"/var/lib/postgresql/15 "$root"/etc/postgresql/15 \
        "$root"/usr/lib/postgresql/15/lib/bitcode "$root"/usr/lib/postgresql/15/lib/llvmjit* "$root"/usr/lib/x86_64-linux-gnu/libLLVM*
    tar -C "$root" -c . | docker import - $debian >/dev/null
    rm -rf "$root"
}

if ! have $haproxy; then
    need_debian
    build $haproxy haproxy .
fi

if ! have $postgres; then
    need_debian
    build $postgres postgres .
fi

if ! have $etcd; then
    mkdir "$work/etcd" "$work/etcdctl"
    (cd ../.. && CGO_ENABLED=0 go build -trimpath -o "$work/etcd/etcd" go.etcd.io/etcd/server/v3)
    # etcdctl's module has replacements, which "go install" refuses: it is built from a module of its own.
    (cd "$work/etcdctl" && go mod init etcdctl && go get go.etcd.io/etcd/etcdctl/v3@v3.7.3 &&
        CGO_ENABLED=0 go build -trimpath -o "$work/etcd/etcdctl" go.etcd.io/etcd/etcdctl/v3) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    build $etcd etcd "$work/etcd"
fi

# The Go image comes with the modules of go.mod, as a build may have no way to a proxy: others need
# another stand-in.
modules=$(cat ../../go.mod ../../go.sum | sha256sum | cut -c1-16)
case $(label $golang) in "" | "$modules") ;; *) docker image rm -f $golang >/dev/null ;; esac
if ! have $golang; then
    need_debian
    mkdir -p "$work/go/usr/local/go" "$work/go/go/pkg/mod/cache"
    (cd ../.. && go mod download)
    tar -C "$(go env GOROOT)" -c --exclude=./test --exclude=./api --exclude=./doc --exclude='./src/*/testdata' . |
        tar -C "$work/go/usr/local/go" -x
    cp -a "$(go env GOMODCACHE)/cache/download" "$work/go/go/pkg/mod/cache/download"
    build $golang golang "$work/go" "$modules"
fi
