"""An open restart, state by state: what is seen on the left, what is done about it on the right."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.core.bundle import content_digest
from syncd.core.model import (
    Allocation,
    EndRestart,
    Known,
    Memory,
    Need,
    NodeName,
    NoteFault,
    RestartPolicy,
    RestartRecord,
    RollBack,
    Unknown,
)
from syncd.core.plan import make_plan
from syncd.core.restarts.rolling import restart_steps
from tests.unit.restart_world import CERT, CHANGE, NAMES, NEW, OLD, OWNER, PATH, SETTING, START, Node, RestartWorld

FIRST = NAMES[0]
FOREIGN = b"cluster.name: onprem\nsomebody.elses: edit\n"
LATE = START + timedelta(minutes=16)
BEGUN = RestartRecord(
    FIRST, CHANGE, 1_000, "invocation-1", Allocation(), 0, OWNER, START, content_digest(NEW)
)  # fmt: skip


def opened(
    record: RestartRecord = BEGUN, now: datetime = START, acted: datetime | None = None, **node: object
) -> RestartWorld:
    """A world in which the first node's restart is open, and the node as it is given."""
    there = RestartWorld(record=record, now=now, acted=acted, master=NAMES[2], persistent={SETTING: "primaries"})
    for name, value in node.items():
        setattr(there.nodes[FIRST], name, value)
    return there


def decided(there: RestartWorld, needs: dict[NodeName, Need] | None = None) -> tuple[list[str], list[str]]:
    """Kinds of the steps, and the rules that hold the first node."""
    steps, holds = restart_steps(there.policy, there.look(), there.needs() if needs is None else needs, there.now)
    return [type(step).__name__ for step in steps], [hold.rule for hold in holds if hold.subject == FIRST]


def ending(there: RestartWorld) -> tuple[str, str]:
    steps, _ = restart_steps(there.policy, there.look(), there.needs(), there.now)
    (found,) = [step for step in steps if isinstance(step, EndRestart)]
    return found.outcome.result, found.outcome.text


EDITED: dict[str, Any] = {"yml": NEW, "copy": OLD, "ours": NEW}
STARTED: dict[str, Any] = {**EDITED, "ran": NEW, "invocation": 2, "begun": START}
TAKEN_BACK: dict[str, Any] = {"yml": OLD, "copy": OLD, "refused": NEW, "ran": OLD}
FAULTY = replace(BEGUN, fault="its unit is failed", refused="invocation-2")
NOT_EDITED = replace(BEGUN, yml=None)

