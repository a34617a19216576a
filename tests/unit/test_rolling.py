"""Rolling restarts in a small world: whatever fails and wherever the daemon is killed, one node at a time, each once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.model import Allocation, BeginRestart, Known, NodeName, RestartPolicy, RollBack, Unknown
from syncd.core.restarts.rolling import restart_steps
from tests.unit.restart_world import CHANGE, NAMES, NEW, OLD, SETTING, START, RestartWorld

FIRST = NAMES[0]
ALLOCATIONS = {
    "unset": ({}, {}),
    "persistent": ({SETTING: "all"}, {}),
    "transient": ({}, {SETTING: "all"}),
    "both": ({SETTING: "all"}, {SETTING: "all"}),
}
allocations = pytest.mark.parametrize("allocation", ALLOCATIONS)


def world(allocation: str = "unset", cuts: tuple[int, ...] = (), master: NodeName = NAMES[2]) -> RestartWorld:
    persistent, transient = ALLOCATIONS[allocation]
    return RestartWorld(persistent=dict(persistent), transient=dict(transient), cut_at=cuts, master=master)


def left_as_it_was(after: RestartWorld, allocation: str) -> None:
    """Allocation as before, no record, everybody up."""
    assert (after.persistent, after.transient) == ALLOCATIONS[allocation]
    assert after.record is None
    assert all(node.member and node.active == "active" for node in after.nodes.values())


def every_cut(make: Callable[[tuple[int, ...]], RestartWorld]) -> list[RestartWorld]:
    """The world after a run without a cut, and after one with each single cut."""
    whole = make(()).run()
    return [whole, *(make((cut,)).run() for cut in range(2 * whole.effects))]


def rules(after: RestartWorld) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for hold in after.holds:
        found.setdefault(hold.subject, []).append(hold.rule)
    return found


# --- all goes well


@allocations
def test_each_node_is_restarted_once_and_the_elected_master_last(allocation: str) -> None:
    after = world(allocation, master=NAMES[1]).run()
    left_as_it_was(after, allocation)
    begun = [step.record.node for step in after.steps if isinstance(step, BeginRestart)]
    assert begun == [NAMES[0], NAMES[2], NAMES[1]]
    assert [node.starts for node in after.nodes.values()] == [1, 1, 1]
    assert all(node.yml == node.ran == NEW and node.copy is None for node in after.nodes.values())
    assert {name: (each.change, each.result) for name, each in after.restarted.items()} == dict.fromkeys(
        NAMES, (CHANGE, "done")
    )


@allocations
def test_killed_anywhere_it_goes_on_and_restarts_each_node_exactly_once(allocation: str) -> None:
    """Promise 3 and 6."""
    runs = every_cut(lambda cuts: world(allocation, cuts))
    assert len(runs) > 30, "the cuts reach every step of every node"
    for after in runs:
        left_as_it_was(after, allocation)
        assert [node.starts for node in after.nodes.values()] == [1, 1, 1], after.cut_at
        assert all(node.ran == node.yml == NEW and node.copy is None for node in after.nodes.values()), after.cut_at
        assert {each.result for each in after.restarted.values()} == {"done"}


@settings(max_examples=150)
@given(st.sets(st.integers(0, 90), max_size=8), st.sampled_from(sorted(ALLOCATIONS)), st.sampled_from(NAMES))
def test_killed_again_and_again_it_goes_on(cuts: set[int], allocation: str, master: NodeName) -> None:
    after = world(allocation, tuple(cuts), master).run(200)
    left_as_it_was(after, allocation)
    assert [node.starts for node in after.nodes.values()] == [1, 1, 1]


def test_settings_wait_for_their_restart_on_one_node_at_most() -> None:
    """A power cut must not find settings that no process has proven."""
    there = world()
    for _ in range(60):
        there.once()
        unproven = [node.name for node in there.nodes.values() if node.yml != node.ran]
        assert len(unproven) <= 1
        assert not unproven or (there.record is not None and there.record.node == unproven[0])


def test_when_nothing_is_needed_nothing_is_done() -> None:
    after = world().run()
    done = len(after.steps)
    assert not after.run(5).steps[done:]
    assert after.holds == []


def test_the_holds_tell_the_order() -> None:
    there = world(master=NAMES[1])
    there.once()
    pending = [(hold.subject, hold.text) for hold in there.holds if hold.rule == "restart_pending"]
    assert [name for name, _ in pending] == [NAMES[2], NAMES[1]]
    assert "after es-01" in pending[0][1]
    assert "after es-03" in pending[1][1]
    assert "master" in pending[1][1]


# --- a start fails


def refusing(cuts: tuple[int, ...] = ()) -> RestartWorld:
    there = world("persistent", cuts)
    for node in there.nodes.values():
        node.refuses = lambda yml: b"wanted" in yml
    return there


def never_joining(cuts: tuple[int, ...] = ()) -> RestartWorld:
    there = world("persistent", cuts)
    there.restart_policy = RestartPolicy("rolling", join_timeout=timedelta(seconds=40))
    for node in there.nodes.values():
        node.joins = lambda yml: b"wanted" not in yml
    return there


def overridden(cuts: tuple[int, ...] = ()) -> RestartWorld:
    there = world("persistent", cuts)
    for node in there.nodes.values():
        node.overridden = True
    return there


FAULTS = {
    "its start fails": (refusing, "did not start"),
    "it never joins": (never_joining, "no member after"),
    "the settings are overridden": (overridden, "yml_overridden"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_the_change_harms_is_taken_back_once_and_the_change_goes_no_further(fault: str) -> None:
    """Promise 6, with the daemon killed at every effect."""
    make, why = FAULTS[fault]
    for after in every_cut(make):
        left_as_it_was(after, "persistent")
        first, *others = after.nodes.values()
        assert (first.yml, first.ran, first.refused) == (OLD, OLD, NEW), after.cut_at
        assert first.starts == 2, "once with the new settings, once with the old"
        assert [(node.starts, node.yml) for node in others] == [(0, OLD), (0, OLD)]
        ended = after.restarted[FIRST]
        assert (ended.change, ended.result) == (CHANGE, "failed")
        assert why in ended.text
        assert rules(after)[FIRST] == ["restart_failed"]
        assert set(rules(after)) == set(NAMES)


def test_a_node_that_is_being_ended_to_be_taken_back_is_not_restarted_once_more() -> None:
    """A process takes a while to end; another restart of its unit then may come right after the start."""
    there = overridden()
    while not any(isinstance(step, RollBack) for step in there.steps):
        there.once()
    node, done = there.nodes[FIRST], len(there.steps)
    node.active, node.invocation = "deactivating", node.invocation - 1
    there.once()
    assert there.steps[done:] == []
    there.run()
    assert there.restarted[FIRST].result == "failed"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_person_may_have_a_failed_change_tried_again(fault: str) -> None:
    after = FAULTS[fault][0](()).run()
    for node in after.nodes.values():
        node.refuses, node.joins, node.overridden = lambda _: False, lambda _: True, False
    assert after.run().nodes[FIRST].starts == 2, "not by itself"
    after.asked = after.now
    after.run(80)
    left_as_it_was(after, "persistent")
    assert [node.starts for node in after.nodes.values()] == [3, 1, 1]
    assert {each.result for each in after.restarted.values()} == {"done"}


def test_a_node_that_does_not_come_back_either_is_left_to_a_person_and_nothing_else_is_touched() -> None:
    there = world()
    there.nodes[FIRST].refuses = lambda _: True
    there.run(40)
    assert there.nodes[FIRST].starts == 2
    assert rules(there)[FIRST] == ["rollback_failed"]
    assert [node.starts for node in there.nodes.values()][1:] == [0, 0]
    there.nodes[FIRST].refuses = lambda _: False
    there.nodes[FIRST].restart()
    there.run(40)
    left_as_it_was(there, "unset")
    assert there.restarted[FIRST].result == "failed"


def test_a_single_node_that_does_not_start_is_taken_back_though_no_cluster_answers() -> None:
    def make(cuts: tuple[int, ...]) -> RestartWorld:
        there = RestartWorld(size=1, cut_at=cuts, restart_policy=RestartPolicy("rolling", accept_outage=True))
        there.nodes[FIRST].refuses = lambda yml: b"wanted" in yml
        return there

    for after in every_cut(make):
        assert (after.nodes[FIRST].active, after.nodes[FIRST].ran, after.record) == ("active", OLD, None), after.cut_at
        assert after.nodes[FIRST].starts == 2
        assert after.restarted[FIRST].result == "failed"
        assert after.persistent == {}


# --- a step fails


def test_a_disk_that_is_full_once_delays_the_restart() -> None:
    there = world()
    there.nodes[FIRST].full = 2
    there.run()
    left_as_it_was(there, "unset")
    assert [node.starts for node in there.nodes.values()] == [1, 1, 1]


def test_a_disk_that_stays_full_ends_the_restart_and_no_node_is_touched() -> None:
    """Allocation does not stay at primaries for ever."""
    there = world("transient")
    there.nodes[FIRST].full = 10_000
    there.run(250)
    left_as_it_was(there, "transient")
    assert [node.starts for node in there.nodes.values()] == [0, 0, 0]
    assert there.restarted[FIRST].result == "failed"
    assert rules(there)[NAMES[1]] == ["restart_pending"]


# --- somebody else


@pytest.mark.parametrize("when", ["before the write", "after the write", "after the start"])
def test_what_somebody_else_writes_meanwhile_is_never_overwritten(when: str) -> None:
    foreign = b"cluster.name: onprem\nsomebody.elses: edit\nwanted: too\n"
    there = refusing() if when == "after the start" else world("persistent")
    node = there.nodes[FIRST]
    if when == "before the write":
        node.full = 1
    if when == "after the write":
        there.cut_at = (2 * 2 + 1,)
    there.once()
    if when == "after the start":
        there.tick()
    node.yml = foreign
    there.run(10)
    assert node.yml == foreign
    if when == "after the start":
        assert rules(there)[FIRST] == ["yml_contested"]
        assert [other.starts for other in there.nodes.values()][1:] == [0, 0]


def test_a_change_that_somebody_takes_back_is_not_put_there_again() -> None:
    """One restart per node and change: another tool that owns the file wins, and is named."""
    after = world().run()
    for node in after.nodes.values():
        node.yml = node.ran = OLD
    after.run(10)
    assert [node.starts for node in after.nodes.values()] == [1, 1, 1]
    assert rules(after)[NAMES[1]] == ["yml_contested"], "the first in order: es-01 is the master by now"


def test_allocation_that_somebody_sets_meanwhile_stays_as_they_set_it() -> None:
    there = world("persistent")
    while not there.nodes[FIRST].starts:
        there.once()
    there.persistent[SETTING] = "none"
    there.run(20)
    assert there.record is None
    assert there.persistent == {SETTING: "none"}
    assert rules(there)[NAMES[1]] == ["allocation"]
    assert [node.starts for node in there.nodes.values()] == [1, 0, 0]


def test_with_allocation_not_all_nothing_is_begun() -> None:
    there = RestartWorld(persistent={SETTING: "primaries"})
    there.run(5)
    assert there.steps == []
    assert rules(there)[NAMES[1]] == ["allocation"]


# --- the need changes


def test_a_need_that_goes_before_anything_was_written_ends_the_restart_without_one() -> None:
    there = world("persistent")
    there.nodes[FIRST].full = 1
    there.once()
    assert there.record is not None
    there.needs = dict  # type: ignore[method-assign]  # nothing is needed any more
    there.run()
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [0, 0, 0]
    assert there.restarted[FIRST].result == "given_up"


def test_what_was_written_is_proven_by_a_restart_though_the_need_is_gone() -> None:
    there = world("persistent", (2 * 2 + 1,))
    there.once()
    assert (there.nodes[FIRST].yml, there.nodes[FIRST].starts) == (NEW, 0)
    there.needs = dict  # type: ignore[method-assign]  # nothing is needed any more
    there.run()
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [1, 0, 0]


@pytest.mark.parametrize("down", [False, True])
def test_a_node_that_leaves_the_configuration_does_not_leave_allocation_behind(down: bool) -> None:
    there = world("persistent", (1,))
    there.once()
    assert there.allocation == Allocation("primaries", "persistent")
    there.gone.add(FIRST)
    if down:
        there.nodes[FIRST].active, there.nodes[FIRST].member = "failed", False
        there.once()
        assert rules(there)[FIRST] == ["restart_under_way"], "it may be starting"
    there.run(200)
    assert (there.allocation, there.record) == (Allocation("all", "persistent"), None)
    assert there.restarted[FIRST].result == "given_up"
    assert "configuration" in there.restarted[FIRST].text


def test_a_copy_that_a_crash_left_behind_does_not_stand_in_the_way_of_the_next_change() -> None:
    """The daemon is killed anywhere, and started again with another configuration."""
    for cut in range(2 * world().run().effects):
        there = world("persistent", (cut,))
        while there.effects <= cut // 2 or there.acted:
            there.once()
        there.mark, there.change, there.wanted = b"second", "second", OLD + b"second: line\n"
        there.run(200)
        left_as_it_was(there, "persistent")
        assert all(b"second" in node.ran and node.copy is None for node in there.nodes.values()), cut
        assert {each.result for each in there.restarted.values()} == {"done"}, cut


# --- a long time later


def test_a_restart_that_is_gone_on_with_much_later_is_judged_anew() -> None:
    """The daemon was away for hours; meanwhile another node has failed: the first one must not be stopped too."""
    there = world("persistent", (2 * 2 + 1,))
    there.once()
    other = there.nodes[NAMES[1]]
    other.active, other.member = "failed", False
    there.tick(timedelta(hours=3))
    there.run(10)
    assert there.nodes[FIRST].starts == 0
    assert there.allocation == Allocation("all", "persistent"), "the shards of the failed node are to be made good"
    other.refuses = lambda _: False
    other.restart()
    there.run(100)
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [1, 2, 1]


def test_what_was_seen_before_the_last_step_is_not_judged() -> None:
    there = world()
    there.acted = START
    assert there.once() is False
    assert rules(there)[FIRST] == ["restart_under_way"]


def test_replicas_that_are_missing_since_it_was_begun_hold_the_stop_and_not_for_ever() -> None:
    """While allocation is restricted a new index gets no replica: allocation is freed in the end, and it is begun anew."""
    there = world("persistent", (2 * 2 + 1,))
    there.once()
    there.missing = 2
    assert decided(there)[0] == []
    assert "2 shards are unassigned, 0 were" in decided(there)[1]["recovered"]
    while there.record:
        there.once()
        assert there.nodes[FIRST].starts == 0
    assert there.now - START < timedelta(minutes=16)
    assert (there.restarted[FIRST].result, there.nodes[FIRST].yml) == ("given_up", OLD)
    assert there.allocation == Allocation("all", "persistent")
    there.missing = 0
    there.run(100)
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [1, 1, 1]


# --- what a restart that ended without proof leaves behind


def an_hour(there: RestartWorld) -> None:
    for _ in range(720):
        there.once()


def without_settings_left_behind(there: RestartWorld) -> None:
    for node in there.nodes.values():
        assert (node.yml, node.copy, node.active, node.member) == (OLD, None, "active", True), node.name


def test_a_restart_that_is_given_up_leaves_no_settings_that_no_process_has_proven() -> None:
    """The next start, after a power cut or an update, would be the first with them, and nobody would be looking."""
    there = refusing((5,))
    there.once()
    other = there.nodes[NAMES[1]]
    other.active, other.member, other.answers = "inactive", False, False
    while there.record:
        there.once()
    assert (there.restarted[FIRST].result, there.nodes[FIRST].starts) == ("given_up", 0)
    assert there.nodes[FIRST].yml == OLD
    other.active, other.member, other.answers = "active", True, True
    there.restart_policy = RestartPolicy("never")
    there.once()
    there.nodes[FIRST].restart()
    an_hour(there)
    without_settings_left_behind(there)
    left_as_it_was(there, "persistent")


@pytest.mark.parametrize("cut", range(8))
def test_killed_while_it_gives_up_it_still_leaves_none(cut: int) -> None:
    there = refusing((5,))
    there.once()
    other = there.nodes[NAMES[1]]
    other.active, other.member, other.answers = "inactive", False, False
    there.tick(timedelta(minutes=16))
    there.cut_at = (2 * there.effects + cut,)
    for _ in range(10):
        there.once()
    assert (there.nodes[FIRST].yml, there.nodes[FIRST].copy, there.nodes[FIRST].starts) == (OLD, None, 0)
    assert there.restarted[FIRST].result == "given_up"


def test_a_node_that_fails_with_what_was_left_there_is_taken_back_though_its_restart_is_over() -> None:
    """Its host was away until the restart was given up; its unit has failed with the new settings meanwhile."""
    there = refusing()
    there.once()
    there.unreachable.add(FIRST)
    while there.record:
        there.once()
    assert (there.restarted[FIRST].result, there.nodes[FIRST].yml) == ("given_up", NEW)
    there.restart_policy = RestartPolicy("never")
    there.unreachable.clear()
    there.once()
    assert rules(there)[FIRST] == ["restart_failed"]
    an_hour(there)
    without_settings_left_behind(there)
    left_as_it_was(there, "persistent")


def test_what_another_syncd_left_behind_is_its_own_to_take_back() -> None:
    there = world()
    node = there.nodes[FIRST]
    node.yml, node.copy, node.ours, node.active, node.answers = NEW, OLD, NEW, "failed", False
    assert decided(there)[0] == ["RollBack"]
    assert decided(there, owner="test/another")[0] == []
    assert decided(there, owner=None)[0] == []


def test_another_change_is_not_put_on_top_of_one_that_was_left_without_proof() -> None:
    """It is taken back before the restart begins: no allocation is restricted for what could not be written."""
    there = world()
    for node in there.nodes.values():
        node.yml, node.copy, node.ours = NEW, OLD, NEW
    there.mark, there.change, there.wanted = b"second", "second", OLD + b"second: line\n"
    there.once()
    assert (type(there.steps[0]).__name__, there.allocation, there.record) == ("RollBack", Allocation(), None)
    there.run(200)
    left_as_it_was(there, "unset")
    assert [(node.starts, node.yml, node.copy) for node in there.nodes.values()] == [(1, there.wanted, None)] * 3


def test_a_copy_that_stands_in_the_way_holds_the_restart_before_it_begins() -> None:
    """Killed between the copy and the edit, and then a person edits the file: that edit would be lost with ours."""
    foreign = OLD + b"a.person: line\n"
    there = world("persistent", (4,))
    there.once()
    there.nodes[FIRST].yml = foreign
    while there.record:
        there.once()
    there.asked = there.now
    done = len(there.steps)
    there.run(200)
    assert rules(there)[FIRST] == ["copy_in_the_way"]
    (text,) = [hold.text for hold in there.holds if hold.rule == "copy_in_the_way"]
    assert "move the copy /etc/elasticsearch/elasticsearch.yml.syncd-before away" in text
    assert FIRST not in {step.record.node for step in there.steps[done:] if isinstance(step, BeginRestart)}
    there.nodes[FIRST].copy = None
    there.run(200)
    left_as_it_was(there, "persistent")
    assert there.nodes[FIRST].ran == foreign + NEW.removeprefix(OLD)


def test_a_clock_that_is_set_back_does_not_stop_the_supervision() -> None:
    """The last step lies an hour ahead by it: what is seen since counts all the same."""
    there = refusing()
    while not there.nodes[FIRST].starts:
        there.once()
    there.now -= timedelta(hours=1)
    there.nodes[FIRST].begun -= timedelta(hours=1)
    there.run(10)
    assert (there.nodes[FIRST].starts, there.nodes[FIRST].ran) == (2, OLD)


# --- restarts that a person asked for


def test_nodes_are_restarted_once_for_a_request_wherever_the_daemon_is_killed() -> None:
    def make(cuts: tuple[int, ...]) -> RestartWorld:
        there = world("persistent", cuts)
        there.requested, there.restart_policy = True, RestartPolicy("never")
        return there

    for after in every_cut(make):
        left_as_it_was(after, "persistent")
        assert [node.starts for node in after.nodes.values()] == [1, 1, 1], after.cut_at
        assert after.holds == []


def test_a_node_that_does_not_come_back_from_a_request_is_started_once_more_and_no_other_is_touched() -> None:
    def make(cuts: tuple[int, ...]) -> RestartWorld:
        there = world("persistent", cuts)
        there.requested = True
        first = there.nodes[FIRST]
        first.refuses = lambda _: first.starts < 2
        return there

    for after in every_cut(make):
        left_as_it_was(after, "persistent")
        assert [node.starts for node in after.nodes.values()] == [2, 0, 0], after.cut_at
        assert after.restarted[FIRST].result == "failed"
        assert rules(after)[FIRST] == ["restart_failed"]


# --- other services, other looks


@pytest.mark.parametrize("terse", [False, True])
def test_services_that_count_no_starts_are_restarted_once_each(terse: bool) -> None:
    """Also where one that is on its way up is told as one that does not run."""
    there = world("persistent")
    there.counted, there.terse = False, terse
    told = [hold.rule for _ in range(60) if there.once() or there.record for hold in there.holds]
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [1, 1, 1]
    assert {*told} <= {"restart_pending", "restart_under_way"}


@pytest.mark.parametrize("terse", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_services_that_count_no_starts_are_taken_back_too(fault: str, terse: bool) -> None:
    there = FAULTS[fault][0](())
    there.counted, there.terse = False, terse
    told = {hold.rule for _ in range(300) if there.once() or there.record for hold in there.holds}
    assert "rollback_failed" not in told, "it is on its way"
    left_as_it_was(there, "persistent")
    first, *others = there.nodes.values()
    assert (first.yml, first.ran) == (OLD, OLD)
    assert [node.starts for node in others] == [0, 0]
    assert there.restarted[FIRST].result == "failed"


def test_a_unit_that_systemd_starts_over_and_over_is_taken_back() -> None:
    """Each start is young; together they are not."""
    there = refusing()
    there.restart_policy = RestartPolicy("rolling", join_timeout=timedelta(seconds=60))
    there.nodes[FIRST].again = True
    there.run(80)
    left_as_it_was(there, "persistent")
    assert there.nodes[FIRST].ran == OLD
    assert there.restarted[FIRST].result == "failed"


def test_while_a_node_does_not_tell_what_it_runs_with_its_restart_stays_open() -> None:
    """Promise 4: it is neither proven nor overridden."""
    there = world()
    while not there.nodes[FIRST].starts:
        there.once()
    there.blind.add(FIRST)
    for _ in range(10):
        there.once()
    assert there.record is not None
    assert rules(there)[FIRST] == ["restart_under_way"]
    there.blind.clear()
    there.run()
    left_as_it_was(there, "unset")
    assert [node.starts for node in there.nodes.values()] == [1, 1, 1]


def test_a_host_that_is_lost_before_its_restart_does_not_keep_allocation_for_ever() -> None:
    there = world("persistent", (1,))
    there.once()
    there.unreachable.add(FIRST)
    there.run(10)
    assert rules(there)[FIRST] == ["node_unreachable"]
    there.run(250)
    assert (there.record, there.allocation) == (None, Allocation("all", "persistent"))
    assert there.restarted[FIRST].result == "given_up"
    there.unreachable.clear()
    there.run(100)
    left_as_it_was(there, "persistent")
    assert [node.starts for node in there.nodes.values()] == [1, 1, 1]


# --- what keeps hands off


def decided(there: RestartWorld, **cluster: object) -> tuple[list[str], dict[str, str]]:
    """Kinds of the steps, and the texts of holds by rule, in a cluster that says something else."""
    seen = there.look()
    assert isinstance(seen.cluster, Known)
    seen = replace(seen, cluster=replace(seen.cluster, value=replace(seen.cluster.value, **cluster)))  # type: ignore[arg-type]
    steps, holds = restart_steps(there.policy, seen, there.needs(), there.now)
    return [type(step).__name__ for step in steps], {hold.rule: hold.text for hold in holds}


def test_an_open_restart_is_touched_by_the_keeper_of_the_cluster_only() -> None:
    there = world("unset", (1,))
    there.once()
    assert decided(there)[0] == ["PutYml", "RestartNode"]
    steps, holds = decided(there, owner="test/another")
    assert (steps, set(holds)) == ([], {"other_owner", "restart_pending"})
    steps, holds = decided(there, owner=None)
    assert (steps, set(holds)) == ([], {"not_claimed", "restart_pending"}), "which does not keep it from being claimed"


def test_whoever_took_the_cluster_over_ends_what_the_other_began() -> None:
    there = world("unset", (1,))
    there.once()
    assert there.record is not None
    assert decided(there, restart=replace(there.record, owner="test/gone"))[0] == ["PutYml", "RestartNode"]


def test_a_record_that_cannot_be_read_is_a_hold_with_the_request_that_mends_it() -> None:
    steps, holds = decided(world(), restart_damaged="cluster.metadata.syncd.restart is not what syncd writes")
    assert steps == []
    assert "PUT _cluster/settings" in holds["restart_damaged"]
    assert "is not what syncd writes" in holds["restart_damaged"]


def test_a_node_without_a_cluster_to_ask_is_left_alone_unless_its_new_settings_keep_it_down() -> None:
    there = world()
    seen = replace(there.look(), cluster=Unknown("es_unreachable", "connection refused", START))
    steps, holds = restart_steps(there.policy, seen, there.needs(), there.now)
    assert steps == []
    assert {hold.rule for hold in holds} == {"cluster_unknown"}
    there.nodes[FIRST].active = "failed"  # it has no copy: its settings were never edited
    seen = replace(there.look(), cluster=Unknown("es_unreachable", "connection refused", START))
    assert restart_steps(there.policy, seen, {}, there.now) == ([], [])


def test_copies_that_a_crash_left_are_swept_when_the_node_is_proven_and_not_before() -> None:
    there = world().run()
    node = there.nodes[FIRST]
    node.copy = OLD
    there.blind.add(FIRST)
    assert decided(there)[0] == []
    there.blind.clear()
    assert decided(there)[0] == ["SweepCopies"]
    node.member = False
    assert decided(there)[0] == []
