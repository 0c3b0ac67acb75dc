# SPDX-License-Identifier: BSD-3-Clause
"""Fetching images from servers that do not behave."""

import hashlib

from home import NEEDS, Home
from hptest import ImageServer, Pki, free_port, scenario, wait_until


def _home(directory, devices=1):
    home = Home(directory, devices, 0)
    home.mqtt_controller()
    home.start()
    home.subscribe()
    return home


def _path(url):
    return "/" + url.rsplit("/", 1)[1]


def _check_failed(home, slot, key, status="DownloadFailed"):
    """The failure is told three times over, and each telling agrees."""
    code, text = home.must_fail(key)
    assert 7000 <= code < 8000 and text, (code, text)
    transfer = home.wait_transfer(key)
    assert transfer["FaultCode"] == str(code) and transfer["FaultString"], (transfer, code)
    row = home.slots(0)[slot]
    assert row["Status"] == status, row
    assert row["Available"] == "false", row
    return code, text


@scenario(needs=NEEDS)
def not_found(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    _, text = _check_failed(home, slot, home.download(slot, home.images.https_url + "/nothing"))
    assert "404" in text, text
    home.stop()


@scenario(needs=NEEDS)
def wrong_checksum(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, _, _, _ = home.image()
    _check_failed(
        home, slot, home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum="00" * 32), "ValidationFailed"
    )
    home.stop()


@scenario(needs=NEEDS)
def bad_arguments(directory):
    """Refused at once with the command's own error; nothing is fetched and the row stays as it was."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image()
    good = {"URL": url, "AutoActivate": "false"}
    for bad in (
        {"URL": url},
        {"AutoActivate": "false"},
        {**good, "AutoActivate": "maybe"},
        {**good, "FileSize": "-1"},
        {**good, "CheckSumAlgorithm": "MD5", "CheckSum": "00" * 16},
        {**good, "CheckSum": "xyz"},
        {**good, "CheckSumAlgorithm": "SHA-256", "CheckSum": "00"},
        {"URL": "gopher://x/y", "AutoActivate": "false"},
    ):
        try:
            kind, value = home.ctl.operate(slot + "Download()", bad)[slot + "Download()"]
        except AssertionError as error:  # an Error message for the whole request is right, too
            kind, value = "failure", (getattr(error, "code", 0), str(error))
        assert kind == "failure" and 7000 <= value[0] < 8000, f"{bad}: {kind} {value}"
    assert home.images.count(_path(url)) == 0
    assert home.status(slot) == "NoImage"
    # R-OPR.6: an argument that nobody knows is ignored.
    home.must_succeed(home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest, NoSuchArgument="1"))
    home.stop()


@scenario(needs=NEEDS)
def redirects(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image()
    for status in (301, 302, 303, 307, 308):
        home.images.add("/old", redirect=(status, "/older"))
        home.images.add("/older", redirect=(status, url))
        home.must_succeed(
            home.download(slot, home.images.https_url + "/old", CheckSumAlgorithm="SHA-256", CheckSum=digest)
        )
        assert home.status(slot) == "Available"
    home.stop()


@scenario(needs=NEEDS)
def redirect_loop(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    home.images.add("/loop", redirect=(302, "/loop"))
    _check_failed(home, slot, home.download(slot, home.images.https_url + "/loop"))
    assert home.images.count("/loop") < 100
    home.stop()


@scenario(needs=NEEDS)
def redirect_to_plain_http_or_a_file(directory):
    """From https nobody is led to http, and from nowhere to a file of the gateway."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, _, _, _ = home.image(https=False)
    home.images.add("/down", redirect=(302, url))
    home.images.add("/file", redirect=(302, "file:///etc/passwd"))
    _check_failed(home, slot, home.download(slot, home.images.https_url + "/down"))
    _check_failed(home, slot, home.download(slot, home.images.https_url + "/file"))
    assert home.images.count(_path(url)) == 0
    home.stop()


@scenario(needs=NEEDS)
def resumes_after_a_cut(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, size, _ = home.image(size=300000, cut_at=150000)
    home.must_succeed(home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    requests = [r for r in home.images.seen(_path(url)) if r.method == "GET"]
    assert len(requests) == 2 and requests[1].range, [r.range for r in requests]
    assert home.images.sent(_path(url)) < size + 150000, "started again from the beginning"
    home.stop()


@scenario(needs=NEEDS)
def starts_again_when_the_file_changed(directory):
    """A cut, and the server then has another file: what was there before is not glued to it."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, _, _, what = home.image(size=300000, cut_at=150000)
    fresh = bytes(reversed(what.body))

    def swap():
        if home.images.count(_path(url)) >= 1 and what.cuts == 0:
            what.body, what.etag = fresh, '"2"'
            return True
        return False

    key = home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=hashlib.sha256(fresh).hexdigest())
    wait_until(swap, 10, "the first connection is cut", interval=0.001)
    home.must_succeed(key)
    home.stop()


@scenario(needs=NEEDS)
def server_without_ranges_and_length(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image(size=100000, ranges=False, etag=None, no_length=True)
    home.must_succeed(home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    url, digest, _, _ = home.image(size=120000, ranges=False, etag=None, cut_at=50000)
    home.must_succeed(home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def shorter_than_promised(directory):
    """Content-Length says more than comes, each time: tried again, but not for ever, and never taken for the image."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image(size=20000, wrong_length=1000, ranges=False)
    key = home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest)
    failure = home.wait_done(key, 100)
    assert failure is not None
    assert home.status(slot) == "DownloadFailed"
    home.stop()


@scenario(needs=NEEDS)
def file_size_is_a_hint(directory):
    """TR-181: the download does not fail only because FileSize is not right."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, size, _ = home.image()
    for hint in (1, size - 1, size + 1, size * 100):
        home.must_succeed(home.download(slot, url, FileSize=hint, CheckSumAlgorithm="SHA-256", CheckSum=digest))
    home.stop()


@scenario(needs=NEEDS)
def credentials(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image(auth=("operator", "s3cret:&"))
    _check_failed(home, slot, home.download(slot, url))
    _check_failed(home, slot, home.download(slot, url, Username="operator", Password="wrong"))
    home.must_succeed(
        home.download(
            slot, url, Username="operator", Password="s3cret:&", CheckSumAlgorithm="SHA-256", CheckSum=digest
        )
    )
    assert "s3cret" not in home.agent.output(), "the password is in the log"
    home.stop()


@scenario(needs=NEEDS)
def credentials_do_not_follow_to_another_host(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, _ = home.image(https=False)
    other = home.cleanup.add(ImageServer())
    other.add("/x", home.images.paths[_path(url)].body)
    home.images.add("/away", redirect=(302, other.url + "/x"))
    home.must_succeed(
        home.download(
            slot,
            home.images.url + "/away",
            Username="u",
            Password="p",
            CheckSumAlgorithm="SHA-256",
            CheckSum=digest,
        )
    )
    assert "Authorization" not in other.seen("/x")[0].headers
    home.stop()


def _refused_by_tls(home, server):
    slot = home.free_slot(0)
    server.add("/image", b"x" * 1000)
    _check_failed(home, slot, home.download(slot, server.https_url + "/image"))
    assert server.count("/image") == 0


@scenario(needs=NEEDS)
def untrusted_servers(directory):
    """An image server that cannot show who it is gets no request: wrong authority, wrong name, expired."""
    home = _home(directory)
    stranger = Pki(directory / "stranger", "stranger")
    _refused_by_tls(home, home.cleanup.add(ImageServer(tls=stranger.issue("server"))))
    _refused_by_tls(home, home.cleanup.add(ImageServer(tls=home.pki.issue("elsewhere", hosts=["images.example"]))))
    _refused_by_tls(home, home.cleanup.add(ImageServer(tls=home.pki.issue("expired", days=(-9, -2)))))
    home.stop()


@scenario(timeout=120, needs=NEEDS)
def nobody_listens(directory):
    home = _home(directory)
    slot = home.free_slot(0)
    key = home.download(slot, f"http://127.0.0.1:{free_port()}/image")
    failure = home.wait_done(key, 100)
    assert failure is not None
    assert home.status(slot) == "DownloadFailed"
    key = home.download(slot, "http://no-such-host.invalid/image")
    assert home.wait_done(key, 100) is not None
    home.stop()


@scenario(needs=NEEDS)
def slow_server_comes_back(directory):
    """503 is worth another try."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, digest, _, what = home.image()
    what.status = 503
    key = home.download(slot, url, CheckSumAlgorithm="SHA-256", CheckSum=digest)
    wait_until(lambda: home.images.count(_path(url)) >= 1, 10, "first request")
    what.status = None
    home.must_succeed(key, 60)
    home.stop()


@scenario(needs=NEEDS)
def larger_than_the_cache(directory):
    """Too large for the space there is: refused by its size before it is fetched, and other images stay."""
    home = Home(directory, 1, 0)
    home.agent.conf["cache_size"] = "1M"
    home.mqtt_controller()
    home.start()
    home.subscribe()
    slot = home.downloaded(0, size=20000)
    url, _, _, _ = home.image(size=3000000, rate=2000000)
    other = [p for p, r in home.slots(0).items() if r["Status"] == "NoImage"][0]
    _check_failed(home, other, home.download(other, url))
    assert home.images.sent(_path(url)) < 3000000
    home.must_succeed(home.activate(slot))
    home.stop()


@scenario(needs=NEEDS)
def a_slot_that_is_busy(directory):
    """The active row takes no image, and a row that is being filled takes no second one."""
    home = _home(directory)
    slot = home.free_slot(0)
    url, _, _, what = home.image(rate=20000, size=200000)
    key = home.download(slot, url)
    active = home.ctl.value(home.info(0) + "ActiveFirmwareImage") + "."
    for row in (slot, active):
        results = home.ctl.operate(row + "Download()", {"URL": url, "AutoActivate": "false"})
        assert results[row + "Download()"][0] == "failure", results
    results = home.ctl.operate(slot + "Activate()", {})
    assert results[slot + "Activate()"][0] == "failure", results
    what.rate = None
    home.must_succeed(key, 60)
    home.stop()
