#!/bin/bash
# suites.sh: runs the specs with stock Lua, then those of the native modules inside the host, and ends with one line:
# N passed, N failed. `make test` calls it; SPECS narrows what is run.
set -u
export KMIRROR_BUILD=${KMIRROR_BUILD:-build}
export KMIRROR_TALLY=$KMIRROR_BUILD/tally
: > "$KMIRROR_TALLY"

# In a sanitizer build, stock Lua needs their libraries before it loads the module; leaks are then looked for only in
# the executable, as Lua itself and its other modules were not built for that.
sanitized=()
if [ "${SAN:-}" ]; then
    export UBSAN_OPTIONS=print_stacktrace=1
    export KMIRROR_ASAN_OPTIONS=detect_leaks=1 KMIRROR_UBSAN_OPTIONS=$UBSAN_OPTIONS
    sanitized=(env ASAN_OPTIONS=detect_leaks=0
        LD_PRELOAD="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)")
fi

# suite NAME COMMAND...: a suite that ends without its line in the tally has failed as a whole.
suite() {
    local name=$1 lines
    shift
    echo "== $name"
    lines=$(wc -l < "$KMIRROR_TALLY")
    "$@"
    local status=$?
    if [ "$(wc -l < "$KMIRROR_TALLY")" -eq "$lines" ] ||
        { [ $status -ne 0 ] && ! tail -n 1 "$KMIRROR_TALLY" | grep -qv ' 0 failed'; }; then
        echo "$name ended with status $status" >&2
        echo '0 passed, 1 failed' >> "$KMIRROR_TALLY"
    fi
}

suite 'specs, with stock Lua' "${sanitized[@]}" lua5.4 /usr/bin/busted ${SPECS:-}
[ "${SPECS:-}" ] ||
    suite 'specs of the native modules, inside the host' \
        "$KMIRROR_BUILD/kmirror" run spec/support/busted_in_host.lua --tags=native

awk '{ passed += $1; failed += $3 } END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' \
    "$KMIRROR_TALLY"
