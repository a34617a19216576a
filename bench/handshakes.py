"""Fresh handshakes of simulated nodes while the CA rotates: the demo's world, with nodes that shake hands all the time."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.budgets import budget
from bench.daemon import all_proven
from bench.measured import Measured
from bench.rows import Row
from syncd.demo.node import NodeConfig
from syncd.demo.world import NAMES, World
from syncd.ports import now
from tests.bed.waiting import wait_for

WANTED = 1000
KUBELET_SECONDS = 10.0
"""How long the pods of a real remote take to have a new leaf."""
_FRESH_SECONDS = 0.1


class Busy(World):
    """Nodes that make ten fresh handshakes a second each."""

    def _node_config(self, name: str) -> NodeConfig:
        return replace(super()._node_config(name), fresh_every=_FRESH_SECONDS)


def measure(wanted: int = WANTED, kubelet: float = KUBELET_SECONDS) -> Measured:
    """Rotate until so many handshakes were made, of each kind."""
    with TemporaryDirectory(prefix="syncd-bench-") as folder:
        world = Busy(Path(folder))
        try:
            world.start_nodes()
            world.start_daemon()
            _proven(world)
            return Measured(
                rows=(
                    _count(world, "demo_same_key", wanted, lambda: _renew(world)),
                    _count(world, "demo_new_key", wanted, lambda: _rekey(world, kubelet)),
                )
            )
        finally:
            world.stop()


def _count(world: World, key: str, wanted: int, rotate: Callable[[], None]) -> Row:
    before, rotations, ok, failed = world.handshakes(), 0, 0, 0
    while ok + failed < wanted:
        rotate()
        rotations += 1
        ok, failed = (after - then for after, then in zip(world.handshakes(), before, strict=True))
    return budget(key).row(failed, f"of {ok + failed:,} during {rotations} rotations")


def _renew(world: World) -> None:
    """The pods follow at once: their new leaves verify by the old CA, too."""
    world.publish(world.ca.renew(now()))
    world.follow()
    _proven(world)


def _rekey(world: World, kubelet: float) -> None:
    """The pods follow after the kubelet's time, whatever syncd has done by then."""
    world.publish(world.ca.rekey(now()))
    time.sleep(kubelet)
    world.follow()
    _proven(world)


def _proven(world: World) -> None:
    def look() -> bool:
        rows = [row for cluster in world.status()["clusters"] for row in cluster["rows"]]
        return all_proven(rows, world.trust_file, len(NAMES), world.ca.cert)

    wait_for(look, 90, "the new CA, proven on each node", every=0.2)
