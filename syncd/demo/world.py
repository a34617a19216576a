"""The embedded world: an API server, three SSH hosts with a node each, ECK-like remotes, and the daemon itself."""

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

from syncd.demo import service
from syncd.demo.eck import DemoEck
from syncd.demo.free_ports import free_ports
from syncd.demo.kube import DemoKube
from syncd.demo.node import NodeConfig
from syncd.demo.own import YML, OwnCas
from syncd.demo.pki import EckCa
from syncd.demo.remote import DemoRemote
from syncd.demo.sshd import DemoSshd, Files
from syncd.ports import now

NAMES = ("es-01", "es-02", "es-03")
PODS = ("default-0", "default-1")
ALIAS, CERT_ALIAS = "eck-prod", "eck-cert"
"""The remotes of the API-key model and of the certificate model."""
NAMESPACE, CLUSTER, CERT_CLUSTER = "elastic", "quickstart", "partner"
_SECRET = f"{CLUSTER}-es-transport-certs-public"
_API_KEY = "ZGVtbzpub3QtYS1yZWFsLWtleQ=="
_CLIENT_YML = 'xpack.security.remote_cluster_client.ssl.certificate_authorities: ["remote-cluster-ca.crt"]\n'
_LONG_AGO = 1_700_000_000
"""When the trust files were copied: a node that was started within the same second might have been started before."""
_SERVICE = (sys.executable, "-IS", service.__file__)
_COMMANDS = {name: [*_SERVICE, name] for name in ("restart", "status")}
"""What a host runs for syncd, in the folder of its node."""


