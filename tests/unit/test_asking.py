"""The routing table of a whole cluster is read where a stop is still to come, and its loss hides nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.errors import ClusterError
from syncd.core.model import Allocation, ClusterState, Hold, Known, NodeName, RestartRecord
from syncd.engine.crew import Crew
from syncd.engine.looking.asking import Asking
from syncd.ports import Deadline, now
from tests.fakes.world import NAMES, Bench, Syncd

FIRST, SECOND, *_ = NAMES
WAITS = Hold(SECOND, "restart_pending", "after es-01")


class Looks:
    """Quick looks at a cluster in which a restart is open."""

    def __init__(self, bench: Bench, asking: Asking, syncd: Syncd) -> None:
        self.bench, self._asking = bench, asking
        self._report, self._page = syncd.turn(), syncd.prover.page
        self.asked = 0
        self.fails = False
        self._alone = bench.es.sole_copies
        bench.es.sole_copies = self.sole_copies  # type: ignore[method-assign]
        bench.es.restart = RestartRecord(FIRST, "c", bench.es.started, "i", Allocation(), 0, "test/owner", now())

    def sole_copies(self, deadline: Deadline) -> dict[NodeName, tuple[str, ...]]:
        self.asked += 1
        if self.fails:
            raise ClusterError("es_unreachable", "the answer took too long")
        return self._alone(deadline)

    def __call__(self, *holds: Hold, quick: bool = True) -> ClusterState:
        report = replace(self._report, plan=replace(self._report.plan, holds=holds))
        seen = self._asking.begin(self._page, report, quick=quick)(self._page).cluster
        assert isinstance(seen, Known)
        return seen.value


@pytest.fixture
def looks(tmp_path: Path) -> Iterator[Looks]:
    bench = Bench(tmp_path)
    syncd, crew = Syncd(bench), Crew("ask", 8, lambda _: None)
    looks = Looks(bench, Asking(bench.world(), crew), syncd)
    yield looks
    syncd.end()
    crew.close()


def test_while_a_restarted_node_is_awaited_it_is_not_read(looks: Looks) -> None:
    looks.bench.es.starts[FIRST] = 2
    for quick in (True, True, False):
        assert looks(Hold(FIRST, "restart_under_way", "it starts"), WAITS, quick=quick).sole_copies is None
    assert looks.asked == 0


@pytest.mark.parametrize("rule", ["restart_failed", "shards_unknown", "sole_copy"])
def test_a_node_that_is_to_be_taken_back_is_stopped_once_more(looks: Looks, rule: str) -> None:
    looks.bench.es.starts[FIRST] = 2
    assert looks(Hold(FIRST, rule, "it is overridden"), WAITS).sole_copies == {}


def test_before_the_stop_it_is_read_once_a_second_at_most(looks: Looks) -> None:
    held = Hold(FIRST, "health", "it is yellow")
    assert [looks(held, WAITS).sole_copies for _ in range(3)] == [{}] * 3
    assert looks.asked == 1
    assert looks(held, WAITS, quick=False).sole_copies == {}
    assert looks.asked == 2


def test_where_it_cannot_be_read_the_rest_is_known(looks: Looks) -> None:
    """An open restart is ended, and its allocation freed, by a cluster that tells its record and its members."""
    looks.fails = True
    state = looks(WAITS, quick=False)
    assert (state.sole_copies, state.restart) == (None, looks.bench.es.restart)
