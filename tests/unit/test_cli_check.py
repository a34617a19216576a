"""`syncd check` is wrong about a node that the cluster does not know, not merely without an opinion."""

from dataclasses import replace

import pytest

from syncd.cli.check import Check
from syncd.cli.checks import checks
from syncd.core.model import Known, Memory, NodeName, NodePolicy, Observed, Policy, Report, Seen, Unknown
from syncd.ports import now
from tests.fakes.world import FILE, NAMES, PATHS, Bench, Syncd

WHAT = "every configured node is a member of the cluster"
REFUSED = Unknown("host_unreachable", "connection refused", now())


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def policy(bench: Bench) -> Policy:
    return bench.world().policy


@pytest.fixture(scope="module")
def report(bench: Bench) -> Report:
    syncd = Syncd(bench)
    made = syncd.turn(4)
    syncd.end()
    return made


def membership(policy: Policy, seen: Observed, report: Report) -> list[Check]:
    return [check for check in checks(policy, seen, report.plan) if check.what == WHAT]


def left(report: Report, name: NodeName, *dead: NodeName, seen: Seen[object] = REFUSED) -> Observed:
    """A node is away: the cluster lists the others, its process does not answer, and its files are as given."""
    assert isinstance(report.seen.cluster, Known)
    state, node = report.seen.cluster.value, report.seen.nodes[name]
    members = {other: roles for other, roles in state.nodes.items() if other != name}
    files = dict.fromkeys(node.files, seen)
    away = replace(node, process=REFUSED, file=seen, files=files)  # type: ignore[arg-type]  # Known or Unknown as given
    return replace(
        report.seen,
        cluster=Known(replace(state, nodes=members), now()),
        nodes={**report.seen.nodes, name: away},
        memory=Known(Memory(dead=frozenset(dead)), now()),
    )


def test_members_are_members(policy: Policy, report: Report) -> None:
    assert [check.result for check in membership(policy, report.seen, report)] == ["ok"]


def test_a_node_that_is_down_is_wrong_and_named_with_what_to_do(policy: Policy, report: Report) -> None:
    (check,) = membership(policy, left(report, NAMES[1]), report)
    assert (check.result, check.text) == ("wrong", NAMES[1])
    assert "syncd forget --node" in check.cure


def test_a_mistyped_name_is_wrong(policy: Policy, report: Report) -> None:
    typo = NodeName("es-1")
    configured = (NodePolicy(typo, FILE, PATHS), *policy.nodes[1:])
    first, *others = report.seen.nodes.values()
    nodes = {node.name: node for node in (replace(first, name=typo, process=REFUSED), *others)}
    (check,) = membership(replace(policy, nodes=configured), replace(report.seen, nodes=nodes), report)
    assert (check.result, check.text) == ("wrong", typo)
    assert "nodes[].name" in check.cure


def test_nothing_is_said_of_the_members_of_a_cluster_that_does_not_answer(policy: Policy, report: Report) -> None:
    silent = replace(left(report, NAMES[1]), cluster=REFUSED)
    assert not membership(policy, silent, report)
    assert "wrong" in {check.result for check in checks(policy, silent, report.plan)}, "but that it does not answer is"


def test_a_node_that_a_person_declared_dead_is_not_missed_until_it_shows_itself(policy: Policy, report: Report) -> None:
    name = NAMES[1]
    assert [check.result for check in membership(policy, left(report, name, name), report)] == ["ok"]
    file = report.seen.nodes[name].file
    assert [check.result for check in membership(policy, left(report, name, name, seen=file), report)] == ["wrong"]
