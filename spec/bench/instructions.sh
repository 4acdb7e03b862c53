#!/bin/bash
# instructions.sh: how many instructions kmirror takes, and how many bytes it allocates, for a get, for a list of 1,000
# mirrors, and to start, switch and join a task, beside what instructions.txt says. A rise of more than 2 % fails. Unlike
# times, such counts are the same on a busy machine; what is copied without need shows in the bytes. `make instructions`
# calls it; `make instructions-accept` writes instructions.txt anew.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
build=${KMIRROR_BUILD:-build}
work=$build/instructions
known=spec/bench/instructions.txt
server=
trap '[ -z "$server" ] || { kill $server; wait $server; } 2> /dev/null || true' EXIT

rm -rf "$work"
mkdir -p "$work"
unset KMIRROR_PROFILE KMIRROR_API_KEY_FILE KMIRROR_STORE
export KMIRROR_USERNAME=sandbox KMIRROR_API_KEY=sandbox-full-key KMIRROR_CLUSTER=5a9b1c52-0000-4000-8000-0000000000c2
XDG_CONFIG_HOME=$(realpath "$work")
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy
export XDG_CONFIG_HOME XDG_STATE_HOME=$XDG_CONFIG_HOME

"$build/kmirror" run spec/bench/driver/mirrors.lua 1000 > "$work/list.json"
"$build/kmirror" run spec/bench/runbooks/serve.lua spec/bench/driver/mirror.json "$work/list.json" > "$work/address" \
    2> "$work/server.log" &
server=$!
until [ -s "$work/address" ] || ! kill -0 $server; do sleep 0.05; done
[ -s "$work/address" ] || { cat "$work/server.log" >&2; exit 1; }
KMIRROR_ENDPOINT=$(cat "$work/address")
export KMIRROR_ENDPOINT
${CC:-cc} -shared -fPIC -O1 -o "$work/clock.so" spec/bench/driver/clock.c

# total TOOL KERNEL COUNT: of a whole run, what callgrind or dhat counts.
total() {
    local log=$work/$2-$3.log out=$work/$2-$3.$1 each=
    [ "$1" != dhat ] || each=KMIRROR_MALLOC=1 # each object from malloc(), which dhat watches
    # shellcheck disable=SC2086
    env $each LD_PRELOAD="$work/clock.so" valgrind --tool="$1" --"$1"-out-file="$out" \
        "$build/kmirror" --rate 0 run spec/bench/runbooks/kernels.lua "$2" "$3" > "$log" 2>&1 ||
        { cat "$log" >&2; return 1; }
    case $1 in
    callgrind) sed -n 's/^totals: //p' "$out" ;;
    dhat) sed -n 's/^==.*Total: *\([0-9,]*\) bytes.*/\1/p' "$log" | tr -d , ;;
    esac
}

# least TIMES TOOL KERNEL COUNT: of so many runs. How often a process looks for what has come depends on who is quicker.
least() {
    local i
    for ((i = 0; i < $1; i++)); do total "${@:2}"; done | sort -n | sed -n 1p
}

# per_time TIMES TOOL KERNEL COUNT WHAT: of the kernel alone. What a run takes besides falls out between two runs.
per_time() {
    local few many times=$1
    shift
    few=$(least "$times" "$1" "$2" "$3")
    many=$(least "$times" "$1" "$2" $((2 * $3)))
    echo "$2 $4 $(((many - few) / $3))"
}

{
    per_time 8 callgrind get 400 instructions
    per_time 1 callgrind list 20 instructions
    per_time 3 callgrind task 10000 instructions
    per_time 1 callgrind pairs 400 instructions
    per_time 1 callgrind preview 200 instructions
    per_time 1 dhat get 400 bytes
    per_time 1 dhat list 10 bytes
    per_time 1 dhat task 5000 bytes
} > "$work/now"

if [ "${ACCEPT:-}" ]; then
    cp "$work/now" $known
    cat $known
    exit
fi

awk -v known=$known -v work="$work" '
    NR == FNR { was[$1, $2] = $3; next }
    {
        before = was[$1, $2]
        change = before ? 100 * ($3 / before - 1) : 0
        printf "%-5s  %-12s  %9d, before %9d, %+.1f %%\n", $1, $2, $3, before, change
        if (!before || change > 2) { rose = rose ", " $1 " " $2; worst = $1 }
        else if (change < -2) fell = fell ", " $1 " " $2
    }
    END {
        if (fell) print "fewer than before: " substr(fell, 3) "; `make instructions-accept` keeps it so"
        if (!rose) exit
        print "more than 2 % above " known ": " substr(rose, 3)
        print "To see where the instructions go, here and in a build of the commit before:"
        printf "    callgrind_annotate --auto=no %s/%s-*.callgrind | head -60\n", work, worst
        printf "and where the bytes go: open %s/%s-*.dhat in dh_view.html, which comes with valgrind.\n", work, worst
        print "If it is worth that, `make instructions-accept` makes these the figures to hold."
        exit 1
    }' $known "$work/now"
