"""What is told to machines: nothing that is gone, nothing secret, and health that means progress."""

import io
import json
import logging
import re
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from syncd.cli.exits import WELL
from syncd.cli.statuses import Told, status_code
from syncd.core.bundle import Digest, bundle_digest
from syncd.core.eck.mirror import mirror_steps
from syncd.core.errors import SourceError
from syncd.core.guard import guard
from syncd.core.model import (
    Absent,
    Alias,
    Allocation,
    ClaimCluster,
    Context,
    EndRestart,
    Hold,
    KeystoreState,
    Known,
    MirrorState,
    Outcome,
    Ownership,
    Plan,
    PutMirror,
    RemotePolicy,
    Report,
    Restarted,
    RestartRecord,
    Site,
    Unknown,
    Verdict,
)
from syncd.demo.pki import EckCa
from syncd.engine.crew import Crew, Failed
from syncd.engine.tell import Teller
from syncd.ports import now
from syncd.telemetry.families import WATCH_OPEN, WATCH_RESTARTS
from syncd.telemetry.logs import PassLog, set_up
from syncd.telemetry.metrics import Metrics
from syncd.telemetry.standing import standing
from syncd.telemetry.status import status_document
from syncd.telemetry.telemetry import Telemetry
from tests.fakes.eck_side import NOW, REMOTE, UNREAD, Side, ca, fresh, mirror_of, resource, state_of
from tests.fakes.memory import MemoryNotices
from tests.fakes.world import ALIAS, NAMES, Bench, Syncd


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
    dialing = report.plan.trust[Context.REMOTE_CLUSTER_CLIENT]
    proven = {name: sight for name, sight in dialing.proven.items() if name != NAMES[2]}
    trust = {Context.REMOTE_CLUSTER_CLIENT: replace(dialing, proven=proven)}
    plan = replace(report.plan, trust=trust, verdicts=())
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
        'syncd_node_loaded{cluster="onprem",context="remote_cluster_client",node="es-01"} 1.0',
        'syncd_link_up{alias="eck-prod",cluster="onprem",node="es-01"} 1.0',
        'syncd_link_info{alias="eck-prod",cluster="onprem",node="es-01",reason="ok"} 1.0',
        'syncd_elasticsearch_up{cluster="onprem"} 1.0',
        "syncd_config_last_reload_successful 1.0",
        "process_resident_memory_bytes ",
    ):
        assert line in text
    assert "syncd_link_breaks_timestamp_seconds{" in text
    assert "_created" not in text, "nobody asks for the birthday of a counter"


def test_a_link_keeps_its_series_whatever_the_reason(report: Report) -> None:
    """Else an alert on `syncd_link_up == 0` for ten minutes begins anew with each new reason."""
    metrics = Metrics("1", lambda: ())

    def series(**how: object) -> set[str]:
        verdicts = tuple(replace(verdict, **how) for verdict in report.plan.verdicts)  # type: ignore[arg-type]  # as given
        metrics.record(replace(report, plan=replace(report.plan, verdicts=verdicts)))
        return {line.rpartition(" ")[0] for line in metrics.render().decode().splitlines() if "syncd_link_up{" in line}

    down = series(up=False, reason="network")
    assert down
    assert down == series(up=False, reason="untrusted") == series(up=True, reason="ok")
    assert series(up=None, reason="unknown") == set()


@pytest.mark.parametrize("role", ["remote_cluster_client", "master"])
def test_a_node_that_does_not_dial_lacks_no_credential(report: Report, role: str) -> None:
    """A series of it would be 0 for ever."""
    name, node = next(iter(report.seen.nodes.items()))
    assert isinstance(node.process, Known)
    keystore = KeystoreState(Digest("k"), Ownership(0, 0, 0o660), {"a.setting": "absent"})
    site = Site(Absent(NOW), Absent(NOW), Known(keystore, NOW), Absent(NOW), Absent(NOW))
    process = Known(replace(node.process.value, roles=frozenset({role})), NOW)
    nodes = {name: replace(node, process=process, site=Known(site, NOW))}
    metrics = Metrics("1", lambda: ())
    metrics.record(replace(report, seen=replace(report.seen, nodes=nodes)))
    assert _values(metrics, "syncd_keystore_in_step{") == ([0] if role == "remote_cluster_client" else [])


