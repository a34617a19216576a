"""Metrics from reports. A scrape does no work outside: it renders the last report of each cluster.

Built anew from the report at each scrape, so that what left the configuration leaves the metrics, too; what must not fall
silent while it cannot be looked at is kept in `lasting`. Times are timestamps, never seconds left: an alert on
`time() > x` cannot go silent.
"""

from collections import Counter as Tally
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from syncd.core.model import ClusterState, EndRestart, Known, Report, Verdict
from syncd.telemetry.families import Counts, counted, gauge
from syncd.telemetry.lasting import Lasting
from syncd.telemetry.metrics_nodes import node_metrics
from syncd.telemetry.standing import standing

_PASS_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PROPAGATION_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 6.5, 10, 20, 60, 300)
_Family = TypeVar("_Family", Counter, Histogram)

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for


class Metrics:
    """One registry of its own; several may live in one process."""

    def __init__(self, version: str, counts: Counts) -> None:
        self.registry = CollectorRegistry()
        self._reports: dict[str, Report] = {}
        self._lasting = Lasting()
        self._proven: set[tuple[str, str, str, str, int]] = set()
        self._series: dict[str, set[tuple[Counter | Histogram, tuple[str, ...]]]] = {}
        """What was ever counted of each cluster: the library keeps it for good."""
        self._passes = Counter(
            "syncd_passes", "Passes that were made, by whether a step of theirs failed.", ["cluster", "result"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "syncd_pass_duration_seconds", "How long passes take.", ["cluster"], registry=self.registry,
            buckets=_PASS_BUCKETS,
        )  # fmt: skip
        self._propagation = Histogram(
            "syncd_propagation_seconds",
            "From the first notice of a change until a node's file was written, or its load proven.",
            ["cluster", "stage"], registry=self.registry, buckets=_PROPAGATION_BUCKETS,
        )  # fmt: skip
        self._failures = Counter(
            "syncd_step_failures", "Steps that failed, by the rule that names why; they are tried again.",
            ["cluster", "rule"], registry=self.registry,
        )  # fmt: skip
        self._reloads = Counter(
            "syncd_config_reloads", "Changes of the configuration file, taken or refused.", ["result"],
            registry=self.registry,
        )  # fmt: skip
        self._reloaded = Gauge(
            "syncd_config_last_reload_successful",
            "0: the configuration file as it is now was refused, and an older one is in force.", registry=self.registry,
        )  # fmt: skip
        self._reloaded.set(1)
        self._restarts = Counter(
            "syncd_restarts", "Node restarts that have ended, by result.",
            ["cluster", "node", "result"], registry=self.registry,
        )  # fmt: skip
        ProcessCollector(registry=self.registry)
        self.registry.register(_Snapshot(self._reports, self._lasting, version, counts))

    def record(self, report: Report) -> None:
        """A pass ended."""
        self._of(self._passes, report.cluster, "failed" if report.failures else "ok").inc()
        self._of(self._seconds, report.cluster).observe((report.finished - report.started).total_seconds())
        for outcome in report.outcomes:
            if outcome.result == "failed":
                self._of(self._failures, report.cluster, outcome.rule).inc()
            if outcome.written:
                seconds = (outcome.written.at - outcome.written.cause_at).total_seconds()
                self._of(self._propagation, report.cluster, "written").observe(seconds)
            if isinstance(outcome.step, EndRestart) and outcome.result == "done":
                labels = outcome.step.record.node, outcome.step.outcome.result
                self._of(self._restarts, report.cluster, *labels).inc()
        self._record_proofs(report)
        self._lasting.note(report)
        self._reports[report.cluster] = report

    def forget(self, cluster: str) -> None:
        """A cluster left the configuration: nothing is told of it any more, what was counted neither."""
        self._reports.pop(cluster, None)
        self._lasting.forget(cluster)
        self._proven = {proof for proof in self._proven if proof[0] != cluster}
        for family, labels in self._series.pop(cluster, ()):
            family.remove(*labels)

    def reloaded(self, result: Literal["taken", "refused", "as it runs"]) -> None:
        """The configuration file changed; `as it runs`: what was refused of it was taken back."""
        if result != "as it runs":
            self._reloads.labels(result).inc()
        self._reloaded.set(float(result != "refused"))

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)

    def _of(self, family: _Family, cluster: str, *labels: str) -> _Family:
        """One series of a cluster."""
        self._series.setdefault(cluster, set()).add((family, (cluster, *labels)))
        return family.labels(cluster, *labels)

    def _record_proofs(self, report: Report) -> None:
        """Latency of proofs of writes that this process made, each once."""
        memory = report.plan.memory
        writes = {(record.node, record.context): record for record in (memory.writes if memory else ())}
        sights = (sight for part in report.plan.trust.values() for sight in part.proven.values() if sight)
        for sight in sights:
            written = writes.get((sight.node, sight.context))
            if written is None or written.digest != sight.digest or sight.at < written.at:
                continue
            key = (report.cluster, sight.node, sight.context, written.at.isoformat(), sight.process_started)
            if key not in self._proven:
                self._proven = {old for old in self._proven if old[:3] != key[:3]} | {key}
                seconds = (sight.at - written.cause_at).total_seconds()
                self._of(self._propagation, report.cluster, "proven").observe(seconds)


class _Snapshot(Collector):
    """Gauges of the last report of each cluster."""

    def __init__(self, reports: dict[str, Report], lasting: Lasting, version: str, counts: Counts) -> None:
        self._reports = reports
        self._lasting = lasting
        self._version = version
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        reports = list(self._reports.values())
        info = gauge("build_info", "Version that is running.", "version")
        info.add_metric([self._version], 1)
        yield info
        yield from _cluster_metrics(reports)
        yield from _source_metrics(reports, self._lasting)
        yield from _node_metrics(reports)
        yield from _link_metrics(reports, self._lasting)
        yield _ca_metrics(reports)
        yield _hold_metrics(reports)
        yield from node_metrics(reports)
        yield from counted(self._counts())


