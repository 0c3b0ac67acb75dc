# SPDX-License-Identifier: BSD-3-Clause
"""The walls around the agent: whose it is, what its threads are refused, and that all of its work is done inside."""

import ctypes
import errno
import hashlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import tempfile

from cli import ENDPOINT, Cli
from home import NEEDS, NEW, Home
from hptest import Agent, Skip, UdsTransport, build_dir, scenario, wait_until

USER = pwd.getpwnam("nobody")
SYS_TGKILL = ctypes.CDLL(None, use_errno=True).syscall
TGKILL = {"x86_64": 234, "aarch64": 131}.get(os.uname().machine)


def _status(pid, task=None):
    path = f"/proc/{pid}/task/{task}/status" if task else f"/proc/{pid}/status"
    return dict(line.split(":\t", 1) for line in pathlib.Path(path).read_text().splitlines() if ":\t" in line)


def _tasks(pid):
    return [int(task) for task in os.listdir(f"/proc/{pid}/task")]


def _outside():
    """A folder that is open to everybody, and that no configuration names."""
    outside = pathlib.Path(tempfile.mkdtemp(prefix="contain"))
    outside.chmod(0o777)
    (outside / "secret").write_text("x")
    (outside / "secret").chmod(0o644)
    return outside


def _needs_root():
    if os.geteuid() != 0 or not TGKILL or not (build_dir() / "tests/e2e/intruder.so").exists():
        raise Skip("needs root, and tests/e2e/intruder.so")


def _intrude(agent, outside):
    agent.env.update(LD_PRELOAD=str(build_dir() / "tests/e2e/intruder.so"), HOMEPATCH_INTRUDER=str(outside))


def _attempts(agent, task):
    """What that thread of the agent is refused: name -> errno."""
    SYS_TGKILL(TGKILL, agent.pid, task, int(signal.SIGUSR1))

    def said():
        lines = [line.split() for line in agent.log.read_text(errors="replace").splitlines() if line.endswith(".")]
        return [words[2:] for words in lines if words[:2] == ["intruder", str(task)]]

    words = wait_until(said, 10, f"thread {task} of the agent has tried")[-1]
    return {name: int(value) for name, value in (word.rstrip(".").split("=") for word in words)}


def _open_to_user(directory):
    """The agent's user reaches the folder and reads what is configured, keys too."""
    for folder in [directory, *directory.parents]:
        if folder.stat().st_mode & 0o011 != 0o011:
            folder.chmod(folder.stat().st_mode | 0o011)
    for path in (directory / "pki").iterdir():
        shutil.chown(path, group=USER.pw_gid)
        path.chmod(path.stat().st_mode | 0o040)


def _home(directory):
    home = Home(directory)
    run_dir = directory / "run"
    where = home.agent.uds("self::uds")
    where["path"] = home.agent.factory["Device.UnixDomainSockets.UnixDomainSocket.1.Path"] = run_dir / "agent.sock"
    home.agent.conf.update(user=USER.pw_name, contain="on", run_dir=run_dir)
    home._controller(UdsTransport(**where), "self::uds")
    _open_to_user(directory)
    return home


def _check_walls(agent):
    status = _status(agent.pid)
    assert status["Uid"].split() == [str(USER.pw_uid)] * 4 and status["Gid"].split() == [str(USER.pw_gid)] * 4
    assert status["Groups"].split() == [str(USER.pw_gid)], status["Groups"]
    assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 1 << 10, status["CapPrm"]
    for task in _tasks(agent.pid):
        status = _status(agent.pid, task)
        assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "1"), status