def test_a_node_that_does_not_dial_has_a_row_that_says_so(tmp_path: Path) -> None:
    """Its file is told of, no link, and nothing that would call for somebody."""
    bench = Bench(tmp_path)
    bench.es.other_roles[NAMES[2]] = frozenset({"master"})
    syncd = Syncd(bench)
    made = syncd.turn(4)
    syncd.end()
    (cluster,) = json.loads(json.dumps(status_document([made])))["clusters"]
    *_, row = cluster["rows"]
    assert (row["node"], row["loaded"], row["note"]) == (NAMES[2], "not needed", "it does not dial remotes")
    assert (row["file"], row["failed"], "link" in row) == ("in step", False, False)
    assert not [hold for hold in made.plan.holds if hold.subject == NAMES[2]]
    assert status_code(Told({"clusters": [cluster]}, (), made.finished, timedelta(minutes=1), ("onprem",))) == WELL


def test_failed_steps_are_counted_by_their_rule(report: Report) -> None:
    metrics = Metrics("1", lambda: ())
    step = ClaimCluster("us", None, "ours")
    outcomes = (Outcome(step, "failed", "es_forbidden"), Outcome(step, "skipped", "late"), Outcome(step, "done"))
    for _ in range(2):
        metrics.record(replace(report, outcomes=outcomes))
    assert _values(metrics, "syncd_step_failures_total{") == [2]
    assert 'rule="es_forbidden"' in metrics.render().decode()
    metrics.forget(report.cluster)
    assert _values(metrics, "syncd_step_failures_total{") == []


def test_a_refused_configuration_is_told_until_it_is_taken_or_taken_back() -> None:
    metrics = Metrics("1", lambda: ())
    for result, value in (("refused", 0), ("taken", 1), ("refused", 0), ("as it runs", 1)):
        metrics.reloaded(result)  # type: ignore[arg-type]  # one of these
        assert _values(metrics, "syncd_config_last_reload_successful ") == [value]
    assert 'syncd_config_reloads_total{result="refused"} 2.0' in metrics.render().decode()


def test_a_cluster_that_does_not_answer_is_told_as_that(report: Report) -> None:
    seen = replace(report.seen, cluster=Unknown("es_unreachable", "it does not answer", now()))
    assert 'syncd_elasticsearch_up{cluster="onprem"} 0.0' in _text(replace(report, seen=seen))


def test_a_row_is_of_the_file_that_is_there_when_the_pass_has_ended(tmp_path: Path) -> None:
    """What was proven of the file before is not told of the one that this pass wrote in its place."""
    bench = Bench(tmp_path)
    syncd = Syncd(bench)
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert syncd.report is not None
    assert _rows(syncd.report) == {(_bundle(bench), "in step", "proven")}
    bench.publish(bench.ca.rekey(now()))
    report = syncd.turn(rang=("source",))
    assert {outcome.result for outcome in report.outcomes} == {"done"}
    assert _rows(report) == {(_bundle(bench), "in step", "not proven")}
    for series in ('node_loaded{cluster="onprem",context="remote_cluster_client"', 'node_in_step{cluster="onprem"'):
        told = [f'syncd_{series},node="{name}"}} {float("in_step" in series)}' for name in NAMES]
        assert all(line in _text(report) for line in told)
    bench.follow()
    syncd.turn_until(lambda: syncd.report is not None and syncd.report.settled)
    assert _rows(syncd.report) == {(_bundle(bench), "in step", "proven")}
    syncd.end()


