"""`syncd check` is wrong about a node that the cluster does not know, not merely without an opinion."""

from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from syncd.cli.check import Check
from syncd.cli.checks import checks
from syncd.cli.show import check_text
from syncd.core.bundle import Digest
from syncd.core.model import (
    Absent,
    KeystoreState,
    Known,
    Memory,
    NodeName,
    NodePolicy,
    Observed,
    Ownership,
    Policy,
    Report,
    Seen,
    Site,
    Unknown,
    Verdict,
)
from syncd.ports import now
from tests.fakes.world import ALIAS, FILE, NAMES, PATHS, Bench, Syncd
from tests.unit.test_cli_verbs import Desk

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


@pytest.mark.parametrize("role", ["remote_cluster_client", "master"])
def test_a_node_that_does_not_dial_lacks_no_setting_and_no_credential(
    policy: Policy, report: Report, role: str
) -> None:
    """Nor is it told to name a file that is of no use to it."""
    node = report.seen.nodes[NAMES[0]]
    assert isinstance(node.process, Known)
    keystore = KeystoreState(Digest("k"), Ownership(0, 0, 0o660), {"a.setting": "absent"})
    site = Site(Absent(now()), Absent(now()), Known(keystore, now()), Absent(now()), Absent(now()))
    process = Known(replace(node.process.value, roles=frozenset({role})), now())
    bare = replace(node, process=process, site=Known(site, now()), trust_paths=Known(frozenset(), now()))
    keyed = replace(policy, remotes=tuple(replace(remote, credential=True) for remote in policy.remotes))
    found = checks(keyed, replace(report.seen, nodes={node.name: bare}), report.plan)
    about = {"the running configuration names the trust file", "the keystore holds a.setting"}
    said = {check.what: check.result for check in found if check.what in about}
    assert said == (dict.fromkeys(about, "wrong") if role == "remote_cluster_client" else {})


def test_nothing_is_said_of_the_members_of_a_cluster_that_does_not_answer(policy: Policy, report: Report) -> None:
    silent = replace(left(report, NAMES[1]), cluster=REFUSED)
    assert not membership(policy, silent, report)
    assert "wrong" in {check.result for check in checks(policy, silent, report.plan)}, "but that it does not answer is"


def test_a_node_that_a_person_declared_dead_is_not_missed_until_it_shows_itself(policy: Policy, report: Report) -> None:
    name = NAMES[1]
    assert [check.result for check in membership(policy, left(report, name, name), report)] == ["ok"]
    file = report.seen.nodes[name].file
    assert [check.result for check in membership(policy, left(report, name, name, seen=file), report)] == ["wrong"]


def test_a_host_that_is_away_is_one_fault_and_the_rest_was_not_looked_at(policy: Policy, report: Report) -> None:
    node = report.seen.nodes[NAMES[0]]
    away, later = (Unknown("unreachable", f"connection refused (next try in {s} s)", now()) for s in (1, 4))
    dark = replace(node, files=dict.fromkeys(node.files, away), owner=later, site=away)
    found = checks(policy, replace(report.seen, nodes={**report.seen.nodes, NAMES[0]: dark}), report.plan)
    mine = [check for check in found if check.group == f"node {NAMES[0]}"]
    (first,) = [check for check in mine if check.result == "wrong"]
    assert first.text == "connection refused", "and nothing of a next try: a command makes none"
    hidden = [check for check in mine if check.text == f"not looked at, see above: {first.what}"]
    assert len(hidden) == 2
    assert {check.result for check in hidden} == {"unknown"}


def test_what_was_seen_is_told_of_each_thing_though_it_is_the_same(policy: Policy, report: Report) -> None:
    down = tuple(Verdict(name, ALIAS, False, "disconnected", "0 sockets") for name in NAMES)
    found = checks(policy, report.seen, replace(report.plan, verdicts=down))
    links = [check for check in found if check.what.startswith("the link from ")]
    assert [(check.result, check.text) for check in links] == [("wrong", "0 sockets")] * len(NAMES)


@pytest.mark.parametrize("reason", [reason for reason in get_args(get_type_hints(Verdict)["reason"]) if reason != "ok"])
def test_each_reason_for_which_a_link_is_not_up_has_a_cure(policy: Policy, report: Report, reason: str) -> None:
    verdict = Verdict(NAMES[0], ALIAS, None if reason == "unknown" else False, reason, "a text")  # type: ignore[arg-type]  # one of them
    found = checks(policy, report.seen, replace(report.plan, verdicts=(verdict,)))
    (link,) = [check for check in found if check.what == f"the link from {NAMES[0]}"]
    assert link.cure


@pytest.mark.parametrize(("state", "text"), [("other", "it holds another value"), ("absent", "it does not hold it")])
def test_a_keystore_without_the_key_has_a_cure(policy: Policy, report: Report, state: str, text: str) -> None:
    node = report.seen.nodes[NAMES[0]]
    assert isinstance(node.site, Known)
    assert isinstance(node.site.value.keystore, Known)
    setting = f"cluster.remote.{ALIAS}.credentials"
    keystore = replace(node.site.value.keystore.value, settings={setting: state})  # type: ignore[dict-item]  # one of them
    lacking = replace(node, site=Known(replace(node.site.value, keystore=Known(keystore, now())), now()))
    keyed = replace(policy, remotes=tuple(replace(remote, credential=True) for remote in policy.remotes))
    found = checks(keyed, replace(report.seen, nodes={**report.seen.nodes, NAMES[0]: lacking}), report.plan)
    (check,) = [
        check for check in found if check.what == f"the keystore holds {setting}" and check.group.endswith(NAMES[0])
    ]
    assert (check.result, check.text) == ("wrong", text)
    assert "syncd plan" in check.cure


def test_each_group_is_one_heading(policy: Policy, report: Report) -> None:
    headings = [line for line in check_text("onprem", checks(policy, report.seen, report.plan)) if line[0] != " "]
    assert len(headings) == len(set(headings))
    assert f"onprem: remote {ALIAS}" in headings


def test_what_is_unknown_is_no_fault_unless_a_person_wants_to_be_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    unknown = Check("cluster", "something", "unknown", "a text")
    monkeypatch.setattr("syncd.cli.app.checks", lambda *_: (unknown,))
    assert desk.types("check")[0] == 0
    assert desk.types("check", "--strict")[0] == 1
    monkeypatch.setattr("syncd.cli.app.checks", lambda *_: (replace(unknown, result="ok"),))
    assert desk.types("check", "--strict")[0] == 0