STATES: list[tuple[str, RestartWorld, list[str], list[str]]] = [
    ("begun", opened(), ["PutYml", "RestartNode"], []),
    ("begun, cut between the copy and the write", opened(copy=OLD), ["PutYml", "RestartNode"], []),
    ("edited", opened(**EDITED), ["RestartNode"], []),
    ("edited, its old process is ending", opened(**EDITED, active="deactivating"), [], ["restart_under_way"]),
    ("edited by somebody else", opened(yml=FOREIGN, copy=OLD), [], ["yml_contested"]),
    ("edited by somebody else, late", opened(now=LATE, yml=FOREIGN, copy=OLD), ["EndRestart"], []),
    ("edited by somebody else before it was begun", opened(yml=FOREIGN), ["EndRestart"], []),
    ("late, never tried again", opened(now=LATE), ["PutYml", "RestartNode"], []),
    ("late, tried again", opened(now=LATE, acted=LATE - timedelta(seconds=1)), ["EndRestart"], []),
    ("edited, late, tried again", opened(now=LATE, acted=LATE - timedelta(seconds=1), **EDITED),
     ["NoteFault", "RollBack"], ["restart_failed"]),
    ("seen before the last step", opened(acted=START), [], ["restart_under_way"]),
    ("starting", opened(**STARTED, active="activating", member=False), [], ["restart_under_way"]),
    ("started, not joined", opened(**STARTED, member=False), [], ["restart_under_way"]),
    ("started, not joined, late", opened(now=LATE, **STARTED, member=False), ["NoteFault", "RollBack"], ["restart_failed"]),
    ("joined", opened(**STARTED), ["EndRestart", "SweepCopies"], []),
    ("joined, overridden", opened(**STARTED, overridden=True), ["NoteFault", "RollBack"], ["restart_failed"]),
    ("joined, edited by somebody else", opened(**{**STARTED, "yml": FOREIGN}, overridden=True), ["EndRestart"], []),
    ("joined, as before", opened(**{**STARTED, **TAKEN_BACK}), ["EndRestart", "SweepCopies"], []),
    ("joined, never edited", opened(invocation=2), ["EndRestart"], []),
    ("failed", opened(**STARTED, active="failed", member=False), ["NoteFault", "RollBack"], ["restart_failed"]),
    ("failed, edited by somebody else", opened(**{**STARTED, "yml": FOREIGN}, active="failed", member=False),
     [], ["yml_contested"]),
    ("faulty, cut before it was taken back", opened(FAULTY, **STARTED, active="failed", member=False),
     ["RollBack"], ["restart_failed"]),
    ("faulty, cut before it was started", opened(FAULTY, **{**STARTED, **TAKEN_BACK}, active="failed", member=False),
     ["RollBack"], ["restart_failed"]),
    ("faulty, and started again with what is refused", opened(FAULTY, **{**STARTED, "invocation": 3}, active="failed",
     member=False), ["NoteFault", "RollBack"], ["restart_failed"]),
    ("taken back, ending", opened(FAULTY, **{**STARTED, **TAKEN_BACK, "invocation": 3}, active="deactivating"),
     [], ["restart_under_way"]),
    ("taken back, starting", opened(FAULTY, **{**STARTED, **TAKEN_BACK, "invocation": 3}, active="activating",
     member=False), [], ["restart_under_way"]),
    ("taken back, not joined", opened(FAULTY, **{**STARTED, **TAKEN_BACK, "invocation": 3}, member=False),
     [], ["restart_under_way"]),
    ("taken back, joined", opened(FAULTY, **{**STARTED, **TAKEN_BACK, "invocation": 3}), ["EndRestart", "SweepCopies"], []),
    ("taken back, not joined, late", opened(FAULTY, LATE, **{**STARTED, **TAKEN_BACK, "invocation": 3}, member=False),
     [], ["rollback_failed"]),
    ("taken back, failed", opened(FAULTY, **{**STARTED, **TAKEN_BACK, "invocation": 3}, active="failed", member=False),
     [], ["rollback_failed"]),
    ("taken back, edited by somebody else, down", opened(FAULTY, **{**STARTED, "yml": FOREIGN, "invocation": 3},
     active="failed", member=False), [], ["yml_contested"]),
    ("taken back, edited by somebody else, up", opened(FAULTY, **{**STARTED, "yml": FOREIGN, "invocation": 3}),
     ["EndRestart"], []),
    ("could not be restarted, settings taken back", opened(replace(FAULTY, refused="invocation-1"), **TAKEN_BACK),
     ["EndRestart", "SweepCopies"], []),
]  # fmt: skip


@pytest.mark.parametrize(("there", "steps", "held"), [pytest.param(*row[1:], id=row[0]) for row in STATES])
def test_what_is_seen_decides(there: RestartWorld, steps: list[str], held: list[str]) -> None:
    needs = there.needs()
    if there.nodes[FIRST].yml == FOREIGN and there.nodes[FIRST].copy and FIRST in needs:
        needs[FIRST] = replace(needs[FIRST], yml=None)
    assert decided(there, needs) == (steps, held)


def test_a_roll_back_names_what_is_ours_and_what_failed() -> None:
    there = opened(**STARTED, active="failed", member=False)
    (noted, back), _ = restart_steps(there.policy, there.look(), there.needs(), there.now)
    assert isinstance(noted, NoteFault)
    assert (noted.record.refused, "failed" in noted.record.fault) == ("invocation-2", True)
    assert back == RollBack(FIRST, content_digest(NEW), "invocation-2", noted.record.fault)


