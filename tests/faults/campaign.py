# SPDX-License-Identifier: BSD-3-Clause
"""Updates of a small home while one fault after the other strikes, and what has to hold after each:

- a command that was accepted ends exactly once, one that was refused never does;
- a device runs the new version when the result says so, and the one it had when not;
- no device was handed an image that was not right;
- nothing is left over: no request, no job in the store, no part of an image, no file that nobody names."""

import random
import re
import shutil
import sqlite3
import struct
import time

from faults import Shim
from home import PROXIED, Home
from hptest import TestTimeout, usp, wait_until

MODELS = ("Plus1", "Mini1G3")  # of two kinds, so that none waits for the other as its canary
SIZE = 30000
ENDS_WITHIN = 75  # s: of tries and patience that the configuration below allows


class Command:
    """One Download() with AutoActivate, from the moment it was sent."""

    def __init__(self, device, version, key, msg_id, before):
        self.device, self.version, self.key, self.msg_id, self.before = device, version, key, msg_id, before
        self.refused = False  # the answer was an error
        self.accepted = False
        self.vanished = False  # no answer came, and no trace of it is there


class Campaign:
    def __init__(self, directory, seed):
        self.dir = directory
        self.random = random.Random(seed)
        self.home = home = Home(directory, mqtt=1, websocket=1, models=",".join(MODELS))
        self.shim = Shim(directory)
        home.agent.env.update(self.shim.environment)
        home.agent.conf.update(install_retries=2, install_retry_wait=1, transfer_timeout=5, reboot_timeout=25)
        home.mqtt_controller()
        home.uds_controller()
        home.start()
        home.subscribe(keep=True)
        self.before_sending = None  # arms a fault
        self.heal_at = None  # when a fault that lasts is over
        self.faults = 0
        self.restarts = 0
        self.number = 0
        self.commands = []

    # -- the agent's life ---------------------------------------------------------------------------------------

    @property
    def operator(self):
        return self.home.controllers[0]

    @property
    def observer(self):
        """Over the UNIX socket: what happens to the network and to brokers does not touch it."""
        return self.home.controllers[1]

    def revive(self):
        """The agent died: by the fault, and by nothing else. It starts again on what it left."""
        home = self.home
        status = home.agent.wait_exit()
        assert status == -9, f"the agent ended by itself with {status}:\n" + home.agent.output()[-3000:]
        self.shim.disarm()
        self.observer.close()
        self.remember(f"died; stored: {self.stored_jobs()}, devices: {self.devices()}")
        home.agent.start()
        self.restarts += 1
        self.observer.connect()
        home.wait_answers(self.observer)

    # -- for whoever has to find out why --------------------------------------------------------------------------

    def remember(self, text):
        with open(self.dir / "trace.log", "a") as trace:
            trace.write(f"{time.time() % 1000:.3f} {text}\n")

    def copy_of_store(self):
        """Read in a copy: reading would tidy up the log."""
        copy = self.dir / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.home.agent.state_dir, copy)
        return sqlite3.connect(copy / self.home.agent.database.name)

    def stored_jobs(self):
        """Of each: state (of enum firmware_job_state), tries, handed, unsure, was_offline."""
        with self.copy_of_store() as database:
            rows = database.execute("SELECT key, value FROM record WHERE kind = 'job' ORDER BY key").fetchall()
        names = ("state", "tries", "handed", "unsure", "was_offline")
        picked = [struct.unpack_from("<xQQQQQQQ", value) for _, value in rows]
        return [dict(zip(names, (p[1], *p[3:]))) for p in picked]

    def devices(self):
        return [(d["version"], d["state"], d["progress"]) for d in self.home.sim.devices()]

    # -- an update ----------------------------------------------------------------------------------------------

    def send(self, **behaviour):
        """One update of each device, to a version of its own; nothing is waited for."""
        self.number += 1
        ready = []
        for device, model in enumerate(MODELS):
            version = f"2.{device}.{self.number}"
            slot = self.home.free_slot(device, self.observer)
            url, digest, _, _ = self.home.image(version, model, SIZE, **behaviour)
            before = self.home.sim.device(device)["version"]
            args = {"URL": url, "AutoActivate": True, "CheckSumAlgorithm": "SHA-256", "CheckSum": digest}
            ready.append((slot + "Download()", args, device, version, before))
        if self.before_sending:  # nothing of the test's own waits for an agent that may die from here on
            self.before_sending()
            self.before_sending = None
        return [self._operate(*command) for command in ready]

    def _operate(self, path, args, device, version, before):
        key = f"fault{self.number}-{device}"
        msg = usp.operate(path, args, key)
        self.operator.send(msg)
        command = Command(device, version, key, msg.header.msg_id, before)
        self.commands.append(command)
        return command

    def look(self, command):
        """Takes in its answer, if there is one."""
        answer = self.operator.answer(command.msg_id)
        if answer is None or command.accepted or command.refused:
            return
        if answer.body.WhichOneof("msg_body") == "error":
            command.refused = True
            return
        (result,) = answer.body.response.operate_resp.operation_results
        command.accepted = result.WhichOneof("operation_resp") == "req_obj_path"
        command.refused = not command.accepted

    def _ended(self, command):
        return command.refused or command.vanished or self.home.done_count(command.key) > 0

    def _unknown(self, command):
        return not self._ended(command) and not command.accepted

    def settle(self, commands):
        """Until each command came to its end, whatever dies on the way."""
        quiet_since = None

        def settled():
            nonlocal quiet_since
            if self.heal_at and time.monotonic() > self.heal_at:
                self.heal_at = None
                self.shim.disarm()
            if not self.home.agent.running():
                self.revive()
            for command in commands:
                self.look(command)
            if all(self._ended(c) for c in commands):
                return True
            open_ones = [c for c in commands if not self._ended(c)]
            quiet = not any(c.accepted for c in open_ones) and self._quiet()
            quiet_since = (quiet_since or time.monotonic()) if quiet else None
            # An answer may have died with the agent. What was accepted has a request or, soon, a result.
            if quiet_since and time.monotonic() - quiet_since > 3:
                for command in open_ones:
                    command.vanished = True
            return False

        try:
            wait_until(settled, ENDS_WITHIN, "each command ends", interval=0.02)
        except TestTimeout:
            self.remember(self.situation(commands))
            raise

    def _quiet(self):
        try:
            return not self.observer.instances("Device.LocalAgent.Request.")
        except (AssertionError, OSError):
            return False

    # -- what has to hold -----------------------------------------------------------------------------------------

    def check(self, commands):
        """After the fault is over."""
        home = self.home
        for command in commands:
            count = home.done_count(command.key)
            assert count == (0 if command.refused or command.vanished else 1), f"{command.key}: {count} results"
            failure = home.wait_done(command.key, 1) if count else True
            # A device that is still on its way says what it runs when it is there.
            device = home.sim.wait_device(command.device, lambda d: d["state"] == "running", 15, "runs")
            expected = command.version if failure is None else command.before
            assert device["version"] == expected, f"{command.key} ended with {failure}; it runs {device['version']}"
            wait_until(
                lambda: self._shown(command.device) == expected, 15, f"device {command.device} is shown with {expected}"
            )
        assert self._quiet(), "a request is left over"
        self.check_images()

    def _shown(self, device):
        if not self.home.agent.running():
            self.revive()  # it died when all was told already
        try:
            return self.observer.value(self.home.info(device) + "SoftwareVersion")
        except (AssertionError, OSError):
            return None

    def check_images(self):
        """What a device was handed passed its own check, or did not come to its end."""
        for device in self.home.sim.devices():
            assert device["count"].get("images_damaged", 0) == 0, device

    def finish(self):
        """The agent stops in order, starts once more, and stops: what it leaves then is whole and complete. (A file that
        a failing disk would not let go is removed by the start.)"""
        home = self.home
        self.shim.disarm()
        for command in self.commands:  # nothing came twice, however late
            count = home.done_count(command.key)
            assert count == (0 if command.refused or command.vanished else 1), f"{command.key}: {count} results"
        self.observer.close()
        home.agent.restart()
        assert home.agent.stop() == 0
        self.check_store()
        home.stop()

    def check_store(self):
        state = self.home.agent.state_dir
        with self.copy_of_store() as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            jobs = database.execute("SELECT key FROM record WHERE kind = 'job'").fetchall()
            parts = {row[0].decode() for row in database.execute("SELECT key FROM record WHERE kind = 'fetch'")}
            images = {row[0].decode() for row in database.execute("SELECT key FROM record WHERE kind = 'image'")}
        assert not jobs, f"jobs that ended are stored: {jobs}"
        files = {path.name for path in self.home.agent.cache_dir.iterdir()}
        # What came of an image that failed half way may stay, under its name, for whoever tries again.
        known = images | {f"part-{key}" for key in parts}
        assert images <= files <= known, f"left over: {files - known}; missing: {images - files}"
        strange = [p.name for p in state.iterdir() if not re.fullmatch(r"homepatch\.db(-wal|-shm)?|boot|[a-z_.-]+", p.name)]
        assert not strange, strange

    def outcome(self, command):
        if command.refused or command.vanished:
            answer = self.operator.answer(command.msg_id)
            return f"{command.key} refused: {str(answer)[-300:]!r}" if command.refused else f"{command.key} vanished"
        return f"{command.key}: {self.home.wait_done(command.key, 1) or command.version}"

    def situation(self, commands):
        """What there is to know when a command does not end."""
        told = [(c.key, self.operator.answer(c.msg_id), self.home.done_count(c.key)) for c in commands]
        model = self.observer.get("Device.LocalAgent.Request.", PROXIED + "*.X_HOMEPATCH_Update.", PROXIED + "*.Online")
        return f"{told}\n{model}\n{self.stored_jobs()} {self.devices()} {self.shim.counts()}"

    # -- one fault ------------------------------------------------------------------------------------------------

    def strike(self, fault):
        """fault(campaign) sends commands, does what it does, and returns them; what it broke is whole again by then or
        when the agent starts anew."""
        commands = fault(self)
        self.remember(f"{self.number}: {getattr(fault, '__name__', fault)}")
        self.settle(commands)
        self.shim.disarm()
        self.remember(f"struck: {self.shim.struck}; " + "; ".join(map(self.outcome, commands)))
        self.check(commands)
        self.faults += 1
