#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each requirement that binds the agent is named where it is enforced, or has its reason; docs/conformance.md shows both.
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 -B tests/reference/requirements.py
