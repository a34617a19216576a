"""A command that makes the pass itself tells what it does, begins no restart unasked, and leaves none open untold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from syncd.adapters.files import FilePermit
from syncd.cli import asks
from syncd.cli.common import acting
from syncd.cli.due import without_a_new_restart
from syncd.cli.once import Foreground
from syncd.cli.wiring import Wired, Wiring
from syncd.config import load
from syncd.config.model import Cluster
from syncd.core.model import BeginRestart, Hold, Plan, PutFile, RestartNode, RestartPolicy, SweepCopies
from syncd.core.restarts.rolling import restart_steps
from tests.fakes.world import NAMES, Bench
from tests.unit.restart_world import RestartWorld
from tests.unit.test_cli_verbs import CA, NODES, Desk

ROLLING = RestartPolicy("rolling", accept_outage=True)
ALONE = "onprem: nobody holds the permit, so this command makes the pass itself"
OPEN = "is open and allocation restricted: `syncd once` (or the daemon) ends it"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@dataclass
class Due:
    """A cluster in memory whose nodes are all due for a restart, and a person who types."""

    desk: Desk
    bench: Bench

    @contextmanager
    def front(self, *, restarts: bool) -> Iterator[Foreground]:
        wiring = Wiring(load.load(self.desk.config), self.desk.config)
        self.bench.permit.held = True
        with acting(wiring, wiring.whole.clusters[0], restarts=restarts) as front:
            yield front


@pytest.fixture
def due(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Due:
    bench = Bench(tmp_path / "bench")
    bench.es.paths, bench.es.keeper = frozenset(), bench.permit.owner

    def in_memory(_: Wiring, __: Cluster) -> Wired:
        return Wired(bench.world(restart=ROLLING), ())

    monkeypatch.setattr(Wiring, "cluster", in_memory)
    with Due(desk, bench).front(restarts=False) as front:
        front.make_pass()  # the files are written: a restart waits for nothing more
    return Due(desk, bench)


@pytest.mark.parametrize("argv", [("resume",), ("approve", CA.cert.short, "--yes"), ("take-over", "--yes")])
def test_a_pass_of_ones_own_is_announced_and_what_it_did_is_told(desk: Desk, argv: tuple[str, ...]) -> None:
    code, said = desk.types(*argv)
    assert code == 0, said
    assert ALONE in said
    for node in NODES:
        written = desk.home("onprem", node) / "remote-cluster-ca.crt"
        assert f"done: write {written}" in said
        assert said.index(ALONE) < said.index(str(written))


def test_nothing_is_said_of_a_pass_of_ones_own_where_a_daemon_carries_it_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "_WAIT", 0.0)
    permit = FilePermit(str(desk.folder / "onprem.json.permit"))
    permit.start(lambda _: None)
    assert ALONE not in desk.types("resume")[1]
    permit.stop()


def test_a_command_about_something_else_begins_no_restart_and_says_which_is_due(due: Due) -> None:
    said: list[str] = []
    with due.front(restarts=False) as front:
        assert asks.request(front, "resume", "", said.extend) == "resumed"
    assert due.bench.es.restart is None
    assert due.bench.es.allocations == {}
    assert any(f"a restart of {NAMES[1]} is due for " in line and "begins none" in line for line in said)
    with due.front(restarts=True) as front:
        front.make_pass()
    assert due.bench.es.restart, "a command that may begin one does"


@pytest.mark.parametrize(
    ("argv", "may"),
    [
        (("restart", "--yes"), True),
        (("forget", "old", "--yes"), True),
        (("forget", "--node", NODES[0], "--yes"), True),
        (("pause", "--for", "4h"), False),
        (("resume",), False),
        (("approve", CA.cert.short, "--yes"), False),
        (("revoke", CA.cert.short, "--yes"), False),
        (("take-over", "--yes"), False),
    ],
)
def test_only_what_is_about_restarts_may_begin_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], may: bool
) -> None:
    asked: list[bool] = []

    def request(front: Foreground, *_: object) -> str:
        asked.append(front.restarts)
        return "noted"

    monkeypatch.setattr(asks, "request", request)
    code, said = desk.types(*argv)
    assert code == 0, said
    assert asked == [may]


def test_the_steps_of_a_restart_that_is_open_are_never_put_off() -> None:
    """Allocation must not stay restricted longer than it is."""
    there = RestartWorld(cut_at=(1,))  # whoever began it was killed right after the first effect: the record
    began, goes_on = 0, 0
    for _ in range(60):
        seen = there.look()
        steps, _holds = restart_steps(there.policy, seen, there.needs(), there.now)
        plan = Plan("onprem", now=tuple(steps), holds=(Hold("onprem", "overlap", "a text"),))
        left = without_a_new_restart(plan)
        if any(isinstance(step, BeginRestart) for step in steps):
            began += 1
            assert all(isinstance(step, SweepCopies | PutFile) for step in left.now)
            assert [step for step, _rule in left.later] == [step for step in steps if step not in left.now]
            assert any(isinstance(step, RestartNode) for step, _rule in left.later)
        else:
            goes_on += any(isinstance(step, RestartNode) for step in steps)
            assert left == plan
        there.once()
    assert began
    assert goes_on


def test_a_person_who_stops_a_restart_is_told_that_it_is_open(due: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncd.cli.once.sleep", interrupted)
    due.bench.permit.held = True
    code, said = due.desk.types("once")
    assert code != 0
    record = due.bench.es.restart
    assert record is not None
    assert f"onprem: the restart of {record.node} {OPEN}" in said


def test_that_it_cannot_be_told_whether_one_is_open_is_said_too(due: Due, capsys: pytest.CaptureFixture[str]) -> None:
    with due.front(restarts=True) as front:
        front.make_pass()
        due.bench.es.refuses = "es_unreachable"
    assert "onprem: whether a restart is open, with allocation restricted, is not known" in capsys.readouterr().err


def test_nothing_is_said_where_no_restart_was_begun(due: Due, capsys: pytest.CaptureFixture[str]) -> None:
    with due.front(restarts=False) as front:
        front.make_pass()
    assert capsys.readouterr().err == ""


def test_a_restart_that_the_daemon_makes_is_to_be_watched(due: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when it is noted, and not when it is over."""
    with due.front(restarts=True) as front:
        monkeypatch.setattr(front, "try_permit", lambda: False)
        monkeypatch.setattr(asks, "sleep", lambda _: front.make_pass())  # as the daemon would
        assert asks.request(front, "restart", "", lambda _: None).endswith("one at a time. Watch: syncd status")
        assert asks.request(front, "resume", "", lambda _: None) == "resumed"


@pytest.mark.parametrize("order", [("kept", "free"), ("free", "kept")])
def test_a_cluster_that_another_process_keeps_is_told_and_the_others_have_their_pass(
    desk: Desk, order: tuple[str, str]
) -> None:
    desk.configure_all({name: {} for name in order})
    permit = FilePermit(str(desk.folder / "kept.json.permit"))
    permit.start(lambda _: None)
    code, said = desk.types("once")
    permit.stop()
    assert code == 1
    assert " keeps kept; see: syncd status" in said
    assert f"free: done: write {desk.home('free', NODES[0])}" in said
    assert not (desk.home("kept", NODES[0]) / "remote-cluster-ca.crt").exists()
