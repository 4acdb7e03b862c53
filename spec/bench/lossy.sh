#!/bin/bash
# lossy.sh: a hundred creates against a server that loses answers, for many seeds: is any mirror missing, or made
# twice? The figures come from the log of the server. `make lossy` calls it; KMIRROR_API says by which version.
set -eu
kmirror=$(realpath "${KMIRROR_BUILD:-build}/kmirror")
seeds=${SEEDS:-50}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# `settle` is how long a mirror may take to show in the list: here two seconds.
cat > creates.lua <<'LUA'
local mirrors, task = require "mirrors", require "task"
local api = mirrors.connect { settle = 3 }
local g <close> = task.group { concurrency = 32 }
for i = 1, 100 do
    g:spawn(api.create, api, {
        sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", usePrivateIps = false,
        sourceAlias = "us-west", useRenaming = true, topicsRegex = ("team%03d\\..*"):format(i), maxTasks = 3,
    })
end
LUA

# What the server says of one seed: a line of the table, and whether all is as it should be.
cat > count.lua <<'LUA'
local json = require "kmirror.json"
local seed, status, seconds = ...
local made, sent, lost, requests = {}, 0, 0, 0
for line in io.lines(seed .. ".log") do
    local entry = json.decode(line)
    requests = requests + (entry.method and 1 or 0)
    if entry.operation == "create" then
        sent = sent + 1
        if entry.fault then lost = lost + 1 end
        local regex = entry.effect and entry.effect.topicsRegex
        if regex then made[regex] = (made[regex] or 0) + 1 end
    end
end
local missing, doubled = 0, 0
for i = 1, 100 do
    local count = made[("team%03d\\..*"):format(i)] or 0
    if count == 0 then missing = missing + 1 elseif count > 1 then doubled = doubled + 1 end
end
print(("%4s  %8d  %12d  %15d  %7d  %7d  %6s  %7s"):format(seed, requests, sent, lost, missing, doubled, status,
    seconds))
return status == "0" and missing == 0 and doubled == 0 and 0 or 1
LUA

one() {
    local status=0 began=$SECONDS
    XDG_STATE_HOME=$work/state-$1 "$kmirror" --log-level error run --sandbox --world empty --faults lossy --seed "$1" \
        --request-log "$1.log" --job j1 creates.lua > "$1.out" 2>&1 || status=$?
    "$kmirror" run count.lua "$1" $status $((SECONDS - began)) > "$1.row" || cat "$1.out" >> "$1.row"
    cat "$1.row"
}

echo "seed  requests  creates sent  answers spoiled  missing  doubled  status  seconds"
for seed in $(seq "$seeds"); do
    while [ "$(jobs -rp | wc -l)" -ge "${PARALLEL:-4}" ]; do sleep 0.1; done
    one "$seed" &
done
wait
good=$(awk 'NF == 8 && $5 == 0 && $6 == 0 && $7 == 0' ./*.row | wc -l)
awk 'NF == 8 { requests += $2; sent += $3; spoiled += $4 }
    END { print requests " requests, " sent " creates sent, " spoiled " answers to these spoiled" }' ./*.row
echo "$good of $seeds seeds on ${KMIRROR_API:-v1}: all 100 mirrors there, none twice"
[ "$good" -eq "$seeds" ]
