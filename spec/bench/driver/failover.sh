#!/bin/bash
# failover.sh COUNT: a planned failover of so many mirrors, on a sandbox of its own; then figures from its log. The
# waits that hold however many there are, are as short as they may be.
set -eu
work=$BENCH/work
connect=5a9b1c52-0000-4000-8000-0000000000c
kafka=5a9b1c52-0000-4000-8000-00000000000

rm -f "$work"/failover.*
# shellcheck disable=SC2086
$BENCH_SERVER "$KMIRROR" sandbox --port 0 --world "$1" --creating-seconds 1 --sync-seconds 1 --request-log "$work/failover.log" \
    > "$work/failover.address" &
echo $! > "$work/failover.pid"
until grep -qs listening "$work/failover.address"; do sleep 0.05; done
KMIRROR_ENDPOINT=$(sed -n 's/listening on //p' "$work/failover.address")
export KMIRROR_ENDPOINT XDG_STATE_HOME="$work/failover-state"
unset KMIRROR_CLUSTER

# shellcheck disable=SC2016
"$KMIRROR" --yes --log-level error run failover --still 1 --offset-sync 1 --state "$work/failover.saved" \
    --from "us-west=${connect}1,${kafka}1" --to "us-east=${connect}2,${kafka}2" \
    --hook fence='curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/stop"' \
    > "$work/failover.out" 2>&1 ||
    { cat "$work/failover.out" >&2; exit 1; }
kill $!
wait $! || true
rm "$work/failover.pid"
lua5.4 spec/bench/driver/requests.lua "$work/failover.log"
