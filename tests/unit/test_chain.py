"""Steps in order: what fails on one node stops no other's keystore, what fails in a restart stops all of it, for a while."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from syncd.core.bundle import content_digest
from syncd.core.errors import ClusterError, HostError
from syncd.core.model import NodeName, OrderedStep, PutSecret, Reloaded, ReloadSecure, RestartNode, SweepCopies
from syncd.engine.acting import chain as chain_module
from syncd.engine.acting.chain import Chain
from syncd.engine.acting.perform import Performer
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.hosts.tools import Toolbox
from syncd.engine.patience import Backoff
from syncd.ports import Deadline, Found, Stream, now
from tests.bed.waiting import wait_for
from tests.fakes.knife import Knife, KnifeHost
from tests.fakes.memory import MemoryElasticsearch, MemoryFleet, NoStream
from tests.fakes.world import FILE, NAMES, Bench

SETTING = "cluster.remote.eck-prod.credentials"
RELOAD = ReloadSecure((SETTING,), "why")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def performer(bench: Bench) -> Performer:
    world = replace(bench.world(), secrets={SETTING: lambda: b"key"})
    return Performer(world, HandshakeProofs(world, lambda _: None), now())


@pytest.fixture
def crew() -> Iterator[Crew]:
    made = Crew("test", 4, lambda _: None)
    yield made
    made.close()


def put(bench: Bench, number: int) -> PutSecret:
    path = bench.hosts[NAMES[number]].real(Toolbox().keystore)
    return PutSecret(NAMES[number], SETTING, content_digest(path.read_bytes()), "why")


def taken(chain: Chain, performer: Performer, *steps: OrderedStep) -> list[tuple[str, str]]:
    return [(type(o.step).__name__, o.result) for o in chain.take(performer, list(steps))]


def test_a_node_whose_keystore_fails_keeps_no_other_from_its_key_nor_from_using_it(
    bench: Bench, performer: Performer, crew: Crew
) -> None:
    chain = Chain("keystores", crew, 10, strict=False)
    steps = [put(bench, number) for number in range(3)]
    bench.hosts[NAMES[1]].error = HostError("unreachable", "no")
    said = taken(chain, performer, *steps, RELOAD)
    assert said == [("PutSecret", "done"), ("PutSecret", "failed"), ("PutSecret", "done"), ("ReloadSecure", "done")]
    assert chain.reloaded


def test_what_failed_is_told_and_not_tried_again_at_once_while_the_rest_goes_on(
    bench: Bench, performer: Performer, crew: Crew
) -> None:
    chain = Chain("keystores", crew, 10, strict=False)
    failing, fine = put(bench, 1), put(bench, 0)
    bench.hosts[NAMES[1]].error = HostError("unreachable", "no")
    taken(chain, performer, failing, RELOAD)
    bench.hosts[NAMES[1]].error = None
    reloaded = chain.reloaded
    assert taken(chain, performer, failing, RELOAD) == [("PutSecret", "failed")], "whatever rings"
    assert chain.reloaded == reloaded, "nothing new is to be read"
    assert taken(chain, performer, failing, fine, RELOAD) == [("PutSecret", "done"), ("ReloadSecure", "done")]


def test_a_restart_stops_at_the_step_that_fails_and_is_not_tried_again_at_once(
    bench: Bench, performer: Performer, crew: Crew
) -> None:
    chain = Chain("restart", crew, 10, strict=True)
    bench.hosts[NAMES[0]].error = HostError("unreachable", "no")
    steps = RestartNode(NAMES[0], "x", 1, "why"), SweepCopies(NAMES[0], "why")
    assert taken(chain, performer, *steps) == [("RestartNode", "failed")]
    acted = chain.acted
    bench.hosts[NAMES[0]].error = None
    assert taken(chain, performer, *steps) == [("RestartNode", "failed")]
    assert chain.acted == acted, "nothing was done"
    assert taken(chain, performer, SweepCopies(NAMES[1], "why")) == [("SweepCopies", "done")], "another node's step is"


def test_a_clock_that_is_set_back_puts_no_try_off(
    bench: Bench, performer: Performer, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Chain("restart", crew, 10, strict=True)
    bench.hosts[NAMES[0]].error = HostError("unreachable", "no")
    sweep = SweepCopies(NAMES[0], "why")
    assert taken(chain, performer, sweep) == [("SweepCopies", "failed")]
    bench.hosts[NAMES[0]].error = None
    monkeypatch.setattr(chain_module, "now", lambda: now() - timedelta(hours=1))
    passed = monotonic() + Backoff().cap
    monkeypatch.setattr(chain_module, "monotonic", lambda: passed, raising=False)
    assert taken(chain, performer, sweep) == [("SweepCopies", "done")]


def test_two_credentials_come_into_one_keystore_in_one_pass(bench: Bench, crew: Crew) -> None:
    """Both were planned from the same look; the second finds what the first has made of the file."""
    other = "cluster.remote.eck-test.credentials"
    world = replace(bench.world(), secrets={SETTING: lambda: b"key", other: lambda: b"other"})
    performer = Performer(world, HandshakeProofs(world, lambda _: None), now())
    chain = Chain("keystores", crew, 10, strict=False)
    steps = [replace(put(bench, number), setting=setting) for setting in (SETTING, other) for number in range(3)]
    assert taken(chain, performer, *steps, RELOAD) == [("PutSecret", "done")] * 6 + [("ReloadSecure", "done")]
    path = bench.hosts[NAMES[0]].real(Toolbox().keystore)
    between = replace(put(bench, 0), setting=other)
    path.write_bytes(path.read_bytes() + b"somebody else's")
    assert taken(Chain("keystores", crew, 10, strict=False), performer, between) == [("PutSecret", "failed")]


def test_what_came_of_late_steps_is_told_also_when_no_others_are_due(
    bench: Bench, performer: Performer, crew: Crew
) -> None:
    """Else it would be told as the outcome of the next ones, however much later, and those would not be taken."""
    gated = GatedHost(bench.knife, bench.folder / "gated", NoStream)
    bench.hosts |= {NAMES[1]: gated}
    chain = Chain("restart", crew, 0.0, strict=True)
    assert taken(chain, performer, SweepCopies(NAMES[1], "why")) == [("SweepCopies", "skipped")]
    assert taken(chain, performer) == [("SweepCopies", "skipped")], "it goes on"
    gated.gate.set()
    wait_for(lambda: taken(chain, performer) == [("SweepCopies", "done")], 10, "what came of it", 0.01)
    assert taken(chain, performer) == []


def test_without_steps_nothing_happens(performer: Performer, crew: Crew) -> None:
    chain = Chain("restart", crew, 10, strict=True)
    assert taken(chain, performer) == []
    assert chain.acted is None


def test_what_each_process_has_read_is_noted_also_where_another_could_not(
    bench: Bench, performer: Performer, crew: Crew
) -> None:
    """Of a node that refused, that was not reached, or whose keystore could not be looked at, nothing is noted."""
    chain = Chain("keystores", crew, 10, strict=False)
    reload = replace(RELOAD, running=tuple((name, 7) for name in NAMES))
    held = content_digest(bench.hosts[NAMES[0]].real(Toolbox().keystore).read_bytes())
    bench.hosts[NAMES[1]].error = HostError("unreachable", "no")
    bench.es.unread = {NAMES[2]: "Keystore is missing"}
    assert taken(chain, performer, reload) == [("ReloadSecure", "failed")]
    assert chain.reloads == {NAMES[0]: Reloaded(NAMES[0], 7, held)}
    bench.hosts[NAMES[1]].error, bench.es.unread = None, {}
    bench.es.hosts = {name: host for name, host in bench.hosts.items() if name != NAMES[1]}
    chain = Chain("keystores", crew, 10, strict=False)
    assert taken(chain, performer, reload) == [("ReloadSecure", "done")]
    assert set(chain.reloads) == {NAMES[0], NAMES[2]}


class SilentHost(KnifeHost):
    """A host that swallows what is sent to it: nothing comes back before the deadline."""

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        Event().wait(deadline.left())
        raise HostError("timeout", "it did not answer")


class GatedHost(KnifeHost):
    """A host that answers once the test lets it."""

    def __init__(self, knife: Knife, root: Path, stream: type[Stream]) -> None:
        super().__init__(knife, root, stream)
        self.gate = Event()

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        self.gate.wait(deadline.left())
        return super().read(path, limit, deadline)


class PromptHost(KnifeHost):
    """A host that answers at once, if it is left any time."""

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        if not deadline.left():
            raise HostError("timeout", "no time was left to ask it")
        return super().read(path, limit, deadline)


class PunctualElasticsearch(MemoryElasticsearch):
    """Answers whoever leaves it most of the time that a call may take."""

    def reload_secure_settings(self, deadline: Deadline, password: bytes | None = None) -> dict[NodeName, str]:
        if deadline.left() < CALL / 2:
            raise ClusterError("es_unreachable", "no time was left to ask it")
        return super().reload_secure_settings(deadline, password)


CALL = 1.5


def test_the_nodes_are_told_to_read_their_keystores_whatever_hosts_are_silent(bench: Bench, crew: Crew) -> None:
    """More silent ones than are read at once: of them nothing is noted, of the others all."""
    silent = [NodeName(f"silent-{number}") for number in range(40)]
    host = SilentHost(bench.knife, bench.folder / "silent", NoStream)
    prompt = {name: PromptHost(bench.knife, bench.folder / name, NoStream) for name in NAMES}
    bench.hosts |= {**dict.fromkeys(silent, host), **prompt}
    es = PunctualElasticsearch(bench.hosts, FILE, knife=bench.knife)
    world = bench.world()
    tools = dict.fromkeys((*silent, *NAMES), Toolbox())
    pace = replace(world.pace, call=CALL)
    world = replace(world, fleet=MemoryFleet(bench.hosts), elasticsearch=es, tools=tools, pace=pace)
    performer = Performer(world, HandshakeProofs(world, lambda _: None), now())
    chain = Chain("keystores", crew, 10, strict=False)
    reload = replace(RELOAD, running=tuple((name, 7) for name in (*silent, *NAMES)))
    assert taken(chain, performer, reload) == [("ReloadSecure", "done")]
    assert set(chain.reloads) == set(NAMES)
