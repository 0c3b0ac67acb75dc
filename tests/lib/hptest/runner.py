# SPDX-License-Identifier: BSD-3-Clause
"""Runs scenarios: each in its own process with its own directory, a few side by side, and one closing line."""

import argparse
import ctypes
import fnmatch
import os
import pathlib
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

from .process import PATIENCE

_scenarios = []


class Skip(Exception):
    """Raised by a scenario that cannot run here; the text says what is missing."""


class Scenario:
    def __init__(self, function, name, timeout, needs):
        self.function, self.name, self.timeout, self.needs = function, name, timeout, needs


def scenario(timeout=60, name=None, needs=()):
    """Registers a test function. It is called with a Path: its own empty directory. `needs` are programs of ours."""

    def register(function):
        module = function.__module__.rsplit(".", 1)[-1].removeprefix("test_")
        _scenarios.append(Scenario(function, name or f"{module}.{function.__name__}", timeout, needs))
        return function

    return register


class Cleanup:
    """Stops whatever a scenario started, last first, also when it fails."""

    def __init__(self):
        self._steps = []

    def add(self, thing):
        """thing: anything with stop()."""
        self._steps.append(thing.stop)
        return thing

    def run(self):
        problems = []
        while self._steps:
            try:
                self._steps.pop()()
            except Exception as error:  # every step has its turn; the first problem is reported
                problems.append(error)
        if problems:
            raise problems[0]


def _child(item, directory, report):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: the runner's death is ours
    code = 1
    try:
        from .process import program

        missing = [p for p in item.needs if program(p) is None]
        if missing:
            raise Skip(f"not built: {', '.join(missing)}")
        item.function(directory)
        code = 0
    except Skip as reason:
        os.write(report, str(reason).encode())
        code = 77
    except BaseException:
        os.write(report, traceback.format_exc().encode()[-60000:])
    finally:
        os._exit(code)


class _Running:
    def __init__(self, item, root, alone=False):
        self.item = item
        self.directory = pathlib.Path(root) / (f"{item.name}.alone" if alone else item.name)
        self.directory.mkdir()
        read_end, write_end = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(read_end)
            _child(item, self.directory, write_end)
        os.close(write_end)
        self.pipe = read_end
        self.text = b""
        self.begin = time.monotonic()
        self.end = self.begin + item.timeout * PATIENCE
        self.overdue = False

    def read(self):
        """Takes in output; True at its end."""
        data = os.read(self.pipe, 65536)
        self.text += data
        return not data

    def finish(self):
        os.close(self.pipe)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        verdict = "passed" if status == 0 else "skipped" if status == 77 else "FAILED"
        if self.overdue:
            self.text += f"killed: longer than {self.item.timeout} s\n".encode()
        return verdict, time.monotonic() - self.begin


def _show(running, verdict, seconds, keep):
    text = running.text.decode("utf-8", "replace").strip()
    if verdict == "skipped":
        print(f"skipped {running.item.name}: {text}")
        return
    print(f"{verdict:7} {running.item.name} ({seconds:.1f} s)", flush=True)
    if verdict == "passed":
        if not keep:
            shutil.rmtree(running.directory, ignore_errors=True)
        return
    print("  " + text.replace("\n", "\n  "))
    for log in sorted(running.directory.glob("*.log")):
        lines = log.read_text("utf-8", "replace").splitlines()[-25:]
        print(f"  --- {log}, the end:")
        print("\n".join("  | " + line[:300] for line in lines), flush=True)


def _select(patterns):
    if not patterns:
        return list(_scenarios)
    return [s for s in _scenarios if any(fnmatch.fnmatch(s.name, f"*{p}*") for p in patterns)]


def _run_all(chosen, root, jobs, told, alone=False):
    """Runs them, `jobs` at a time, and tells told(running, verdict, seconds) of each end."""
    waiting, running = list(chosen), []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(_Running(waiting.pop(0), root, alone))
        now = time.monotonic()
        left = max(0, min(r.end for r in running) - now)
        ready = select.select([r.pipe for r in running], [], [], left)[0]
        for r in list(running):
            if r.pipe in ready and r.read():
                running.remove(r)
                told(r, *r.finish())
            elif time.monotonic() >= r.end and not r.overdue:
                r.overdue = True
                os.kill(r.pid, signal.SIGKILL)


def _verdicts(chosen, root, args, extra, second_looks):
    """{name: verdict}. Scenarios share the machine, and one may fail for want of it: as many as `second_looks`
    failures are tried again alone, and the second verdict is the one that counts. Both are shown."""
    jobs = max(1, args.jobs)
    verdicts = {}

    def told(running, verdict, seconds):
        verdicts[running.item.name] = verdict
        if extra:
            extra(running.item.name, verdict)
        _show(running, verdict, seconds, args.keep)

    _run_all(chosen, root, jobs, told)
    failed = [s for s in chosen if verdicts[s.name] == "FAILED"]
    if min(jobs, len(chosen)) > 1 and 0 < len(failed) <= second_looks:
        print("what failed beside others, alone:")
        _run_all(failed, root, 1, told, alone=True)
        saved = [s.name for s in failed if verdicts[s.name] != "FAILED"]
        if saved:
            print(f"passed only alone: {', '.join(saved)}")
    return verdicts


def main(description, jobs=2, extra=None, second_looks=0):
    """Command line of a test suite. `extra(name, verdict)` is told of each result, `second_looks`: see _verdicts()."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "pattern", nargs="*", help="run only scenarios whose name contains one of these (globs allowed)"
    )
    parser.add_argument("-l", "--list", action="store_true", help="list the scenarios and exit")
    parser.add_argument("-k", "--keep", action="store_true", help="keep the directory of passed scenarios too")
    parser.add_argument("-j", "--jobs", type=int, default=int(os.environ.get("HOMEPATCH_TEST_JOBS", jobs)))
    args = parser.parse_args()
    chosen = _select(args.pattern)
    if args.list:
        print("\n".join(s.name for s in chosen))
        return 0
    root = tempfile.mkdtemp(prefix="homepatch-test-")
    verdicts = _verdicts(chosen, root, args, extra, second_looks)
    passed, failed, skipped = (list(verdicts.values()).count(v) for v in ("passed", "FAILED", "skipped"))
    if failed or args.keep:
        print(f"logs: {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