def test_files_that_are_back_already_are_not_taken_back_twice() -> None:
    there = opened(FAULTY, **{**STARTED, **TAKEN_BACK}, active="failed", member=False)
    (back,), _ = restart_steps(there.policy, there.look(), there.needs(), there.now)
    assert isinstance(back, RollBack)
    assert back.expect is None


@pytest.mark.parametrize(
    "change",
    [
        {"unnamed": frozenset({PATH}), "paths": frozenset()},
        {"reload_interval": "1s"},
        {"paths": frozenset({PATH, "/etc/elasticsearch/other.crt"})},
    ],
)
def test_all_that_the_process_should_run_with_is_looked_for(change: dict[str, object]) -> None:
    need = replace(Need(FIRST, "trust", CHANGE, paths=frozenset({PATH})), **change)  # type: ignore[arg-type]
    assert decided(opened(**STARTED), {FIRST: need})[0] == ["NoteFault", "RollBack"]


def test_what_another_change_needs_is_not_looked_for_yet() -> None:
    """It was named while the restart was under way, and has a restart of its own."""
    need = Need(FIRST, "trust", "another change", paths=frozenset({"/etc/elasticsearch/other.crt"}))
    assert decided(opened(**STARTED), {FIRST: need})[0] == ["EndRestart", "SweepCopies"]


def test_an_edit_that_is_not_the_one_it_was_begun_for_is_not_written() -> None:
    """Its digest is in the record: any other one would pass for somebody else's afterwards."""
    there = opened()
    there.wanted = NEW + b"and: more\n"
    assert decided(there)[0] == ["EndRestart"]
    assert ending(there)[0] == "given_up"


def test_without_a_master_nobody_can_join_and_nothing_is_taken_back() -> None:
    there = opened(now=LATE, **STARTED, member=False)
    there.master = NodeName("")
    seen = there.look()
    assert isinstance(seen.cluster, Known)
    seen = replace(seen, cluster=replace(seen.cluster, value=replace(seen.cluster.value, master=None)))
    steps, holds = restart_steps(there.policy, seen, there.needs(), there.now)
    assert (steps, holds[0].rule) == ([], "stable_master")


def test_a_member_that_still_shows_its_old_process_is_looked_at_again() -> None:
    there = opened(**STARTED)
    seen = there.look()
    node = seen.nodes[FIRST]
    assert isinstance(node.process, Known)
    old = replace(node, process=replace(node.process, value=replace(node.process.value, started=BEGUN.started)))
    steps, holds = restart_steps(
        there.policy, replace(seen, nodes={**seen.nodes, FIRST: old}), there.needs(), there.now
    )
    assert ([type(step).__name__ for step in steps], holds[0].rule) == (["FreeAllocation"], "restart_under_way")


@pytest.mark.parametrize("before", [Allocation(), Allocation("all", "persistent"), Allocation("all", "transient")])
@pytest.mark.parametrize("silent", ["its address", "what it runs with"])
def test_the_shards_of_a_member_do_not_wait_for_what_is_still_to_be_seen_of_it(before: Allocation, silent: str) -> None:
    there = opened(replace(BEGUN, allocation=before), **STARTED, answers=silent != "its address")
    there.blind |= {FIRST} if silent != "its address" else set()
    place = there.transient if before.scope == "transient" else there.persistent
    place[SETTING] = "primaries"
    assert decided(there) == (["FreeAllocation"], ["restart_under_way"])
    place[SETTING] = "none"
    assert decided(there) == ([], ["restart_under_way"]), "somebody else has set it"
    place[SETTING] = "primaries"
    there.once()
    assert there.allocation == before
    assert there.record is not None
    there.blind, there.acted = set(), None
    assert decided(there) == (["EndRestart", "SweepCopies"], [])


