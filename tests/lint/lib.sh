# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Sourced by the lint scripts: goes to the top of the tree and names its files. A lint prints file:line: message and ends
# with 0 (clean), 1 (not) or 77 (its tool is not here).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export LC_ALL=C
# shellcheck disable=SC2034
build=${HOMEPATCH_BUILD:-$PWD/build/plain}

# The files with these endings, in a git checkout or an unpacked tarball, without what a build leaves behind.
files() {
    local ext args=()
    for ext in "$@"; do args+=(-o -name "*.$ext"); done
    find . \( -name 'build*' -o -name .git -o -name autom4te.cache -o -name __pycache__ \) -prune -o \
        -type f \( "${args[@]:1}" \) -print | sed 's|^\./||' | sort
}

need() {
    command -v "$1" > /dev/null || { echo "$1 is not installed"; exit 77; }
}
