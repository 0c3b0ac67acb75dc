# SPDX-License-Identifier: BSD-3-Clause
"""The campaign. How many faults each scenario tries is scaled by HOMEPATCH_FAULTS (default 100 in all, 1000 and more for
./check --long); HOMEPATCH_SEED repeats a random one."""

import functools
import os
import random
import select
import time

from campaign import MODELS, SIZE, Campaign
from faults import DURABLE, FAIL_IO, FAIL_MEMORY, FAIL_SPACE, KILL_AFTER, KILL_BEFORE, KILL_TORN, shim
from home import NEEDS
from hptest import Skip, scenario, wait_until

SCALE = int(os.environ.get("HOMEPATCH_FAULTS", "100")) / 100
TIMEOUT = 240 + 900 * SCALE


def _campaign(directory):
    if not shim():
        raise Skip("not built: tests/faults/shim.so")
    seed = int(os.environ.get("HOMEPATCH_SEED") or random.randrange(1 << 32))
    print(f"HOMEPATCH_SEED={seed}", flush=True)
    campaign = Campaign(directory, seed)
    (directory / "seed.log").write_text(f"HOMEPATCH_SEED={seed}\n")
    return campaign


def _report(campaign):
    campaign.finish()
    with open(os.environ.get("HOMEPATCH_FAULT_COUNT", os.devnull), "a") as total:
        total.write(f"{campaign.faults} {campaign.restarts}\n")


def _share(number):
    """So many of the hundred that the short form has."""
    return max(1, round(number * SCALE))


# -- inside the process: shim.c ------------------------------------------------------------


def inside(ops, action, nth, lasts=None):
    """lasts: seconds in which all such calls fail; None: the one."""

    def fault(campaign):
        def arm():
            if lasts:
                campaign.heal_at = time.monotonic() + lasts
            campaign.shim.arm(ops, action, nth, 1 << 40 if lasts else 0)

        campaign.before_sending = arm
        return campaign.send()

    return fault


def _ops_of_an_update(campaign, ops):
    before = campaign.shim.count(ops)
    campaign.strike(lambda c: c.send())
    campaign.faults -= 1
    return campaign.shim.count(ops) - before


def _sweep(directory, ops, action, share):
    """Every such call of an update, some more than once; or as many of them, spread evenly, as there is room for."""
    campaign = _campaign(directory)
    total = _ops_of_an_update(campaign, ops)
    count = _share(share)
    assert total >= 10, f"{total} calls of {ops} in an update"
    for turn in range(count):
        campaign.strike(inside(ops, action, 1 + turn * total // count))
    assert campaign.restarts >= count * 3 // 4, f"{campaign.restarts} of {count} faults struck"
    _report(campaign)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_before_each_durable_write(directory):
    _sweep(directory, DURABLE, KILL_BEFORE, 24)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_after_each_durable_write(directory):
    _sweep(directory, DURABLE, KILL_AFTER, 16)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def killed_in_the_middle_of_a_write(directory):
    """Half of the bytes are in the file: a page of the log, a piece of an image."""
    _sweep(directory, ("write",), KILL_TORN, 12)


def _errors(directory, action, share):
    """The disk refuses one call, or all for a while."""
    campaign = _campaign(directory)
    for _ in range(_share(share)):
        ops = campaign.random.choice([("sync",), ("write",), ("rename", "create", "truncate"), DURABLE + ("write",)])
        total = 40 if ops != ("write",) else 120
        lasts = campaign.random.choice([None, None, 0.5, 3])
        campaign.strike(inside(ops, action, campaign.random.randint(1, total), lasts))
    _report(campaign)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def disk_full(directory):
    _errors(directory, FAIL_SPACE, 10)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def disk_dying(directory):
    _errors(directory, FAIL_IO, 10)


@scenario(timeout=TIMEOUT, needs=NEEDS)
def no_memory(directory):
    campaign = _campaign(directory)
    total = _ops_of_an_update(campaign, ("malloc",))
    for _ in range(_share(8)):
        campaign.strike(
            inside(("malloc",), FAIL_MEMORY, campaign.random.randint(1, total), campaign.random.choice([None, 0.05]))
        )
    _report(campaign)


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
