"""Promise 3 on real hosts: the daemon is killed -9 at fifty random moments while everything changes, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncd.core.bundle import Cert, read_trust_file
from syncd.core.errors import BundleError
from syncd.core.java.trust import verifies
from syncd.core.memory.document import parse
from syncd.demo.free_ports import free_ports
from syncd.demo.kube import DemoKube
from syncd.demo.pki import EckCa, Leaf
from syncd.demo.remote import DemoRemote
from syncd.ports import now
from tests.bed.site import NS, SECRET, SOURCE
from tests.bed.small import CLUSTER, SmallNode, cluster_entry, run_small
from tests.bed.sshd import make_key
from tests.bed.waiting import wait_for

pytestmark = [pytest.mark.bed, pytest.mark.timeout(900)]
KILLS, NODES = 50, 4
_STALE = 1000


@dataclass
class Load:
    """What changes all the while: a Secret, the remote's leaf, and files, by one thread so that it knows what it did."""

    kube: DemoKube
    remote: DemoRemote
    nodes: list[SmallNode]
    random: Random
    ca: EckCa
    foreign: dict[str, Cert]
    leaf: Leaf
    faults: list[str] = field(default_factory=list)
    followed: int = 0

    def publish(self) -> None:
        """A renewal, or a new key whose leaf follows when all hosts have it."""
        self.ca = self.random.choice((self.ca.renew, self.ca.rekey))(now())
        self.kube.put_secret(NS, SECRET, {"ca.crt": self.ca.pem})

    def step(self) -> None:
        """One change at random."""
        if all(map(self._has_newest, self.nodes)):
            self.leaf = self.ca.leaf()
            self.remote.serve([self.leaf])
            self.followed += 1
            self.publish()
        else:
            self.random.choice((self._spoil_mode, self._take_out, self._reorder))(self.random.choice(self.nodes))

    def _has_newest(self, node: SmallNode) -> bool:
        with suppress(BundleError, OSError):  # `look` tells of it
            return self.ca.cert in certs_of(node)
        return False

    def look(self) -> None:
        """Every file is whole, keeps what is not syncd's, and trusts what the remote serves: now, and at any moment."""
        for node in self.nodes:
            leaf = self.leaf  # what it was before the file is read was served then, or is still
            try:
                certs = certs_of(node)
            except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole
                self.faults.append(f"{node.name}: {error!r}")
                continue
            if self.foreign[node.name] not in certs:
                self.faults.append(f"{node.name} lost what is not syncd's")
            if not verifies(leaf.chain, certs, now()).ok:
                self.faults.append(f"{node.name} does not trust what the remote serves")

    def _spoil_mode(self, node: SmallNode) -> None:
        node.trust.chmod(0o600)

    def _take_out(self, node: SmallNode) -> None:
        """Somebody restores a copy from before the last rotation: it has what the remote serves, and nothing newer."""
        self._write(node, [self.foreign[node.name], self.leaf.ca])

    def _reorder(self, node: SmallNode) -> None:
        """Other bytes of the same certificates."""
        with suppress(BundleError):  # `look` tells of it
            self._write(node, sorted(certs_of(node), reverse=True))

    def _write(self, node: SmallNode, certs: list[Cert]) -> None:
        temp = node.trust.with_name("by-somebody")
        temp.write_bytes(b"".join(cert.pem for cert in certs))
        temp.rename(node.trust)


def certs_of(node: SmallNode) -> tuple[Cert, ...]:
    return read_trust_file(node.trust.read_bytes()).certs


