#!/bin/bash
# bench.sh: builds the peers, starts nginx, runs the benchmarks (bench.lua) and leaves nothing behind. `make bench` and
# `make bench-quick` call it; see README.md beside this file. ROWS= names those to run; QUICK=1 takes small counts.
set -eu
cd "$(dirname "$0")/../.."
build=$(realpath "${KMIRROR_BUILD:-build}")
export BENCH=$build/bench KMIRROR=$build/kmirror
work=$BENCH/work
unset KMIRROR_PROFILE KMIRROR_API_KEY_FILE KMIRROR_STORE
unset http_proxy HTTP_PROXY https_proxy HTTPS_PROXY ALL_PROXY all_proxy

# With several processors the servers have the last one, and whoever is measured, peers too, the others: nobody takes
# time from what it is measured with.
export BENCH_CLIENT='' BENCH_SERVER=''
last=$(($(nproc) - 1))
if [ "$last" -gt 0 ] && taskset -c "$last" true; then
    BENCH_CLIENT="taskset -c 0-$((last - 1))" BENCH_SERVER="taskset -c $last"
fi

servers=

# A row may have a server of its own, and then says which.
stop() {
    for file in "$work"/*.pid; do
        [ ! -e "$file" ] || servers="$servers $(cat "$file")"
    done
    # shellcheck disable=SC2086
    { kill $servers; wait; } 2> /dev/null || true
    rm -rf "$work"
}

rm -rf "$work"
mkdir -p "$work/lists"
trap stop EXIT
trap 'exit 130' INT TERM

# ---- peers -------------------------------------------------------------------------------------------------

curl_flags=$(pkg-config --cflags --libs libcurl)
lua_flags=$(pkg-config --cflags --libs lua5.4)
# shellcheck disable=SC2086
{
    cc -std=c11 -D_GNU_SOURCE -O2 -o "$BENCH/measure" spec/bench/driver/measure.c
    cc -std=c11 -D_GNU_SOURCE -O2 -o "$BENCH/bare" spec/bench/peers/bare.c $curl_flags
    cc -std=c11 -D_GNU_SOURCE -O2 -o "$BENCH/host" spec/bench/peers/host.c $lua_flags $curl_flags
}
[ "$BENCH/get-go" -nt spec/bench/peers/get.go ] || GOCACHE=$BENCH/go go build -o "$BENCH/get-go" spec/bench/peers/get.go
# Debian's undici, whichever node there is.
export NODE_PATH=/usr/share/nodejs

# ---- servers -----------------------------------------------------------------------------------------------

free_port() {
    lua5.4 -e 'local s = require "cqueues.socket".listen("127.0.0.1", 0) print((select(3, s:localname())))'
}

certificates() {
    local new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
    # shellcheck disable=SC2086
    {
        openssl req -x509 $new -days 2 -subj /CN=bench -keyout "$work/ca.key" -out "$work/ca.pem"
        openssl req -new $new -subj /CN=localhost -keyout "$work/server.key" -out "$work/server.csr"
        echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' > "$work/server.ext"
        openssl x509 -req -in "$work/server.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
            -extfile "$work/server.ext" -out "$work/server.pem"
    } > "$work/openssl.log" 2>&1 || { cat "$work/openssl.log" >&2; exit 1; }
}

certificates
for count in 20 1000 10000 100000; do
    lua5.4 spec/bench/driver/mirrors.lua "$count" \
        > "$work/lists/$(printf '5a9b1c52-0000-4000-8000-9%011d.json' "$count")"
done
port=$(free_port)
tls_port=$(free_port)
sed -e "s,@WORK@,$work,g; s,@PORT@,$port,; s,@TLS_PORT@,$tls_port," \
    -e "s|@MIRROR@|$(cat spec/bench/driver/mirror.json)|" spec/bench/driver/nginx.conf \
    > "$work/nginx.conf"
# Its workers must be able to read what is in the build folder.
as=
[ "$(id -u)" -ne 0 ] || as='user root;'
# shellcheck disable=SC2086
$BENCH_SERVER nginx -c "$work/nginx.conf" -p "$work" -e "$work/nginx.log" -g "daemon off; $as" &
servers=$!
# shellcheck disable=SC2086
$BENCH_SERVER "$KMIRROR" sandbox --port 0 --rate 0 --world 100 > "$work/sandbox" &
servers="$servers $!"
until curl -s -o "$work/hello" "http://127.0.0.1:$port/" && grep -qs listening "$work/sandbox"; do
    for server in $servers; do kill -0 "$server" || { cat "$work/nginx.log" >&2; exit 1; }; done
    sleep 0.05
done

# ---- run ---------------------------------------------------------------------------------------------------

export KMIRROR_ENDPOINT=http://127.0.0.1:$port KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key
export KMIRROR_CLUSTER=5a9b1c52-0000-4000-8000-0000000000c2
export BENCH_USER=$KMIRROR_USERNAME:$KMIRROR_API_KEY BENCH_TLS=https://localhost:$tls_port
BENCH_SANDBOX=$(sed -n 's/listening on //p' "$work/sandbox")
export BENCH_SANDBOX
export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config
lua5.4 spec/bench/bench.lua