class World:
    """All of it, below one folder."""

    def __init__(self, folder: Path, overlap: str = "8s", *, bare: bool = False, files: type[Files] = Files) -> None:
        """`bare`: of a cluster that has no remote yet, and whose elasticsearch.yml knows of none. `files`: of the hosts."""
        self.folder = folder
        self.bare = bare
        self._files = files
        self.ca = EckCa.create(now())
        self.company = EckCa.create(now(), cluster="company-proxy").cert
        self.kube = DemoKube().start()
        self.remote = DemoRemote(self.ca.leaf(pod) for pod in PODS)
        self._client_key = self._key("client")
        self.hosts = {name: self._host(name) for name in NAMES}
        *ports, self.telemetry_port = free_ports(2 * len(NAMES) + 1)
        self.ports = dict(zip(NAMES, ports[::2], strict=True))
        self.transport_ports = dict(zip(NAMES, ports[1::2], strict=True))
        self.own = OwnCas({name: self._config_dir(name) for name in NAMES})
        self.eck: DemoEck | None = None
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
        """Start the nodes, each with its keeper."""
        for name in NAMES:
            command = ("-m", "syncd.demo.node", str(self.node(name) / "node.json"))
            self._spawn(name, *_SERVICE[1:], "run", str(self.node(name)), sys.executable, *command)

    def start_daemon(self) -> None:
        """Start `syncd run`, the same as in the field."""
        self.daemon = self._spawn("syncd", "-m", "syncd", "run", "--config", str(self.config))

    def kill_daemon(self) -> None:
        """End it in the middle of whatever it does."""
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
            self._processes.remove(self.daemon)

    def link_by_certificate(self) -> DemoEck:
        """A remote of the certificate model: on ECK's side, among the cluster's aliases, and in the configuration.

        The nodes must answer. A daemon that runs takes the changed configuration.
        """
        self.eck = DemoEck(self.kube, NAMESPACE, CERT_CLUSTER, self.transport_ports)
        prefix = f"cluster.remote.{CERT_ALIAS}"
        address = f"127.0.0.1:{self.eck.port.port}"
        settings = {f"{prefix}.mode": "proxy", f"{prefix}.proxy_address": address}
        self.ask(NAMES[0], "_cluster/settings", {"persistent": settings})
        config = json.loads(self.config.read_text())
        source = {"kind": "secret", "namespace": NAMESPACE, "cluster": CERT_CLUSTER}
        remote = {"alias": CERT_ALIAS, "security_model": "certificate", "source": source, "trust": {"overlap": "2s"}}
        config["clusters"][0]["remotes"].append(remote | {"resource": "managed"})
        config["clusters"][0] |= {
            "restart": {"policy": "rolling", "join_timeout": "60s"},
            "reload_interval": "1s",
            "poll": "1s",
        }
        _replace(self.config, json.dumps(config, indent=1))
        return self.eck

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
        if self.eck:
            self.eck.stop()
        self.kube.stop()

    # --- what is seen of it

    @property
    def config(self) -> Path:
        """The daemon's configuration."""
        return self.folder / "syncd.yaml"

    def trust_file(self, name: str) -> Path:
        """The managed file of a node."""
        return self._config_dir(name) / "remote-cluster-ca.crt"

    def transport_file(self, name: str) -> Path:
        """The managed file of a node's transport context."""
        return self._config_dir(name) / "remote-transport-ca.crt"

    def yml(self, name: str) -> Path:
        """The elasticsearch.yml of a node."""
        return self._config_dir(name) / "elasticsearch.yml"

    def node(self, name: str) -> Path:
        """The folder of a node's host."""
        return self.folder / name

    def starts(self, name: str) -> int:
        """How often a node was started, by its keeper."""
        with suppress(OSError):
            return len((self.node(name) / service.STARTS).read_text().splitlines())
        return 0

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

    def handshakes(self, alias: str = ALIAS) -> tuple[int, int]:
        """(ok, failed) fresh handshakes of all nodes with a remote since their start."""
        answers = [self.ask(name, "_demo/handshakes")["remotes"].get(alias, {}) for name in NAMES]
        return sum(count.get("ok", 0) for count in answers), sum(count.get("failed", 0) for count in answers)

    def settings(self) -> dict[str, str]:
        """The cluster's persistent settings, as it has them on disk."""
        with suppress(OSError):
            found: dict[str, str] = json.loads((self.folder / "settings.json").read_text())["persistent"]
            return found
        return {}

    def ask(self, name: str, path: str, body: object = None) -> dict[str, Any]:
        """What a node answers. Raises OSError."""
        data = json.dumps(body).encode() if body is not None else None
        return self._get(f"http://127.0.0.1:{self.ports[name]}/{path}", data)

    # --- how it is made

    def _prepare(self, overlap: str) -> None:
        for name in NAMES:
            (self.node(name) / "logs").mkdir()
            (self.node(name) / "logs" / "onprem.log").touch()
            self.yml(name).write_text(YML if self.bare else YML + _CLIENT_YML)
            (self.node(name) / "node.json").write_text(json.dumps(asdict(self._node_config(name))))
            copied = b"" if name == NAMES[-1] else self.ca.pem  # somebody forgot the third node
            if not self.bare:
                self.trust_file(name).write_bytes(copied + self.company.pem)
                os.utime(self.trust_file(name), (0, _LONG_AGO))
        self.publish(self.ca)
        self.kube.put_elasticsearch(NAMESPACE, CLUSTER, len(PODS))
        self.kube.kubeconfig(self.folder / "kubeconfig")
        (self.folder / "known_hosts").write_text("".join(host.known_host for host in self.hosts.values()))
        (self.folder / "api-key").write_text(_API_KEY)
        self.config.write_text(json.dumps(self._daemon_config(overlap), indent=1))

    def _host(self, name: str) -> DemoSshd:
        self._config_dir(name).mkdir(parents=True)
        commands, home = tuple(_COMMANDS.values()), self.node(name)
        key = self._key(f"host-{name}")
        return DemoSshd(key, self._client_key, commands=commands, home=home, files=self._files).start()

    def _config_dir(self, name: str) -> Path:
        return self.node(name) / "config"

    def _node_config(self, name: str) -> NodeConfig:
        return NodeConfig(
            name=name,
            http_port=self.ports[name],
            trust_file=str(self.trust_file(name)),
            log_file=str(self.node(name) / "logs" / "onprem.log"),
            peers=self.ports,
            settings_file=str(self.folder / "settings.json"),
            password=_API_KEY,
            alias="" if self.bare else ALIAS,
            remote_port=self.remote.port,
            transport_port=self.transport_ports[name],
            yml=str(self.yml(name)),
        )

    def _daemon_config(self, overlap: str) -> dict[str, Any]:
        """YAML is a superset of JSON."""
        nodes = [
            {"name": name, "address": "127.0.0.1", "port": self.hosts[name].port,
             "layout": {"config_dir": str(self._config_dir(name))}}
            for name in NAMES
        ]  # fmt: skip
        source = {"kind": "secret", "namespace": NAMESPACE, "cluster": CLUSTER}
        remote = {"alias": ALIAS, "source": source, "trust": {"overlap": overlap}}
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
                    "service": _COMMANDS,
                    "remotes": [] if self.bare else [remote],
                    "state": {"kind": "configmap", "namespace": "syncd"},
                }
            ],
            "telemetry": {"listen": f"127.0.0.1:{self.telemetry_port}", "log_format": "console"},
            "intervals": {"probe": "1s", "nodes": "3s"},
        }

    def _key(self, name: str) -> Ed25519Key:
        path = self.folder / name
        private = Ed25519PrivateKey.generate()
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        path.chmod(0o600)
        return Ed25519Key.from_private_key_file(str(path))

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log, env=_environment())  # noqa: S603 - this package
        self._processes.append(process)
        return process

    def _get(self, url: str, data: bytes | None = None) -> dict[str, Any]:
        headers, method = {"authorization": f"ApiKey {_API_KEY}"}, "PUT" if data else "GET"
        request = Request(url, data, headers, method=method)  # noqa: S310 - loopback
        with urlopen(request, timeout=5) as answer:  # noqa: S310
            body: dict[str, Any] = json.load(answer)
            return body


def _replace(path: Path, text: str) -> None:
    """Whoever reads it at any moment finds all of it."""
    temp = path.with_name(f"{path.name}.new")
    temp.write_text(text)
    temp.rename(path)


def _environment() -> dict[str, str]:
    """Without what would lead the daemon to another world."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "SYNCD", "CREDENTIALS"))}