@pytest.mark.parametrize("fault", ["nothing was done", "a file is gone", "a foreign CA is in it"])
def test_a_file_that_is_not_as_wanted_is_not_in_step(report: Report, fault: str) -> None:
    """Whatever the plan says of it: a step may have been held back."""
    name, context = NAMES[0], Context.REMOTE_CLUSTER_CLIENT
    node = report.seen.nodes[name]
    assert standing(report, name, context).as_wanted
    if fault == "nothing was done":
        trust = {context: replace(report.plan.trust[context], claims={})}
        report = replace(report, plan=replace(report.plan, trust=trust))
        assert standing(report, name, context).file == "behind"
    elif fault == "a file is gone":
        nodes = {**report.seen.nodes, name: replace(node, files={context: Absent(now())})}
        report = replace(report, seen=replace(report.seen, nodes=nodes))
        assert standing(report, name, context).file == "missing"
    else:
        file = node.files[context]
        assert isinstance(file, Known)
        trust_file = replace(file.value.trust, certs=(*file.value.trust.certs, EckCa.create(now()).cert))
        held = Known(replace(file.value, trust=trust_file), now())
        nodes = {**report.seen.nodes, name: replace(node, files={context: held})}
        report = replace(report, seen=replace(report.seen, nodes=nodes))
        assert standing(report, name, context).file == "behind"
        assert standing(report, name, context).proof is None
    assert not standing(report, name, context).as_wanted
    assert f'syncd_node_in_step{{cluster="onprem",node="{name}"}} 0.0' in _text(report)


def _rows(report: Report) -> set[tuple[object, ...]]:
    (cluster,) = json.loads(json.dumps(status_document([report])))["clusters"]
    return {(row["bundle"], row["file"], row["loaded"].split(" by ")[0]) for row in cluster["rows"]}


def _bundle(bench: Bench) -> str:
    return bundle_digest(bench.on(NAMES[0]))[:16]


def _text(report: Report) -> str:
    metrics = Metrics("1", lambda: ())
    metrics.record(report)
    return metrics.render().decode()


def test_when_a_source_was_last_read_stays_told_while_it_cannot_be_read(tmp_path: Path) -> None:
    """An alert on its age must not go silent exactly then."""
    bench = Bench(tmp_path)
    syncd, metrics = Syncd(bench), Metrics("1", lambda: ())
    metrics.record(syncd.turn())
    (before,) = _values(metrics, "syncd_source_last_read_timestamp_seconds{")
    bench.source.error = SourceError("source_forbidden", "HTTP 403")
    report = syncd.turn()
    metrics.record(report)
    assert _values(metrics, "syncd_source_up{") == [0]
    assert _values(metrics, "syncd_source_last_read_timestamp_seconds{") == [before]
    bench.source.error = None
    metrics.record(syncd.turn())
    syncd.end()
    assert _values(metrics, "syncd_source_last_read_timestamp_seconds{") > [before]
    metrics.record(replace(report, seen=replace(report.seen, remotes={})))
    assert _values(metrics, "syncd_source_last_read_timestamp_seconds{") == []


def test_a_source_that_was_never_read_has_no_time_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.source.error = SourceError("source_forbidden", "HTTP 403")
    syncd, metrics = Syncd(bench), Metrics("1", lambda: ())
    metrics.record(syncd.turn())
    syncd.end()
    assert _values(metrics, "syncd_source_last_read_timestamp_seconds{") == []


def test_the_end_of_a_link_stays_told_while_it_is_not_known(report: Report) -> None:
    """Of several nodes the first to break counts, also while it is the very one that cannot be looked at."""
    first, *others = (replace(verdict, breaks_at=now() + timedelta(days=2)) for verdict in report.plan.verdicts)
    sooner = replace(first, breaks_at=now() + timedelta(days=1))
    metrics = Metrics("1", lambda: ())

    def told(*verdicts: Verdict) -> list[float]:
        metrics.record(replace(report, plan=replace(report.plan, verdicts=verdicts)))
        return _values(metrics, "syncd_link_breaks_timestamp_seconds{")

    (known,) = told(sooner, *others)
    unknown = [replace(verdict, up=None, reason="unknown", breaks_at=None) for verdict in (sooner, *others)]
    assert told(unknown[0], *others) == [known]
    assert told(*unknown) == [known]
    assert told(*(replace(verdict, up=False, reason="disconnected") for verdict in unknown)) == [known]
    assert told(first, *others) > [known]
    assert told(*(replace(verdict, breaks_at=None) for verdict in (first, *others))) == []
    assert told(sooner, *others) == [known]
    assert told() == []


