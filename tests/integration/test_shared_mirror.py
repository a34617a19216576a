"""Two clusters share one mirror and write at the same time, a hundred times each: nothing is lost.

The decisions are the real ones (`mirror_steps` and the guard) and so is the adapter; only what is on the nodes is made up.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from syncd.adapters.kubernetes import ConfigMapMirror, KubeClient
from syncd.adapters.kubernetes.client import APPLY
from syncd.core.bundle import Cert, bundle_digest
from syncd.core.eck.mirror import mirror_steps
from syncd.core.errors import MirrorConflict
from syncd.core.guard import check
from syncd.core.memory.history import note_eck
from syncd.core.model import (
    Absent,
    EckWrite,
    Known,
    Memory,
    MirrorState,
    OwnTrust,
    Presented,
    PutMirror,
    Seen,
    Shown,
)
from syncd.demo.kube import DemoKube
from syncd.demo.pki import EckCa, Leaf
from syncd.ports import now
from tests.bed.waiting import soon
from tests.contract.test_kubernetes import unique
from tests.fakes.eck_side import ALIAS, NAMES, Side, fresh, resource
from tests.fakes.eck_side import leaf as leaf_of

TURNS = 100
NS = "elastic"


@dataclass
class Cluster:
    """One syncd whose cluster gets another CA each turn, with an ECK that loads whatever is in the mirror at once."""

    mirror: ConfigMapMirror
    leaves: tuple[Leaf, ...]
    """Of each CA that it has in turn."""
    memory: Memory = Memory()
    conflicts: int = 0
    written: int = 0
    dropped: list[str] = field(default_factory=list)
    """Versions in which something that is nobody's was missing."""

    def run(self, keep: frozenset[Cert], start: threading.Barrier) -> None:
        """Each turn: trust the next CA, then pass after pass until there is nothing to do."""
        start.wait(30)
        for turn in range(TURNS):
            while not self.settled(self.leaves[turn % len(self.leaves)], keep):
                pass

    def settled(self, leaf: Leaf, keep: frozenset[Cert]) -> bool:
        """One pass: read, decide, guard, write; whether nothing was left to do."""
        state = self.mirror.read(soon())
        if state and not keep <= set(state.certs):
            self.dropped.append(state.version)
        side = self.side(state, leaf)
        seen = side.seen()
        steps, _ = mirror_steps(side.policy, seen, now(), fresh)
        if not steps:
            return True
        [step] = steps
        assert isinstance(step, PutMirror)
        check(step, None, seen, now())
        try:
            self.mirror.write(step.content, step.contribution, step.expect, soon(), step.origins)
        except MirrorConflict:
            self.conflicts += 1
            return False
        self.written += 1
        # a digest that is nothing's: the same few CAs come back within seconds here, and nobody undid them
        self.memory = note_eck(Memory(), EckWrite(ALIAS, "mirror", bundle_digest(()), now()))
        return False

    def side(self, state: MirrorState | None, leaf: Leaf) -> Side:
        at = now()
        mirror: Seen[MirrorState] = Known(state, at) if state else Absent(at)
        shown = Known(Shown(Presented(leaf.chain, "10.0.0.11:9300", at), frozenset()), at)
        trust = Known(OwnTrust((leaf.ca,), "pem"), at)
        side = Side(dict.fromkeys(NAMES, trust), dict.fromkeys(NAMES, shown), mirror=mirror)
        names = frozenset(marker.subject for marker in state.markers) if state else frozenset()
        side.resource = Known(resource(available=1), at)
        side.shown = (Shown(Presented(leaf_of("eck").chain, "eck:9300", at), names),)
        side.memory = Known(self.memory, at)
        return side


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.bed)])
def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "real":
        yield str(request.getfixturevalue("kube").kubeconfig)
        return
    server = DemoKube().start()
    yield str(server.kubeconfig(tmp_path / "kubeconfig"))
    server.stop()


@pytest.mark.timeout(300)
def test_two_clusters_that_write_one_mirror_a_hundred_times_each_lose_nothing(kubeconfig: str) -> None:
    name, hand = unique("remote-certs"), EckCa.create(now(), "by-hand").cert
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"ca.crt": hand.pem.decode()}}
    path = f"/api/v1/namespaces/{NS}/configmaps/{name}"
    client = KubeClient(kubeconfig, None)
    client.request("PATCH", path, soon(), query={"fieldManager": "person"}, body=body, kind=APPLY)
    clusters = [
        Cluster(
            ConfigMapMirror(KubeClient(kubeconfig, None), NS, name, f"syncd/{which}"),
            tuple(EckCa.create(now(), f"{which}-{number}").leaf() for number in range(3)),
        )
        for which in ("one", "two")
    ]
    start = threading.Barrier(2)
    threads = [threading.Thread(target=cluster.run, args=(frozenset({hand}), start)) for cluster in clusters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one, two = clusters
    state = one.mirror.read(soon())
    assert state
    last = {cluster.leaves[(TURNS - 1) % 3].ca for cluster in clusters}
    assert set(state.certs) == {hand, *last}, "what is in use, what a person put there, and nothing that retired"
    assert state.contributions.keys() == {"syncd/two"}
    assert len(state.markers) == 2
    assert [cluster.dropped for cluster in clusters] == [[], []]
    assert min(cluster.written for cluster in clusters) >= 2 * TURNS - 1, "published, then retired, in each turn"
    assert one.conflicts + two.conflicts > 0, "they did meet"
