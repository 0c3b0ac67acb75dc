# SPDX-License-Identifier: BSD-3-Clause
"""The resident and the page over time: told of what changes, asked whose device it is, kept from guessing; the hours."""

import json
import pathlib
import re
import socket

from hptest import UspError, scenario, wait_until
from web_home import CONSENT, NEEDS_ALL, Page, asked, begun, browser, quarantined, sign_in

IDENTITY = "X_HOMEPATCH_Identity."
# How often the page asked how things stand.
ASKED = "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/api/state')).length"


def _ledger(page, what):
    return [e for e in page.get("/api/history")[1]["entries"] if e["what"] == what]


def _clean(view):
    """Nothing was left without words, and nothing that the page's policy forbids was tried."""
    problems = [line for line in view.console() if "status of 401" not in line and "status of 409" not in line]
    assert not problems, problems


# -- told ------------------------------------------------------------


@scenario(needs=NEEDS_ALL)
def told(directory):
    """All at first, then what changes and nothing else; one stream per session; it ends with the session."""
    home = begun(directory, mqtt=2, sim=("--fetch-rate", "40000"))
    page = Page(home.port)
    assert page.get("/api/events")[0] == 401
    page.sign_in(home.code())
    stream = page.events()
    name, state = next(stream)
    assert name == "state" and len(state["devices"]) == 2 and not state["questions"], (name, state)
    key = asked(home)
    news = [next(stream)]
    while not news[-1][1]["questions"]:
        news.append(next(stream))
    question = news[-1][1]["questions"][0]
    assert question["state"] == "Asked", question
    assert page.post("/api/decide", {"question": question["number"], "choice": "Now"})[0] == 200
    seen = []
    for name, said in stream:
        assert name == "news", name
        seen += [d["progress"] for d in said["devices"] if d.get("state") == "Transferring"]
        assert question["device"] in [d["key"] for d in said["devices"]] or not said["devices"], said
        if any(d["version"] == question["version"] for d in said["devices"]):
            break
    assert seen and seen == sorted(seen) and len(set(seen)) > 1, seen
    home.must_succeed(key)
    other = page.events()
    assert next(other)[0] == "state"
    assert [name for name, _ in stream][-1] == "end", "two streams of one session"
    assert page.post("/api/sign-out", {})[0] == 200
    assert [name for name, _ in other][-1] == "end"
    home.stop()


