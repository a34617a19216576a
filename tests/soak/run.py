"""The run: a fault, what ECK does meanwhile, the cure, and what must hold then; again and again."""

import time
from collections.abc import Iterator

from syncd.ports import now
from tests.bed.waiting import wait_for
from tests.soak import faults_daemon, faults_eck, faults_host, faults_servers
from tests.soak.fault import Fault
from tests.soak.judge import no_secret, rest, settle, unwell
from tests.soak.watch import watching
from tests.soak.world import WITHIN, World

FAULTS: tuple[Fault, ...] = (*faults_eck.FAULTS, *faults_host.FAULTS, *faults_servers.FAULTS, *faults_daemon.FAULTS)
_CATCH_UP = 75.0
"""Seconds from the cure until what was published meanwhile is everywhere: the longest back-off, and a deadline."""


def run(world: World, seconds: float, names: list[str], *, each_once: bool, go_on: bool = False) -> None:
    """Until the time is over or each was made once, or something is not as it must be, unless asked to go on."""
    world.ledger.note("starting the daemon")
    world.site.start()
    began = now()
    wait_for(lambda: not unwell(world, began), 120, "onboarding settled", 0.5)
    with watching(world):
        for fault in _choose(world, seconds, names, each_once=each_once):
            _one(world, fault)
            if world.ledger.violations and not go_on:
                return
            world.linger(0, 4)


def _choose(world: World, seconds: float, names: list[str], *, each_once: bool) -> Iterator[Fault]:
    chosen = [fault for fault in FAULTS if not names or fault.name in names]
    if each_once:
        yield from world.random.sample(chosen, len(chosen))
        return
    weights = [fault.weight for fault in chosen]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield world.random.choices(chosen, weights)[0]


def _one(world: World, fault: Fault) -> None:
    ledger = world.ledger
    ledger.made[fault.name] += 1
    ledger.note(f"fault {sum(ledger.made.values())}: {fault.name}")
    change = world.random.choice(("", "renewal", "new key")) if fault.changes else ""
    try:
        with fault.make(world):
            if change:
                world.publish(change)
                _reaches_the_others(world)
                world.linger(1, 12)
        cured = now()
        ledger.note("  cured")
        if change == "new key":
            _follow(world)
        recovery = settle(world, cured)
        if recovery is not None:
            ledger.recovered(fault.name, (now() - cured).total_seconds())
            no_secret(world)
            rest(world)
    except Exception as error:  # noqa: BLE001 - what a fault waits for and does not come is what the soak is for
        ledger.violation(f"{fault.name}: {error!r}")


def _reaches_the_others(world: World) -> None:
    """Who is away, or blind, keeps nobody else from the new CA."""
    if not world.blind:
        world.reached(set(world.names) - world.away, WITHIN)


def _follow(world: World) -> None:
    """The remote's leaf follows a new key when all hosts could be reached for long enough, after a kubelet's delay."""
    world.reached(set(world.names), _CATCH_UP)
    world.linger(2, 10)
    world.serve()
