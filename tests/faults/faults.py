# SPDX-License-Identifier: BSD-3-Clause
"""What strikes the agent from inside its process: the other side of shim.c."""

import mmap
import os
import struct

from hptest.process import build_dir

OPS = ("sync", "write", "rename", "unlink", "truncate", "create", "malloc", "transition")
DURABLE = ("sync", "rename", "unlink", "truncate")
KILL_BEFORE, KILL_AFTER, KILL_TORN, FAIL_IO, FAIL_SPACE, FAIL_MEMORY = range(1, 7)

_LAYOUT = struct.Struct("=qIIqqII8Q")  # struct control
_SEEN = struct.Struct("=3I")  # struct seen: committed, killed before, killed after
_COMMANDS = ("Download()", "Activate()")
_STATES = ("-", "Requested", "Fetching", "Verifying", "Waiting", "Transferring", "Rebooting", "Confirming", "?")
_TRANSITIONS = [f"{c} {a}>{b}" for c in _COMMANDS for a in _STATES for b in _STATES]


def shim():
    """Path of the library, or None when it is not built."""
    path = build_dir() / "tests" / "faults" / "shim.so"
    return path if path.is_file() else None


class Shim:
    """One process's worth of faults. The file outlives the process, so counters go on and what is armed stays armed."""

    def __init__(self, directory):
        self.path = directory / "faults.page"
        self.path.write_bytes(bytes(4096))
        fd = os.open(self.path, os.O_RDWR)
        self._page = mmap.mmap(fd, 4096)
        os.close(fd)

    @property
    def environment(self):
        return {"LD_PRELOAD": str(shim()), "HOMEPATCH_FAULTS": str(self.path)}

    def _read(self):
        return _LAYOUT.unpack_from(self._page)

    def _write(self, offset, layout, *values):
        struct.pack_into(layout, self._page, offset, *values)

    def arm(self, ops, action, nth, repeats=0, only_new=False):
        """At the nth of these calls from now on, and at so many after it. only_new: of transitions, those that this action
        did not strike yet."""
        mask = sum(1 << OPS.index(op) for op in ops)
        self._write(8, "=I", 0)
        self._write(12, "=IqqII", action, nth, repeats, 0, only_new)
        self._write(8, "=I", mask)

    def disarm(self, forget=False):
        self._write(8, "=I", 0)
        if forget:
            self._write(32, "=I", 0)  # struck

    @property
    def struck(self):
        return bool(self._read()[5])

    def move_clock(self, seconds):
        """The wall clock is off by that much from now on."""
        self._write(0, "=q", seconds)

    def counts(self):
        return dict(zip(OPS, self._read()[7:]))

    def transitions(self):
        """{"Download() Fetching>Verifying": (how often it came to its commit, killed before, killed after)} of all that
        came."""
        rows = _SEEN.iter_unpack(self._page[_LAYOUT.size : _LAYOUT.size + len(_TRANSITIONS) * _SEEN.size])
        return {name: row for name, row in zip(_TRANSITIONS, rows) if row[0]}

    def count(self, ops):
        counts = self.counts()
        return sum(counts[op] for op in ops)
