# SPDX-License-Identifier: BSD-3-Clause
"""The resident's page: its server asked by hand as a browser never would, and the page itself in a real Chromium."""

import json
import os
import pathlib
import re
import socket
import ssl
import stat

from home import NEW, OLD
from hptest import scenario, wait_until
from web_home import CONSENT, NEEDS_ALL, WORDS, Page
from web_home import asked as _asked
from web_home import begun as _home
from web_home import browser as _browser
from web_home import sign_in as _sign_in

def _question(page):
    return wait_until(lambda: page.state()["questions"], 10, "a question")[0]


# -- by hand ------------------------------------------------------------


@scenario(needs=NEEDS_ALL)
def decides(directory):
    """Signs in, agrees, and reads of it; what was answered survives a crash."""
    home = _home(directory)
    page = Page(home.port)
    assert page.get("/api/state")[0] == 401
    cookie = page.sign_in(home.code())
    for part in ("__Host-", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie, cookie
    key = _asked(home)
    question = _question(page)
    assert (question["from"], question["version"], question["wording"]) == (OLD, NEW, WORDS), question
    status, body = page.post("/api/decide", {"question": question["number"], "choice": "Now", "wording": "montr\u00e9"})
    assert status == 200, (status, body)
    home.agent.kill()
    home.agent.start()
    home.must_succeed(key)
    assert page.get("/api/state")[0] == 401, "a session outlived the agent"
    page.sign_in(home.code())
    entries = page.get("/api/history")[1]["entries"]
    agreed = [e for e in entries if e["what"] == "Now"]
    assert [(e["who"], e["means"], e["wording"]) for e in agreed] == [("Resident", "page", "montr\u00e9")], agreed
    assert page.post("/api/sign-out", {})[0] == 200
    assert page.get("/api/state")[0] == 401
    home.stop()


@scenario(needs=NEEDS_ALL)
def refuses(directory):
    """Wrong codes, other sites, other names, other types; and nothing of it is in the log."""
    home = _home(directory)
    page = Page(home.port)
    code = home.code()
    for _ in range(5):
        assert page.post("/api/sign-in", {"code": "0000-0000-0000"}) == (403, {"error": "code"})
    status, body = page.post("/api/sign-in", {"code": code})
    assert status == 429 and 0 < body["wait"] <= 20, (status, body)
    page.source = "127.0.0.77"  # one that guesses takes nothing from another
    page.sign_in(code)
    ask = {"policy": "Never", "quiet_start": "01:00", "quiet_end": "02:00", "quiet_only": False}
    assert page.post("/api/home", ask, Origin="https://evil.example")[0] == 403
    assert page.post("/api/home", ask, Origin=None)[0] == 403
    assert page.post("/api/home", ask, Sec_Fetch_Site="cross-site")[0] == 403
    assert page.post("/api/home", ask, X_HomePatch_Token=None)[0] == 403
    assert page.post("/api/home", "policy=Never", Content_Type="application/x-www-form-urlencoded")[0] == 400
    assert page.post("/api/home", "x" * 9000)[0] == 413
    assert page.get("/api/state", Host="evil.example")[0] == 421
    assert page.get("/", Host=f"evil.example:{home.port}")[0] == 421
    assert page.ask("PUT", "/api/home", "{}")[0] == 405
    assert page.ask("OPTIONS", "/api/home")[0] in (405, 403)
    assert home.ctl.value(CONSENT + "Policy") == "Ask"
    status, headers, _ = page.ask("GET", "/")
    assert status == 200 and "default-src 'none'" in headers["Content-Security-Policy"], headers
    assert headers["X-Frame-Options"] == "DENY" and headers["Cache-Control"] == "no-store", headers
    assert "Access-Control-Allow-Origin" not in headers
    log = home.agent.output()
    for secret in (code, code.replace("-", ""), page.token, page.cookie.split("=")[1]):
        assert secret not in log, "a secret is in the log"
    home.stop()


@scenario(needs=NEEDS_ALL)
def certificate(directory):
    """Made on first use, kept, for this user only; TLS 1.2 at least; nothing without TLS."""
    home = _home(directory)
    file = home.agent.state_dir / "resident.pem"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    before = file.read_bytes()
    home.agent.restart()
    assert file.read_bytes() == before
    with socket.create_connection(("127.0.0.1", home.port), 5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        plain.settimeout(5)
        try:
            answer = plain.recv(100)
        except OSError:
            answer = b""
        assert b"200" not in answer, answer
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", home.port), 5) as link:
        try:
            old.wrap_socket(link)
            raise AssertionError("TLS 1.1 was taken")
        except (ssl.SSLError, OSError):
            pass
    trusting = ssl.create_default_context(cafile=str(file))
    with socket.create_connection(("127.0.0.1", home.port), 5) as link:
        with trusting.wrap_socket(link, server_hostname="gateway.lan") as tls:
            assert tls.version() in ("TLSv1.2", "TLSv1.3")
    home.stop()


# -- in a browser ------------------------------------------------------------


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_agrees(directory):
    """A wrong code, the right one, an update that waits, its text as text, agreed, progress, done, history."""
    home = _home(directory, sim=("--fetch-rate", "20000"))
    browser = _browser(home, directory)
    key = _asked(home)
    _sign_in(home, browser, "1111-2222-3333")
    browser.wait_text("not right", "#code-error")
    browser.script("document.querySelector('#code').value = ''")
    browser.type("#code", home.code())
    browser.click("#sign-in-form button")
    browser.wait_text("1 update waits for you", "#summary-title")
    browser.wait_text(WORDS, ".question .wording")
    assert browser.script("return document.querySelectorAll('.question b').length") == 0, "text became markup"
    browser.click('[data-part="Now"]')
    seen = wait_until(
        lambda: browser.script(
            "const p = document.querySelector('#device-list progress'); return p && p.position > 0 ? p.position : null"
        ),
        30,
        "the progress moves",
        interval=0.1,
    )
    assert 0 < seen <= 1, seen
    home.must_succeed(key)
    browser.wait_text(NEW, "#device-list")
    browser.wait_text("was installed", "#entries")
    browser.wait_text("You agreed", "#entries")
    browser.wait_text("now runs version", "#live")
    browser.wait_text("Nothing to do", "#summary-title")
    browser.click("#sign-out")
    browser.wait_text("Sign in", "#sign-in-title")
    # Of what was asked by an unknown and with a wrong code the browser itself complains; the page does nothing forbidden.
    problems = [line for line in browser.console() if "status of 401" not in line and "status of 403" not in line]
    assert not problems, problems
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_by_keyboard(directory):
    """Everything without a pointer: each step has a name that a screen reader says, and the focus is never lost."""
    home = _home(directory)
    browser = _browser(home, directory)
    key = _asked(home)
    browser.open(home.url)
    browser.wait_text("Code from the gateway")
    names = []
    for _ in range(12):
        browser.press("Tab")
        names.append(browser.focused())
        if names[-1][1] == "Code from the gateway":
            break
    assert names[0] == ("link", "Skip to the content"), names
    assert names[-1][0] == "textbox", names
    browser.press(home.code(), "Enter")
    browser.wait_text("1 update waits")
    wait_until(lambda: browser.focused()[0] == "heading", 10, "the focus is on the title")
    wanted = "Tonight: Install the update of"
    names = []
    for _ in range(12):
        browser.press("Tab")
        names.append(browser.focused())
        if wanted in names[-1][1]:
            break
    assert names[-1][0] == "button" and wanted in names[-1][1], names
    assert any(name[1].startswith("Now: Install") for name in names), names
    browser.press("Enter")
    browser.wait_text("Agreed: tonight", ".question")
    browser.wait_text("quiet hours", "#live")
    assert browser.focused()[0] == "heading", "the focus left the question"
    browser.press("Tab")
    assert browser.focused()[1].startswith("Now:"), browser.focused()
    browser.press("Tab", "ShiftTab")
    browser.press("Space")
    home.must_succeed(key)
    browser.wait_text("was installed", "#entries")
    roles = browser.script(
        "return [...document.querySelectorAll('header, nav, main, footer, h1, h2')].map(n => n.tagName).join(' ')"
    )
    for landmark in ("HEADER", "NAV", "MAIN", "FOOTER", "H1", "H2"):
        assert landmark in roles, roles
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_in_french_on_a_phone(directory):
    """By the browser's language, and switched; nothing is cut on the side, in both schemes; targets are large enough."""
    home = _home(directory)
    browser = _browser(home, directory, language="fr-FR")
    browser.phone()
    _asked(home)
    _sign_in(home, browser)
    browser.wait_text("1 mise \u00e0 jour vous attend", "#summary-title")
    assert browser.script("return document.documentElement.lang") == "fr"
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        wide = browser.script(
            "return [...document.querySelectorAll('main *, .top .bar:first-child *')]"
            ".filter(n => n.getBoundingClientRect().right > 361).map(n => n.tagName + n.innerText)"
        )
        assert browser.script("return innerWidth") == 360 and not wide, f"{scheme}: {wide}"
    small = browser.script(
        "return [...document.querySelectorAll('button, select')].filter(n => n.offsetParent && n.offsetHeight < 44)"
        ".map(n => n.id || n.innerText)"
    )
    assert not small, small
    pictures = browser.script("return [...document.querySelectorAll('#devices .picture, #questions .picture')].length")
    names = [browser.call("GET", f"/element/{list(e.values())[0]}/computedlabel") for e in
             browser.call("POST", "/elements", {"using": "css selector", "value": ".device .picture, .question .picture"})]
    assert pictures == len(names) == 2 and all(", Attend votre d\u00e9cision" in name for name in names), names
    # Rules of the past are said in the reader's language, from the names of the data model.
    browser.script("for (const d of document.querySelectorAll('#entries details')) d.open = true")
    rules = browser.text("#entries .rules")
    for text in ("Install\u00e9 sans vous demander : Rien", "Heures calmes de 02:00 \u00e0 05:00", "1 jour, 3 fois au plus",
                 "n\u2019exige aucune mise \u00e0 jour", "quel appareil en quarantaine"):
        assert text in rules, (text, rules)
    # No word is left that was not translated.
    english = browser.text("main")
    for word in ("Waits", "Version 1.4.4 becomes", "Never", "History", "Devices", "Policy", "Automatic", "Ask", "quiet"):
        assert word not in english, word
    browser.script("const l = document.querySelector('#language'); l.value = 'en'; l.dispatchEvent(new Event('change'))")
    browser.wait_text("1 update waits for you", "#summary-title")
    assert not [line for line in browser.console() if "no words" in line], browser.console()
    assert browser.script("return document.documentElement.lang") == "en"
    home.stop()


@scenario(timeout=150, needs=NEEDS_ALL)
def browser_other_sites(directory):
    """While the resident is signed in: another site's form, script and frame, and a name that was rebound."""
    home = _home(directory)
    browser = _browser(home, directory, rebound="evil.example")
    _sign_in(home, browser)
    browser.wait_text("Nothing to do", "#summary-title")
    file = directory / "evil.html"
    file.write_text(
        f"""<!DOCTYPE html><title>evil</title><iframe id=f src="{home.url}"></iframe>
        <form id=form method=post enctype=text/plain action="{home.url}api/home"><input name='{{"policy":"Never","x":"'
        value='"}}'></form>"""
    )
    browser.open(file.as_uri())
    said = browser.call(
        "POST",
        "/execute/async",
        {
            "script": """const done = arguments[1];
                fetch(arguments[0], {method: 'POST', credentials: 'include', mode: 'no-cors', body: '{"policy":"Never"}'})
                .then(r => done(r.type), e => done('failed'))""",
            "args": [home.url + "api/home"],
        },
    )
    assert said in ("opaque", "failed"), said
    assert browser.script("try { return document.querySelector('#f').contentDocument === null } catch { return true }")
    browser.script("document.querySelector('#form').submit()")
    wait_until(lambda: "error" in browser.text(), 10, "the form is refused")
    assert home.ctl.value(CONSENT + "Policy") == "Ask"
    browser.open(f"https://evil.example:{home.port}/")
    assert "host" in browser.text() and "Sign in" not in browser.text(), browser.text()
    browser.open(home.url)
    browser.wait_text("Nothing to do", "#summary-title")
    home.stop()


@scenario(timeout=90, needs=NEEDS_ALL)
def browser_without_scripts(directory):
    home = _home(directory)
    browser = _browser(home, directory)
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(home.url)
    element = browser.find("main")
    text = browser.call("GET", f"/element/{element}/text")
    assert "needs JavaScript" in text and "besoin de JavaScript" in text, text
    home.stop()


@scenario()
def languages(_directory):
    """Each language says everything, with the same places to fill in; and the page asks for nothing else."""
    page = pathlib.Path(__file__).resolve().parents[2] / "web" / "page"
    words = {file.stem: json.loads(file.read_text()) for file in (page / "lang").glob("*.json")}
    assert set(words) == {"en", "fr"}, set(words)
    for key, text in words["en"].items():
        assert key in words["fr"], key
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", words["fr"][key])), key
    assert list(words["en"]) == list(words["fr"]), "the same words, in the same order"
    source = "".join((page / name).read_text() for name in ("page.js", "view.js", "words.js", "index.html"))
    asked = set(re.findall(r"\bt\(\"([\w.-]+)\"", source)) | set(re.findall(r"data-(?:t|label)=\"([\w.-]+)\"", source))
    missing = asked - set(words["en"])
    assert not missing, missing
    begun = {key.split("${")[0] for key in re.findall(r"`([a-z]+\.[\w.]*\$\{[^`]*)`", source)}
    said = asked | {match for match in re.findall(r"\"([\w.-]+)\"", source)}
    unused = [
        key
        for key in words["en"]
        if key not in said and key.removesuffix(".one").removesuffix(".other") not in said
        and not any(key.startswith(start) for start in begun)
    ]
    assert not unused, unused
