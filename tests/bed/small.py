"""A cluster of the demo's small nodes, each on a host with a real sshd: many hosts for the price of one Elasticsearch."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from syncd.demo.free_ports import free_ports
from syncd.demo.node import NodeConfig
from tests.bed.link import ALIAS, FILE
from tests.bed.sshd import Sshd

API_KEY = "c21hbGw6bm90LWEtcmVhbC1rZXk="
CLUSTER = "edge"
_FRESH_EVERY = 1.0


YML = """\
cluster.name: onprem
xpack.security.remote_cluster_client.ssl.certificate_authorities: ["remote-cluster-ca.crt"]
"""


@dataclass
class SmallNode:
    """One host: its sshd, and the process that behaves as Elasticsearch does."""

    config: NodeConfig
    host: Sshd
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def trust(self) -> Path:
        return Path(self.config.trust_file)

    @property
    def log(self) -> Path:
        return Path(self.config.log_file)

    def start(self) -> None:
        folder = self.log.parent.parent
        with (folder / "out").open("ab") as out:
            command = [sys.executable, "-m", "syncd.demo.node", str(folder / "node.json")]
            self.process = subprocess.Popen(command, stdout=out, stderr=out)

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def handshakes(self) -> dict[str, Any]:
        """Counts of fresh handshakes with the remote: `ok`, `failed`, and `last_error`."""
        url = f"http://127.0.0.1:{self.config.http_port}/_demo/handshakes"
        request = Request(url, headers={"authorization": f"ApiKey {API_KEY}"})
        with urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            counts: dict[str, Any] = json.load(answer)
            return counts


@contextmanager
def run_small(
    folder: Path, count: int, public: str, trust: bytes, remote_port: int, poll: float = 5.0
) -> Iterator[list[SmallNode]]:
    """Start so many nodes that trust `trust` at first, and end them afterwards."""
    names = [f"edge-{number:02}" for number in range(1, count + 1)]
    peers = dict(zip(names, free_ports(count), strict=True))
    with ExitStack() as stack:
        nodes = []
        for number, name in enumerate(names, start=1):
            config = _node_config(folder, name, peers, remote_port, poll)
            _write(folder / name, config, trust)
            host = Sshd(folder / name / "sshd", f"127.0.2.{number}", public)
            stack.callback(host.start().stop)
            node = SmallNode(config, host)
            stack.callback(node.stop)
            node.start()
            nodes.append(node)
        yield nodes


def cluster_entry(nodes: list[SmallNode], key: Path, source: dict[str, str], state: dict[str, str]) -> dict[str, Any]:
    """The daemon's configuration of this cluster; writes the API key beside it."""
    (key.parent / "api-key").write_text(API_KEY)
    rows = [
        {
            "name": node.name,
            "address": node.host.address,
            "port": node.host.port,
            "layout": {"config_dir": str(node.trust.parent)},
        }
        for node in nodes
    ]
    urls = [f"http://127.0.0.1:{node.config.http_port}" for node in nodes[:2]]
    return {
        "name": CLUSTER,
        "elasticsearch": {"urls": urls, "api_key_file": "api-key"},
        "nodes": rows,
        "transport": {"kind": "ssh", "user": "root", "key_file": str(key), "known_hosts_file": "known_hosts"},
        "remotes": [{"alias": ALIAS, "source": source, "trust": {"overlap": "15s", "endpoints": 1}}],
        "state": state,
    }


def _node_config(folder: Path, name: str, peers: dict[str, int], remote_port: int, poll: float) -> NodeConfig:
    return NodeConfig(
        name=name,
        http_port=peers[name],
        trust_file=str(folder / name / "config" / FILE),
        log_file=str(folder / name / "logs" / "onprem.log"),
        peers=peers,
        settings_file=str(folder / "edge-settings.json"),
        password=API_KEY,
        alias=ALIAS,
        remote_port=remote_port,
        poll=poll,
        fresh_every=_FRESH_EVERY,
    )


def _write(folder: Path, config: NodeConfig, trust: bytes) -> None:
    (folder / "config").mkdir(parents=True)
    (folder / "logs").mkdir()
    Path(config.log_file).touch()
    (folder / "config" / "elasticsearch.yml").write_text(YML)
    (folder / "node.json").write_text(json.dumps(asdict(config)))
    Path(config.trust_file).write_bytes(trust)
