"""The embedded world: an API server, three SSH hosts with a node each, an ECK-like remote, and the daemon itself."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko import Ed25519Key

from syncd.demo.free_ports import free_ports
from syncd.demo.kube import DemoKube
from syncd.demo.node import NodeConfig
from syncd.demo.pki import EckCa
from syncd.demo.remote import DemoRemote
from syncd.demo.sshd import DemoSshd
from syncd.ports import now

NAMES = ("es-01", "es-02", "es-03")
PODS = ("default-0", "default-1")
ALIAS = "eck-prod"
NAMESPACE, CLUSTER = "elastic", "quickstart"
_SECRET = f"{CLUSTER}-es-transport-certs-public"
_API_KEY = "ZGVtbzpub3QtYS1yZWFsLWtleQ=="


class World:
    """All of it, below one folder."""

    def __init__(self, folder: Path, overlap: str = "8s") -> None:
        self.folder = folder
        self.ca = EckCa.create(now())
        self.company = EckCa.create(now(), cluster="company-proxy").cert
        self.kube = DemoKube().start()
        self.remote = DemoRemote(self.ca.leaf(pod) for pod in PODS)
        self._client_key = self._key("client")
        self.hosts = {name: DemoSshd(self._key(f"host-{name}"), self._client_key).start() for name in NAMES}
        *ports, self.telemetry_port = free_ports(len(NAMES) + 1)
        self.ports = dict(zip(NAMES, ports, strict=True))
        self._processes: list[subprocess.Popen[bytes]] = []
        self.daemon: subprocess.Popen[bytes] | None = None
        self._prepare(overlap)

    # --- what happens in it

    def publish(self, ca: EckCa) -> None:
        """ECK publishes a CA."""
        self.ca = ca
        self.kube.put_secret(NAMESPACE, _SECRET, {"ca.crt": ca.pem})

    def follow(self) -> None:
        """The pods have their new leaves."""
        self.remote.serve(self.ca.leaf(pod) for pod in PODS)

    def start_nodes(self) -> None:
        """Start the node processes."""
        for name in NAMES:
            self._processes.append(self._spawn(name, "-m", "syncd.demo.node", str(self._node(name) / "node.json")))

    def start_daemon(self) -> None:
        """Start `syncd run`, the same as in the field."""
        self.daemon = self._spawn("syncd", "-m", "syncd", "run", "--config", str(self.config))
        self._processes.append(self.daemon)

    def stop(self) -> None:
        """End everything that was started."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(12)
            process.kill()
            process.wait()
        for host in self.hosts.values():
            host.stop()
        self.remote.stop()
        self.kube.stop()

    # --- what is seen of it

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.folder / "syncd.yaml"

    def trust_file(self, name: str) -> Path:
        """The managed file of a node."""
        return self._node(name) / "config" / "remote-cluster-ca.crt"

    def status(self) -> dict[str, Any]:
        """The daemon's status page; empty while it does not answer."""
        with suppress(OSError, ValueError):
            return self._get(f"http://127.0.0.1:{self.telemetry_port}/status")
        return {}

    def page(self, path: str) -> str:
        """A page of the daemon's telemetry; empty while it does not answer."""
        with suppress(OSError), urlopen(f"http://127.0.0.1:{self.telemetry_port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
            return text
        return ""

    def handshakes(self) -> tuple[int, int]:
        """(ok, failed) fresh handshakes of all nodes since their start."""
        counts = [self._get(f"http://127.0.0.1:{port}/_demo/handshakes") for port in self.ports.values()]
        return sum(count["ok"] for count in counts), sum(count["failed"] for count in counts)

    # --- how it is made

    def _prepare(self, overlap: str) -> None:
        for name in NAMES:
            (self._node(name) / "config").mkdir(parents=True)
            (self._node(name) / "logs").mkdir()
            (self._node(name) / "logs" / "onprem.log").touch()
            (self._node(name) / "config" / "elasticsearch.yml").write_text("cluster.name: onprem\n")
            (self._node(name) / "node.json").write_text(json.dumps(asdict(self._node_config(name))))
            copied = b"" if name == NAMES[-1] else self.ca.pem  # somebody forgot the third node
            self.trust_file(name).write_bytes(copied + self.company.pem)
        self.publish(self.ca)
        self.kube.put_elasticsearch(NAMESPACE, CLUSTER, len(PODS))
        self.kube.kubeconfig(self.folder / "kubeconfig")
        (self.folder / "known_hosts").write_text("".join(host.known_host for host in self.hosts.values()))
        (self.folder / "api-key").write_text(_API_KEY)
        self.config.write_text(json.dumps(self._daemon_config(overlap), indent=1))

    def _node(self, name: str) -> Path:
        return self.folder / name

    def _node_config(self, name: str) -> NodeConfig:
        return NodeConfig(
            name=name,
            http_port=self.ports[name],
            trust_file=str(self.trust_file(name)),
            log_file=str(self._node(name) / "logs" / "onprem.log"),
            peers=self.ports,
            settings_file=str(self.folder / "settings.json"),
            password=_API_KEY,
            alias=ALIAS,
            remote_port=self.remote.port,
        )

    def _daemon_config(self, overlap: str) -> dict[str, Any]:
        """YAML is a superset of JSON."""
        nodes = [
            {"name": name, "address": "127.0.0.1", "port": self.hosts[name].port,
             "layout": {"config_dir": str(self._node(name) / "config")}}
            for name in NAMES
        ]  # fmt: skip
        source = {"kind": "secret", "namespace": NAMESPACE, "cluster": CLUSTER}
        return {
            "kubernetes": {"kubeconfig": str(self.folder / "kubeconfig")},
            "clusters": [
                {
                    "name": "onprem",
                    "elasticsearch": {
                        "urls": [f"http://127.0.0.1:{port}" for port in self.ports.values()],
                        "api_key_file": "api-key",
                    },
                    "nodes": nodes,
                    "transport": {
                        "kind": "ssh",
                        "user": "demo",
                        "key_file": "client",
                        "known_hosts_file": "known_hosts",
                    },
                    "remotes": [{"alias": ALIAS, "source": source, "trust": {"overlap": overlap}}],
                    "state": {"kind": "configmap", "namespace": "syncd"},
                }
            ],
            "telemetry": {"listen": f"127.0.0.1:{self.telemetry_port}", "log_format": "console"},
            "intervals": {"probe": "2s"},
        }

    def _key(self, name: str) -> Ed25519Key:
        path = self.folder / name
        private = Ed25519PrivateKey.generate()
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        path.chmod(0o600)
        return Ed25519Key.from_private_key_file(str(path))

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log, env=_environment())  # noqa: S603 - this package

    def _get(self, url: str) -> dict[str, Any]:
        request = Request(url, headers={"authorization": f"ApiKey {_API_KEY}"})  # noqa: S310 - loopback
        with urlopen(request, timeout=5) as answer:  # noqa: S310
            body: dict[str, Any] = json.load(answer)
            return body


def _environment() -> dict[str, str]:
    """Without what would lead the daemon to another world."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "SYNCD", "CREDENTIALS"))}
