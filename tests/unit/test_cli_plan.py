"""`syncd plan` says that nothing is to be done only where all could be looked at and nothing waits."""

from pathlib import Path

import pytest

from syncd.cli.show import plan_text, restart_text, waits
from syncd.core.model import Absent, ClaimCluster, Hold, NodeName, Observed, Plan, Unknown
from syncd.ports import now
from tests.unit.test_cli_verbs import Desk

STEP = ClaimCluster("us", None, "this cluster is ours to keep")
NODE = NodeName("es-01")
STANDBY = Hold("onprem", "standby", "nobody yet holds the permit")
POLICY = Hold(NODE, "policy", "restarts are for a person to ask for")


@pytest.mark.parametrize(
    "plan",
    [
        Plan("onprem", now=(STEP,)),
        Plan("onprem", later=((STEP, "paused"),)),
        Plan("onprem", needs={NODE: "a file that it does not name"}, holds=(POLICY,)),
        Plan("onprem", needs={NODE: "a file that it does not name"}),
        Plan("onprem", holds=(STANDBY, Hold("onprem", "es_unreachable", "connection refused"))),
        Plan("onprem", holds=(Hold("onprem", "observe", "mode: observe changes nothing"),)),
        Plan("onprem", holds=(Hold("onprem", "paused", "paused until tomorrow"),)),
    ],
    ids=["a step", "a step put off", "a restart that is held", "a restart", "nothing is known", "observed", "paused"],
)
def test_what_waits_is_not_nothing(plan: Plan) -> None:
    assert waits(plan)
    assert "nothing to do" not in "\n".join(plan_text(plan))


@pytest.mark.parametrize("holds", [(), (STANDBY,)], ids=["nothing is held", "but by the lack of a permit"])
def test_nothing_to_do_is_said_of_a_settled_cluster(holds: tuple[Hold, ...]) -> None:
    """A command that only looks takes no permit, and does not complain that it has none."""
    plan = Plan("onprem", holds=holds)
    assert not waits(plan)
    assert list(plan_text(plan)) == ["onprem: nothing to do."]


def test_that_no_restart_is_needed_is_said_only_where_nothing_is_held() -> None:
    """A node that could not be looked at is a hold, and may need one."""
    assert "No restart is needed." in plan_text(Plan("onprem", now=(STEP,)))
    assert "No restart is needed." not in plan_text(Plan("onprem", now=(STEP,), holds=(POLICY,)))


def test_with_the_source_gone_and_nothing_that_answers_there_is_something_to_do(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    (tmp_path / "eck.pem").unlink()
    code, said = desk.types("plan")
    assert code == 3
    assert "nothing to do" not in said
    assert "nothing_published" in said
    assert desk.types("plan", "-o", "json")[0] == 3


AWAY = Observed({}, {}, Unknown("es_unreachable", "connection refused", now()), Absent(now()))
THERE = Observed({}, {}, Absent(now()), Absent(now()))


def test_before_a_restart_the_lines_are_shown_that_go_into_elasticsearch_yml() -> None:
    plan = Plan(
        "onprem", needs={NODE: "a file that it does not name"}, edits={NODE: ("a.setting: its value",)}, holds=(POLICY,)
    )
    said = list(restart_text(plan, THERE))
    assert f"  restart 1 of 1: {NODE}: for a file that it does not name" in said
    assert "      elasticsearch.yml: a.setting: its value" in said
    assert any("hold  es-01: policy" in line for line in said)


def test_that_no_node_lacks_anything_is_said_only_where_it_is_known() -> None:
    lacks_nothing = "no node lacks anything that a restart would bring"
    assert list(restart_text(Plan("onprem"), THERE)) == [f"onprem: {lacks_nothing}."]
    unknown = "\n".join(restart_text(Plan("onprem"), AWAY))
    assert "what the nodes need is not known: onprem: connection refused" in unknown
    assert lacks_nothing not in unknown
    kept = Hold(NODE, "yml_tab", "line 3 has a tab")
    assert list(restart_text(Plan("onprem", holds=(kept,)), THERE)) == ["  hold  es-01: yml_tab: line 3 has a tab"]


def test_where_elasticsearch_is_out_of_reach_a_restart_says_that_nothing_is_known(tmp_path: Path) -> None:
    _, said = Desk(tmp_path).types("restart", "--yes")
    for what in ("onprem", "es-01", "es-02"):
        assert f"what the nodes need is not known: {what}: " in said
    assert "no node lacks anything" not in said
