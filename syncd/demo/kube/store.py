"""The objects of the embedded Kubernetes API: versions, preconditions, and the history that watches read."""

import secrets
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Condition
from time import monotonic
from typing import Any, Literal

from syncd.demo.kube.ownership import Owners, without
from syncd.ports import now

KINDS = {
    "secrets": ("v1", "Secret"),
    "configmaps": ("v1", "ConfigMap"),
    "services": ("v1", "Service"),
    "events": ("v1", "Event"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "elasticsearches": ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
}
_BOOKMARK_SECONDS = 5.0
_MOST_HISTORY = 1000
_MOST_BYTES = 1_048_576
"""Most of one value of an object, about as etcd has it."""

Key = tuple[str, str, str]
"""(plural, namespace, name)."""
Body = dict[str, Any]


class KubeFault(Exception):
    """An answer with a Status body."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        self.status |= {"reason": reason, "message": message}


@dataclass(frozen=True, slots=True)
class _Change:
    version: int
    key: Key
    kind: str
    body: Body


class Store:
    """Objects by key. Bodies are replaced, never changed in place, so that they may be read without the lock."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.version = 1
        self.oldest = 0
        """Watches from before this version are told 410."""
        self.closed = False
        self.objects: dict[Key, Body] = {}
        self._history: deque[_Change] = deque()
        self._owners: dict[Key, Owners] = {}

    def get(self, key: Key) -> Body:
        """One object."""
        with self.changed:
            if key not in self.objects:
                raise KubeFault(404, "NotFound", f'{key[0]} "{key[2]}" not found')
            return self.objects[key]

    def put(self, key: Key, body: Body, how: Literal["create", "replace", "either"] = "either") -> Body:
        """Write a whole object; the preconditions are in its metadata."""
        with self.changed:
            old = self.objects.get(key)
            if old is None and how == "replace":
                raise KubeFault(404, "NotFound", f'{key[0]} "{key[2]}" not found')
            if old is not None and how == "create":
                raise KubeFault(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
            _check(key, old, body)
            if old is not None and _same(old, body):
                return old
            self._owners.setdefault(key, Owners()).written(old or {}, body)
            return self._write(key, old, body)

    def merge(self, key: Key, patch: Body) -> Body:
        """JSON merge patch."""
        with self.changed:
            return self.put(key, _merged(self.get(key), patch))

    def apply(self, key: Key, body: Body, manager: str, *, force: bool) -> Body:
        """Server-side apply: creates or merges; without force, another manager's different value is a conflict."""
        with self.changed:
            old = self.objects.get(key)
            _check(key, old, body)
            owners = self._owners.setdefault(key, Owners())
            if not force and (clash := owners.conflicts(old or {}, body, manager)):
                said = ", ".join(f'conflict with "{other}": .{".".join(path)}' for path, other in clash.items())
                raise KubeFault(409, "Conflict", f"Apply failed with {len(clash)} conflict: {said}")
            before = {name: set(paths) for name, paths in owners.fields.items()}
            new = without(_merged(old or {}, body), owners.apply(old or {}, body, manager))
            same = old is not None and _same(old, new) and before == owners.fields
            return old if same and old is not None else self._write(key, old, new)

    def delete(self, key: Key) -> None:
        """Remove an object."""
        with self.changed:
            self._write(key, self.get(key), self.get(key), kind="DELETED")
            del self.objects[key]
            self._owners.pop(key, None)

    def compact(self) -> None:
        """Forget the history: open watches and those from before get 410."""
        with self.changed:
            self.version += 1
            self._history.clear()
            self.oldest = self.version
            self.changed.notify_all()

    def close(self) -> None:
        """End all watches."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def follow(self, wanted: Key, version: int | None, seconds: float) -> Iterator[Body]:
        """The events of one object from a version on (None: what is there, then what comes), with bookmarks."""
        end = monotonic() + seconds
        with self.changed:
            here = self.objects.get(wanted)
            first = [("ADDED", here)] if version is None and here else []
            at = self.version if version is None else version
        yield from ({"type": kind, "object": body} for kind, body in first)
        while (left := end - monotonic()) > 0:
            news, at = self._news(wanted, at, min(left, _BOOKMARK_SECONDS))
            if self.closed:
                return
            yield from news
            if news and news[-1]["type"] == "ERROR":
                return

    def _news(self, wanted: Key, at: int, patience: float) -> tuple[list[Body], int]:
        with self.changed:
            if at == self.version and not self.changed.wait(patience):
                return [{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(at)}}}], at
            if at < self.oldest:
                return [{"type": "ERROR", "object": KubeFault(410, "Expired", "too old resource version").status}], at
            found = [change for change in self._history if change.version > at and change.key == wanted]
            return [{"type": change.kind, "object": change.body} for change in found], self.version

    def _write(self, key: Key, old: Body | None, body: Body, kind: str = "") -> Body:
        self.version += 1
        api, name = KINDS[key[0]]
        metadata = {field: value for field, value in body.get("metadata", {}).items() if field != "managedFields"}
        metadata |= {"namespace": key[1], "name": key[2], "resourceVersion": str(self.version)}
        metadata["uid"] = old["metadata"]["uid"] if old else _uid()
        metadata["creationTimestamp"] = (
            old["metadata"]["creationTimestamp"] if old else now().strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        if kind != "DELETED":
            metadata["managedFields"] = self._owners.setdefault(key, Owners()).managed(api)
        self.objects[key] = {**body, "apiVersion": api, "kind": name, "metadata": metadata}
        self._history.append(_Change(self.version, key, kind or ("MODIFIED" if old else "ADDED"), self.objects[key]))
        if len(self._history) > _MOST_HISTORY:
            self.oldest = self._history.popleft().version
        self.changed.notify_all()
        return self.objects[key]


def _check(key: Key, old: Body | None, body: Body) -> None:
    metadata = body.get("metadata", {})
    if old is None and metadata.get("uid"):
        raise KubeFault(409, "Conflict", f'{key[0]} "{key[2]}" is gone: its uid does not match')
    for field in ("resourceVersion", "uid"):
        wanted = metadata.get(field)
        if wanted and old is not None and wanted != old["metadata"][field]:
            raise KubeFault(409, "Conflict", f"the object has been modified: {field}")
    if any(len(str(value)) > _MOST_BYTES for value in (body.get("data") or {}).values()):
        raise KubeFault(422, "Invalid", "Too long: may not be more than 1048576 bytes")


def _merged(old: Body, patch: Body) -> Body:
    new = dict(old)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            there = old.get(key)
            new[key] = _merged(there if isinstance(there, dict) else {}, value)
        else:
            new[key] = value
    return new


def _same(old: Body, body: Body) -> bool:
    plain = all(old.get(key) == value for key, value in body.items() if key not in ("metadata", "apiVersion", "kind"))
    return plain and all(_part(old, name) == _part(body, name) for name in ("labels", "annotations"))


def _part(body: Body, name: str) -> Body:
    return body.get("metadata", {}).get(name) or {}


def _uid() -> str:
    digits = secrets.token_hex(16)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
