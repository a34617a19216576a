"""Things that ring: changed files, and the clock. A bell says "look" and carries no data."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

from apscheduler.schedulers.background import BackgroundScheduler
from watchfiles import watch

from syncd.ports import Ring, now

_LOG = logging.getLogger(__name__)
_STEP = 100
"""Milliseconds between looks at what the kernel has told: the library polls, and each look wakes this process."""
_RETRY = 5.0
"""Seconds after which folders that were missing are looked for again."""


class FileBell:
    """Rings when one of some files changes, by whatever means: their folders are watched.

    Watching a file itself goes deaf after the first rename, which is how files (and mounted Secrets) are replaced.
    """

    def __init__(self, paths: Iterable[str], reason: str) -> None:
        self._paths = tuple(map(Path, paths))
        self._folders = {path.parent for path in self._paths}
        self._seen = self._stamps()
        self._reason = reason
        self._stopping = Event()
        self._thread: Thread | None = None

    def start(self, ring: Ring) -> None:
        """See `ports.Bell.start`."""
        self._thread = Thread(target=self._run, args=(ring,), name=f"bell {self._reason}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `ports.Bell.stop`."""
        self._stopping.set()
        if self._thread:
            self._thread.join(2)

    def _run(self, ring: Ring) -> None:
        while not self._stopping.is_set():
            there = [folder for folder in self._folders if folder.is_dir()]
            try:
                self._watch(there, ring)
            except OSError as error:
                _LOG.warning("watching files for %s failed, it is tried again: %s", self._reason, error)
            self._stopping.wait(0.2 if there else _RETRY)

    def _watch(self, folders: list[Path], ring: Ring) -> None:
        if not folders:
            return
        patience = 5_000 if len(folders) < len(self._folders) else 60_000  # milliseconds until folders are listed anew
        changes = watch(
            *folders, stop_event=self._stopping, recursive=False, step=_STEP, debounce=2 * _STEP, rust_timeout=500,
            yield_on_timeout=True, raise_interrupt=False,
        )  # fmt: skip
        waited = 0
        for changed in changes:
            waited = 0 if changed else waited + 500
            if self._seen != (stamps := self._stamps()):  # other files of the folder change, too: a log, say
                self._seen = stamps
                ring(self._reason)
            if waited >= patience or not all(folder.is_dir() for folder in folders):
                return

    def _stamps(self) -> tuple[object, ...]:
        """What tells one content of each file from the next, also after a link on its way was set anew."""
        return tuple(map(_stamp, self._paths))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ClockBell:
    """Rings every so often."""

    def __init__(self, interval: timedelta, reason: str = "clock") -> None:
        self._interval = interval
        self._reason = reason
        self._scheduler = BackgroundScheduler(daemon=True, timezone="UTC")

    def start(self, ring: Ring) -> None:
        """See `ports.Bell.start`."""
        self._scheduler.add_job(
            ring, "interval", args=(self._reason,), seconds=self._interval.total_seconds(), coalesce=True,
            misfire_grace_time=None, start_date=now() + self._interval,
        )  # fmt: skip
        self._scheduler.start()

    def stop(self) -> None:
        """See `ports.Bell.stop`."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
