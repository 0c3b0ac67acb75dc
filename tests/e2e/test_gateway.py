# SPDX-License-Identifier: BSD-3-Clause
"""The gateway's own firmware, beyond what the conformance cases ask."""

import stat

from home import Home
from hptest import scenario, wait_until

INFO = "Device.DeviceInfo."

HOOK = """#!/bin/sh
# Two banks in files: which version is in each slot, and which slot starts next.
cd "{directory}" || exit 1
case $1 in
version) printf '{{"version": "%s"}}\\n' "$(cat "slot.$(cat next)")" ;;
install) head -n 1 "$2" > "slot.$3" ;;
activate)
    [ ! -e refuse ] || {{ echo "the boot loader is locked" >&2; exit 1; }}
    echo "$2" > next ;;
esac
"""


def _gateway(directory):
    home = Home(directory, 0, 0)
    banks = directory / "banks"
    banks.mkdir()
    (banks / "slot.1").write_text("1.0\n")
    (banks / "next").write_text("1\n")
    hook = banks / "hook"
    hook.write_text(HOOK.format(directory=banks))
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    home.agent.conf.update(hook_firmware=hook)
    home.uds_controller()
    home.start(devices=False)
    wait_until(lambda: home.ctl.value(INFO + "ActiveFirmwareImage"), 10, "the hook said what runs")
    return home, banks


def _download(home, version):
    slot = f"{INFO}FirmwareImage.2."
    home.images.add(f"/{version}.bin", version.encode() + b"\n" + bytes(5000))
    home.ctl.operate(slot + "Download()", {"URL": f"{home.images.url}/{version}.bin", "AutoActivate": "false"})
    wait_until(lambda: home.ctl.value(slot + "Status") == "Available", 15, "the image is available")
    return slot


@scenario(needs=("homepatchd",))
def boot_image_runs_after_the_reboot(directory):
    home, _ = _gateway(directory)
    slot = _download(home, "2.0")
    home.ctl.subscribe("boot", "Event", "Device.Boot!", Persistent=True, retry=True)
    home.ctl.set(INFO, BootFirmwareImage=slot.rstrip("."))
    home.reboot()
    boot = home.ctl.wait_notify(lambda n: n.event.event_name == "Boot!", 15, "Boot!").event.params
    assert boot["FirmwareUpdated"] == "true" and boot["Cause"] == "RemoteReboot", dict(boot)
    wait_until(lambda: home.ctl.value(INFO + "SoftwareVersion") == "2.0", 15, "the new version is told")
    assert home.ctl.value(INFO + "ActiveFirmwareImage").rstrip(".") == slot.rstrip(".")
    home.stop()


@scenario(needs=("homepatchd",))
def boot_image_that_fails_is_no_reason_not_to_reboot(directory):
    home, banks = _gateway(directory)
    slot = _download(home, "2.0")
    (banks / "refuse").touch()
    home.ctl.set(INFO, BootFirmwareImage=slot.rstrip("."))
    home.reboot()
    wait_until(lambda: home.ctl.value(INFO + "SoftwareVersion") == "1.0", 15, "the old version runs")
    assert home.ctl.value(slot + "Status") != "Active"
    home.stop()
