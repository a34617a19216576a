"""syncd's memory in one readable ConfigMap."""

import secrets

from syncd.adapters.kubernetes.client import APPLY, KubeClient, KubeError
from syncd.core.errors import StateConflict, StateError
from syncd.ports import Deadline, Stored

_KEY = "state.json"
_MOST = 900 * 1024
"""An object may have about a mebibyte in all."""
_MANAGER = "syncd"
_CURES = {
    "unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
    "forbidden": "Grant get, watch, create and patch on this one ConfigMap; docs/kubernetes.md has the Role",
    "not_found": "Make the namespace, or name another in state.namespace",
    "too_large": "It grows with the number of nodes. Keep it in a file, which has no such limit (state: {kind: file}). "
    "Until then nothing new is remembered",
}
_CURE = "Check the API server and the network; syncd goes on with caution"


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
        """See `ports.StateStore.load`; a rule is `state_` and the fault of `KubeError`."""
        try:
            answer = self._client.find(self._path, deadline)
        except KubeError as error:
            raise self._error(error) from error
        if answer is None:
            return Stored(None, None)
        text = answer.part("data").get(_KEY)
        return Stored(None if text is None else str(text), f"{answer.version}/{answer.uid}")

    def save(self, text: str, expect: str | None, deadline: Deadline) -> str:
        """See `ports.StateStore.save`. Server-side apply both creates and replaces under a Role with resourceNames.

        To replace: version and uid in the body make it conditional (the version alone does not: applied to an object
        that is gone, it would create it). To create: without force and with a name of its own as manager, of two who
        create different texts the second conflicts with the first.
        """
        if len(text.encode()) > _MOST:
            said = f"it would have {len(text.encode())} bytes, and an object holds {_MOST}"
            raise StateError("state_too_large", said, where=self.name, cure=_CURES["too_large"])
        if expect is None and self.load(deadline).version is not None:
            raise StateConflict("state_conflict", "somebody else made it first", where=self.name)
        manager = _MANAGER if expect else f"{_MANAGER}-{secrets.token_hex(4)}"
        query = {"fieldManager": manager, "force": "true" if expect else "false"}
        body = self._body(text, expect)
        try:
            answer = self._client.request("PATCH", self._path, deadline, query=query, body=body, kind=APPLY)
        except KubeError as error:
            if error.fault == "conflict":
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
        cure = _CURES.get(error.fault, _CURE)
        return StateError(f"state_{error.fault}", error.text, where=self.name, cure=cure)