def test_allocation_stays_restricted_while_the_cluster_still_counts_the_old_process() -> None:
    """A unit has its new InvocationID before the master has noticed that the old process is gone."""
    there = opened(**STARTED, answers=False)
    there.persistent[SETTING] = "primaries"
    seen = there.look()
    assert isinstance(seen.cluster, Known)
    for processes in ({FIRST: BEGUN.started}, {}):
        cluster = replace(seen.cluster, value=replace(seen.cluster.value, processes=processes))
        steps, holds = restart_steps(there.policy, replace(seen, cluster=cluster), there.needs(), there.now)
        assert (steps, holds[0].rule) == ([], "restart_under_way")


def test_a_restart_that_may_not_go_on_now_waits_and_late_is_given_up() -> None:
    def held(now: datetime) -> tuple[list[str], list[str]]:
        there = opened(now=now)
        there.nodes[NAMES[1]].active = "failed"
        return decided(there)

    assert held(START) == ([], ["peers_fine"])
    assert held(LATE) == (["EndRestart"], ["peers_fine"])


def test_a_node_that_is_down_already_is_started_though_the_cluster_is_not_well() -> None:
    there = opened(**EDITED, active="failed", member=False)
    assert decided(there)[0] == ["RestartNode"]


def test_a_failed_restart_stays_failed_though_its_host_is_lost() -> None:
    there = opened(FAULTY, LATE, **STARTED, active="failed", member=False)
    there.unreachable.add(FIRST)
    result, text = ending(there)
    assert result == "failed"
    assert "its unit is failed" in text


def test_settings_that_an_earlier_restart_left_unproven_are_taken_back_if_the_node_fails_with_them() -> None:
    there = RestartWorld(restart_policy=RestartPolicy("rolling"))
    node: Node = there.nodes[FIRST]
    node.yml, node.copy, node.ours, node.refuses = NEW, OLD, NEW, lambda yml: yml == NEW
    there.run()
    assert (node.yml, node.ran, node.starts) == (OLD, OLD, 2)
    assert there.restarted[FIRST].result == "failed"


def test_a_service_that_counts_no_starts_and_does_not_come_back_is_left_to_a_person() -> None:
    there = RestartWorld(counted=False, master=NAMES[2])
    there.nodes[FIRST].refuses = lambda _: True
    there.run(40)
    assert there.nodes[FIRST].starts == 2
    assert there.record is not None
    assert [node.starts for node in there.nodes.values()][1:] == [0, 0]


WEEK = START + timedelta(days=7)
WAITING: dict[str, RestartWorld] = {
    "its unit is named otherwise by now": opened(now=WEEK, **{**STARTED, "invocation": 1}),
    "its own address stays silent": opened(now=WEEK, **STARTED, answers=False),
    "its old process does not end": opened(now=WEEK, **EDITED, active="deactivating"),
    "it was taken back, and its own address stays silent": opened(
        FAULTY, WEEK, **{**STARTED, **TAKEN_BACK, "invocation": 3}, answers=False
    ),
}
WAITING["its unit is named otherwise by now"]._invocation = lambda node: "another-unit"  # type: ignore[method-assign]


@pytest.mark.parametrize("why", WAITING)
def test_an_open_restart_that_waits_for_what_never_comes_is_a_persons_to_look_at(why: str) -> None:
    """No passage of time ends it, and every other restart waits for it."""
    there = WAITING[why]
    there.now = START + timedelta(minutes=29)
    assert "restart_stuck" not in decided(there)[1]
    there.now = WEEK
    answers = there.nodes[FIRST].answers
    for _ in range(3):
        there.nodes[FIRST].answers = answers
        there.once()
    (hold,) = [hold for hold in there.holds if hold.subject == FIRST]
    assert (hold.rule, hold.grave, there.allocation) == ("restart_stuck", True, Allocation())
    assert "restart.unit (elasticsearch.service)" in hold.text
    assert '"cluster.metadata.syncd.restart": null' in hold.text


