"""A remote as ECK runs it: one Elasticsearch node, its Secret, its resource, and an operator that does what ECK does.

The operator publishes ECK's CA and behind it what the ConfigMap says, byte for byte; gives the node the same as trust;
and issues nothing while the ConfigMap that the resource names is missing (notes on ECK's source are in docs/eck.md).
"""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import paths
from tests.bed.elasticsearch import QUICK_RELOAD, EsNode, start_cluster
from tests.bed.kube import KubeApi, Refused

NS, CLUSTER = "elastic", "quickstart"
SECRET = f"{CLUSTER}-es-transport-certs-public"
INDEX = "linked"
_TRUST = "transport-remote-ca.crt"
_YML = f"""\
remote_cluster_server.enabled: true
remote_cluster.port: 0
xpack.security.remote_cluster_server.ssl.enabled: true
xpack.security.remote_cluster_server.ssl.certificate: chain.pem
xpack.security.remote_cluster_server.ssl.key: key.pem
xpack.security.transport.ssl.enabled: true
xpack.security.transport.ssl.verification_mode: certificate
xpack.security.transport.ssl.certificate: chain.pem
xpack.security.transport.ssl.key: key.pem
xpack.security.transport.ssl.certificate_authorities: ["{_TRUST}"]
{QUICK_RELOAD}"""


@dataclass
class EckRemote:
    """The remote and its operator. `folder` must be one that others may enter."""

    folder: Path
    kube: KubeApi
    version: str = paths.NEWEST
    ca: EckCa = field(default_factory=lambda: EckCa.create(now()))
    node: EsNode = field(init=False)
    _stopping: Event = field(default_factory=Event)
    _one: Lock = field(default_factory=Lock)
    """One reconcile at a time, as ECK's."""
    _given: bytes = b""

    def start(self) -> "EckRemote":
        """Start the node and the operator, with an index that others may search."""
        leaf = self.ca.leaf()
        self._given = self.ca.pem
        served = {"chain.pem": leaf.chain_pem, "key.pem": leaf.key_pem, _TRUST: self._given}
        self.node = EsNode(self.folder / "remote", "remote-01", "remote", self.version, _YML, served)
        try:
            start_cluster([self.node])
            self.node.api("PUT", f"/{INDEX}", {"settings": {"number_of_replicas": 0}})
            self.node.api("POST", f"/{INDEX}/_doc?refresh=true", {"text": "linked"})
            self.kube.put_elasticsearch(NS, CLUSTER, 1)
            self._operate()
        except BaseException:
            self.stop()
            raise
        Thread(target=self._run, name="operator", daemon=True).start()
        return self

    def stop(self) -> None:
        """End both."""
        self._stopping.set()
        self.node.stop()

    def api_key(self) -> tuple[str, str]:
        """(id, encoded) of a new cross-cluster API key."""
        access = {"search": [{"names": [INDEX]}]}
        key = self.node.api("POST", "/_security/cross_cluster/api_key", {"name": "onprem", "access": access})
        return key["id"], key["encoded"]

    def publish(self, ca: EckCa) -> None:
        """ECK issues a CA anew: it is in the Secret, and among the node's trust, at once."""
        self.ca = ca
        self._operate()

    def follow(self) -> None:
        """The node's files have the leaf of that CA, as soon as the kubelet has brought them."""
        leaf = self.ca.leaf(now=now())
        self.node.write("key.pem", leaf.key_pem)
        self.node.write("chain.pem", leaf.chain_pem)

    def _run(self) -> None:
        while not self._stopping.wait(0.3):
            with suppress(Refused, OSError):
                self._operate()

    def _operate(self) -> None:
        """One reconcile of ECK's certificates."""
        with self._one:
            published = self.ca.pem + self._mirror()
            self.kube.put_secret(NS, SECRET, {"ca.crt": published})
            if published != self._given:
                self.node.write(_TRUST, published)
                self._given = published

    def _mirror(self) -> bytes:
        """What the ConfigMap holds that the resource names. Raises Refused where there is none."""
        path = f"/apis/elasticsearch.k8s.elastic.co/v1/namespaces/{NS}/elasticsearches/{CLUSTER}"
        spec = self.kube.request("GET", path).get("spec", {})
        name = spec.get("transport", {}).get("tls", {}).get("certificateAuthorities", {}).get("configMapName")
        if not name:
            return b""
        text: str = self.kube.request("GET", f"/api/v1/namespaces/{NS}/configmaps/{name}")["data"]["ca.crt"]
        return text.encode()