@scenario(needs=NEEDS_ALL)
def who_does_not_read_costs_nobody(directory):
    """A stream that nobody reads while everything moves: the others are told and answered as ever."""
    home = begun(directory, mqtt=2)
    page, dead = Page(home.port), Page(home.port)
    dead.sign_in(home.code())
    stalled = dead.events()
    next(stalled)  # and no more
    page.sign_in(home.code())
    stream = page.events()
    next(stream)
    for policy in ("Never", "Ask", "Automatic") * 20:
        home.policy(Policy=policy)
    home.policy(Policy="SecurityAutomatic")
    for name, said in stream:
        if name == "news" and said.get("home", {}).get("policy") == "SecurityAutomatic":
            break
    assert page.state()["home"]["policy"] == "SecurityAutomatic"
    # Who was slow is told the newest, not each that was between.
    pieces = 0
    for name, said in stalled:
        pieces += 1
        if said.get("home", {}).get("policy") == "SecurityAutomatic":
            break
    assert pieces < 45, pieces
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_is_told(directory):
    """The page follows an update without asking; where it cannot be told it asks; a second window takes over."""
    home = begun(directory, sim=("--fetch-rate", "20000"))
    view = browser(home, directory)
    key = asked(home)
    sign_in(home, view)
    view.wait_text("1 update waits for you", "#summary-title")
    view.script("performance.clearResourceTimings()")
    home.policy(Policy="Never")
    wait_until(lambda: view.script("return document.querySelector('#policies [value=Never]').checked"), 10, "the rules follow")
    assert view.script(ASKED) == 0, "it asked"
    home.policy(Policy="Ask")
    view.click('[data-part="Now"]')
    before = wait_until(lambda: view.script(ASKED), 10, "the decision is followed by one question")
    view.wait_text("%", "#device-list progress, #device-list .number", 30)
    home.must_succeed(key)
    view.wait_text("now runs version", "#live")
    view.wait_text("was installed", "#entries")
    assert view.script(ASKED) == before, "it asked although it is told"
    # Another window of the same browser is told instead, and this one goes on by asking.
    first = view.call("GET", "/window")
    second = view.call("POST", "/window/new", {"type": "window"})["handle"]
    view.call("POST", "/window", {"handle": second})
    view.open(home.url)
    view.wait_text("Nothing to do", "#summary-title")
    view.call("POST", "/window", {"handle": first})
    home.policy(Policy="Automatic")
    wait_until(lambda: view.script("return document.querySelector('#policies [value=Automatic]').checked"), 15, "it asks")
    _clean(view)
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_is_not_told(directory):
    """A browser, or a proxy, without streams: the page asks as before."""
    home = begun(directory)
    view = browser(home, directory)
    view.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        source="EventSource = class extends EventTarget { constructor() { super(); setTimeout(() => "
        "this.dispatchEvent(new Event('error')), 50); } close() {} }",
    )
    sign_in(home, view)
    view.wait_text("Nothing to do", "#summary-title")
    asked(home)
    view.wait_text("1 update waits for you", "#summary-title")
    assert view.script(ASKED) > 2
    home.agent.kill()
    view.wait_text("does not answer", "#lost", 30)
    home.agent.start()
    view.wait_text("You are signed out", "#code-error", 30)
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_shows_what_failed(directory):
    """An update that did not go through is seen: on top, on its device, with the gateway's reason, which is English."""
    home = begun(directory, mqtt=2)
    home.policy(Policy="Automatic")
    view = browser(home, directory, language="fr-FR")
    sign_in(home, view)
    view.wait_text("Rien \u00e0 faire", "#summary-title")
    home.sim.fault(1, "fails")
    home.must_fail(home.activate(home.downloaded(1)))
    card = "#device-list li:first-child"
    view.wait_text("Derni\u00e8re mise \u00e0 jour \u00e9chou\u00e9e", card)
    view.wait_text("n\u2019a pas abouti", card)
    view.wait_text("mise \u00e0 jour de 1 appareil", "#summary-text")
    assert view.script("return document.querySelector('.last [lang=en]').innerText"), "its reason"
    _clean(view)
    home.stop()


# -- whose device it is ------------------------------------------------------------


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_says_whose_device_it_is(directory):
    """What was known and what is claimed, asked twice; the ledger, an event, and the device as it was said. By keyboard."""
    home = begun(directory, mqtt=1)
    home.ctl.subscribe("decided", "Event", CONSENT + "Decided!", retry=True, Persistent=True)
    view = browser(home, directory)
    path, false = quarantined(home)
    before = home.ctl.value(path + "DeviceInfo.ModelName")
    sign_in(home, view)
    view.wait_text("1 device needs a look", "#summary-title")
    card = ".device.is-quarantined"
    for text in ("Model", before, "SNSW-002X16EU", "This is my device", "It is not mine"):
        view.wait_text(text, card)
    # Not mine: asked, thought better of, asked again.
    view.click(card + ' [data-part="other"]')
    view.wait_text("Did something else speak in the name of", "#confirm")
    assert before in view.text("#confirm-facts") and "SNSW-002X16EU" in view.text("#confirm-facts")
    assert view.focused() == ("button", "Cancel"), view.focused()
    view.press("Enter")
    assert not view.script("return document.querySelector('#confirm').open")
    assert home.ctl.value(path + IDENTITY + "Quarantined") == "true"
    assert "It is not mine" in view.focused()[1], "the focus is where it was"
    view.press("Enter")
    view.press("ShiftTab")
    assert view.focused() == ("button", "It is not mine"), view.focused()
    false.stop()
    view.press("Enter")
    view.wait_text("stays with what it knew", "#live")
    wait_until(lambda: home.ctl.value(path + IDENTITY + "Quarantined") == "false", 10, "the quarantine ends")
    home.sim.command("online", 0)
    home.wait_listed()
    assert home.ctl.value(path + "DeviceInfo.ModelName") == before
    view.wait_text("something else spoke in the name of", "#entries")
    event = home.ctl.wait_notify(
        lambda n: n.event.event_name == "Decided!" and n.event.params["Decision"] == "Rejected", 10, "the event"
    )
    assert event.event.params["Who"] == "Resident" and event.event.params["Means"] == "page", event
    # Mine: a repair.
    quarantined(home)
    view.wait_text("This is my device", card)
    view.click(card + ' [data-part="mine"]')
    view.click("#confirm-yes")
    wait_until(lambda: home.ctl.value(path + "DeviceInfo.ModelName") == "SNSW-002X16EU", 15, "it is what it says")
    view.wait_text("is the right device", "#entries")
    view.gone("In quarantine", "#device-list")
    _clean(view)
    home.stop()


