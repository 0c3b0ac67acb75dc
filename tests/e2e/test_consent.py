# SPDX-License-Identifier: BSD-3-Clause
"""The resident's consent: asked, decided, put off, refused, and what a crash leaves of it."""

import re
import time

from cli import DONE, ENDPOINT, REFUSED, USAGE, Cli
from home import NEEDS, NEW, OLD, Home
from hptest import UNTRUSTED, UspError, scenario, wait_until

CONSENT = "Device.X_HOMEPATCH_Consent."
WORDS = "It closes a hole. The lamp is off for a minute."
PATIENT = (0, 600, "ConfirmationNeeded")


def _home(directory, mqtt=1, websocket=0, cli=False, **options):
    home = Home(directory, mqtt, websocket, **options)
    home.mqtt_controller()
    home.uds_controller()
    if cli:
        home.agent.uds(ENDPOINT)
    home.start()
    home.subscribe(keep=True)
    home.ctl.subscribe("asked", "Event", CONSENT + "Asked!", retry=True, Persistent=True)
    home.ctl.subscribe("decided", "Event", CONSENT + "Decided!", retry=True, Persistent=True)
    return home


def _policy(home, **values):
    home.ctl.set(CONSENT, **values)


def _question(home, state="Asked", timeout=15):
    """(path, values) of the only question, once it stands so."""

    def look():
        rows = home.controllers[1].get(CONSENT + "Request.*.")
        paths = {path.rsplit(".", 1)[0] + "." for path in rows}
        if len(paths) != 1:
            return None
        path = paths.pop()
        values = {name.rsplit(".", 1)[1]: value for name, value in rows.items()}
        return (path, values) if values["State"] == state else None

    return wait_until(look, timeout, f"a question that is {state}", interval=0.05)


def _decide(home, path, decision, ctl=None):
    command = path + "Decide()"
    return (ctl or home.ctl).operate(command, {"Decision": decision})[command]


def _decided(home, path, decision):
    kind, value = _decide(home, path, decision)
    assert kind == "output", (kind, value)


def _refused(ask):
    """The agent says no: in an Error message, or as the result of the command."""
    try:
        kind, value = ask()
    except UspError:
        return
    assert kind == "failure", (kind, value)


def _ledger(home):
    rows = {}
    for path, value in home.controllers[1].get(CONSENT + "Ledger.*.").items():
        row, name = path.rsplit(".", 1)
        rows.setdefault(int(row.rsplit(".", 1)[1]), {})[name] = value
    return [rows[number] for number in sorted(rows)]


def _whats(home):
    return [(row["What"], row["Who"]) for row in _ledger(home) if row["What"] != "Policy"]


def _event(home, name, **params):
    return home.ctl.wait_notify(
        lambda n: n.event.event_name == name and all(n.event.params.get(k) == v for k, v in params.items()),
        10,
        f"{name} {params}",
    )


def _untouched(home, device=0):
    assert home.sim.device(device)["count"]["update_requests"] == 0, "the device was updated"


def _restarted(home):
    home.controllers[1].close()
    home.agent.kill()
    home.agent.start()
    home.controllers[1].connect()
    home.wait_answers(home.ctl)


# -- asked, and answered ------------------------------------------------------------


@scenario(needs=NEEDS)
def now(directory):
    home = _home(directory)
    slot = home.downloaded(0)
    key = home._start(
        slot + "Activate()",
        {
            "TimeWindow.1.Start": 0,
            "TimeWindow.1.End": 600,
            "TimeWindow.1.Mode": "ConfirmationNeeded",
            "TimeWindow.1.UserMessage": WORDS,
        },
        None,
    )
    path, question = _question(home)
    device = home.rows[home.ids[0]]
    assert question["Device"] == device, question
    assert question["FirmwareImage"] + "." == slot, question
    assert (question["Version"], question["Replaces"]) == (NEW, OLD), question
    assert question["UserMessage"] == WORDS, question
    assert "Now" in question["Choices"] and "Withdraw" not in question["Choices"], question
    assert home.ctl.value(device + "X_HOMEPATCH_Update.WaitsFor") == "consent"
    _event(home, "Asked!", Request=path, UserMessage=WORDS, Device=device)
    _untouched(home)
    _decided(home, path, "Now")
    home.must_succeed(key)
    _event(home, "Decided!", Decision="Now", Who="Controller", Means="self::ctl", Request=path, UserMessage=WORDS)
    assert _whats(home) == [("Asked", "Controller"), ("Now", "Controller"), ("Installed", "Policy")], _whats(home)
    assert home.done_count(key) == 1
    home.stop()


