"""When a pass is made: at the leading edge of a bell, by the clock, and again after a failure."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Condition, Thread
from time import monotonic

from syncd.core.model import Report
from syncd.engine.patience import Backoff
from syncd.engine.rings import AGAIN, CLOCK
from syncd.ports import now

_LOG = logging.getLogger(__name__)

Pass = Callable[[tuple[str, ...], datetime], Report]
"""Makes one pass; takes the bells that rang and when the first of them did."""


@dataclass(frozen=True, slots=True)
class Heart:
    """Signs of life of a loop."""

    beat: float
    """Monotonic time of the last finished pass, or of the start."""
    passes: int
    crashes: int
    """Passes that ended by a fault of syncd's own, or could not be told."""


class Loop:
    """One cluster's loop, in a thread of its own. A pass that raises fails alone; the loop lives."""

    def __init__(
        self, cluster: str, make_pass: Pass, tell: Callable[[Report], None], gap: float = 0.1, longest: float = 90.0
    ) -> None:
        """`longest`: seconds, by the monotonic clock, after which a pass is made whatever the bells do.

        The clock's bell rings by the wall's clock: set back by an hour, it is silent for an hour.
        """
        self._cluster = cluster
        self._make_pass = make_pass
        self._tell = tell
        self._gap = gap
        self._longest = longest
        self._changed = Condition()
        self._rang: list[str] = []
        self._first_rang: datetime | None = None
        self._stopping = False
        self._heart = Heart(monotonic(), 0, 0)
        self._failures = 0
        self._backoff = Backoff()
        self._thread = Thread(target=self._run, name=f"loop {cluster}", daemon=True)

    def start(self) -> None:
        """Begin with a pass."""
        self.ring("start")
        self._thread.start()

    def ring(self, reason: str) -> None:
        """Ask for a pass. May be called from any thread, also while a pass is running: then another one follows."""
        with self._changed:
            self._rang.append(reason)
            self._first_rang = self._first_rang or now()
            self._changed.notify_all()

    def stop(self, timeout: float) -> bool:
        """End after the step at hand; whether it ended within so many seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def heart(self) -> Heart:
        """Signs of life."""
        return self._heart

    def _run(self) -> None:
        wait: float | None = None
        while (bells := self._bells(wait)) is not None:
            wait = self._one(*bells)

    def _bells(self, wait: float | None) -> tuple[tuple[str, ...], datetime] | None:
        """The bells that rang, once one has or the wait is over; None: stop."""
        with self._changed:
            due = wait is not None and wait <= self._longest
            self._changed.wait_for(lambda: self._stopping or self._rang, timeout=wait if due else self._longest)
            if self._stopping:
                return None
            rang, since = tuple(dict.fromkeys(self._rang)), self._first_rang
            self._rang, self._first_rang = [], None
            return rang or (AGAIN if due else CLOCK,), since or now()

    def _one(self, rang: tuple[str, ...], since: datetime) -> float | None:
        """A pass; returns the seconds until the next one is due without a bell."""
        try:
            report = self._make_pass(rang, since)
        except Exception:  # noqa: BLE001 - a fault of syncd's own must not end the loop; the next pass looks anew
            _LOG.exception("the pass over %s failed in a way syncd did not expect", self._cluster)
            self._heart = Heart(self._heart.beat, self._heart.passes, self._heart.crashes + 1)
            return self._after_failure()
        self._heart = Heart(monotonic(), self._heart.passes + 1, self._heart.crashes)
        self._told(report)
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, timeout=self._gap)
        if report.failures:
            return self._after_failure()
        self._failures = 0
        return 0.0 if _wrote(report) else _until(report)

    def _told(self, report: Report) -> None:
        """Who is told of a pass must not end the loop either: the pass was made."""
        try:
            self._tell(report)
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception("what a pass over %s found could not be told in full", self._cluster)
            self._heart = Heart(self._heart.beat, self._heart.passes, self._heart.crashes + 1)

    def _after_failure(self) -> float:
        self._failures += 1
        return self._backoff.delay(self._failures)


def _wrote(report: Report) -> bool:
    """Whether files changed: then the next pass looks at once, so that what is told is about the new ones."""
    return any(outcome.written for outcome in report.outcomes)


def _until(report: Report) -> float | None:
    moments = [moment for moment in (report.plan.wake_at, report.again) if moment]
    return max(0.0, (min(moments) - now()).total_seconds()) if moments else None
