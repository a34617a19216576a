"""What is told to machines, in one place: reports go in, pages come out."""

from collections.abc import Iterable
from datetime import timedelta
from threading import Lock
from typing import Literal

from syncd.core.model import Known, Report
from syncd.ports import now
from syncd.telemetry.families import Counts
from syncd.telemetry.logs import PassLog
from syncd.telemetry.metrics import Metrics
from syncd.telemetry.server import Page, json_page
from syncd.telemetry.status import status_document


class Telemetry:
    """Keeps the last report of each cluster."""

    def __init__(self, version: str, clusters: Iterable[str], patience: timedelta, counts: Counts) -> None:
        self._metrics = Metrics(version, counts)
        self._log = PassLog()
        self._lock = Lock()
        self._patience = patience
        self._started = now()
        self._clusters = set(clusters)
        self._gone: set[str] = set()
        """Clusters that left the configuration: a pass of theirs may end later, and would bring them back for good."""
        self._reports: dict[str, Report] = {}

    def record(self, report: Report) -> None:
        """A pass ended."""
        with self._lock:
            self._log.record(report)
            if report.cluster in self._gone:
                self._log.forget(report.cluster)
                return
            self._reports[report.cluster] = report
            self._metrics.record(report)

    def watch_over(self, clusters: Iterable[str], patience: timedelta) -> None:
        """The configuration changed: these clusters are there now, and their passes may take so long."""
        with self._lock:
            self._patience = patience
            before, self._clusters = self._clusters, set(clusters)
            self._gone = (self._gone | before) - self._clusters
            for gone in self._gone:
                self._reports.pop(gone, None)
                self._metrics.forget(gone)
                self._log.forget(gone)

    def reloaded(self, result: Literal["taken", "refused", "as it runs"]) -> None:
        """See `Metrics.reloaded`."""
        self._metrics.reloaded(result)

    def pages(self) -> dict[str, Page]:
        """What the server serves."""
        return {
            "/metrics": lambda: (200, "text/plain; version=0.0.4; charset=utf-8", self._metrics.render()),
            "/healthz": self._health,
            "/readyz": self._ready,
            "/status": lambda: json_page(200, status_document(list(self._reports.values()))),
        }

    def _health(self) -> tuple[int, str, bytes]:
        """Alive: each cluster's last pass, in which every source was asked by name, is not too long ago.

        A source that cannot be read is not a reason to be restarted; a pass that does not end is.
        """
        faults = [fault for cluster in sorted(self._clusters) if (fault := self._stale(cluster))]
        return json_page(503 if faults else 200, {"ok": not faults, "faults": faults})

    def _stale(self, cluster: str) -> str:
        report = self._reports.get(cluster)
        last = report.finished if report else self._started
        age = now() - last
        return f"{cluster}: the last pass ended {age.total_seconds():.0f} s ago" if age > self._patience else ""

    def _ready(self) -> tuple[int, str, bytes]:
        """Ready: every cluster has had a pass."""
        waiting = sorted(self._clusters - set(self._reports))
        unread = [f"{r.cluster}/{a}" for r in self._reports.values() for a, remote in r.seen.remotes.items()
                  if remote.publishes and not isinstance(remote.published, Known)]  # fmt: skip
        return json_page(503 if waiting else 200, {"ok": not waiting, "waiting": waiting, "sources_unread": unread})