@pytest.mark.parametrize("scope", ["transient", "persistent", "unset"])
def test_a_restart_that_observing_leaves_open_is_told_with_the_request_that_ends_it(scope: Any) -> None:
    there = opened(replace(BEGUN, allocation=Allocation("all", scope)), **STARTED)
    seen = replace(there.look(), remotes={})

    def held(keeper: str = OWNER, **policy: bool) -> list[str]:
        ours = replace(there.policy, owner=keeper, **policy)  # type: ignore[arg-type]  # the caller names a field
        plan = make_plan(seen, ours, there.now, lambda _: CERT)
        return [hold.text for hold in plan.holds if hold.rule == "restart_left_open" and hold.grave]

    (text,) = held(observe=True)
    place = "transient" if scope == "transient" else "persistent"
    back = "null" if scope == "unset" else '"all"'
    assert f'{{"{place}": {{"cluster.routing.allocation.enable": {back}}}}}' in text
    assert held(observe=False) == []
    assert held("test/another", observe=True) == [], "its keeper ends it"


LOST: dict[str, RestartWorld] = {
    "its host was lost before it was restarted": opened(now=WEEK, **EDITED, member=False),
    "its host was lost": opened(now=WEEK, **STARTED, active="failed", member=False),
    "its process does not end": opened(now=WEEK, **EDITED, active="deactivating", member=False, answers=False),
    "its new process does not end": opened(now=WEEK, **STARTED, active="deactivating", member=False, answers=False),
    "it was taken back and does not start": opened(
        FAULTY, WEEK, **{**STARTED, **TAKEN_BACK, "invocation": 3}, active="failed", member=False
    ),
    "it starts over and over, and was taken back": opened(
        FAULTY,
        WEEK,
        **{**STARTED, **TAKEN_BACK, "invocation": 3, "begun": WEEK - timedelta(seconds=30)},
        active="activating",
        member=False,
    ),
    "its settings are somebody else's": opened(now=WEEK, **{**STARTED, "yml": FOREIGN}, active="failed", member=False),
}
LOST["its host was lost"].unreachable = LOST["its host was lost before it was restarted"].unreachable = {FIRST}


@pytest.mark.parametrize("why", LOST)
def test_the_shards_of_a_node_that_stays_away_are_made_elsewhere_whatever_its_restart_waits_for(why: str) -> None:
    """The record stays: what is to be put back and mended is not forgotten, and no other node is begun."""
    there = LOST[why]
    seen = there.look()
    lately = Unknown("late", "it has not answered yet", WEEK)
    if there.unreachable:
        seen = replace(seen, nodes={**seen.nodes, FIRST: replace(seen.nodes[FIRST], site=lately)})
    steps, holds = restart_steps(there.policy, seen, {}, there.now)
    assert [type(step).__name__ for step in steps] == ["FreeAllocation"]
    assert holds[0].subject == FIRST
    there.carry_out(steps[0])
    assert (there.allocation, there.record) == (Allocation(), there.record)
    steps, _ = restart_steps(there.policy, replace(seen, cluster=there.look().cluster), {}, there.now)
    assert steps == [], "once"


def test_what_goes_on_failing_to_take_a_node_back_does_not_keep_its_shards_waiting() -> None:
    """Its disk is full or broken, say: the shards are made elsewhere, and it is tried again all the same."""
    there = opened(FAULTY, WEEK, **STARTED, active="failed", member=False)
    assert decided(there)[0] == ["FreeAllocation", "RollBack"]
    there.persistent.clear()
    assert decided(there)[0] == ["RollBack"]
    soon = opened(FAULTY, START + timedelta(minutes=1), **STARTED, active="failed", member=False)
    assert decided(soon)[0] == ["RollBack"]


def test_what_keeps_failing_to_give_up_does_not_keep_allocation_restricted() -> None:
    """Its settings cannot be put back, say for a full disk: that is tried again, and the shards wait no longer."""
    there = opened(now=START + timedelta(minutes=20), **EDITED)
    there.nodes[NAMES[1]].active = "failed"
    assert decided(there) == (["RollBack", "EndRestart"], ["peers_fine"])
    there.now = WEEK
    assert decided(there)[0] == ["FreeAllocation", "RollBack", "EndRestart"]
    there.persistent.clear()
    assert decided(there)[0] == ["RollBack", "EndRestart"]
    there.nodes[FIRST].copy = None
    assert decided(there)[0] == ["EndRestart"], "there is nothing to put back"


