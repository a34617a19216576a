"""The steps of a restart on the node's host, and their rollback."""

from typing import assert_never

from syncd.core.bundle import MAX_BYTES, content_digest
from syncd.core.errors import HostError
from syncd.core.model import (
    HostStep,
    KeystoreState,
    KeystoreStep,
    NodePolicy,
    PutYml,
    RemoveSecret,
    RestartNode,
    RollBack,
    SweepCopies,
)
from syncd.engine.hosts import keystore
from syncd.engine.hosts.copies import note_keystore, roll_back, save_copies, sweep_copies
from syncd.engine.hosts.service import expect_start, restart, start_again
from syncd.engine.world import World
from syncd.ports import Deadline, Host


def perform_on_host(world: World, step: HostStep, deadline: Deadline) -> None:
    """Carry out one step of a restart. Raises SyncdError."""
    host, node = world.fleet.host(step.node), world.policy.node(step.node)
    match step:
        case PutYml():
            _put_yml(host, node, step, deadline)
        case RestartNode():
            restart(host, world.services[step.node], step.invocation, deadline)
        case RollBack():
            _roll_back(host, world, step, deadline)
        case SweepCopies():
            sweep_copies(host, node, deadline)
        case _:
            assert_never(step)


def edit_keystore(world: World, step: KeystoreStep, deadline: Deadline) -> KeystoreState:
    """Carry out one edit of a keystore; what that is then. Raises SyncdError."""
    host, box = world.fleet.host(step.node), world.tools[step.node]
    if isinstance(step, RemoveSecret):
        return keystore.remove(host, box, step.setting, deadline, step.expect)
    try:
        value = world.secrets[step.setting]()
    except OSError as error:
        raise HostError("credential_unreadable", f"the file with its value cannot be read: {error}") from error
    held = keystore.add(host, box, step.setting, value, deadline, step.expect)
    if step.within_restart:
        note_keystore(host, world.policy.node(step.node), step.expect, held.digest, deadline)
    return held


def _roll_back(host: Host, world: World, step: RollBack, deadline: Deadline) -> None:
    service = world.services[step.node]
    if not step.start:
        expect_start(host, service, step.invocation, deadline)
    kept = roll_back(host, world.policy.node(step.node), step.expect, deadline)
    if step.start:
        start_again(host, service, step.invocation, deadline)
    if kept:
        what = "was started again" if step.start else "runs on"
        raise HostError("keystore_kept", f"the node {what}, but with its keystore as it is: {kept}")


def _put_yml(host: Host, node: NodePolicy, step: PutYml, deadline: Deadline) -> None:
    """The copies, the files that the new settings name, and the settings."""
    save_copies(host, node, content_digest(step.content), deadline)
    for path, content in step.beside.items():
        found = host.read(path, MAX_BYTES, deadline)
        if found is None or found.content != content:
            host.put(path, content, step.owner, content_digest(found.content) if found else None, deadline)
    host.put(step.path, step.content, step.owner, step.expect, deadline)
