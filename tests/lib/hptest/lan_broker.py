# SPDX-License-Identifier: BSD-3-Clause
"""The home's broker as `homepatch lan-broker` makes it: a real mosquitto with accounts and an access list."""

import json
import pathlib
import subprocess

from .process import Process, free_port, program, wait_port


class LanBroker(Process):
    """add() accounts before or after start(); the generated files are used as they are but for the user that a test runs
    mosquitto as."""

    def __init__(self, workdir, name="lan", **settings):
        self.dir = pathlib.Path(workdir) / f"{name}-broker"
        self.port = free_port()
        self.passwords = {}
        conf = pathlib.Path(workdir) / f"{name}.conf"
        super().__init__(name, ["/usr/sbin/mosquitto", "-c", conf], workdir)
        settings = {
            "local_listen": f"127.0.0.1:{self.port}",
            "persistence_location": f"{self.dir}/",
            **settings,
        }
        answer = self.command("init", *(f"{key}={value}" for key, value in settings.items()))
        self.passwords["homepatch"] = answer["password"]
        conf.write_text(f"include_dir {self.dir}/include\nuser root\nlog_type notice\nlog_type error\n")
        (self.dir / "include").mkdir()
        (self.dir / "include" / "generated.conf").symlink_to(self.dir / "mosquitto.conf")

    def command(self, *words, code=0):
        """The JSON answer of homepatch lan-broker."""
        argv = [program("homepatch"), "--json", "lan-broker", "--dir", self.dir, "--config", "/dev/null", *words]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=30)
        assert done.returncode == code, f"{words}: exit {done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout else {}

    def add(self, name, kind, **words):
        """An account; its password."""
        answer = self.command("add", name, kind, *(f"{key}={value}" for key, value in words.items()))
        self.passwords[name] = answer.get("password")
        return self.passwords[name]

    def start(self):
        super().start()
        wait_port(self.port)
        return self
