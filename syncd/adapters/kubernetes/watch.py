"""A watch on one object, as a bell and nothing more: what changed is always read by name."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from random import uniform
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import urllib3

from syncd.adapters.kubernetes.client import KubeClient, KubeError
from syncd.ports import Deadline, Ring

_LOG = logging.getLogger(__name__)
_FIRST, _CAP = 0.5, 30.0
_MOST_LINE = 8 * 1024 * 1024
"""Most bytes of one event."""


class ObjectWatch:
    """Rings when an object is added, modified or deleted. Survives 410, drops, silence, refusals and restarts.

    `patience` in seconds: how long one watch is kept; shorter than any load balancer's patience with an idle stream
    (the shortest known is 240 s), since such a stream goes deaf without an error.

    Each watch begins at the present and not at the version that was read: a server that was restarted does not remember
    the version of an object that has not changed since, and answers 410 to it for ever (seen on kube-apiserver 1.36).
    """

    def __init__(
        self, client: KubeClient, namespace: str, plural: str, name: str, reason: str, patience: float = 60.0
    ) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/{plural}"
        self.name = name
        self.watched = f"{plural} {namespace}/{name}"
        """What a person calls it: two namespaces may have an object of one name."""
        self._reason = reason
        self._patience = patience
        self._stopping = Event()
        self._lock = Lock()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._thread: Thread | None = None
        self._rung_for = ""
        self._restarts: Counter[str] = Counter()

    @property
    def restarts(self) -> dict[str, int]:
        """How often it began anew, by cause."""
        with self._lock:
            return dict(self._restarts)

    @property
    def open(self) -> bool:
        """Whether the server has accepted it and it has not ended."""
        return self._response is not None

    def start(self, ring: Ring) -> None:
        """See `ports.Bell.start`."""
        self._thread = Thread(target=self._run, args=(ring,), name=f"watch {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `ports.Bell.stop`."""
        self._stopping.set()
        with self._lock, suppress(ValueError, RuntimeError, OSError):  # it may be ending by itself
            if self._response is not None:
                self._response.shutdown()  # frees the thread that reads from it
        if self._thread:
            self._thread.join(1.5)

    def _run(self, ring: Ring) -> None:
        delay = _FIRST
        while not self._stopping.is_set():
            cause, lasted = self._once(ring)
            with self._lock:
                self._restarts[cause] += 1
            if self._stopping.is_set():
                return
            _LOG.debug("the watch on %s ended: %s", self.name, cause)
            if lasted > self._patience / 12:
                delay = _FIRST
                if cause == "ended":
                    continue
            self._stopping.wait(delay * uniform(0.75, 1.25))  # noqa: S311 - spreads load, guards nothing
            delay = min(_CAP, delay * 2)

    def _once(self, ring: Ring) -> tuple[str, float]:
        """One watch from its beginning to its end: why it ended, and how many seconds it was open."""
        opened = None
        try:
            self._compare(self._current(), ring)  # it may have changed, or gone, while nobody watched
            response = self._open()
            opened = monotonic()
            cause = self._follow(response, ring)
        except KubeError as error:
            cause = error.fault
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            cause = "silent" if isinstance(error, urllib3.exceptions.ReadTimeoutError) else "dropped"
        return cause, monotonic() - opened if opened else 0.0

    def _current(self) -> str:
        """The version of the object; empty: there is none."""
        try:
            return self._client.request("GET", f"{self._path}/{self.name}", Deadline.after(10)).version
        except KubeError as error:
            if error.fault == "not_found":
                return ""
            raise

    def _compare(self, version: str, ring: Ring) -> None:
        if version != self._rung_for:
            self._rung_for = version
            ring(self._reason)

    def _open(self) -> urllib3.BaseHTTPResponse:
        seconds = max(1, round(self._patience * uniform(0.8, 1)))  # noqa: S311 - spreads load, guards nothing
        query = {"watch": "1", "fieldSelector": f"metadata.name={self.name}", "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(seconds)
        # The client waits longer than the server keeps it open, so that silence is a fault.
        return self._client.stream(self._path, query, self._patience * 1.25)

    def _follow(self, response: urllib3.BaseHTTPResponse, ring: Ring) -> str:
        with self._lock:
            self._response = response
        try:
            for event in _events(response) if not self._stopping.is_set() else ():
                if fault := self._hear(event, ring):
                    return fault
            return "ended"
        finally:
            with self._lock:
                self._response = None
            response.close()

    def _hear(self, event: dict[str, Any], ring: Ring) -> str:
        """Ring for a change; returns the cause where the event ends the watch."""
        body = event.get("object")
        body = body if isinstance(body, dict) else {}
        match event.get("type"):
            case "ERROR":
                return "expired" if body.get("code") == 410 else "error"  # noqa: PLR2004 - HTTP Gone
            case "ADDED" | "MODIFIED":  # each watch begins with an ADDED of what is there
                self._compare(str((body.get("metadata") or {}).get("resourceVersion", "")), ring)
            case "DELETED":
                self._compare("", ring)
        return ""


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """One JSON object a line. Raises ValueError for anything else."""
    rest = b""
    while part := response.read1(65536, decode_content=True):
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > _MOST_LINE:
            raise ValueError("an event without an end")
        for line in filter(None, map(bytes.strip, lines)):
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("an event that is no object")  # noqa: TRY004 - of the peer's making
            yield event
