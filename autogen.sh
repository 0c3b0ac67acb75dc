#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes ./configure in a git checkout.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --warnings=all "$@"
