"""Two real clusters, three sshd, a real API server, and the daemon between them: from the Secret to the proof."""

import random
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Self

from bench.budgets import budget
from bench.daemon import Daemon, all_proven
from bench.field import SECRET, ssh_as_root
from bench.measured import Measured
from bench.percentile import percentile
from bench.rows import Row
from syncd.demo.pki import EckCa
from syncd.ports import now
from tests.bed import paths
from tests.bed.elasticsearch import PASSWORD, USER
from tests.bed.kube import KubeApi
from tests.bed.link import ALIAS, FILE, Pair
from tests.bed.sshd import Sshd, make_key
from tests.bed.waiting import wait_for

NODES = 3
ROTATIONS = 20
WANTED = 50
KUBELET_SECONDS = 10.0
_POLL = "5s"
_FAST = "1s"
_PROOF_SECONDS = 60.0


@dataclass
class Real:
    """What is there for the whole part; the daemon is another one for each poll interval."""

    folder: Path
    kube: KubeApi
    pair: Pair
    hosts: list[Sshd]
    key: Path
    ca: EckCa

    @classmethod
    def start(cls, folder: Path, stack: ExitStack) -> "Real":
        """Start everything but the daemon; it ends with the stack."""
        folder.chmod(0o755)  # Elasticsearch runs as another user
        kube = KubeApi(folder / "kube")
        stack.callback(kube.stop)
        kube.start()
        ca = EckCa.create(now())
        pair = Pair.start(folder, ca, NODES, paths.NEWEST, ca.pem)
        stack.callback(pair.stop)
        key, public = make_key(folder)
        hosts = [Sshd(folder / f"sshd-{n}", f"127.0.3.{n}", public) for n in range(1, NODES + 1)]
        for host in hosts:
            stack.callback(host.stop)
            host.start()
        (folder / "known_hosts").write_text("".join(host.known_host for host in hosts))
        (folder / "password").write_text(PASSWORD)
        real = cls(folder, kube, pair, hosts, key, ca)
        real.publish(ca)
        kube.put_elasticsearch(SECRET[0], "quickstart", 1)
        wait_for(pair.linked, 60, "the link")
        return real

    def daemon(self, poll: str) -> Daemon:
        """A running daemon that is told this poll interval, once all that is there is proven."""
        daemon = Daemon(self.folder, [self._cluster(poll)], self.kube.kubeconfig).start()
        self.await_proof(daemon)
        return daemon

    def publish(self, ca: EckCa) -> None:
        """ECK publishes."""
        self.ca = ca
        self.kube.put_secret(*SECRET, {"ca.crt": ca.pem})

    def await_proof(self, daemon: Daemon) -> None:
        """Wait until every process is proven to have loaded the file with the published CA."""
        files = {node.name: node.config / FILE for node in self.pair.local}

        def look() -> bool:
            return all_proven(daemon.rows(), files.__getitem__, NODES, self.ca.cert)

        wait_for(look, _PROOF_SECONDS, f"the new CA, proven on each node; see {self.folder}/syncd.log", every=0.02)

    def hasten(self) -> None:
        """Fast reload: needs a restart of each node."""
        for node in self.pair.local:
            node.stop()
            with (node.config / "elasticsearch.yml").open("a") as yml:
                yml.write(f"resource.reload.interval.high: {_FAST}\n")
            node.start()
        for node in self.pair.local:
            node.ready()
        wait_for(self.pair.linked, 120, "the link after the restart")

    def served(self) -> str:
        """The leaf that the remote presents now."""
        return ssl.get_server_certificate(("127.0.0.1", self.pair.remote.remote_cluster_port()), timeout=5)

    def _cluster(self, poll: str) -> dict[str, Any]:
        nodes = [
            {"name": node.name, "address": host.address, "port": host.port, "layout": {"config_dir": str(node.config)}}
            for node, host in zip(self.pair.local, self.hosts, strict=True)
        ]
        source = {"kind": "secret", "namespace": SECRET[0], "cluster": "quickstart"}
        urls = [node.url for node in self.pair.local]
        return {
            "name": "onprem",
            "elasticsearch": {"urls": urls, "username": USER, "password_file": "password"},
            "nodes": nodes,
            "transport": ssh_as_root(self.key),
            "remotes": [{"alias": ALIAS, "source": source}],  # the overlap of a day: nothing retires meanwhile
            "poll": poll,
            "state": {"kind": "configmap", "namespace": "syncd"},
        }


