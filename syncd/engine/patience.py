"""When to try again: capped back-off with jitter, per thing that fails.

By the monotonic clock: when the wall's is set back by an hour, nothing is left alone for an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import random
from time import monotonic

from syncd.core.errors import SyncdError


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds to wait after the n-th failure in a row: doubling from `first` to `cap`, each shortened at random."""

    first: float = 1.0
    cap: float = 20.0
    jitter: float = 0.25

    def delay(self, failures: int) -> float:
        """Seconds before the next try; `failures` counts from 1."""
        full = min(self.cap, self.first * 2.0 ** min(failures - 1, 30))
        return full * (1 - self.jitter * random())  # noqa: S311 - spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Trouble:
    """A thing that fails, since when, and when it is tried again."""

    error: SyncdError
    since: datetime
    failures: int
    again: float
    """On the monotonic clock."""


class Patience:
    """Remembers what fails, so that a dead host is not dialed in every pass."""

    def __init__(self, backoff: Backoff, clock: Callable[[], float] = monotonic) -> None:
        self._backoff = backoff
        self._clock = clock
        self._troubles: dict[str, Trouble] = {}

    def note(self, key: str, error: SyncdError | None, at: datetime) -> None:
        """A try ended at a moment of the wall's clock: with an error, or well."""
        if error is None:
            self._troubles.pop(key, None)
            return
        before = self._troubles.get(key)
        failures = before.failures + 1 if before else 1
        again = self._clock() + self._backoff.delay(failures)
        self._troubles[key] = Trouble(error, before.since if before else at, failures, again)

    def trouble(self, key: str) -> Trouble | None:
        """What is wrong with a thing now."""
        return self._troubles.get(key)

    def may_try(self, key: str) -> bool:
        """Whether its time has come."""
        return self.wait(key) == 0

    def wait(self, key: str) -> float:
        """Seconds until its time comes."""
        trouble = self._troubles.get(key)
        return max(0.0, trouble.again - self._clock()) if trouble else 0.0

    def next_try(self) -> float | None:
        """Seconds until the first of the troubled things is tried again."""
        return min(map(self.wait, self._troubles), default=None)
