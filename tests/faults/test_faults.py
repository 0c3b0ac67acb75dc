# SPDX-License-Identifier: BSD-3-Clause
"""The campaign. How many faults each scenario tries is scaled by HOMEPATCH_FAULTS (default 100 in all, 1000 and more for
./check --long); HOMEPATCH_SEED repeats a random one."""

import functools
import os
import random
import select
import sqlite3
import time

from campaign import MODELS, SIZE, Campaign
from faults import DURABLE, FAIL_IO, FAIL_MEMORY, FAIL_SPACE, KILL_AFTER, KILL_BEFORE, KILL_TORN, shim
from home import NEEDS
from hptest import Skip, scenario, wait_until

SCALE = int(os.environ.get("HOMEPATCH_FAULTS", "100")) / 100
LONG = SCALE >= 10  # every call is struck, not some of them
TIMEOUT = 240 + 900 * SCALE


def _campaign(directory):
    if not shim():
        raise Skip("not built: tests/faults/shim.so")
    seed = int(os.environ.get("HOMEPATCH_SEED") or random.randrange(1 << 32))
    print(f"HOMEPATCH_SEED={seed}", flush=True)
    campaign = Campaign(directory, seed)
    (directory / "seed.log").write_text(f"HOMEPATCH_SEED={seed}\n")
    return campaign


def _report(campaign, refused=False):
    campaign.finish(refused)
    with open(os.environ.get("HOMEPATCH_FAULT_COUNT", os.devnull), "a") as total:
        total.write(f"{campaign.faults} {campaign.restarts} {'; '.join(campaign.covered)}\n")


def _share(number):
    """So many of the hundred that the short form has."""
    return max(1, round(number * SCALE))


# -- inside the process: shim.c ------------------------------------------------------------


def inside(ops, action, nth, lasts=None, work=Campaign.send):
    """lasts: seconds in which all such calls fail; None: the one. work: what it strikes."""

    def fault(campaign):
        def arm():
            if lasts:
                campaign.heal_at = time.monotonic() + lasts
            campaign.shim.arm(ops, action, nth, 1 << 40 if lasts else 0)

        campaign.before_sending = arm
        return work(campaign)

    fault.__name__ = f"{ops} {action} {nth} in {work.__name__}"
    return fault


def _ops_of(campaign, ops, work=Campaign.send):
    """How many such calls there are when nothing fails."""
    before = []
    campaign.before_sending = lambda: before.append(campaign.shim.count(ops))
    campaign.strike(work, outside=0)
    return campaign.shim.count(ops) - before[0]


def _go_over(campaign, places):
    """Strikes at each place, a tuple (fault, ...). Calls that come a little earlier or later from run to run may make it
    miss: twice more. Returns the places that were struck."""
    struck = {p for p in places if campaign.strike(p[0], outside=0)}
    for _ in range(2):
        struck |= {p for p in places if p not in struck and campaign.strike(p[0], outside=0)}
    return struck