def test_what_was_seen_before_the_clock_was_set_back_is_not_judged_by_it() -> None:
    hour = timedelta(hours=1)
    there = opened(now=START + hour, acted=START + hour, **STARTED, active="failed", member=False)
    before = there.look()
    there.now = START
    assert restart_steps(there.policy, before, {}, there.now)[0] == []
    assert decided(there)[0] == ["NoteFault", "RollBack"]


def test_a_fault_that_is_found_after_long_does_not_free_the_shards_while_the_node_is_taken_back() -> None:
    there = opened(now=WEEK, **STARTED, overridden=True)
    there.persistent.clear()
    there.once()
    assert there.allocation.value == "primaries"
    there.nodes[FIRST].active = "deactivating"
    there.acted = None
    assert decided(there) == ([], ["restart_under_way"])


def test_a_node_whose_shards_were_freed_meanwhile_is_not_stopped_in_that_restart() -> None:
    there = opened(now=WEEK, **EDITED)
    there.persistent.clear()
    assert ending(there)[0] == "given_up"
    there.nodes[FIRST].member, there.nodes[FIRST].active = False, "failed"
    assert decided(there)[0] == ["RestartNode"], "a node that is down is started"


@pytest.mark.parametrize("record", [BEGUN, FAULTY], ids=["to be noted", "noted a while ago"])
def test_a_node_that_serves_is_not_stopped_to_be_taken_back_while_another_is_down(record: RestartRecord) -> None:
    """Promise 6: its own address was silent for hours; when it tells what it runs with, the cluster is another one."""
    there = opened(record, START + timedelta(hours=2), **STARTED, overridden=True)
    other = there.nodes[NAMES[1]]
    other.active, other.member = "failed", False
    steps, rules = decided(there)
    assert steps == ["FreeAllocation"], "the shards of the one that is down are to be made good"
    assert {"every_node_joined", "restart_failed"} <= set(rules)
    there.once()
    assert decided(there)[0] == []
    other.refuses = lambda _: False
    other.restart()
    there.run(10)
    assert there.nodes[FIRST].ran == OLD
    assert there.restarted[FIRST].result == "failed"


@pytest.mark.parametrize("silent", ["its own address", "its host"])
@pytest.mark.parametrize("fault", ["it does not start", "it is overridden"])
def test_the_shards_of_a_node_that_was_taken_back_do_not_wait_for_what_is_still_to_be_seen_of_it(
    silent: str, fault: str
) -> None:
    there = RestartWorld(master=NAMES[2])
    node = there.nodes[FIRST]
    node.overridden = fault == "it is overridden"
    node.refuses = lambda yml: yml == NEW and not node.overridden
    while not (node.starts == 2 and node.member and node.active == "active"):
        there.once()
        assert there.allocation.value == "primaries" or not (there.record and there.record.fault)
        if node.starts == 2 and silent == "its host":
            there.unreachable.add(FIRST)
    for _ in range(12):
        node.answers = silent != "its own address"
        there.once()
    assert (there.allocation, there.record is not None) == (Allocation(), True)
    waits = "restart_under_way" if silent == "its own address" else "node_unreachable"
    assert [hold.rule for hold in there.holds if hold.subject == FIRST] == [waits]
    there.unreachable.clear()
    there.run()
    assert (there.restarted[FIRST].result, there.record) == ("failed", None)


def test_a_node_that_is_a_member_again_has_not_failed_to_be_taken_back_though_its_address_stays_silent() -> None:
    """`rollback_failed` says that it does not come up, and to look at its log."""
    back = {**STARTED, **TAKEN_BACK, "invocation": 3}
    there = opened(FAULTY, LATE, **back, answers=False)
    there.persistent.clear()
    assert decided(there) == ([], ["restart_under_way"])
    there.nodes[FIRST].active = "failed"
    assert decided(there) == ([], ["rollback_failed"])


