"""ECK's public Secret as a source."""

import base64
import binascii

from syncd.adapters.kubernetes.client import KubeClient, KubeError
from syncd.core.bundle import MAX_BYTES
from syncd.core.errors import SourceError
from syncd.ports import Deadline, Reading

_RULES = {401: "source_unauthorized", 403: "source_forbidden", 404: "source_not_found"}
_CURES = {
    "source_unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
    "source_forbidden": "Grant get and watch on this one Secret; docs/kubernetes.md has the Role",
    "source_not_found": "Check source.namespace and source.cluster; ECK makes the Secret with the cluster",
    "source_unreachable": "Check the API server and the network; the nodes keep what they have",
}


class SecretSource:
    """`<cluster>-es-transport-certs-public`, read by name: a list of all Secrets is neither needed nor allowed."""

    def __init__(self, client: KubeClient, namespace: str, cluster: str, key: str = "ca.crt") -> None:
        self._client = client
        self._namespace = namespace
        self._cluster = cluster
        self._key = key
        self.secret = f"{cluster}-es-transport-certs-public"

    @property
    def name(self) -> str:
        """See `ports.Source.name`."""
        return f"secret {self._namespace}/{self.secret}"

    def read(self, deadline: Deadline) -> Reading:
        """See `ports.Source.read`."""
        try:
            answer = self._client.request(
                "GET", f"/api/v1/namespaces/{self._namespace}/secrets/{self.secret}", deadline
            )
        except KubeError as error:
            rule = _RULES.get(error.status, "source_unreachable")
            raise SourceError(rule, error.text, where=self.name, cure=_CURES[rule]) from error
        data = (answer.body.get("data") or {}).get(self._key)
        if data is None:
            raise SourceError("source_no_key", f"it has no key {self._key}", where=self.name)
        try:
            content = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SourceError("source_unreadable", f"{self._key} is not base64", where=self.name) from error
        if len(content) > MAX_BYTES:
            raise SourceError("source_too_large", f"{self._key} has {len(content)} bytes", where=self.name)
        return Reading(content, answer.version, answer.uid)

    def endpoints(self, deadline: Deadline) -> int:
        """See `ports.Source.endpoints`: `status.availableNodes` of the Elasticsearch resource."""
        kind = "elasticsearch.k8s.elastic.co/v1"
        path = f"/apis/{kind}/namespaces/{self._namespace}/elasticsearches/{self._cluster}"
        where = f"elasticsearch {self._namespace}/{self._cluster}"
        try:
            answer = self._client.request("GET", path, deadline)
        except KubeError as error:
            cure = "Grant get on this Elasticsearch resource, or set trust.endpoints"
            raise SourceError("endpoints_not_told", error.text, where=where, cure=cure) from error
        count = (answer.body.get("status") or {}).get("availableNodes")
        if not isinstance(count, int):
            text = "it has no status.availableNodes"
            raise SourceError(
                "endpoints_not_told", text, where=where, cure="Look at the resource, or set trust.endpoints"
            )
        return count
