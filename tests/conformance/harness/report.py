# SPDX-License-Identifier: BSD-3-Clause
"""Results as a table for machines and as docs/conformance.md."""

import collections

from .lanes import LANES
from .registry import order_of
from .runner import FAIL, PASS, SKIP

_HEAD = """# Conformance

This page is written by `tests/conformance/run --write-docs`. It lists the cases of the USP test plan (TP-469, release
1.4.0) that the runner automates, by their id there, and what homepatchd did in the run that wrote the page. A case that
did not run is not listed as passed.

How to repeat it: build, then `tests/conformance/run` (waits scaled down where the data model allows that) or
`tests/conformance/run --long` (the plan's own waits). Names of transports: `mqtt` is MQTT 5.0, `mqtt311` MQTT 3.1.1,
`websocket` the agent connecting to a controller's WebSocket server, `websocket-server` the other way round, `uds` the UNIX domain socket. The broker, the
WebSocket peer and the controller are the runner's own; messages are encoded by protoc's Python classes.

Besides its own metrics each case fails when a record or message is not valid by the schema, when a path in it does not
use instance numbers, when an answer does not fit its request, when the agent ends or does not end in order, or when the
agent's tables are not as they were before the case. Where the plan contradicts itself or the specification, the remark
says how the runner reads it.

To add a case, write a function in the `section_*.py` of its section and register it with `@case` under its id, with the
number of metrics the plan gives it: a metric that the function did not check fails the case. `tests/conformance/run
--selftest` tests the runner itself.
"""

# Cases of the plan that apply to an agent on MQTT, WebSocket and UNIX sockets, by section.
_APPLYING = {1: 104, 2: 24, 3: 15, 4: 1, 7: 10, 8: 7, 9: 10, 10: 13, 11: 17}


# Suites of our own: the heading, and what is said under it.
_SUITES = {
    "uds": ("The UNIX domain socket binding", "The plan has no cases for it. These are of our own, by the requirements of "
            "TR-369's chapter on it; each names them.", ""),
    "hostile": ("Bad input", "What arrives is broken, forged, or far too much; each case names the requirement that says "
                "what the agent does then. Meanwhile it goes on serving an honest controller, and its memory stays as it "
                "was. What is random is made from a seed that a failure prints: `tests/conformance/run --hostile --seed N` "
                "repeats it, `--long` does more rounds.", ""),
}


def write_tsv(path, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write("id\ttransport\tverdict\treason\tseconds\n")
        for r in results:
            out.write(f"{r.number}\t{r.transport}\t{r.verdict}\t{r.text}\t{r.seconds:.1f}\n")


def summary(results):
    count = collections.Counter(r.verdict for r in results)
    return f"{count[PASS]} passed, {count[FAIL]} failed, {count[SKIP]} skipped"


def _cell(result):
    return {PASS: "pass", FAIL: "**fail**", SKIP: "skip"}[result.verdict] if result else "-"


def _section(number, cases, results):
    transports = sorted({t for c in cases for t in c.transports}, key=list(LANES).index)
    by_key = {(r.number, r.transport): r for r in results}
    title, *about = _SUITES.get(number, (f"Section {number}",))
    lines = [f"## {title}", "", *about, "| case | what | " + " | ".join(transports) + " | remarks |",
             "|---|---|" + "---|" * len(transports) + "---|"]
    for case in cases:
        mine = [by_key.get((case.number, t)) for t in transports]
        remarks = {r.text: None for r in mine if r and r.text and r.verdict != PASS}
        if any(r and "waits scaled" in r.text and r.verdict == PASS for r in mine):
            remarks["waits scaled"] = None
        if case.erratum:
            remarks[case.erratum] = None
        text = "; ".join(remarks).replace("|", "\\|")
        lines.append(f"| {case.number} | {case.title} | " + " | ".join(map(_cell, mine)) + f" | {text} |")
    return lines + [""]


def _others(path):
    """What the page has besides: the ledger of requirements, which tests/reference/requirements.py writes."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    start = text.find("\n## Requirements\n")
    return text[start:] if start >= 0 else ""


def write_docs(path, cases, results, real_time):
    sections = sorted({c.section for c in cases}, key=order_of)
    missing = [str(n) for n in _APPLYING if n not in sections]
    automated = sum(1 for c in cases if not c.skip and c.section in _APPLYING)
    lines = [_HEAD, f"{automated} of {sum(_APPLYING.values())} applicable cases are automated"
             + (f"; sections {', '.join(missing)} are not yet." if missing else "."), "", f"The run: {'real waits' if real_time else 'waits scaled'}; {summary(results)}.", ""]
    for number in sections:
        lines += _section(number, [c for c in cases if c.section == number], results)
    path.write_text("\n".join(lines).rstrip("\n") + "\n" + _others(path), encoding="utf-8")
