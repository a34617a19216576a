"""What was done and seen, in order; what must not be; and the figures for the end."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rest:
    """What the daemon used while nothing was going on."""

    at: float
    pid: int
    rss_mb: float
    descriptors: int
    threads: int


@dataclass
class Ledger:
    """Everything that the report tells. Times in seconds since the beginning."""

    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    made: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    rests: list[Rest] = field(default_factory=list)
    connections: Counter[str] = field(default_factory=Counter)
    """Fresh connections that worked, by node."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def note(self, text: str) -> None:
        with self._lock:
            line = f"{time.strftime('%H:%M:%S')} {self.elapsed():7.1f} {text}"
            self.lines.append(line)
            print(line, flush=True)  # noqa: T201 - this is what a person watches

    def violation(self, text: str) -> None:
        self.violations.append(text)
        self.note(f"VIOLATION {text}")

    def recovered(self, fault: str, seconds: float) -> None:
        self.slowest[fault] = max(seconds, self.slowest.get(fault, 0.0))
        self.note(f"  all well {seconds:.1f} s after the cure")


class Excuses:
    """Which nodes a fault itself keeps from the remote, so that their connections may fail."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._on: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def excused(self, *names: str, grace: float = 3.0) -> Iterator[None]:
        """Within, and for `grace` seconds after it."""
        with self._lock:
            self._on.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._on.subtract(names)
                for name in names:
                    self._until[name] = max(self._until.get(name, 0), time.monotonic() + grace)

    def excuse(self, names: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            for name in names:
                self._until[name] = max(self._until.get(name, 0), time.monotonic() + seconds)

    def covers(self, name: str, since: float | None = None) -> bool:
        """Whether something that began at `since` (now, if None) and ends now may fail."""
        with self._lock:
            return self._on[name] > 0 or self._until.get(name, 0) > (time.monotonic() if since is None else since)
