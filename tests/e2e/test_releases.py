# SPDX-License-Identifier: BSD-3-Clause
"""Signed releases: a device is updated by one, and every refusal leaves it untouched and ends in its own result."""

import json
import signal
import subprocess
import time

from home import NEEDS, NEW, OLD, Home
from hptest import scenario, wait_until
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


def _home(directory, devices=1):
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


def _serve(home, file, path=None):
    path = path or f"/{file.name}"
    home.images.add(path, file)
    return home.images.https_url + path


def _release(home, *signers, **what):
    """An image on the server and a release that names it; (URL, Behaviour of the image)."""
    version = what.get("version", NEW)
    url, _, _, behaviour = home.image(version=version)
    file = home.dir / url.rsplit("/", 1)[-1]
    what.setdefault("uri", file.name)
    what.setdefault("model", home.device_model)
    return _serve(home, home.maker.release(file, *(signers or [home.key]), **what)), behaviour


def _untouched(home, device=0):
    state = home.sim.device(device)
    assert state["version"] == OLD and state["count"]["update_requests"] == 0, state


def _refused(home, url, words, code=None):
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
    _untouched(home)
    return failure


@scenario(needs=NEEDS)
def signed_release(directory):
    """Fetched, verified, shown in the manufacturer's words, installed; its number counts from then on."""
    home = _home(directory)
    url, _ = _release(home, sequence=5, more=["--description", "Closes a hole in the web server"])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    row = home.slots(0)[slot]
    assert row["Status"] == "Available" and row["Version"] == NEW, row
    assert row["X_HOMEPATCH_Description"] == "Closes a hole in the web server", row
    assert row["X_HOMEPATCH_Signers"] == "maker.pem (manufacturer)", row
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW
    # The same again, and an older one, under the same number or below, however well signed.
    for version, sequence in ((NEW, 5), ("1.5.0", 4)):
        old, _ = _release(home, sequence=sequence, version=version)
        failure = home.must_fail(home.download(home.free_slot(0), old))
        assert "is not above 5" in failure[1], failure
    newer, _ = _release(home, sequence=6, version="1.7.0")
    # What it was is still known to another life of the agent.
    home.agent.restart()
    home.wait_answers(home.ctl)
    home.wait_listed()
    failure = home.must_fail(home.download(home.free_slot(0), old))
    assert "is not above 5" in failure[1], failure
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, newer))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == "1.7.0"


@scenario(needs=NEEDS)
def release_with_its_image_inside(directory):
    """One file; several devices; one fetch."""
    home = _home(directory, devices=3)
    url, _ = _release(home, uri=None)
    slots = [home.free_slot(d) for d in range(3)]
    keys = [home.download(slot, url) for slot in slots]
    for key in keys:
        home.must_succeed(key)
    whole = [r for r in home.images.requests if r.path.endswith(".suit") and r.sent > 1000]
    assert len(whole) == 1, [(r.path, r.sent) for r in home.images.requests]
    for key in [home.activate(slot) for slot in slots]:
        home.must_succeed(key)
    assert [d["version"] for d in home.sim.devices()] == [NEW] * 3


