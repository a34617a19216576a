"""What a restart does on a node's host: settings, keystore and service, each undone by what was done before it."""

from hashlib import sha256
from typing import assert_never

from syncd.core.bundle import Digest
from syncd.core.errors import HostError
from syncd.core.model import PutSecret, PutYml, RemoveSecret, RestartNode, RollBack, SweepCopies
from syncd.engine import keystore
from syncd.engine.copies import note_keystore, roll_back, save_copies, sweep_copies
from syncd.engine.service import expect_start, restart, start_again
from syncd.engine.world import World
from syncd.ports import Deadline, Host

_LIMIT = 1_048_576

OnHost = PutSecret | RemoveSecret | PutYml | RestartNode | RollBack | SweepCopies


class Handover:
    """From what a node ran with to what it shall run with."""

    def __init__(self, world: World) -> None:
        self._world = world

    def perform(self, step: OnHost, deadline: Deadline) -> None:
        """Carry out one step. Raises SyncdError."""
        host, node = self._world.fleet.host(step.node), self._world.policy.node(step.node)
        match step:
            case PutYml():
                _put_yml(host, step, deadline, self._world)
            case PutSecret():
                self._put_secret(host, step, deadline)
            case RemoveSecret():
                keystore.remove(host, self._world.tools[step.node], step.setting, deadline, step.expect)
            case RestartNode():
                restart(host, self._world.services[step.node], step.invocation, deadline)
            case RollBack():
                self._roll_back(host, step, deadline)
            case SweepCopies():
                sweep_copies(host, node, deadline)
            case _:
                assert_never(step)

    def _roll_back(self, host: Host, step: RollBack, deadline: Deadline) -> None:
        service = self._world.services[step.node]
        if not step.start:
            expect_start(host, service, step.invocation, deadline)
        kept = roll_back(host, self._world.policy.node(step.node), step.expect, deadline)
        if step.start:
            start_again(host, service, step.invocation, deadline)
        if kept:
            what = "was started again" if step.start else "runs on"
            raise HostError("keystore_kept", f"the node {what}, but with its keystore as it is: {kept}")

    def _put_secret(self, host: Host, step: PutSecret, deadline: Deadline) -> None:
        try:
            value = self._world.secrets[step.setting]()
        except OSError as error:
            raise HostError("credential_unreadable", f"the file with its value cannot be read: {error}") from error
        held = keystore.add(host, self._world.tools[step.node], step.setting, value, deadline, step.expect)
        if step.within_restart:
            note_keystore(host, self._world.policy.node(step.node), step.expect, held.digest, deadline)


def _put_yml(host: Host, step: PutYml, deadline: Deadline, world: World) -> None:
    """The copies, the files that the new settings name, and the settings."""
    save_copies(host, world.policy.node(step.node), _sha(step.content), deadline)
    for path, content in step.beside.items():
        found = host.read(path, _LIMIT, deadline)
        if found is None or found.content != content:
            host.put(path, content, step.owner, _sha(found.content) if found else None, deadline)
    host.put(step.path, step.content, step.owner, step.expect, deadline)


def _sha(content: bytes) -> Digest:
    return Digest(sha256(content).hexdigest())
