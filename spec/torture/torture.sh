#!/bin/bash
# torture.sh [ATTEMPTS]: fails allocations and calls of the system, one at a time, while kmirror starts, lists, creates,
# runs and resumes a job, and sits at its prompt. `make torture` tries every one; with ATTEMPTS that many, evenly spread.
# The last line says: N passed, N failed. ONLY=SCENARIO tries that one alone; TORTURE_JOBS says how many side by side.
#
# What has to come of it:
#   memory    all is as if nothing had happened, or a message says that memory ran out, and the status is not 0;
#   calls     no crash, no waiting for ever, no error without words; status 2 means that nothing was sent;
#   changes   a job that is resumed afterwards has made what it would have made undisturbed: each mirror, once.
set -u
build=$(realpath "${KMIRROR_BUILD:-build}")
here=$(realpath "$(dirname "$0")")
attempts=${1:-0}
workers=${TORTURE_JOBS:-$((2 * $(nproc)))} # they mostly wait
patience=20 # seconds after which an attempt hangs
work=$(mktemp -d)
trap 'kill $server 2> /dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
# Copies, so that building goes on meanwhile.
cp "$build/kmirror" "$build/failing.so" . || exit 1
kmirror=$work/kmirror

# Each object of Lua's and libcurl's from malloc(), so that each of these fails.
export KMIRROR_MALLOC=1
export NO_COLOR=1 KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key
export KMIRROR_CLUSTER=5a9b1c52-0000-4000-8000-0000000000c2
"$kmirror" sandbox --port 0 --rate 0 --creating-seconds 0 --sync-seconds 0 > sandbox.out 2> sandbox.err &
server=$!
until grep -qs listening sandbox.out; do
    kill -0 $server || exit 1
    sleep 0.05
done
KMIRROR_ENDPOINT=$(sed 's/listening on //;q' sandbox.out)
export KMIRROR_ENDPOINT
id=$("$kmirror" list 2> /dev/null | head -n 1 | cut -f 1)
cat > mirror.json <<'JSON'
{ "sourceType": "instaclustr", "kafkaSource": "5a9b1c52-0000-4000-8000-000000000001", "usePrivateIps": false,
  "sourceAlias": "a", "useRenaming": true, "topicsRegex": "NAME-1", "maxTasks": 3 }
JSON
printf 'local answer = 6 * 7\nprint(answer)\n:help\nprint(#api:list() > 0)\n' > typed

# ---- scenarios: what is run, and what is compared. $1 names the attempt -------------------------------------------

# Options that every attempt has.
common=(--rate 0 --timeout 5)
scenarios=(start list get create group job prompt sandbox)

# Sets command and input to those of a scenario.
command_of() {
    input=/dev/null
    case $1 in
    start) command=("$kmirror" version) ;;
    list) command=("$kmirror" "${common[@]}" list) ;;
    get) command=("$kmirror" "${common[@]}" get "$id") ;;
    create) command=("$kmirror" "${common[@]}" create "$2.json") ;;
    group) command=("$kmirror" run "$here/group.lua") ;;
    job) command=("$kmirror" "${common[@]}" --job "$2" run "$here/job.lua" "$2") ;;
    prompt) command=("$kmirror" "${common[@]}" repl) input=../typed ;;
    sandbox) command=("$kmirror" --sandbox "${common[@]}" list) ;;
    esac
    [ "$1" != create ] || sed "s/NAME/$2/" ../mirror.json > "$2.json"
}

state() {
    "$kmirror" "${common[@]}" run "$here/state.lua" "$@" 2>&1
}

# Prints what speaks against the state that was left behind, by the attempt's status.
state_problem() {
    case $1 in
    create) state "$2" $(($3 == 0)) $(($3 != 2)) ;;
    job)
        if [ "$3" -eq 2 ]; then state "$2" 0 0; fi
        "${command[@]}" > resumed 2>&1 || echo "resuming ended with $?: $(tail -n 1 resumed)"
        state "$2" 3 3
        ;;
    esac
}

# What was printed, without what is another each time: ids, connectors' names, measurements.
plain() {
    sed -E 's/[0-9a-f]{8}-[0-9a-f-]{27}/ID/g; s/us-[a-z.-]+\.[0-9A-Za-z]{12}/NAME/g; s/[0-9]+\.[0-9]+/N/g; s/[0-9]{2,}/N/g' out
}

# ---- one attempt -------------------------------------------------------------------------------------------

# What speaks against the way in which the scenario $1 ended, with failing $2, by the status $3.
problem() {
    local said
    said=$(< err)
    if [ "$3" -eq 137 ]; then
        echo 'it hangs'
    elif [ "$3" -gt 128 ] && [[ $3 -ne 255 || $said != *'Out of memory'* ]]; then # so ends lua-cjson
        echo "it was killed by signal $(($3 - 128))"
    elif [[ $said == *PANIC* ]]; then
        echo 'Lua panicked'
    elif [ "$3" -ne 0 ] && [ -z "$said" ]; then
        echo "status $3, and not a word"
    elif [ "$3" -ne 0 ] && [ "$2" = memory ] && [[ ${said,,} != *memory* ]] &&
        [[ $said != *'cannot create shared object descriptor'* ]]; then # so says the dynamic linker
        echo "status $3, and no word of memory: ${said##*$'\n'}"
    elif [ "$3" -eq 0 ] && [[ ${said,,} != *memory* ]] && [ "$(plain)" != "$(< "../$1.expected")" ]; then
        # A prompt goes on after an error, and ends when its terminal is gone.
        [[ $1 == prompt && ($said || $2 == read) ]] || echo "status 0, and another output: ${said##*$'\n'}"
    fi
}

