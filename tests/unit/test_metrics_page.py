"""docs/metrics.md and the registry name the same metrics with the same labels, and the alerts name only such."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from syncd.telemetry.families import COUNTED, Counted
from syncd.telemetry.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs/metrics.md").read_text()


def test_every_metric_is_on_the_page_with_its_labels_and_no_other() -> None:
    page, source = dict(_rows()), dict(_families())
    assert not source.keys() - page.keys(), "no row in docs/metrics.md"
    assert not page.keys() - source.keys(), "nothing tells these"
    assert {name: labels for name, labels in page.items() if labels != source[name]} == {}


def test_every_metric_has_one_row_and_a_meaning() -> None:
    assert [name for name, rows in Counter(name for name, _ in _rows()).items() if rows > 1] == []
    assert all(cells[2] for cells in _cells())


def test_every_metric_has_a_help_text_of_its_own() -> None:
    texts = Counter(family.documentation for family in Metrics("1", lambda: ()).registry.collect())
    assert [text for text, times in texts.items() if times > 1 or len(text) < 10] == []


def test_each_alert_is_on_metrics_of_the_page_and_their_labels() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (group,) = yaml.safe_load(block)["groups"]
    rows = dict(_rows())
    for rule in group["rules"]:
        named = set(re.findall(r"\b(?:syncd|process)_\w+", rule["expr"]))
        assert named <= rows.keys(), rule["alert"]
        labels = set(re.findall(r"(\w+)=\"", rule["expr"])) - {"job"}
        assert all(labels <= rows[name] for name in named), rule["alert"]


def test_what_is_counted_elsewhere_is_told_from_the_start() -> None:
    """A counter that appears with its first event hides that event from `increase`."""
    text = Metrics("1", lambda: ()).render().decode()
    for each in COUNTED:
        assert f"# HELP {_full(each)} {each.text}" in text


def _full(each: Counted) -> str:
    return f"{each.name}_total" if each.kind == "counter" else each.name


def _rows() -> Iterator[tuple[str, frozenset[str]]]:
    for names, labels, *_ in _cells():
        yield from ((name, frozenset(re.findall(r"`(\w+)`", labels))) for name in re.findall(r"`(\w+)`", names))


def _cells() -> Iterator[list[str]]:
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 4, line
            yield cells


def _families() -> Iterator[tuple[str, frozenset[str]]]:
    """By the name under which they are asked for; the labels as whoever makes them has declared them."""
    registry = Metrics("1", lambda: ()).registry
    declared = {
        name: collector._labelnames
        for collector, names in registry._collector_to_names.items()
        for name in names
        if hasattr(collector, "_labelnames")
    }
    for family in registry.collect():
        labels = getattr(family, "_labelnames", None) or declared.get(family.name, ())
        yield f"{family.name}_total" if family.type == "counter" else family.name, frozenset(labels)
