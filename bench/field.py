"""A field of simulated nodes on real sshd: the API server and the nodes' REST are the demo's small ones."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.daemon import Daemon
from bench.hosts import Hosts
from bench.nodes import Servers
from syncd.core.bundle import render
from syncd.demo.free_ports import free_ports
from syncd.demo.kube import DemoKube
from syncd.demo.node import NodeConfig
from syncd.demo.pki import EckCa
from syncd.demo.remote import DemoRemote
from syncd.ports import now
from tests.bed.small import YML

ALIAS = "eck-prod"
SECRET = ("elastic", "quickstart-es-transport-certs-public")
_PASSWORD = "key"  # noqa: S105 - of our own servers of this minute
_LOOKS = 100
"""Looks at all files in a second at most, and fewer where there are many: the hosts, the daemon and this loop share cores."""
_STATS = 10_000
"""Looks at a single file in a second at most."""
_MOST_SECONDS = 300.0


class Field:
    """Nodes, hosts, Secret and daemon; what is not said here is as by default, the warm sessions too."""

    def __init__(self, folder: Path, nodes: int, stack: ExitStack) -> None:
        self.folder = folder
        self._company = render([EckCa.create(now(), "company").cert])
        self.ca = EckCa.create(now())
        self.kube = DemoKube().start()
        stack.callback(self.kube.stop)
        self._remote = DemoRemote([self.ca.leaf()])
        stack.callback(self._remote.stop)
        self.hosts = Hosts.start(folder, nodes, stack)
        ports = dict(zip(self.hosts.servers, free_ports(nodes), strict=True))
        self.servers = Servers(folder, [self._node(name, ports) for name in ports])
        stack.callback(self.servers.stop)
        self.servers.wait()
        self._publish_all()
        self.daemon = Daemon(folder, [self._cluster(ports)], folder / "kubeconfig")
        stack.callback(self.daemon.stop)

    def rotate(self) -> float:
        """ECK renews its CA with the same key and the pods follow; seconds until the Secret's CA is in all files."""
        self.ca = self.ca.renew(now())
        self._remote.serve([self.ca.leaf()])
        began = time.monotonic()
        self.kube.put_secret(*SECRET, {"ca.crt": self.ca.pem})
        return self.until_everywhere(began)

    def until_everywhere(self, began: float) -> float:
        """Seconds until every file has the CA; a file is read only if it is another one than before."""
        waiting: dict[str, tuple[int, int] | None] = dict.fromkeys(self.hosts.servers)
        pause = max(1 / _LOOKS, len(waiting) / _STATS)
        while waiting:
            for name, before in list(waiting.items()):
                status = self.hosts.file(name).stat()
                waiting[name] = (status.st_mtime_ns, status.st_ino)
                if waiting[name] != before and self.ca.pem in self.hosts.file(name).read_bytes():
                    del waiting[name]
            time.sleep(pause)
            if time.monotonic() - began > _MOST_SECONDS:
                raise TimeoutError(self._behind(len(waiting)))
        return time.monotonic() - began

    def _behind(self, count: int) -> str:
        return f"after {_MOST_SECONDS:g} s {count} of {len(self.hosts.servers)} files had not the new CA"

    def settle(self, seconds: float) -> None:
        """Wait until nothing is left to do or to prove."""
        end = time.monotonic() + seconds
        while not self.daemon.settled():
            if time.monotonic() > end:
                raise TimeoutError(f"the daemon did not settle in {seconds:g} s")
            time.sleep(0.1)  # a page of the daemon costs the time of the daemon

    def written(self) -> dict[str, object]:
        """Whatever a write of the daemon would change: files of the nodes, and objects other than its Lease."""
        paths = (path for name in self.hosts.servers for path in self.hosts.file(name).parent.iterdir())
        files: dict[str, object] = {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in paths}
        objects = {str(key): body for key, body in self.kube.store.objects.items() if key[0] != "leases"}
        return files | objects

    # --- how it is made

    def _publish_all(self) -> None:
        self.kube.kubeconfig(self.folder / "kubeconfig")
        self.kube.put_elasticsearch(SECRET[0], "quickstart", 1)
        self.kube.put_secret(*SECRET, {"ca.crt": self.ca.pem})
        (self.folder / "key").write_text(_PASSWORD)

    def _node(self, name: str, ports: dict[str, int]) -> NodeConfig:
        config = self.hosts.file(name).parent
        (config / "elasticsearch.yml").write_text(YML)
        (config / "onprem.log").touch()
        self.hosts.file(name).write_bytes(self._company)
        return NodeConfig(
            name, ports[name], str(self.hosts.file(name)), str(config / "onprem.log"), ports,
            str(self.folder / "settings.json"), _PASSWORD, ALIAS, self._remote.port,
        )  # fmt: skip

    def _cluster(self, ports: dict[str, int]) -> dict[str, Any]:
        nodes = [
            {"name": name, "address": server.address, "port": server.port,
             "layout": {"config_dir": str(self.hosts.file(name).parent)}}
            for name, server in self.hosts.servers.items()
        ]  # fmt: skip
        source = {"kind": "secret", "namespace": SECRET[0], "cluster": "quickstart"}
        return {
            "name": "onprem",
            "elasticsearch": {"urls": [f"http://127.0.0.1:{min(ports.values())}"], "api_key_file": "key"},
            "nodes": nodes,
            "transport": ssh_as_root(self.hosts.key),
            "remotes": [{"alias": ALIAS, "source": source, "trust": {"overlap": "1s"}}],
            "poll": "200ms",  # no node here loads anything; the proof by time is waited for, not measured
            "state": {"kind": "configmap", "namespace": "syncd"},
        }


def ssh_as_root(key: Path) -> dict[str, Any]:
    """The transport to servers of the bed; known_hosts is beside the configuration."""
    return {"kind": "ssh", "user": "root", "key_file": str(key), "known_hosts_file": "known_hosts"}


@contextmanager
def field_of(nodes: int) -> Iterator[Field]:
    """A field that ends with the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syncd-bench-")))
        yield Field(folder, nodes, stack)
