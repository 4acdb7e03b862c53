#!/bin/bash
# rate.sh: how much of the allowed rate is used, by one process and by four that share it. The figures come from the
# log of the server, a sandbox that accepts RATE requests in any one second. `make rate` calls it.
#
# With RATE=auto the clients do not know the limit. Limits of 10, 35, 60 and 200 are found out by processes that begin
# with nothing, and once more by those that begin with what these have learnt; others change halfway. What may be
# accepted from the first request to the last is a second's worth more than so many seconds have: a limit that is not
# known cannot be used up at once, which is 3 % of 30 s.
set -eu
kmirror=${KMIRROR_BUILD:-build}/kmirror
seconds=${SECONDS_EACH:-30}
rate=${RATE:-35}
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT

# One client: gets as fast as it may, for so many seconds.
cat > "$work/client.lua" <<'LUA'
local mirrors, task = require "mirrors", require "task"
local seconds = tonumber((...))
local api = mirrors.connect()
local id = api:list()[1].id
pcall(task.timeout, seconds, function()
    local g <close> = task.group()
    for _ = 1, 64 do
        g:spawn(function() while true do api:get(id) end end)
    end
end)
LUA

# Counts in the log: accepted, refused with 429, the most accepted in any one second, and the share of what was allowed
# from the first request to the last. The limit may change on the way.
cat > "$work/count.lua" <<'LUA'
local json = require "kmirror.json"
local path, processes, limits, words = ...
local limit, since, allowed = tonumber(limits:match("^[%d.]+")), nil, nil
local times, refused = {}, 0
for line in io.lines(path) do
    local entry = json.decode(line)
    if entry.control then
        allowed = allowed + (entry.time - since) * limit
        limit, since = tonumber(entry.control:match("[%d.]+")), entry.time
    elseif entry.status == 429 then
        refused = refused + 1
    else
        times[#times + 1] = entry.time
        since, allowed = since or entry.time, allowed or limit
    end
end
allowed = allowed + (times[#times] - since) * limit
local first, most = 1, 0
for last = 1, #times do
    while times[last] - times[first] >= 1 do first = first + 1 end
    most = math.max(most, last - first + 1)
end
print(("%9d  %8s  %8d  %5d  %6.2f %%  %15d  %5.1f %%  %s"):format(processes, limits, #times, refused,
    100 * refused / (#times + refused), most, 100 * #times / allowed, words or ""))
LUA

export KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key KMIRROR_CLUSTER=5a9b1c52-0000-4000-8000-0000000000c2

# So many processes against a limit, "35", or one that changes halfway, "35-60", and their line of the table.
measure() {
    processes=$1 limit=$2 words=${3:-}
    log=$work/log
    rm -f "$log" "$work/address"
    "$kmirror" sandbox --port "${port:-0}" --rate "${limit%-*}" --request-log "$log" > "$work/address" &
    server=$!
    until grep -qs listening "$work/address"; do sleep 0.05; done
    KMIRROR_ENDPOINT=$(sed -n 's/listening on //p' "$work/address")
    export KMIRROR_ENDPOINT port=${KMIRROR_ENDPOINT##*:} # what was learnt is kept by endpoint
    clients=
    for _ in $(seq "$processes"); do
        "$kmirror" --rate "$rate" --log-level "${LOG_LEVEL:-error}" run "$work/client.lua" "$seconds" &
        clients="$clients $!"
    done
    if [ "$limit" != "${limit#*-}" ]; then
        sleep $((seconds / 2))
        curl -sf -o "$work/answer" -X POST "$KMIRROR_ENDPOINT/sandbox/rate/${limit#*-}"
    fi
    for client in $clients; do wait "$client"; done
    kill $server
    wait $server || true
    "$kmirror" run "$work/count.lua" "$log" "$processes" "$limit" "$words"
}

# The same by clients that know nothing yet.
measure_anew() {
    port=
    XDG_STATE_HOME=$(mktemp -d -p "$work")
    export XDG_STATE_HOME
    measure "$@"
}

echo "--rate $rate, ${seconds} s each, as the server saw it"
echo "processes     limit  accepted    429  refused  most in 1 second     used"
for processes in ${PROCESSES:-1 4}; do
    if [ "$rate" != auto ]; then
        measure_anew "$processes" "$rate"
        continue
    fi
    for limit in ${LIMITS:-10 35 60 200}; do
        measure_anew "$processes" "$limit" "nothing known"
        measure "$processes" "$limit" "once more"
    done
    seconds=$((2 * seconds))
    for limit in ${CHANGES:-35-60 60-35 60-200 200-10}; do
        measure_anew "$processes" "$limit" "changes halfway, $seconds s"
    done
    seconds=$((seconds / 2))
done
