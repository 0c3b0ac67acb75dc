# SPDX-License-Identifier: BSD-3-Clause
"""The agent under load, what it costs, and medians over several runs."""

import json
import os
import pathlib
import statistics
import subprocess

from hptest import Agent, Broker, Cleanup, Controller, SimHome, UdsTransport, build_dir, usp
from wire import TAG, Mqtt, Uds, WebSocket


def cpu_seconds(pid):
    """CPU of all threads of a process so far, to the nanosecond."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory(pid):
    """(whole, anonymous) resident memory in bytes."""
    fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))


def median(values):
    return statistics.median(values)


class Rig:
    """An agent with every transport on and one controller on each; `ctl` is a convenient one for preparations. `home`: the
    simulated home's options beside the ports; `conf`: the agent's."""

    def __init__(self, directory, devices=0, home=(), **conf):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.cleanup = Cleanup()
        self.broker = self.cleanup.add(Broker(self.dir).start())
        self.agent = Agent(self.dir, log_level="info")
        self.agent.lan(self.broker.port)
        self.agent.conf.update(conf)
        self.where = {
            "uds": self.agent.uds("self::load-uds"),
            "websocket": self.agent.ws_server("self::load-ws"),
            "mqtt": self.agent.mqtt(self.broker.port, "self::load-mqtt", topic="usp/load", agent_topic="usp/agent"),
        }
        self.agent.uds("self::prepare")
        self.cleanup.add(self.agent.start(timeout=60))
        self.ctl = self.cleanup.add(Controller(UdsTransport(self.where["uds"]["path"], "self::prepare"), "self::prepare"))
        self.ctl.connect()
        self.sim = None
        if devices or home:
            self.sim = SimHome(
                self.dir,
                *(home or ("--devices", devices)),
                mqtt_port=self.broker.port,
                websocket_port=self.agent.lan_websocket_port,
            )

    def stop(self):
        self.cleanup.run()

    def open(self, transport):
        """(a fresh raw connection, the endpoint id it speaks for)."""
        where = self.where[transport]
        if transport == "uds":
            return Uds(where["path"], "self::load-uds"), "self::load-uds"
        if transport == "websocket":
            return WebSocket(where["port"], where["path"], "self::load-ws"), "self::load-ws"
        return Mqtt(self.broker.port, "usp/load", "usp/agent"), "self::load-mqtt"

    def load(self, transport, msg, count, window, runs=5):
        """Medians of rate (1/s), latency (us), CPU of the agent per message (us) and bytes per answer."""
        results = []
        for _ in range(runs):
            connection, endpoint_id = self.open(transport)
            msg.header.msg_id = TAG
            record = usp.wrap(msg, self.agent.endpoint_id, endpoint_id).SerializeToString()
            request = self.dir / "request"
            request.write_bytes(connection.frame(record))
            before = cpu_seconds(self.agent.pid)
            result = generate(connection, request, count, window)
            result["cpu_us"] = (cpu_seconds(self.agent.pid) - before) / count * 1e6
            result["rate"] = count / result["seconds"]
            results.append(result)
            connection.sock.close()
        return {key: median([r[key] for r in results]) for key in results[0]}

    def check(self, msg):
        """The request is answered by a response, not an Error: a fast refusal is no figure."""
        answer = self.ctl.request(msg, timeout=60)
        assert answer.body.WhichOneof("msg_body") == "response", str(answer.body.error)
        return answer


def generate(connection, request, count, window):
    fd = connection.sock.fileno()
    os.set_inheritable(fd, True)
    done = subprocess.run(
        [build_dir() / "tests/bench/bench_load", str(fd), connection.framing, request, str(count), str(window)],
        pass_fds=[fd],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)
