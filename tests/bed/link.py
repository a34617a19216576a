"""Two clusters joined by a cross-cluster API key, and a way to force fresh connections."""

from dataclasses import dataclass
from pathlib import Path

from syncd.demo.pki import EckCa
from tests.bed.elasticsearch import EsNode, await_cluster, begin_cluster
from tests.bed.fresh import End, Ends

ALIAS = "eck-prod"
FILE = "remote-cluster-ca.crt"
_REMOTE_YML = """\
remote_cluster_server.enabled: true
remote_cluster.port: 0
xpack.security.remote_cluster_server.ssl.enabled: true
xpack.security.remote_cluster_server.ssl.certificate: chain.pem
xpack.security.remote_cluster_server.ssl.key: key.pem
"""
_LOCAL_YML = f"""\
xpack.security.remote_cluster_client.ssl.enabled: true
xpack.security.remote_cluster_client.ssl.certificate_authorities: ["{FILE}"]
"""


@dataclass
class Pair:
    """A local cluster that is linked to a remote one."""

    folder: Path
    ca: EckCa
    local: list[EsNode]
    remote: EsNode
    key_id: str = ""
    """Of the cross-cluster API key in the local nodes' keystores."""

    @classmethod
    def start(cls, folder: Path, ca: EckCa, nodes: int, version: str, trust: bytes, yml: str = "") -> "Pair":
        """Start both clusters and link them; the local trust files hold `trust` at first, each yml the lines `yml`."""
        folder.chmod(0o755)
        leaf = ca.leaf()
        served = {"chain.pem": leaf.chain_pem, "key.pem": leaf.key_pem}
        remote = EsNode(folder / "remote", "remote-01", "remote", version, _REMOTE_YML + yml, served)
        names = [f"es-{number:02}" for number in range(1, nodes + 1)]
        local = [EsNode(folder / name, name, "onprem", version, _LOCAL_YML + yml, {FILE: trust}) for name in names]
        pair = cls(folder, ca, local, remote)
        try:
            for cluster in ([remote], local):
                begin_cluster(cluster)
            for cluster in ([remote], local):
                await_cluster(cluster)
            pair._link()
        except BaseException:
            pair.stop()
            raise
        return pair

    def stop(self) -> None:
        """End all nodes."""
        for node in (*self.local, self.remote):
            node.stop()

    def serve(self, ca: EckCa) -> None:
        """The remote gets a leaf of this CA, as a pod does."""
        leaf = ca.leaf()
        self.remote.write("key.pem", leaf.key_pem)
        self.remote.write("chain.pem", leaf.chain_pem)

    def fresh(self, number: int) -> list[str]:
        """Force new connections on every node and use them; what failed, by node."""
        return self.ends.fresh(number)

    @property
    def ends(self) -> Ends:
        """Who connects to whom."""
        ends = tuple(End(node.name, node.api, node.log) for node in self.local)
        return Ends(ends, self.remote.log, ALIAS, "linked")

    def _link(self) -> None:
        self.remote.api("PUT", "/linked", {"settings": {"number_of_replicas": 0}})
        self.remote.api("POST", "/linked/_doc?refresh=true", {"text": "linked"})
        access = {"search": [{"names": ["linked"]}]}
        key = self.remote.api("POST", "/_security/cross_cluster/api_key", {"name": "onprem", "access": access})
        self.key_id = key["id"]
        for node in self.local:
            node.secure(f"cluster.remote.{ALIAS}.credentials", key["encoded"])
        self.local[0].api("POST", "/_nodes/reload_secure_settings", {})
        base = f"cluster.remote.{ALIAS}"
        settings = {
            f"{base}.mode": "proxy",
            f"{base}.proxy_address": f"127.0.0.1:{self.remote.remote_cluster_port()}",
            f"{base}.proxy_socket_connections": 1,
            f"{base}.skip_unavailable": False,
        }
        self.local[0].api("PUT", "/_cluster/settings", {"persistent": settings})

    def linked(self) -> bool:
        """Whether every node has its link."""
        return all(node.api("GET", "/_remote/info")[ALIAS]["connected"] for node in self.local)
