"""The ConfigMap in which ECK finds the self-managed CAs, shared with other clusters and other people."""

import json
import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from syncd.adapters.kubernetes.client import APPLY, Answer, KubeClient, KubeError
from syncd.core.bundle import Cert, Fingerprint
from syncd.core.eck.mirror_text import read_mirror
from syncd.core.errors import MirrorConflict, MirrorError
from syncd.core.model import MirrorState, Origins
from syncd.ports import Deadline

WATCHED = "eck.k8s.elastic.co/watched"
"""Operators that run with --restrict-watched-resources see only what carries this label."""
_ANNOTATION = "contribution.syncd.invalid/"
"""RFC 2606 keeps `.invalid` free: nobody else's annotation begins so."""
_OTHER_UID = "metadata.uid"
"""What the API server objects to where the object was made anew (HTTP 422 if the version happens to fit)."""
_LONGEST = 110
"""Of a field manager's name: it may have 128 characters, and there may be a suffix."""
_HEX = frozenset("0123456789abcdef")
_CURES = {
    "unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
    "forbidden": "Grant get, watch, create and patch on this one ConfigMap; docs/kubernetes.md has the Role",
    "not_found": "Make the namespace, or correct it: the mirror is in the namespace of the Elasticsearch resource",
    "binary": "Write the certificates under data, not binaryData: ECK reads data",
    "refused": "Look at what the API server says; an immutable ConfigMap must be made anew without `immutable`",
}
_CURE = "Check the API server and the network; ECK and the nodes keep what they have"


class _Said(NamedTuple):
    """What an annotation says."""

    cluster: str
    needed: tuple[Fingerprint, ...]
    added: tuple[Fingerprint, ...] | None
    """None: it was written before this was noted."""
    found: tuple[Fingerprint, ...]


class ConfigMapMirror:
    """One ConfigMap. `cluster` names ours among those that share it: `<namespace of its own>/<name>`."""

    def __init__(self, client: KubeClient, namespace: str, name: str, cluster: str, key: str = "ca.crt") -> None:
        self._client = client
        self._namespace = namespace
        self._object = name
        self._cluster = cluster
        self._key = key
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._annotation = _ANNOTATION + sha256(cluster.encode()).hexdigest()[:16]
        self._manager = field_manager(cluster, key)

    @property
    def name(self) -> str:
        """See `ports.Mirror.name`."""
        return f"configmap {self._namespace}/{self._object}"

    def read(self, deadline: Deadline) -> MirrorState | None:
        """See `ports.Mirror.read`; a rule is `mirror_` and the fault of `KubeError`, or `mirror_binary`."""
        try:
            answer = self._client.find(self._path, deadline)
        except KubeError as error:
            raise self._error(error) from error
        if answer is None:
            return None
        if self._key in answer.part("binaryData"):
            raise self._error(KubeError("binary", f"its key {self._key} is in binaryData"))
        return self._state(answer)

    def write(
        self,
        content: str,
        contribution: tuple[Fingerprint, ...],
        expect: tuple[str, str] | None,
        deadline: Deadline,
        origins: Origins | None = None,
    ) -> None:
        """See `ports.Mirror.write`. Server-side apply, as in `ConfigMapState.save` and for the same reasons.

        The field manager is of our cluster alone, so that another cluster's syncd, which names its own annotation and
        not ours, takes nothing of ours away.
        """
        if expect is None and self.read(deadline) is not None:
            raise self._conflict()
        manager = self._manager if expect else f"{self._manager} {secrets.token_hex(4)}"
        query = {"fieldManager": manager, "force": "true" if expect else "false"}
        body = self._body(content, self._said(contribution, origins or Origins()), expect)
        try:
            self._client.request("PATCH", self._path, deadline, query=query, body=body, kind=APPLY)
        except KubeError as error:
            if error.fault == "conflict" or _OTHER_UID in error.text:
                raise self._conflict() from error
            raise self._error(error) from error

    def _said(self, contribution: tuple[Fingerprint, ...], origins: Origins) -> str:
        return json.dumps(
            {
                "cluster": self._cluster,
                "certificates": list(contribution),
                "added": list(origins.added),
                "found": list(origins.found),
            }
        )

    def _body(self, content: str, said: str, expect: tuple[str, str] | None) -> dict[str, object]:
        metadata: dict[str, object] = {
            "name": self._object,
            "labels": {WATCHED: "true"},
            "annotations": {self._annotation: said},
        }
        if expect is not None:
            metadata |= {"resourceVersion": expect[0], "uid": expect[1]}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {self._key: content}}

    def _state(self, answer: Answer) -> MirrorState:
        metadata = answer.part("metadata")
        content = answer.part("data").get(self._key)
        text = read_mirror(str(content or ""))
        said = {name: _contribution(value) for name, value in _strings(metadata, "annotations") if _is_ours(name)}
        mine = said.pop(self._annotation, None)
        mine = mine if mine and mine[0] == self._cluster else None
        return MirrorState(
            content=None if content is None else str(content),
            version=answer.version,
            uid=answer.uid,
            watched=dict(_strings(metadata, "labels")).get(WATCHED) == "true",
            ours=mine[1] if mine else None,
            origins=_origins(mine, text.markers) if mine else Origins(),
            contributions={found[0]: found[1] for found in said.values() if found},
            damaged=tuple(sorted(name for name, found in said.items() if not found)),
            certs=text.certs,
            markers=text.markers,
            faults=text.faults,
        )

    def _conflict(self) -> MirrorConflict:
        return MirrorConflict("mirror_conflict", "somebody else wrote it first", where=self.name)

    def _error(self, error: KubeError) -> MirrorError:
        cure = _CURES.get(error.fault, _CURE)
        return MirrorError(f"mirror_{error.fault}", error.text, where=self.name, cure=cure)


def field_manager(cluster: str, key: str = "") -> str:
    """Who applies, in at most 128 characters.

    Another key is another manager, so that a key that is changed in the configuration is not taken from the object.
    """
    name = f"syncd {cluster} {key}".strip()
    return name if len(name) <= _LONGEST else f"syncd {sha256(name.encode()).hexdigest()}"


def _is_ours(name: str) -> bool:
    return name.startswith(_ANNOTATION)


def _strings(metadata: Mapping[str, Any], part: str) -> list[tuple[str, str]]:
    found = metadata.get(part)
    return [(str(name), str(value)) for name, value in found.items()] if isinstance(found, dict) else []


def _contribution(value: str) -> _Said | None:
    """What an annotation says; None: it is not as syncd writes it."""
    try:
        body = json.loads(value)
        cluster, *lists = body["cluster"], body["certificates"], body.get("added"), body.get("found", [])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not isinstance(cluster, str) or lists[0] is None:
        return None
    if not all(said is None or (isinstance(said, list) and all(map(_is_print, said))) for said in lists):
        return None
    needed, added, found = (said if said is None else tuple(map(Fingerprint, said)) for said in lists)
    return _Said(cluster, needed or (), added, found or ())


def _origins(said: _Said, markers: Iterable[Cert]) -> Origins:
    """An annotation of before origins were noted may list what others put there: only the marker is surely ours."""
    if said.added is not None:
        return Origins(said.added, said.found)
    return Origins(tuple(cert.fingerprint for cert in markers if cert.fingerprint in said.needed), said.found)


def _is_print(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= _HEX  # noqa: PLR2004 - SHA-256 in hex
