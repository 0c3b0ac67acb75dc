# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of the agent at every stage of a job, and state that does not survive: each command still ends exactly once,
with a true result."""

import random
import select
import shutil
import sqlite3
import struct

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import scenario, wait_until

# Of enum firmware_job_state, as it is stored: a window is awaited; transferring, rebooting, confirming.
WAITING, UNDER_WAY = 3, {4, 5, 6}


def _home(directory, mqtt=1, websocket=1, patient=False, **options):
    """patient: as many tries as it takes, so that only a job that was lost or doubled can fail."""
    home = Home(directory, mqtt, websocket, **options)
    if patient:
        home.agent.conf.update(install_retries=20, transfer_timeout=30, reboot_timeout=30)
    home.mqtt_controller()
    home.uds_controller()
    home.start()
    home.subscribe(keep=True)
    return home


def _kill(home):
    """kill -9, and no start yet: what is on disk and in the home is now what it was at that moment."""
    home.controllers[1].close()
    home.agent.kill()


def _start(home, answers=True):
    home.agent.start()
    home.controllers[1].connect()
    if answers:
        home.wait_answers(home.ctl)


def _stored_jobs(home):
    """States of the jobs in the dead agent's database; a copy is read, because reading would tidy up the write-ahead
    log. A record begins with a byte for its version and two little-endian numbers, the command and the state."""
    copy = home.dir / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home.agent.state_dir, copy)
    with sqlite3.connect(copy / home.agent.database.name) as database:
        rows = database.execute("SELECT value FROM record WHERE kind = 'job' ORDER BY key").fetchall()
    return [struct.unpack_from("<xQQ", value)[1] for (value,) in rows]


def _kill_at(home, moment, jobs, what, still=lambda: True):
    """Kills when moment() holds and makes sure of it afterwards: still() holds, and `jobs` jobs are stored unended."""
    wait_until(moment, 20, what, interval=0.005)
    _kill(home)
    assert still(), f"killed too late: {what}"
    states = _stored_jobs(home)
    assert len(states) == jobs, f"{states} stored, not {jobs} jobs: {what}"
    return states


def _job_state(home, device):
    return home.controllers[1].value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.JobState")


def _exactly_once(home, keys, transfers=()):
    """Another command runs to its end meanwhile; whatever was to come twice had its time."""
    home.wait_listed()
    url, _, _, _ = home.image("9.9.9", size=1000)
    home.must_succeed(home.download(home.free_slot(0), url))
    for key in keys:
        assert home.done_count(key) == 1, f"{key} ended {home.done_count(key)} times"
    for key in transfers:
        assert home.transfer_count(key) == 1, f"TransferComplete! of {key} came {home.transfer_count(key)} times"
    assert not home.ctl.instances("Device.LocalAgent.Request.")
    _kill(home)
    assert _stored_jobs(home) == [], "a job that ended is still stored"


def _true_results(home, slots, keys, timeout=60):
    for device, key in enumerate(keys):
        failure = home.wait_done(key, timeout)
        device_version = home.sim.device(device)["version"]
        assert device_version == (NEW if failure is None else OLD), (failure, device_version)
        wait_until(
            lambda: home.ctl.value(home.info(device) + "SoftwareVersion") == device_version, 10, "the true version"
        )
        row = home.slots(device)[slots[device]]
        assert row["Status"] == "Active" if failure is None else row["Status"].endswith("Failed"), (failure, row)


# -- killed at a stage ------------------------------------------------------------


@scenario(timeout=90, needs=NEEDS)
def as_soon_as_it_is_accepted(directory):
    """The answer to Operate is a promise: killed the moment it is there, five times over."""
    home = _home(directory)
    slot = home.free_slot(0)
    keys = []
    for turn in range(5):
        url, digest, _, what = home.image(f"1.7.{turn}", size=100000, rate=20000)
        keys.append(home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest))
        _kill(home)
        assert len(_stored_jobs(home)) == 1, "accepted, but not stored"
        what.rate = None
        _start(home)
        home.must_succeed(keys[-1])
        assert home.wait_transfer(keys[-1])["FaultCode"] == "0"
    _exactly_once(home, keys, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def during_download(directory):
    """Four times in one fetch; what is there already is not fetched again."""
    home = _home(directory)
    url, digest, size, what = home.image(size=1000000, rate=400000)
    path = "/" + url.rsplit("/", 1)[1]
    slots = [home.free_slot(d) for d in (0, 1)]
    keys = [home.download(s, url, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    for turn in range(4):
        before = home.images.sent(path)
        _kill_at(
            home,
            lambda: home.images.sent(path) > before + 100000,
            2,
            f"bytes flow after start {turn}",
            lambda: home.images.sent(path) < size,
        )
        _start(home, answers=False)
    what.rate = None
    for key in keys:
        home.must_succeed(key, 60)
        assert home.wait_transfer(key)["FaultCode"] == "0"
    assert [home.status(s) for s in slots] == ["Available"] * 2
    assert home.images.sent(path) < 2 * size, "started again from the beginning"
    _exactly_once(home, keys, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def during_transfer(directory):
    """The device loses its server with the agent; the agent tries again after its return, three times over."""
    home = _home(directory, patient=True, sim=("--fetch-rate", 3000000))
    slots = [home.downloaded(d, size=6000000) for d in (0, 1)]  # more than TCP buffers
    keys = [home.activate(s) for s in slots]

    def fetching():
        """One that the agent, too, believes to fetch: not what is left in the pipe of the life before."""
        return [
            n
            for n, d in enumerate(home.sim.devices())
            if d["state"] == "updating" and 10 <= d["progress"] < 80 and _job_state(home, n) == "Transferring"
        ]

    for turn in range(3):
        device = wait_until(fetching, 20, f"fetches, time {turn}", interval=0.005)[0]
        _kill(home)
        assert home.sim.device(device)["version"] == OLD, "killed too late"
        states = _stored_jobs(home)
        assert set(states) & UNDER_WAY, states
        _start(home, answers=False)
    for key in keys:
        home.must_succeed(key, 60)
    _true_results(home, slots, keys)
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def during_reboot(directory):
    """The device restarts while the agent is dead: that is a success, and no second transfer."""
    home = _home(directory, patient=True, sim=("--reboot-time", 3000))
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]

    def rebooting():
        return all(d["state"] == "rebooting" for d in home.sim.devices())

    for turn in range(3):
        states = _kill_at(home, rebooting, 2, f"both restart, time {turn}", rebooting)
        assert set(states) <= UNDER_WAY, states
        _start(home, answers=False)
    for key in keys:
        home.must_succeed(key, 60)
    for device in (0, 1):
        assert home.sim.device(device)["version"] == NEW
        assert home.sim.device(device)["count"]["update_requests"] == 1
        assert home.status(slots[device]) == "Active"
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def updated_while_the_agent_is_dead(directory):
    """It dies in the transfer and comes back when all is over: the version that the device runs decides."""
    home = _home(directory, patient=True, sim=("--reboot-time", 1000))
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    _kill_at(home, lambda: all(d["state"] == "rebooting" for d in home.sim.devices()), 2, "both restart")
    for device in (0, 1):
        home.sim.wait_device(device, lambda d: d["version"] == NEW and d["state"] == "running", 20, "runs again")
    _start(home)
    for key in keys:
        home.must_succeed(key, 60)
    assert [d["count"]["update_requests"] for d in home.sim.devices()] == [1, 1]
    _true_results(home, slots, keys)
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def while_waiting_for_a_window(directory):
    home = _home(directory)
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s, (5, 600, "AnyTime")) for s in slots]
    for turn in range(3):
        for device in (0, 1):
            wait_until(lambda: _job_state(home, device) == "Waiting", 10, "the job waits")
        _kill(home)
        assert _stored_jobs(home) == [WAITING] * 2, f"time {turn}"
        _start(home)
    for key in keys:
        home.must_succeed(key, 60)
    assert {d["version"] for d in home.sim.devices()} == {NEW}
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def before_the_result_is_acknowledged(directory):
    """The controller has the result and does not say so; the agent dies, three times. The same notification comes again,
    with the same id, until it is acknowledged, and then no more."""
    home = _home(directory)
    home.ctl.auto_ack = False
    slots = [home.free_slot(d) for d in (0, 1)]
    url, digest, _, _ = home.image()
    keys = [home.download(s, url, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    for turn in range(3):
        for key in keys:
            home.must_succeed(key)
        _kill(home)
        assert _stored_jobs(home) == [], "the result was told before it was durable"
        ids = {m.header.msg_id for m in home.ctl.notifies if m.body.request.notify.HasField("oper_complete")}
        assert len(ids) == 2, f"{ids} after start {turn}"
        home.ctl.notifies.clear()
        _start(home)
        home.must_succeed(keys[0])
        again = {m.header.msg_id for m in home.ctl.notifies if m.body.request.notify.HasField("oper_complete")}
        assert again <= ids, f"{again} is not of {ids}"
    home.ctl.auto_ack = True
    _exactly_once(home, keys, keys)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def again_and_again(directory):
    """Four devices through their whole update, and the agent dies a dozen times at moments that nothing has chosen."""
    home = _home(directory, 2, 2, patient=True, sim=("--fetch-rate", 400000, "--reboot-time", 300))
    url, digest, _, _ = home.image(size=150000, rate=300000)
    slots = [home.free_slot(d) for d in range(4)]
    keys = [home.download(s, url, auto=True, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    unended = []
    for kill in range(12):
        select.select([], [], [], random.random() / 2)  # any moment: the one wait here that is for nothing
        _kill(home)
        unended.append(len(_stored_jobs(home)))
        _start(home, answers=False)
    assert unended[0] == 4 and unended == sorted(unended, reverse=True), unended
    _true_results(home, slots, keys)
    assert {d["version"] for d in home.sim.devices()} == {NEW}, "a job was lost, although it may be tried again"
    _exactly_once(home, keys, keys)
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def orderly_stop_during_download(directory):
    """SIGTERM is no failure of the job: it goes on after the next start."""
    home = _home(directory)
    url, digest, _, what = home.image(size=400000, rate=100000)
    slot = home.free_slot(0)
    key = home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest)
    wait_until(lambda: home.images.sent("/" + url.rsplit("/", 1)[1]) > 100000, 10, "a part is there")
    home.controllers[1].close()
    assert home.agent.stop() == 0
    assert len(_stored_jobs(home)) == 1
    what.rate = None
    _start(home)
    home.must_succeed(key, 45)
    _exactly_once(home, [key], [key])
    home.stop()


# -- the database ------------------------------------------------------------


def _spoil(home, how):
    home.controllers[1].close()
    home.agent.stop()
    for suffix in ("-wal", "-shm"):
        extra = home.agent.database.with_name(home.agent.database.name + suffix)
        if extra.exists():
            extra.unlink()
    data = bytearray(home.agent.database.read_bytes())
    home.agent.database.write_bytes(how(data))
    return bytes(how(data))


def _rebuilt(home, before):
    aside = [
        p
        for p in home.agent.state_dir.iterdir()
        if p.name.startswith("homepatch.db")
        and p != home.agent.database
        and p.suffix not in (".db-wal", ".db-shm")
        and p.is_file()
        and p.read_bytes() == before
    ]
    assert aside, f"the bad file was not kept: {list(home.agent.state_dir.iterdir())}"
    home.controllers[1].connect()
    home.wait_answers(home.ctl)
    home.wait_listed()


@scenario(timeout=60, needs=NEEDS)
def database_of_noise(directory):
    """Rebuilt from the factory file, the bad one kept aside, an event raised; the home is found again."""
    home = Home(directory)
    home.mqtt_controller()
    home.uds_controller()
    home.agent.put(
        "Device.LocalAgent.Subscription.1.",
        Enable=True,
        ID="recovered",
        Recipient="Device.LocalAgent.Controller.1",
        NotifType="Event",
        ReferenceList="Device.LocalAgent.X_HOMEPATCH_StoreRecovered!",
        NotifRetry=True,
        Persistent=True,
    )
    home.start()
    home.subscribe()
    before = _spoil(home, lambda data: b"\xa5" * len(data))
    home.agent.start()
    _rebuilt(home, before)
    home.ctl.wait_notify(lambda n: n.event.event_name == "X_HOMEPATCH_StoreRecovered!", 10, "the event")
    assert list(home.ctl.instances("Device.LocalAgent.Subscription.")) == ["Device.LocalAgent.Subscription.1."]
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def database_with_a_hole(directory):
    """The header is right and the middle is not."""
    home = _home(directory)

    def hole(data):
        start = min(4096, len(data) // 2)
        return data[:start] + b"\0" * (len(data) - start)

    before = _spoil(home, hole)
    home.agent.start()
    _rebuilt(home, before)
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def database_cut_short(directory):
    home = _home(directory)
    before = _spoil(home, lambda data: data[: len(data) // 2])
    home.agent.start()
    _rebuilt(home, before)
    home.stop()


@scenario(timeout=60, needs=NEEDS)
def settings_survive_kill(directory):
    """A Set that was answered is there after kill -9, always."""
    home = Home(directory, 1, 0)
    home.uds_controller()
    home.start()
    row = home.ctl.add(
        "Device.LocalAgent.Subscription.",
        ID="keep",
        NotifType="ValueChange",
        ReferenceList=PROXIED + "*.Online",
        Enable="true",
        Persistent="true",
    )
    for turn in range(5):
        home.ctl.set(row, NotifExpiration=1000 + turn)
        home.ctl.close()
        home.agent.restart(kill=True)
        home.ctl.connect()
        assert home.ctl.value(row + "NotifExpiration") == str(1000 + turn)
        assert home.ctl.value('Device.LocalAgent.Subscription.[ID=="keep"].Enable') == "true"
    home.stop()
