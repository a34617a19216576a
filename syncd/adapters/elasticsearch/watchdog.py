"""One thread that ends what takes too long, for any number of requests: a timer for each costs more than the request."""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Condition, Thread
from time import monotonic


class Watchdog:
    """Calls what it was given, unless that was over in time."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._due: list[tuple[float, int]] = []
        self._bites: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._thread: Thread | None = None

    @contextmanager
    def after(self, seconds: float, bite: Callable[[], None]) -> Iterator[None]:
        """Call `bite`, which must not block or raise, if this lasts longer than so many seconds."""
        with self._changed:
            number = next(self._numbers)
            self._bites[number] = bite
            heapq.heappush(self._due, (monotonic() + seconds, number))
            if self._thread is None:
                self._thread = Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
            elif self._due[0][1] == number:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._bites.pop(number, None)

    def _watch(self) -> None:
        while True:
            with self._changed:
                while self._due and self._due[0][1] not in self._bites:
                    heapq.heappop(self._due)
                wait = self._due[0][0] - monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                bite = self._bites.pop(heapq.heappop(self._due)[1])
            bite()