@scenario(needs=NEEDS)
def forged(directory):
    home = _home(directory)
    stranger, _ = home.maker.key("stranger")
    url, _ = _release(home, stranger)
    _refused(home, url, "no trust anchor", 7006)
    # One byte of the manifest, of the signature, of the end.
    url, _ = _release(home)
    what = home.images.paths["/" + url.rsplit("/", 1)[-1]]
    good = what.body
    for at in (90, len(good) // 2, len(good) - 1):
        what.body = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        what.etag = f'"{at}"'
        _refused(home, url, "release refused")
    what.body, what.etag = good[:-7], '"short"'
    _refused(home, url, "release refused, parse error", 7012)
    # Without any signature, and an image without a release.
    file = home.maker.release(home.dir / f"Plus1-{NEW}-60000.zip", model=home.device_model)
    _refused(home, _serve(home, file), "it is not signed", 7006)
    bare, digest, _, _ = home.image()
    slot = home.free_slot(0)
    failure = home.must_fail(home.download(slot, bare, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    assert failure[0] == 7006 and "bare image" in failure[1], failure
    _untouched(home)


@scenario(needs=NEEDS)
def wrong_device(directory):
    home = _home(directory)
    _refused(home, _release(home, model="Other")[0], "another class of devices", 7022)
    _refused(home, _release(home, vendor="example.org")[0], "another vendor's devices", 7022)


@scenario(needs=NEEDS)
def expired(directory):
    home = _home(directory)
    url, _ = _release(home, more=["--use-before", "2020-01-01T00:00:00Z"])
    _refused(home, url, "its time is over", 7022)
    # Good when it was downloaded, and not any more when it is to be installed.
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    url, _ = _release(home, more=["--use-before", soon])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    failure = home.must_fail(home.activate(slot, (8, 60, "Immediately")), timeout=40)
    assert "its time is over" in failure[1], failure
    assert home.status(slot) == "ActivationFailed"
    _untouched(home)


@scenario(needs=NEEDS)
def image_swapped_at_the_server(directory):
    home = _home(directory)
    url, image = _release(home)
    image.body = image.body[:-1] + bytes([image.body[-1] ^ 1])
    _refused(home, url, "is not the one that was signed", 7022)
    url, image = _release(home, sequence=2)
    image.body += b"more"
    image.etag = '"2"'
    _refused(home, url, "is not the one that was signed", 7022)


@scenario(needs=NEEDS)
def operator_must_co_sign(directory):
    home = _home(directory)
    operator, anchor = home.maker.key("operator", role="operator", ed25519=True)
    row = home.ctl.add(RELEASES + "Anchor.", Name="operator", Role="Operator", Key=anchor.read_text())
    home.ctl.set(RELEASES + "Vendor.*.", RequiredSignatures="ManufacturerAndOperator")
    url, _ = _release(home)
    _refused(home, url, "it is not signed by the operator", 7006)
    url, _ = _release(home, home.key, operator, sequence=2)
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    assert home.slots(0)[slot]["X_HOMEPATCH_Signers"] == "maker.pem (manufacturer), operator (operator)"
    # Revoked between download and installation.
    home.ctl.set(row, Revoked="true")
    failure = home.must_fail(home.activate(slot))
    assert "release refused, unauthorised" in failure[1] and failure[0] == 7006, failure
    _untouched(home)
    home.ctl.set(row, Revoked="false")
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW


@scenario(needs=NEEDS)
def version_condition(directory):
    home = _home(directory)
    url, _ = _release(home, more=["--from", ">= 1.5"])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    failure = home.must_fail(home.activate(slot))
    assert "it installs over a version at least 1.5" in failure[1], failure
    _untouched(home)
    url, _ = _release(home, sequence=2, more=["--from", ">= 1.4", "--from", "< 2"])
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))


@scenario(needs=NEEDS)
def not_before_its_time(directory):
    """wait-info: the job waits, and goes on by itself."""
    home = _home(directory)
    at = time.time() + 5
    url, _ = _release(home, more=["--not-before", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    key = home.activate(slot)
    update = home.rows[home.ids[0]] + "X_HOMEPATCH_Update."
    wait_until(
        lambda: "release" in json.dumps(home.ctl.get(update)), 10, "it waits for the time that the release gives"
    )
    _untouched(home)
    home.must_succeed(key)
    assert time.time() >= int(at)


@scenario(needs=NEEDS)
def cms_manifest(directory):
    """A JSON manifest with a detached CMS signature: openssl's, by a certificate of a CA that is the anchor."""
    home = _home(directory)
    ca_key, ca = directory / "ca.key", home.anchors / "ca.pem"
    key, request, certificate = directory / "c.key", directory / "c.csr", directory / "c.pem"
    ext = directory / "ext"
    ext.write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n")
    for words in (
        f"req -x509 -newkey rsa:2048 -nodes -keyout {ca_key} -out {ca} -subj /CN=Maker -days 30",
        f"req -newkey rsa:2048 -nodes -keyout {key} -out {request} -subj /CN=Releases",
        f"x509 -req -in {request} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 20 -extfile {ext} -out {certificate}",
    ):
        subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    home.agent.signal(signal.SIGHUP)
    wait_until(lambda: "ca.pem" in home.ctl.value(RELEASES + "AnchorFiles"), 10, "the anchor was read")
    url, _, _, _ = home.image()
    file = directory / "release.json"
    home.maker.run("create", "--cms", "--vendor", VENDOR, "--version", NEW, "--sequence", 3, "--image",
                   directory / url.rsplit("/", 1)[-1], "--model", home.device_model, file)  # fmt: skip
    manifest = _serve(home, file)
    _refused(home, manifest, "its signature cannot be had", 7006)
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-in", file, "-signer", certificate, "-inkey", key, "-outform", "DER",
         "-out", f"{file}.p7s"], check=True, capture_output=True)  # fmt: skip
    _serve(home, directory / "release.json.p7s")
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, manifest))
    assert home.slots(0)[slot]["X_HOMEPATCH_Signers"] == "ca.pem (manufacturer)"
    what = home.images.paths["/release.json"]
    what.body = what.body.replace(b'"sequence":\t3', b'"sequence":\t4')
    what.etag = '"2"'
    failure = home.must_fail(home.download(home.free_slot(0), manifest))
    assert "release refused, unauthorised" in failure[1], failure
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW
