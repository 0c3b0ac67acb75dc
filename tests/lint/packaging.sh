#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The packages carry the version of configure.ac and the checksum of LICENSE, and the unit is one that systemd takes and finds
# well contained.
. "$(dirname "$0")/lib.sh"

bad=0
version=$(sed -n 's/^AC_INIT(\[homepatch\], \[\(.*\)\])$/\1/p' configure.ac)
recipe=packaging/yocto/homepatch_$version.bb
[ -f "$recipe" ] || { echo "configure.ac:4: version $version, but there is no $recipe"; exit 1; }
grep -q "^PKG_VERSION:=$version\$" packaging/openwrt/Makefile ||
    { echo "packaging/openwrt/Makefile:1: PKG_VERSION is not $version"; bad=1; }
head -n 1 packaging/debian/changelog | grep -qF "($version)" ||
    { echo "packaging/debian/changelog:1: the version is not $version"; bad=1; }
grep -q "md5=$(md5sum < LICENSE | cut -d' ' -f1)" "$recipe" || { echo "$recipe:1: the checksum is not that of LICENSE"; bad=1; }
if command -v systemd-analyze > /dev/null; then
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    sed -e 's|@sbindir@/homepatchd|/bin/true|; s|@sysconfdir@|/etc|' packaging/systemd/homepatchd.service.in > "$dir/homepatchd.service"
    systemd-analyze verify --man=no "$dir/homepatchd.service" 2>&1 | grep homepatchd.service |
        sed 's|^[^:]*|packaging/systemd/homepatchd.service.in|' && bad=1
    # In tenths: docs/security.md says what it is.
    systemd-analyze security --offline=true --no-pager --threshold=13 "$dir/homepatchd.service" > "$dir/rating" 2>&1 ||
        { echo "packaging/systemd/homepatchd.service.in:1: $(tail -n 1 "$dir/rating")"; bad=1; }
fi
exit $bad
