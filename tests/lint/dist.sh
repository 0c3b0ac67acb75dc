#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `make dist` carries every file that git knows.
. "$(dirname "$0")/lib.sh"

[ -e .git ] && [ -f "$build/Makefile" ] || { echo "needs a git checkout and a build"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make -s -C "$build" distdir distdir="$dir/homepatch" > "$dir/log" 2>&1 || { tail -5 "$dir/log"; exit 1; }
missing=$(comm -23 <(git ls-files | sort) <(cd "$dir/homepatch" && find . -type f | sed 's|^\./||' | sort) | grep -vE '(^|/)\.gitignore$' || true)
[ -z "$missing" ] || { sed 's|$|:1: is not in the tarball; name it in SOURCES or EXTRA_DIST|' <<< "$missing"; exit 1; }
