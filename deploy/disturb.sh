#!/bin/sh
# Disturbs the containers of $PROJECT while somebody uses them, one thing after the other; each
# time the cluster must be whole again. What hurts most is chosen: the node that owns most.
set -eu
cd "$(dirname "$0")/.."
. deploy/compose.sh
network=${PROJECT}_default

busiest() { status | sort -k6,6nr | awk '$6 > 0 {print $1; exit}'; }
name() { docker inspect -f '{{.Name}}' "$1" | tr -d /; }
# disturb WHAT: tells, and chooses $node.
disturb() {
    until_true 30 "a node that owns somebody" owned
    begun=$(date +%s)
    echo "$(date +%T) $1: $(name "$node"), owner of $(status | awk -v n="$node" '$1 == n {print $6}')"
}
owned() { node=$(busiest) && [ -n "$node" ]; }
moved() { ! status | awk -v n="$node" '$1 == n && $6 > 0' | grep -q .; }
back() { whole "${1:-3}"; echo "   whole again after $(($(date +%s) - begun)) s"; }

# crash ends a process as the kernel does, so that the restart policy is what brings it back;
# who is not root can only tell Docker, which then leaves it down.
crash() { kill -9 "$(docker inspect -f '{{.State.Pid}}' "$1")" 2>/dev/null || { docker kill "$1" && docker start "$1"; } >/dev/null; }

# A pause or a cut must not outlive this script.
node=""
release() { docker unpause "$node" || docker network connect --alias node "$network" "$node" || true; }
trap 'release >/dev/null 2>&1' EXIT
trap 'exit 130' INT TERM

disturb "SIGKILL"
docker kill "$node" >/dev/null
until_true 30 "its clientes have other owners" moved
echo "   its clientes moved within $(($(date +%s) - begun)) s"
docker start "$node" >/dev/null
back

disturb "crash"
crash "$node"
back

disturb "pause of 10 s"
docker pause "$node" >/dev/null
sleep 10
docker unpause "$node" >/dev/null
back

disturb "network cut of 10 s"
docker network disconnect "$network" "$node"
sleep 10
docker network connect --alias node "$network" "$node"
back

disturb "SIGTERM"
docker stop -t 40 "$node" >/dev/null
code=$(docker inspect -f '{{.State.ExitCode}}' "$node")
[ "$code" = 0 ] || { echo "a node that was stopped exits $code, want 0" >&2; exit 1; }
echo "   exit 0 after $(($(date +%s) - begun)) s"
docker start "$node" >/dev/null
back

disturb "five nodes"
compose up -d --no-recreate --scale node=5 >/dev/null 2>&1
back 5
disturb "three again"
compose up -d --no-recreate --scale node=3 >/dev/null 2>&1
back

disturb "crash of an etcd member"
crash "$(compose ps -q etcd1)"
back
