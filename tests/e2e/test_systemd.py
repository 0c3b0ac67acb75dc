# SPDX-License-Identifier: BSD-3-Clause
"""The unit under a real systemd, PID 1 of namespaces of its own whose root is this machine's with a throw-away layer above it."""

import json
import os
import pathlib
import subprocess

from hptest import Cleanup, Skip, build_dir, scenario, wait_until
from hptest.process import Process

TOP = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = TOP / "packaging"
SYSTEMD = pathlib.Path("/lib/systemd/systemd")
NEEDS = ("homepatchd", "homepatch")

# $1: an empty folder. Nothing is written outside of it; what is mounted goes with the namespace.
BOOT = """
mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir upper work root || exit 9
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root && cd root || exit 9
mount -t proc proc proc && mount -t tmpfs tmpfs run && mount -t tmpfs tmpfs tmp && mount -t sysfs -o ro sysfs sys &&
    { mountpoint -q sys/fs/cgroup || mount -t tmpfs tmpfs sys/fs/cgroup 2> /dev/null || true; } &&
    mount -t cgroup2 cgroup2 sys/fs/cgroup && mount --rbind /dev dev || exit 9
cp -a "$2"/. . && : > etc/machine-id && chown -R 0:0 etc/homepatch && ip link set lo up || exit 9
mkdir put && pivot_root . put && umount -l /put || exit 9
echo "boots"
exec env -i container=test PATH="$PATH" /lib/systemd/systemd --log-target=journal --show-status=no < /dev/null
"""


def _cgroup2():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2":
            return pathlib.Path(words[1])
    raise Skip("needs a cgroup2 hierarchy")


