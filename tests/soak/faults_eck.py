"""What ECK and its Secret do."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bed.site import NS, SECRET
from tests.bed.waiting import wait_for
from tests.soak.fault import Fault
from tests.soak.world import WITHIN, World


@contextmanager
def renewal_with_the_same_key(world: World) -> Iterator[None]:
    world.publish("renewal")
    world.reached(set(world.names))
    if world.random.random() < 0.5:
        world.serve()
    yield


@contextmanager
def new_key(world: World) -> Iterator[None]:
    """The leaf follows after a kubelet's delay, whether or not anybody is ready."""
    world.publish("new key")
    delay = world.linger(2, 10)
    world.serve()
    world.reached(set(world.names), WITHIN - delay)
    yield


@contextmanager
def secret_emptied(world: World) -> Iterator[None]:
    with _spoiled(world, b"") as spoiled:
        yield spoiled


@contextmanager
def secret_with_garbage(world: World) -> Iterator[None]:
    with _spoiled(world, world.random.randbytes(700)) as spoiled:
        yield spoiled


@contextmanager
def secret_truncated(world: World) -> Iterator[None]:
    with _spoiled(world, world.published.pem[: world.random.randint(30, 900)]) as spoiled:
        yield spoiled


@contextmanager
def secret_deleted_and_made_anew(world: World) -> Iterator[None]:
    before = _files(world)
    world.site.kube.delete_secret(NS, SECRET)
    wait_for(lambda: "nothing_published" in world.site.rules(), 30, "a hold that names the deleted Secret")
    world.linger(1, 5)
    _unchanged(world, before)
    yield
    world.site.publish(world.published.pem)


@contextmanager
def _spoiled(world: World, content: bytes) -> Iterator[None]:
    before = _files(world)
    world.site.publish(content)
    try:
        wait_for(lambda: any(r.startswith("source_") for r in world.site.rules()), 30, "a hold that names the Secret")
        world.linger(1, 5)
        _unchanged(world, before)
        yield
    finally:
        world.site.publish(world.published.pem)


def _files(world: World) -> dict[str, bytes]:
    return {member.name: member.trust.read_bytes() for member in world.members}


def _unchanged(world: World, before: dict[str, bytes]) -> None:
    """Nothing is derived from what cannot be read."""
    for name, content in _files(world).items():
        if content != before[name]:
            world.ledger.violation(f"the file of {name} changed while nothing that can be used was published")


FAULTS = (
    Fault(renewal_with_the_same_key, changes=False),
    Fault(new_key, changes=False, weight=2),
    Fault(secret_emptied, changes=False),
    Fault(secret_with_garbage, changes=False),
    Fault(secret_truncated, changes=False),
    Fault(secret_deleted_and_made_anew, changes=False),
)