def test_allocation_stays_restricted_while_the_cluster_still_counts_the_process_that_is_taken_back() -> None:
    """Its unit has its next start before the master has noticed that the process is gone."""
    there = opened(replace(FAULTY, refused_process=2_000), **{**STARTED, **TAKEN_BACK, "invocation": 3}, answers=False)
    seen = there.look()
    assert isinstance(seen.cluster, Known)
    for process, steps in ((2_000, []), (3_000, ["FreeAllocation"])):
        cluster = replace(seen.cluster, value=replace(seen.cluster.value, processes={FIRST: process}))
        found, _ = restart_steps(there.policy, replace(seen, cluster=cluster), {}, there.now)
        assert [type(step).__name__ for step in found] == steps


def test_settings_that_no_process_was_started_with_are_taken_back_without_a_restart() -> None:
    there = opened(now=LATE, acted=LATE - timedelta(seconds=1), **EDITED)
    other = there.nodes[NAMES[1]]
    other.active, other.member = "failed", False
    there.run(10)
    first = there.nodes[FIRST]
    assert (first.yml, first.starts, first.active, there.record) == (OLD, 0, "active", None)
    assert there.restarted[FIRST].result == "failed"
    assert there.persistent == {}


def alone(**node: object) -> RestartWorld:
    """A cluster of one node, which is down: nobody can be asked."""
    there = RestartWorld(size=1, now=START + timedelta(minutes=1))
    for name, value in {"active": "failed", "member": False, **node}.items():
        setattr(there.nodes[FIRST], name, value)
    return there


def test_a_lone_node_that_was_taken_back_and_failed_again_is_left_to_a_person() -> None:
    there = alone(**TAKEN_BACK)
    assert decided(there, {})[0] == ["RollBack"], "a process that knows of no try of its own makes one"
    there.acted = START
    assert decided(there, {}) == ([], ["rollback_failed"])


def test_a_lone_node_whose_settings_are_somebody_elses_is_not_taken_back() -> None:
    assert decided(alone(**EDITED), {})[0] == ["RollBack"]
    for acted in (None, START):
        there = alone(yml=FOREIGN, copy=OLD, ours=NEW)
        there.acted = acted
        assert decided(there, {}) == ([], ["yml_contested"])
    assert decided(alone(yml=NEW, copy=OLD), {}) == ([], ["yml_contested"]), "nothing tells that it is ours"


def test_what_a_person_mends_while_no_cluster_answers_is_never_overwritten() -> None:
    """Neither the new settings nor the old ones start it: the third text is the person's."""
    there = RestartWorld(size=1, restart_policy=RestartPolicy("rolling", accept_outage=True))
    node = there.nodes[FIRST]
    node.refuses = lambda yml: yml != FOREIGN
    there.run(30)
    assert [hold.rule for hold in there.holds] == ["rollback_failed"]
    node.yml = FOREIGN
    there.run(5)
    assert (node.yml, [hold.rule for hold in there.holds]) == (FOREIGN, ["yml_contested"])
    node.restart()
    there.run(10)
    assert (node.yml, node.active, there.record) == (FOREIGN, "active", None)


@pytest.mark.parametrize("brake", ["paused", "state_unreadable"])
@pytest.mark.parametrize("cluster", ["answers", "is down"])
def test_what_ends_an_open_restart_goes_on_under_a_brake(brake: str, cluster: str) -> None:
    there = opened(**STARTED, active="failed", member=False) if cluster == "answers" else alone(**EDITED)
    paused = Memory(paused_until=WEEK) if brake == "paused" else Memory()
    unread = Unknown("state_unreadable", "no answer", START)
    seen = replace(there.look(), memory=unread if brake != "paused" else Known(paused, START), remotes={})
    plan = make_plan(seen, there.policy, there.now, lambda digest: CERT)
    assert brake in {hold.rule for hold in plan.holds}
    assert "RollBack" in [type(step).__name__ for step in plan.now]
