"""Nodes whose clocks are off by hours: only times of one node are compared with one another."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from syncd.core.model import NodeName, Report
from syncd.ports import Deadline, Found, NodeAnswer, now
from tests.fakes.knife import KnifeHost
from tests.fakes.memory import MemoryElasticsearch
from tests.fakes.world import NAMES, Bench, Syncd, proven_on_nodes

HOURS = dict(zip(NAMES, (2, 0, -2), strict=True))


class OffHost(KnifeHost):
    """A host whose files have the times of its own clock."""

    hours = 0

    def read(self, path: str, limit: int, deadline: Deadline) -> Found | None:
        found = super().read(path, limit, deadline)
        return replace(found, modified=found.modified + 3600 * self.hours) if found else None


class OffElasticsearch(MemoryElasticsearch):
    """Nodes whose processes were started by the clocks of their hosts."""

    clocks: Mapping[NodeName, int] = MappingProxyType({})

    def start(self, later: float) -> None:
        """All processes are started so many seconds from now."""
        moment = now().timestamp() + later
        self.clocks = {name: int((moment + 3600 * hours) * 1000) for name, hours in HOURS.items()}

    def node(self, name: NodeName, deadline: Deadline) -> NodeAnswer:
        answer = super().node(name, deadline)
        return replace(answer, process=replace(answer.process, started=self.clocks[name]))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    for name, host in made.hosts.items():
        host.__class__ = OffHost
        vars(host)["hours"] = HOURS[name]
    made.es = OffElasticsearch(made.hosts, made.es.path, knife=made.knife, presented=made.es.presented)
    made.es.start(later=-10)
    return made


@pytest.fixture
def syncd(bench: Bench) -> Iterator[Syncd]:
    daemon = Syncd(bench, poll=timedelta(minutes=5))
    yield daemon
    daemon.end()


def look(syncd: Syncd) -> Report:
    """A pass while no process looks at its file."""
    report = syncd.reconciler.run(syncd.prover.sweep(), ("test",), now())
    syncd.prover.tell(report)
    return report


def by(report: Report) -> dict[NodeName, str]:
    return {name: sight.by if sight else "" for name, sight in proven_on_nodes(report).items()}


def test_a_load_is_proven_alike_on_nodes_whose_clocks_are_hours_apart(bench: Bench, syncd: Syncd) -> None:
    for _ in range(3):
        report = look(syncd)
    assert by(report) == dict.fromkeys(NAMES, ""), "no process has loaded it, and no clock says that one has"
    report = syncd.turn(2)
    assert by(report) == dict.fromkeys(NAMES, "log")
    assert isinstance(bench.es, OffElasticsearch)
    bench.es.start(later=5)
    assert by(syncd.turn()) == dict.fromkeys(NAMES, "started_after"), "each by its own clock"


def test_a_clock_that_is_set_back_before_the_write_proves_nothing(bench: Bench, syncd: Syncd) -> None:
    """Promise 2: the process started by a clock two hours ahead, which is then set right; it still has the old trust."""
    look(syncd)
    syncd.turn(2)
    for host in bench.hosts.values():
        vars(host)["hours"] -= 4
    bench.publish(bench.ca.rekey(now()))
    for _ in range(3):
        report = look(syncd)
    assert all(bench.ca.cert in bench.on(name) for name in NAMES)
    assert by(report) == dict.fromkeys(NAMES, "")
    assert by(syncd.turn(2)) == dict.fromkeys(NAMES, "log")
