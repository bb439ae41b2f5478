#!/bin/sh
# Installs what the tests need and this machine lacks: on Debian, as root or by sudo.
#   install.sh gcc postgres
set -eu

need=""
for what in "$@"; do
    case $what in
    gcc) command -v gcc >/dev/null || need="$need gcc libc6-dev" ;;
    postgres) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || need="$need postgresql" ;;
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
# The tests run servers of their own; Debian's must not start one.
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
$sudo mkdir -p /etc/postgresql-common
echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
# shellcheck disable=SC2086
$sudo apt-get install -qy --no-install-recommends $need