@scenario(timeout=90, needs=NEEDS_ALL)
def whose_device_is_the_operators(directory):
    """Where the operator keeps it, nothing is offered and nothing taken; its own word is in the ledger, too."""
    home = begun(directory, mqtt=1)
    home.policy(ResidentIdentity="false")
    page = Page(home.port)
    page.sign_in(home.code())
    path, _ = quarantined(home)
    device = wait_until(lambda: next((d for d in page.state()["devices"] if d["quarantined"]), None), 10, "quarantine")
    assert device["why"] == "operator", device
    said = {"device": device["key"], "mine": True, **{k: device[k] for k in ("changed", "was", "is")}}
    assert page.post("/api/identity", said)[0] == 409
    home.policy(ResidentIdentity="true")
    assert page.post("/api/identity", {**said, "is": "a lamp"})[0] == 409, "it was not shown so"
    assert home.ctl.value(path + IDENTITY + "Quarantined") == "true"
    home.cli.run("accept", path.split(".")[2])
    assert home.ctl.value(path + IDENTITY + "Quarantined") == "false"
    entry = _ledger(page, "Released")[0]
    assert entry["who"] == "Controller" and entry["wording"] == "ModelChanged", entry
    assert device["was"] in entry["text"] and device["is"] in entry["text"], entry
    home.stop()


# -- the manufacturer's own update ------------------------------------------------------------


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_launches_the_makers_update(directory):
    """The partially aggregated flow: the operator tells, the resident agrees on the page, the device updates itself."""
    home = begun(directory)
    home.ctl.subscribe("decided", "Event", CONSENT + "Decided!", retry=True, Persistent=True)
    home.sim.command("offer", 0, "1.9.0")

    def offered():
        return [p for p, r in home.slots(0).items() if r["Version"] == "1.9.0" and r["Status"] == "Available"]

    slot = wait_until(offered, 15, "the offer is a row")[0]
    view = browser(home, directory)
    sign_in(home, view)
    view.wait_text("Nothing to do", "#summary-title")
    notice = slot + "X_HOMEPATCH_Notice()"
    words = {"UserMessage": "The maker closes a hole.", "Severity": "High", "Security": "true",
             "ReleaseNotes": "https://maker.example/1.9.0"}
    assert home.ctl.operate(notice, words)[notice][0] == "output"
    for text in ("The maker closes a hole.", "High urgency", "Security", "https://maker.example/1.9.0", "1.9.0"):
        view.wait_text(text, ".question")
    assert home.sim.device(0)["count"]["update_requests"] == 0
    view.click('[data-part="Now"]')
    wait_until(lambda: home.sim.device(0)["version"] == "1.9.0", 30, "the maker's update runs")
    assert home.sim.device(0)["last_url"] == "", "the gateway gave it a URL"
    assert home.sim.device(0)["count"]["update_requests"] == 1
    event = home.ctl.wait_notify(
        lambda n: n.event.event_name == "Decided!" and n.event.params["Decision"] == "Now", 10, "the event"
    )
    assert event.event.params["UserMessage"] == "The maker closes a hole.", event
    assert event.event.params["Who"] == "Resident" and event.event.params["Version"] == "1.9.0", event
    view.wait_text("You agreed to version 1.9.0", "#entries")
    view.wait_text("Version 1.9.0 was installed", "#entries")
    view.wait_text("1.9.0", "#device-list")
    page = Page(home.port)
    page.sign_in(home.code())
    assert [e["who"] for e in _ledger(page, "Now")] == ["Resident"]
    assert [e["version"] for e in _ledger(page, "Installed")] == ["1.9.0"]
    _clean(view)
    home.stop()


# -- guessing ------------------------------------------------------------


