# SPDX-License-Identifier: BSD-3-Clause
"""Trust anchors over their life: files as rows, what a controller may do to them, a key that is replaced, one that is
revoked; and a device that leaves and comes back."""

import signal

from home import NEEDS, NEW, OLD
from hptest import UspError, scenario, wait_until
from release_home import RELEASES, release, release_home, untouched

IDENTITY = "X_HOMEPATCH_Identity."


def _rows(home):
    """{Name: (path, {parameter: value})}"""
    table = {}
    for path, value in home.ctl.get(RELEASES + "Anchor.").items():
        row, name = path.rsplit(".", 1)
        table.setdefault(row + ".", {})[name] = value
    return {row["Name"]: (path, row) for path, row in table.items()}


def _reload(home, until, what):
    home.agent.signal(signal.SIGHUP)
    wait_until(lambda: until(_rows(home)), 10, what)
    return _rows(home)


def _lines(file, *lines):
    """The same key under other lines."""
    text = file.read_text()
    file.write_text("\n".join([*lines, text[text.index("-----BEGIN") :]]))


def _fails(call, *words):
    try:
        call()
    except (UspError, AssertionError) as failure:
        assert all(word in str(failure) for word in words), failure
        return
    raise AssertionError(f"it was taken; it should have failed with {words}")


@scenario(needs=NEEDS)
def files_are_rows(directory):
    """Added, changed, exchanged, removed: the rows follow at SIGHUP, and keep their numbers when the agent restarts."""
    home = release_home(directory)
    path, row = _rows(home)["maker.pem"]
    assert row["File"] == str(home.anchors / "maker.pem") and row["Status"] == "Valid", row
    assert row["Role"] == "Manufacturer" and row["Revoked"] == row["RevokedByFile"] == "false", row
    assert len(row["KeyID"]) == 64 and "BEGIN PUBLIC KEY" in row["Key"], row
    _, anchor = home.maker.key("carrier", role="operator", ed25519=True)
    text = anchor.read_text()
    (home.anchors / "carrier.pem").write_text("Not-Before: 2099-01-01T00:00:00Z\nVendor: Other\n" + text)
    rows = _reload(home, lambda rows: "carrier.pem" in rows, "the new file has a row")
    carrier, row = rows["carrier.pem"]
    assert row["Status"] == "NotYetValid" and row["NotBefore"] == "2099-01-01T00:00:00Z", row
    assert row["Role"] == "Operator" and row["Vendor"] == "Other", row
    _lines(home.anchors / "carrier.pem", "Role: operator", "Not-After: 2001-01-01T00:00:00Z")
    rows = _reload(home, lambda rows: rows["carrier.pem"][1]["Status"] == "Expired", "the row follows its file")
    assert rows["carrier.pem"][0] == carrier and rows["carrier.pem"][1]["Vendor"] == "", rows
    home.agent.restart()
    home.wait_answers(home.ctl)
    assert _rows(home)["carrier.pem"][0] == carrier and _rows(home)["maker.pem"][0] == path
    # Another key in the same file is another anchor.
    _, anchor = home.maker.key("next", role="operator")
    (home.anchors / "carrier.pem").write_text(anchor.read_text())
    rows = _reload(home, lambda rows: rows["carrier.pem"][1]["Status"] == "Valid", "the other key has a row")
    assert rows["carrier.pem"][0] != carrier and len(home.ctl.instances(RELEASES + "Anchor.")) == 2, rows
    # A file that is wrong changes nothing.
    (home.anchors / "bad.pem").write_text("no key")
    home.agent.signal(signal.SIGHUP)
    wait_until(lambda: "bad.pem" in home.agent.log.read_text(), 10, "the log names the file that is wrong")
    assert _rows(home) == rows
    (home.anchors / "bad.pem").unlink()
    # One goes while the agent is down.
    home.agent.stop()
    (home.anchors / "carrier.pem").unlink()
    home.agent.start()
    home.wait_answers(home.ctl)
    assert set(_rows(home)) == {"maker.pem"}