class TestMirror:
    """`syncd_mirror_in_step` is 1 only where what is wanted of us is there, whatever is planned."""

    AGO = (timedelta(minutes=40), timedelta(minutes=10))
    LACKS_OURS = state_of("# of somebody else\n" + ca("other").cert.pem.decode())
    LACKS_NEXT = mirror_of("own")
    """Whole as it is, and behind where the nodes trust a next CA by now."""

    def test_what_is_wanted_is_there(self) -> None:
        assert self.in_step(Side.trusting("own", mirror=Known(mirror_of("own"), NOW))) == {ALIAS: 1}

    def test_an_old_ca_that_stays_is_wanted_and_others_faults_are_theirs(self) -> None:
        garbage = "-----BEGIN CERTIFICATE-----\nno end\n"
        side = Side.trusting("own", mirror=Known(mirror_of("old", "own", foreign=garbage), NOW))
        assert self.holds(side) >= {"mirror_unproven", "mirror_faults"}
        assert self.in_step(side) == {ALIAS: 1}

    @pytest.mark.parametrize("before", [LACKS_OURS, None])
    def test_what_is_planned_is_there_once_it_is_done(self, before: MirrorState | None) -> None:
        side = Side.trusting(
            "own", mirror=Known(before, NOW) if before else Absent(NOW), resource=Known(resource(), NOW)
        )
        assert self.in_step(side) == {ALIAS: 0}
        assert self.in_step(side, done=True) == {ALIAS: 1}

    @pytest.mark.parametrize(
        ("rule", "side"),
        [
            ("mirror_contested", Side.trusting("own", mirror=Known(LACKS_OURS, NOW)).wrote(*AGO, names=("own",))),
            ("mirror_contested", Side.trusting("own", "next", mirror=Known(LACKS_NEXT, NOW))
                                     .wrote(*AGO, names=("own", "next"))),
            ("mirror_too_large", Side.trusting("own", "next", mirror=Known(mirror_of("own", foreign="#" * 950_000), NOW))),
            ("eck_ca_unknown", Side.trusting("own", mirror=Known(LACKS_NEXT, NOW), published=UNREAD)),
            ("mirror_nothing", replace(Side.trusting("eck", issuer="own"), mirror=Known(LACKS_OURS, NOW))),
            ("unreachable", Side.trusting("own", mirror=UNREAD)),
            ("own_trust_unknown", replace(Side.trusting("own", mirror=Known(mirror_of("own"), NOW)),
                                          trust=dict.fromkeys(NAMES, UNREAD))),
        ],
    )  # fmt: skip
    def test_what_is_held_back_or_not_known_is_not_there(self, rule: str, side: Side) -> None:
        assert rule in self.holds(side)
        assert self.in_step(side) == {ALIAS: 0}

    def test_what_the_guard_refuses_is_not_there(self) -> None:
        side = Side.trusting("own", "next", mirror=Known(self.LACKS_NEXT, NOW))
        report = self.report(side)
        (step,) = report.plan.now
        assert isinstance(step, PutMirror)
        refused = guard(replace(report.plan, now=(replace(step, content=""),)), report.seen, NOW)
        assert "guard_empties_mirror" in {hold.rule for hold in refused.holds}
        assert self.told(replace(report, plan=refused)) == {ALIAS: 0}

    def test_what_was_read_before_it_was_written_does_not_show_it(self) -> None:
        """There is neither a step nor a hold then: the mirror itself must show that ours is there."""
        side = Side.trusting("own", mirror=Known(self.LACKS_OURS, NOW - timedelta(minutes=11)))
        report = self.report(side.wrote(*self.AGO, names=("own",)))
        assert (report.plan.now, report.plan.holds) == ((), ())
        assert self.told(report) == {ALIAS: 0}

    @pytest.mark.parametrize("held", [False, True])
    def test_all_remotes_that_share_it_are_told_alike(self, held: bool) -> None:
        """Its steps and holds are of one of them."""
        side = Side.trusting("own", "next", mirror=Known(self.LACKS_NEXT, NOW))
        side = side.wrote(*self.AGO, names=("own", "next")) if held else side
        side.policy = replace(side.policy, remotes=(REMOTE, replace(REMOTE, alias=Alias("second"))))
        assert self.in_step(side) == {ALIAS: 0, "second": 0}
        assert self.in_step(side, done=True) == dict.fromkeys((ALIAS, "second"), float(not held))

    def test_how_many_nodes_should_show_it_is_told_as_far_as_it_is_known(self) -> None:
        """What `syncd_mirror_shown_nodes` is to be compared with."""
        report = self.report(Side.trusting("own", mirror=Known(mirror_of("own"), NOW)))
        remote = report.seen.remotes[ALIAS]
        for endpoints, told in ((Known(3, NOW), [3]), (Known(0, NOW), [1]), (UNREAD, [])):
            metrics, seen = Metrics("1", lambda: ()), replace(remote, endpoints=endpoints)
            metrics.record(replace(report, seen=replace(report.seen, remotes={ALIAS: seen})))
            assert _values(metrics, "syncd_mirror_expected_nodes{") == told
            assert _values(metrics, "syncd_mirror_shown_nodes{") == [0]

    def test_a_remote_without_a_mirror_has_none_to_be_in_step(self, report: Report) -> None:
        assert self.told(report) == {}

    def report(self, side: Side) -> Report:
        seen = side.seen()
        steps, holds = mirror_steps(side.policy, seen, NOW, fresh)
        plan = guard(Plan("onprem", now=tuple(steps), holds=tuple(holds)), seen, NOW)
        return Report("onprem", NOW, NOW, seen, plan, ())

    def holds(self, side: Side) -> set[str]:
        return {hold.rule for hold in self.report(side).plan.holds}

    def in_step(self, side: Side, *, done: bool = False) -> dict[str, float]:
        report = self.report(side)
        return self.told(replace(report, outcomes=tuple(Outcome(step, "done") for step in report.plan.now if done)))

    def told(self, report: Report) -> dict[str, float]:
        found = re.findall(r'^syncd_mirror_in_step{alias="(.*?)",.*} (.*)$', _text(report), re.MULTILINE)
        return {alias: float(value) for alias, value in found}


