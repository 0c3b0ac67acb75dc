# SPDX-License-Identifier: BSD-3-Clause
"""Signed releases: a device is updated by one, and every refusal leaves it untouched and ends in its own result."""

import json
import signal
import subprocess
import time

from home import NEEDS, NEW, OLD
from hptest import scenario, wait_until
from release_home import RELEASES, VENDOR, refused, release, release_home, serve, untouched


@scenario(needs=NEEDS)
def signed_release(directory):
    """Fetched, verified, shown in the manufacturer's words, installed; its number counts from then on."""
    home = release_home(directory)
    url, _ = release(home, sequence=5, more=["--description", "Closes a hole in the web server"])
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
        old, _ = release(home, sequence=sequence, version=version)
        failure = home.must_fail(home.download(home.free_slot(0), old))
        assert "is not above 5" in failure[1], failure
    newer, _ = release(home, sequence=6, version="1.7.0")
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
    home = release_home(directory, devices=3)
    url, _ = release(home, uri=None)
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
    home = release_home(directory)
    stranger, _ = home.maker.key("stranger")
    url, _ = release(home, stranger)
    refused(home, url, "no trust anchor", 7006)
    # One byte of the manifest, of the signature, of the end.
    url, _ = release(home)
    what = home.images.paths["/" + url.rsplit("/", 1)[-1]]
    good = what.body
    for at in (90, len(good) // 2, len(good) - 1):
        what.body = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        what.etag = f'"{at}"'
        refused(home, url, "release refused")
    what.body, what.etag = good[:-7], '"short"'
    refused(home, url, "release refused, parse error", 7012)
    # Without any signature, and an image without a release.
    file = home.maker.release(home.dir / f"Plus1-{NEW}-60000.zip", model=home.device_model)
    refused(home, serve(home, file), "it is not signed", 7006)
    bare, digest, _, _ = home.image()
    slot = home.free_slot(0)
    failure = home.must_fail(home.download(slot, bare, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    assert failure[0] == 7006 and "bare image" in failure[1], failure
    untouched(home)


@scenario(needs=NEEDS)
def wrong_device(directory):
    home = release_home(directory)
    refused(home, release(home, model="Other")[0], "another class of devices", 7022)
    refused(home, release(home, vendor="example.org")[0], "another vendor's devices", 7022)


@scenario(needs=NEEDS)
def expired(directory):
    home = release_home(directory)
    url, _ = release(home, more=["--use-before", "2020-01-01T00:00:00Z"])
    refused(home, url, "its time is over", 7022)
    # Good when it was downloaded, and not any more when it is to be installed.
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    url, _ = release(home, more=["--use-before", soon])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    failure = home.must_fail(home.activate(slot, (8, 60, "Immediately")), timeout=40)
    assert "its time is over" in failure[1], failure
    assert home.status(slot) == "ActivationFailed"
    untouched(home)


@scenario(needs=NEEDS)
def image_swapped_at_the_server(directory):
    home = release_home(directory)
    url, image = release(home)
    image.body = image.body[:-1] + bytes([image.body[-1] ^ 1])
    refused(home, url, "is not the one that was signed", 7022)
    url, image = release(home, sequence=2)
    image.body += b"more"
    image.etag = '"2"'
    refused(home, url, "is not the one that was signed", 7022)


@scenario(needs=NEEDS)
def operator_must_co_sign(directory):
    home = release_home(directory)
    operator, anchor = home.maker.key("operator", role="operator", ed25519=True)
    row = home.ctl.add(RELEASES + "Anchor.", Name="operator", Role="Operator", Key=anchor.read_text())
    home.ctl.set(RELEASES + "Vendor.*.", RequiredSignatures="ManufacturerAndOperator")
    url, _ = release(home)
    refused(home, url, "it is not signed by the operator", 7006)
    url, _ = release(home, home.key, operator, sequence=2)
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    assert home.slots(0)[slot]["X_HOMEPATCH_Signers"] == "maker.pem (manufacturer), operator (operator)"
    # Revoked between download and installation.
    home.ctl.set(row, Revoked="true")
    failure = home.must_fail(home.activate(slot))
    assert "release refused, unauthorised" in failure[1] and failure[0] == 7006, failure
    untouched(home)
    home.ctl.set(row, Revoked="false")
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW


@scenario(needs=NEEDS)
def version_condition(directory):
    """Known to fail: not downloaded. Held when it was downloaded and not any more: not installed."""
    home = release_home(directory)
    url, _ = release(home, more=["--from", ">= 1.5"])
    refused(home, url, "it installs over a version at least 1.5", 7022)
    url, _ = release(home, sequence=2, more=["--from", "< 1.5"])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    home.sim.command("version", 0, "1.5.0")
    wait_until(lambda: home.ctl.value(home.info(0) + "SoftwareVersion") == "1.5.0", 20, "the device runs another one")
    failure = home.must_fail(home.activate(slot))
    assert "it installs over a version older than 1.5" in failure[1], failure
    home.sim.command("version", 0, OLD)
    wait_until(lambda: home.ctl.value(home.info(0) + "SoftwareVersion") == OLD, 20, "the device runs the old one")
    url, _ = release(home, sequence=3, more=["--from", ">= 1.4", "--from", "< 2"])
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))


@scenario(needs=NEEDS)
def not_before_its_time(directory):
    """wait-info: the job waits, and goes on by itself."""
    home = release_home(directory)
    at = time.time() + 5
    url, _ = release(home, more=["--not-before", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))])
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    key = home.activate(slot)
    update = home.rows[home.ids[0]] + "X_HOMEPATCH_Update."
    wait_until(
        lambda: "release" in json.dumps(home.ctl.get(update)), 10, "it waits for the time that the release gives"
    )
    untouched(home)
    home.must_succeed(key)
    assert time.time() >= int(at)


@scenario(needs=NEEDS)
def cms_manifest(directory):
    """A JSON manifest with a detached CMS signature: openssl's, by a certificate of a CA that is the anchor."""
    home = release_home(directory)
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
    wait_until(lambda: "ca.pem" in home.ctl.get(RELEASES + "Anchor.*.Name").values(), 10, "the anchor was read")
    url, _, _, _ = home.image()
    file = directory / "release.json"
    home.maker.run("create", "--cms", "--vendor", VENDOR, "--version", NEW, "--sequence", 3, "--image",
                   directory / url.rsplit("/", 1)[-1], "--model", home.device_model, file)  # fmt: skip
    manifest = serve(home, file)
    refused(home, manifest, "its signature cannot be had", 7006)
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-in", file, "-signer", certificate, "-inkey", key, "-outform", "DER",
         "-out", f"{file}.p7s"], check=True, capture_output=True)  # fmt: skip
    serve(home, directory / "release.json.p7s")
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
