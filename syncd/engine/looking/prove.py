"""Beside the loop: asks Elasticsearch, makes handshakes, reads logs. What it sees are observations of the next pass.

A bell is never delayed by a proof: the loop reads the page that was finished last, and is rung when a new page differs.
"""

import logging
from datetime import UTC, datetime
from threading import Condition, Thread
from time import monotonic

from syncd.core.bundle import bundle_digest
from syncd.core.model import Hold, Known, Report
from syncd.core.restarts.rules import WAITING_RULES
from syncd.engine.crew import Crew
from syncd.engine.handshake_proofs import HandshakeProofs
from syncd.engine.looking.asking import Asking
from syncd.engine.looking.evidence import Evidence
from syncd.engine.looking.installations import Installations
from syncd.engine.looking.links import Links
from syncd.engine.looking.page import Page
from syncd.engine.rings import PROOF
from syncd.engine.world import World
from syncd.ports import Ring, now

_LOG = logging.getLogger(__name__)
_QUICK, _QUICK_EACH = 0.1, 0.01
"""Seconds between looks at the logs in which proofs are awaited: at least, and for each log."""
_SOON = 5.0
"""Seconds between looks at Elasticsearch and the remotes while something is not as it should be."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_RESTARTING = 0.1
"""Seconds between looks at the cluster while a node is restarted: each costs time in which the next one waits."""
_HOPEFUL = 180.0
"""Seconds after a change in which something may still come right by itself; then the usual interval is enough."""


class Prover:
    """Gathers the slow observations of one cluster, in a thread of its own."""

    def __init__(self, world: World, crew: Crew, proofs: HandshakeProofs, ring: Ring) -> None:
        self._world = world
        self._proofs = proofs
        self._ring = ring
        self._asking = Asking(world, crew)
        self._links = Links(world, crew)
        self._installations = Installations(world, crew)
        self._evidence = Evidence(world, crew, proofs)
        self._changed = Condition()
        self._page = Page.nothing_yet(now())
        self._report: Report | None = None
        self._stopping = False
        self._due = 0.0
        self._hurry = False
        self._hopeful_until = monotonic() + _HOPEFUL
        self._first = True
        self._thread = Thread(target=self._run, name=f"prover {world.policy.cluster}", daemon=True)

    @property
    def page(self) -> Page:
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

    def sweep(self) -> Page:
        """One look at everything, now, in the caller's thread: for `syncd once`, `plan` and `check`."""
        report = self._report
        page = self._links.update(self._asking.update(self._page, report), report)
        self._page = self._evidence.update(self._installations.update(page, report), report)
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
            page = self._installations.update(self._links.update(self._asking.update(page, report), report), report)
        elif _restarting(page, report):
            asked, looked = self._asking.begin(page, report, quick=True), self._installations.begin(page, report)
            page = looked(asked(page))
        else:
            page = self._installations.update(page, report)
        page = self._evidence.update(page, report)
        differs = page.gist() != self._page.gist() or _tells_at_last(self._page, page, report)
        with self._changed:
            self._page = page
            self._first = False
            self._changed.notify_all()
        if differs:
            self._ring(PROOF)

    def _is_stale(self, page: Page) -> bool:
        """Whether a proof by handshake changed the cluster since it was looked at."""
        changed = self._proofs.state.changed
        return isinstance(page.cluster, Known) and changed is not None and page.cluster.at < changed

    def _interval(self, report: Report | None) -> float:
        """Seconds until Elasticsearch and the remotes are looked at again."""
        probe = self._world.pace.probe
        pending = report is None or any(map(_pending, report.plan.holds))
        return min(probe, _SOON) if pending and monotonic() < self._hopeful_until else probe

    def _rest(self) -> None:
        awaiting = self._evidence.awaiting(self._report) if self._report else 0
        wait = max(_QUICK, awaiting * _QUICK_EACH) if awaiting else max(0.05, self._due - monotonic())
        wait = min(wait, _RESTARTING) if _restarting(self._page, self._report) else wait
        wait = 0.0 if self._hurry else wait
        with self._changed:
            told = self._report
            self._changed.wait_for(lambda: self._stopping or self._report is not told, timeout=wait)


def _restarting(page: Page, report: Report | None) -> bool:
    """Whether a restart is open, or something was done to one that the page cannot tell of yet."""
    cluster, acted = page.cluster, report.seen.acted if report else None
    if not isinstance(cluster, Known) or acted is None:
        return acted is not None
    lately = (now() - acted).total_seconds() < _HOPEFUL
    held = lately and report is not None and any(hold.rule in WAITING_RULES for hold in report.plan.holds)
    return page.restarting is not None or cluster.at <= acted or held


def _tells_at_last(before: Page, page: Page, report: Report | None) -> bool:
    """Whether this page, unlike the one before, was looked at after what a pass did last: it waits for that."""
    edited = report.seen.edited if report else None
    return edited is not None and _oldest(before) <= edited < _oldest(page)


def _oldest(page: Page) -> datetime:
    """When the cluster, or a node's installation, was looked at the longest ago."""
    times = [part.at for part in (page.cluster, *page.sites.values()) if isinstance(part, Known)]
    return min(times, default=_NEVER)


def _pending(hold: Hold) -> bool:
    """Whether a hold may be lifted by what is seen next, rather than by a person or by time."""
    return hold.rule not in {"overlap", "unmanaged_node", "observe", "standby", "paused"}


def _files(report: Report | None) -> dict[object, object]:
    nodes = report.seen.nodes.values() if report else ()
    files = (((node.name, context), file) for node in nodes for context, file in node.files.items())
    return {place: bundle_digest(file.value.trust.certs) for place, file in files if isinstance(file, Known)}


def _published(report: Report | None) -> list[object]:
    remotes = report.seen.remotes.values() if report else ()
    return [remote.published.value.ca for remote in remotes if isinstance(remote.published, Known)]
