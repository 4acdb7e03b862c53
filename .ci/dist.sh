#!/bin/sh
# dist.sh BUILD VERSION: makes BUILD/kmirror-VERSION-linux-ARCH.tar.gz of what `make install` installs and of every
# library that it needs but those of glibc, and a file beside it with its checksum. It runs where there is glibc, as new
# as that of the machine that it was made on, and CA certificates.
set -eu
build=$(realpath "$1")
name=kmirror-$2-linux-$(uname -m)
work=$build/dist
root=$work/$name
libraries=$root/lib/kmirror
doc=$root/share/doc/kmirror
# Loaded when they are needed: of stores, of regexes, of what Kafka says of records, and what runs specs.
modules='lua-dbi-common lua-dbi-sqlite3 lua-rex-pcre2 lua-busted lua-cliargs lua-dkjson lua-filesystem lua-luassert
    lua-mediator lua-penlight lua-say lua-system lua-term'
loaded='librdkafka.so.1 libpq.so.5'
umask 022

rm -rf "$work"
mkdir -p "$libraries/lua" "$doc/licenses"

# ---- Lua modules ----

for package in $modules; do
    dpkg -L "$package" | sed -n 's,.*/lua/5\.4/\(.*\.\(lua\|so\)\)$,& \1,p' | while read -r file place; do
        [ ! -d "$file" ] && install -D -m 644 "$file" "$libraries/lua/$place"
    done
    echo "$package"
done > "$work/packages"

# ---- libraries ----

# What is loaded later is where the linker finds it. What glibc has itself is left out.
for library in $loaded; do
    /sbin/ldconfig -p | sed -n "s/^[[:space:]]*\($library\) .* => /\1 /p" | head -n 1 | grep . ||
        { echo "make dist: there is no $library" >&2; exit 1; }
done > "$work/loaded"
# shellcheck disable=SC2046
find "$build/kmirror.dist" "$libraries/lua" $(sed 's/.* //' "$work/loaded") \( -name '*.so*' -o -name kmirror.dist \) \
    -exec ldd {} + > "$work/linked"
if grep 'not found' "$work/linked" >&2; then exit 1; fi
{
    cat "$work/loaded"
    sed -n 's/^[[:space:]]*\(.*\) => \(.*\) (0x.*/\1 \2/p' "$work/linked"
} | sort -u > "$work/needed"
glibc=$(dpkg -L libc6)
while read -r library file; do
    case $glibc in *"/$library"*) continue ;; esac
    install -m 644 "$file" "$libraries/$library"
    realpath "$file" | sed 'p; s,^/usr,,' # a package may know it by its name from before /usr was merged
done < "$work/needed" | xargs dpkg -S 2> /dev/null | sed 's/[:,].*//' >> "$work/packages"

# ---- kmirror ----

${MAKE:-make} --no-print-directory install BUILD="$build" DESTDIR="$work" PREFIX=/opt/kmirror > "$work/install.log"
cp -r "$work/opt/kmirror/." "$root"
rm -r "$root/lib/lua" # mirrors.so is for a Lua that the system has, with the system's libraries
strip --strip-unneeded --remove-section=.comment -o "$root/bin/kmirror" "$build/kmirror.dist"
cp CHANGELOG.md "$doc"
cp LICENSE "$root"

# ---- whose the rest is ----

sort -u -o "$work/packages" "$work/packages"
while read -r package; do
    cp "/usr/share/doc/$package/copyright" "$doc/licenses/$package"
done < "$work/packages"
grep -oh '/usr/share/common-licenses/[A-Za-z0-9.-]*[A-Za-z0-9]' "$doc"/licenses/* | sort -u | while read -r license; do
    [ ! -e "$license" ] || cp "$license" "$doc/licenses"
done

{
    cat << END
kmirror $2, for Linux on $(uname -m) with glibc $(ldd --version | sed -n '1s/.* //p') or newer, and CA certificates.

    ./bin/kmirror run --sandbox failover

It can be unpacked anywhere, and bin/kmirror be linked to from a folder of PATH; it needs lib/kmirror beside it. Hooks and
commands of a profile need sh with coreutils, as they do everywhere. share/doc/kmirror/README.md tells the rest. The pages
in share/man take it to be in /opt/kmirror. To check that all is as it was packed: sha256sum -c SHA256SUMS

lib/kmirror has, unchanged, files of these Debian packages. Their licenses are in share/doc/kmirror/licenses. The sources
are Debian's, of the version that is named; each of the libraries may be replaced by another build of it.

END
    # shellcheck disable=SC2016,SC2046
    dpkg-query -W -f '${binary:Package} ${Version}, source ${source:Package} ${source:Version}\n' \
        $(cat "$work/packages") | sed 's/:[a-z0-9]* / /'
} > "$root/README.txt"

# ---- the archive: of the same content the same bytes ----

: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2> /dev/null || stat -c %Y CHANGELOG.md)}"
(cd "$root" && find . -type f ! -name SHA256SUMS -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum > SHA256SUMS)
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=ustar -cf - \
    "$name" | gzip -n > "$build/$name.tar.gz"
(cd "$build" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$1/$name.tar.gz"