@scenario(needs=NEEDS)
def never(directory):
    """By policy: the operator's command waits, and ends with what the resident said, now and the next time."""
    home = _home(directory)
    slot = home.downloaded(0)
    _policy(home, Policy="Ask")
    key = home.activate(slot)
    path, _ = _question(home)
    _decided(home, path, "Never")
    code, text = home.must_fail(key)
    assert code == 7002 and "refused" in text, (code, text)
    code, text = home.must_fail(home.activate(slot))
    assert code == 7002, (code, text)
    path, question = _question(home, "Refused")
    assert question["Choices"] == "Withdraw", question
    _untouched(home)
    _decided(home, path, "Withdraw")
    key = home.activate(slot)
    path, _ = _question(home)
    _decided(home, path, "Now")
    home.must_succeed(key)
    home.stop()


@scenario(needs=NEEDS)
def tonight(directory):
    """Agreed for quiet hours that are far; they come when the resident moves them to now."""
    home = _home(directory)
    slot = home.downloaded(0)

    def at(hours):
        return time.strftime("%H:00", time.localtime(time.time() + hours * 3600))

    _policy(home, Policy="Ask", QuietStart=at(4), QuietEnd=at(6))
    key = home.activate(slot)
    path, _ = _question(home)
    _decided(home, path, "Tonight")
    _question(home, "Tonight")
    wait_until(
        lambda: home.ctl.value(home.rows[home.ids[0]] + "X_HOMEPATCH_Update.WaitsFor") == "quiet", 10, "it waits"
    )
    _restarted(home)
    home.wait_listed()
    _question(home, "Tonight")
    _untouched(home)
    _policy(home, QuietStart=at(-1), QuietEnd=at(2))
    home.must_succeed(key)
    home.stop()


@scenario(needs=NEEDS)
def security_automatic(directory):
    """A notice that can be put off once; then it goes ahead by itself. The operator's floor takes the refusal away."""
    home = _home(directory)
    slot = home.downloaded(0)
    _policy(
        home,
        Policy="SecurityAutomatic",
        NoticePeriod=2,
        DeferralPeriod=3,
        MaxDeferrals=1,
        FloorSeverity="High",
        FloorDays=1,
    )
    notice = slot + "X_HOMEPATCH_Notice()"
    kind, value = home.ctl.operate(
        notice,
        {"UserMessage": WORDS, "Severity": "Critical", "Security": "true", "Confirm": "false", "Version": NEW},
    )[notice]
    assert kind == "output", (kind, value)
    path, question = _question(home, "Notice")
    assert "Never" not in question["Choices"], question
    assert (question["Severity"], question["Security"]) == ("Critical", "true"), question
    _refused(lambda: _decide(home, path, "Never"))
    _decided(home, path, "Later")
    _, question = _question(home, "Later")
    assert question["DeferralsLeft"] == "0", question
    _untouched(home)
    wait_until(lambda: home.sim.device(0)["version"] == NEW, 30, "it went ahead")
    wait_until(lambda: ("Installed", "Policy") in _whats(home), 15, "the ledger says so")
    assert _whats(home) == [
        ("Notified", "Controller"),
        ("Later", "Controller"),
        ("Now", "Policy"),
        ("Installed", "Policy"),
    ], _whats(home)
    home.stop()


@scenario(needs=NEEDS)
def nobody_answers(directory):
    home = _home(directory)
    slot = home.downloaded(0)
    key = home.activate(slot, (0, 2, "ConfirmationNeeded"))
    path, _ = _question(home)
    code, text = home.must_fail(key)
    assert "confirm" in text, (code, text)
    assert home.status(slot) == "Available"
    assert _whats(home) == [("Asked", "Controller"), ("Expired", "Policy")], _whats(home)
    _refused(lambda: _decide(home, path, "Now"))
    _untouched(home)
    home.stop()


# -- the partially aggregated flow ------------------------------------------------------------


@scenario(needs=NEEDS)
def manufacturers_own_update(directory):
    """The operator tells of what the manufacturer offers; the resident agrees; the device updates itself. Killed on the
    way: the offer is installed once."""
    home = _home(directory)
    home.sim.command("offer", 0, "1.9.0")

    def offered():
        return [p for p, r in home.slots(0).items() if r["Version"] == "1.9.0" and r["Status"] == "Available"]

    slot = wait_until(offered, 15, "the offer is a row")[0]
    notice = slot + "X_HOMEPATCH_Notice()"
    args = {"UserMessage": WORDS, "Severity": "High", "ReleaseNotes": "https://maker.example/1.9.0"}
    kind, value = home.ctl.operate(notice, {**args, "Version": "1.8.0"})[notice]
    assert kind == "failure", "another version was told of"
    kind, value = home.ctl.operate(notice, args)[notice]
    assert kind == "output", (kind, value)
    path, question = _question(home)
    assert value["Request"] == path, (value, path)
    assert question["ReleaseNotes"] == "https://maker.example/1.9.0", question
    _restarted(home)
    _question(home)
    _untouched(home)
    _decided(home, path, "Now")
    _restarted(home)
    wait_until(lambda: home.sim.device(0)["version"] == "1.9.0", 30, "the manufacturer's update runs")
    wait_until(lambda: ("Installed", "Policy") in _whats(home), 15, "the ledger says so")
    assert home.sim.device(0)["count"]["update_requests"] == 1
    assert home.sim.device(0)["last_url"] == "", "the device was given a URL for its maker's own update"
    assert not home.ctl.get(CONSENT + "Request.*.")
    home.stop()


