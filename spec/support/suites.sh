#!/bin/bash
# suites.sh [SPEC...]: runs the spec files side by side, with stock Lua, and those of the native modules inside the host
# as well; ends with one line: N passed, N failed. `make test` calls it. With SPECs, only those, and only with stock
# Lua, or inside the host when HOST=1. SAN=1 is for a build with the sanitizers; MEMCHECK=1 runs all under valgrind.
# KMIRROR_TEST_JOBS says how many at a time: specs mostly wait, so it is more than there are processors.
#
# Each file is a process of its own, with a home of its own. What it says is shown when it has ended, unless all went
# well. The files that took longest the last time begin first.
set -u
export KMIRROR_BUILD=${KMIRROR_BUILD:-build}
results=$KMIRROR_BUILD/specs # of each unit NAME: NAME.out, NAME.tally, NAME.seconds
seconds=${KMIRROR_TEST_SECONDS:-600} # no file takes longer
mkdir -p "$results"

# Nothing of the developer's own settings; HOME is given to each unit.
unset XDG_CONFIG_HOME XDG_STATE_HOME
if [ $# -eq 0 ]; then unset KMIRROR_API; fi # which only some specs can speak either version by

# What the address sanitizer or valgrind finds goes to files, as nobody may be looking at the process that found it.
reports=$(realpath "$KMIRROR_BUILD")/report
rm -f "$reports".*

# Stock Lua needs the sanitizers before it loads the module; it does not look for leaks: Lua itself was not made for
# that.
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

# Under valgrind specs do not wait, they compute.
jobs=$((2 * $(nproc)))
under=
if [ "${MEMCHECK:-}" ]; then
    jobs=$(nproc)
    export KMIRROR_MALLOC=1 # each object from malloc(), which valgrind watches
    under="valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect --error-exitcode=99
        --errors-for-leak-kinds=definite,indirect --log-file=$reports.%p"
fi
jobs=${KMIRROR_TEST_JOBS:-$jobs}

# A unit is a spec file and what runs it: "stock FILE" or "host FILE".
name_of() {
    local name=$1-${2#spec/}
    echo "${name//\//-}"
}

command_of() {
    case $1 in
    stock) echo "$under lua5.4 /usr/bin/busted" ;;
    host) echo "$under $KMIRROR_BUILD/kmirror --log-level error run spec/support/busted_in_host.lua" ;;
    esac
}

# in_its_own_room COMMAND...: with a home and a folder for temporary files that go in the end, and in a process group
# of its own, so that nothing stays behind when this shell ends, for whatever reason.
in_its_own_room() {
    home=$(mktemp -d -t kmirror-spec.XXXXXX)
    group=
    trap '[ -z "$group" ] || kill -KILL -- "-$group" 2> /dev/null; rm -rf "$home"' EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$home/tmp"
    set -m
    HOME=$home TMPDIR=$home/tmp timeout --foreground -k 5 "$seconds" "$@" < /dev/null &
    group=$!
    set +m
    wait "$group"
}

# run_unit KIND FILE: runs it, and shows what it said when something failed.
run_unit() {
    local out begin=$SECONDS status verdict
    out=$results/$(name_of "$1" "$2")
    rm -f "$out".tally
    # shellcheck disable=SC2046 # words
    KMIRROR_TALLY=$out.tally in_its_own_room $(command_of "$1") "$2" > "$out.out" 2>&1
    status=$?
    echo $((SECONDS - begin)) > "$out.seconds"
    [ -s "$out.tally" ] || echo '0 passed, 1 failed' > "$out.tally"
    if grep -qx '0 passed, 0 failed' "$out.tally"; then echo '0 passed, 1 failed' > "$out.tally"; fi # no spec at all
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
    local kind file took
    while read -r kind file; do
        took=$(cat "$results/$(name_of "$kind" "$file").seconds" 2> /dev/null)
        echo "${took:-9999} $kind $file"
    done | sort -s -rn -k 1,1 | cut -d ' ' -f 2-
}

# Reads files; `task` is only in the host.
as_units() {
    local file
    while read -r file; do
        case $file in
        spec/runtime/task*) echo "host $file" ;;
        *) echo "$1 $file" ;;
        esac
    done
}

units() {
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@" | as_units "$([ "${HOST:-}" ] && echo host || echo stock)"
    else
        find spec -path spec/kafka -prune -o -path spec/postgres -prune -o -name '*_spec.lua' -printf '%s %p\n' | sort -rn | cut -d ' ' -f 2 | as_units stock
        printf '%s\n' spec/runtime/mirrors*_spec.lua | as_units host
    fi
}

export -f run_unit name_of command_of in_its_own_room
export results seconds under
list=$(units "$@" | longest_first)

# A unit ends with xargs, and xargs with this script, however that ends.
setpriv --pdeathsig TERM xargs -P "$jobs" -L 1 setpriv --pdeathsig TERM bash -c 'run_unit "$1" "$2"' _ <<< "$list"

tallies=()
while read -r kind file; do tallies+=("$results/$(name_of "$kind" "$file").tally"); done <<< "$list"
for report in "$reports".*; do
    [ -s "$report" ] || continue
    cat "$report"
    echo '0 passed, 1 failed' > "$results/reports.tally"
    tallies+=("$results/reports.tally")
done

awk '{ passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "${tallies[@]}"
