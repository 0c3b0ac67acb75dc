# SPDX-License-Identifier: BSD-3-Clause
"""Processes, ports and waiting. Every wait is for a condition and has a deadline; nothing here sleeps a fixed time."""

import ctypes
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

# Slow machines (sanitizers, valgrind, a busy CI) stretch every deadline by this factor.
PATIENCE = float(os.environ.get("HOMEPATCH_PATIENCE", "1"))


class TestTimeout(AssertionError):
    """A condition did not come true in time. An AssertionError: for a test that is a failure, not a crash."""


def deadline(seconds):
    return time.monotonic() + seconds * PATIENCE


def wait_until(condition, timeout=10, what="condition", interval=0.02):
    """Polls condition() until it is true and returns its value; raises TestTimeout with `what` otherwise."""
    end = deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TestTimeout(f"{what}: not within {timeout} s")
        select.select([], [], [], interval)


def free_port():
    """A loopback TCP port that was free; the kernel does not hand the same one out again soon."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _port_open(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def wait_port(port, timeout=10):
    wait_until(lambda: _port_open(port), timeout, f"port {port} accepts connections")


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child process with its output in a file. Stopped by its own pid only; dies with the test."""

    def __init__(self, name, argv, workdir, env=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(workdir) / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self._child = None
        self._mark = 0

    @property
    def pid(self):
        return self._child.pid

    def start(self):
        assert not self.running(), f"{self.name} already runs"
        self._mark = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.env,
                preexec_fn=_die_with_parent,
            )
        return self

    def running(self):
        return self._child is not None and self._child.poll() is None

    def output(self, since_start=True):
        """What it has written: since its last start, or ever."""
        with open(self.log, "rb") as f:
            f.seek(self._mark if since_start else 0)
            return f.read().decode("utf-8", "replace")

    def wait_output(self, text, timeout=10):
        def seen():
            if text in self.output():
                return True
            if not self.running() and text not in self.output():
                raise AssertionError(
                    f"{self.name} ended with {self._child.returncode} before it wrote {text!r}:\n"
                    + self.output()[-2000:]
                )
            return False

        wait_until(seen, timeout, f"{self.name} writes {text!r}")

    def signal(self, number):
        self._child.send_signal(number)

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL when it does not follow. Returns its exit status."""
        if self._child is None:
            return None
        if self.running():
            self._child.terminate()
            try:
                self._child.wait(timeout * PATIENCE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
                raise TestTimeout(f"{self.name} ignored SIGTERM for {timeout} s") from None
        return self._child.returncode

    def kill(self):
        """kill -9: what a power cut looks like to a program."""
        if self.running():
            self._child.kill()
        if self._child is not None:
            self._child.wait()

    def wait_exit(self, timeout=10):
        try:
            return self._child.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise TestTimeout(f"{self.name} still runs after {timeout} s") from None


def build_dir():
    """Where the programs under test were built: HOMEPATCH_BUILD, else the source tree."""
    from .usp import TOP

    return pathlib.Path(os.environ.get("HOMEPATCH_BUILD") or TOP)


def program(name):
    """Path of one of our programs, or None when it is not built."""
    for candidate in (build_dir() / name, build_dir() / "bin" / name):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None


def rss_kib(pid, field="VmRSS"):
    """One memory figure of /proc/PID/status in KiB (VmRSS, RssAnon, ...)."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid):
    """User plus system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
