# SPDX-License-Identifier: BSD-3-Clause
"""Device.IP.Diagnostics.TraceRoute() over real routers: network namespaces in a row, agent - near - far."""

import os
import shutil
import subprocess

from hptest import Agent, Cleanup, Controller, Skip, UdsTransport, scenario, wait_until
from hptest.probe_sink import Sink

AGENT = ("homepatchd",)
COMMAND = "Device.IP.Diagnostics.TraceRoute()"
NEAR, FAR = ("10.231.1.1", "10.231.1.2"), ("10.231.2.1", "10.231.2.2")
SILENT, REFUSED = "10.231.3.9", "10.231.4.9"


class Route:
    """Three namespaces of this process, by its pid: the agent's, a router, a host."""

    def __init__(self):
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise Skip("network namespaces need root and iproute2")
        self.names = [f"hp{os.getpid()}{n}" for n in "abc"]
        try:
            self._make(*self.names)
        except subprocess.CalledProcessError as error:
            self.stop()
            raise Skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}") from None

    @staticmethod
    def _ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True)

    def _make(self, agent, router, host):
        for name in self.names:
            self._ip("netns", "add", name)
            self._ip("-n", name, "link", "set", "lo", "up")
        for left, right, (here, there), n in ((agent, router, NEAR, 1), (router, host, FAR, 2)):
            self._ip("-n", left, "link", "add", f"to{n}", "type", "veth", "peer", "name", f"from{n}", "netns", right)
            self._ip("-n", left, "addr", "add", f"{here}/24", "dev", f"to{n}")
            self._ip("-n", right, "addr", "add", f"{there}/24", "dev", f"from{n}")
            self._ip("-n", left, "link", "set", f"to{n}", "up")
            self._ip("-n", right, "link", "set", f"from{n}", "up")
        self._ip("netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for name in (router, host):         # else only some of the probes are answered
            self._ip("netns", "exec", name, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit")
        self._ip("-n", agent, "route", "add", "default", "via", NEAR[1])
        self._ip("-n", host, "route", "add", "default", "via", FAR[0])
        self._ip("-n", router, "route", "add", "blackhole", "10.231.3.0/24")
        self._ip("-n", router, "route", "add", "unreachable", "10.231.4.0/24")

    def stop(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def trace(ctl, host, **more):
    """The output arguments of one run."""
    ctl.forget()
    args = {"Host": host, "ProtocolVersion": "Any", "Timeout": "500", **more}
    (kind, _), = ctl.operate(COMMAND, args).values()
    assert kind == "request"
    notify = ctl.wait_notify(lambda n: n.WhichOneof("notification") == "oper_complete", 30)
    return dict(notify.oper_complete.req_output_args.output_args)


@scenario(needs=AGENT)
def routes(directory):
    cleanup = Cleanup()
    try:
        route = cleanup.add(Route())
        os.environ["HOMEPATCH_WRAP"] = f"ip netns exec {route.names[0]}"
        agent = Agent(directory)
        where = agent.uds()
        cleanup.add(agent.start())
        ctl = cleanup.add(Controller(UdsTransport(**where)).connect())
        ctl.subscribe("done", "OperationComplete", COMMAND)

        out = trace(ctl, FAR[1])
        assert out["Status"] == "Complete" and out["IPAddressUsed"] == NEAR[0], out
        assert [out[f"RouteHops.{n}.Host"] for n in (1, 2)] == [NEAR[1], FAR[1]], out
        assert [out[f"RouteHops.{n}.ErrorCode"] for n in (1, 2)] == ["0", "3"], out
        for n in (1, 2):
            times = out[f"RouteHops.{n}.RTTimes"].split(",")
            assert len(times) == 3 and all(int(ms) > 0 for ms in times), out
        assert int(out["ResponseTime"]) > 0 and "RouteHops.3.Host" not in out

        out = trace(ctl, FAR[1], MaxHopCount="1", NumberOfTries="1")
        assert out["Status"] == "Error_MaxHopCountExceeded" and out["RouteHops.1.Host"] == NEAR[1], out
        assert out["ResponseTime"] == "0" and out["RouteHops.1.RTTimes"].count(",") == 0

        out = trace(ctl, SILENT, MaxHopCount="2", NumberOfTries="2", Timeout="200")
        assert out["Status"] == "Error_MaxHopCountExceeded" and out["RouteHops.2.Host"] == "", out
        assert out["RouteHops.2.RTTimes"] == "0,0", out

        out = trace(ctl, REFUSED)
        assert out["Status"] == "Error_NoRouteToHost" and out["RouteHops.1.ErrorCode"] == "1", out

        out = trace(ctl, "no-such-host.invalid")
        assert out["Status"] == "Error_CannotResolveHostName" and "RouteHops.1.Host" not in out, out
    finally:
        cleanup.run()


@scenario(needs=AGENT)
def cancelled_and_many(directory):
    """One that runs can be cancelled; no more than four run at a time; those that run do not keep the agent from ending."""
    cleanup = Cleanup()
    try:
        host = Sink()
        agent = Agent(directory)
        where = agent.uds()
        cleanup.add(agent.start())
        ctl = cleanup.add(Controller(UdsTransport(**where)).connect())
        ctl.subscribe("done", "OperationComplete", COMMAND)
        args = {"Host": host.address, "ProtocolVersion": "IPv4"}
        requests = [value for _ in range(4) for _, value in ctl.operate(COMMAND, args).values()]
        (kind, value), = ctl.operate(COMMAND, args).values()
        failed = kind == "failure" or ctl.wait_notify(lambda n: n.oper_complete.HasField("cmd_failure"))
        assert failed, (kind, value)
        ctl.forget()
        ctl.operate(requests[0].rstrip(".") + ".Cancel()")
        notify = ctl.wait_notify(lambda n: n.oper_complete.HasField("cmd_failure"))
        assert notify.oper_complete.cmd_failure.err_code == 7023, notify
        wait_until(lambda: len(ctl.instances("Device.LocalAgent.Request.")) == 3, 10, "its request is gone")
        (kind, value), = ctl.operate(COMMAND, args).values()
        assert kind == "request", value
    finally:
        cleanup.run()
