#!/bin/sh
# packages.sh TARGET PACKAGE...: installs the Debian packages that are missing. When all are there it does nothing,
# and needs neither root nor a network. TARGET is the make target to name in messages.
set -eu
export DEBIAN_FRONTEND=noninteractive
target=$1
shift

missing=
for package; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) || status=none
    [ "$status" = installed ] || missing="$missing $package"
done
[ "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2> /dev/null && ! { [ -t 0 ] && command -v sudo > /dev/null; }; then
        echo "make $target: these packages are missing; as root, run:" >&2
        echo "apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root="sudo env DEBIAN_FRONTEND=$DEBIAN_FRONTEND"
fi

install() {
    # shellcheck disable=SC2086
    $as_root apt-get install -y -qq --no-install-recommends $missing < /dev/null > /dev/null
}

# The package lists may be absent or old: they are fetched only when it does not work without.
echo "make $target: installing$missing" >&2
install 2> /dev/null || { $as_root apt-get update -qq && install; }