@dataclass
class Daemon:
    """`syncd run`, life after life."""

    folder: Path
    config: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "syncd.log").open("ab") as log:
            command = [sys.executable, "-m", "syncd", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process:
            assert self.process.poll() is None, f"it ended by itself, see {self.folder}/syncd.log"
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def clusters(self) -> list[dict[str, Any]]:
        with suppress(OSError, ValueError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status") as answer:
            clusters: list[dict[str, Any]] = json.load(answer)["clusters"]
            return clusters
        return []

    def settled(self) -> bool:
        clusters = self.clusters()
        return bool(clusters) and all(cluster["settled"] for cluster in clusters)


@dataclass
class Scene:
    """Everything."""

    load: Load
    daemon: Daemon
    state: Path
    seed: int
    """`SYNCD_TEST_SEED` sets it."""


@pytest.fixture
def scene(open_folder: Path, need_sshd: None) -> Iterator[Scene]:
    seed = int(os.environ.get("SYNCD_TEST_SEED", time.time_ns() % 10**6))
    ca = EckCa.create(now())
    key, public = make_key(open_folder)
    leaf = ca.leaf()
    with ExitStack() as stack:
        kube, remote = DemoKube().start(), DemoRemote([leaf])
        stack.callback(kube.stop)
        stack.callback(remote.stop)
        nodes = stack.enter_context(run_small(open_folder, NODES, public, ca.pem, remote.port, poll=0.5))
        foreign = {node.name: EckCa.create(now(), cluster="company").cert for node in nodes}
        for node in nodes:
            node.trust.write_bytes(ca.pem + foreign[node.name].pem)
        kube.put_secret(NS, SECRET, {"ca.crt": ca.pem})
        kube.put_elasticsearch(NS, SOURCE["cluster"], 1)
        kube.kubeconfig(open_folder / "kubeconfig")
        (open_folder / "state").mkdir()
        state = open_folder / "state" / "edge.json"
        daemon = Daemon(open_folder, *_config(open_folder, nodes, key, state))
        stack.callback(daemon.kill)
        yield Scene(Load(kube, remote, nodes, Random(seed), ca, foreign, leaf), daemon, state, seed)  # noqa: S311 - guards nothing


def _config(folder: Path, nodes: list[SmallNode], key: Path, state: Path) -> tuple[Path, int]:
    """The state is a file: its lock ends with the process, so that each life can act at once."""
    (port,) = free_ports(1)
    entry = cluster_entry(nodes, key, SOURCE, {"kind": "file", "path": str(state)})
    entry["remotes"][0]["trust"]["overlap"] = "1s"
    entry["poll"] = "500ms"
    (folder / "known_hosts").write_text("".join(node.host.known_host for node in nodes))
    body = {
        "kubernetes": {"kubeconfig": str(folder / "kubeconfig")},
        "clusters": [entry],
        "telemetry": {"listen": f"127.0.0.1:{port}", "log_format": "console"},
        "intervals": {"probe": "1s", "reread": "1s"},
    }
    path = folder / "syncd.yaml"
    path.write_text(json.dumps(body))
    return path, port


def test_killed_at_fifty_random_moments_under_load_nothing_is_lost(scene: Scene) -> None:
    load, daemon = scene.load, scene.daemon
    done = threading.Event()
    threads = [
        threading.Thread(target=_go_on, args=args) for args in ((load.look, 0.005, done), (load.step, 0.1, done))
    ]
    seed = f"SYNCD_TEST_SEED={scene.seed}, log {daemon.folder}/syncd.log"
    daemon.start()
    wait_for(daemon.settled, 60, f"onboarding settled, {seed}")
    for thread in threads:
        thread.start()
    try:
        moments = Random(load.random.random())  # noqa: S311
        for _ in range(KILLS):
            _wait_for_a_moment(moments, daemon)
            daemon.kill()
            daemon.start()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not load.faults, (seed, load.faults[:5])
    assert load.followed > 5, f"rotations went through between the kills, {seed}"
    _settles_without_a_trace(scene, seed)


def _go_on(look: Any, every: float, done: threading.Event) -> None:
    while not done.wait(every):
        look()


def _wait_for_a_moment(moments: Random, daemon: Daemon) -> None:
    """In the middle of a start, of the first pass, or of the work of a life: a time is the thing itself here."""
    if moments.random() < 0.3:
        time.sleep(moments.uniform(0, 1.2))
        return
    wait_for(daemon.clusters, 30, "the first pass of this life")
    time.sleep(moments.uniform(0, 2))


def _settles_without_a_trace(scene: Scene, seed: str) -> None:
    load = scene.load
    for node in load.nodes:
        for left in _temps(node):
            os.utime(left, (now().timestamp() - _STALE,) * 2)
    load.ca = load.ca.rekey(now())
    load.kube.put_secret(NS, SECRET, {"ca.crt": load.ca.pem})
    wait_for(lambda: all(load.ca.cert in certs_of(node) for node in load.nodes), 60, f"the last CA, {seed}")
    load.leaf = load.ca.leaf()
    load.remote.serve([load.leaf])
    wanted = {node.name: {load.ca.cert, load.foreign[node.name]} for node in load.nodes}
    _await_gone(scene, wanted, seed)
    wait_for(scene.daemon.settled, 60, f"settled, {seed}")
    assert not any(_temps(node) for node in load.nodes), seed
    assert parse(scene.state.read_text(), str(scene.state)).record(load.ca.cert.fingerprint), seed
    assert scene.daemon.clusters()[0]["cluster"] == CLUSTER


def _await_gone(scene: Scene, wanted: dict[str, set[Cert]], seed: str) -> None:
    nodes = scene.load.nodes
    try:
        wait_for(lambda: all(set(certs_of(node)) == wanted[node.name] for node in nodes), 60, f"old CAs gone, {seed}")
    except TimeoutError as error:
        left = {node.name: [cert.short for cert in set(certs_of(node)) - wanted[node.name]] for node in nodes}
        holds = [f"{hold['subject']}: {hold['rule']}: {hold['text']}" for hold in scene.daemon.clusters()[0]["holds"]]
        raise TimeoutError("\n".join([str(error), f"left: {left}", *holds])) from error


def _temps(node: SmallNode) -> list[Path]:
    """What a killed writer may have left beside the target."""
    return list(node.trust.parent.glob(".*syncd-*"))