@dataclass
class Fresh:
    """Forces and uses fresh connections each second, and notes what fails."""

    pair: Pair
    made: int = 0
    rounds: int = 0
    failures: list[str] = field(default_factory=list)
    done: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._worker = Thread(target=self._go_on)
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self._worker.join()

    def _go_on(self) -> None:
        while not self.done.wait(1):
            self.rounds += 1
            self.failures += self.pair.fresh(self.rounds)
            self.made += len(self.pair.local)


def measure(rotations: int = ROTATIONS, wanted: int = WANTED) -> Measured:
    """Rotate with the default poll and force fresh connections; then again with fast reload."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="syncd-bench-")))
        real = Real.start(folder, stack)
        daemon = real.daemon(_POLL)
        stack.callback(daemon.stop)
        rows = _latency("proven_default", 5, [_rotation(real, daemon, 5) for _ in range(rotations)])
        rows += [
            _handshakes("real_same_key", real, daemon, wanted, 0),
            _handshakes("real_new_key", real, daemon, wanted, KUBELET_SECONDS),
        ]
        daemon.stop()
        real.hasten()
        fast = real.daemon(_FAST)
        stack.callback(fast.stop)
        rows += _latency("proven_fast", 1, [_rotation(real, fast, 1) for _ in range(rotations)])
    return Measured(tuple(rows))


def _rotation(real: Real, daemon: Daemon, poll: float) -> float:
    """Seconds from the Secret to the proof; at a random moment, since the proof before was just after a poll."""
    time.sleep(random.uniform(0, poll))  # noqa: S311 - guards nothing
    renewed = real.ca.renew(now())
    began = time.monotonic()
    real.publish(renewed)
    real.await_proof(daemon)
    return time.monotonic() - began


def _latency(key: str, poll: int, times: list[float]) -> list[Row]:
    why = f"up to {poll} s of it are Elasticsearch's poll; the rest shares two cores with four JVMs and kube-apiserver"
    text = f"{len(times)} rotations, the slowest {max(times):.2f} s"
    return [
        budget(key).row(percentile(times, 95), text, why),
        budget(f"{key}_p50").row(percentile(times, 50), f"{len(times)} rotations"),
    ]


def _handshakes(key: str, real: Real, daemon: Daemon, wanted: int, kubelet: float) -> Row:
    """With a kubelet's delay the key is a new one; without, the same, and the leaf follows at once."""
    following: Callable[[], EckCa] = (lambda: real.ca.rekey(now())) if kubelet else (lambda: real.ca.renew(now()))
    rotated = 0
    with Fresh(real.pair) as fresh:
        while fresh.made < wanted:
            before = real.served()
            real.publish(following())
            time.sleep(kubelet)
            real.pair.serve(real.ca)
            real.await_proof(daemon)
            _await_use(real, fresh, before)
            rotated += 1
    why = "; ".join(fresh.failures[:3])
    return budget(key).row(len(fresh.failures), f"of {fresh.made} during {rotated} rotations", why)


def _await_use(real: Real, fresh: Fresh, before: str) -> None:
    """Wait until the remote presents another leaf than before, and a whole round of fresh connections has met it."""
    wait_for(lambda: real.served() != before, 30, "the remote's new leaf")
    used = fresh.rounds
    wait_for(lambda: fresh.rounds > used + 1, 60, "fresh connections to it")
