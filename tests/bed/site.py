"""Real servers with the daemon beside them, as it is run in the field: what the whole-system tests stand on."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from syncd.core.bundle import Cert, bundle_digest, read_trust_file
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import paths
from tests.bed.elasticsearch import PASSWORD, USER
from tests.bed.kube import KubeApi
from tests.bed.link import ALIAS, FILE, Pair
from tests.bed.sshd import Sshd, free_port, make_key

NS, SECRET = "elastic", "quickstart-es-transport-certs-public"
SOURCE = {"kind": "secret", "namespace": NS, "cluster": "quickstart"}


@dataclass
class Site:
    """Everything around the daemon."""

    folder: Path
    kube: KubeApi
    pair: Pair
    hosts: list[Sshd]
    config: Path
    port: int
    daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()

    def terminate(self) -> float:
        """SIGTERM; seconds until it ended."""
        assert self.daemon
        began = time.monotonic()
        self.daemon.send_signal(signal.SIGTERM)
        self.daemon.wait(15)
        return time.monotonic() - began

    def publish(self, content: bytes) -> None:
        self.kube.put_secret(NS, SECRET, {"ca.crt": content})

    def page(self, path: str) -> str:
        """A page of the daemon's telemetry; empty while it does not answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with suppress(OSError, HTTPException), urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
        return ""

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.page("/status") or '{"clusters": []}')
        return document

    def rules(self) -> set[str]:
        return {hold["rule"] for cluster in self.status()["clusters"] for hold in cluster["holds"]}

    def trust(self, number: int) -> set[Cert]:
        return set(read_trust_file((self.pair.local[number].config / FILE).read_bytes()).certs)

    def proven(self, ca: Cert) -> bool:
        """Every node has the CA on disk and its process is proven to have loaded that very file."""
        rows = [row for cluster in self.status()["clusters"] for row in cluster["rows"]]
        digests = [bundle_digest(self.trust(number))[:16] for number in range(len(self.pair.local))]
        return (
            all(ca in self.trust(number) for number in range(len(self.pair.local)))
            and sorted(row["bundle"] or "" for row in rows) == sorted(digests)
            and all(row["loaded"].startswith("proven") for row in rows)
        )


def _config(folder: Path, kube: KubeApi, pair: Pair, hosts: list[Sshd], key: Path, port: int) -> Path:
    nodes = [
        {"name": node.name, "address": host.address, "port": host.port, "layout": {"config_dir": str(node.config)}}
        for node, host in zip(pair.local, hosts, strict=True)
    ]
    (folder / "known_hosts").write_text("".join(host.known_host for host in hosts))
    (folder / "password").write_text(PASSWORD)
    state = f"state-{port}"  # the API server is shared by the tests
    body = {
        "kubernetes": {"kubeconfig": str(kube.kubeconfig)},
        "clusters": [
            {
                "name": "onprem",
                "elasticsearch": {
                    "urls": [node.url for node in pair.local],
                    "username": USER,
                    "password_file": "password",
                },
                "nodes": nodes,
                "transport": {
                    "kind": "ssh",
                    "user": "root",
                    "key_file": str(key),
                    "known_hosts_file": "known_hosts",
                    "become": "sudo",
                },
                "remotes": [{"alias": ALIAS, "source": SOURCE, "trust": {"overlap": "20s"}}],
                "state": {
                    "kind": "configmap",
                    "namespace": "syncd",
                    "name": state,
                },
            }
        ],
        "telemetry": {"listen": f"127.0.0.1:{port}", "log_format": "console"},
        "intervals": {"probe": "3s", "reread": "10s"},
    }
    path = folder / "syncd.yaml"
    path.write_text(json.dumps(body))
    return path


@contextmanager
def run_site(folder: Path, kube: KubeApi, version: str = paths.NEWEST, nodes: int = 2) -> Iterator[Site]:
    """Start two linked clusters and an sshd per local node, publish the CA, and end everything afterwards."""
    ca = EckCa.create(now())
    key, public = make_key(folder)
    with ExitStack() as stack:
        pair = Pair.start(folder, ca, nodes, version, ca.pem)
        stack.callback(pair.stop)
        hosts = [Sshd(folder / f"sshd-{n}", f"127.0.1.{n}", public) for n in range(1, nodes + 1)]
        for host in hosts:
            stack.callback(host.start().stop)
        port = free_port()
        site = Site(folder, kube, pair, hosts, _config(folder, kube, pair, hosts, key, port), port)
        stack.callback(site.kill)
        site.publish(ca.pem)
        kube.put_elasticsearch(NS, "quickstart", 1)
        yield site