def _sweep(directory, ops, action, share, what):
    """Every such call of an update, some more than once; or as many of them, spread evenly, as there is room for."""
    campaign = _campaign(directory)
    total = min(_ops_of(campaign, ops) for _ in range(3))
    count = _share(share)
    assert total >= 10, f"{total} calls of {ops} in an update"
    chosen = [1 + turn * total // count for turn in range(count)]
    struck = {nth for _, nth, _ in _go_over(campaign, [(inside(ops, action, n), n, i) for i, n in enumerate(chosen)])}
    campaign.covered.append(f"{what}: {len(struck)} of {total}")
    assert struck == set(chosen), f"not struck: {set(chosen) - struck} of {total}"
    assert not LONG or len(struck) == total
    _report(campaign)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_before_each_durable_write(directory):
    _sweep(directory, DURABLE, KILL_BEFORE, 16, "durable writes, killed before")


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_after_each_durable_write(directory):
    _sweep(directory, DURABLE, KILL_AFTER, 10, "durable writes, killed after")


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_in_the_middle_of_a_write(directory):
    """Half of the bytes are in the file: a page of the log, a piece of an image."""
    _sweep(directory, ("write",), KILL_TORN, 12, "writes, killed in the middle")


def _twice(campaign, place, arm):
    """The agent is killed at the place, and once more by what arm() arms for the life after that."""
    campaign.before_next_life = arm
    campaign.strike(place[0], outside=0)
    campaign.before_next_life = None


def _each_transition(directory, action, share):
    """Every commit that takes a job from one state to another, in updates that succeed in one step and in two, that have to
    be tried again, and that fail; in the long form also those of a life that begins after such a kill."""
    campaign = _campaign(directory)
    column, word = (1, "before") if action == KILL_BEFORE else (2, "after")
    kinds = [Campaign.send, Campaign.download, Campaign.activate, power_cut_in_mid_transfer, image_server(status=503)]
    places = []
    for kind in kinds if LONG else campaign.random.sample(kinds, 2):
        total = max(_ops_of(campaign, ("transition",), kind) for _ in range(3))
        assert total >= 3, f"{total} transitions in {kind}"
        places += [(inside(("transition",), action, nth, work=kind), kind, nth) for nth in range(1, total + 1)]
    known = set(campaign.shim.transitions())
    _go_over(campaign, places if LONG else campaign.random.sample(places, _share(share)))

    def missing():
        return {name for name, row in campaign.shim.transitions().items() if not row[column]}

    def arm():
        campaign.shim.arm(("transition",), action, 1, only_new=True)

    for place in 4 * places if LONG else ():
        if missing():
            _twice(campaign, place, arm)
    total = len(campaign.shim.transitions())
    campaign.covered.append(f"transitions of a job, killed {word}: {total - len(missing())} of {total}")
    if LONG and missing():
        campaign.covered[-1] += f" (not: {', '.join(sorted(missing()))})"
    # What only a life after a kill does may come once, and not again.
    assert not LONG or not missing() & known, f"never killed {word}: {missing() & known}"
    _report(campaign)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_before_each_transition(directory):
    _each_transition(directory, KILL_BEFORE, 8)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_after_each_transition(directory):
    _each_transition(directory, KILL_AFTER, 8)


def _errors(directory, action, share):
    """The disk refuses one call, or all for a while."""
    campaign = _campaign(directory)
    for _ in range(_share(share)):
        ops = campaign.random.choice([("sync",), ("write",), ("rename", "create", "truncate"), DURABLE + ("write",)])
        total = 40 if ops != ("write",) else 120
        lasts = campaign.random.choice([None, None, 0.5, 3])
        campaign.strike(inside(ops, action, campaign.random.randint(1, total), lasts), outside=0)
    _report(campaign, refused=True)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def disk_full(directory):
    _errors(directory, FAIL_SPACE, 10)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def disk_dying(directory):
    _errors(directory, FAIL_IO, 10)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def no_memory(directory):
    campaign = _campaign(directory)
    total = _ops_of(campaign, ("malloc",))
    for _ in range(_share(8)):
        nth, lasts = campaign.random.randint(1, total), campaign.random.choice([None, 0.05])
        campaign.strike(inside(("malloc",), FAIL_MEMORY, nth, lasts), outside=0)
    _report(campaign, refused=True)


# -- around it ------------------------------------------------------------


def _under_way(campaign, commands):
    """All were answered, or the agent is dead; then a random moment of what follows."""
    home = campaign.home

    def answered():
        for command in commands:
            campaign.look(command)
        return not home.agent.running() or all(c.accepted or c.refused for c in commands)

    wait_until(answered, 15, "the commands are answered")
    select.select([], [], [], campaign.random.random() * 0.6)  # any moment: this wait is for nothing
    return home


def broker_dies(name):
    def fault(campaign):
        commands = campaign.send(rate=300000)
        home = _under_way(campaign, commands)
        broker = getattr(home, name)
        broker.kill()
        select.select([], [], [], campaign.random.random())
        broker.start()
        return commands

    fault.__name__ = f"{name} broker dies"
    return fault


def device_loses_power(campaign):
    commands = campaign.send()
    home = _under_way(campaign, commands)
    device = campaign.random.randrange(len(MODELS))
    home.sim.command("offline", device)
    select.select([], [], [], campaign.random.random())
    home.sim.command("online", device)
    return commands


def power_cut_in_mid_transfer(campaign):
    home = campaign.home
    device = campaign.random.randrange(len(MODELS))
    boots = home.sim.device(device)["count"]["boots"]
    home.sim.fault(device, "power-cut")
    commands = campaign.send()
    home.sim.wait_device(
        device, lambda d: d["count"]["boots"] > boots or not home.agent.running(), 30, "power cut"
    )
    home.sim.fault(device, "none")
    return commands


def clock_jumps(campaign):
    commands = campaign.send(rate=200000)
    _under_way(campaign, commands)
    campaign.shim.move_clock(campaign.random.choice([-11, -5, -1, 0, 1, 7, 13]) * 3600)
    return commands


def image_server(**behaviour):
    def fault(campaign):
        return campaign.send(**behaviour)

    fault.__name__ = f"image server: {behaviour}"
    return fault


def image_changes(campaign):
    """Cut, and when it asks for the rest another image is there: its checksum is not the one that was ordered."""
    commands = campaign.send(cut_at=SIZE // 2, rate=200000)
    home = _under_way(campaign, commands)
    for command in commands:
        for path, what in home.images.paths.items():
            if f"-{command.version}-" in path:
                what.body, what.etag = what.body[::-1], '"other"'
    return commands


def redirect_circle(campaign):
    home = campaign.home
    path = f"/circle-{campaign.number}"
    home.images.add(path, redirect=(302, path))
    commands = campaign.send()
    for command in commands:
        for name, what in home.images.paths.items():
            if f"-{command.version}-" in name:
                what.redirect = (302, path)
    return commands


def killed_at_random(campaign):
    commands = campaign.send(rate=300000)
    _under_way(campaign, commands)
    campaign.home.agent.kill()
    return commands


OUTSIDE = (
    broker_dies("wan"),
    broker_dies("lan"),
    device_loses_power,
    power_cut_in_mid_transfer,
    clock_jumps,
    image_changes,
    redirect_circle,
    killed_at_random,
    image_server(another=True),
    image_server(wrong_length=500),
    image_server(wrong_length=-500),
    image_server(cut_at=SIZE // 3, cuts=2),
    image_server(status=503),
    image_server(rate=40000),
    image_server(no_length=True, etag=None, ranges=False),
)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def around_the_agent(directory):
    """Networks, brokers, devices, image servers and the clock, in random order, each at a random moment."""
    campaign = _campaign(directory)
    todo = []
    for _ in range(_share(14)):
        todo = todo or campaign.random.sample(OUTSIDE, len(OUTSIDE))
        campaign.strike(todo.pop())
    _report(campaign)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def two_at_once(directory):
    """One fault from outside and the agent's death in the same update."""
    campaign = _campaign(directory)

    def both(outside, campaign):
        action, nth = campaign.random.choice([KILL_BEFORE, KILL_AFTER]), campaign.random.randint(5, 60)
        campaign.before_sending = functools.partial(campaign.shim.arm, DURABLE, action, nth)
        return outside(campaign)

    for _ in range(_share(6)):
        campaign.strike(functools.partial(both, campaign.random.choice(OUTSIDE[3:])))
    _report(campaign)


# -- what lies on the disk ------------------------------------------------------------


@scenario(timeout=TIMEOUT, needs=NEEDS)
def damaged_cache(directory):
    """A bit of an image flips between Download() and Activate(): no device sees it."""
    campaign = _campaign(directory)
    home = campaign.home
    home.controllers.reverse()  # over the UNIX socket
    home.subscribe()
    for turn in range(_share(4)):
        slot = home.downloaded(0, version=f"3.0.{turn}")
        before = home.sim.device(0)["version"]
        asked = home.sim.device(0)["count"]["update_requests"]
        for image in home.agent.cache_dir.iterdir():
            data = bytearray(image.read_bytes())
            data[campaign.random.randrange(len(data))] ^= 1 << campaign.random.randrange(8)
            image.write_bytes(data)
        _, text = home.must_fail(home.activate(slot))
        assert "damaged" in text, text
        assert home.sim.device(0)["version"] == before
        assert home.sim.device(0)["count"]["update_requests"] == asked, "the device was told to take it"
        campaign.faults += 1
    home.controllers.reverse()
    _report(campaign)


def _bit_flip(random, path, first=0, last=1):
    """One bit, between two fractions of the file."""
    data = bytearray(path.read_bytes())
    if data:
        at = random.randrange(int(len(data) * first), max(1, int(len(data) * last)))
        data[at] ^= 1 << random.randrange(8)
        path.write_bytes(data)


def _page(random, path, content):
    """One page of 4096 is noise, or zeros."""
    data = bytearray(path.read_bytes())
    at = random.randrange(0, max(1, len(data) - 4095), 4096)
    data[at : at + 4096] = content
    path.write_bytes(data)


def _cut(random, path):
    os.truncate(path, random.randrange(path.stat().st_size))


def _alone(damage):
    """Of the database; now and then when its log was taken into it, so that no newer page lies over the damaged one."""

    def strike(random, db, _log):
        if random.random() < 0.75:
            with sqlite3.connect(db) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.close()
        damage(random, db)

    return strike


# What happens to (the database, its log), and whether there is a trace of what is lost.
DAMAGES = {
    "a bit of the database": (_alone(_bit_flip), True),
    "a bit of its first page": (_alone(lambda r, db: _bit_flip(r, db, 0, 4096 / db.stat().st_size)), True),
    "a page of noise": (_alone(lambda r, db: _page(r, db, r.randbytes(4096))), True),
    "a page of zeros": (_alone(lambda r, db: _page(r, db, bytes(4096))), True),
    "the database cut short": (_alone(_cut), True),
    "a bit of the log": (lambda r, _, log: _bit_flip(r, log, 0, 1 - 4120 / log.stat().st_size), True),
    "a bit of the log's last page": (lambda r, _, log: _bit_flip(r, log, 1 - 4120 / log.stat().st_size), False),
    "the log cut short": (lambda r, _, log: _cut(r, log), False),
    "the log lost": (lambda r, _, log: log.unlink(), False),
}


@scenario(timeout=TIMEOUT, needs=NEEDS)
def damaged_database(directory):
    """While jobs are under way. The agent starts; what it says then is true; what is lost is told, where there is a trace of
    it: a log that ends early is what a crash leaves."""
    campaign = _campaign(directory)
    outcomes = {}
    todo = []
    for _ in range(_share(6)):
        todo = todo or campaign.random.sample(list(DAMAGES), len(DAMAGES))
        name = todo.pop()
        damage, traceable = DAMAGES[name]
        commands = campaign.send(rate=campaign.random.choice([40000, 150000]))
        _under_way(campaign, commands)
        what = campaign.spoil(
            lambda state: damage(campaign.random, state / "homepatch.db", state / "homepatch.db-wal")
        )
        campaign.remember(f"{name}: {what}")
        campaign.settle(commands, lossy=True)
        campaign.remember("; ".join(map(campaign.outcome, commands)))
        campaign.check_spoilt(commands, what or not traceable)
        ended = sum(bool(campaign.results(c.key)) for c in commands)
        tally = outcomes.setdefault(what or "nothing said", [0, 0])
        tally[0] += len(commands)
        tally[1] += ended
        campaign.faults += 1
    told = ", ".join(f"{what}: {ended} of {number} commands have a result" for what, (number, ended) in outcomes.items())
    campaign.covered.append(f"damaged database: {told}")
    _report(campaign)
