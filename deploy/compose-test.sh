#!/bin/sh
# Brings the very docker-compose.yml up with the emulator, uses it through the load balancer
# while disturb.sh kills, pauses and cuts off containers, and takes it down again. Everything
# that it starts belongs to a project of its own, on ports that Docker chooses.
set -eu
cd "$(dirname "$0")/.."
export PROJECT="session-manager-test-$$"
export PUBLIC_ADDRESS=127.0.0.1:0 EMULATOR_ADDRESS=127.0.0.1:0
work=$(mktemp -d)
# fail says why at once, and finish says it again below the containers' logs.
fail() { reason=$*; echo "compose-test: $reason" >&2; exit 1; }
. deploy/compose.sh

deploy/install.sh docker
if ! docker info >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || fail "Docker does not answer: start its daemon, or let $(id -un) use it"
    dockerd >"$work/dockerd" 2>&1 &
    daemon=$!
    until_true 60 "a Docker daemon" docker info >/dev/null 2>&1 || { tail -20 "$work/dockerd"; kill $daemon; exit 1; }
fi

finish() {
    code=$?
    trap - EXIT INT TERM
    if [ $code != 0 ]; then
        compose ps || true
        compose logs --no-color --tail=60 node lb postgres 2>&1 || true
    fi
    compose down -v -t 5 >"$work/down" 2>&1 || { reason="${reason:-} not down: $(cat "$work/down")" code=1; }
    [ -z "${made_secrets:-}" ] || rm -rf deploy/secrets
    for kind in container volume network; do
        left=$(docker $kind ls -q --filter "label=com.docker.compose.project=$PROJECT")
        [ -z "$left" ] || { reason="${reason:-} left behind: $kind $left" code=1; }
    done
    [ -z "${daemon:-}" ] || { kill "$daemon"; wait "$daemon" || true; }
    rm -rf "$work"
    [ $code != 0 ] || { echo "compose-test: passed"; exit 0; }
    echo "compose-test: failed: ${reason:-exit code $code}" >&2
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

echo "== images"
deploy/standins/build.sh
[ -d deploy/secrets ] || made_secrets=1
deploy/secrets.sh >/dev/null
# One after the other: the second finds what the first has compiled.
{ compose build node && compose build emulator; } >"$work/build" 2>&1 || { tail -50 "$work/build"; fail "the images were not built"; }
size=$(docker image inspect -f '{{.Size}}' session-manager:local)
user=$(docker image inspect -f '{{.Config.User}}' session-manager:local)
echo "session-manager:local: $size bytes, user $user"
[ "$size" -lt 60000000 ] || fail "the image is not under 60 MB"
case $user in "" | 0 | 0:* | root*) fail "the image runs as root" ;; esac

echo "== up"
compose up -d >"$work/up" 2>&1 || { cat "$work/up"; fail "not up"; }
whole 3 2>"$work/whole" || fail "$(cat "$work/whole")"
for container in $(compose ps -q); do
    limits=$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}' "$container")
    case " $limits " in *" 0 "* | *" no "*) fail "$(docker inspect -f '{{.Name}}' "$container"): no limit, or no restart: $limits" ;; esac
    for secret in admin_key postgres_password; do
        ! docker inspect "$container" | grep -qF "$(cat deploy/secrets/$secret)" || fail "$container shows $secret"
    done
done

echo "== use, while it is disturbed"
API_KEY=$(cat deploy/secrets/admin_key)
export API_KEY
# The exit code of a pipeline is tee's.
{ bin/bench smoke --url "http://$(compose port lb 3001)" --emulator "http://$(compose port emulator 4000)" \
    --incoming "$work/acknowledged" deploy/disturb.sh 2>&1 || touch "$work/failed"; } | tee "$work/use"
[ ! -e "$work/failed" ] || fail "$(tail -n 25 "$work/use")"

# What was acknowledged to WhatsApp is the cluster's to deliver: it is among the events.
sort "$work/acknowledged" >"$work/want"
compose exec -T postgres psql -U session_manager -d session_manager -Atc "SELECT substr(identity, strpos(identity, '/') + 1) FROM events UNION SELECT message_id FROM outbox" | tr -d '\r' | sort >"$work/have"
lost=$(comm -23 "$work/want" "$work/have" | wc -l)
echo "events: $(wc -l <"$work/have") messages; of the $(wc -l <"$work/want") acknowledged $lost are missing"
[ "$lost" = 0 ] || fail "incoming messages were lost"
