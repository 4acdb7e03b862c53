#!/bin/sh
# make.sh [repl|progress|report]...: makes the README's pictures again, from real runs in the sandbox; all of them
# when none is named. Needs build/kmirror and the Debian packages lua5.4, tmux, chromium and pngquant. Takes about two
# minutes.
set -eu
cd "$(dirname "$0")/../.."
here=lib/pictures

for tool in build/kmirror lua5.4 tmux chromium pngquant; do
    command -v "$tool" > /dev/null || {
        echo "make.sh: $tool is missing: run make, and install lua5.4, tmux, chromium and pngquant" >&2
        exit 2
    }
done

work=$(mktemp -d)
terminal() { tmux -f /dev/null -S "$work/terminal" "$@"; }
trap 'terminal kill-server 2> /dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# open COLUMNS ROWS: a shell on a terminal of that size.
open() {
    columns=$1
    terminal new-session -d -x "$1" -y "$2" env -i HOME="$work" TMPDIR="$work" LC_ALL=C.UTF-8 TERM=screen-256color \
        PATH="$PWD/build:/usr/bin:/bin" PS1='$ ' sh
    shown '^\$'
}

# shown PATTERN: waits until a line of the screen is like that, for a minute.
shown() {
    tries=0
    until terminal capture-pane -p | grep -q -e "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "make.sh: waited in vain for: $1" >&2; terminal capture-pane -p >&2; exit 1; }
        sleep 0.1
    done
}

enter() {
    terminal send-keys -l "$1"
    terminal send-keys Enter
}

# picture NAME TITLE: what the terminal shows now. Written whole or not at all.
picture() {
    terminal capture-pane -e -p | lua5.4 $here/svg.lua "$columns" "$2" > "$work/$1.svg"
    mv "$work/$1.svg" "$here/$1.svg"
    terminal kill-server
}

repl() {
    open 90 30
    enter 'kmirror repl --sandbox --world small'
    shown '> *$'
    enter 'api:list()'
    shown '^(3 rows)'
    enter 'api:get(_[1].id)'
    shown '^  ([0-9]* rows*)'
    terminal send-keys -l 'api:update_target_latency(_.id, 10000)'
    shown '10000)$'
    picture repl 'kmirror repl: the mirrors of a cluster, and one of them in full'
}

progress() {
    open 90 20
    enter 'kmirror run --sandbox --rate 10 failover'
    shown '^wait until they are up .* 1[0-9] calls'
    picture progress 'kmirror run failover: the steps so far, and how far the last one has come'
}

report() {
    build/kmirror run --sandbox --faults flaky --report "$work/report.html" failover > "$work/run.log" 2>&1 ||
        { tail -n 20 "$work/run.log" >&2; exit 1; }
    chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --hide-scrollbars --user-data-dir="$work/chromium" --force-device-scale-factor=0.75 \
        --window-size=1100,1080 --screenshot="$work/report.png" "file://$work/report.html" > "$work/chromium.log" 2>&1
    [ -s "$work/report.png" ] || { cat "$work/chromium.log" >&2; exit 1; }
    pngquant 64 --nofs --output "$work/small.png" "$work/report.png"
    mv "$work/small.png" $here/report.png
}

[ $# -gt 0 ] || set -- repl progress report
for name; do
    case $name in
        repl | progress | report) "$name" ;;
        *) echo "make.sh: there is no picture '$name': repl, progress, report" >&2; exit 2 ;;
    esac
done
