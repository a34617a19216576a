"""The bench's own judgement, and that its page tells all that it measures."""

import json
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import measured, page
from bench.budgets import PARTS, budget
from bench.measured import Measured
from bench.percentile import percentile
from bench.rows import UNEXPLAINED, Budget
from tests.bed import missing

ALL = [each for part in PARTS.values() for each in part]
MOST = Budget("most", "a thing", "ms", 200)
LEAST = Budget("least", "a thing", "times faster", 100, least=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is measured in a test is kept in a folder of its own."""
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("each", "value", "verdict"),
    [
        (MOST, 199.9, "met"),
        (MOST, 200, "met"),
        (MOST, 200.1, "NOT met"),
        (MOST, float("nan"), "NOT met"),
        (MOST, None, "not measured"),
        (LEAST, 99.9, "NOT met"),
        (LEAST, 100, "met"),
        (LEAST, float("nan"), "NOT met"),
        (Budget("none", "a thing", "failed", 0), 0, "met"),
        (Budget("none", "a thing", "failed", 0), 1, "NOT met"),
        (Budget("free", "a thing", "s", None), 5, "-"),
    ],
)
def test_a_budget_is_met_up_to_its_bound_and_never_by_what_was_not_measured(
    each: Budget, value: float | None, verdict: str
) -> None:
    row = each.not_measured("no tools") if value is None else each.row(value)
    assert row.verdict == verdict


def test_what_is_not_met_has_a_reason_and_what_is_met_has_none() -> None:
    assert MOST.row(300, why="the floor is 250 ms").reason == "the floor is 250 ms"
    assert MOST.row(300).reason == UNEXPLAINED
    assert MOST.row(100, why="the floor is 250 ms").reason == ""
    assert MOST.not_measured("no sshd").reason == "no sshd"
    assert "| at most 200 ms | NOT met | the floor |" in MOST.row(300, why="the floor").line
    assert "| 45.3 times faster (once) | at least 100 times faster | NOT met |" in LEAST.row(45.27, "once").line


@pytest.mark.parametrize(("share", "expected"), [(50, 10), (95, 19), (99, 20), (100, 20), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(share: float, expected: int) -> None:
    assert percentile(range(20, 0, -1), share) == expected


def test_each_budget_has_a_key_and_a_text_of_its_own_within_its_part() -> None:
    assert len({each.key for each in ALL}) == len(ALL)
    for part in PARTS.values():
        assert len({each.what for each in part}) == len(part)


def test_every_part_has_budgets_and_a_way_to_measure_it() -> None:
    assert bench.MEASURES.keys() == PARTS.keys()
    assert {need for part in bench.MEASURES.values() for need in part.needs} <= missing.PARTS.keys()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_fails_or_lacks_its_tools_is_named_as_not_measured(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Measured:
        raise TimeoutError("it did not come\nin 5 s")

    monkeypatch.setitem(bench.MEASURES, part, bench.Part(fail, ("sshd", "kube")))
    monkeypatch.setattr("tests.bed.missing.of", lambda *_: [])
    rows = bench.run(part).rows
    assert [row.budget for row in rows] == [*PARTS[part]]
    assert {(row.verdict, row.reason) for row in rows} == {("not measured", "TimeoutError: it did not come in 5 s")}
    monkeypatch.setattr("tests.bed.missing.of", lambda *parts: [f"no {each}" for each in parts])
    assert {row.reason for row in bench.run(part).rows} == {"no sshd; no kube"}


def test_a_part_that_forgets_one_of_its_budgets_has_that_one_not_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = PARTS["handshakes"]
    monkeypatch.setitem(bench.MEASURES, "handshakes", bench.Part(lambda: Measured((first.row(0),))))
    bench.run("handshakes").save("handshakes")
    kept = measured.load("handshakes").rows
    assert [row.verdict for row in kept] == ["met", *["not measured"] * len(others)]


def test_what_is_saved_is_what_is_loaded(folder: Path) -> None:
    rows = (budget("demo_same_key").row(0, "of 1,000"), budget("demo_new_key").row(2, "of 1,000", "a | b"))
    whole = Measured(rows, {"syncd": {"5": {"cold": 1.0}}}, "2026-01-01", "x86_64", 12.0)
    whole.save("handshakes")
    assert measured.load("handshakes") == whole
    assert json.loads((folder / "handshakes.json").read_text())["rows"]["demo_new_key"]["value"] == 2


def test_what_was_never_run_is_on_the_page_as_not_measured(folder: Path) -> None:
    text = page.page()
    for each in ALL:
        assert f"| {each.what} | - | {each.shown} | not measured |" in text


def test_the_page_in_the_repository_lists_every_budget_as_it_was_measured() -> None:
    """Nobody edits it by hand, and no budget is dropped from it."""
    text = page.RESULTS.read_text()
    for each in ALL:
        assert f"| {each.what} | " in text
        assert f" | {each.shown} | " in text
    assert text == page.page()
