# SPDX-License-Identifier: BSD-3-Clause
"""Runs cases on lanes, one process per group of cases, and collects one result per case and transport."""

import multiprocessing
import multiprocessing.connection
import pathlib
import time
import traceback

from hptest.process import TestTimeout

from .lanes import LANES
from .registry import order_of
from .trial import Abort, Skip, Trial, short

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"
LONGEST_SHORT_WAIT = 12


class Result:
    def __init__(self, number, transport, verdict, text="", seconds=0.0):
        self.number, self.transport, self.verdict = number, transport, verdict
        self.text, self.seconds = text, seconds

    def line(self):
        return f"{self.number} {self.transport} {self.verdict}" + (f" {self.text}" if self.text else "")

    @property
    def order(self):
        return order_of(self.number), self.transport


class Group:
    """Cases of one section on one transport: they share a lane and run one after the other."""

    def __init__(self, transport, section, cases):
        self.transport, self.section, self.cases = transport, section, cases

    @property
    def name(self):
        return f"{self.section:0>2}-{self.transport}"


class Worker:
    def __init__(self, group, workdir, real_time):
        self.group, self.dir, self.real_time = group, pathlib.Path(workdir) / group.name, real_time
        self.lane = None
        self.lanes = 0
        self.broken = ""            # why no further lane is tried
        self.ends = []              # what was wrong with the end of an agent that no single case answers for
        self.dir.mkdir(parents=True, exist_ok=True)

    def run(self, report):
        try:
            for case in self.group.cases:
                report(self.one(case, last=case is self.group.cases[-1]))
        finally:
            self.drop_lane()

    def one(self, case, last):
        start = time.monotonic()
        try:
            verdict, text = self.verdict(case)
        except Exception as e:                                                 # pylint: disable=broad-except
            # A fault of the runner fails this case and leaves the others theirs.
            verdict, text = FAIL, f"runner: {type(e).__name__} {short(e)}"
            (self.dir / f"{case.number}.trace").write_text(traceback.format_exc())
            self.drop_lane()
        if last:
            # Every shared agent must also end in order; the last case answers for that.
            self.ends.append(self.drop_lane())
            verdict, text = also(verdict, text, "; ".join(filter(None, self.ends)))
        return Result(case.number, self.group.transport, verdict, text, time.monotonic() - start)

    def verdict(self, case):
        if case.skip:
            return SKIP, case.skip
        if case.wait > LONGEST_SHORT_WAIT and not self.real_time:
            return SKIP, f"takes {case.wait} s that cannot be scaled: only with --long"
        if case.fresh:
            self.ends.append(self.drop_lane())
        try:
            lane = self.ready_lane(case)
        except Skip as e:
            self.drop_lane()
            return SKIP, str(e)
        except (AssertionError, OSError) as e:
            self.drop_lane()
            return FAIL, f"no agent to test: {short(e)}"
        missing = [name for name in case.supports if name not in lane.supported()]
        if missing:
            verdict, text = SKIP, "not in the supported data model: " + ", ".join(missing)
        else:
            verdict, text = self.try_case(case, lane)
        return also(verdict, text, self.drop_lane() if case.fresh else "")

    def ready_lane(self, case):
        if self.broken:
            raise TestTimeout(self.broken)
        if self.lane is None:
            self.lanes += 1
            try:
                self.lane = LANES[self.group.transport](self.dir / f"{self.lanes:03d}",
                                                        case.setup if case.fresh else None)
                self.lane.start()
            except (AssertionError, OSError) as e:
                # The first start of all, from an ordinary configuration: the others will not do better.
                if self.lanes == 1 and not case.setup:
                    self.broken = short(e)
                raise
        return self.lane

    def drop_lane(self):
        """Ends the agent; the complaint, if it did not end in order."""
        lane, self.lane = self.lane, None
        if lane is None:
            return ""
        try:
            status = lane.stop()
        except AssertionError as e:
            return f"agent: {short(e)}"
        return f"agent ended with status {status}" if status else ""

    def try_case(self, case, lane):
        trial = Trial(lane, case, self.real_time)
        before = None
        try:
            before = None if case.fresh else lane.snapshot()
            lane.ctl.violations.clear()
            case.run(trial)
        except Skip as e:
            trial.clean_up()
            return SKIP, str(e)
        except Abort:
            pass
        except AssertionError as e:
            trial.failures.append(short(e))
        except Exception as e:                                                 # pylint: disable=broad-except
            trial.failures.append(f"{type(e).__name__} {short(e)}")
            (self.dir / f"{case.number}.trace").write_text(traceback.format_exc())
        trial.clean_up()
        lane.drop_second()
        trial.failures += [f"universal metric: {text}" for text in lane.ctl.violations]
        self.check_after(case, lane, trial, before)
        if not trial.failures:
            trial.failures += [f"metric {m} was not checked" for m in case.metrics if m not in trial.checked]
        if trial.failures:
            return FAIL, "; ".join(trial.failures)
        return PASS, "; ".join(trial.notes)

    def check_after(self, case, lane, trial, before):
        """The agent lives and looks as before the case. Else the next case gets a new one."""
        complaint = ""
        if not lane.agent.running():
            complaint = "the agent ended during the case"
        elif before is not None:
            try:
                complaint = difference(before, lane.snapshot())
            except (AssertionError, OSError, IndexError) as e:
                complaint = f"after the case: {type(e).__name__} {short(e)}"
        if complaint:
            trial.failures.append(complaint)
        if complaint or (trial.failures and not case.fresh):
            ended = self.drop_lane()
            if ended and ended not in complaint:
                trial.failures.append(ended)


