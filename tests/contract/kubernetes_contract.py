"""What the contracts of the Kubernetes adapter share: an API, embedded or real, with the same faults on demand."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from syncd.adapters.kubernetes import KubeClient
from syncd.demo.kube import DemoKube

NS = "elastic"
SECRET = "quickstart-es-transport-certs-public"


class Server(Protocol):
    """What the tests do to an API server."""

    def put_secret(self, namespace: str, name: str, data: dict[str, bytes]) -> None: ...
    def delete_secret(self, namespace: str, name: str) -> None: ...
    def put_elasticsearch(self, namespace: str, name: str, available: int) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def stop_api(self) -> None: ...
    def start_api(self) -> None: ...


class Embedded(DemoKube):
    """The embedded API under the names of the bed."""

    def stop_api(self) -> None:
        self.stop()

    def start_api(self) -> None:
        """What came before is forgotten, as a real server's watch cache forgets it."""
        self.store.compact()
        self.start()


@dataclass(frozen=True)
class Api:
    """One API server and an administrator's client of it."""

    server: Server
    client: KubeClient


class Ears:
    """A bell's listener."""

    def __init__(self) -> None:
        self.heard = threading.Semaphore(0)

    def __call__(self, _: str) -> None:
        self.heard.release()

    def hear(self, seconds: float = 20) -> bool:
        return self.heard.acquire(timeout=seconds)

    def drain(self) -> None:
        while self.heard.acquire(timeout=0.3):
            pass


class KubernetesContract:
    """Subclasses test one port's implementation on both APIs."""

    @pytest.fixture
    def demo_kube(self) -> Iterator[Embedded]:
        kube = Embedded()
        kube.start()
        yield kube
        kube.stop()

    @pytest.fixture
    def demo_client(self, demo_kube: Embedded, tmp_path: Path) -> Iterator[KubeClient]:
        client = KubeClient(str(demo_kube.kubeconfig(tmp_path / "demo-kubeconfig")), None)
        yield client
        client.close()

    @pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.bed)])
    def api(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
        if request.param == "real":
            server = request.getfixturevalue("kube")
            client = KubeClient(str(server.kubeconfig), None)
            yield Api(server, client)
            server.thaw()  # a test may have left it frozen
        else:
            demo: Embedded = request.getfixturevalue("demo_kube")
            client = KubeClient(str(demo.kubeconfig(tmp_path / "kubeconfig")), None)
            yield Api(demo, client)
        client.close()