def test_nothing_is_told_of_a_cluster_that_is_gone_counters_neither(report: Report) -> None:
    """Not by a pass of its either that ends only after it was taken out."""
    record = RestartRecord(NAMES[0], "change", 1, "", Allocation(), 0, "us", now())
    restarted = EndRestart(record, Restarted("change", "done", 0, now()), "it is back")
    report = replace(report, outcomes=(*report.outcomes, Outcome(restarted, "done")))
    telemetry = Telemetry("1", ["onprem", "other"], timedelta(seconds=60), lambda: ())
    for name in ("onprem", "other"):
        telemetry.record(replace(report, cluster=name))
    assert 'syncd_restarts_total{cluster="onprem",node="es-01",result="done"} 1.0' in _page(telemetry)
    telemetry.watch_over(["other"], timedelta(seconds=60))
    assert "onprem" not in _page(telemetry)
    telemetry.record(report)
    assert "onprem" not in _page(telemetry)
    assert 'syncd_passes_total{cluster="other",result="ok"} 1.0' in _page(telemetry)
    telemetry.watch_over(["onprem", "other"], timedelta(seconds=60))
    telemetry.record(report)
    assert 'syncd_passes_total{cluster="onprem",result="ok"} 1.0' in _page(telemetry)


def test_the_holds_of_a_cluster_that_is_back_are_told_anew(report: Report) -> None:
    log, held = PassLog(), Hold("es-01", "host_key", "CHANGED")
    report = replace(report, plan=replace(report.plan, holds=(held,)))
    with capture_logs() as lines:
        log.record(report)
        log.record(report)
        log.forget("onprem")
        log.record(report)
    assert [line["event"] for line in lines if line.get("rule") == "host_key"] == ["hold", "hold"]