def also(verdict, text, complaint):
    """The verdict with a complaint added, which makes it a failure."""
    if not complaint:
        return verdict, text
    return FAIL, f"{text}; {complaint}" if verdict == FAIL else complaint


def difference(before, after):
    (rows, values), (rows_now, values_now) = before, after
    parts = [f"left behind {path}" for path in sorted(rows_now - rows)]
    parts += [f"removed {path}" for path in sorted(rows - rows_now)]
    parts += [f"left {path} = {values_now.get(path)!r}, was {value!r}" for path, value in sorted(values.items())
              if values_now.get(path) != value and not path.endswith("NumberOfEntries")]
    return "clean-up: " + ", ".join(parts) if parts else ""


def groups_of(cases, wanted, only_transports):
    """What runs in one process each. Longest first would help nobody: they all run at once."""
    found = {}
    for case in cases:
        if wanted and not any(case.number == w or case.number.startswith(w.rstrip(".") + ".") for w in wanted):
            continue
        for transport in case.transports:
            if not only_transports or transport in only_transports:
                found.setdefault((case.section, transport), []).append(case)
    return [Group(transport, section, members) for (section, transport), members in sorted(found.items(), key=lambda item: (order_of(item[0][0]), item[0][1]))]


def _child(group, workdir, real_time, pipe):
    worker = Worker(group, workdir, real_time)
    try:
        worker.run(pipe.send)
    finally:
        pipe.close()


def run(groups, workdir, real_time, at_once, report):
    """Runs every group, at most `at_once` of them together. Each case gives exactly one result, whatever happens."""
    results, waiting, active = [], list(groups), []

    def take(result):
        results.append(result)
        report(result)

    while waiting or active:
        while waiting and len(active) < at_once:
            group = waiting.pop(0)
            receiver, sender = multiprocessing.Pipe(duplex=False)
            child = multiprocessing.Process(target=_child, args=(group, workdir, real_time, sender))
            child.start()
            sender.close()
            active.append((group, child, receiver, set()))
        multiprocessing.connection.wait([entry[2] for entry in active])
        for entry in list(active):
            group, child, receiver, seen = entry
            try:
                while receiver.poll():
                    result = receiver.recv()
                    seen.add(result.number)
                    take(result)
            except EOFError:
                child.join()
                active.remove(entry)
                for case in group.cases:
                    if case.number not in seen:
                        take(Result(case.number, group.transport, FAIL, "the runner's process ended before this case"))
    return sorted(results, key=lambda r: r.order)
