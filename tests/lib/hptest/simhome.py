# SPDX-License-Identifier: BSD-3-Clause
"""homepatch-simhome under a test's control, through its control socket."""

import json
import pathlib
import socket

from .process import Process, program, wait_until


class SimHome(Process):
    def __init__(self, workdir, *args, mqtt_port=None, websocket_port=None, name="simhome", reboot_ms=150):
        self.control = pathlib.Path(workdir) / f"{name}.sock"
        argv = [
            program("homepatch-simhome") or "homepatch-simhome",
            "--control",
            self.control,
            "--print-ready",
            "--reboot-time",
            reboot_ms,
        ]
        if mqtt_port:
            argv += ["--mqtt", f"127.0.0.1:{mqtt_port}"]
        if websocket_port:
            argv += ["--websocket", f"ws://127.0.0.1:{websocket_port}/shelly"]
        super().__init__(name, argv + [str(a) for a in args], workdir)

    def start(self):
        super().start()
        self.wait_output("ready")
        return self

    def command(self, *words):
        """One control command; the decoded JSON answer. A refused command raises."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(str(self.control))
            s.sendall(" ".join(str(w) for w in words).encode() + b"\n")
            with s.makefile("rb") as lines:
                answer = json.loads(lines.readline())
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"simhome: {words}: {answer['error']}")
        return answer

    def devices(self):
        return self.command("list")

    def device(self, which):
        return self.command("show", which)

    def fault(self, which, name):
        return self.command("fault", which, name)

    def wait_device(self, which, predicate, timeout=10, what="device state"):
        def look():
            device = self.device(which)
            return device if predicate(device) else None

        return wait_until(look, timeout, f"simulated device {which}: {what}")

    def wait_online(self, count=None, timeout=20):
        def look():
            devices = self.devices()
            online = sum(d["online"] for d in devices)
            return online >= (len(devices) if count is None else count)

        wait_until(look, timeout, "simulated devices online")
