# SPDX-License-Identifier: BSD-3-Clause
"""Hostile devices and a hostile controller at work together, for as long as HOMEPATCH_SOAK says (seconds; 15 here, minutes in
./check --long): the agent's memory is flat, and the honest controller is answered within LATENCY_S."""

import os
import random
import statistics
import threading
import time

from hptest import UNTRUSTED, Process, UdsTransport, rss_kib, scenario, usp
from hptest.process import PATIENCE
from home import NEEDS
from test_flood import FLOODER, GATEWAY, SANITIZED_KIB, Flooded, flooder

SECONDS = int(os.environ.get("HOMEPATCH_SOAK", "15"))
LATENCY_S = 1.0  # of a Get, for 99 in a hundred
GROWTH_KIB = 4096  # between the first third and the last


class HostileController:
    """Has a row and no permission. Asks for everything it can think of, much of it broken, and reads little of what comes back."""

    def __init__(self, home):
        self.random = random.Random(int(os.environ.get("HOMEPATCH_SEED", "1")))
        self.transport = UdsTransport(**home.agent.uds("self::evil", UNTRUSTED))
        self.agent_id = home.agent.endpoint_id
        self.sent = 0
        self.over = False

    def start(self):
        self.transport.connect()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.over = True
        self.thread.join(10)
        self.transport.close()

    def _record(self):
        rows = "Device.LocalAgent.Subscription."
        msg = self.random.choice(
            [
                usp.get("Device.", "Device." + "*." * 20, rows + "[ID==" + '"' * 50),
                usp.set_({"Device.ProxiedDevice.*.": {"Name": "x" * 1000}}),
                usp.add([(rows, {"ID": "x", "NotifType": "ValueChange", "ReferenceList": "Device."})] * 50),
                usp.operate("Device.Reboot()", {}, "x"),
                usp.get_supported_dm("Device.", commands=True, events=True, params=True),
                usp.delete("Device.ProxiedDevice.*."),
            ]
        )
        data = bytearray(usp.wrap(msg, self.agent_id, "self::evil").SerializeToString())
        for _ in range(self.random.choice([0, 0, 1, 20])):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(data[: self.random.choice([len(data), len(data), len(data) // 2])])

    def _run(self):
        while not self.over:
            try:
                self.transport.send(self._record())
                self.sent += 1
                while self.transport.inbox.qsize() > 100:
                    self.transport.inbox.get()
            except (OSError, AttributeError):
                if not self.over:
                    self.transport.close()
                    self.transport.connect()


def _more_flooders(flood, directory):
    """One is at work already."""
    home = flood.home
    for number, (mode, port) in enumerate((("mqtt-garbage", home.lan.port), ("slow", home.agent.lan_websocket_port)), 1):
        where = ["127.0.0.1", port, "127.0.0.1"] if mode.startswith("mqtt") else [GATEWAY, port, FLOODER[:-1] + str(number)]
        process = Process(f"flooder{number}", flooder(mode, *where), directory)
        home.cleanup.add(process).start().wait_output("flooding", 60)


@scenario(timeout=120 + 2 * SECONDS, needs=NEEDS)
def everybody_hostile_at_once(directory):
    flood = Flooded(directory, "garbage", before=lambda home: home.agent.uds("self::evil", UNTRUSTED))
    home = flood.home
    _more_flooders(flood, directory)
    flood.check()  # two honest devices are found and updated meanwhile
    evil = home.cleanup.add(HostileController(home).start())
    waits, memory = [], []
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        begin = time.monotonic()
        assert home.ctl.value("Device.LocalAgent.EndpointID", timeout=10) == home.agent.endpoint_id
        waits.append(time.monotonic() - begin)
        memory.append(rss_kib(home.agent.pid, "RssAnon"))
        time.sleep(0.05)  # the pace of the honest one
    assert evil.sent > 100, evil.sent
    slowest = statistics.quantiles(waits, n=100)[98]
    assert slowest < LATENCY_S * PATIENCE, f"one Get in a hundred took longer than {slowest:.2f} s"
    third = len(memory) // 3
    growth = max(memory[-third:]) - max(memory[:third])
    sanitized = rss_kib(home.agent.pid, "VmSize") > SANITIZED_KIB
    assert sanitized or growth < GROWTH_KIB, f"anonymous memory grew by {growth} KiB"
    assert not home.ctl.instances("Device.LocalAgent.Subscription.[ID==\"x\"].")
    flood.stop()
