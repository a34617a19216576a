"""ECK's side of the certificate model: a small operator, and one node that demands certificates.

The operator does what ECK does: it publishes its CA and behind it what the ConfigMap says, byte for byte; gives its node
the same as trust; and issues nothing while the ConfigMap that the resource names is missing (docs/mirror.md).
"""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from syncd.core.errors import BundleError
from syncd.demo.kube import DemoKube
from syncd.demo.kube.store import Key, KubeFault
from syncd.demo.mutual import DOWN, TransportPort, client_context, server_context, shake
from syncd.demo.node import Counts
from syncd.demo.pki import EckCa, Leaf
from syncd.ports import now

_RECONCILE, _FRESH = 0.3, 0.5
"""Seconds between the operator's looks, and between fresh handshakes with a node of the other side."""


class DemoEck:
    """The operator, its node, and the object that they are made from."""

    def __init__(self, kube: DemoKube, namespace: str, cluster: str, dials: Mapping[str, int]) -> None:
        self.ca = EckCa.create(now(), cluster)
        self.port = TransportPort()
        self.counts = Counts()
        """Fresh handshakes of its node with those of the self-managed cluster, those that were down left out."""
        self._kube, self._namespace, self._cluster, self._dials = kube, namespace, cluster, dials
        self._leaf = self.ca.leaf()
        self._given = b""
        self._client = client_context()
        self._served: Leaf | None = None
        self._ending = Event()
        kube.put_elasticsearch(namespace, cluster, 1)
        self._operate()
        self._threads = [Thread(target=work, daemon=True) for work in (self._run, self._shake_on)]
        for thread in self._threads:
            thread.start()

    @property
    def secret(self) -> str:
        """What it publishes."""
        return f"{self._cluster}-es-transport-certs-public"

    @property
    def resource(self) -> Key:
        """Its object in Kubernetes."""
        return "elasticsearches", self._namespace, self._cluster

    def publish(self, ca: EckCa) -> None:
        """Another CA; it is in the Secret with the operator's next look."""
        self.ca = ca

    def follow(self) -> None:
        """The node has a new leaf, of the CA that is published."""
        self._leaf = self.ca.leaf()

    def stop(self) -> None:
        """End both."""
        self._ending.set()
        self.port.stop()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._ending.wait(_RECONCILE):
            with suppress(KubeFault, BundleError):
                self._operate()

    def _operate(self) -> None:
        """One reconcile of its certificates. Raises KubeFault where the ConfigMap is missing."""
        published = self.ca.pem + self._mirror()
        self._kube.put_secret(self._namespace, self.secret, {"ca.crt": published})
        if (published, self._leaf) != (self._given, self._served):
            self._give(published, self._leaf)

    def _mirror(self) -> bytes:
        """What the ConfigMap holds that the resource names."""
        spec = self._kube.store.get(self.resource).get("spec", {})
        name = spec.get("transport", {}).get("tls", {}).get("certificateAuthorities", {}).get("configMapName")
        if not name:
            return b""
        text: str = self._kube.store.get(("configmaps", self._namespace, name)).get("data", {}).get("ca.crt", "")
        return text.encode()

    def _give(self, trust: bytes, leaf: Leaf) -> None:
        """The node re-reads its files."""
        self.port.turn_to([server_context(trust, leaf.chain_pem, leaf.key_pem)])
        with tempfile.TemporaryDirectory() as folder:
            paths = {name: Path(folder, name) for name in ("trust", "chain", "key")}
            for path, content in zip(paths.values(), (trust, leaf.chain_pem, leaf.key_pem), strict=True):
                path.write_bytes(content)
            files = {name: str(path) for name, path in paths.items()}
            self._client = client_context(files["trust"], chain=files["chain"], key=files["key"])
        self._given, self._served = trust, leaf

    def _shake_on(self) -> None:
        while not self._ending.wait(_FRESH):
            for name, port in self._dials.items():
                self._count(name, shake(port, self._client, mutual=True))

    def _count(self, name: str, error: str) -> None:
        if not error:
            self.counts.ok += 1
        elif error != DOWN:
            self.counts.failed += 1
            self.counts.last_error = f"{name}: {error}"
