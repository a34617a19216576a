"""`syncd status` is an answer for people and for scripts: 0 is said only of what was looked at lately and holds."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.cli.statuses import Told, status_code, status_text
from syncd.core.model import (
    Context,
    Hold,
    Known,
    NodeSeen,
    Outcome,
    Plan,
    Remember,
    Report,
    Restarted,
    RestartWish,
    Seen,
    Unknown,
    Verdict,
)
from syncd.ports import now
from syncd.telemetry.server import Server
from syncd.telemetry.status import status_document
from syncd.telemetry.telemetry import Telemetry
from tests.fakes.world import ALIAS, NAMES, Bench, Syncd
from tests.unit.test_cli_verbs import Desk

REREAD = timedelta(seconds=60)
REFUSED = Unknown("host_unreachable", "es-01: connection refused", now())
LATE = Unknown("late", "it has not answered yet", now())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A settled cluster."""
    syncd = Syncd(Bench(tmp_path_factory.mktemp("bench")))
    made = syncd.turn(4)
    assert made.settled
    syncd.end()
    return made


def told(*reports: Report, **changed: object) -> Told:
    """What a daemon tells of these passes, which have just ended."""
    document = json.loads(json.dumps(status_document(reports)))
    at = max((report.finished for report in reports), default=now())
    made = Told(document, (), at, REREAD, tuple(report.cluster for report in reports))
    return replace(made, **changed)  # type: ignore[arg-type]  # fields of Told


def planned(report: Report, **changed: object) -> Report:
    plan: Plan = replace(report.plan, **changed)  # type: ignore[arg-type]  # fields of Plan
    return replace(report, plan=plan)


def judged(report: Report, *, up: bool | None, text: str = "0 sockets") -> Report:
    verdict = Verdict(NAMES[0], ALIAS, up, "unknown" if up is None else "disconnected", text)
    return planned(report, verdicts=(verdict,))


def seeing(report: Report, **changed: object) -> Report:
    node: NodeSeen = replace(report.seen.nodes[NAMES[0]], **changed)  # type: ignore[arg-type]  # fields of NodeSeen
    return replace(report, seen=replace(report.seen, nodes={**report.seen.nodes, NAMES[0]: node}))


def held(rule: str) -> Callable[[Report], Report]:
    return lambda report: planned(report, holds=(Hold("onprem", rule, "a text"),))


def file_unseen(seen: Seen[object]) -> Callable[[Report], Report]:
    return lambda report: seeing(report, file=seen, files=dict.fromkeys(Context, seen))


def link_unseen(seen: Seen[object]) -> Callable[[Report], Report]:
    return lambda report: seeing(judged(report, up=None), handshakes={ALIAS: seen})


def failing(report: Report) -> Report:
    assert report.plan.memory
    return replace(report, outcomes=(Outcome(Remember(report.plan.memory, None, ""), "failed", "a_rule", "a text"),))


def braked(report: Report) -> Report:
    assert report.plan.memory
    return planned(report, later=((Remember(report.plan.memory, None, ""), "paused"),))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        (0, lambda report: report),
        (1, lambda report: judged(report, up=False)),
        (1, file_unseen(REFUSED)),
        (1, link_unseen(REFUSED)),
        (1, lambda report: seeing(judged(report, up=None), process=REFUSED)),
        (1, failing),
        (1, held("restart_failed")),
        (3, file_unseen(LATE)),
        (3, link_unseen(LATE)),
        (3, lambda report: judged(report, up=None, text="not tried yet")),
        (3, held("overlap")),
        (3, braked),
        (3, lambda report: planned(report, needs={NAMES[0]: "a file that it does not name"})),
    ],
    ids=[
        "all is well", "a link is down", "a file cannot be read", "no handshake", "no answer", "a step failed", "grave hold",
        "a file is awaited", "a handshake is awaited", "nothing was tried yet", "another hold", "a step waits", "a restart",
    ],
)  # fmt: skip
def test_the_exit_code_says_whether_it_holds(report: Report, code: int, change: Callable[[Report], Report]) -> None:
    assert status_code(told(change(report))) == code
    other = replace(report, cluster="other")
    assert status_code(told(other, change(report))) == code, "another cluster makes nothing better"
    assert status_code(told(change(report), other)) == code


def test_wrong_in_one_cluster_is_not_hidden_by_what_waits_in_another(report: Report) -> None:
    down, waiting = replace(judged(report, up=False), cluster="other"), held("overlap")(report)
    assert status_code(told(down, waiting)) == status_code(told(waiting, down)) == 1


def test_the_table_says_how_old_it_is_and_an_old_one_is_an_alarm(report: Report) -> None:
    def after(seconds: int) -> tuple[int, str]:
        found = told(report, at=report.finished + timedelta(seconds=seconds))
        return status_code(found), "\n".join(status_text(found))

    assert after(4)[0] == after(180)[0] == 0
    assert "onprem: as of 4 s ago" in after(4)[1]
    assert "onprem: as of 3 min ago" in after(180)[1]
    assert after(181)[0] == 1
    assert "onprem: OLD, as of 3 min ago" in after(181)[1]
    assert "as of 3 days ago" in after(3 * 86400)[1]


def test_a_cluster_without_a_pass_is_listed_and_not_taken_to_be_well(report: Report) -> None:
    found = told(report, names=("onprem", "other"))
    assert "other: NO PASS YET" in "\n".join(status_text(found))
    assert status_code(found) == 1


