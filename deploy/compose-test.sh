#!/bin/sh
# Brings the very docker-compose.yml up with the emulator, uses it through the load balancer
# while containers are killed, paused and cut off, and takes it down again.
set -eu
cd "$(dirname "$0")/.."
compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose -p session-manager-test --env-file deploy/emulator.env "$@"
    else
        docker-compose -p session-manager-test --env-file deploy/emulator.env "$@"
    fi
}
node() { echo "session-manager-test_node_$1"; }

deploy/standins/build.sh
deploy/secrets.sh
trap 'code=$?; [ $code = 0 ] || compose logs --tail=40 node lb; compose down -v -t 5; exit $code' EXIT
compose up -d --build

ready=""
for _ in $(seq 90); do
    if curl -fs http://127.0.0.1:3001/readyz >/dev/null; then ready=1; break; fi
    sleep 1
done
[ -n "$ready" ] || { echo "the load balancer has no ready node after 90 s" >&2; exit 1; }

key=$(cat deploy/secrets/admin_key)
code=$(curl -s -o /dev/null -w '%{http_code}' -H 'X-Cliente-Id: 1' http://127.0.0.1:3001/status)
[ "$code" = 401 ] || { echo "without an API key: $code, want 401" >&2; exit 1; }

# Disturb it while it is used.
(
    sleep 12
    echo "SIGKILL of node 1"; docker kill "$(node 1)" >/dev/null
    sleep 8
    echo "node 1 again"; docker start "$(node 1)" >/dev/null
    sleep 8
    echo "pause of node 2, 10 s"; docker pause "$(node 2)" >/dev/null; sleep 10; docker unpause "$(node 2)" >/dev/null
    sleep 5
    echo "node 3 is cut off, 10 s"
    docker network disconnect session-manager-test_default "$(node 3)"; sleep 10
    docker network connect --alias node session-manager-test_default "$(node 3)"
    sleep 5
    echo "node 2 is stopped (SIGTERM)"; docker stop -t 40 "$(node 2)" >/dev/null; docker start "$(node 2)" >/dev/null
) &
API_KEY=$key bin/bench smoke --for 75s
wait
echo "compose-test: passed"