def test_a_step_that_goes_on_beside_the_passes_is_told_once_and_what_comes_of_it(report: Report) -> None:
    log, step = PassLog(), ClaimCluster("us", None, "ours")
    late, done = Outcome(step, "skipped", "late", "it goes on beside the pass"), Outcome(step, "done")
    with capture_logs() as lines:
        for outcome in (late, late, done, late):
            log.record(replace(report, outcomes=(outcome,)))
    assert [line["event"] for line in lines if "step" in line] == ["skipped", "done", "skipped"]
    assert lines[0]["text"] == "it goes on beside the pass"


def _page(telemetry: Telemetry) -> str:
    return telemetry.pages()["/metrics"]()[2].decode()


def _values(metrics: Metrics, series: str) -> list[float]:
    return [float(line.split()[-1]) for line in metrics.render().decode().splitlines() if line.startswith(series)]


def test_a_hold_that_no_time_lifts_is_a_warning_an_event_and_marked_in_the_metric(tmp_path: Path) -> None:
    """A new key that waits for a person's word breaks the link as long as nobody hears of it."""
    bench = Bench(tmp_path)
    syncd = Syncd(bench, remotes=(RemotePolicy(ALIAS, accept="approved", overlap=bench.overlap),))
    syncd.turn(2)
    bench.publish(bench.ca.rekey(now()))
    report = syncd.turn()
    syncd.end()
    with capture_logs() as lines:
        PassLog().record(report)
    levels = {line["rule"]: line["log_level"] for line in lines if line["event"] == "hold"}
    assert levels.pop("not_approved") == "warning"
    assert set(levels.values()) <= {"info"}
    Teller({ALIAS: bench.notices}).tell(report)
    assert ("Warning", "NotApproved") in {(kind, reason) for kind, reason, _ in bench.notices.told}
    assert 'syncd_holds{cluster="onprem",grave="true",rule="not_approved"} 1.0' in _text(report)


def test_a_remote_that_publishes_nothing_by_intent_is_not_told_as_one_that_cannot_be_read(report: Report) -> None:
    """`source: {kind: none}`: its certificate is signed by a public CA."""
    remotes = {a: replace(r, published=Absent(now()), publishes=False) for a, r in report.seen.remotes.items()}
    public = replace(report, seen=replace(report.seen, remotes=remotes))
    assert "syncd_source_up{" not in _text(public)
    telemetry = Telemetry("1", ["onprem"], timedelta(seconds=60), lambda: ())
    telemetry.record(public)
    assert json.loads(telemetry.pages()["/readyz"]()[2])["sources_unread"] == []
    notices = MemoryNotices()
    Teller(dict.fromkeys(remotes, notices)).tell(public)
    assert "SourceUnreadable" not in [reason for _, reason, _ in notices.told]


def test_what_adapters_count_of_themselves_is_told() -> None:
    counts = [(WATCH_RESTARTS, ("onprem", "a-secret", "ended"), 2.0), (WATCH_OPEN, ("onprem", "a-secret"), 1.0)]
    text = Metrics("1", lambda: counts).render().decode()
    assert 'syncd_watch_restarts_total{cause="ended",cluster="onprem",watched="a-secret"} 2.0' in text
    assert 'syncd_watch_open{cluster="onprem",watched="a-secret"} 1.0' in text


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
    telemetry.watch_over(["onprem"], timedelta(seconds=120))  # the configuration was changed
    assert pages["/healthz"]()[0] == 200


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
        gate.wait(60)
        return "slow"

    first = crew.each({"quick": lambda: "quick", "slow": slow}, 2)
    assert {key: type(result).__name__ for key, result in first.items()} == {"quick": "Done", "slow": "Late"}
    gate.set()
    assert rang.wait(5)
    assert type(crew.each({"slow": lambda: "another"}, 5)["slow"]).__name__ == "Done"
    crew.close()