def _stamp(moment: datetime) -> float:
    return moment.timestamp()


def _cluster_metrics(reports: list[Report]) -> Iterator[Metric]:
    last = gauge("last_pass_timestamp_seconds", "When the last pass ended.", "cluster")
    settled = gauge("settled", "Whether nothing failed, waits or is held.", "cluster")
    acting = gauge("permit_held", "Whether this process may change the cluster.", "cluster")
    answers = gauge("elasticsearch_up", "Whether the cluster's REST API answered as it should.", "cluster")
    unmanaged = gauge("unmanaged_nodes", "Nodes of the cluster that the configuration lacks.", "cluster")
    observing = gauge("observing", "Whether the mode is observe.", "cluster")
    for report in reports:
        rules = [hold.rule for hold in report.plan.holds]
        last.add_metric([report.cluster], _stamp(report.finished))
        settled.add_metric([report.cluster], float(report.settled))
        acting.add_metric([report.cluster], float(not report.seen.standby))
        observing.add_metric([report.cluster], float("observe" in rules))
        answers.add_metric([report.cluster], float(isinstance(report.seen.cluster, Known)))
        if isinstance(report.seen.cluster, Known):
            unmanaged.add_metric([report.cluster], len(_unmanaged(report.seen.cluster.value, report)))
    return iter((last, settled, acting, answers, unmanaged, observing))


def _unmanaged(cluster: ClusterState, report: Report) -> set[str]:
    return {str(name) for name in cluster.nodes if name not in report.seen.nodes}


def _source_metrics(reports: list[Report], lasting: Lasting) -> Iterator[Metric]:
    up = gauge("source_up", "Whether the published CA could be read and used.", "cluster", "alias")
    read = gauge(
        "source_last_read_timestamp_seconds",
        "When it was last read well, also while it cannot be; absent: never since syncd was started.",
        "cluster", "alias",
    )  # fmt: skip
    for report in reports:
        for alias, remote in report.seen.remotes.items():
            if remote.publishes:
                up.add_metric([report.cluster, alias], float(isinstance(remote.published, Known)))
    for cluster, alias, moment in lasting.reads():
        read.add_metric([cluster, alias], _stamp(moment))
    return iter((up, read))


def _node_metrics(reports: list[Report]) -> Iterator[Metric]:
    reachable = gauge("node_reachable", "Whether the node's trust file could be looked at.", "cluster", "node")
    in_step = gauge("node_in_step", "Whether the trust file is as it should be.", "cluster", "node")
    loaded = gauge(
        "node_loaded", "Whether the process is proven to have loaded its file.", "cluster", "node", "context"
    )
    for report in reports:
        for name, node in report.seen.nodes.items():
            found = {context: standing(report, name, context) for context in node.files}
            reachable.add_metric([report.cluster, name], float(all(s.file != "unknown" for s in found.values())))
            in_step.add_metric([report.cluster, name], float(all(s.as_wanted for s in found.values())))
            for context, each in found.items():
                if context in report.plan.trust and name in report.plan.trust[context].proven:
                    loaded.add_metric([report.cluster, name, context], float(each.proof is not None))
    return iter((reachable, in_step, loaded))


def _link_metrics(reports: list[Report], lasting: Lasting) -> Iterator[Metric]:
    up = gauge("link_up", "1: the link is up, 0: it is down; absent: not known.", "cluster", "node", "alias")
    info = gauge(
        "link_info", "Always 1; the label says why the link is up or down.", "cluster", "node", "alias", "reason"
    )
    breaks = gauge(
        "link_breaks_timestamp_seconds",
        "When the first of a remote's links breaks if nothing is done, by what was presented and trusted last: it stays as "
        "it was last known while no handshake can be made or a node's file not be read. Absent: never known since syncd was "
        "started, or without end.",
        "cluster", "alias",
    )  # fmt: skip
    for report in reports:
        for verdict in report.plan.verdicts:
            _add_link(up, info, report.cluster, verdict)
    for cluster, alias, moment in lasting.breaks():
        breaks.add_metric([cluster, alias], _stamp(moment))
    return iter((up, info, breaks))


def _add_link(up: GaugeMetricFamily, info: GaugeMetricFamily, cluster: str, verdict: Verdict) -> None:
    info.add_metric([cluster, verdict.node, verdict.alias, verdict.reason], 1)
    if verdict.up is not None:
        up.add_metric([cluster, verdict.node, verdict.alias], float(verdict.up))


def _ca_metrics(reports: list[Report]) -> Metric:
    family = gauge(
        "ca_not_after_timestamp_seconds", "End of each CA in a trust file.",
        "cluster", "alias", "fingerprint", "origin", "role",
    )  # fmt: skip
    for report in reports:
        rows = {
            (claim.alias or "", claim.cert.fingerprint, claim.origin, claim.role): claim.cert.not_after
            for part in report.plan.trust.values()
            for claims in part.claims.values()
            for claim in claims
        }
        for labels, moment in rows.items():
            family.add_metric([report.cluster, *labels], _stamp(moment))
    return family


def _hold_metrics(reports: list[Report]) -> Metric:
    family = gauge("holds", "Things that are not done now, by the rule that holds them.", "cluster", "rule", "grave")
    for report in reports:
        rules = Tally((hold.rule, str(hold.grave).lower()) for hold in report.plan.holds)
        for (rule, grave), number in sorted(rules.items()):
            family.add_metric([report.cluster, rule, grave], number)
    return family