# attempt NUMBER SCENARIO FAILING: says nothing when it passed.
attempt() {
    local status=0 bad='' command input
    command_of "$2" "t$1"
    if [ "$2" = sandbox ]; then export FAILING_CHILD=1; else unset FAILING_CHILD; fi
    LD_PRELOAD=$work/failing.so FAILING=$3 timeout -s KILL $patience "${command[@]}" < "$input" > out 2> err || status=$?
    bad=$(problem "$2" "${3%%:*}" $status; state_problem "$2" "t$1" $status)
    rm -rf state "t$1.json"
    [ -z "$bad" ] || echo "$2, FAILING=$3: ${bad//$'\n'/; }"
    [ -z "$bad" ]
}

# The undisturbed run of a scenario: what it prints, and how often it calls what.
reference() {
    local command input
    command_of "$1" reference
    if [ "$1" = sandbox ]; then export FAILING_CHILD=1; else unset FAILING_CHILD; fi
    LD_PRELOAD=$work/failing.so FAILING_COUNTS=$PWD/../$1.counts "${command[@]}" < "$input" > out 2> err ||
        { cat err; exit 1; }
    plain > "../$1.expected"
    case $1 in create | job) state reference 0 9 ;; esac
    rm -rf state
}

# ---- all of them -------------------------------------------------------------------------------------------

ENOENT=2 EINTR=4 EIO=5 ENOMEM=12 EACCES=13 EMFILE=24 ENOSPC=28 ENOLCK=37 ECONNRESET=104

# The errors that may come of a call.
errors_of() {
    case $1 in
    read | pread64) echo $EIO $EINTR ;;
    write | pwrite64 | fwrite | fflush | fclose | fsync | fdatasync | ftruncate*) echo $ENOSPC $EIO $EINTR ;;
    mmap*) echo $ENOMEM $EIO ;;
    flock | fcntl) echo $ENOLCK $EINTR $EIO ;;
    rename | unlink | mkdir) echo $ENOSPC $EIO ;;
    access | *stat | *stat64 | realpath | getcwd) echo $EIO $EACCES ;;
    open | fopen*) echo $EMFILE $EIO $ENOSPC ;;
    connect | send | recv) echo $ECONNRESET $EINTR ;;
    poll | epoll*) echo $EINTR $ENOMEM ;;
    getrandom) echo $EINTR ;;
    *) echo $EMFILE $EIO ;;
    esac
}

# Prints the attempts at one scenario, a line each: SCENARIO FAILING. Of memory, one failure (which Lua makes good by a
# collection) and two in a row; what they all do at the start is for the scenario of that name.
attempts_at() {
    local name count error n begin=1
    [ "$1" = start ] || begin=$(($(awk '$1 == "memory" { print $2 }' start.counts) * 3 / 4))
    while read -r name count; do
        if [ "$name" = memory ]; then
            for ((n = begin; n <= count; n++)); do printf '%s memory:%d:%d:12\n' "$1" $n 1 "$1" $n 2; done
            continue
        fi
        for error in $(errors_of "$name"); do
            for ((n = 1; n <= count; n++)); do echo "$1 $name:$n:1:$error"; done
        done
    done < "$1.counts"
}

# Spreads ATTEMPTS over what it reads: as many of every scenario's memory, and of its calls.
spread() {
    awk -v most="$attempts" '{
        kind = $1 ($2 ~ /^memory/ ? " memory" : " calls"); lines[kind, ++count[kind]] = $0; if (count[kind] == 1) kinds++
    } END {
        share = most > 0 ? most / kinds : 0
        for (kind in count) {
            step = share > 0 && count[kind] > share ? count[kind] / share : 1
            for (at = 1; at <= count[kind]; at += step) print lines[kind, int(at)]
        }
    }'
}

# worker W: every so manieth of the attempts, in a folder of its own.
worker() {
    local number=0 passed=0 failed=0 name failing
    mkdir -p "w$1" && cd "w$1" || exit 1
    export XDG_STATE_HOME=$PWD/state XDG_CONFIG_HOME=$PWD/state HOME=$PWD
    while read -r name failing; do
        number=$((number + 1))
        [ $((number % workers)) -eq "$1" ] || continue
        if attempt $number "$name" "$failing"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    done < ../attempts 2> ../shell.$1
    echo "$passed $failed" > tally
}

mkdir reference
for name in "${scenarios[@]}"; do
    (cd reference && XDG_STATE_HOME=$PWD/state XDG_CONFIG_HOME=$PWD/state HOME=$PWD reference "$name") || exit 1
done
for name in ${ONLY:-"${scenarios[@]}"}; do attempts_at "$name"; done | spread > attempts
awk '{ count[$1 ($2 ~ /^memory/ ? " memory" : " calls")]++ } END { for (k in count) print k ": " count[k] }' attempts |
    sort
pids=()
for ((w = 0; w < workers; w++)); do worker $w & pids+=($!); done
wait "${pids[@]}" 2> /dev/null
awk '{ passed += $1; failed += $2 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' w*/tally
