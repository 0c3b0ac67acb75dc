# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 4, all message transfer protocols."""

from harness.lanes import Lane
from harness.registry import case
from harness.steps import encrypted
from hptest import usp


def _secure(lane: Lane):
    lane.secure()


@case("4.1", "TLS with X.509 certificates", metrics=1, transports=("mqtt", "mqtt311", "websocket", "websocket-server"),
      fresh=True, setup=_secure, erratum="the UNIX domain socket has no TLS")
def tls(t):
    t.response(1, t.ctl.request(usp.get_supported_protocol("1.3,1.4")), "get_supported_protocol_resp")
    encrypted(t, 1)