# -- crashes ------------------------------------------------------------


@scenario(timeout=90, needs=NEEDS)
def killed_while_asked_and_when_decided(directory):
    """kill -9 while it waits, and the moment a decision is answered: neither lost nor repeated, one result."""
    home = _home(directory)
    home.agent.conf.update(install_retries=20)
    slot = home.downloaded(0)
    key = home.activate(slot, PATIENT)
    path, _ = _question(home)
    _restarted(home)
    again, _ = _question(home)
    assert again == path, (again, path)
    home.sim.command("offline", 0)
    wait_until(lambda: home.ctl.value(home.rows[home.ids[0]] + "Online") == "false", 15, "device away")
    _decided(home, path, "Now")
    _restarted(home)
    _question(home, "Agreed")
    home.sim.command("online", 0)
    home.must_succeed(key, 60)
    assert home.sim.device(0)["version"] == NEW
    assert _whats(home) == [("Asked", "Controller"), ("Now", "Controller"), ("Installed", "Policy")], _whats(home)
    home.wait_listed()
    assert home.done_count(key) == 1
    home.stop()


@scenario(timeout=90, needs=NEEDS)
def killed_when_refused(directory):
    home = _home(directory)
    slot = home.downloaded(0)
    key = home.activate(slot, PATIENT)
    path, _ = _question(home)
    _decided(home, path, "Never")
    _restarted(home)
    code, _ = home.must_fail(key)
    assert code == 7002, code
    _question(home, "Refused")
    _untouched(home)
    assert home.done_count(key) == 1
    home.stop()


def _seen(ctl, path):
    try:
        return ctl.get(path)
    except UspError:
        return {}


# -- who may ------------------------------------------------------------


@scenario(needs=NEEDS)
def roles(directory):
    """A controller without the right role sees no question and no ledger, makes no code and decides nothing."""
    home = Home(directory, 1, 0)
    home.mqtt_controller()
    home.uds_controller()
    guest = home.uds_controller("self::guest", role=UNTRUSTED)
    home.controllers.remove(guest)  # it may not read what start() asks for
    home.start()
    guest.connect()
    home.subscribe()
    slot = home.downloaded(0)
    key = home.activate(slot, PATIENT)
    path, _ = _question(home)
    for command, args in ((path + "Decide()", {"Decision": "Now"}), (CONSENT + "CreateCode()", {})):
        _refused(lambda: guest.operate(command, args)[command])
    for rows in ("Request.*.", "Ledger.*."):
        assert not _seen(guest, CONSENT + rows), "a guest sees " + rows
    _untouched(home)
    assert home.done_count(key) == 0
    home.stop()


# -- the command line ------------------------------------------------------------


@scenario(needs=(*NEEDS, "homepatch"))
def command_line(directory):
    home = _home(directory, cli=True)
    cli = Cli(home.agent.dir / "agent.sock")
    assert "Nothing waits" in cli.run("consent")
    cli.run("consent", "policy", "ask")
    cli.run("consent", "quiet", "01:00", "04:30")
    said = cli.run("consent", "policy")
    assert "Ask" in said and "01:00 to 04:30" in said, said
    cli.run("consent", "quiet", "25:00", "04:30", code=REFUSED)
    cli.run("consent", "sing", code=USAGE)
    slot = home.downloaded(0)
    key = home.activate(slot)
    _question(home)
    said = cli.run("consent")
    assert OLD in said and NEW in said and "waits for a decision" in said, said
    device = home.ids[0]
    number = home.rows[device].split(".")[2]
    cli.run("consent", "decide", number, "perhaps", code=USAGE)
    cli.run("consent", "decide", "gateway", "now", code=REFUSED)
    cli.run("consent", "decide", number, "now", code=DONE)
    home.must_succeed(key)
    wait_until(lambda: ("Installed", "Policy") in _whats(home), 15, "the ledger says so")
    said = cli.run("consent", "history")
    assert "Asked" in said and "Now" in said and ENDPOINT in said and "Installed" in said, said
    whats = [row["What"] for row in cli.json("consent", "history")["history"]]
    assert whats[-3:] == ["Asked", "Now", "Installed"], whats
    cli.run("consent", "policy", number, "never")
    assert "Never" in cli.run("consent", "policy")
    code = cli.run("consent-code").split("\n")[0]
    assert re.fullmatch(r"\d{4}-\d{4}-\d{4}", code), code
    assert cli.json("consent-code")["code"] != code
    home.stop()
