"""syncd's memory in one readable ConfigMap."""

from syncd.adapters.kubernetes.client import APPLY, KubeClient, KubeError
from syncd.core.errors import StateConflict, StateError
from syncd.ports import Deadline, Stored

_KEY = "state.json"
_MOST = 900 * 1024
"""An object may have about a mebibyte in all."""
_MANAGER = "syncd"


class ConfigMapState:
    """One ConfigMap, written with what was read as precondition."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._object = name
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"

    @property
    def name(self) -> str:
        """See `ports.StateStore.name`."""
        return f"configmap {self._namespace}/{self._object}"

    def load(self, deadline: Deadline) -> Stored:
        """See `ports.StateStore.load`."""
        try:
            answer = self._client.request("GET", self._path, deadline)
        except KubeError as error:
            if error.status == 404:  # noqa: PLR2004
                return Stored(None, None)
            raise self._error(error) from error
        text = (answer.body.get("data") or {}).get(_KEY)
        return Stored(text, f"{answer.version}/{answer.uid}")

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        """See `ports.StateStore.save`.

        Server-side apply both creates and replaces under a Role with resourceNames; version and uid in the body make it
        conditional (an apply with a stale version to an object that is gone would create it: hence the uid).
        """
        if len(text.encode()) > _MOST:
            raise StateError("state_too_large", f"it would have more than {_MOST} bytes", where=self.name)
        if expect is None and self.load(deadline).version is not None:
            raise StateConflict("state_conflict", "somebody else made it first", where=self.name)
        try:
            answer = self._client.request(
                "PATCH", self._path, deadline, query={"fieldManager": _MANAGER, "force": "true"},
                body=self._body(text, expect), kind=APPLY,
            )  # fmt: skip
        except KubeError as error:
            if error.status == 409:  # noqa: PLR2004
                raise StateConflict("state_conflict", "somebody else wrote it first", where=self.name) from error
            raise self._error(error) from error
        return f"{answer.version}/{answer.uid}"

    def _body(self, text: str, expect: str | None) -> dict[str, object]:
        metadata = {"name": self._object, "labels": {"app.kubernetes.io/managed-by": "syncd"}}
        if expect is not None:
            version, _, uid = expect.partition("/")
            metadata |= {"resourceVersion": version, "uid": uid}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: text}}

    def _error(self, error: KubeError) -> StateError:
        rule = "state_forbidden" if error.status in (401, 403) else "state_unreachable"
        cure = "Grant get, create, patch on this ConfigMap (docs/kubernetes.md)" if rule == "state_forbidden" else ""
        return StateError(rule, error.text, where=self.name, cure=cure)