@scenario(needs=NEEDS)
def a_file_is_not_a_controllers(directory):
    """It cannot be changed or deleted, only named otherwise and revoked; and what is revoked stays it."""
    home = release_home(directory)
    file = home.anchors / "maker.pem"
    path, row = _rows(home)["maker.pem"]
    for change in ({"Name": "other"}, {"Role": "Operator"}, {"Vendor": "Other"}, {"Enable": "false"},
                   {"NotAfter": "2099-01-01T00:00:00Z"}, {"NotBefore": "2001-01-01T00:00:00Z"}):  # fmt: skip
        _fails(lambda change=change: home.ctl.set(path, **change), str(file))
    for change in ({"File": "x"}, {"RevokedByFile": "true"}, {"Key": "x"}, {"Status": "Valid"}):
        _fails(lambda change=change: home.ctl.set(path, **change), "only")
    _fails(lambda: home.ctl.delete(path), str(file))
    assert _rows(home)["maker.pem"] == (path, row)
    _fails(lambda: home.ctl.add(RELEASES + "Anchor.", Name="twin", Key=file.read_text()), str(file))
    home.ctl.set(path, Alias="the-maker", Revoked="false")
    # Revoked: what waits is refused at once, what comes is, too; also in the next life.
    url, _ = release(home)
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    home.ctl.set(path, Revoked="true")
    assert home.ctl.value(path + "Status") == "Revoked"
    for _ in range(2):
        failure = home.must_fail(home.activate(slot))
        assert failure[0] == 7006 and "it was revoked" in failure[1], failure
        assert home.status(slot) == "ActivationFailed"
        assert "it was revoked" in home.ctl.value(slot + "BootFailureLog")
        home.agent.restart()
        home.wait_answers(home.ctl)
        home.wait_listed()
    assert "it was revoked" in home.must_fail(home.download(slot, url))[1]
    untouched(home)
    # Its file goes, and comes back: a row says still that the key is revoked, and that row is the controllers'.
    text = file.read_text()
    file.unlink()
    rows = _reload(home, lambda rows: rows["maker.pem"][1]["File"] == "", "the file is gone")
    assert rows["maker.pem"][0] == path and rows["maker.pem"][1]["Status"] == "Revoked", rows
    file.write_text(text)
    home.agent.signal(signal.SIGHUP)
    rows = wait_until(lambda: (found := home.ctl.get(RELEASES + "Anchor.*.Status")) and len(found) == 2 and found, 10,
                      "the file has a row again")  # fmt: skip
    assert set(rows.values()) == {"Revoked"}, rows
    assert "it was revoked" in home.must_fail(home.download(slot, url))[1]
    home.ctl.delete(path)
    wait_until(lambda: _rows(home)["maker.pem"][1]["Status"] == "Valid", 10, "nobody says any more that it is revoked")
    # The file's own word.
    _lines(file, "Revoked: true")
    rows = _reload(home, lambda rows: rows["maker.pem"][1]["RevokedByFile"] == "true", "the file revokes")
    path, row = rows["maker.pem"]
    assert row["Status"] == "Revoked" and row["Revoked"] == "false", row
    home.ctl.set(path, Revoked="false")
    assert home.ctl.value(path + "Status") == "Revoked"
    assert "it was revoked" in home.must_fail(home.download(slot, url))[1]
    _lines(file)
    _reload(home, lambda rows: rows["maker.pem"][1]["Status"] == "Valid", "the file counts again")
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW


@scenario(needs=NEEDS)
def rows_of_controllers(directory):
    """What their Status says, and a file that comes with a key that a row has already."""
    home = release_home(directory)
    _, anchor = home.maker.key("carrier", role="operator")
    pem = anchor.read_text()
    path = home.ctl.add(RELEASES + "Anchor.", Name="carrier", Role="Operator", Key=pem)
    _fails(lambda: home.ctl.add(RELEASES + "Anchor.", Name="twin", Role="Operator", Key=pem), "already")
    for change, status in (({"Enable": "false"}, "Disabled"), ({"Enable": "true"}, "Valid"),
                           ({"NotBefore": "2099-01-01T00:00:00Z"}, "NotYetValid"),
                           ({"NotBefore": "0001-01-01T00:00:00Z", "NotAfter": "2001-01-01T00:00:00Z"}, "Expired"),
                           ({"NotAfter": "0001-01-01T00:00:00Z", "Revoked": "true"}, "Revoked"),
                           ({"Revoked": "false"}, "Valid")):  # fmt: skip
        home.ctl.set(path, **change)
        assert home.ctl.value(path + "Status") == status, (change, status, home.ctl.value(path + "Status"))
    assert home.ctl.value(path + "File") == ""
    (home.anchors / "carrier.pem").write_text(pem)
    rows = _reload(home, lambda rows: "carrier.pem" in rows, "the file has a row")
    assert rows["carrier.pem"][1]["Status"] == "Valid"
    wait_until(lambda: home.ctl.value(path + "Status") == "Duplicate", 10, "the row that was there is its double")
    home.ctl.set(path, Revoked="true")
    assert _rows(home)["carrier.pem"][1]["Status"] == home.ctl.value(path + "Status") == "Revoked"
    assert _rows(home)["maker.pem"][1]["Status"] == "Valid"
    home.ctl.delete(path)
    wait_until(lambda: _rows(home)["carrier.pem"][1]["Status"] == "Valid", 10, "the row is gone, and what it said")


@scenario(needs=NEEDS)
def forgetting_is_no_downgrade(directory):
    """The device leaves, is forgotten, and comes back: what is older than what it ran is refused as before."""
    home = release_home(directory)
    url, _ = release(home, sequence=5)
    old, _ = release(home, sequence=4, version="1.5.0")
    slot = home.free_slot(0)
    home.must_succeed(home.download(slot, url))
    home.must_succeed(home.activate(slot))
    assert home.sim.device(0)["version"] == NEW
    row = home.rows[home.ids[0]]
    home.sim.command("offline", 0)
    wait_until(lambda: home.ctl.value(row + "Online") == "false", 20, "the device is gone")
    kind, _ = home.ctl.operate(row + IDENTITY + "Forget()")[row + IDENTITY + "Forget()"]
    assert kind == "output", kind
    wait_until(lambda: not home.ctl.instances("Device.ProxiedDevice."), 10, "its row is gone")
    home.agent.restart(kill=True)
    home.wait_answers(home.ctl)
    home.sim.command("online", 0)
    home.wait_listed()
    assert home.rows[home.ids[0]] != row, "it has a row of its own"
    failure = home.must_fail(home.download(home.free_slot(0), old))
    assert failure[0] == 7022 and "is not above 5" in failure[1], failure
    assert home.sim.device(0)["version"] == NEW != OLD
