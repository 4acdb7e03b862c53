#!/bin/bash
# work.sh WHAT COUNT: a command at so many mirrors, with a sandbox of its own, nothing limited and no wait longer than it
# must be; then the seconds of the processor that the command took, and the sandbox meanwhile. WHAT: plan, apply, audit,
# failover, migrate, watch, report, rollout, retune, drain or export.
set -eu
work=$BENCH/work/work what=$1 count=$2
connect=5a9b1c52-0000-4000-8000-0000000000c
kafka=5a9b1c52-0000-4000-8000-00000000000
rm -rf "$work" "$BENCH/work/work.pid"
mkdir -p "$work"
export KMIRROR_CLUSTER=${connect}2 XDG_STATE_HOME=$work
rate=$(getconf CLK_TCK)

stop() {
    [ ! -e "$work.pid" ] || kill "$(cat "$work.pid")" || true
    rm -f "$work.pid"
}
trap stop EXIT

serve() {
    # shellcheck disable=SC2086
    $BENCH_SERVER "$KMIRROR" sandbox --port 0 --rate 0 --world "$1" --creating-seconds 0 --sync-seconds 0 > "$work/address" &
    echo $! > "$work.pid"
    until grep -qs listening "$work/address"; do sleep 0.02; done
    KMIRROR_ENDPOINT=$(sed -n 's/listening on //p' "$work/address")
    export KMIRROR_ENDPOINT
}

sandbox_ticks() { awk '{ print $14 + $15 }' "/proc/$(cat "$work.pid")/stat"; }

quietly() { "$KMIRROR" --yes --log-level error --rate 0 "$@" > "$work/out" 2>&1 || { tail -n 5 "$work/out" >&2; exit 1; }; }

# timed ARG...: the same, measured.
timed() {
    local before
    before=$(sandbox_ticks)
    # shellcheck disable=SC2016,SC2086
    $BENCH_CLIENT "$BENCH/measure" 1 bash -c '"$KMIRROR" --yes --log-level error --rate 0 "$@" > "$0" 2>&1 || [ $? -eq 3 ]' \
        "$work/out" "$@" > "$work/measured" || { tail -n 5 "$work/out" >&2; exit 1; }
    sed -n 's/^cpu/client/p; s/^rss/peak/p' "$work/measured"
    awk -v ticks=$(($(sandbox_ticks) - before)) -v rate="$rate" 'BEGIN { print "sandbox", ticks / rate }'
}

case $what in
apply | migrate | report) lua5.4 spec/bench/driver/fleet.lua "$count" > "$work/fleet.lua" && serve empty ;;
*) serve "$count" ;;
esac
case $what in
plan)
    quietly export
    mv "$work/out" "$work/fleet.lua"
    timed plan "$work/fleet.lua"
    ;;
apply) timed apply "$work/fleet.lua" ;;
migrate) timed run migrate "$work/fleet.lua" ;;
report)
    quietly --job bench apply "$work/fleet.lua"
    timed report bench "$work/report.html"
    ;;
audit) timed run audit ;;
watch) timed run watch --for 0.001 ;;
rollout)
    timed run rollout --source "us-west=${connect}1,${kafka}1" --target "us-east=${connect}2,${kafka}2" \
        --to '(?!.*\.dead-letter){old}' --strategy create-first --max-delete "$count"
    ;;
retune) timed run retune --latency 45000 ;;
drain) timed run drain --all --busy --max-delete "$count" --save "$work/drained.json" ;;
export) timed export ;;
failover)
    unset KMIRROR_CLUSTER
    # shellcheck disable=SC2016
    timed run failover --still 1 --offset-sync 0 --state "$work/saved" \
        --from "us-west=${connect}1,${kafka}1" --to "us-east=${connect}2,${kafka}2" \
        --hook fence='curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/stop"'
    ;;
*)
    echo "work.sh: no such command: $what" >&2
    exit 2
    ;;
esac
