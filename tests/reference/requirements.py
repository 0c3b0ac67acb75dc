#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The ledger of requirements: tests/reference/requirements.py [--write] [--left]

Each active R-tag of TR-369 that binds an agent on MQTT, WebSocket or UNIX sockets is named in a source or a test, where
it is enforced, or has its reason in tests/reference/requirements.tsv. Without an option it checks that, and that the
section "Requirements" of docs/conformance.md says the same; --write writes the section, --left lists the tags that are
neither. The tags come from reference/usp-requirements.tsv next to the tree, or the file HOMEPATCH_REQUIREMENTS names;
without it nothing can be checked (exit status 77)."""

import os
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(os.environ.get("HOMEPATCH_REQUIREMENTS") or TOP.parent / "shared/reference/usp-requirements.tsv")
REASONS = TOP / "tests/reference/requirements.tsv"
PAGE = TOP / "docs/conformance.md"
HEADING = "## Requirements"
SOURCES = ("agent", "base", "bulk", "datamodel", "devices", "discovery", "firmware", "packaging", "transports", "usp", "tools")
TESTS = ("tests/unit", "tests/conformance", "tests/e2e", "tests/fuzz")
# "R-NOT.1", "R-SEC.13 to R-SEC.17", "R-UDS.7 to 9"
NAMED = re.compile(r"\b(R-[A-Z0-9]+)\.([0-9]+(?:\.[0-9]+)?[a-z]?)\b(?:\s+to\s+(?:\1\.)?([0-9]+[a-z]?)\b)?")

INTRODUCTION = """Each active requirement of TR-369 that binds an agent on MQTT, WebSocket or UNIX sockets, in words of our own, the files
that name its tag where they enforce it, and the tests that name it; or the reason why there is none. This section is
written by `tests/reference/requirements.py --write` from the tags in the sources and the tests and from the reasons in
`tests/reference/requirements.tsv`. `tests/lint/run requirements` fails when a tag has neither.
"""


def binding(table):
    """{tag: paraphrase} in the order of the table, of the tags that are ours; and every tag it has."""
    ours, known = {}, []
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        tag, _chapter, text, applies, here, _since, _reworded, status = line.split("\t")
        known.append(tag)
        if status == "active" and here == "yes" and applies in ("agent", "both"):
            ours[tag] = text
    return ours, known


def between(known, first, last):
    """The tags of a range, in the table's order."""
    if first not in known or last not in known:
        return [first, last]
    return known[known.index(first):known.index(last) + 1]


def named(folders, known):
    """{tag: [files that name it]}"""
    found = {}
    for folder in folders:
        for path in sorted((TOP / folder).rglob("*")):
            if path.suffix not in (".c", ".h", ".py") and path.name != "homepatch-dhcp":
                continue
            for match in NAMED.finditer(path.read_text(encoding="utf-8")):
                area, number, end = match.groups()
                tags = between(known, f"{area}.{number}", f"{area}.{end}") if end else [f"{area}.{number}"]
                for tag in tags:
                    files = found.setdefault(tag, [])
                    name = str(path.relative_to(TOP))
                    if name not in files:
                        files.append(name)
    return found


def reasons():
    lines = REASONS.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t", 1) for line in lines if line.strip())


def files_text(files):
    return ", ".join(f"`{name}`" for name in files)


def section(ours, code, tests, why):
    lines = [HEADING, "", INTRODUCTION, f"{len(ours)} requirements; {sum(1 for t in ours if t in why)} with a reason.", "",
             "| tag | requirement | enforced in | tested in, or reason |", "|---|---|---|---|"]
    for tag, text in ours.items():
        last = why[tag] if tag in why else files_text(tests.get(tag, ()))
        lines.append(f"| {tag} | {text} | {files_text(code.get(tag, ()))} | {last} |".replace("| |", "|  |"))
    return "\n".join(lines) + "\n"


def complaints(ours, known, code, tests, why):
    for tag in ours:
        if tag not in code and tag not in tests and tag not in why:
            yield f"{tag} is named nowhere: {ours[tag]}"
    for tag in why:
        if tag not in ours:
            yield f"tests/reference/requirements.tsv gives a reason for {tag}, which does not bind this agent"
        elif tag in code:
            yield f"tests/reference/requirements.tsv gives a reason for {tag}, and {code[tag][0]} enforces it"
    for tag in {*code, *tests} - set(known):
        yield f"{(code.get(tag) or tests[tag])[0]} names {tag}, which there is not"


def split_page(text):
    """The page before the section, the section, and what follows it."""
    start = text.find(f"\n{HEADING}\n")
    if start < 0:
        return text.rstrip("\n") + "\n", "", ""
    end = text.find("\n## ", start + 1)
    return text[:start], text[start + 1:] if end < 0 else text[start + 1:end], "" if end < 0 else text[end:]


def main():
    if not TABLE.exists():
        print(f"no {TABLE}")
        return 77
    ours, known = binding(TABLE)
    code, tests, why = named(SOURCES, known), named(TESTS, known), reasons()
    wrong = list(complaints(ours, known, code, tests, why))
    if "--left" in sys.argv[1:]:
        print("\n".join(wrong))
        return 0
    before, old, after = split_page(PAGE.read_text(encoding="utf-8"))
    new = section(ours, code, tests, why)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(before + "\n" + new + after, encoding="utf-8")
    elif old.rstrip("\n") != new.rstrip("\n"):
        wrong.append("docs/conformance.md: its section Requirements is not up to date: tests/reference/requirements.py --write")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
