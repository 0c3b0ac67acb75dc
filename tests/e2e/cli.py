# SPDX-License-Identifier: BSD-3-Clause
"""The program homepatch as a test runs it: its output, its exit code, and its JSON."""

import json
import os
import signal
import subprocess

from hptest import program, wait_until
from hptest.process import PATIENCE

ENDPOINT = "self::homepatch"
DONE, REFUSED, USAGE, UNREACHABLE, TIMEOUT, UPDATE_FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Cli:
    def __init__(self, socket, **env):
        self.socket = str(socket)
        self.env = {**os.environ, "HOMEPATCH_SOCKET": self.socket, "NO_COLOR": "1", **env}

    def start(self, *args):
        """Runs it beside the test."""
        return subprocess.Popen(
            [program("homepatch"), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )

    def run(self, *args, code=DONE, stdin="", timeout=40):
        """Its standard output; the exit code must be `code`. What it wrote to standard error is kept in `errors`."""
        done = subprocess.run(
            [program("homepatch"), *map(str, args)],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=timeout * PATIENCE,
        )
        self.errors = done.stderr
        assert done.returncode == code, f"{args}: exit {done.returncode}, not {code}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *args, **kwargs):
        return json.loads(self.run("--json", *args, **kwargs))

    def doctor(self, config, *args):
        """All findings; the exit code says whether one of them failed."""
        done = subprocess.run(
            [program("homepatch"), "--json", "doctor", "--config", str(config), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=60 * PATIENCE,
        )
        assert done.returncode in (DONE, REFUSED), f"exit {done.returncode}:\n{done.stdout}{done.stderr}"
        answer = json.loads(done.stdout)
        failed = [c for c in answer["checks"] if c["level"] == "fail"]
        assert len(failed) == answer["failed"], answer
        assert (done.returncode == REFUSED) == bool(failed), answer
        return answer["checks"]


def interrupt(process):
    """Ctrl-C; (output, errors, exit code)."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10 * PATIENCE)
    return out, err, process.returncode


def subscriptions(controller):
    """IDs of the tool's own subscriptions at the agent."""
    values = controller.get("Device.LocalAgent.Subscription.")
    return [v for p, v in values.items() if p.endswith(".ID") and v.startswith("homepatch-")]


def wait_no_subscriptions(controller):
    wait_until(lambda: not subscriptions(controller), 10, "the tool's subscriptions are gone")
