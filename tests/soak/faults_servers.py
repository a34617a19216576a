"""What befalls the API server and Elasticsearch."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bed.elasticsearch import EsNode
from tests.bed.waiting import wait_for
from tests.soak.fault import Fault
from tests.soak.world import World

_UP = 150.0


@contextmanager
def api_restarted(world: World) -> Iterator[None]:
    with world.blinded():
        world.site.kube.stop_api()
        try:
            world.linger(0, 20)
        finally:
            world.site.kube.start_api()
        yield


@contextmanager
def api_frozen(world: World) -> Iterator[None]:
    with world.blinded():
        world.site.kube.freeze()
        try:
            world.linger(5, 30)
        finally:
            world.site.kube.thaw()
        yield


@contextmanager
def etcd_frozen(world: World) -> Iterator[None]:
    with world.blinded():
        world.site.kube.freeze_store()
        try:
            world.linger(5, 30)
        finally:
            world.site.kube.thaw_store()
        yield


@contextmanager
def node_restarted(world: World) -> Iterator[None]:
    """Half of a cluster of two has no master: both are excused until they are one again."""
    node = _real(world)
    with world.excuses.excused(*world.real):
        node.stop()
        try:
            world.linger(0, 5)
            yield
        finally:
            node.start().ready()
        _whole(world)


@contextmanager
def node_frozen(world: World) -> Iterator[None]:
    node = _real(world)
    with world.excuses.excused(*world.real):
        node.freeze()
        try:
            world.linger(5, 25)
            yield
        finally:
            node.thaw()
        _whole(world)


def _real(world: World) -> EsNode:
    return world.random.choice(world.site.pair.local)


def _whole(world: World) -> None:
    """Both nodes are one cluster again, each with its link: it opens them only when it notices."""
    nodes = world.site.pair.local
    wait_for(
        lambda: all(node.api("GET", "/_cluster/health")["number_of_nodes"] == len(nodes) for node in nodes),
        _UP,
        "the nodes as one cluster again",
        0.3,
    )
    wait_for(world.site.pair.linked, _UP, "the links of the nodes", 0.3)


FAULTS = (
    Fault(api_restarted, changes=False),
    Fault(api_frozen, changes=False),
    Fault(etcd_frozen, changes=False),
    Fault(node_restarted),
    Fault(node_frozen),
)
