# SPDX-License-Identifier: BSD-3-Clause
"""The machinery under the TP-469 cases: scripted controller, scriptable peers of every transport, results."""
