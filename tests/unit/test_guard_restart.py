"""The last look at a restart trusts nothing that planned it: never two nodes, never a setting that is not ours."""

from dataclasses import replace

import pytest

from syncd.core.bundle import content_digest
from syncd.core.guard import guard
from syncd.core.model import (
    Allocation,
    BeginRestart,
    ClusterState,
    Context,
    Known,
    Memory,
    NoteFault,
    Observed,
    Plan,
    PutSecret,
    PutYml,
    ReloadSecure,
    RestartNode,
    RestartPolicy,
    RestartRecord,
    RollBack,
    Step,
    UnitState,
    Unknown,
    YmlState,
)
from syncd.core.plan import guarded_plan
from tests.unit.test_settings import BARE, NAMES, NOW, OWN, OWNER, PATHS, TRANSPORT, node, policy, with_site, world

ONE, TWO = NAMES
PATH = "/etc/elasticsearch/elasticsearch.yml"
GOOD = BARE.replace('"certs/ca.crt"', f'"certs/ca.crt", "{PATHS[TRANSPORT]}"')


def members(record: RestartRecord | None = None, *names: str) -> Observed:
    nodes = dict.fromkeys(names or NAMES, frozenset[str]())
    cluster = ClusterState("u", "onprem", "green", ONE, nodes, "trial", "me", restart=record)  # type: ignore[arg-type]  # names
    return replace(world(), cluster=Known(cluster, NOW))


def record(name: str = ONE) -> RestartRecord:
    return RestartRecord(name, "x", 7, "inv", Allocation(), 0, "me", NOW)  # type: ignore[arg-type]  # a node's name


def edit(text: str = GOOD, before: str = BARE, name: str = ONE) -> PutYml:
    return PutYml(name, PATH, text.encode(), OWNER, content_digest(before.encode()), (), "why")  # type: ignore[arg-type]


def chain(text: str = GOOD) -> tuple[Step, ...]:
    return BeginRestart(record(), "why"), edit(text), RestartNode(ONE, "inv", 7, "why")


def kept(seen: Observed, *steps: Step) -> tuple[tuple[Step, ...], list[str]]:
    plan = guard(Plan("onprem", now=steps), seen, NOW)
    return plan.now, [hold.rule for hold in plan.holds]


def test_a_restart_as_it_should_be_passes() -> None:
    assert kept(members(), *chain()) == (chain(), [])
    assert kept(members(record()), *chain()[1:]) == (chain()[1:], [])


@pytest.mark.parametrize(
    ("steps", "seen", "rule"),
    [
        ((*chain(), RestartNode(TWO, "inv", 7, "why")), members(), "guard_two_restarts"),
        (chain(), members(record(TWO)), "guard_restart_open"),
        (chain()[1:], members(), "guard_no_record"),
        (chain()[1:], members(record(TWO)), "guard_no_record"),
        (chain(), members(None, ONE), "guard_node_away"),
        (chain(GOOD + "path.data: /elsewhere\n"), members(), "guard_foreign_setting"),
        (chain(GOOD.replace('"certs/ca.crt", ', "")), members(), "guard_own_ca_lost"),
        (chain("{"), members(), "guard_yml_unreadable"),
        ((BeginRestart(record(), "why"), edit(before="other")), members(), "guard_yml_unseen"),
    ],
    ids=["two nodes", "another is open", "no record", "another's record", "a peer is away", "foreign setting", "own CA lost",
         "unreadable", "not what was seen"],
)  # fmt: skip
def test_what_is_not_safe_is_held_whole(steps: tuple[Step, ...], seen: Observed, rule: str) -> None:
    assert kept(seen, *steps) == ((), [rule])


def test_a_file_whose_name_only_ends_like_ours_is_not_ours_to_drop() -> None:
    own = BARE.replace("certs/ca.crt", "certs/old-remote-transport-ca.crt")
    seen = replace(members(), nodes={**members().nodes, ONE: node(ONE, own)})
    without = own.replace("certs/old-remote-transport-ca.crt", PATHS[TRANSPORT])
    assert kept(seen, BeginRestart(record(), "why"), edit(without, before=own)) == ((), ["guard_own_ca_lost"])


def test_what_comes_only_with_the_restart_goes_with_it_and_the_rest_stays() -> None:
    within = PutSecret(ONE, "s", content_digest(b"k"), "why", within_restart=True)
    apart = PutSecret(TWO, "s", content_digest(b"k"), "why")
    reload = ReloadSecure(("s",), "why")
    steps, rules = kept(members(record(TWO)), apart, reload, *chain(), within)
    assert steps == (apart, reload)
    assert rules == ["guard_restart_open"]


@pytest.mark.parametrize(
    ("active", "start", "held"), [("active", True, True), ("failed", True, False), ("active", False, False)]
)
def test_a_member_that_runs_is_not_taken_back_while_another_is_away(active: str, start: bool, held: bool) -> None:
    unit = Known(UnitState(active, "inv", 100.0), NOW)  # type: ignore[arg-type]  # one of its states
    seen = members(record(), ONE)
    seen = replace(seen, nodes={ONE: with_site(node(), unit=unit), TWO: node(TWO)})
    steps = NoteFault(record(), "why"), RollBack(ONE, None, "inv", "why", start=start)
    assert kept(seen, *steps) == (((), ["guard_node_away"]) if held else (steps, []))


def test_a_node_that_was_declared_dead_stops_no_open_restart_of_another() -> None:
    """The rules judge the world without it; a guard that counts it would strip the restart in every pass."""
    edited = YmlState(content_digest(GOOD.encode()), GOOD, OWNER, content_digest(BARE.encode()))
    unit = Known(UnitState("active", "inv", 100.0), NOW)
    gone = Unknown("unreachable", "ssh connect failed", NOW)
    alive = with_site(node(ONE, GOOD), yml=Known(edited, NOW), unit=unit)
    dead = node(TWO, process=gone, files=dict.fromkeys(Context, gone), file=gone, site=gone)
    opened = replace(record(), yml=edited.digest)
    there = ClusterState("u", "onprem", "green", ONE, {ONE: frozenset()}, "trial", "me", restart=opened, sole_copies={},
                         allocation=opened.restricted, processes={ONE: 7})  # fmt: skip
    seen = replace(
        world(alive, dead), remotes={}, cluster=Known(there, NOW), memory=Known(Memory(dead=frozenset({TWO})), NOW)
    )
    rules = policy("", owner="me", restart=RestartPolicy("rolling", accept_outage=True))
    plan = guarded_plan(seen, rules, NOW, lambda digest: OWN.cert)
    assert "guard_node_away" not in {hold.rule for hold in plan.holds}
    assert [step.node for step in plan.now if isinstance(step, RestartNode)] == [ONE]


def test_the_node_itself_may_be_away_its_peers_may_not() -> None:
    assert kept(members(record(), TWO), *chain()[1:])[1] == []
    assert node().name == ONE
