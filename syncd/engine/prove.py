"""Beside the loop: asks Elasticsearch, makes handshakes, reads logs. What it sees are observations of the next pass.

A bell is never delayed by a proof: the loop reads the page that was finished last, and is rung when a new page differs.
"""

import logging
from threading import Condition, Thread
from time import monotonic

from syncd.core.bundle import bundle_digest
from syncd.core.model import Hold, Known, NodeName, Report
from syncd.engine.crew import Crew
from syncd.engine.desk import Desk
from syncd.engine.evidence import Evidence
from syncd.engine.links import Links
from syncd.engine.rings import PROOF
from syncd.engine.sighted import Sighted
from syncd.engine.world import World
from syncd.ports import Ring, now

_LOG = logging.getLogger(__name__)
_QUICK, _QUICK_EACH = 0.1, 0.01
"""Seconds between looks at the logs in which proofs are awaited: at least, and for each log."""
_SOON = 5.0
"""Seconds between looks at Elasticsearch and the remotes while something is not as it should be."""

_HOPEFUL = 180.0
"""Seconds after a change in which something may still come right by itself; then the usual interval is enough."""


class Prover:
    """Gathers the slow observations of one cluster, in a thread of its own."""

    def __init__(self, world: World, crew: Crew, desk: Desk, ring: Ring) -> None:
        self._world = world
        self._desk = desk
        self._ring = ring
        self._links = Links(world, crew)
        self._evidence = Evidence(world, crew, desk)
        self._changed = Condition()
        self._page = Sighted.nothing_yet(now())
        self._report: Report | None = None
        self._stopping = False
        self._due = 0.0
        self._hurry = False
        self._hopeful_until = monotonic() + _HOPEFUL
        self._first = True
        self._thread = Thread(target=self._run, name=f"prover {world.policy.cluster}", daemon=True)

    @property
    def page(self) -> Sighted:
        """The latest finished page."""
        return self._page

    def start(self, patience: float = 0.0) -> None:
        """Begin to look, and wait so many seconds at most for the first page.

        A first pass that knows where the nodes' logs are can note their positions before it writes.
        """
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: not self._first, timeout=patience)

    def stop(self, timeout: float) -> None:
        """End; what still runs ends by its own deadline."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def tell(self, report: Report) -> None:
        """A pass ended: its files are what is to be proven now."""
        with self._changed:
            before, self._report = self._report, report
            if _files(before) != _files(report) or _published(before) != _published(report):
                self._hurry = True
                self._hopeful_until = monotonic() + _HOPEFUL
            self._changed.notify_all()

    def sweep(self) -> Sighted:
        """One look at everything, now, in the caller's thread: for `syncd once`, `plan` and `check`."""
        self._page = self._evidence.update(self._links.update(self._page, self._report), self._report)
        return self._page

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._turn()
            except Exception:  # noqa: BLE001 - a fault of syncd's own must not end the proofs; the next turn looks anew
                _LOG.exception("looking at %s failed in a way syncd did not expect", self._world.policy.cluster)
            self._rest()

    def _turn(self) -> None:
        page, report = self._page, self._report
        if self._hurry or monotonic() >= self._due or self._is_stale(page):
            self._hurry = False
            self._due = monotonic() + self._interval(report)
            page = self._links.update(page, report)
        page = self._evidence.update(page, report)
        differs = page.gist() != self._page.gist()
        with self._changed:
            self._page = page
            self._first = False
            self._changed.notify_all()
        if differs:
            self._ring(PROOF)

    def _is_stale(self, page: Sighted) -> bool:
        """Whether a proof by handshake changed the cluster since it was looked at."""
        changed = self._desk.state.changed
        return isinstance(page.cluster, Known) and changed is not None and page.cluster.at < changed

    def _interval(self, report: Report | None) -> float:
        """Seconds until Elasticsearch and the remotes are looked at again."""
        probe = self._world.pace.probe
        pending = report is None or any(map(_pending, report.plan.holds))
        return min(probe, _SOON) if pending and monotonic() < self._hopeful_until else probe

    def _rest(self) -> None:
        awaiting = self._evidence.awaiting(self._report) if self._report else 0
        wait = max(_QUICK, awaiting * _QUICK_EACH) if awaiting else max(0.05, self._due - monotonic())
        wait = 0.0 if self._hurry else wait
        with self._changed:
            told = self._report
            self._changed.wait_for(lambda: self._stopping or self._report is not told, timeout=wait)


def _pending(hold: Hold) -> bool:
    """Whether a hold may be lifted by what is seen next, rather than by a person or by time."""
    return hold.rule not in {"overlap", "unmanaged_node", "observe", "standby", "paused"}


def _files(report: Report | None) -> dict[NodeName, object]:
    nodes = report.seen.nodes.values() if report else ()
    return {node.name: bundle_digest(node.file.value.trust.certs) for node in nodes if isinstance(node.file, Known)}


def _published(report: Report | None) -> list[object]:
    remotes = report.seen.remotes.values() if report else ()
    return [remote.published.value.ca for remote in remotes if isinstance(remote.published, Known)]
