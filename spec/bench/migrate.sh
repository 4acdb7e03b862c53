#!/bin/bash
# migrate.sh: 800 mirrors over 20 clusters from a CSV file at 35 requests per second, against a server that loses
# answers, killed twice. How many mirrors are there in the end, and how long did it take beside what the requests take
# at that rate? The figures come from the log of the server. `make migrate` calls it; KMIRROR_API says by which version
# of the API: version 2 takes target latencies as mirrors are created.
set -eu
kmirror=$(realpath "${KMIRROR_BUILD:-build}/kmirror")
faults=${FAULTS-lossy}
kills=${KILLS:-2}
work=$(mktemp -d)
server=
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export XDG_STATE_HOME=$work XDG_CONFIG_HOME=$work HOME=$work
unset KMIRROR_CLUSTER KMIRROR_PROFILE KMIRROR_API_KEY_FILE

# Forty mirrors into each cluster, each with a target latency of its own, from us-west.
{
    echo 'to,sourceAlias,kafkaSource,topicsRegex,useRenaming,usePrivateIps,maxTasks,targetLatency'
    for cluster in $(seq 2 21); do
        for i in $(seq 40); do
            printf '5a9b1c52-0000-4000-8000-0000000000%02x,us-west,5a9b1c52-0000-4000-8000-000000000001,' \
                $((0xc0 + cluster))
            printf 'team%02d\\..*,false,false,3,45000\n' "$i"
        done
    done
} > mirrors.csv

"$kmirror" sandbox --port 0 --world empty --clusters 21 ${faults:+--faults "$faults"} --seed "${SEED:-1}" --request-log log \
    --state world.json > address &
server=$!
until grep -q listening address; do sleep 0.05; done
KMIRROR_ENDPOINT=$(sed -n 's/listening on //p' address)
export KMIRROR_ENDPOINT KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key

began=$(date +%s.%N)
status=0
run="run --job weekend migrate mirrors.csv"
for kill in $(seq "$kills"); do
    # shellcheck disable=SC2086
    "$kmirror" $run > "out-$kill" 2>&1 &
    client=$!
    sleep $((10 + 5 * kill))
    kill -KILL $client
    wait $client 2> /dev/null || true
    run="jobs resume weekend"
done
# shellcheck disable=SC2086
"$kmirror" $run > out 2>&1 || status=$?
ended=$(date +%s.%N)
tail -n 5 out

cat > count.lua <<'LUA'
local json = require "kmirror.json"
local began, ended, status = tonumber((...)), tonumber((select(2, ...))), select(3, ...)
local kinds, made, requests, refused, first, last = {}, {}, 0, 0, nil, nil
for line in io.lines "log" do
    local entry = json.decode(line)
    if entry.method then
        requests = requests + 1
        refused = refused + (entry.status == 429 and 1 or 0)
        local kind = entry.operation or "other"
        kinds[kind] = (kinds[kind] or 0) + 1
        first, last = first or entry.time, entry.time
    end
    local effect = entry.effect
    if effect and effect.change == "created" then
        local key = entry.cluster .. " " .. effect.topicsRegex
        made[key] = (made[key] or 0) + 1
    end
end
local mirrors, doubled = 0, 0
for _, count in pairs(made) do
    mirrors = mirrors + 1
    if count > 1 then doubled = doubled + 1 end
end
print(("exit status %s; %d of 800 mirrors, %d made twice"):format(status, mirrors, doubled))
for _, kind in ipairs { "list", "create", "get", "update_target_latency" } do
    print(("%6d %s"):format(kinds[kind] or 0, kind))
end
local fewest = 20 + 800 + 800 + (os.getenv "KMIRROR_API" == "v2" and 0 or 800)
print(("%6d requests take %.1f s at 35/s; the fewest without a fault, %d, take %.1f s"):format(requests, requests / 35,
    fewest, fewest / 35))
-- After a 429, which a busy machine can bring about, the client is slower for some ten seconds.
print(("%.1f s from first to last, %.2f of what these requests take; %.1f s with start and kills; %d answers were 429")
    :format(last - first, (last - first) / (requests / 35), ended - began, refused))
LUA
"$kmirror" run count.lua "$began" "$ended" $status
