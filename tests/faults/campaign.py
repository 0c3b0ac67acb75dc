# SPDX-License-Identifier: BSD-3-Clause
"""Updates of a small home while one fault after the other strikes, and what has to hold after each:

- a command that was accepted ends exactly once, one that was refused never does;
- a device runs the new version when the result says so, and the one it had when not;
- no device was handed an image that was not right;
- nothing is left over: no request, no job in the store, no part of an image, no file that nobody names."""

import random
import shutil
import sqlite3
import struct
import time

from faults import Shim
from home import IMAGES, PROXIED, Home
from hptest import TestTimeout, usp, wait_until, write_image

MODELS = ("Plus1", "Mini1G3")  # of two kinds, so that none waits for the other as its canary
SIZE = 30000
RECOVERED = "Device.LocalAgent.X_HOMEPATCH_StoreRecovered!"
ENDS_WITHIN = 75  # s: of tries and patience that the configuration below allows


class Command:
    """One Download() or Activate(), from the moment it was sent. `runs`: the version of the device when it succeeded;
    `before`: when not."""

    def __init__(self, device, slot, key, msg_id, version, runs, before):
        self.device, self.slot, self.key, self.msg_id = device, slot, key, msg_id
        self.version, self.runs, self.before = version, runs, before
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
        self._subscribe()
        home.start()
        self.before_sending = None  # arms a fault
        self.before_next_life = None  # arms another for the life after that fault
        self.heal_at = None  # when a fault that lasts is over
        self.faults = 0  # that struck
        self.restarts = 0
        self.covered = []  # what is to be told of them
        self.number = 0
        self.commands = []

    def _subscribe(self):
        """In the factory configuration: so they are there, too, after the database was lost."""
        for number, (kind, paths) in enumerate(
            (
                ("OperationComplete", (IMAGES + "Download()", IMAGES + "Activate()")),
                ("Event", ("Device.LocalAgent.TransferComplete!", RECOVERED)),
                ("ValueChange", (PROXIED + "*.DeviceInfo.SoftwareVersion", IMAGES + "Status")),
            ),
            1,
        ):
            self.home.agent.put(
                f"Device.LocalAgent.Subscription.{number}.",
                Enable=True,
                ID=f"factory{number}",
                Recipient="Device.LocalAgent.Controller.1",
                NotifType=kind,
                ReferenceList=",".join(paths),
                NotifRetry=True,
                Persistent=True,
            )

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
        if self.before_next_life:
            self.before_next_life()
            self.before_next_life = None
        self._start()

    def _start(self):
        try:
            self._start_once()
        except (AssertionError, OSError):
            if not self.shim.struck or self.home.agent.running():
                raise
            self.shim.disarm()  # it struck on the way
            self.observer.close()
            self._start_once()

    def _start_once(self):
        self.home.agent.start()
        self.restarts += 1
        self.observer.connect()
        wait_until(lambda: not self.home.agent.running() or self._answers(), 15, "the agent answers")
        assert self.home.agent.running(), "it died again"

    def _answers(self):
        try:
            return self.observer.get("Device.LocalAgent.EndpointID", timeout=1)
        except (AssertionError, OSError):
            return False

    def spoil(self, damage):
        """The agent is killed, and damage(directory of its database) strikes before it starts. Returns what the agent says
        of it: "Anew", "CutShort", or None."""
        home = self.home
        self.observer.close()
        home.agent.kill()
        self.remember(f"spoilt; stored: {self.stored_jobs()}, devices: {self.devices()}")
        damage(home.agent.state_dir)
        told = len(self.recoveries())
        self._start()
        aside = [path for path in home.agent.state_dir.iterdir() if ".corrupt-" in path.name]
        for path in aside:
            path.unlink()
        home.wait_answers(self.operator)
        home.wait_listed(40)
        if not aside:
            return None
        wait_until(lambda: len(self.recoveries()) > told, 15, "the event that tells of the damage")
        event = self.recoveries()[-1]
        assert event["File"] in [str(path) for path in aside], event
        return event["Outcome"]

    def recoveries(self):
        told = self.operator.matching(lambda n: n.event.event_name == RECOVERED.rsplit(".", 1)[1])
        return [dict(n.event.params) for n in told]

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

    def send(self, auto=True, another=False, **behaviour):
        """One update of each device, to a version of its own; nothing is waited for. auto=False: the image is fetched and
        no more. another: what the server has is a good image, and not the one that was ordered."""
        self.number += 1
        ready = []
        for device, model in enumerate(MODELS):
            version = f"2.{device}.{self.number}"
            slot = self.home.free_slot(device, self.observer)
            url, digest, _, served = self.home.image(version, model, SIZE, **behaviour)
            if another:
                write_image(self.dir / "another.zip", model, "6.6.6", SIZE)
                served.body = (self.dir / "another.zip").read_bytes()
            before = self.home.sim.device(device)["version"]
            args = {"URL": url, "AutoActivate": auto, "CheckSumAlgorithm": "SHA-256", "CheckSum": digest}
            ready.append((slot, "Download()", args, device, version, version if auto else before, before))
        return self._operate_all(ready)

    def download(self):
        """No more than that."""
        return self.send(auto=False)

    def activate(self):
        """The same in two steps: what strikes, strikes the second, which waits for its time window first."""
        armed, self.before_sending = self.before_sending, None
        fetched = self.download()
        self.settle(fetched)
        self.check(fetched)
        self.before_sending = armed
        window = {"TimeWindow.1.Start": 1, "TimeWindow.1.End": 600, "TimeWindow.1.Mode": "AnyTime"}
        self.number += 1
        return self._operate_all(
            (c.slot, "Activate()", window, c.device, c.version, c.version, c.before) for c in fetched
        )

    def _operate_all(self, ready):
        if self.before_sending:  # nothing of the test's own waits for an agent that may die from here on
            self.before_sending()
            self.before_sending = None
        return [self._operate(*command) for command in ready]

    def _operate(self, slot, name, args, device, version, runs, before):
        key = f"fault{self.number}-{device}"
        msg = usp.operate(slot + name, args, key)
        self.operator.send(msg)
        command = Command(device, slot, key, msg.header.msg_id, version, runs, before)
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

    def settle(self, commands, lossy=False):
        """Until each command came to its end, whatever dies on the way. lossy: one that was accepted may have none."""
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
            quiet = (lossy or not any(c.accepted for c in open_ones)) and self._quiet()
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
            return self.observer.value("Device.LocalAgent.RequestNumberOfEntries", timeout=2) == "0"
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
            expected = command.runs if failure is None else command.before
            assert device["version"] == expected, f"{command.key} ended with {failure}; it runs {device['version']}"
            wait_until(
                lambda: self._shown(command.device) == expected, 15, f"device {command.device} is shown with {expected}"
            )
        assert self._quiet(), "a request is left over"
        self.check_images()

    def check_spoilt(self, commands, told):
        """After damage: a result is true, if there is one; who has none was told of the damage; nothing is shown that is
        not so. told: the agent did, or there is nothing from which it could know."""
        home = self.home
        for command in commands:
            results = self.results(command.key)
            device = home.sim.wait_device(command.device, lambda d: d["state"] == "running", 15, "runs")
            assert device["version"] in (command.runs, command.before), device
            assert not (command.refused and results), f"{command.key} was refused and has {results}"
            assert len(set(results)) < 2 and (len(results) < 2 or told), f"{command.key}: {results}"
            assert results or told or not command.accepted, f"{command.key} was lost silently"
            version = device["version"]
            # Of an update that the store does not know of any more the result says that the device had that version.
            known = told and results and f'before, "{version}"' in (results[0] or "")
            if results and not known:
                expected = command.before if results[0] else command.runs
                assert version == expected, f"{command.key}: {results}; it runs {version}"
            wait_until(lambda: self._shown(command.device) == version, 15, f"shown with {version}")
        wait_until(self._quiet, 15, "no request is left over")
        self.check_images()
        self.commands = [c for c in self.commands if c not in commands]

    def results(self, key):
        """Of that command: None, or the error's text, for each OperationComplete that came."""
        found = self.operator.matching(lambda n: n.oper_complete.command_key == key)
        return [n.oper_complete.cmd_failure.err_msg or None for n in found]

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

    def finish(self, refused=False):
        """What the agent has on its disk is whole and complete, as it is and after it stopped in order, started once more,
        and stopped. refused: a file that a failing disk or an empty memory would not let go is removed by the start."""
        home = self.home
        self.shim.disarm()
        if not refused:
            self.check_store()
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
        strange = {path.name for path in state.iterdir()} - {"homepatch.db", "homepatch.db-wal", "homepatch.db-shm"}
        assert not strange, strange

    def outcome(self, command):
        if command.refused or command.vanished:
            answer = self.operator.answer(command.msg_id)
            return f"{command.key} refused: {str(answer)[-300:]!r}" if command.refused else f"{command.key} vanished"
        return f"{command.key}: {self.home.wait_done(command.key, 1) or command.runs}"

    def situation(self, commands):
        """What there is to know when a command does not end."""
        told = [(c.key, self.operator.answer(c.msg_id), self.home.done_count(c.key)) for c in commands]
        model = self.observer.get("Device.LocalAgent.Request.", PROXIED + "*.X_HOMEPATCH_Update.", PROXIED + "*.Online")
        return f"{told}\n{model}\n{self.stored_jobs()} {self.devices()} {self.shim.counts()}"

    # -- one fault ------------------------------------------------------------------------------------------------

    def strike(self, fault, outside=1):
        """fault(campaign) sends commands, does what it does, and returns them; what it broke is whole again by then or
        when the agent starts anew. `outside` faults count as they are; one in the process when it struck. True: it did."""
        self.shim.disarm(forget=True)
        self.home.wait_answers(self.operator)  # a broker that died in the last one may just be back
        commands = fault(self)
        self.remember(f"{self.number}: {getattr(fault, '__name__', fault)}")
        self.settle(commands)
        self.shim.disarm()
        self.remember(f"struck: {self.shim.struck}; " + "; ".join(map(self.outcome, commands)))
        self.check(commands)
        self.faults += outside + self.shim.struck
        return self.shim.struck
