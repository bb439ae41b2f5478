# Sourced by compose-test.sh and disturb.sh: the containers of $PROJECT.
# shellcheck shell=sh

if docker compose version >/dev/null 2>&1; then
    compose() { docker compose -p "$PROJECT" --env-file deploy/emulator.env "$@"; }
else
    compose() { docker-compose -p "$PROJECT" --env-file deploy/emulator.env "$@"; }
fi

# until_true SECONDS WHAT COMMAND... waits for a condition, and names it where it does not come.
until_true() {
    limit=$1 what=$2 since=$(date +%s)
    shift 2
    until "$@"; do
        [ $(($(date +%s) - since)) -lt "$limit" ] || { echo "not after $limit s: $what" >&2; return 1; }
        sleep 0.2
    done
}

# status is the cluster as a node behind the load balancer sees it: NODE STATE ALIVE ADDRESS SESSIONS OWNED ...
status() {
    SESSION_MANAGER_API_KEY=$(cat deploy/secrets/admin_key) bin/session-manager status --url "http://$(compose port lb 3001)" 2>/dev/null | grep -E ' (true|false) '
}

# containers are their states, healths (none to ask: healthy), names, and which health checks failed of late.
containers() {
    # shellcheck disable=SC2046
    docker inspect -f '{{.State.Status}} {{with .State.Health}}{{.Status}}{{else}}healthy{{end}} {{.Name}}{{with .State.Health}}{{range .Log}}{{if .ExitCode}} {{.ExitCode}} {{printf "%q" .Output}}{{end}}{{end}}{{end}}' $(compose ps -q)
}

# is_whole N: N nodes are ready and alive, no other is known, and each container is healthy.
is_whole() {
    members=$(status) || return 1
    [ "$(echo "$members" | grep -cE ' ready +true ')" = "$1" ] && [ "$(echo "$members" | wc -l)" = "$1" ] || return 1
    states=$(containers) && ! echo "$states" | grep -qv '^running healthy '
}

# whole N waits until is_whole. The bound is what a slow machine needs to start all containers.
whole() {
    until_true 120 "$1 nodes, ready and healthy" is_whole "$1" && return
    { status || true; containers; } >&2
    return 1
}
