# SPDX-License-Identifier: BSD-3-Clause
"""The cases, by their id in TP-469. A section is one python file whose functions carry @case."""

import importlib
import pathlib

CASES = {}

RECORD_TRANSPORTS = ("mqtt", "websocket", "uds")
# Messages and permissions are the same whoever opened the WebSocket: sections 1 and 2 prove it.
BOTH_ROLES = (*RECORD_TRANSPORTS, "websocket-server")
BOTH_ROLES_SECTIONS = ("1", "2")
MQTT5 = ("mqtt",)
MQTT = ("mqtt", "mqtt311")


def section_of(number):
    """A number in the test plan; a name for the suites of our own ("uds.3" is of "uds")."""
    name = number.split(".")[0]
    return int(name) if name.isdigit() else name


def order_of(number):
    """Sorts cases, and sections: those of the plan first."""
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in str(number).split("."))


class Case:
    def __init__(self, number, title, run, metrics, transports, wait, fresh, supports, setup, skip, erratum):
        self.number, self.title, self.run, self.metrics = number, title, run, tuple(metrics)
        self.transports, self.wait, self.fresh, self.supports = transports, wait, fresh, supports
        self.setup, self.skip, self.erratum = setup, skip, erratum

    @property
    def section(self):
        return section_of(self.number)

    @property
    def order(self):
        return order_of(self.number)


def case(number, title, metrics=(1,), transports=None, wait=0, fresh=False, supports=(), setup=None,
         skip=None, erratum=""):
    """Registers one case.

    transports  where it runs; default: all that carry records
    metrics     the metric numbers of the plan, all of which the function must check (an int n means 1..n)
    wait        seconds that must really pass and cannot be scaled: above 12 the case runs with --long only
    fresh       True: an agent of its own, started for this case from the factory configuration
    supports    data model elements without which the case does not apply, as in the supported data model
    setup       a function (lane) run before a fresh agent starts, to change its configuration
    skip        a reason for which the case is never run
    erratum     where the plan contradicts itself or the specification: how the runner reads it
    """
    if transports is None:
        transports = BOTH_ROLES if number.split(".")[0] in BOTH_ROLES_SECTIONS else RECORD_TRANSPORTS
    if isinstance(metrics, int):
        metrics = range(1, metrics + 1)

    def register(function):
        assert number not in CASES, f"case {number} twice"
        CASES[number] = Case(number, title, function, metrics, transports, wait, fresh, supports, setup,
                             skip, erratum)
        return function
    return register


def load(directory):
    """Imports every section file of a directory."""
    for path in sorted(pathlib.Path(directory).glob("section_*.py")):
        importlib.import_module(path.stem)
    return sorted(CASES.values(), key=lambda c: c.order)
