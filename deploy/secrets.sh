#!/bin/sh
# Makes what the containers keep secret, once: a second run changes nothing. The directory is
# closed to other users; the files in it are readable, as the containers' users differ.
set -eu
dir=$(dirname "$0")/secrets
manager=$(dirname "$0")/../bin/session-manager
umask 077
command -v openssl >/dev/null || "$(dirname "$0")/install.sh" openssl
mkdir -p "$dir"

random() { head -c "$1" /dev/urandom | od -An -tx1 | tr -d ' \n'; }

[ -s "$dir/cluster" ] || head -c 32 /dev/urandom >"$dir/cluster"
[ -s "$dir/postgres_password" ] || random 24 >"$dir/postgres_password"
[ -s "$dir/pgpass" ] || printf '*:*:*:session_manager:%s\n' "$(cat "$dir/postgres_password")" >"$dir/pgpass"
if [ ! -s "$dir/api_keys" ]; then
    "$manager" keys make --file "$dir/api_keys" --name admin --clientes '*,operator' >"$dir/admin_key"
fi

# authority NAME makes one of its own: what it signs is let in, so that no other may be taken for it.
authority() {
    [ ! -s "$dir/$1_ca" ] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1 of session-manager" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$dir/$1_ca_key" -out "$dir/$1_ca" 2>/dev/null
}
# certificate AUTHORITY NAME USES NAMES makes a key, and the authority's certificate for it.
certificate() {
    [ ! -s "$dir/$2_cert" ] || return 0
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$dir/$2_key" -out "$dir/$2_request" 2>/dev/null
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$4" >"$dir/$2_extensions"
    openssl x509 -req -in "$dir/$2_request" -CA "$dir/$1_ca" -CAkey "$dir/$1_ca_key" -set_serial "0x$(random 16)" -days 3650 -extfile "$dir/$2_extensions" \
        -out "$dir/$2_cert" 2>/dev/null
    rm "$dir/$2_request" "$dir/$2_extensions"
}
authority etcd
certificate etcd etcd serverAuth,clientAuth DNS:etcd1,DNS:etcd2,DNS:etcd3,DNS:localhost,IP:127.0.0.1
certificate etcd etcd_client clientAuth DNS:node
authority peer
certificate peer peer serverAuth,clientAuth DNS:node

cd "$dir"
chmod 0444 etcd_ca etcd_cert etcd_key etcd_client_cert etcd_client_key peer_ca peer_cert peer_key
cd - >/dev/null
chmod 0444 "$dir/cluster" "$dir/postgres_password" "$dir/pgpass" "$dir/api_keys"
echo "secrets are in $dir; the admin's API key is in $dir/admin_key"
