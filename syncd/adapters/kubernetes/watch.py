"""A watch on one object, as a bell and nothing more: what changed is always read by name."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from random import random
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import urllib3

from syncd.adapters.kubernetes.client import KubeClient, KubeError
from syncd.ports import Deadline, Ring

_LOG = logging.getLogger(__name__)
_SERVER_SECONDS = 60
"""How long the server keeps a watch open: shorter than any load balancer's patience with an idle stream."""
_READ_SECONDS = 75.0
"""How long the client waits for anything, bookmarks included: longer than the server's time, so that silence is a fault."""
_FIRST, _CAP = 0.5, 30.0


class ObjectWatch:
    """Rings when an object is added, modified or deleted. Survives 410, drops, silence, refusals and restarts."""

    def __init__(self, client: KubeClient, namespace: str, plural: str, name: str, reason: str) -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/{plural}"
        self.name = name
        self._reason = reason
        self._stopping = Event()
        self._lock = Lock()
        self._response: urllib3.BaseHTTPResponse | None = None
        self._thread: Thread | None = None
        self._version = ""
        self.restarts: Counter[str] = Counter()
        """How often it began anew, by cause."""

    def start(self, ring: Ring) -> None:
        """See `ports.Bell.start`."""
        self._thread = Thread(target=self._run, args=(ring,), name=f"watch {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `ports.Bell.stop`."""
        self._stopping.set()
        with self._lock:
            if self._response is not None:
                self._response.shutdown()  # frees the thread that reads from it
        if self._thread:
            self._thread.join(2)

    def _run(self, ring: Ring) -> None:
        delay = _FIRST
        while not self._stopping.is_set():
            began = monotonic()
            cause = self._once(ring)
            self.restarts[cause] += 1
            if cause == "ended" or monotonic() - began > _READ_SECONDS / 2:
                delay = _FIRST
                continue
            _LOG.debug("the watch on %s ended: %s", self.name, cause)
            self._stopping.wait(delay * (0.75 + random() / 2))  # noqa: S311 - spreads load, guards nothing
            delay = min(_CAP, delay * 2)

    def _once(self, ring: Ring) -> str:
        """One watch from its beginning to its end; the cause of the end."""
        try:
            version = self._current()
            if version != self._version:
                self._version = version
                ring(self._reason)  # it changed while nobody watched
            return self._follow(version, ring)
        except KubeError as error:
            return "expired" if error.status == 410 else f"http_{error.status}" if error.status else "unreachable"  # noqa: PLR2004
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            return "silent" if isinstance(error, urllib3.exceptions.ReadTimeoutError) else "dropped"

    def _current(self) -> str:
        """The version to watch from; a missing object is watched from the present of its kind."""
        try:
            return self._client.request("GET", f"{self._path}/{self.name}", Deadline.after(10)).version
        except KubeError as error:
            if error.status == 404:  # noqa: PLR2004
                return ""
            raise

    def _follow(self, version: str, ring: Ring) -> str:
        query = {"watch": "1", "fieldSelector": f"metadata.name={self.name}", "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": version} if version else {}
        query["timeoutSeconds"] = str(_SERVER_SECONDS)
        response = self._client.stream(self._path, query, _READ_SECONDS)
        with self._lock:
            self._response = response
        try:
            for event in _events(response):
                self._version = str(event["object"].get("metadata", {}).get("resourceVersion", self._version))
                match event.get("type"):
                    case "ERROR":
                        return "expired"
                    case "ADDED" | "MODIFIED" | "DELETED":
                        ring(self._reason)
                if self._stopping.is_set():
                    break
            return "ended"
        finally:
            with self._lock:
                self._response = None
            response.close()


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """One JSON document a line."""
    rest = b""
    for part in response.stream(4096, decode_content=True):
        *lines, rest = (rest + part).split(b"\n")
        yield from (json.loads(line) for line in lines if line.strip())
