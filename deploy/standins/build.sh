#!/bin/sh
# Builds stand-ins for base images that cannot be pulled; see README.md. As root, on Debian.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

have() { docker image inspect "$1" >/dev/null 2>&1 || docker pull -q "$1" >/dev/null 2>&1; }

base=debian:bookworm-slim
if ! have $base; then
    command -v debootstrap >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends debootstrap; }
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" http://deb.debian.org/debian >/dev/null
    tar -C "$work/debian" -c . | docker import - $base >/dev/null
    rm -rf "$work/debian"
fi

have haproxy:2.6 || docker build --network host -q -t haproxy:2.6 -f haproxy.Dockerfile .
have postgres:15 || docker build --network host -q -t postgres:15 -f postgres.Dockerfile .

etcd=gcr.io/etcd-development/etcd:v3.7.3
if ! have $etcd; then
    mkdir "$work/etcd"
    (cd ../.. && CGO_ENABLED=0 go build -trimpath -o "$work/etcd/etcd" go.etcd.io/etcd/server/v3)
    # etcdctl's module has replacements, which "go install" refuses: it is built from a module of its own.
    mkdir "$work/etcdctl"
    (cd "$work/etcdctl" && go mod init etcdctl && go get go.etcd.io/etcd/etcdctl/v3@v3.7.3 &&
        CGO_ENABLED=0 go build -trimpath -o "$work/etcd/etcdctl" go.etcd.io/etcd/etcdctl/v3) >/dev/null 2>&1
    docker build -q -t $etcd -f etcd.Dockerfile "$work/etcd"
fi

# The Go image comes with the modules of go.mod, as a build may have no way to a proxy.
if ! have golang:1.26-bookworm; then
    (cd ../.. && go mod download)
    mkdir "$work/go"
    cp -a "$(go env GOROOT)" "$work/go/goroot"
    mkdir -p "$work/go/mod/cache"
    cp -a "$(go env GOMODCACHE)/cache/download" "$work/go/mod/cache/download"
    docker build -q -t golang:1.26-bookworm -f golang.Dockerfile "$work/go"
fi
