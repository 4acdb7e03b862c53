#!/bin/bash
# suites.sh [SPEC...]: runs the spec files side by side, with stock Lua, and those of the native modules inside the host
# as well; ends with one line: N passed, N failed. `make test` calls it. With SPECs, only those, and only with stock
# Lua. KMIRROR_TEST_JOBS says how many at a time: specs mostly wait, so it is more than there are processors.
#
# Each file is a process of its own, with a home of its own. What it says is shown when it has ended, unless all went
# well. The files that took longest the last time begin first.
set -u
export KMIRROR_BUILD=${KMIRROR_BUILD:-build}
jobs=${KMIRROR_TEST_JOBS:-$((2 * $(nproc)))}
results=$KMIRROR_BUILD/specs # of each unit NAME: NAME.out, NAME.tally, NAME.status, NAME.seconds
mkdir -p "$results"

# What the address sanitizer finds goes to files, as nobody may be looking at the process that found it. Stock Lua
# needs the sanitizers before it loads the module; it does not look for leaks: Lua itself was not made for that.
reports=$(realpath "$KMIRROR_BUILD")/report
rm -f "$reports".*
if [ "${SAN:-}" ]; then
    export ASAN_OPTIONS=log_path=$reports UBSAN_OPTIONS=print_stacktrace=1
    export KMIRROR_ASAN_OPTIONS=$ASAN_OPTIONS KMIRROR_UBSAN_OPTIONS=$UBSAN_OPTIONS
    stock=$(realpath "$KMIRROR_BUILD")/stock
    mkdir -p "$stock"
    {
        echo '#!/bin/sh'
        echo "export LD_PRELOAD='$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)'"
        echo "ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 exec $(command -v lua5.4) \"\$@\""
    } > "$stock/lua5.4"
    chmod +x "$stock/lua5.4"
    export PATH=$stock:$PATH
fi

# A unit is a spec file and what runs it: "stock FILE" or "host FILE".
name_of() {
    local name=$1-${2#spec/}
    echo "${name//\//-}"
}

# run_unit KIND FILE: runs it, and shows what it said when something failed.
run_unit() {
    local out begin=$SECONDS status verdict
    out=$results/$(name_of "$1" "$2")
    rm -f "$out".tally
    case $1 in
    stock) KMIRROR_TALLY=$out.tally lua5.4 /usr/bin/busted "$2" ;;
    host) KMIRROR_TALLY=$out.tally "$KMIRROR_BUILD/kmirror" --log-level error run spec/support/busted_in_host.lua "$2" ;;
    esac > "$out.out" 2>&1 < /dev/null
    status=$?
    echo $((SECONDS - begin)) > "$out.seconds"
    [ -s "$out.tally" ] || echo '0 passed, 1 failed' > "$out.tally"
    if [ $status -ne 0 ] && grep -q ' 0 failed$' "$out.tally"; then echo '0 passed, 1 failed' >> "$out.tally"; fi
    verdict="$(cat "$out.tally") ($(cat "$out.seconds") s)  $1 $2"
    if grep -qv ' 0 failed$' "$out.tally"; then
        verdict="$verdict
$(cat "$out.out")
$2 ended with status $status"
    fi
    printf '%s\n' "$verdict"
}

# Those that took longest the last time first; those that nobody has timed, before them.
longest_first() {
    local kind file seconds
    while read -r kind file; do
        seconds=$(cat "$results/$(name_of "$kind" "$file").seconds" 2> /dev/null)
        echo "${seconds:-9999} $kind $file"
    done | sort -s -rn -k 1,1 | cut -d ' ' -f 2-
}

units() {
    if [ $# -gt 0 ]; then
        printf 'stock %s\n' "$@"
    else
        find spec -name '*_spec.lua' -printf 'stock %p\n' | sort
        printf 'host %s\n' spec/runtime/{mirrors,task}*_spec.lua
    fi
}

export -f run_unit name_of
export results
list=$(units "$@" | longest_first)
xargs -P "$jobs" -L 1 bash -c 'run_unit "$1" "$2"' _ <<< "$list"

tallies=()
while read -r kind file; do tallies+=("$results/$(name_of "$kind" "$file").tally"); done <<< "$list"
for report in "$reports".*; do
    [ -e "$report" ] || continue
    cat "$report"
    echo '0 passed, 1 failed' > "$results/sanitizers.tally"
    tallies+=("$results/sanitizers.tally")
done

awk '{ passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "${tallies[@]}"
