# SPDX-License-Identifier: BSD-3-Clause
"""A home whose images are signed: a maker with `homepatch release`, an anchor of its in a file, and a Vendor row."""

import subprocess

from home import NEW, OLD, Home
from hptest.process import program

RELEASES = "Device.X_HOMEPATCH_Releases."
VENDOR = "shelly.com"


class Maker:
    """`homepatch release` at somebody's desk."""

    def __init__(self, directory):
        self.dir = directory
        self.number = 0

    def run(self, *words, fails=False):
        done = subprocess.run(
            [program("homepatch"), "release", *map(str, words)], capture_output=True, text=True, timeout=30
        )
        assert (done.returncode != 0) == fails, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout

    def key(self, name, role="manufacturer", **kinds):
        self.run("keygen", *(f"--{k}" for k in kinds), "--role", role, self.dir / name)
        return self.dir / f"{name}.key", self.dir / f"{name}.pem"

    def release(self, image, *signers, sequence=1, model, version=NEW, uri=None, vendor=VENDOR, more=()):
        """An envelope about a file, signed by these keys in turn; its path."""
        self.number += 1
        file = self.dir / f"release-{self.number}.suit"
        where = ["--inside"] if uri is None else ["--uri", uri]
        self.run("create", "--vendor", vendor, "--version", version, "--sequence", sequence, "--image", image,
                 "--model", model, *where, *more, file)  # fmt: skip
        for number, key in enumerate(signers):
            self.run("co-sign" if number else "sign", "--key", key, file)
        return file


def release_home(directory, devices=1):
    home = Home(directory, mqtt=devices, websocket=0)
    home.maker = Maker(directory)
    home.mqtt_controller()
    home.anchors = directory / "anchors"
    home.anchors.mkdir()
    home.key, anchor = home.maker.key("maker")
    anchor.rename(home.anchors / "maker.pem")
    home.agent.conf.update(release_anchors_dir=home.anchors, canary_soak=0)
    home.start()
    home.subscribe(keep=True)
    home.vendor = home.ctl.value(home.info(0) + "Manufacturer")
    home.device_model = home.ctl.value(home.info(0) + "ModelName")
    home.ctl.add(RELEASES + "Vendor.", Name=home.vendor, Domain=VENDOR, RequiredSignatures="Manufacturer")
    return home


def serve(home, file, path=None):
    path = path or f"/{file.name}"
    home.images.add(path, file)
    return home.images.https_url + path


def release(home, *signers, **what):
    """An image on the server and a release that names it; (URL, Behaviour of the image)."""
    version = what.get("version", NEW)
    url, _, _, behaviour = home.image(version=version)
    file = home.dir / url.rsplit("/", 1)[-1]
    what.setdefault("uri", file.name)
    what.setdefault("model", home.device_model)
    return serve(home, home.maker.release(file, *(signers or [home.key]), **what)), behaviour


def untouched(home, device=0):
    state = home.sim.device(device)
    assert state["version"] == OLD and state["count"]["update_requests"] == 0, state


def refused(home, url, words, code=None):
    """Download() of it fails, with these words in the result, and nothing is offered to the device."""
    slot = home.free_slot(0)
    key = home.download(slot, url)
    failure = home.must_fail(key)
    assert words in failure[1], (words, failure)
    assert code is None or failure[0] == code, failure
    transfer = home.wait_transfer(key)
    assert transfer["FaultCode"] == str(failure[0]) and words in transfer["FaultString"], transfer
    row = home.slots(0)[slot]
    assert row["Status"] in ("ValidationFailed", "DownloadFailed") and row["Available"] == "false", row
    kind, refusal = home.ctl.operate(slot + "Activate()", {}, "never")[slot + "Activate()"]
    assert kind != "request" or home.wait_done("never"), (kind, refusal)
    untouched(home)
    return failure