@scenario(needs=NEEDS, timeout=120)
def all_work_is_done_inside(directory):
    _needs_root()
    outside = _outside()
    home = _home(directory)
    _intrude(home.agent, outside)
    withdrawn = directory / "withdrawn"
    withdrawn.write_text("")
    withdrawn.chmod(0o644)
    home.agent.conf["withdrawn_file"] = withdrawn
    try:
        home.start()
        home.subscribe()
        pid = home.agent.pid
        _check_walls(home.agent)
        url, digest, size, _ = home.image()
        for device in (0, 1):
            slot = home.free_slot(device)
            home.must_succeed(home.download(slot, url, FileSize=size, CheckSumAlgorithm="SHA-256", CheckSum=digest))
            home.must_succeed(home.activate(slot))
            assert home.sim.device(device)["version"] == NEW
        for path in [home.agent.state_dir, home.agent.cache_dir, directory / "run"]:
            for each in [path, *path.rglob("*")]:
                assert (each.stat().st_uid, each.stat().st_gid) == (USER.pw_uid, USER.pw_gid), each
        assert home.agent.database.stat().st_mode & 0o777 == 0o600

        # Libuv's workers exist by now: a download was hashed.
        assert len(_tasks(pid)) > 1
        for task in _tasks(pid):
            tried = _attempts(home.agent, task)
            assert tried.pop("write") == tried.pop("read") == errno.EACCES, (task, tried)
            assert tried.pop("packet") == errno.EAFNOSUPPORT, (task, tried)
            assert set(tried.values()) == {errno.EPERM}, (task, tried)
        assert not (outside / "planted").exists()
        _check_walls(home.agent)

        # A file that is replaced, as editors do, is another inode.
        fresh = directory / "withdrawn.new"
        fresh.write_text("not a digest\n")
        fresh.chmod(0o644)
        fresh.rename(withdrawn)
        os.kill(pid, signal.SIGHUP)
        home.agent.wait_output("withdrawn:1", 10)
        withdrawn.write_text("")

        home.reboot()
        assert home.agent.pid == pid and home.agent.running()
        _check_walls(home.agent)
        home.agent.stop()
        home.agent.start()
        _check_walls(home.agent)
        home.stop()
    finally:
        shutil.rmtree(outside)


@scenario(needs=("homepatchd",))
def without_walls_all_of_it_works(directory):
    """The other scenario's attempts can succeed."""
    _needs_root()
    outside = _outside()
    agent = Agent(directory)
    agent.uds()
    agent.conf["contain"] = "off"
    _intrude(agent, outside)
    try:
        agent.start()
        tried = _attempts(agent, agent.pid)
        assert set(tried.values()) == {0}, tried
        assert _status(agent.pid)["NoNewPrivs"] == "0" and "not contained: contain = off" in agent.output()
        agent.stop()
    finally:
        shutil.rmtree(outside)


HOOK = """#!/bin/sh
# Banks that only root can write, and a line about each call.
cd "{banks}" || exit 1
echo "$(id -u) $(grep NoNewPrivs /proc/self/status | cut -f 2) $*" >> calls
case $1 in
version) printf '{{"version": "%s"}}\\n' "$(cat "slot.$(cat next)")" ;;
install) head -n 1 "$2" > "slot.$3" ;;
activate) echo "$2" > next ;;
esac
"""


def _hooks(home, directory):
    banks = directory / "banks"
    banks.mkdir(mode=0o700)
    (banks / "slot.1").write_text("1.0\n")
    (banks / "next").write_text("1\n")
    for name in ("hook_firmware", "hook_reboot"):
        hook = directory / name
        hook.write_text(HOOK.format(banks=banks))
        hook.chmod(0o755)
        home.agent.conf[name] = hook
    return banks