def test_a_grave_hold_looks_unlike_the_others(report: Report) -> None:
    assert "GRAVE  onprem: restart_failed" in "\n".join(status_text(told(held("restart_failed")(report))))
    assert "hold  onprem: overlap" in "\n".join(status_text(told(held("overlap")(report))))


def test_a_row_tells_why_the_file_is_unknown_and_what_is_known_of_the_link(report: Report) -> None:
    """The cause of both is often the first: a host that cannot be reached."""
    broken = file_unseen(REFUSED)(judged(report, up=None, text="the trust file is not known"))
    (cluster,) = told(broken).clusters
    assert cluster["rows"][0]["note"] == "es-01: connection refused; the trust file is not known"
    same = file_unseen(REFUSED)(judged(report, up=None, text=REFUSED.text))
    assert told(same).clusters[0]["rows"][0]["note"] == REFUSED.text, "once is enough"


def test_the_page_of_a_daemon_from_before_an_upgrade_can_be_read(report: Report) -> None:
    found = told(held("overlap")(report))
    (cluster,) = found.clusters
    del cluster["waiting"], cluster["holds"][0]["grave"]
    for row in cluster["rows"]:
        del row["failed"]
    for key in ("mode", "permit", "owner"):
        del cluster[key]
    del cluster["restart"]["last"], cluster["restart"]["asked"]
    assert status_code(found) == 3
    assert "hold  onprem: overlap" in "\n".join(status_text(found))


def test_what_a_running_daemon_serves_is_answered(tmp_path: Path, report: Report) -> None:
    """Over HTTP: well, then with a cluster that has no pass, then from a daemon that does not get on."""
    desk = Desk(tmp_path)
    for patience, clusters, code, text in (
        (timedelta(hours=1), ("onprem",), 0, "onprem: as of"),
        (timedelta(hours=1), ("onprem", "other"), 1, "other: NO PASS YET"),
        (timedelta(0), ("onprem",), 1, "THE DAEMON IS NOT WELL  onprem: the last pass ended"),
    ):
        desk.configure_all({name: {} for name in clusters})
        telemetry = Telemetry("1", clusters, patience, lambda: ())
        telemetry.record(replace(report, finished=now()))
        server = Server(f"127.0.0.1:{desk.port}", telemetry.pages())
        server.start()
        answered, said = desk.types("status")
        answered_json, document = desk.types("status", "-o", "json")
        server.stop()
        assert text in said
        assert answered == answered_json == code
        assert json.loads(document)["no_pass_yet"] == [name for name in clusters if name != "onprem"]
    code, said = desk.types("status")
    assert code == 1
    assert "no daemon answers" in said


def test_no_line_is_broken_where_nobody_looks_at_a_screen(report: Report) -> None:
    """A row is found by grep however long its note is."""
    note = "a long note " * 40
    said = list(status_text(told(judged(report, up=False, text=note.strip()))))
    assert any(line.startswith("onprem") and NAMES[0] in line and line.endswith(note.strip()) for line in said)


def test_who_may_change_the_cluster_is_told(report: Report) -> None:
    assert isinstance(report.seen.cluster, Known)
    kept = replace(report.seen, cluster=Known(replace(report.seen.cluster.value, owner="lease/a/b"), now()))
    ours = "\n".join(status_text(told(replace(report, seen=kept))))
    assert "onprem: mode act; permit held by this daemon; owner: lease/a/b." in ours
    standby = held("observe")(replace(report, seen=replace(kept, standby="pod-2")))
    assert "mode observe; permit held by pod-2; owner: lease/a/b." in "\n".join(status_text(told(standby)))
    barred = replace(report, seen=replace(kept, barred="no folder", cluster=REFUSED))
    assert "permit held by nobody; owner: not known, or nobody." in "\n".join(status_text(told(barred)))


def test_how_the_last_restart_ended_and_what_a_person_asked_for_are_told(report: Report) -> None:
    assert isinstance(report.seen.cluster, Known)
    at = report.finished
    ended = {
        NAMES[0]: Restarted("a", "done", 0, at - timedelta(hours=1)),
        NAMES[1]: Restarted("a", "failed", 0, at, "it did not start"),
    }
    cluster = Known(replace(report.seen.cluster.value, restarted=ended), at)
    assert report.plan.memory
    wishes = replace(report.plan.memory, wishes=(RestartWish(NAMES[2], 1, at, anyway=True),))
    seen = planned(replace(report, seen=replace(report.seen, cluster=cluster)), memory=wishes)
    said = "\n".join(status_text(told(seen)))
    moment = f"{at:%Y-%m-%dT%H:%M:%S}Z"
    assert f"onprem: the last restart, of {NAMES[1]}, ended at {moment}: failed: it did not start." in said
    assert f"onprem: a person has asked for a restart of {NAMES[2]} (at {moment})." in said
    assert "last restart" not in "\n".join(status_text(told(report)))


def test_one_cluster_alone_may_be_asked_about(tmp_path: Path, report: Report) -> None:
    """What is wrong with another one is not its exit code."""
    desk = Desk(tmp_path)
    desk.configure_all({"onprem": {}, "other": {}})
    telemetry = Telemetry("1", ("onprem", "other"), timedelta(hours=1), lambda: ())
    telemetry.record(replace(report, finished=now()))
    server = Server(f"127.0.0.1:{desk.port}", telemetry.pages())
    server.start()
    code, said = desk.types("status", "--cluster", "onprem")
    other, of_other = desk.types("status", "--cluster", "other")
    server.stop()
    assert code == 0, said
    assert "other" not in said
    assert other == 1
    assert of_other.splitlines()[-1].startswith("other: NO PASS YET")
    assert "onprem" not in of_other
