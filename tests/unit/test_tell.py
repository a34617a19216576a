"""Who is told of what: Events are on the Secrets of the remotes that they concern, once per change."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from syncd.core.bundle import Cert
from syncd.core.model import (
    Alias,
    Allocation,
    CaRecord,
    Context,
    EndRestart,
    Hold,
    Known,
    Memory,
    Outcome,
    PutFile,
    Report,
    Restarted,
    RestartRecord,
)
from syncd.demo.pki import EckCa
from syncd.engine.tell import Teller
from syncd.ports import now
from syncd.telemetry.logs import PassLog
from tests.fakes.memory import MemoryNotices
from tests.fakes.world import ALIAS, NAMES, Bench, Syncd

OTHER = Alias("other")
THIRD = Alias("of-the-transport-layer")


@pytest.fixture
def rotated(tmp_path: Path) -> Report:
    """The pass that gave a new CA of the remote to all nodes."""
    bench = Bench(tmp_path)
    syncd = Syncd(bench)
    syncd.turn(3)
    bench.publish(bench.ca.rekey(now()))
    report = syncd.turn()
    syncd.end()
    assert len([outcome for outcome in report.outcomes if outcome.written]) == len(NAMES)
    return _with_remotes(report)


@pytest.fixture
def observed(tmp_path: Path) -> Iterator[Syncd]:
    syncd = Syncd(Bench(tmp_path), observe=True)
    yield syncd
    syncd.end()


def _with_remotes(report: Report) -> Report:
    """Two more remotes, one of the same trust context."""
    mine = report.seen.remotes[ALIAS]
    others = {OTHER: mine, THIRD: replace(mine, context=Context.TRANSPORT)}
    return replace(report, seen=replace(report.seen, remotes={ALIAS: mine, **others}))


def told(report: Report) -> dict[Alias, list[str]]:
    """Which reasons are told on the Secret of each remote."""
    notices = {alias: MemoryNotices() for alias in report.seen.remotes}
    Teller(notices).tell(report)
    return {alias: [reason for _, reason, _ in each.told] for alias, each in notices.items()}


def test_a_write_is_told_where_a_ca_came_from(rotated: Report) -> None:
    """Another team's Secret is no place for it."""
    on = told(rotated)
    assert "TrustWritten" in on.pop(ALIAS)
    assert on == {OTHER: [], THIRD: []}


def test_a_write_that_takes_a_ca_away_is_told_where_that_came_from(rotated: Report) -> None:
    gone = EckCa.create(now()).cert
    record = CaRecord(gone.fingerprint, OTHER, "", gone.key, None, now(), "eck", now())
    plan = replace(rotated.plan, memory=Memory(cas=(record,)), rotations={})
    on = told(replace(rotated, plan=plan, outcomes=_changed(rotated, gone)))
    assert on == {ALIAS: [], OTHER: ["TrustWritten"], THIRD: []}


def test_a_write_of_what_nobody_is_known_to_have_published_is_told_on_all_remotes_of_the_file(rotated: Report) -> None:
    plan = replace(rotated.plan, rotations={})
    on = told(replace(rotated, plan=plan, outcomes=_changed(rotated, EckCa.create(now()).cert)))
    assert on == {ALIAS: ["TrustWritten"], OTHER: ["TrustWritten"], THIRD: []}


def _changed(report: Report, gone: Cert) -> tuple[Outcome, ...]:
    """The writes, as if they had taken this certificate away."""
    return tuple(
        replace(outcome, step=replace(outcome.step, added=(), removed=(gone,)))
        for outcome in report.outcomes
        if isinstance(outcome.step, PutFile)
    )


@pytest.mark.parametrize(
    ("subject", "on"),
    [
        (OTHER, [OTHER]),
        (NAMES[0], [ALIAS, OTHER, THIRD]),
        ("onprem", [ALIAS, OTHER, THIRD]),
    ],
)
def test_a_grave_hold_is_told_where_its_subject_matters_and_once(
    rotated: Report, subject: str, on: list[Alias]
) -> None:
    plan = replace(rotated.plan, holds=(Hold(subject, "host_key", "CHANGED"),), rotations={})
    report = replace(rotated, plan=plan, outcomes=())
    notices = {alias: MemoryNotices() for alias in report.seen.remotes}
    teller = Teller(notices)
    teller.tell(report)
    teller.tell(report)
    assert [alias for alias, each in notices.items() if len(each.told) == 1] == on
    teller.tell(replace(report, plan=replace(plan, holds=())))
    teller.tell(report)
    assert [alias for alias, each in notices.items() if len(each.told) == 2] == on, "it came back"