@scenario(timeout=150, needs=NEEDS_ALL)
def a_swarm_guesses(directory):
    """Many addresses try codes: each is stopped, no try makes the code void, and the resident signs in meanwhile."""
    home = begun(directory)
    code = home.code()
    swarm = Page(home.port)
    for n in range(15):
        swarm.source = f"127.0.1.{n + 1}"
        answers = [swarm.post("/api/sign-in", {"code": f"{n:04}-0000-{i:04}"})[0] for i in range(6)]
        assert answers == [403] * 5 + [429], answers
    # And hold all the places that there are.
    held = [socket.create_connection(("127.0.0.1", home.port), 5) for _ in range(150)]
    page = Page(home.port)
    page.sign_in(code)
    assert page.get("/api/state")[0] == 200
    for link in held:
        link.close()
    # Codes are made in measure: whoever may make them cannot make the resident's void all the time.
    made = home.ctl.operate(CONSENT + "CreateCode()")[CONSENT + "CreateCode()"]
    assert made[0] == "output" and re.fullmatch(r"\d{4}-\d{4}-\d{4}", made[1]["Code"]), made
    refused = wait_until(
        lambda: next((a for a in [home.ctl.operate(CONSENT + "CreateCode()")[CONSENT + "CreateCode()"]] if a[0] == "failure"), None),
        20,
        "too many codes",
    )
    assert "too many" in str(refused), refused
    home.stop()


# -- the hours ------------------------------------------------------------


@scenario(needs=NEEDS_ALL)
def time_zone(directory):
    """Device.Time.LocalTimeZone is what the hours are read in: checked, kept, and shown on the page."""
    home = begun(directory)
    zone = "Device.Time.LocalTimeZone"
    page = Page(home.port)
    page.sign_in(home.code())
    assert home.ctl.value(zone) == ""
    for wrong in ("Europe/Paris", "CET-1CEST"):
        try:
            home.ctl.set("Device.Time.", LocalTimeZone=wrong)
            taken = True
        except UspError as problem:
            taken = "no POSIX time zone" not in str(problem)
        assert not taken, wrong
    home.ctl.set("Device.Time.", LocalTimeZone="<+0545>-5:45")
    assert page.state()["home"]["offset"] == 20700
    home.agent.kill()
    home.agent.start()
    home.wait_answers(home.ctl)
    assert home.ctl.value(zone) == "<+0545>-5:45"
    page.sign_in(home.code())
    assert page.state()["home"]["offset"] == 20700
    # Quiet hours of the minutes around now, there.
    now = page.state()["now"] + 20700
    clock = lambda s: f"{s // 3600 % 24:02}:{s // 60 % 60:02}"  # noqa: E731
    home.policy(QuietStart=clock(now - 600), QuietEnd=clock(now + 600))
    assert page.state()["home"]["quiet"] is True
    home.ctl.set("Device.Time.", LocalTimeZone="")
    assert page.state()["home"]["quiet"] is False
    home.stop()


# -- words ------------------------------------------------------------


@scenario()
def every_code_has_words(_directory):
    """What the agent may say by a code, the page can say: read from the tables in the sources."""
    top = pathlib.Path(__file__).resolve().parents[2]
    words = json.loads((top / "web/page/lang/en.json").read_text())

    def texts(file, begin):
        source = (top / file).read_text()
        at = source.index(begin)
        return re.findall(r"(?:\] = |^    )\"([^\"]+)\"", source[at : source.index("};", at)], re.M)

    consent = "consent/words.c"
    wanted = {f"policy.{w}" for w in texts(consent, "consent_policy_text")}
    wanted |= {f"choice.{w}" for w in texts(consent, "consent_choice_text")}
    wanted |= {f"state.{w}" for w in texts(consent, "consent_state_text") if w != "Idle"}
    wanted |= {f"what.{w}" for w in texts(consent, "consent_what_text")}
    wanted |= {f"severity.{w}" for w in texts(consent, "consent_severity_text") if w != "Unknown"}
    wanted |= {f"changed.{w}" for w in texts("devices/quarantine.c", "quarantine_code_names") if w != "None"}
    wanted |= {f"why.{w}" for w in texts("web/state.c", "why_word(")} - {"why.the-same"}
    ended = {"Done", "Failed", "RolledBack", "Cancelled", "Expired", "Available"}
    wanted |= {f"job.{w}" for w in texts("firmware/job.c", "firmware_job_state_text(enum") if w not in ended}
    wanted |= {f"waits.{w}" for w in texts("firmware/job.c", "[WAITS_")}
    assert len(wanted) > 60, wanted
    missing = wanted - set(words)
    assert not missing, missing
