"""What is told to machines: nothing that is gone, nothing secret, and health that means progress."""

import io
import json
import logging
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.model import Report
from syncd.engine.crew import Crew, Failed
from syncd.ports import now
from syncd.telemetry.logs import set_up
from syncd.telemetry.metrics import Metrics
from syncd.telemetry.telemetry import Telemetry
from tests.fakes.world import NAMES, Bench, Syncd


@pytest.fixture
def report(tmp_path: Path) -> Report:
    bench = Bench(tmp_path)
    syncd = Syncd(bench)
    made = syncd.turn(4)
    syncd.end()
    return made


def test_series_of_what_is_gone_are_gone(report: Report) -> None:
    metrics = Metrics("1", lambda: ())
    metrics.record(report)
    assert b'node="es-03"' in metrics.render()
    nodes = {name: node for name, node in report.seen.nodes.items() if name != NAMES[2]}
    plan = replace(report.plan, proven={n: s for n, s in report.plan.proven.items() if n != NAMES[2]}, verdicts=())
    metrics.record(replace(report, seen=replace(report.seen, nodes=nodes), plan=plan))
    assert b'node="es-03"' not in metrics.render()
    metrics.forget(report.cluster)
    assert b"syncd_settled{" not in metrics.render()


def test_a_settled_world_looks_settled(report: Report) -> None:
    metrics = Metrics("1", lambda: ())
    metrics.record(report)
    text = metrics.render().decode()
    for line in (
        'syncd_settled{cluster="onprem"} 1.0',
        'syncd_source_up{alias="eck-prod",cluster="onprem"} 1.0',
        'syncd_node_loaded{cluster="onprem",node="es-01"} 1.0',
        'syncd_link_up{alias="eck-prod",cluster="onprem",node="es-01",reason="ok"} 1.0',
    ):
        assert line in text
    assert "syncd_link_breaks_timestamp_seconds{" in text


def test_what_adapters_count_of_themselves_is_told() -> None:
    metrics = Metrics("1", lambda: [("syncd_watch_restarts", {"cause": "ended"}, 2.0)])
    assert 'syncd_watch_restarts_total{cause="ended"} 2.0' in metrics.render().decode()


def test_liveness_is_about_passes_that_end_and_readiness_about_the_first(report: Report) -> None:
    telemetry = Telemetry("1", ["onprem"], timedelta(seconds=60), lambda: ())
    pages = telemetry.pages()
    assert (pages["/healthz"]()[0], pages["/readyz"]()[0]) == (200, 503)
    telemetry.record(report)
    assert (pages["/healthz"]()[0], pages["/readyz"]()[0]) == (200, 200)
    telemetry.record(replace(report, finished=now() - timedelta(seconds=61)))
    code, _, body = pages["/healthz"]()
    assert code == 503
    assert "onprem: the last pass ended 61 s ago" in body.decode()


def test_the_log_masks_what_looks_like_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stderr", out)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        set_up("json", "info")
        key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----"
        logging.getLogger("x").error("got %s and Authorization: Bearer abcdefghijkl", key)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    line = json.loads(out.getvalue())
    assert "MIIEvQ" not in line["event"]
    assert "abcdefghijkl" not in line["event"]
    assert line["level"] == "error"


def test_an_error_nobody_expected_is_told_by_kind_and_place_never_by_its_text() -> None:
    """Promise 8: a library's text may hold a credential."""
    crew = Crew("test", 1, lambda _: None)

    def broken() -> None:
        raise ValueError("Invalid header value b'ApiKey canary'")

    result = crew.each({"es": broken}, 5)["es"]
    crew.close()
    assert isinstance(result, Failed)
    assert "canary" not in str(result.error)
    assert "ValueError at test_telemetry.py:" in str(result.error)


def test_a_late_job_rings_and_its_result_is_handed_to_the_next_who_asks() -> None:
    """One half-dead host never delays the others."""
    gate, rang = threading.Event(), threading.Event()
    crew = Crew("test", 2, lambda _: rang.set())

    def slow() -> str:
        gate.wait(5)
        return "slow"

    first = crew.each({"quick": lambda: "quick", "slow": slow}, 0.2)
    assert {key: type(result).__name__ for key, result in first.items()} == {"quick": "Done", "slow": "Late"}
    gate.set()
    assert rang.wait(5)
    assert type(crew.each({"slow": lambda: "another"}, 5)["slow"]).__name__ == "Done"
    crew.close()
