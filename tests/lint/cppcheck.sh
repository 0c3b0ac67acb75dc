#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A finding that is wrong is silenced in place: // cppcheck-suppress <id>, and why.
. "$(dirname "$0")/lib.sh"

need cppcheck
cache=${TMPDIR:-/tmp}/homepatch-cppcheck-$(id -u)
[ -d "$build" ] && cache=$build/cppcheck
mkdir -p "$cache"
files c | grep -v '^tests/' > "$cache/files"
[ -s "$cache/files" ] || exit 0
cppcheck --quiet -j 2 --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
    --suppressions-list=tests/lint/cppcheck.txt --cppcheck-build-dir="$cache" --error-exitcode=1 \
    -I . -D_GNU_SOURCE -D__linux__ '-DVENDOR_PREFIX="X_"' \
    --template='{file}:{line}: {message} [{id}]' --template-location='' --file-list="$cache/files" 2>&1
