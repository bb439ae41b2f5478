#!/bin/sh
# Installs what tests and measurements need and this machine lacks: on Debian, as root or by sudo.
#   install.sh gcc postgres network docker nginx haproxy node-express npm openssl pgbouncer
set -eu

need=""
for what in "$@"; do
    case $what in
    gcc) command -v gcc >/dev/null || need="$need gcc libc6-dev" ;;
    postgres) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || need="$need postgresql" ;;
    network) { command -v ip && command -v nft && command -v unshare; } >/dev/null || need="$need iproute2 nftables util-linux" ;;
    docker) command -v docker >/dev/null && { docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null; } ||
        need="$need docker.io docker-compose" ;;
    openssl | pgbouncer) command -v "$what" >/dev/null || [ -x "/usr/sbin/$what" ] || need="$need $what" ;;
    nginx | haproxy) [ -x "/usr/sbin/$what" ] || command -v "$what" >/dev/null || need="$need $what" ;;
    node-express) command -v node >/dev/null && [ -d /usr/share/nodejs/express ] || need="$need node-express" ;;
    npm) { command -v node && command -v npm; } >/dev/null || need="$need npm" ;;
    *) echo "install.sh: unknown: $what" >&2; exit 2 ;;
    esac
done
[ -n "$need" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing:$need; this is not Debian, so install them by hand" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    sudo=sudo
fi
# Tests and measurements run servers of their own; Debian's must not start one: not now, and not
# when the machine starts.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$sudo rm -f $policy' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
    $sudo chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
$sudo mkdir -p /etc/postgresql-common
echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
# shellcheck disable=SC2086
$sudo apt-get install -qy --no-install-recommends $need
if [ -d /run/systemd/system ]; then
    for what in $need; do
        case $what in
        nginx | haproxy | pgbouncer) $sudo systemctl disable --now "$what" ;;
        esac
    done
fi
