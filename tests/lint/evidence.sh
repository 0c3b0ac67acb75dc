#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each row of a table of threats names a test that shows it, and each test that it names is there. Written are `test_x.py`: scenario,
# scenario; `tests/unit/test_x.c`: test_function; `x.scenario`, of tests/e2e/test_x.py; test_x: test_function, of tests/unit/test_x.c.
. "$(dirname "$0")/lib.sh"

/usr/bin/python3 - docs/security.md docs/consent.md << 'END'
import pathlib
import re
import sys

bad = 0


def has(file, name):
    """Whether the tests' file is there, and has that test."""
    if not file.is_file():
        return f"{file} is not there"
    text = file.read_text()
    found = re.search(rf"^(static )?(void|def) {re.escape(name)}\(", text, re.M) if name else True
    return None if found else f"{file} has no {name}"


def claims(cell):
    """(file, test or None) of each test that a cell names."""
    for module, scenario in re.findall(r"`([a-z_]+)\.([a-z_]+)`", cell):
        if module.startswith("test_"):
            continue  # `test_x.py`, below
        yield pathlib.Path(f"tests/e2e/test_{module}.py"), scenario
    for module, ending, names in re.findall(r"\b(test_\w+?)(?:\.(py|c))?\b`?(?::((?:,? [a-z_0-9]+)+))?(?=[;,|. ]|$)", cell):
        file = pathlib.Path(f"tests/e2e/{module}.py" if ending == "py" else f"tests/unit/{module}.c")
        if not ending and not file.is_file():
            continue  # a test of the file before it
        wanted = [n.strip() for n in names.split(",") if n.strip() and " " not in n.strip()]
        yield from ((file, name) for name in wanted or [None])


for document in sys.argv[1:]:
    shown = False
    for number, line in enumerate(pathlib.Path(document).read_text().split("\n"), 1):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        shown = line.startswith("|") and (shown or cells[-1] == "shown by")
        if not shown or cells[-1] == "shown by" or set(line) <= set("|-"):
            continue
        named = list(claims(cells[-1]))
        problems = [p for p in (has(*claim) for claim in named) if p]
        if not named and not (pathlib.Path(cells[-1].strip("`")).is_dir() or "fuzz_*" in cells[-1]):
            problems.append("no test is named")
        for problem in problems:
            print(f"{document}:{number}: {problem}")
            bad = 1
sys.exit(bad)
END
