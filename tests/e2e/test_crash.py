# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of the agent at every stage of a job, and state that does not survive: each command still ends exactly once,
with a true result."""

from home import NEEDS, NEW, OLD, PROXIED, Home
from hptest import scenario, wait_until


def _home(directory, mqtt=1, websocket=1, **options):
    home = Home(directory, mqtt, websocket, **options)
    home.mqtt_controller()
    home.uds_controller()
    home.start()
    home.subscribe(keep=True)
    return home


def _power_cut(home):
    home.controllers[1].close()
    home.agent.restart(kill=True)
    home.controllers[1].connect()
    home.wait_answers(home.ctl)


def _job_state(home, device):
    return home.controllers[1].value(home.rows[home.ids[device]] + "X_HOMEPATCH_Update.JobState")


def _exactly_once(home, keys):
    """Another command runs to its end meanwhile; whatever was to come twice had its time."""
    home.wait_listed()
    url, _, _, _ = home.image("9.9.9", size=1000)
    home.must_succeed(home.download(home.free_slot(0), url))
    for key in keys:
        assert home.done_count(key) == 1, f"{key} ended {home.done_count(key)} times"
    assert not home.ctl.instances("Device.LocalAgent.Request.")


@scenario(timeout=90, needs=NEEDS)
def during_download(directory):
    home = _home(directory)
    url, digest, size, what = home.image(size=400000, rate=100000)
    path = "/" + url.rsplit("/", 1)[1]
    slots = [home.free_slot(d) for d in (0, 1)]
    keys = [home.download(s, url, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    wait_until(lambda: home.images.sent(path) > 100000, 10, "a part is there")
    _power_cut(home)
    what.rate = None
    for key in keys:
        home.must_succeed(key, 60)
        assert home.wait_transfer(key)["FaultCode"] == "0"
    assert [home.status(s) for s in slots] == ["Available"] * 2
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def during_transfer(directory):
    """The device loses its server with the agent; the agent tries again after its return."""
    home = _home(directory, sim=("--fetch-rate", 50000))
    slots = [home.downloaded(d, size=150000) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        home.sim.wait_device(device, lambda d: d["progress"] >= 10, 20, "transfer runs")
    _power_cut(home)
    _true_results(home, slots, keys)
    home.stop()


def _true_results(home, slots, keys):
    for device, key in enumerate(keys):
        failure = home.wait_done(key, 75)
        device_version = home.sim.device(device)["version"]
        assert device_version == (NEW if failure is None else OLD), (failure, device_version)
        wait_until(
            lambda: home.ctl.value(home.info(device) + "SoftwareVersion") == device_version, 10, "the true version"
        )
        row = home.slots(device)[slots[device]]
        assert row["Status"] == "Active" if failure is None else row["Status"].endswith("Failed"), (failure, row)
    _exactly_once(home, keys)


@scenario(timeout=90, needs=NEEDS)
def during_reboot(directory):
    """The device restarts while the agent is dead: that is a success, and no second transfer."""
    home = _home(directory, sim=("--reboot-time", 1500))
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s) for s in slots]
    for device in (0, 1):
        home.sim.wait_device(device, lambda d: d["state"] == "rebooting" or d["version"] == NEW, 20, "rebooting")
    _power_cut(home)
    for key in keys:
        home.must_succeed(key, 60)
    for device in (0, 1):
        assert home.sim.device(device)["version"] == NEW
        assert home.sim.device(device)["count"]["update_requests"] == 1
        assert home.status(slots[device]) == "Active"
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def while_waiting_for_a_window(directory):
    home = _home(directory)
    slots = [home.downloaded(d) for d in (0, 1)]
    keys = [home.activate(s, (4, 600, "AnyTime")) for s in slots]
    for device in (0, 1):
        wait_until(lambda: _job_state(home, device) == "Waiting", 10, "the job waits")
    _power_cut(home)
    for key in keys:
        home.must_succeed(key, 60)
    assert {d["version"] for d in home.sim.devices()} == {NEW}
    _exactly_once(home, keys)
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def again_and_again(directory):
    """Four devices, and the agent dies six times at moments that the progress of the work decides."""
    home = _home(directory, 2, 2, sim=("--fetch-rate", 100000))
    url, digest, size, _ = home.image(size=150000, rate=150000)
    path = "/" + url.rsplit("/", 1)[1]
    slots = [home.free_slot(d) for d in range(4)]
    keys = [home.download(s, url, auto=True, CheckSumAlgorithm="SHA-256", CheckSum=digest) for s in slots]
    for kill in range(6):
        wait_until(
            lambda: home.images.sent(path) > 40000 * (kill + 1) or home.images.sent(path) >= size, 20, "bytes flow"
        )
        _power_cut(home)
    for device, key in enumerate(keys):
        failure = home.wait_done(key, 75)
        assert home.sim.device(device)["version"] == (NEW if failure is None else OLD), failure
    _exactly_once(home, keys)
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
    what.rate = None
    home.agent.start()
    home.controllers[1].connect()
    home.must_succeed(key, 45)
    _exactly_once(home, [key])
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
    """Rebuilt from the factory file, the bad one kept aside; the home is found again."""
    home = _home(directory)
    before = _spoil(home, lambda data: b"\xa5" * len(data))
    home.agent.start()
    _rebuilt(home, before)
    assert not home.ctl.instances("Device.LocalAgent.Subscription.")
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
