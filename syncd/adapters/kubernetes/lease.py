"""The permit as a Lease. Small and of our own: the client's election never notices that it has stopped leading.

Two rules make it sound whatever the network and the clocks do. We hold it only until `duration` after the moment *before*
the last successful renewal was sent, on the local monotonic clock. We take it from another only after having seen the
same record, unchanged, for its whole duration on the local monotonic clock.
"""

import logging
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from syncd.adapters.kubernetes.client import Answer, KubeClient, KubeError
from syncd.ports import Deadline, Ring, now

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Record:
    """Somebody's hold of the Lease, as it was seen."""

    version: str
    holder: str
    duration: float
    first_seen: float


class LeasePermit:
    """One Lease. Times in seconds."""

    def __init__(self, client: KubeClient, namespace: str, name: str, duration: float = 15.0) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._duration = duration
        self._me = f"{os.uname().nodename}_{os.getpid()}_{secrets.token_hex(4)}"
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._lock = Lock()
        self._valid_until = 0.0
        self._other: _Record | None = None
        self._uid = ""
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def owner(self) -> str:
        """The Lease's own identity: the same after a restart, another in another Kubernetes."""
        return f"lease/{self._namespace}/{self._name}/{self._uid}" if self._uid else ""

    def start(self, ring: Ring) -> None:
        """See `ports.Permit.start`."""
        self._thread = Thread(target=self._run, args=(ring,), name=f"lease {self._name}", daemon=True)
        self._thread.start()

    def valid(self) -> bool:
        """See `ports.Permit.valid`."""
        return monotonic() < self._valid_until

    def holder(self) -> str:
        """See `ports.Permit.holder`."""
        if self.valid():
            return self._me
        return self._other.holder if self._other else ""

    def stop(self) -> None:
        """See `ports.Permit.stop`."""
        self._stopping.set()
        if self._thread:
            self._thread.join(2)
        if self.valid():
            self._valid_until = 0.0
            try:
                self._release()
            except KubeError as error:
                _LOG.info("the lease %s could not be given back, it ends by itself: %s", self._name, error.text)

    def _run(self, ring: Ring) -> None:
        held = False
        while not self._stopping.is_set():
            try:
                self._once()
            except KubeError as error:
                _LOG.warning("the lease %s/%s could not be renewed: %s", self._namespace, self._name, error.text)
            if self.valid() != held:
                held = not held
                ring("permit")
            self._stopping.wait(self._duration / 5)

    def _once(self) -> None:
        """Look at the Lease; renew it if it is ours, take it if it is free."""
        sent = monotonic()
        deadline = Deadline.after(self._duration / 3)
        lease = self._read(deadline)
        if lease is None:
            self._took(self._write("POST", self._path, None, deadline), sent)
        elif self._may_take(lease):
            self._took(self._write("PUT", f"{self._path}/{self._name}", lease, deadline), sent)

    def _took(self, lease: Answer | None, sent: float) -> None:
        if lease is None:
            return  # somebody was faster
        with self._lock:
            self._uid = lease.uid
            self._other = None
            self._valid_until = sent + self._duration * 0.9

    def _read(self, deadline: Deadline) -> Answer | None:
        try:
            lease = self._client.request("GET", f"{self._path}/{self._name}", deadline)
        except KubeError as error:
            if error.status == 404:  # noqa: PLR2004
                return None
            raise
        self._uid = lease.uid
        return lease

    def _may_take(self, lease: Answer) -> bool:
        spec: dict[str, Any] = lease.body.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._me):
            return True
        self._valid_until = 0.0
        if self._other is None or self._other.version != lease.version:
            duration = float(spec.get("leaseDurationSeconds") or self._duration)
            self._other = _Record(lease.version, holder, duration, monotonic())
        return monotonic() - self._other.first_seen > self._other.duration

    def _write(self, method: str, path: str, lease: Answer | None, deadline: Deadline) -> Answer | None:
        try:
            return self._client.request(method, path, deadline, body=self._body(lease, self._me))
        except KubeError as error:
            if error.status == 409:  # noqa: PLR2004
                return None
            raise

    def _release(self) -> None:
        lease = self._read(Deadline.after(2))
        if lease and (lease.body.get("spec") or {}).get("holderIdentity") == self._me:
            self._client.request("PUT", f"{self._path}/{self._name}", Deadline.after(2), body=self._body(lease, ""))

    def _body(self, lease: Answer | None, holder: str) -> dict[str, object]:
        old: dict[str, Any] = (lease.body.get("spec") or {}) if lease else {}
        moment = _micro(now())
        changed = old.get("holderIdentity") != holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "acquireTime": moment if changed else old.get("acquireTime", moment),
            "renewTime": moment,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if changed and holder else 0),
        }
        metadata = {"name": self._name, "namespace": self._namespace}
        if lease:
            metadata["resourceVersion"] = lease.version
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
