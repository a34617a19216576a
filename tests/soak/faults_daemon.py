"""What befalls syncd itself, its memory and its configuration."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bed.site import Site
from tests.bed.waiting import wait_for
from tests.soak.fault import Fault
from tests.soak.judge import state_names
from tests.soak.watch import holders
from tests.soak.world import World

_TAKEN = 60.0
_RARE = 0.3


@contextmanager
def daemon_killed(world: World) -> Iterator[None]:
    with world.blinded():
        world.site.kill()
        try:
            world.linger(0, 5)
            yield
        finally:
            world.site.start()


@contextmanager
def daemon_frozen(world: World) -> Iterator[None]:
    with world.blinded(), _frozen(world.site):
        world.linger(18, 22)
        yield


@contextmanager
def another_takes_over_from_a_killed_one(world: World) -> Iterator[None]:
    """Standby, then takeover by the end of the first; afterwards the first comes back in the same way."""
    with _another(world) as second:
        _may_not_write(world, second)
        with world.blinded():
            world.site.kill()
            world.site.daemon = None
            _takes(second)
        yield
    world.site.start()


@contextmanager
def another_takes_over_from_a_frozen_one(world: World) -> Iterator[None]:
    """The first wakes and must not believe that it still holds."""
    with _another(world) as second:
        _may_not_write(world, second)
        with world.blinded(), _frozen(world.site):
            _takes(second)
        yield
        wait_for(lambda: not holders(world.site.page("/metrics")), _TAKEN, "the first in standby")


@contextmanager
def state_deleted(world: World) -> Iterator[None]:
    name = world.random.choice(state_names(world))
    world.site.kube.request("DELETE", f"/api/v1/namespaces/syncd/configmaps/{name}")
    yield


@contextmanager
def state_damaged(world: World) -> Iterator[None]:
    path = f"/api/v1/namespaces/syncd/configmaps/{world.random.choice(state_names(world))}"
    body = world.site.kube.request("GET", path)
    text = body["data"]["state.json"]
    body["data"]["state.json"] = text[: world.random.randint(0, len(text) - 1)]
    body["metadata"].pop("resourceVersion")
    world.site.kube.request("PUT", path, body)
    yield


@contextmanager
def configuration_broken(world: World) -> Iterator[None]:
    """Broken and mended while it runs: the old one goes on working."""
    path = world.site.config
    good, before = path.read_text(), _refused(world)
    path.write_text(good[: world.random.randint(1, len(good) - 2)])
    try:
        _hang_up(world)
        wait_for(lambda: _refused(world) > before, 30, "the broken configuration refused")
        yield
    finally:
        path.write_text(good)
        _hang_up(world)


def _refused(world: World) -> float:
    found = re.search(
        r'^syncd_config_reloads_total\{result="refused"\} (\S+)$', world.site.page("/metrics"), re.MULTILINE
    )
    return float(found[1]) if found else 0.0


def _hang_up(world: World) -> None:
    if world.site.daemon:
        world.site.daemon.send_signal(signal.SIGHUP)


@contextmanager
def _another(world: World) -> Iterator[Site]:
    world.second = world.another()
    world.second.start()
    try:
        yield world.second
    finally:
        world.second.kill()
        world.second = None


@contextmanager
def _frozen(site: Site) -> Iterator[None]:
    assert site.daemon
    os.kill(site.daemon.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(site.daemon.pid, signal.SIGCONT)


def _may_not_write(world: World, second: Site) -> None:
    wait_for(lambda: len(second.status()["clusters"]) == 2, _TAKEN, "the second daemon's first passes")
    world.linger(2, 6)
    if held := holders(second.page("/metrics")):
        world.ledger.violation(f"a second daemon holds {held} beside the first")


def _takes(second: Site) -> None:
    wait_for(lambda: len(holders(second.page("/metrics"))) == 2, _TAKEN, "the second daemon taking over")


FAULTS = (
    Fault(daemon_killed, weight=_RARE),
    Fault(daemon_frozen),
    Fault(another_takes_over_from_a_killed_one, changes=False, weight=_RARE),
    Fault(another_takes_over_from_a_frozen_one, changes=False),
    Fault(state_deleted, changes=False),
    Fault(state_damaged, changes=False),
    Fault(configuration_broken),
)
