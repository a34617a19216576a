"""A look sees what can be seen, whoever else is silent and whatever the wall's clock does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from syncd.core.bundle import Digest
from syncd.core.errors import HostError
from syncd.core.model import Known, NodeName, Observed, Ownership, Unknown
from syncd.demo.pki import EckCa
from syncd.engine.crew import Crew
from syncd.engine.looking.look import Looker
from syncd.engine.looking.page import Page
from syncd.engine.world import World
from syncd.ports import Deadline, Found, now
from tests.fakes.knife import KnifeHost
from tests.fakes.memory import NoStream
from tests.fakes.world import ALIAS, FILE, NAMES, OWNER, Bench

LIVING = NAMES[-1]
HOUR = timedelta(hours=1)


class FlakyHost(KnifeHost):
    """A host that can be lost: refused at once, or swallowed without an answer."""

    refuses = False
    swallows: Event | None = None
    reached: Event

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        self._pass()
        return super().read(path, limit, deadline)

    def put(self, path: str, content: bytes, owner: Ownership, expect: Digest | None, deadline: Deadline) -> Found:
        self._pass()
        return super().put(path, content, owner, expect, deadline)

    def _pass(self) -> None:
        if self.refuses:
            raise HostError("unreachable", "no route to it")
        if self.swallows:
            self.reached.set()
            self.swallows.wait()
            raise HostError("timeout", "it never answered")


@dataclass
class Scene:
    """A looker with two threads for hosts, of which all but one may be lost."""

    folder: Path
    gone: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.bench = Bench(self.folder)
        self.hosts: dict[NodeName, FlakyHost] = {}
        for name in NAMES:
            host = FlakyHost(self.bench.knife, self.folder / name, NoStream)
            host.reached = Event()
            self.hosts[name] = host
        self.bench.hosts.update(self.hosts)
        self.crew = Crew("test", 2, lambda _: None)
        self.looker = Looker(self.world(1.0), self.crew)

    def world(self, look: float) -> World:
        world = self.bench.world()
        return replace(world, pace=replace(world.pace, look=look))

    def look(self, ago: timedelta = timedelta(0), *, anew: bool = True) -> Observed:
        at = now() - ago
        return self.looker.look(Page.nothing_yet(at), at, anew=anew).seen

    def look_until(self, name: NodeName, *, known: bool, ago: timedelta = timedelta(0)) -> Observed:
        deadline = Deadline.after(10)
        while isinstance((seen := self.look(ago)).nodes[name].file, Unknown) is known:
            assert deadline.left(), seen.nodes[name].file
        return seen


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.gone.set()
    made.crew.close()


def swallow(scene: Scene) -> datetime:
    """All hosts but one were lost, and now swallow what is sent to them: each look at them takes its thread for long.

    Since when, at most, they do.
    """
    lost = [scene.hosts[name] for name in NAMES if name != LIVING]
    for host in lost:
        host.refuses = True
    for name in NAMES[:-1]:
        scene.look_until(name, known=False)
    since = now()
    for host in lost:
        host.refuses, host.swallows = False, scene.gone
    deadline = Deadline.after(10)
    while not any(host.reached.is_set() for host in lost):
        assert deadline.left()
        scene.look()
    return since


def test_silent_hosts_delay_neither_the_living_nor_what_is_published(scene: Scene) -> None:
    swallow(scene)
    ca = EckCa.create(now())
    scene.bench.publish(ca)
    seen = scene.look()
    remote = seen.remotes[ALIAS]
    assert isinstance(remote.published, Known)
    assert remote.published.value.ca == ca.cert
    assert not isinstance(seen.nodes[LIVING].file, Unknown)
    assert not isinstance(seen.memory, Unknown)


def test_what_is_published_is_read_while_every_thread_waits_for_a_host(scene: Scene) -> None:
    """Hosts that are silent for the first time: nobody could know."""
    for host in scene.hosts.values():
        host.swallows = scene.gone
    seen = scene.look()
    assert isinstance(seen.remotes[ALIAS].published, Known)
    assert not isinstance(seen.memory, Unknown)


def test_a_host_that_is_tried_again_is_as_lost_as_it_was(scene: Scene) -> None:
    """What is told of it does not change with each try, and it is lost since it was."""
    lost_at = swallow(scene)
    seen = scene.look()
    for name in NAMES[:-1]:
        file = seen.nodes[name].file
        assert isinstance(file, Unknown)
        assert file.rule == "unreachable"
        assert file.since <= lost_at


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["back", "forth"])
def test_a_wall_clock_that_jumps_leaves_no_host_alone(scene: Scene, step: timedelta) -> None:
    scene.hosts[LIVING].refuses = True
    scene.look_until(LIVING, known=False)
    scene.hosts[LIVING].refuses = False
    scene.look_until(LIVING, known=True, ago=step)


def test_a_look_from_a_time_to_come_is_no_recent_one(scene: Scene) -> None:
    """Where the wall's clock was set back, what was seen before is not good for as long as that."""
    scene.look()
    ca = EckCa.create(now())
    scene.hosts[LIVING].put(FILE, ca.pem, OWNER, None, Deadline.after(5))
    seen = scene.look(HOUR, anew=False).nodes[LIVING].file
    assert isinstance(seen, Known)
    assert seen.value.trust.certs == (ca.cert,)
