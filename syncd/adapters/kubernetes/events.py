"""Kubernetes Events on the Secret: told by a thread of its own, so that a pass never waits for them."""

import logging
from collections import deque
from hashlib import sha256
from threading import Lock, Thread

from syncd.adapters.kubernetes.client import MERGE, KubeClient, KubeError
from syncd.ports import Deadline, NoticeKind, now

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 100
_MOST_TEXT = 1000
"""An Event's message may have 1,024 bytes."""
_CURES = {
    "forbidden": "Grant get, create and patch on events in namespace {}; docs/kubernetes.md has the Role",
    "not_found": "There is no namespace {}: check source.namespace",
    "unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
}
_CURE = "Check the API server and the network; nothing else waits for it"

_Note = tuple[NoticeKind, str, str]


class EventNotices:
    """Events about one Secret; the same event again raises its count. Its thread lives while there is something to tell."""

    def __init__(self, client: KubeClient, namespace: str, secret: str) -> None:
        self._client = client
        self._namespace = namespace
        self._secret = secret
        self._path = f"/api/v1/namespaces/{namespace}/events"
        self._lock = Lock()
        self._waiting: deque[_Note] = deque()
        self._thread: Thread | None = None
        self._failing = ""
        """Why Events cannot be written, as it was last logged; empty: they can, as far as is known."""

    def tell(self, kind: NoticeKind, reason: str, text: str) -> None:
        """See `ports.Notices.tell`."""
        short = text.encode(errors="replace")[:_MOST_TEXT].decode(errors="ignore")
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                _LOG.debug("too many events wait; dropped %s", reason)
                return
            self._waiting.append((kind, reason, short))
            if self._thread is None:
                self._thread = Thread(target=self._run, name=f"events {self._secret}", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Wait until what waits is told, for two seconds at most."""
        thread = self._thread
        if thread:
            thread.join(2)

    def _run(self) -> None:
        while note := self._next():
            try:
                self._send(*note)
                self._note("")
            except (KubeError, ValueError, TypeError) as error:
                self._note(error.fault if isinstance(error, KubeError) else type(error).__name__, error)

    def _note(self, fault: str, error: Exception | None = None) -> None:
        """Log when writing begins to fail, fails otherwise, or works again: not for each Event."""
        if error:
            level = logging.DEBUG if fault == self._failing else logging.WARNING
            cure = _CURES.get(fault, _CURE).format(self._namespace)
            _LOG.log(
                level, "Events on secret %s/%s cannot be written: %s. %s", self._namespace, self._secret, error, cure
            )
        elif self._failing:
            _LOG.info("Events on secret %s/%s are written again", self._namespace, self._secret)
        self._failing = fault

    def _next(self) -> _Note | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._thread = None
            return None

    def _send(self, kind: str, reason: str, text: str) -> None:
        name = f"{self._secret[:200]}.{sha256(f'{kind} {reason} {text}'.encode()).hexdigest()[:16]}"
        path, deadline = f"{self._path}/{name}", Deadline.after(5)
        moment = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            there = self._client.request("GET", path, deadline)
        except KubeError as error:
            if error.fault != "not_found":
                raise
            self._client.request("POST", self._path, deadline, body=self._body(name, kind, reason, text, moment))
            return
        again = {"count": int(there.body.get("count") or 1) + 1, "lastTimestamp": moment}
        self._client.request("PATCH", path, deadline, body=again, kind=MERGE)

    def _body(self, name: str, kind: str, reason: str, text: str, moment: str) -> dict[str, object]:
        about = {"apiVersion": "v1", "kind": "Secret", "namespace": self._namespace, "name": self._secret}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self._namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": text,
            "source": {"component": "syncd"},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
