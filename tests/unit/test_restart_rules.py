"""Whether a node may be restarted now: each rule by itself, from a case in which all of them are content."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, time, timedelta

import pytest

from syncd.core.bundle import Digest, TrustFile
from syncd.core.model import (
    Absent,
    Allocation,
    Context,
    FileState,
    KeystoreState,
    Known,
    NodeName,
    NodeSeen,
    ProofState,
    Restarted,
    RestartPolicy,
    RestartRecord,
    Seen,
    Shards,
    UnitState,
    Unknown,
)
from syncd.core.restarts.rules import RULES, SAFETY, Case, holds
from syncd.core.windows import Window
from tests.unit.restart_world import CHANGE, FILE, NAMES, OWNED, PATH, ROLES, START, RestartWorld

FIRST, SECOND, THIRD = NAMES
AWAY = Unknown("es_unreachable", "connection refused", START)
LATER, EARLIER = START + timedelta(minutes=5), START - timedelta(minutes=5)
DATA = frozenset({"data"})
OTHERS = {SECOND: ROLES, THIRD: ROLES}
TWO_MASTERS = {FIRST: ROLES, SECOND: ROLES, THIRD: DATA}
ONE_MASTER = {FIRST: DATA, SECOND: ROLES, THIRD: DATA}
ACCEPT = RestartPolicy("rolling", accept_outage=True)
# START is a Tuesday, 12:00 UTC
SHUT = Window(frozenset({5}), time(2), timedelta(hours=4), UTC, "Sat 02:00 for 4h UTC")
OPEN = Window(frozenset({1}), time(11), timedelta(hours=4), UTC, "Tue 11:00 for 4h UTC")
Change = Callable[[Case], Case]


def content() -> Case:
    """A case in which every rule is content."""
    world = RestartWorld()
    seen, needs = world.look(), world.needs()
    assert isinstance(seen.cluster, Known)
    return Case(needs[FIRST], world.policy, seen, seen.cluster.value, needs, START)


def cluster(**fields: object) -> Change:
    def change(case: Case) -> Case:
        found = replace(case.cluster, **fields)  # type: ignore[arg-type]  # of ClusterState
        return replace(case, cluster=found, seen=replace(case.seen, cluster=Known(found, START)))

    return change


def observed(**fields: object) -> Change:
    return lambda case: replace(case, seen=replace(case.seen, **fields))  # type: ignore[arg-type]


def policy(**fields: object) -> Change:
    return lambda case: replace(case, policy=replace(case.policy, **fields))  # type: ignore[arg-type]


def need(**fields: object) -> Change:
    return lambda case: replace(case, need=replace(case.need, **fields))  # type: ignore[arg-type]


def node(name: NodeName, change: Callable[[NodeSeen], NodeSeen]) -> Change:
    return lambda case: replace(
        case, seen=replace(case.seen, nodes={**case.seen.nodes, name: change(case.seen.nodes[name])})
    )


def process(name: NodeName, found: object) -> Change:
    return node(name, lambda seen: replace(seen, process=found))  # type: ignore[arg-type]


def unit(name: NodeName, found: object) -> Change:
    def change(seen: NodeSeen) -> NodeSeen:
        assert isinstance(seen.site, Known)
        return replace(seen, site=replace(seen.site, value=replace(seen.site.value, unit=found)))  # type: ignore[arg-type]

    return node(name, change)


def keystore(found: object) -> Change:
    def change(seen: NodeSeen) -> NodeSeen:
        assert isinstance(seen.site, Known)
        return replace(seen, site=replace(seen.site, value=replace(seen.site.value, keystore=found)))  # type: ignore[arg-type]

    return node(FIRST, change)


def active(name: NodeName, state: str) -> Change:
    return unit(name, Known(UnitState(state, "x", 1.0), START))  # type: ignore[arg-type]  # one of its states


def tried(name: NodeName, change: str = CHANGE, result: str = "done", **fields: object) -> Change:
    entry = Restarted(change, result, 0, START, "its unit is failed")  # type: ignore[arg-type]  # one of its results
    return cluster(restarted={name: replace(entry, **fields)})  # type: ignore[arg-type]


def both(*changes: Change) -> Change:
    def change(case: Case) -> Case:
        for each in changes:
            case = each(case)
        return case

    return change


def file_of(found: Seen[FileState] | None) -> Change:
    files: dict[Context, Seen[FileState]] = {} if found is None else {Context.TRANSPORT: found}
    return node(FIRST, lambda seen: replace(seen, files=files))


def emptied() -> Known[FileState]:
    return replace(FILE, value=replace(FILE.value, trust=TrustFile(())))


def rules(case: Case) -> list[str]:
    return [hold.rule for hold in holds(case)]


NEVER = policy(restart=RestartPolicy("never"))
OPEN_RECORD = RestartRecord(SECOND, CHANGE, 1, "x", Allocation(), 0, "test/owner", START)
HELD: list[tuple[str, Change, str]] = [
    ("not_claimed", cluster(owner=None), "claimed first"),
    ("not_claimed", cluster(owner="test/another"), "another syncd (test/another)"),
    ("policy", NEVER, "syncd restart onprem"),
    ("window", policy(restart=RestartPolicy("rolling", (SHUT,))), "2026-11-28 02:00Z"),
    ("yml_contested", tried(FIRST), "takes it back"),
    ("yml_contested", both(tried(FIRST), need(asked=EARLIER)), "syncd restart onprem --node es-01"),
    ("restart_failed", tried(FIRST, result="failed"), "its unit is failed"),
    ("restart_failed", tried(SECOND, result="failed"), "es-02 was restarted for this"),
    ("restart_failed", both(tried(SECOND, result="failed"), need(asked=EARLIER)), "goes no further"),
    ("restart_failed", both(tried(SECOND, "own-name", "failed"), lambda case: replace(case, needs={
        **case.needs, SECOND: replace(case.needs[SECOND], change="own-name")})), "es-02"),
    ("other_restart", cluster(restart=OPEN_RECORD), "es-02 is being restarted"),
    ("node_fine", process(FIRST, AWAY), "connection refused"),
    ("node_fine", unit(FIRST, AWAY), "connection refused"),
    ("node_fine", unit(FIRST, Absent(START)), "restart.unit"),
    ("node_fine", active(FIRST, "activating"), "activating"),
    ("allocation", cluster(allocation=Allocation("none", "persistent")), "none (persistent)"),
    ("allocation", cluster(allocation=Allocation("primaries", "transient")), "Set it to all"),
    ("allocation", cluster(allocation=Allocation("new_primaries")), "in elasticsearch.yml"),
    ("recovered", both(tried(SECOND, "older"), cluster(shards=Shards(unassigned=1))), "1 shards are unassigned, 0"),
    ("keystore_busy", observed(editing=True), "credentials are being put"),
    ("keystore_busy", observed(proof=ProofState(busy=True)), "lifted when it is closed"),
    ("keystore_busy", observed(proof=ProofState(nodes=frozenset({FIRST}))), "lifted when it is closed"),
    ("keystore_busy", observed(proof=ProofState(changed=START)), "lifted when it is closed"),
    ("keystore_busy", cluster(proof=frozenset({FIRST})), "lifted when it is closed"),
    ("keystore_passphrase", keystore(Known(KeystoreState(Digest("k"), OWNED, locked="no file"), START)), "no file"),
    ("keystore_passphrase", keystore(AWAY), "connection refused"),
    ("unmanaged_node", cluster(nodes={FIRST: ROLES, **OTHERS, NodeName("es-09"): ROLES}), "es-09"),
    ("every_node_joined", cluster(nodes={FIRST: DATA, SECOND: ROLES}), "es-03"),
    ("stable_master", cluster(master=None), "no master"),
    ("health", cluster(health="red"), "allocation/explain"),
    ("health", cluster(health="unknown"), "does not tell"),
    ("health", cluster(health="yellow", shards=Shards(initializing=2)), "2 initializing"),
    ("health", cluster(health="yellow", shards=Shards(relocating=2)), "2 relocating"),
    ("health", cluster(health="yellow", shards=Shards(delayed=2)), "wait for a node"),
    ("health", cluster(health="yellow", shards=Shards(pending=2)), "pending tasks"),
    ("peers_fine", active(SECOND, "failed"), "es-02 is failed"),
    ("peers_fine", active(THIRD, "deactivating"), "es-03"),
    ("peers_fine", process(SECOND, AWAY), "connection refused"),
    ("peers_fine", process(SECOND, Absent(START)), "es-02"),
    ("peers_fine", lambda case: replace(case, seen=replace(case.seen, nodes={FIRST: case.node})), "es-02, es-03"),
    ("quorum", cluster(nodes=TWO_MASTERS), "one of 2 master-eligible"),
    ("quorum", cluster(nodes={FIRST: ROLES, SECOND: DATA, THIRD: DATA}), "the only master"),
    ("shards_unknown", cluster(sole_copies=None), "not been asked"),
    ("sole_copy", cluster(sole_copies={FIRST: ("a", "b", "c", "d", "e")}), "a, b, c and 2 more"),
    ("trust_file_there", file_of(None), f"{PATH} is not there"),
    ("trust_file_there", file_of(Absent(START)), "would not start"),
    ("trust_file_there", file_of(AWAY), "cannot be read"),
    ("trust_file_there", file_of(emptied()), "holds no certificate"),
]  # fmt: skip

FREE: dict[str, Change] = {
    "all is well": lambda case: case,
    "a proof left something on another node": cluster(proof=frozenset({SECOND})),
    "a proof was closed before the cluster was looked at": observed(
        proof=ProofState(changed=START - timedelta(seconds=1))
    ),
    "a person asked, whatever the policy": both(NEVER, need(asked=START)),
    "a person asked, whatever the windows": both(policy(restart=RestartPolicy("never", (SHUT,))), need(asked=START)),
    "one of the windows is open": policy(restart=RestartPolicy("rolling", (SHUT, OPEN))),
    "another change was done before": tried(FIRST, "older"),
    "another change failed before": tried(SECOND, "older", "failed"),
    "the change was given up before": tried(FIRST, result="given_up"),
    "a person asked after the change was done": both(tried(FIRST), need(asked=LATER)),
    "a person asked after the change failed": both(tried(FIRST, result="failed"), need(asked=LATER)),
    "a person asked after the change failed elsewhere": both(tried(SECOND, result="failed"), need(asked=LATER)),
    "the change was done elsewhere": tried(SECOND),
    "a node that is gone failed": tried(NodeName("es-09"), result="failed"),
    "allocation says all, in capitals": cluster(allocation=Allocation("ALL", "transient")),
    "yellow as before the last restart": both(
        tried(SECOND, "older", unassigned=3), cluster(health="yellow", shards=Shards(unassigned=3))
    ),
    "the last restart was long ago": both(
        tried(SECOND, "older", at=START - timedelta(hours=1)), cluster(health="yellow", shards=Shards(unassigned=1))
    ),
    "green and moving": cluster(shards=Shards(relocating=2, pending=1)),
    "two masters, and it is neither": cluster(nodes={FIRST: DATA, SECOND: ROLES, THIRD: ROLES}),
    "one master, and it is not": cluster(nodes=ONE_MASTER),
    "two masters, and the outage is accepted": both(cluster(nodes=TWO_MASTERS), policy(restart=ACCEPT)),
    "sole copies, and the outage is accepted": both(cluster(sole_copies={FIRST: ("a",)}), policy(restart=ACCEPT)),
    "sole copies not asked, and the outage is accepted": both(cluster(sole_copies=None), policy(restart=ACCEPT)),
    "sole copies elsewhere": cluster(sole_copies={SECOND: ("a",)}),
    "a peer's host cannot be looked at, and its process answers": unit(SECOND, AWAY),
    "a path that is not ours is not looked for": both(need(paths=frozenset({"/own/ca.crt"})), file_of(None)),
}


@pytest.mark.parametrize(("rule", "change", "text"), HELD)
def test_each_rule_holds_by_itself_and_tells_what_would_lift_it(rule: str, change: Change, text: str) -> None:
    case = change(content())
    assert rules(case) == [rule]
    (hold,) = holds(case)
    assert text in hold.text
    assert hold.subject == FIRST
    assert hold.text.startswith("restart for trust: ")


@pytest.mark.parametrize("name", FREE)
def test_what_does_no_harm_holds_nothing(name: str) -> None:
    assert rules(FREE[name](content())) == []


def test_every_rule_is_seen_to_hold() -> None:
    assert {rule for rule, _, _ in HELD} == {rule for rule, _ in RULES}
    assert set(SAFETY) < set(RULES)


@pytest.mark.parametrize(
    ("rule", "change"), [(rule, change) for rule, change, _ in HELD if rule not in {"policy", "window"}]
)
def test_a_request_lifts_the_policy_and_the_windows_and_nothing_else(rule: str, change: Change) -> None:
    asked = change(need(asked=EARLIER - timedelta(days=1))(both(NEVER, policy(observe=False))(content())))
    assert rule in rules(asked)
    assert not {"policy", "window"} & set(rules(asked))


def test_a_window_tells_when_it_opens() -> None:
    (hold,) = holds(policy(restart=RestartPolicy("rolling", (SHUT,)))(content()))
    assert hold.until == START.replace(day=28, hour=2)


def test_all_that_holds_is_told_not_the_first() -> None:
    case = both(cluster(health="red", master=None), NEVER)(content())
    assert rules(case) == ["policy", "stable_master", "health"]