class Machine:
    def __init__(self, directory, conf="", files=()):
        if os.geteuid() != 0 or not SYSTEMD.exists():
            raise Skip("needs root and systemd")
        self.cgroup = _cgroup2() / f"homepatch-test-{os.getpid()}"
        self.layer, root = directory / "layer", directory / "root"
        root.mkdir()
        unit = (PACKAGING / "systemd" / "homepatchd.service.in").read_text()
        examples = PACKAGING / "examples"
        for name, text in (
            ("etc/systemd/system/homepatchd.service",
             unit.replace("@sbindir@", "/usr/sbin").replace("@sysconfdir@", "/etc")),
            ("etc/systemd/system/default.target", "[Unit]\nWants=homepatchd.service\n"),
            ("usr/lib/sysusers.d/homepatch.conf", (PACKAGING / "systemd" / "homepatch.sysusers").read_text()),
            ("etc/homepatch/factory.conf", (examples / "factory.conf").read_text()),
            ("etc/homepatch/homepatchd.conf", f"mdns = false\nlan_http_listen = 127.0.0.1:7681\n{conf}"),
            *files,
        ):
            path = self.layer / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o755 if text.startswith("#!") else 0o644)
        for name, folder in (("homepatchd", "usr/sbin"), ("homepatch", "usr/bin")):
            (self.layer / folder).mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", build_dir() / name, self.layer / folder], check=True)
        for path in [self.layer, *self.layer.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        self.process = Process("systemd", [
            "sh", "-c", f'mkdir "{self.cgroup}" && echo $$ > "{self.cgroup}/cgroup.procs" && shift && exec "$@"', "-", "-",
            "unshare", "-m", "-p", "-u", "-i", "-C", "-n", "--fork", "--kill-child", "sh", "-c", BOOT, "-", root, self.layer],
            directory)

    def start(self):
        self.process.start()
        wait_until(lambda: "boots" in self.process.output() or not self.process.running(), 20, "namespaces")
        if not self.process.running():
            raise Skip(f"no namespaces for a systemd here: {self.process.output().strip()[-200:]}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.init = wait_until(lambda: children.read_text().split(), 10, "PID 1")[0]
        self.wait_active()
        return self

    def run(self, *args, check=True):
        done = subprocess.run(["nsenter", "-t", self.init, "-m", "-p", "-u", "-i", "-n", "-C", *map(str, args)],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}{self.journal()}"
        return done.stdout

    def journal(self):
        return self.run("journalctl", "--no-pager", "-q", "-u", "homepatchd", check=False)

    def show(self, name):
        return self.run("systemctl", "show", "-P", name, "homepatchd", check=False).strip()

    def wait_active(self):
        wait_until(lambda: self.show("ActiveState") == "active" and "ready endpoint" in self.journal(), 30,
                   "the service is ready", interval=0.1)

    def status(self, pid=None):
        text = self.run("cat", f"/proc/{pid or self.show('MainPID')}/status")
        return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)

    def uid(self, name="homepatch"):
        return self.run("id", "-u", name).strip()

    def containment(self):
        findings = json.loads(self.run("homepatch", "--json", "doctor", check=False))["checks"]
        return [f for f in findings if f["check"] == "containment"]

    def stop(self):
        self.process.kill()
        wait_until(self._gone, 10, "the control group is empty")

    def _gone(self):
        """What lives in the namespaces dies with their PID 1, a moment after it."""
        try:
            for folder in sorted((path for path in self.cgroup.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            if self.cgroup.exists():
                self.cgroup.rmdir()
            return True
        except OSError:
            return False


def _nobody_else_reads(machine):
    found = machine.run("find", "/var/lib/homepatch", "/var/cache/homepatch", "-type", "f", "-perm", "/077")
    assert not found, found
    assert machine.run("stat", "-c", "%U %a", "/var/lib/homepatch/homepatch.db") == "homepatch 600\n"


@scenario(needs=NEEDS, timeout=120)
def the_unit_starts_and_stays(directory):
    cleanup = Cleanup()
    try:
        machine = cleanup.add(Machine(directory)).start()
        status = machine.status()
        assert status["Uid"].split() == [machine.uid()] * 4 and machine.uid() != "0", status["Uid"]
        assert int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"] == "1", status
        assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) > 2, status
        found = machine.containment()
        assert [f["level"] for f in found] == ["ok"] and "user homepatch" in found[0]["text"], found
        _nobody_else_reads(machine)

        pid = machine.show("MainPID")
        machine.run("systemctl", "reload", "homepatchd")
        assert (machine.show("MainPID"), machine.show("ActiveState")) == (pid, "active")
        machine.run("kill", "-KILL", pid)
        wait_until(lambda: machine.show("NRestarts") == "1" and machine.show("MainPID") not in ("0", pid), 20, "restarted")
        machine.run("systemctl", "stop", "homepatchd")
        assert machine.show("Result") == "success" and machine.show("ActiveState") == "inactive", machine.journal()

        # A configuration with a fault is not tried again and again.
        machine.run("sh", "-c", "echo no_such_key = 1 >> /etc/homepatch/homepatchd.conf")
        machine.run("systemctl", "start", "homepatchd", check=False)
        wait_until(lambda: machine.show("ActiveState") == "failed", 10, "the service has failed")
        assert "unknown key" in machine.journal() and machine.show("ExecMainStatus") == "2", machine.journal()
    finally:
        cleanup.run()


@scenario(needs=NEEDS, timeout=120)
def with_the_drop_in_hooks_are_root(directory):
    """packaging/systemd/hooks.conf: the agent is homepatch behind its own walls, and hooks may do what root may."""
    cleanup = Cleanup()
    hook = "#!/bin/sh\nid -u > /etc/hook.ran\n"
    drop_in = (PACKAGING / "systemd" / "hooks.conf").read_text()
    try:
        machine = cleanup.add(Machine(directory, "user = homepatch\nhook_reboot = /usr/libexec/hook\n", (
            ("usr/libexec/hook", hook), ("etc/systemd/system/homepatchd.service.d/hooks.conf", drop_in)))).start()
        pid = machine.show("MainPID")
        status = machine.status()
        assert status["Uid"].split() == [machine.uid()] * 4 and status["NoNewPrivs"] == "1", status
        assert int(status["CapPrm"], 16) == 1 << 10, status["CapPrm"]
        found = machine.containment()
        assert [f["level"] for f in found] == ["ok"] and "of their own, user root" in found[0]["text"], found
        _nobody_else_reads(machine)
        machine.run("homepatch", "operate", "Device.Reboot()")
        wait_until(lambda: machine.journal().count("ready endpoint") == 2, 20, "the next life")
        assert machine.run("cat", "/etc/hook.ran") == "0\n" and machine.show("MainPID") == pid
        machine.run("systemctl", "stop", "homepatchd")
        assert machine.show("Result") == "success", machine.journal()
    finally:
        cleanup.run()
