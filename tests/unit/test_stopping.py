"""What was seen when a restart was planned is asked again in the breath in which a node is stopped."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.model import (
    Allocation,
    BeginRestart,
    ClusterState,
    NodeName,
    Outcome,
    RestartNode,
    RestartPolicy,
    RestartRecord,
    Shards,
    Step,
)
from syncd.engine.acting.perform import Performer
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.hosts.service import Service
from syncd.ports import CommandResult, Deadline, now
from tests.fakes.world import NAMES, Bench

FIRST, *OTHERS = NAMES
PEERS = frozenset(OTHERS)


def opened(bench: Bench) -> RestartRecord:
    return RestartRecord(FIRST, "change", bench.es.started, bench.hosts[FIRST].unit.invocation, Allocation(), 0,
                         "test/owner", now())  # fmt: skip


def steps(bench: Bench) -> tuple[BeginRestart, RestartNode]:
    record = opened(bench)
    restart = RestartNode(FIRST, record.invocation, record.started, "why", PEERS)
    return BeginRestart(record, "why", PEERS), restart


def perform(bench: Bench, step: Step) -> Outcome:
    world = replace(bench.world(), services=dict.fromkeys(NAMES, Service()))
    return Performer(world, HandshakeProofs(world, lambda _: None), now()).perform(step)


def leaves(bench: Bench, name: NodeName) -> None:
    del bench.es.hosts[name]


def recovers(bench: Bench) -> None:
    bench.es.health, bench.es.shards = "yellow", Shards(initializing=1)


def loses_replicas(bench: Bench) -> None:
    bench.es.health, bench.es.shards = "yellow", Shards(unassigned=12)


CHANGES: dict[str, Callable[[Bench], object]] = {
    "replicas are missing": loses_replicas,
    "another node has left": lambda bench: leaves(bench, OTHERS[1]),
    "the node itself has left": lambda bench: leaves(bench, FIRST),
    "a primary is missing": lambda bench: setattr(bench.es, "health", "red"),
    "shards are on their way": recovers,
}
LATER: dict[str, Callable[[Bench], object]] = {
    "its record is gone": lambda bench: setattr(bench.es, "restart", None),
    "another process runs": lambda bench: bench.es.starts.update({FIRST: 9}),
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.es.keeper = "test/owner"
    made.es.hosts = dict(made.hosts)
    return made


def test_as_it_was_planned_it_is_done(bench: Bench) -> None:
    assert [perform(bench, step).result for step in steps(bench)] == ["done", "done"]
    assert bench.hosts[FIRST].unit.starts == 2


@pytest.mark.parametrize("change", CHANGES)
def test_a_restart_is_not_begun_on_old_news(bench: Bench, change: str) -> None:
    """A window opens while the page is a minute old; in that minute another tool has stopped a node."""
    CHANGES[change](bench)
    outcome = perform(bench, steps(bench)[0])
    assert (outcome.result, outcome.rule, bench.es.restart) == ("failed", "cluster_changed", None)
    assert bench.es.allocation == Allocation()


@pytest.mark.parametrize("change", [*CHANGES, *LATER])
def test_a_node_is_not_stopped_on_old_news(bench: Bench, change: str) -> None:
    """Between the record and the stop keystores are written, which takes seconds."""
    begin, restart = steps(bench)
    assert perform(bench, begin).result == "done"
    {**CHANGES, **LATER}[change](bench)
    outcome = perform(bench, restart)
    assert (outcome.rule, bench.hosts[FIRST].unit.starts) == ("cluster_changed", 1)


def test_replicas_that_were_missing_before_forbid_nothing(bench: Bench) -> None:
    loses_replicas(bench)
    begin, restart = steps(bench)
    begin = replace(begin, record=replace(begin.record, unassigned=12))
    assert [perform(bench, step).result for step in (begin, restart)] == ["done", "done"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_permit_that_is_lost_while_the_cluster_is_asked_stops_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The answer may take as long as a Lease lasts: another process holds it then."""
    begin, restart = steps(bench)
    bench.es.restart = begin.record if number else None
    asked = bench.es.cluster

    def late(deadline: Deadline) -> ClusterState:
        bench.permit.held = False
        return asked(deadline)

    monkeypatch.setattr(bench.es, "cluster", late)
    outcome = perform(bench, (begin, restart)[number])
    assert (outcome.result, outcome.rule) == ("skipped", "standby")
    assert (bench.es.allocation, bench.hosts[FIRST].unit.starts) == (Allocation(), 1)


def test_a_node_that_the_next_holder_has_restarted_is_not_restarted_once_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This process stood still after any of its commands, and the other one went on meanwhile."""
    begin, restart = steps(bench)
    assert perform(bench, begin).result == "done"
    host = bench.hosts[FIRST]
    run = host.run

    def stalled(argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        done = run(argv, stdin, limit, deadline)
        if host.unit.starts == 1:
            host.unit.restart()
        return done

    monkeypatch.setattr(host, "run", stalled)
    perform(bench, restart)
    assert host.unit.starts == 2


def test_a_node_that_is_down_is_started_whatever_the_cluster_says(bench: Bench) -> None:
    bench.es.refuses = "es_unreachable"
    restart = replace(steps(bench)[1], peers=None)
    assert perform(bench, restart).result == "done"


def test_an_operators_own_command_may_wait_for_the_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended when a start is no longer waited for, and not after the minute that other tools have."""
    given: list[float] = []

    def run(argv: Sequence[str], stdin: bytes, limit: int, deadline: Deadline) -> CommandResult:
        given.append(deadline.left())
        return CommandResult(0, b"", b"")

    monkeypatch.setattr(bench.hosts[FIRST], "run", run)
    own = Service(restart=("restart",), status=("status",))
    policy = RestartPolicy("rolling", join_timeout=timedelta(minutes=5))
    world = replace(bench.world(restart=policy), services=dict.fromkeys(NAMES, own))
    step = RestartNode(FIRST, "", bench.es.started, "why")
    assert Performer(world, HandshakeProofs(world, lambda _: None), now()).perform(step).result == "done"
    assert min(given) > 299
