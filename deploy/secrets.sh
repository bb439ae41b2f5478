#!/bin/sh
# Makes what the containers keep secret, once: a second run changes nothing. The directory is
# closed to other users; the files in it are readable, as the containers' users differ.
set -eu
dir=$(dirname "$0")/secrets
manager=$(dirname "$0")/../bin/session-manager
umask 077
mkdir -p "$dir"

random() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }

[ -s "$dir/cluster" ] || head -c 32 /dev/urandom >"$dir/cluster"
[ -s "$dir/postgres_password" ] || random 24 >"$dir/postgres_password"
[ -s "$dir/pgpass" ] || printf '*:*:*:session_manager:%s\n' "$(cat "$dir/postgres_password")" >"$dir/pgpass"
if [ ! -s "$dir/api_keys" ]; then
    "$manager" keys make --file "$dir/api_keys" --name admin --clientes '*,operator' >"$dir/admin_key"
fi
chmod 0444 "$dir/cluster" "$dir/postgres_password" "$dir/pgpass" "$dir/api_keys"
echo "secrets are in $dir; the admin's API key is in $dir/admin_key"
