"""Metrics from reports. A scrape does no work outside: it renders the last report of each cluster.

Built anew from the report at each scrape, so that what left the configuration leaves the metrics, too. Times are
timestamps, never seconds left: an alert on `time() > x` cannot go silent.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from syncd.core.model import ClusterState, Known, Report, Unknown, Verdict

_PASS_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PROPAGATION_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 6.5, 10, 20, 60, 300)
Count = tuple[str, dict[str, str], float]
"""A counter that an adapter keeps of itself: (name, labels, value)."""
Counts = Callable[[], Iterable[Count]]


class Metrics:
    """One registry of its own; several may live in one process."""

    def __init__(self, version: str, counts: Counts) -> None:
        self.registry = CollectorRegistry()
        self._reports: dict[str, Report] = {}
        self._proven: set[tuple[str, str, str, int]] = set()
        self._passes = Counter("syncd_passes", "Passes made.", ["cluster", "result"], registry=self.registry)
        self._seconds = Histogram(
            "syncd_pass_duration_seconds", "Duration of passes.", ["cluster"], registry=self.registry,
            buckets=_PASS_BUCKETS,
        )  # fmt: skip
        self._propagation = Histogram(
            "syncd_propagation_seconds", "From the first notice of a change until it was written or proven loaded.",
            ["cluster", "stage"], registry=self.registry, buckets=_PROPAGATION_BUCKETS,
        )  # fmt: skip
        self._reloads = Counter(
            "syncd_config_reloads", "Changes of the configuration file.", ["result"], registry=self.registry
        )
        self.registry.register(_Snapshot(self._reports, version, counts))

    def record(self, report: Report) -> None:
        """A pass ended."""
        self._passes.labels(report.cluster, "failed" if report.failures else "ok").inc()
        self._seconds.labels(report.cluster).observe((report.finished - report.started).total_seconds())
        for outcome in report.outcomes:
            if outcome.written:
                seconds = (outcome.written.at - outcome.written.cause_at).total_seconds()
                self._propagation.labels(report.cluster, "written").observe(seconds)
        self._record_proofs(report)
        self._reports[report.cluster] = report

    def forget(self, cluster: str) -> None:
        """A cluster left the configuration."""
        self._reports.pop(cluster, None)

    def reloaded(self, result: str) -> None:
        """The configuration file changed: `taken` or `refused`."""
        self._reloads.labels(result).inc()

    def render(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)

    def _record_proofs(self, report: Report) -> None:
        """Latency of proofs of writes that this process made, each once."""
        writes = {record.node: record for record in (report.plan.memory.writes if report.plan.memory else ())}
        for name, sight in report.plan.proven.items():
            written = writes.get(name)
            if sight is None or written is None or written.digest != sight.digest or sight.at < written.at:
                continue
            key = (report.cluster, name, written.at.isoformat(), sight.process_started)
            if key not in self._proven:
                self._proven = {old for old in self._proven if old[:2] != key[:2]} | {key}
                seconds = (sight.at - written.cause_at).total_seconds()
                self._propagation.labels(report.cluster, "proven").observe(seconds)


class _Snapshot(Collector):
    """Gauges of the last report of each cluster."""

    def __init__(self, reports: dict[str, Report], version: str, counts: Counts) -> None:
        self._reports = reports
        self._version = version
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        reports = list(self._reports.values())
        info = GaugeMetricFamily("syncd_build_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        yield from _cluster_metrics(reports)
        yield from _source_metrics(reports)
        yield from _node_metrics(reports)
        yield from _link_metrics(reports)
        yield _ca_metrics(reports)
        yield _hold_metrics(reports)
        yield from self._adapter_counts()

    def _adapter_counts(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily] = {}
        for name, labels, value in self._counts():
            family = families.setdefault(name, CounterMetricFamily(name, "Counted by an adapter.", labels=[*labels]))
            family.add_metric([*labels.values()], value)
        yield from families.values()


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"syncd_{name}", text, labels=labels)


def _stamp(moment: datetime) -> float:
    return moment.timestamp()


def _cluster_metrics(reports: list[Report]) -> Iterator[Metric]:
    last = _gauge("last_pass_timestamp_seconds", "When the last pass ended.", "cluster")
    settled = _gauge("settled", "Whether nothing failed, waits or is held.", "cluster")
    acting = _gauge("permit_held", "Whether this process may change the cluster.", "cluster")
    unmanaged = _gauge("unmanaged_nodes", "Nodes of the cluster that the configuration lacks.", "cluster")
    observing = _gauge("observing", "Whether the mode is observe.", "cluster")
    for report in reports:
        rules = [hold.rule for hold in report.plan.holds]
        last.add_metric([report.cluster], _stamp(report.finished))
        settled.add_metric([report.cluster], float(report.settled))
        acting.add_metric([report.cluster], float(not report.seen.standby))
        observing.add_metric([report.cluster], float("observe" in rules))
        if isinstance(report.seen.cluster, Known):
            unmanaged.add_metric([report.cluster], len(_unmanaged(report.seen.cluster.value, report)))
    return iter((last, settled, acting, unmanaged, observing))


def _unmanaged(cluster: ClusterState, report: Report) -> set[str]:
    return {str(name) for name in cluster.nodes if name not in report.seen.nodes}


def _source_metrics(reports: list[Report]) -> Iterator[Metric]:
    up = _gauge("source_up", "Whether the published CA could be read and used.", "cluster", "alias")
    read = _gauge("source_last_read_timestamp_seconds", "When it was last read well.", "cluster", "alias")
    for report in reports:
        for alias, remote in report.seen.remotes.items():
            known = isinstance(remote.published, Known)
            up.add_metric([report.cluster, alias], float(known))
            if isinstance(remote.published, Known):
                read.add_metric([report.cluster, alias], _stamp(remote.published.at))
    return iter((up, read))


def _node_metrics(reports: list[Report]) -> Iterator[Metric]:
    reachable = _gauge("node_reachable", "Whether the node's trust file could be looked at.", "cluster", "node")
    in_step = _gauge("node_in_step", "Whether the trust file is as it should be.", "cluster", "node")
    loaded = _gauge("node_loaded", "Whether the process is proven to have loaded its file.", "cluster", "node")
    for report in reports:
        done = {getattr(o.step, "node", None) for o in report.outcomes if o.result == "done"}
        steps = (*report.plan.now, *(step for step, _ in report.plan.later))
        behind = {getattr(step, "node", None) for step in steps} - done
        for name, node in report.seen.nodes.items():
            known = not isinstance(node.file, Unknown)
            reachable.add_metric([report.cluster, name], float(known))
            in_step.add_metric([report.cluster, name], float(known and name not in behind))
            if name in report.plan.proven:
                loaded.add_metric([report.cluster, name], float(report.plan.proven[name] is not None))
    return iter((reachable, in_step, loaded))


def _link_metrics(reports: list[Report]) -> Iterator[Metric]:
    up = _gauge("link_up", "1 up, 0 down; absent: not known.", "cluster", "node", "alias", "reason")
    breaks = _gauge("link_breaks_timestamp_seconds", "When it breaks if nothing is done.", "cluster", "alias")
    for report in reports:
        first: dict[str, float] = {}
        for verdict in report.plan.verdicts:
            _add_link(up, report.cluster, verdict)
            if verdict.breaks_at:
                stamp = _stamp(verdict.breaks_at)
                first[verdict.alias] = min(first.get(verdict.alias, stamp), stamp)
        for alias, stamp in first.items():
            breaks.add_metric([report.cluster, alias], stamp)
    return iter((up, breaks))


def _add_link(up: GaugeMetricFamily, cluster: str, verdict: Verdict) -> None:
    if verdict.up is not None:
        up.add_metric([cluster, verdict.node, verdict.alias, verdict.reason], float(verdict.up))


def _ca_metrics(reports: list[Report]) -> Metric:
    family = _gauge(
        "ca_not_after_timestamp_seconds", "End of each CA in a trust file.",
        "cluster", "alias", "fingerprint", "origin", "role",
    )  # fmt: skip
    for report in reports:
        rows = {
            (claim.alias or "", claim.cert.fingerprint, claim.origin, claim.role): claim.cert.not_after
            for claims in report.plan.claims.values()
            for claim in claims
        }
        for labels, moment in rows.items():
            family.add_metric([report.cluster, *labels], _stamp(moment))
    return family


def _hold_metrics(reports: list[Report]) -> Metric:
    family = _gauge("holds", "Things that are not done now, by the rule that holds them.", "cluster", "rule")
    for report in reports:
        rules = [hold.rule for hold in report.plan.holds]
        for rule in sorted(set(rules)):
            family.add_metric([report.cluster, rule], rules.count(rule))
    return family
