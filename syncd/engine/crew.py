"""Runs jobs on many nodes in parallel; a slow one holds up nobody.

A job that is late goes on in its thread and rings when it is done; its result goes to whoever asks for the same job next.
Many of them hold up nobody either: each lane has threads of its own.
"""

import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from syncd.core.errors import HostError, SyncdError
from syncd.engine.rings import LATE
from syncd.ports import Ring

T = TypeVar("T")
_NEAR = 256
"""Most threads for what is not on a host: more than there are such jobs, so that none of them waits for another."""


class Lane(Enum):
    """Whose threads a job gets: those of one lane never wait for those of another."""

    NEAR = auto()
    """What is not on a host: the memory, sources, ECK, the cluster, and what goes on for minutes."""
    HOSTS = auto()
    """Hosts, as far as is known."""
    SILENT = auto()
    """Hosts that did not answer the last time; each may take its thread for the whole of a call."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A job's result."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """A job's error, one of ours."""

    error: SyncdError


@dataclass(frozen=True, slots=True)
class Late:
    """The job is still running."""


Result = Done[T] | Failed | Late


class Crew:
    """Bounded pools of threads that run at most one job per key at a time."""

    def __init__(self, name: str, workers: int, ring: Ring) -> None:
        sizes = {Lane.NEAR: _NEAR, Lane.HOSTS: workers, Lane.SILENT: max(1, workers // 2)}
        self._pools = {lane: ThreadPoolExecutor(size, f"{name} {lane.name.lower()}") for lane, size in sizes.items()}
        self._ring = ring
        self._lock = Lock()
        self._running: dict[str, Future[object]] = {}

    def each(
        self, jobs: Mapping[str, Callable[[], T]], patience: float, lane: Lane = Lane.HOSTS
    ) -> dict[str, Result[T]]:
        """The result of each job by key, or Late after `patience` seconds."""
        return self.begin(jobs, lane)(patience)

    def begin(
        self, jobs: Mapping[str, Callable[[], T]], lane: Lane = Lane.HOSTS
    ) -> Callable[[float], dict[str, Result[T]]]:
        """Like `each`, but start now and wait later: call what is returned with the patience."""
        futures = {key: self._start(key, job, lane) for key, job in jobs.items()}

        def results(patience: float) -> dict[str, Result[T]]:
            wait(futures.values(), timeout=patience)
            return {key: self._collect(key, future) for key, future in futures.items()}

        return results

    def _start(self, key: str, job: Callable[[], T], lane: Lane) -> "Future[T]":
        with self._lock:
            running = self._running.get(key)
            if running is None:
                running = self._pools[lane].submit(job)
                self._running[key] = running
            return running  # type: ignore[return-value]  # a key names one kind of job

    def _collect(self, key: str, future: "Future[T]") -> Result[T]:
        if not future.done():
            future.add_done_callback(lambda _: self._ring(LATE))
            return Late()
        with self._lock:
            if self._running.get(key) is future:
                del self._running[key]
        error = future.exception()
        if error is None:
            return Done(future.result())
        if isinstance(error, SyncdError):
            return Failed(error)
        if isinstance(error, Exception):
            return Failed(_unexpected(key, error))
        raise error

    def close(self) -> None:
        """Take no more jobs; those that run end by their own deadlines, or when their connections are closed."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def _unexpected(key: str, error: Exception) -> HostError:
    """A fault of syncd's own: reported as such, and it fails this one job only.

    Its text is a library's and may hold anything, a credential too, so only its kind and place in the code are told.
    """
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    text = f"an error that syncd did not expect ({type(error).__name__}{place})"
    wrapped = HostError("unexpected", text, where=key, cure="Please report it with this line")
    wrapped.__cause__ = error
    return wrapped
