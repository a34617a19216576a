"""A loop outlives what goes wrong in it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from queue import SimpleQueue

import pytest

from syncd.core.model import Report
from syncd.engine.loop import Loop
from syncd.ports import now
from tests.fakes.world import Bench, Syncd


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    syncd = Syncd(Bench(tmp_path))
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert syncd.report
    yield syncd.report
    syncd.end()


@pytest.mark.parametrize("part", ["the pass", "who is told of it"])
def test_a_fault_of_its_own_ends_no_loop_and_is_counted(report: Report, part: str) -> None:
    rang: SimpleQueue[str] = SimpleQueue()

    def make_pass(bells: tuple[str, ...], _: datetime) -> Report:
        rang.put(bells[0])
        if part == "the pass" and bells == ("start",):
            raise RuntimeError("a fault of its own")
        return report

    def tell(_: Report) -> None:
        if part != "the pass":
            raise RuntimeError("a fault of its own")

    loop = Loop("onprem", make_pass, tell, gap=0.01)
    loop.start()
    assert rang.get(timeout=5) == "start"
    loop.ring("source")
    assert rang.get(timeout=10) == "source"
    assert loop.stop(5)
    assert loop.heart.crashes >= 1


def test_a_pass_is_made_in_time_by_the_monotonic_clock_though_no_bell_rings(report: Report) -> None:
    """The clock's bell is silent for as long as the wall's clock was set back; all is looked at anew, too."""
    rang: SimpleQueue[str] = SimpleQueue()

    def make_pass(bells: tuple[str, ...], _: datetime) -> Report:
        rang.put(bells[0])
        return replace(report, again=None, plan=replace(report.plan, wake_at=now() + timedelta(hours=1)))

    loop = Loop("onprem", make_pass, lambda _: None, gap=0.01, longest=0.05)
    loop.start()
    assert [rang.get(timeout=20) for _ in range(3)] == ["start", "clock", "clock"]
    assert loop.stop(20)
