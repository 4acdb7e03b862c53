#!/bin/sh
# demo.sh KMIRROR: a failover and a failback, planned, then after a disaster, against a sandbox of its own. It asks
# nothing, takes less than two minutes, and leaves nothing behind.
set -eu
kmirror=$(realpath "$1")
directory=$(mktemp -d -t kmirror-demo.XXXXXX)
sandbox=

clean_up() {
    [ -z "$sandbox" ] || kill "$sandbox" 2> /dev/null || :
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() {
    printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi
}

# ---- a world to act in -------------------------------------------------------------------------------------

unset KMIRROR_CLUSTER KMIRROR_PROFILE KMIRROR_API_KEY_FILE KMIRROR_ENDPOINT KMIRROR_USERNAME
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy
export KMIRROR_API_KEY=sandbox-full-key XDG_STATE_HOME="$directory" XDG_CONFIG_HOME="$directory"

: > "$directory/address" # the first look at it may be sooner than the sandbox
"$kmirror" sandbox --port 0 --world 8 --heartbeats 1 --creating-seconds 1 --sync-seconds 2 --state "$directory/world.json" \
    --request-log "$directory/requests.jsonl" > "$directory/address" &
sandbox=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    endpoint=$(sed -n 's/^listening on //p' "$directory/address")
    [ -z "$endpoint" ] || break
    sleep 0.1
done

mkdir "$directory/kmirror"
cat > "$directory/kmirror/config.lua" << END
local hooks = {
    fence = [[curl -fsS -X POST "\$KMIRROR_ENDPOINT/sandbox/producers/\$KMIRROR_FROM/stop"]],
    clients = [[curl -fsS -X POST "\$KMIRROR_ENDPOINT/sandbox/producers/\$KMIRROR_TO/start"]],
    canary = [[curl -fsS "\$KMIRROR_ENDPOINT/sandbox/producers" | grep "\"\$KMIRROR_TO\":\"running\""]],
    done = [[echo "told the team: \$KMIRROR_RUNBOOK to \$KMIRROR_TO ended with status \$KMIRROR_STATUS"]],
}
local habits = { hooks = hooks, still = 2, offset_sync = 3 } -- real ones take longer: see --help
return { profile = "demo", profiles = { demo = {
    endpoint = "$endpoint", username = "sandbox",
    clusters = {
        ["us-west"] = { alias = "us-west", kafka = "5a9b1c52-0000-4000-8000-000000000001",
            connect = "5a9b1c52-0000-4000-8000-0000000000c1" },
        ["us-east"] = { alias = "us-east", kafka = "5a9b1c52-0000-4000-8000-000000000002",
            connect = "5a9b1c52-0000-4000-8000-0000000000c2" },
    },
    runbooks = { failover = habits, failback = habits },
} } }
END

say 'Two regions, eight mirrors us-west -> us-east. The sandbox plays the API, these commands play the producers:'
sed -n 's/^    \([a-z]*\) = \[\[\(.*\)\]\],$/  \1: \2/p' "$directory/kmirror/config.lua"

# ---- there and back, twice ---------------------------------------------------------------------------------

runs=0

# run TITLE COMMAND: says it, does it, and keeps its report.
run() {
    runs=$((runs + 1))
    say "$runs. $1"
    printf '$ %s\n\n' "$2"
    status=0
    (cd "$directory" && eval "\"\$kmirror\" --yes ${2#kmirror} --report-text report-$runs") || status=$?
    [ $status -eq 0 ] || { say "it ended with status $status"; exit 1; }
}

# The command that the last report ends with.
way_back() {
    sed -n 's/^To fail back: *//p' "$directory/report-$runs"
}

run 'A planned failover: no record may be lost' 'kmirror run failover --from us-west --to us-east'
run 'Back again, by the command that it printed' "$(way_back)"
run 'us-west is lost: nobody waits for it' 'kmirror run failover --from us-west --to us-east --disaster'
run 'us-west is there again, and so back' "$(way_back)"

# ---- what came of it ---------------------------------------------------------------------------------------

changes() {
    grep -c "\"change\":\"$1\"" "$directory/requests.jsonl" || :
}

say 'In short'
i=1
while [ $i -le $runs ]; do
    printf '%s\n   %s\n' "$i. $(sed -n 1p "$directory/report-$i")" "$(sed -n 's/^Result:  //p' "$directory/report-$i")"
    i=$((i + 1))
done
printf '\nThe API was asked %s times; it created %s mirrors and deleted %s: 8 each time, none twice.\n' \
    "$(grep -c '"operation"' "$directory/requests.jsonl")" "$(changes created)" "$(changes deleted)"
printf 'Mirrors us-west -> us-east now: %s\n' "$("$kmirror" list --cluster us-east | wc -l)"
[ "$(changes created)" -eq 32 ] && [ "$(changes deleted)" -eq 32 ]
