"""The Elasticsearch resource of a remote, and the Services that somebody made in front of its nodes."""

from collections.abc import Mapping
from typing import Any, Literal

from syncd.adapters.kubernetes.client import APPLY, Answer, KubeClient, KubeError
from syncd.adapters.kubernetes.mirror import field_manager
from syncd.core.errors import MirrorConflict, MirrorError
from syncd.core.model import EckResource, EckService
from syncd.ports import Deadline

_KIND = "elasticsearch.k8s.elastic.co/v1"
_CONFIG_MAP = ("transport", "tls", "certificateAuthorities", "configMapName")
_ENABLED = ("remoteClusterServer", "enabled")
_TAKEN = "conflict with"
"""A stale version and a field that another manager holds are both 409; only the latter names a manager."""
_CURES = {
    "unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
    "forbidden": "Grant get (and patch, to let syncd apply) on this one resource; docs/kubernetes.md has the Role",
    "not_found": "Check source.namespace and source.cluster, and that ECK's CRDs are there",
    "conflict": "Set the field where that manager keeps it: syncd takes no field from anybody",
    "refused": "Look at what the API server says: this version of ECK may not have the field",
}
_CURE = "Check the API server and the network; ECK keeps what it has"


class EckResourceApi:
    """One resource by name. `cluster` is ours, as in `ConfigMapMirror`; `services`: names of Services made by hand."""

    def __init__(
        self, client: KubeClient, namespace: str, resource: str, cluster: str, services: tuple[str, ...] = ()
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._object = resource
        self._services = services
        self._path = f"/apis/{_KIND}/namespaces/{namespace}/elasticsearches/{resource}"
        self._manager = field_manager(cluster)

    @property
    def name(self) -> str:
        """See `ports.Resource.name`."""
        return f"elasticsearch {self._namespace}/{self._object}"

    def read(self, deadline: Deadline) -> EckResource | None:
        """See `ports.Resource.read`; a rule is `resource_` and the fault of `KubeError`."""
        try:
            answer = self._client.find(self._path, deadline)
        except KubeError as error:
            raise self._error(error) from error
        services = (self._service(name, deadline) for name in self._services)
        return _resource(answer, self._manager, tuple(services)) if answer else None

    def apply(self, manifest: Mapping[str, object], expect: tuple[str, str], deadline: Deadline) -> None:
        """See `ports.Resource.apply`. Also raises MirrorConflict where it is not the expected one any more."""
        metadata = {"name": self._object, "namespace": self._namespace, "resourceVersion": expect[0], "uid": expect[1]}
        query = {"fieldManager": self._manager, "force": "false"}
        body = {**manifest, "metadata": metadata}
        try:
            self._client.request("PATCH", self._path, deadline, query=query, body=body, kind=APPLY)
        except KubeError as error:
            if error.fault == "conflict" and _TAKEN not in error.text:
                raise MirrorConflict("resource_changed", "somebody else changed it first", where=self.name) from error
            raise self._error(error) from error

    def _service(self, name: str, deadline: Deadline) -> EckService:
        """A Service by name: what is wrong with it is its own matter, not the resource's."""
        try:
            answer = self._client.request("GET", f"/api/v1/namespaces/{self._namespace}/services/{name}", deadline)
        except KubeError as error:
            return EckService(name, fault=error.text)
        ports = answer.part("spec").get("ports")
        return EckService(
            name, tuple(port for port in ports if isinstance(port, dict)) if isinstance(ports, list) else ()
        )

    def _error(self, error: KubeError) -> MirrorError:
        cure = _CURES.get(error.fault, _CURE)
        return MirrorError(f"resource_{error.fault}", error.text, where=self.name, cure=cure)


def _resource(answer: Answer, manager: str, services: tuple[EckService, ...]) -> EckResource:
    spec, status, metadata = answer.part("spec"), answer.part("status"), answer.part("metadata")
    nodes, name = status.get("availableNodes"), _at(spec, _CONFIG_MAP)
    return EckResource(
        version=answer.version,
        uid=answer.uid,
        generation=_whole(metadata.get("generation")) or 0,
        available_nodes=_whole(nodes),
        phase=str(status.get("phase", "")),
        config_map=str(name) if name else None,
        remote_cluster_server=_at(spec, _ENABLED) is True,
        service=_mapping(_at(spec, ("remoteClusterServer", "service"))),
        transport_service=_mapping(_at(spec, ("transport", "service"))),
        services=services,
        ours=_owned(metadata, manager),
        remote_clusters=_names(spec.get("remoteClusters")),
    )


def _owned(metadata: Mapping[str, Any], manager: str) -> frozenset[Literal["config_map", "remote_cluster_server"]]:
    entries = metadata.get("managedFields")
    mine = [
        entry.get("fieldsV1")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and (entry.get("manager"), entry.get("operation")) == (manager, "Apply")
    ]
    owned: set[Literal["config_map", "remote_cluster_server"]] = set()
    for fields in mine:
        if _at(fields, ("f:spec", *(f"f:{part}" for part in _CONFIG_MAP))) is not None:
            owned.add("config_map")
        if _at(fields, ("f:spec", *(f"f:{part}" for part in _ENABLED))) is not None:
            owned.add("remote_cluster_server")
    return frozenset(owned)


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(body, dict):
            return None
        body = body.get(part)
    return body


def _mapping(value: Any) -> Mapping[str, object] | None:
    return value if isinstance(value, dict) else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _names(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else ()
    return tuple(str(item.get("name", "?")) for item in found if isinstance(item, dict))
