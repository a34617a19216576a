"""The permit as a Lease. Small and of our own: the client's election never notices that it has stopped leading.

Three rules make it sound whatever the network and the clocks do. We hold it only until `duration` (less a margin for
clocks that run apart) after the moment *before* the last successful renewal was sent, on the local monotonic clock. We
take it from another only after having seen the same record, unchanged, for its whole duration on the local monotonic
clock; a Lease that is suddenly gone counts as such a record. And each write names the version that it saw.
"""

import logging
import math
import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from time import monotonic
from typing import Any

from syncd.adapters.kubernetes.client import Answer, KubeClient, KubeError
from syncd.ports import Deadline, Ring, now

_LOG = logging.getLogger(__name__)
_MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class _Record:
    """Somebody's hold of the Lease, as it was seen."""

    version: str
    """Empty: the Lease that was there is gone."""
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
        self._valid_until = 0.0
        self._other: _Record | None = None
        self._uid = ""
        self._trouble = ""
        self._told = ""
        """Which kind of trouble was last logged; empty: none, or its end."""
        self._stopping = Event()
        self._thread: Thread | None = None

    @property
    def owner(self) -> str:
        """The Lease's own identity: the same after a restart, another in another Kubernetes; empty until it was read."""
        return f"lease/{self._namespace}/{self._name}/{self._uid}" if self._uid else ""

    def start(self, ring: Ring) -> None:
        """See `ports.Permit.start`."""
        self._thread = Thread(target=self._run, args=(ring,), name=f"lease {self._name}", daemon=True)
        self._thread.start()

    def valid(self) -> bool:
        """See `ports.Permit.valid`."""
        return monotonic() < self._valid_until and not self._stopping.is_set()

    def holder(self) -> str:
        """See `ports.Permit.holder`."""
        if self.valid():
            return self._me
        other = self._other
        return other.holder if other else ""

    def trouble(self) -> str:
        """See `ports.Permit.trouble`."""
        return "" if self.valid() else self._trouble

    def stop(self) -> None:
        """See `ports.Permit.stop`; it is not valid from this moment, and given back within four seconds."""
        self._stopping.set()
        if self._thread:
            self._thread.join(4)

    def _run(self, ring: Ring) -> None:
        """The only thread that writes the Lease and what is known of it."""
        held = False
        while not self._stopping.is_set():
            try:
                self._once()
                self._note(None)
            except (KubeError, ValueError, TypeError) as error:
                self._note(error)
            held = self._tell(held, ring)
            self._stopping.wait(self._pause())
            held = self._tell(held, ring)
        if monotonic() < self._valid_until:
            self._give_back()

    def _note(self, error: Exception | None) -> None:
        """Keep what is wrong, and log it when it begins, changes in kind or ends: it is tried every few seconds."""
        kind = "" if error is None else error.fault if isinstance(error, KubeError) else type(error).__name__
        where = f"lease {self._namespace}/{self._name}"
        self._trouble = f"{where}: {error}" if error else ""
        if kind != self._told:
            self._told = kind
            if error:
                _LOG.warning("%s cannot be had or renewed; it is tried again every few seconds: %s", where, error)
            else:
                _LOG.info("%s: the API server answers again", where)

    def _tell(self, held: bool, ring: Ring) -> bool:
        holds = self.valid()
        if holds != held:
            ring("permit")
        return holds

    def _pause(self) -> float:
        """A fifth of the duration, or less where the end of validity is nearer: its loss rings when it happens."""
        left = self._valid_until - monotonic()
        step = self._duration / 5
        return min(step, left + 0.01) if left > 0 else step

    def _once(self) -> None:
        """Look at the Lease; renew it if it is ours, take it if it is free."""
        sent = monotonic()
        deadline = Deadline.after(self._duration / 3)
        lease = self._client.find(f"{self._path}/{self._name}", deadline)
        if not self._may_take(lease):
            return
        if lease is None:
            self._took(self._write("POST", self._path, None, deadline), sent)
        else:
            self._took(self._write("PUT", f"{self._path}/{self._name}", lease, deadline), sent)

    def _took(self, lease: Answer | None, sent: float) -> None:
        if lease is None:
            return  # somebody was faster
        self._uid = lease.uid
        self._other = None
        self._valid_until = sent + self._duration * (1 - _MARGIN)

    def _may_take(self, lease: Answer | None) -> bool:
        if lease is None:
            return not self._uid or self.valid() or self._seen_long_enough("", "", self._duration)
        self._uid = lease.uid
        spec = lease.part("spec")
        holder = str(spec.get("holderIdentity") or "")
        if holder in ("", self._me):
            return True
        self._valid_until = 0.0
        return self._seen_long_enough(lease.version, holder, float(spec.get("leaseDurationSeconds") or self._duration))

    def _seen_long_enough(self, version: str, holder: str, duration: float) -> bool:
        if self._other is None or self._other.version != version:
            self._other = _Record(version, holder, duration, monotonic())
        return monotonic() - self._other.first_seen > self._other.duration

    def _write(self, method: str, path: str, lease: Answer | None, deadline: Deadline) -> Answer | None:
        try:
            return self._client.request(method, path, deadline, body=self._body(lease, self._me))
        except KubeError as error:
            if error.fault == "conflict":
                return None
            raise

    def _give_back(self) -> None:
        path, deadline = f"{self._path}/{self._name}", Deadline.after(3)
        try:
            lease = self._client.find(f"{self._path}/{self._name}", deadline)
            if lease and lease.part("spec").get("holderIdentity") == self._me:
                self._client.request("PUT", path, deadline, body=self._body(lease, ""))
        except KubeError as error:
            _LOG.info("the lease %s could not be given back, it ends by itself: %s", self._name, error.text)

    def _body(self, lease: Answer | None, holder: str) -> dict[str, object]:
        old: dict[str, Any] = lease.part("spec") if lease else {}
        moment = _micro(now())
        changed = old.get("holderIdentity") != holder
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": math.ceil(self._duration),
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
