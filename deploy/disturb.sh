#!/bin/sh
# Disturbs the containers of $PROJECT while somebody uses them, one thing after the other; each
# time the cluster must be whole again. What hurts most is chosen: the node that owns most.
set -eu
cd "$(dirname "$0")/.."
. deploy/compose.sh

busiest() { status | sort -k6,6nr | awk '$6 > 0 {print $1; exit}'; }
name() { docker inspect -f '{{.Name}}' "$1" | tr -d /; }
# disturb WHAT: tells, and chooses $node.
disturb() {
    until_true 30 "a node that owns somebody" owned
    begun=$(date +%s)
    echo "$(date +%T) $1: $(name "$node"), owner of $(status | awk -v n="$node" '$1 == n {print $6}')"
}
owned() { node=$(busiest) && [ -n "$node" ]; }
moved() { members=$(status) && ! echo "$members" | awk -v n="$node" '$1 == n && $6 > 0' | grep -q .; }
back() { whole "${1:-3}"; echo "   whole again after $(($(date +%s) - begun)) s"; }

# scale N: so many nodes. Compose leaves the volume of a container that it removes.
scale() {
    # shellcheck disable=SC2046
    volumes=$(docker inspect -f '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}' $(compose ps -q node))
    said=$(compose up -d --no-recreate --scale node="$1" 2>&1) || { echo "$said" >&2; return 1; }
    for volume in $volumes; do
        # One that is in use cannot be removed.
        docker volume rm "$volume" >/dev/null 2>&1 || true
    done
}

# crash ends a process as the kernel does, so that the restart policy is what brings it back;
# who is not root can only tell Docker, which then leaves it down. It returns when another
# process runs: until Docker and the cluster notice, the old one passes for healthy.
crash() {
    pid=$(process "$1")
    [ "$pid" -gt 1 ] || { echo "$(name "$1") does not run, so it cannot crash" >&2; return 1; }
    kill -9 "$pid" 2>/dev/null || { docker kill "$1" && docker start "$1"; } >/dev/null
    until_true 60 "$(name "$1") runs again" another "$1" "$pid"
}
process() { docker inspect -f '{{.State.Pid}}' "$1"; }
another() { now=$(process "$1") && [ "$now" -gt 1 ] && [ "$now" != "$2" ]; }

# cut_off takes a node off both networks, put_back undoes it.
cut_off() { for network in front back; do docker network disconnect "${PROJECT}_$network" "$node"; done; }
put_back() { for network in front back; do docker network connect --alias node "${PROJECT}_$network" "$node"; done; }

# A pause or a cut must not outlive this script.
node=""
release() { docker unpause "$node" || put_back || true; }
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
# runc cannot always freeze a container in which a health check begins.
until_true 30 "Docker pauses $(name "$node")" docker pause "$node" >/dev/null
sleep 10
docker unpause "$node" >/dev/null
back

disturb "network cut of 10 s"
cut_off
sleep 10
put_back
back

disturb "SIGTERM"
docker stop -t 40 "$node" >/dev/null
code=$(docker inspect -f '{{.State.ExitCode}}' "$node")
[ "$code" = 0 ] || { echo "a node that was stopped exits $code, want 0" >&2; exit 1; }
echo "   exit 0 after $(($(date +%s) - begun)) s"
docker start "$node" >/dev/null
back

disturb "five nodes"
scale 5
back 5
disturb "three again"
scale 3
back

disturb "crash of an etcd member"
crash "$(compose ps -q etcd1)"
back