@scenario(needs=("homepatchd", "homepatch"), timeout=120)
def hooks_run_as_root_and_the_agent_does_not(directory):
    """The agent is behind all walls as nobody; its own firmware is written by root, in a process of its own."""
    _needs_root()
    outside = _outside()
    home = _home(directory)
    banks = _hooks(home, directory)
    _intrude(home.agent, outside)
    try:
        home.start(devices=False)
        _check_walls(home.agent)
        slot = "Device.DeviceInfo.FirmwareImage.2."
        image = b"2.0\n" + bytes(5000)
        home.images.add("/2.0.bin", image)
        home.ctl.operate(slot + "Download()", {"URL": f"{home.images.url}/2.0.bin", "AutoActivate": "false"})
        wait_until(lambda: home.ctl.value(slot + "Status") == "Available", 15, "the image is available")
        home.ctl.operate(slot + "Activate()")
        wait_until(lambda: home.agent.log.read_text().count("ready endpoint=") > 1, 30, "the next life began")
        home.ctl.close()
        home.ctl.connect()
        home.wait_answers(home.ctl)
        wait_until(lambda: home.ctl.value(slot + "Status") == "Active", 15, "what was installed runs")
        cached = home.agent.cache_dir / hashlib.sha256(image).hexdigest()
        calls = (banks / "calls").read_text().splitlines()
        assert [call for call in calls if not call.endswith(" version")] == [
            f"0 0 install {cached} 2", "0 0 activate 2", "0 0 "], calls
        _check_walls(home.agent)
        tried = _attempts(home.agent, home.agent.pid)
        assert tried["exec"] == tried["setuid"] == errno.EPERM and tried["write"] == errno.EACCES, tried

        # It can be told nothing else, and goes with the agent.
        runner = int(re.search(r"hooks are run by process (\d+) as user root", home.agent.output()).group(1))
        assert "homepatch-hooks" in pathlib.Path(f"/proc/{runner}/comm").read_text()
        assert sorted(map(int, os.listdir(f"/proc/{runner}/fd"))) == [0, 1, 2, 3, 4]
        finding = [f for f in Cli(directory / "run" / "agent.sock").doctor(home.agent.conf_file, "--endpoint", "self::uds")
                   if f["check"] == "containment"]
        assert [f["level"] for f in finding] == ["ok"] and "process of their own, user root" in finding[0]["text"], finding

        home.agent.conf["hook_reboot"] = "/bin/true"
        home.agent.write_config()
        os.kill(home.agent.pid, signal.SIGHUP)
        home.agent.wait_output(f'hook_reboot stays "{directory}/hook_reboot": restart the service for "/bin/true"', 10)
        os.kill(home.agent.pid, signal.SIGKILL)
        wait_until(lambda: not pathlib.Path(f"/proc/{runner}").exists(), 10, "the process that runs hooks is gone too")
        home.stop()
    finally:
        shutil.rmtree(outside)


@scenario(needs=("homepatchd", "homepatch"))
def doctor_says_which_wall_is_missing(directory):
    for contain, missing in (("off", {"NoNewPrivileges", "LandlockVersion", "SystemCallFilter"}), ("auto", set())):
        agent = Agent(directory, name=contain)
        socket = agent.uds(ENDPOINT)["path"]
        agent.conf["contain"] = contain
        agent.start()
        found = [f for f in Cli(socket).doctor(agent.conf_file) if f["check"] == "containment"]
        if os.geteuid() == 0:
            missing = missing | {"User"}
        assert {f["parameter"].rsplit(".", 1)[-1] for f in found if f["level"] == "warn"} == missing, found
        assert all(f["fix"] for f in found if f["level"] == "warn"), found
        assert not missing or contain == "auto" or any("`contain` to auto" in f["fix"] for f in found), found
        agent.stop()


@scenario(needs=("homepatchd",))
def hooks_that_others_can_change_are_refused(directory):
    if os.geteuid() != 0:
        raise Skip("needs root")
    hook = directory / "hook"
    shutil.copy("/bin/true", hook)
    shutil.chown(hook, USER.pw_name)
    for name, program, reason in (("others", hook, "others than root can change it"),
                                  ("relative", "bin/true", "is not the absolute path of a program"),
                                  ("gone", "/nonexistent/hook", "/nonexistent/hook cannot be run")):
        agent = Agent(directory, name=name)
        agent.conf.update(user=USER.pw_name, hook_firmware=program)
        agent.write_config()
        super(Agent, agent).start()
        wait_until(lambda agent=agent: not agent.running(), 10, "the agent ended")
        assert "hook_firmware" in agent.output() and reason in agent.output(), agent.output()
        assert not agent.database.exists()


@scenario(needs=("homepatchd",))
def nobody_becomes_a_user_that_is_not_there(directory):
    for user, reason in (("nobody-of-that-name", "there is no user"), ("root", "root's user")):
        agent = Agent(directory, name=user)
        agent.conf["user"] = user
        agent.write_config()
        super(Agent, agent).start()
        wait_until(lambda agent=agent: not agent.running(), 10, "the agent ended")
        assert reason in agent.output(), agent.output()
        assert not agent.database.exists()
