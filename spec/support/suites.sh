#!/bin/bash
# suites.sh [SPEC...]: runs the specs with stock Lua, then those of the native modules inside the host as
# well, and ends with one line: N passed, N failed. `make test` calls it. With SPECs, only those, and only
# with stock Lua.
set -u
export KMIRROR_BUILD=${KMIRROR_BUILD:-build}
export KMIRROR_TALLY=$KMIRROR_BUILD/tally
: > "$KMIRROR_TALLY"

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

# suite NAME COMMAND...: each writes its line into the tally; one that fails without saying so there counts as
# well.
suite() {
    local name=$1 before status counted
    shift
    echo "== $name"
    before=$(wc -l < "$KMIRROR_TALLY")
    "$@"
    status=$?
    counted=$(tail -n "+$((before + 1))" "$KMIRROR_TALLY")
    if [ -z "$counted" ] || { [ $status -ne 0 ] && [[ $counted == *' 0 failed' ]]; }; then
        echo "$name: ended with status $status"
        echo '0 passed, 1 failed' >> "$KMIRROR_TALLY"
    fi
}

suite 'with stock Lua' lua5.4 /usr/bin/busted "$@"
[ $# -gt 0 ] || suite 'inside the host' \
    "$KMIRROR_BUILD/kmirror" --log-level error run spec/support/busted_in_host.lua spec/runtime/{mirrors,task}*_spec.lua

for report in "$reports".*; do
    [ -e "$report" ] || continue
    cat "$report"
    echo '0 passed, 1 failed' >> "$KMIRROR_TALLY"
done

awk '{ passed += $1; failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$KMIRROR_TALLY"
