"""A self-managed cluster as companies have it, an ECK remote, and the daemon between: for both security models."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from syncd.adapters.elasticsearch import ElasticsearchApi, ElasticsearchSettings
from syncd.adapters.local import dial
from syncd.adapters.tls import TlsHandshakes
from syncd.core.bundle import Cert, bundle_digest, parse_cert, read_trust_file
from syncd.core.model import Alias, NodeName, Shown
from syncd.ports import Deadline
from tests.bed import documented
from tests.bed.authority import Authority
from tests.bed.eck import CLUSTER, INDEX, NS, SECRET, EckRemote
from tests.bed.elasticsearch import QUICK_RELOAD
from tests.bed.fresh import End, Ends
from tests.bed.kube import ACCOUNT, ACCOUNT_TOKEN, KubeApi, Refused
from tests.bed.sshd import free_port
from tests.bed.sudo_hosts import LOGIN, PORT
from tests.bed.systemd_cluster import SystemdCluster, SystemdNode
from tests.bed.waiting import wait_for

ALIAS = "eck-prod"
MIRROR = f"/api/v1/namespaces/{NS}/configmaps/remote-certs"
_EVENTS = f"/api/v1/namespaces/{NS}/events"


@dataclass
class Estate:
    """The cluster and the remote run; the daemon is started by `start`."""

    folder: Path
    cluster: SystemdCluster
    remote: EckRemote
    kube: KubeApi
    model: str
    options: dict[str, Any] = field(default_factory=dict)
    """More keys of the cluster in the configuration."""
    of_remote: dict[str, Any] = field(default_factory=dict)
    """More keys of the remote in the configuration."""
    port: int = field(default_factory=free_port)
    daemon: subprocess.Popen[bytes] | None = None
    key_id: str = ""
    """Of the API key that the daemon was given last."""

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.folder / "syncd.yaml"

    def configure(self, remotes: list[dict[str, Any]] | None = None, **options: Any) -> "Estate":
        """Write the configuration."""
        self._give_rights()
        body = {
            "kubernetes": {"kubeconfig": str(self.kubeconfig)},
            "clusters": [
                {
                    "name": "onprem",
                    "elasticsearch": {
                        "urls": [node.url for node in self.cluster.nodes],
                        "ca_file": str(self.cluster.http_ca_file),
                        "api_key_file": "es-api-key",
                    },
                    "nodes": [self._node(node) for node in self.cluster.nodes],
                    "transport": self.transport,
                    "restart": {"policy": "rolling", "unit": "elasticsearch@{node}.service", "join_timeout": "15m"},
                    "remotes": [self._remote()] if remotes is None else remotes,
                    "state": {"kind": "configmap", "namespace": "syncd", "name": self.state},
                }
                | self.options
                | options
            ],
            "telemetry": {"listen": f"127.0.0.1:{self.port}", "log_format": "console"},
            "intervals": {"probe": "3s", "reread": "10s"},
        }
        self.config.write_text(json.dumps(body))
        return self

    @property
    def transport(self) -> dict[str, Any]:
        """How the daemon reaches the hosts."""
        known = self.cluster.hosts.settings
        files = {"key_file": known.key_file, "known_hosts_file": known.known_hosts_file}
        return {"kind": "ssh", "user": LOGIN, "become": "sudo", **files}

    @property
    def kubeconfig(self) -> Path:
        """How the daemon reaches Kubernetes."""
        return self.kube.kubeconfig_for(ACCOUNT_TOKEN)

    @property
    def state(self) -> str:
        """The name of its ConfigMap and its Lease, in the namespace of the account."""
        return f"state-{self.port}"

    def _give_rights(self) -> None:
        """An API key and Roles with the rights that docs/hosts.md and docs/kubernetes.md name, and no others."""
        mirror = ("syncd-mirror",) if self.model == "certificate" else ()
        self.kube.grant(NS, ACCOUNT, documented.rules(NS, "syncd", *mirror, "syncd-resource"))
        home = json.dumps(documented.rules(ACCOUNT, "syncd")).replace("syncd-onprem", self.state)
        self.kube.grant(ACCOUNT, ACCOUNT, json.loads(home))
        path = self.folder / "es-api-key"
        if not path.exists():
            path.write_text(documented.api_key(self.cluster.api, self.cluster.version))

    def _node(self, node: SystemdNode) -> dict[str, Any]:
        layout = {"config_dir": str(node.config)}
        return {"name": node.name, "address": node.address, "port": PORT, "layout": layout}

    def _remote(self) -> dict[str, Any]:
        source = {"kind": "secret", "namespace": NS, "cluster": CLUSTER}
        body: dict[str, Any] = {"alias": ALIAS, "security_model": self.model, "source": source}
        return body | {"trust": {"overlap": "5s"}, "resource": "managed"} | self.of_remote

    def start(self) -> None:
        """Start the daemon."""
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        """End the daemon at once."""
        if self.daemon:
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.wait()
            self.daemon = None

    def end(self) -> None:
        """End the daemon as systemd would: it gives back its permit."""
        if self.daemon:
            self.daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.daemon.wait(30)
            self.kill()

    def syncd(self, *argv: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command."""
        command = [sys.executable, "-m", "syncd", *argv, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)

    # --- what is seen

    def page(self, path: str) -> str:
        """A page of the daemon's telemetry; empty while it does not answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with suppress(OSError, HTTPException), urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
        return ""

    def status(self) -> dict[str, Any]:
        """The status page of the cluster."""
        document = json.loads(self.page("/status") or '{"clusters": []}')
        found: dict[str, Any] = document["clusters"][0] if document["clusters"] else {"rows": [], "holds": [{}]}
        return found

    def rules(self) -> set[str]:
        """The rules that hold something."""
        return {hold.get("rule", "") for hold in self.status()["holds"]}

    def settled(self) -> bool:
        """Whether everything is proven, the link is up from each node, and no restart is open any more."""
        status = self.status()
        good = [row for row in status["rows"] if row.get("link") == "up" and row["loaded"].startswith("proven")]
        return bool(good) and good == status["rows"] and status["restart"]["open"] is None

    def become(self, model: str) -> "Estate":
        """Let the remote be joined by this model from now on, and point the alias; nothing else links the clusters."""
        self.model, self.of_remote = model, {}
        self.kube.request("DELETE", _EVENTS)
        if model == "api_key":
            self.give_key()
            self.of_remote = {"credential_file": "api-key"}
        self.point_alias()
        return self

    def give_key(self) -> str:
        """Another API key of the remote in the daemon's file; its id."""
        number, encoded = self.remote.api_key()
        replace_file(self.folder / "api-key", encoded)
        self.key_id = number
        return number

    def point_alias(self) -> None:
        """What `connect: observed` leaves to the operator: where the remote is."""
        transport = self.model == "certificate"
        port = self.remote.node.transport_port if transport else self.remote.node.remote_cluster_port()
        base = f"cluster.remote.{ALIAS}"
        settings = {
            f"{base}.mode": "proxy",
            f"{base}.proxy_address": f"127.0.0.1:{port}",
            f"{base}.proxy_socket_connections": 1,
            f"{base}.skip_unavailable": False,
        }
        self.cluster.api("PUT", "/_cluster/settings", {"persistent": settings})

    def fresh(self, number: int) -> list[str]:
        """Force new connections from every node and use them; what failed, by node."""
        cluster = self.cluster
        ends = tuple(
            End(node.name, partial(cluster.api, node=node), node.logs / f"{cluster.name}.log") for node in cluster.nodes
        )
        return Ends(ends, self.remote.node.log, ALIAS, INDEX).fresh(number)

    def keys_in_use(self) -> dict[str, str | None]:
        """The id of the API key that each node's process uses, as the remote names it."""
        urls = {NodeName(node.name): node.url for node in self.cluster.nodes}
        settings = ElasticsearchSettings(
            tuple(urls.values()),
            str(self.cluster.http_ca_file),
            api_key_file=str(self.folder / "es-api-key"),
            node_urls=urls,
        )
        api = ElasticsearchApi(settings)
        try:
            return {str(name): api.key_in_use(name, Alias(ALIAS), Deadline.after(30)) for name in urls}
        finally:
            api.close()

    def events(self) -> list[dict[str, Any]]:
        """What was told to Kubernetes of the remote's Secret since `become`."""
        items = self.kube.request("GET", _EVENTS)["items"]
        return [item for item in items if item["involvedObject"]["name"] == SECRET]

    def invocations(self) -> dict[str, str]:
        """InvocationID by node: another one for each start."""
        return {node.name: self.cluster.unit_state(node).invocation for node in self.cluster.nodes}

    def passes(self) -> float:
        """How many passes the daemon has made."""
        lines = self.page("/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("syncd_passes_total"))

    def mirror(self) -> str:
        """What the ConfigMap holds; empty while it is not there."""
        with suppress(Refused):
            text: str = self.kube.request("GET", MIRROR)["data"]["ca.crt"]
            return text
        return ""

    def await_trust(self, ca: Cert) -> None:
        """Wait until a CA is proven loaded by every process."""
        wait_for(lambda: self._trusts(ca) and self.loaded(), 180, f"{ca.short} proven loaded", 0.3)

    def loaded(self) -> bool:
        """Whether every process is proven to have loaded its file."""
        rows = self.status()["rows"]
        return bool(rows) and all(row["file"] == "in step" and row["loaded"].startswith("proven") for row in rows)

    def _trusts(self, ca: Cert) -> bool:
        name = "remote-transport-ca.crt" if self.model == "certificate" else "remote-cluster-ca.crt"
        files = [node.config / name for node in self.cluster.nodes]
        digests = {bundle_digest(read_trust_file(path.read_bytes()).certs)[:16] for path in files}
        told = {row["bundle"] for row in self.status()["rows"]}
        return told == digests and all(ca in read_trust_file(path.read_bytes()).certs for path in files)

    def await_shown_there(self, authority: Authority) -> None:
        """Wait until the remote's process accepts certificates of an authority."""
        name = parse_cert(authority.cert.public_bytes(Encoding.DER)).subject
        port = self.remote.node.transport_port
        wait_for(lambda: name in self._shown("127.0.0.1", port).accepted, 60, f"the remote accepts {name}", 0.5)

    def await_presented(self, authority: Authority) -> None:
        """Wait until every node's process has loaded a certificate of an authority, with its key."""
        name = parse_cert(authority.cert.public_bytes(Encoding.DER)).subject
        wait_for(lambda: self._issuers() == {name}, 60, f"every node presents a certificate of {name}", 0.3)

    def _issuers(self) -> set[str]:
        return {self._shown(node.address, 9300).presented.leaf.issuer for node in self.cluster.nodes}

    def _shown(self, address: str, port: int) -> Shown:
        """What a transport port shows to whoever connects."""
        deadline = Deadline.after(10)
        stream = dial(address, port, deadline)
        try:
            return TlsHandshakes().shown(stream, address, deadline)
        finally:
            stream.close()

    def starts(self) -> dict[str, int]:
        """How often a start of each unit was begun in the life of this world; failed ones count."""
        return {node.name: self._starts(node) for node in self.cluster.nodes}

    def _starts(self, node: SystemdNode) -> int:
        """Each start tells its InvocationID (assets/notify-elasticsearch.sh)."""
        command = ("journalctl", "--no-pager", "--quiet", "-o", "cat", "-g", "^Starting ", "-u", node.unit)
        return len(set(self.cluster.world.ask(*command).stdout.splitlines()))  # it fails where there is none

    def settings(self) -> dict[str, Any]:
        """The cluster's persistent settings, flat."""
        found: dict[str, Any] = self.cluster.api("GET", "/_cluster/settings?flat_settings=true")["persistent"]
        return found

    def await_settled(self, seconds: float) -> None:
        """Wait until everything is proven; what holds it is told otherwise."""
        try:
            wait_for(self.settled, seconds, "everything proven", 0.3)
        except TimeoutError as error:
            holds = [
                f"{hold.get('subject')}: {hold.get('rule')}: {hold.get('text')}" for hold in self.status()["holds"]
            ]
            rows = [
                f"{row['node']}: {row['file']}, {row['loaded']}, {row['link']} {row['note']}"
                for row in self.status()["rows"]
            ]
            raise TimeoutError("\n".join([str(error), *holds, *rows])) from error


def replace_file(path: Path, text: str) -> None:
    """As a careful person does: whoever reads it meanwhile reads the old one or the new one."""
    temp = path.with_name(f"{path.name}.new")
    temp.write_text(text)
    temp.rename(path)


@contextmanager
def run_estate(
    folder: Path, kube: KubeApi, model: str, kind: type[Estate] = Estate, **cluster: object
) -> Iterator[Estate]:
    """A bare cluster, green, and a remote; the alias is pointed, and nothing else links them. `kind`: where syncd runs."""
    made = SystemdCluster(folder, yml=QUICK_RELOAD, **cluster).create()  # type: ignore[arg-type]  # of SystemdCluster
    (folder / "eck").mkdir(mode=0o755)
    remote = EckRemote(folder / "eck", kube)
    site = kind(folder, made, remote, kube, model)
    with suppress(Refused):  # other tests have used this API server
        kube.request("DELETE", MIRROR)
    try:
        starts: list[Callable[[], object]] = [remote.start, made.start]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda start: start(), starts))
        yield site.become(model)
    finally:
        site.kill()
        remote.stop()
        made.stop()
