#!/bin/bash
# rate.sh: how much of the allowed rate is used, by one process and by four that share it. The figures come from the
# log of the server, a sandbox that accepts RATE requests in any one second. `make rate` calls it.
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
# from the first request to the last.
cat > "$work/count.lua" <<'LUA'
local json = require "kmirror.json"
local path, processes, rate = ...
local times, refused = {}, 0
for line in io.lines(path) do
    local entry = json.decode(line)
    if entry.status == 429 then refused = refused + 1 else times[#times + 1] = entry.time end
end
table.sort(times)
local first, most = 1, 0
for last = 1, #times do
    while times[last] - times[first] >= 1 do first = first + 1 end
    most = math.max(most, last - first + 1)
end
local allowed = (times[#times] - times[1] + 1) * rate
print(("%9d  %8d  %5d  %15d  %6.1f %%"):format(processes, #times, refused, most, 100 * #times / allowed))
LUA

export KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key KMIRROR_CLUSTER=5a9b1c52-0000-4000-8000-0000000000c2
echo "$rate requests per second allowed, ${seconds} s each, as the server saw it"
echo "processes  accepted    429  most in 1 second  used"
for processes in ${PROCESSES:-1 4}; do
    log=$work/$processes.log
    export XDG_STATE_HOME=$work/state-$processes
    "$kmirror" sandbox --port 0 --rate "$rate" --request-log "$log" > "$work/address" &
    server=$!
    until grep -q listening "$work/address"; do sleep 0.05; done
    KMIRROR_ENDPOINT=$(sed -n 's/listening on //p' "$work/address")
    export KMIRROR_ENDPOINT
    clients=
    for _ in $(seq "$processes"); do
        "$kmirror" run --rate "$rate" "$work/client.lua" "$seconds" &
        clients="$clients $!"
    done
    for client in $clients; do wait "$client"; done
    kill $server
    wait $server || true
    "$kmirror" run "$work/count.lua" "$log" "$processes" "$rate"
done
