"""ECK's public Secret as a source."""

import base64
import binascii

from syncd.adapters.kubernetes.client import KubeClient, KubeError
from syncd.core.bundle import MAX_BYTES
from syncd.core.errors import SourceError
from syncd.ports import Deadline, Reading

_CURES = {
    "unauthorized": "Check the account that syncd uses (kubernetes.kubeconfig, or the pod's service account)",
    "forbidden": "Grant get and watch on this one Secret; docs/kubernetes.md has the Role",
    "not_found": "Check source.namespace and source.cluster; ECK makes the Secret with the cluster",
    "busy": "The API server is overloaded or starting; syncd asks again, the nodes keep what they have",
    "timeout": "Check the API server's health and the network; the nodes keep what they have",
    "too_large": "Look at the Secret: ECK's holds a few kilobytes",
}
_CURE = "Check the API server and the network; the nodes keep what they have"
_LOOK = "Look at the Secret: ECK writes one base64 value under ca.crt; source.key names another"


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
        """See `ports.Source.read`; also raises `source_unauthorized`, `source_timeout`, `source_busy`, `source_refused`."""
        path = f"/api/v1/namespaces/{self._namespace}/secrets/{self.secret}"
        try:
            answer = self._client.request("GET", path, deadline)
        except KubeError as error:
            cure = _CURES.get(error.fault, _CURE)
            raise SourceError(f"source_{error.fault}", error.text, where=self.name, cure=cure) from error
        content = self._decode(answer.part("data").get(self._key))
        if len(content) > MAX_BYTES:
            text = f"{self._key} has {len(content)} bytes, more than the {MAX_BYTES} that are read"
            raise SourceError("source_too_large", text, where=self.name, cure=_CURES["too_large"])
        return Reading(content, answer.version, answer.uid)

    def _decode(self, data: object) -> bytes:
        if data is None:
            raise SourceError("source_no_key", f"it has no key {self._key}", where=self.name, cure=_LOOK)
        try:
            return base64.b64decode(str(data), validate=True)
        except (binascii.Error, ValueError) as error:
            text = f"{self._key} is not base64"
            raise SourceError("source_unreadable", text, where=self.name, cure=_LOOK) from error

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
        count = answer.part("status").get("availableNodes")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            text, cure = "it has no status.availableNodes", "Look at the resource, or set trust.endpoints"
            raise SourceError("endpoints_not_told", text, where=where, cure=cure)
        return count