def test_the_hold_of_an_alias_that_is_a_nodes_name_too_is_told_everywhere(rotated: Report) -> None:
    """Better twice than to the wrong one."""
    remotes = {Alias(NAMES[0]): rotated.seen.remotes[ALIAS], **rotated.seen.remotes}
    plan = replace(rotated.plan, holds=(Hold(NAMES[0], "host_key", "CHANGED"),), rotations={})
    on = told(replace(rotated, seen=replace(rotated.seen, remotes=remotes), plan=plan, outcomes=()))
    assert all(on.values())


def test_a_restart_is_told_on_each_remote_and_once_where_they_share_a_secret(rotated: Report) -> None:
    record = RestartRecord(NAMES[0], "change", 1, "", Allocation(), 0, "us", now())
    step = EndRestart(record, Restarted("change", "done", 0, now()), "it is back")
    report = replace(rotated, plan=replace(rotated.plan, rotations={}), outcomes=(Outcome(step, "done"),))
    assert told(report) == {alias: ["NodeRestarted"] for alias in report.seen.remotes}
    shared = MemoryNotices()
    Teller(dict.fromkeys(report.seen.remotes, shared)).tell(report)
    assert [reason for _, reason, _ in shared.told] == ["NodeRestarted"]


def test_under_observe_a_rotation_is_told_once_and_as_what_would_be_done(observed: Syncd) -> None:
    """Nothing may be remembered then, so each pass sees it as if it were the first."""
    bench, log = observed.bench, PassLog()
    teller = Teller({ALIAS: bench.notices})
    with capture_logs() as lines:
        for _ in range(3):
            report = observed.turn()
            teller.tell(report)
            log.record(report)
    assert report.plan.rotations == {ALIAS: "first"}
    assert bench.notices.told == [("Normal", "First", "onprem: It would be taken: mode: observe changes nothing")]
    (line,) = [line for line in lines if line["event"] == "rotation"]
    assert (line["log_level"], line["kind"]) == ("info", "first")
    assert "would be taken" in line["note"]
    with capture_logs() as lines:
        for ca in (EckCa.create(now()), bench.ca):
            bench.publish(ca)
            report = observed.turn()
            teller.tell(report)
            log.record(report)
    assert len(bench.notices.told) == 3, "another CA is another rotation, and so is the way back"
    assert len([line for line in lines if line["event"] == "rotation"]) == 2


@pytest.mark.parametrize(("kind", "level"), [("first", "info"), ("renewed_same_key", "info"), ("new_key", "warning")])
def test_only_a_rotation_that_breaks_connections_is_a_warning(rotated: Report, kind: str, level: str) -> None:
    with capture_logs() as lines:
        PassLog().record(replace(rotated, plan=replace(rotated.plan, rotations={ALIAS: kind})))
    assert [line["log_level"] for line in lines if line["event"] == "rotation"] == [level]
    assert "note" not in lines[0], "it is taken"


def test_the_same_ca_may_be_told_again_when_another_came_between(rotated: Report) -> None:
    notices = MemoryNotices()
    teller = Teller({ALIAS: notices})
    report = replace(rotated, outcomes=(), plan=replace(rotated.plan, holds=(), rotations={ALIAS: "new_key"}))
    remote = report.seen.remotes[ALIAS]
    assert isinstance(remote.published, Known)
    other = Known(replace(remote.published.value, ca=EckCa.create(now()).cert), now() + timedelta(seconds=1))
    for published in (remote.published, other, remote.published, remote.published):
        teller.tell(replace(report, seen=replace(report.seen, remotes={ALIAS: replace(remote, published=published)})))
    assert [reason for _, reason, _ in notices.told] == ["NewKey"] * 3
