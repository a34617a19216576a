"""Letting the nodes read their keystores again, and noting which keystore each process has read."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from syncd.core.errors import SyncdError
from syncd.core.model import NodeName, Outcome, Reloaded, ReloadSecure
from syncd.engine.hosts import keystore
from syncd.engine.world import World
from syncd.ports import Deadline, now

_AT_ONCE = 32
"""Most keystores read at once."""
_REQUEST = 30.0
"""Seconds for the request: every node of the cluster decrypts its keystore, which takes a busy one seconds."""
_EACH = 1 / 3
"""The part of the time for all reads that one may take: silent hosts leave some to the others."""


def reload_keystores(world: World, step: ReloadSecure) -> Outcome:
    """What came of it; each node's own result counts: the request as a whole succeeds although nodes could not.

    Which file a process reads is looked at before: what it reads then is that one or a newer one, never an older. However
    long that takes, the request has its own time: else a key would lie in every keystore that no process reads.
    """
    before = _before(world, step.running, Deadline.after(world.pace.call))
    said = tell(world, Deadline.after(max(_REQUEST, world.pace.call)))
    read = tuple(each for each in before if said.get(each.node) == "")
    failed = {name: text for name, text in said.items() if text}
    if not failed:
        return Outcome(step, "done", at=now(), reloads=read)
    told = "; ".join(f"{name}: {text}" for name, text in sorted(failed.items()))
    cure = "Look into these nodes' logs, and at owner, mode and password of their keystores"
    return Outcome(
        step, "failed", "reload_failed", f"keystores were not read again: {told}. {cure}", now(), reloads=read
    )


def tell(world: World, deadline: Deadline) -> Mapping[NodeName, str]:
    """Tell all nodes to read their keystores, with the password; what went wrong, by node, empty where nothing did."""
    box = next((box for box in world.tools.values() if box.password), None)
    return world.elasticsearch.reload_secure_settings(deadline, box.unlock() if box else None)


def _before(world: World, running: Iterable[tuple[NodeName, int]], deadline: Deadline) -> list[Reloaded]:
    with ThreadPoolExecutor(_AT_ONCE, "reload") as pool:
        return [read for read in pool.map(partial(_of, world, deadline), running) if read]


def _of(world: World, deadline: Deadline, process: tuple[NodeName, int]) -> Reloaded | None:
    """None: what its keystore is cannot be told, so nothing is noted of it, and it is told to read it once more."""
    name, started = process
    deadline = deadline.at_most(_EACH * world.pace.call)
    try:
        found = keystore.read(world.fleet.host(name), world.tools[name], deadline)
    except SyncdError:
        return None
    return Reloaded(name, started, found.digest) if found else None
