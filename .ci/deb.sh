#!/bin/sh
# deb.sh BUILD VERSION: makes the Debian package BUILD/kmirror_VERSION-1_ARCHITECTURE.deb of what `make install`
# installs. The libraries that it depends on are those that the executable is linked with; what it loads only when
# that is needed is named below.
set -eu
build=$1
version=$2-1
loaded='lua-dbi-sqlite3, lua-rex-pcre2'
maintainer=${DEB_MAINTAINER:-kmirror maintainers <maintainers@kmirror.invalid>}

architecture=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -q DEB_HOST_MULTIARCH)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
work=$(realpath "$build")/deb
root=$work/root
doc=$root/usr/share/doc/kmirror
umask 022

rm -rf "$work"
mkdir -p "$root/DEBIAN" "$work/debian" "$doc"
${MAKE:-make} --no-print-directory install BUILD="$build" DESTDIR="$root" PREFIX=/usr \
    LUA_CDIR="/usr/lib/$triplet/lua/5.4" ZSH_DIR=/usr/share/zsh/vendor-completions > "$work/install.log"
strip --strip-unneeded --remove-section=.comment "$root/usr/bin/kmirror" "$root/usr/lib/$triplet/lua/5.4/mirrors.so"

# Documentation, as Debian wants it: what is packed holds no time of its own.
{
    echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
    echo 'Upstream-Name: kmirror'
    echo
    echo 'Files: *'
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
    echo 'License: Expat'
    sed -n '/^Permission/,$s/^/ /p' LICENSE | sed 's/^ $/ ./'
} > "$doc/copyright"
{
    echo "kmirror ($version) unstable; urgency=medium"
    printf '\n  * Made from the sources; what is new is told in changelog.gz.\n\n'
    echo " -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} > "$doc/changelog.Debian"
cp CHANGELOG.md "$doc/changelog"
gzip -9n "$doc/changelog" "$doc/changelog.Debian" "$root"/usr/share/man/man?/*

# dpkg-shlibdeps looks for the control file of a source package.
printf 'Source: kmirror\n\nPackage: kmirror\nArchitecture: any\n' > "$work/debian/control"
linked=$(cd "$work" && dpkg-shlibdeps -O root/usr/bin/kmirror "root/usr/lib/$triplet/lua/5.4/mirrors.so" \
    2> shlibdeps.log | sed -n 's/^shlibs:Depends=//p')
[ "$linked" ] || { cat "$work/shlibdeps.log" >&2; exit 1; }

(cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
cat > "$root/DEBIAN/control" << END
Package: kmirror
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -k -s --apparent-size "$root/usr" | cut -f 1)
Depends: $linked, $loaded
Recommends: ca-certificates
Suggests: libpq5, lua5.4, lua-busted, bash-completion
Section: utils
Priority: optional
Description: runbooks that operate Kafka mirrors
 kmirror runs runbooks: Lua scripts that operate Kafka mirrors through the
 Instaclustr mirroring API, within the account's rate limit, resumable after a
 crash, with a sandbox to rehearse in.
 .
 It ships runbooks for failover and failback between regions, rollouts of new
 topics, migrations from a list, audits and more.
END
package=$build/kmirror_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" > /dev/null
echo "$package"
